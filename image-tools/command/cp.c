/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: any location to any other; see transfer.c. */
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"
#include "image-tools/compose.h"

struct options {
	struct transfer_flags f;
	struct registry_flags registry;
};

static const struct option_spec specs[] = {
	{ "platform", 0, OPTION_STRING, offsetof(struct options, f.platform), "P", "os/arch[/variant]; \"all\" copies the index" },
	{ "format", 0, OPTION_STRING, offsetof(struct options, f.format), "oci|docker", "archive form (both)" },
	{ "compress", 0, OPTION_STRING, offsetof(struct options, f.compress), "HOW", "layers as gzip|zstd|none[:LEVEL], or keep (default)" },
	{ "foreign", 0, OPTION_FLAG, offsetof(struct options, f.foreign), NULL, "fetch foreign layers from the addresses in the manifest" },
	{ "chunk", 0, OPTION_NUMBER, offsetof(struct options, f.chunk), "BYTES", "largest upload request (64 MiB)" },
	{ "jobs", 'j', OPTION_NUMBER, offsetof(struct options, f.jobs), "N", "blobs at a time (4)" },
	REGISTRY_OPTIONS(struct options),
	MIRROR_OPTION(struct options),
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct location src, dst;
	struct descriptor d;
	struct layout layout, direct;
	const char *name;
	bool compress = o->f.compress && strcmp(o->f.compress, "keep") != 0;
	int r = location_parse(&p->arena, argv[0], &src, err);

	(void)argc;
	o->f.registry = o->registry;
	if (o->f.platform && strcmp(o->f.platform, "all") == 0) {
		o->f.platform = NULL;
		o->f.all = true;
	}
	if (r == 0)
		r = location_parse(&p->arena, argv[1], &dst, err);
	/* Blobs from a registry go to their place at once, not through the store. */
	if (r == 0 && src.kind == LOCATION_REGISTRY && dst.kind == LOCATION_LAYOUT && !compress) {
		r = layout_open(&direct, dst.path, true, ".partial", err);
		o->f.direct = r == 0 ? &direct : NULL;
	}
	if (r == 0)
		r = location_get(p, &src, &o->f, &layout, &d, &name, err);
	if (r == 0 && compress) {
		struct layout store;

		/* New blobs go to the store: the source is only read. */
		r = program_store(p, err);
		store = p->store.layout;
		if (r == 0 && layout.dir != store.dir)
			r = layout_copy(&layout, &store, &p->arena, &d, err);
		layout = store;
		if (r == 0)
			r = image_recompress(&layout, &p->arena, &d, o->f.compress, &d, err);
	}
	if (r == 0)
		r = location_put(p, &layout, &d, &dst, name, &o->f, err);
	if (o->f.direct)
		layout_close(&direct);
	if (r == 0 && !p->quiet && strcmp(argv[1], "-") != 0)
		printf("%s %s\n", location_describe(&p->arena, &dst), d.digest_text);
	return r;
}

const struct command command_cp = { "cp", "SRC DST", "copy an image between any two places", specs,
	sizeof(struct options), 2, 2, run };
