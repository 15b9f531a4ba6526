/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see store/gc.c. */
#include <errno.h>
#include <stdio.h>

#include "image-tools/bundle/bundle.h"
#include "image-tools/command/commands.h"

struct options {
	struct gc_options g;
	const char *keep_cache;
};
#define AT(M) offsetof(struct options, M)

static const struct option_spec specs[] = {
	{ "dry-run", 'n', OPTION_FLAG, AT(g.dry_run), NULL, "only say what would be freed" },
	{ "older", 0, OPTION_STRING, AT(g.older), "AGE", "only what has been there longer: 30m, 12h, 7d" },
	{ "layers", 0, OPTION_FLAG, AT(g.layers_only), NULL, "only unpacked layers" },
	{ "dangling", 0, OPTION_FLAG, AT(g.dangling), NULL, "also images without a name" },
	{ "build-cache", 0, OPTION_FLAG, AT(g.build_cache), NULL, "also the cache of builds" },
	{ "keep-cache", 0, OPTION_STRING, AT(keep_cache), "SIZE", "of the cache of builds only the latest SIZE, as 10g" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct gc_result result;
	struct json_writer w;
	int64_t max = 0;
	int r = o->keep_cache ? bundle_parse_size(o->keep_cache, &max, err) : 0;

	(void)argc;
	(void)argv;
	if (r < 0)
		return error_wrap(err, "--keep-cache");
	if (o->keep_cache && o->g.build_cache)
		return error_set(err, ERR_USAGE, EINVAL, "gc: --keep-cache and --build-cache exclude one another");
	o->g.limit_cache = o->keep_cache != NULL;
	o->g.cache_max = (uint64_t)max;
	r = program_store(p, err);
	if (r == 0)
		r = store_gc(&p->store, &o->g, &result, err);
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

const struct command command_gc = { "gc", "", "free what no image and no bundle needs", specs, sizeof(struct options), 0, 0,
	run };
