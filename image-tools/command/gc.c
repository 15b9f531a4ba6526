/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see store/gc.c. */
#include <stdio.h>

#include "image-tools/command/commands.h"

static const struct option_spec specs[] = {
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct gc_options, dry_run), NULL, "only say what would be freed" },
	{ "older", 0, OPTION_STRING, offsetof(struct gc_options, older), "AGE", "only what has been there longer: 30m, 12h, 7d" },
	{ "layers", 0, OPTION_FLAG, offsetof(struct gc_options, layers_only), NULL, "only unpacked layers" },
	{ "build-cache", 0, OPTION_FLAG, offsetof(struct gc_options, build_cache), NULL, "also the cache of builds" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct gc_result result;
	struct json_writer w;
	int r = program_store(p, err);

	(void)argc;
	(void)argv;
	if (r == 0)
		r = store_gc(&p->store, opaque, &result, err);
	if (r < 0)
		return r;
	json_writer_init(&w, &p->arena, true);
	json_write_object(&w);
	json_write_member_u64(&w, "bytes", result.bytes);
	json_write_member_u64(&w, "blobs", result.blobs);
	json_write_member_u64(&w, "layers", result.layers);
	json_write_member_u64(&w, "leftovers", result.leftovers);
	json_write_end_object(&w);
	if (p->json)
		print_json(&w);
	else if (!p->quiet)
		printf("%zu blobs, %zu layers, %zu leftovers: %s\n", result.blobs, result.layers, result.leftovers,
			human_size(&p->arena, result.bytes));
	return 0;
}

const struct command command_gc = { "gc", "", "free what no image and no bundle needs", specs, sizeof(struct gc_options), 0, 0,
	run };
