/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: store to registry; the name in the store is the destination unless another is given. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"
#include "image-tools/compose.h"

struct options {
	struct transfer_flags f;
	struct registry_flags registry;
	const char *digestfile;
	bool all;
};

static const struct option_spec specs[] = {
	{ "chunk", 0, OPTION_NUMBER, offsetof(struct options, f.chunk), "BYTES", "largest upload request (64 MiB)" },
	{ "compress", 0, OPTION_STRING, offsetof(struct options, f.compress), "HOW", "layers as gzip|zstd|none[:LEVEL], or keep (default)" },
	{ "digestfile", 0, OPTION_STRING, offsetof(struct options, digestfile), "FILE", "write the digest pushed to FILE" },
	{ "all", 'a', OPTION_FLAG, offsetof(struct options, all), NULL, "all that the store has of NAME's repository" },
	{ "jobs", 'j', OPTION_NUMBER, offsetof(struct options, f.jobs), "N", "blobs at a time (4)" },
	REGISTRY_OPTIONS(struct options),
	{ 0 },
};

static int push_one(struct program *p, struct options *o, const char *what, const char *where, struct error *err)
{
	struct store_image image;
	struct descriptor sent;
	struct location dst;
	int r = program_store(p, err);

	if (r == 0)
		r = store_find(&p->store, what, &image, err);
	if (r == 0)
		r = location_parse(&p->arena, where ? where : image.name ? image.name : what, &dst, err);
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

static int push_all(struct program *p, struct options *o, const char *name, struct error *err)
{
	struct reference ref, other;
	struct image_index x;
	size_t pushed = 0;
	int r = reference_parse(&p->arena, name, &ref, err);

	if (r == 0)
		r = program_store(p, err);
	if (r == 0)
		r = layout_index_read(&p->store.layout, &p->arena, &x, err);
	for (size_t i = 0; r == 0 && i < x.manifests_count; i++) {
		const char *have = string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);

		if (!have || reference_parse(&p->arena, have, &other, NULL) < 0 || strcmp(other.domain, ref.domain) != 0 ||
			strcmp(other.path, ref.path) != 0)
			continue;
		r = push_one(p, o, have, NULL, err);
		pushed++;
	}
	if (r == 0 && pushed == 0)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "no image of %s in the store", reference_repository(&p->arena, &ref));
	return r;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;

	o->f.registry = o->registry;
	if (!o->all)
		return push_one(p, o, argv[0], argc > 1 ? argv[1] : NULL, err);
	if (argc > 1 || o->digestfile)
		return error_set(err, ERR_USAGE, EINVAL, "push: --all takes one name and no --digestfile");
	return push_all(p, o, argv[0], err);
}

const struct command command_push = { "push", "NAME [REF]", "send an image from the store to a registry", specs,
	sizeof(struct options), 1, 2, run };
