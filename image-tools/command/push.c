/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: store to registry; the name in the store is the destination unless another is given. */
#include <errno.h>
#include <stdio.h>

#include "image-tools/command/commands.h"
#include "image-tools/compose.h"

struct options {
	struct transfer_flags f;
	struct registry_flags registry;
	const char *digestfile;
};

static const struct option_spec specs[] = {
	{ "chunk", 0, OPTION_NUMBER, offsetof(struct options, f.chunk), "BYTES", "largest upload request (64 MiB)" },
	{ "compress", 0, OPTION_STRING, offsetof(struct options, f.compress), "HOW", "layers as gzip|zstd|none[:LEVEL], or keep (default)" },
	{ "digestfile", 0, OPTION_STRING, offsetof(struct options, digestfile), "FILE", "write the digest pushed to FILE" },
	{ "jobs", 'j', OPTION_NUMBER, offsetof(struct options, f.jobs), "N", "blobs at a time (4)" },
	REGISTRY_OPTIONS(struct options),
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct store_image image;
	struct descriptor sent;
	struct location dst;
	int r = program_store(p, err);

	o->f.registry = o->registry;
	if (r == 0)
		r = store_find(&p->store, argv[0], &image, err);
	if (r == 0)
		r = location_parse(&p->arena, argc > 1 ? argv[1] : image.name ? image.name : argv[0], &dst, err);
	if (r < 0)
		return r;
	if (dst.kind != LOCATION_STORE && dst.kind != LOCATION_REGISTRY)
		return error_set(err, ERR_USAGE, EINVAL, "push: a registry reference expected; use cp for other places");
	dst.kind = LOCATION_REGISTRY;
	sent = image.descriptor;
	if (o->f.compress)
		r = image_recompress(&p->store.layout, &p->arena, &image.descriptor, o->f.compress, &sent, err);
	if (r == 0)
		r = location_put(p, &p->store.layout, &sent, &dst, image.name, &o->f, err);
	if (r == 0 && o->digestfile) {
		FILE *f = fopen(o->digestfile, "we");

		if (!f || fprintf(f, "%s\n", sent.digest_text) < 0 || fclose(f) != 0)
			r = error_sys(err, errno, "write %s", o->digestfile);
	}
	if (r == 0 && !p->quiet)
		printf("%s %s\n", reference_familiar(&p->arena, &dst.ref), sent.digest_text);
	return r;
}

const struct command command_push = { "push", "NAME [REF]", "send an image from the store to a registry", specs,
	sizeof(struct options), 1, 2, run };
