/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: an index of the store: entries are added (replacing the one of the same platform), removed or
 * listed; the first add makes it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"

struct options {
	const char *platform;
	struct string_list annotations;
};

static const struct option_spec specs[] = {
	{ "platform", 0, OPTION_STRING, offsetof(struct options, platform), "P", "add: instead of the image's own; rm: which" },
	{ "annotation", 0, OPTION_LIST, offsetof(struct options, annotations), "KEY=VALUE", "add: annotate the entry" },
	{ 0 },
};

static int load_index(struct program *p, const struct reference *ref, struct image_index *x, struct error *err)
{
	struct store_image found;
	char *buf;
	size_t len;
	int r = store_find_reference(&p->store, ref, &found, err);

	*x = (struct image_index){ .media_type = MEDIA_OCI_INDEX };
	if (r < 0)
		return r;
	if (media_role(found.descriptor.media_type) != MEDIA_INDEX)
		return error_set(err, ERR_USAGE, EINVAL, "%s is an image, not an index", reference_familiar(&p->arena, ref));
	r = layout_blob_read(&p->store.layout, &found.descriptor, MANIFEST_MAX, &p->arena, &buf, &len, err);
	if (r == 0)
		r = index_parse(buf, len, "index", &p->arena, x, err);
	x->media_type = MEDIA_OCI_INDEX;
	return r;
}

static int save_index(struct program *p, const struct reference *ref, const struct image_index *x, struct error *err)
{
	struct descriptor d;
	struct digest digest;
	size_t len;
	const char *text = index_write(&p->arena, x, &len);
	int r = layout_blob_put(&p->store.layout, text, len, &digest, err);

	if (r < 0)
		return r;
	d = descriptor_make(&p->arena, MEDIA_OCI_INDEX, &digest, len);
	return store_name(&p->store, reference_canonical(&p->arena, ref), &d, err);
}

static bool same_platform(const struct platform *a, const struct platform *b)
{
	return a->os && b->os && strcmp(a->os, b->os) == 0 && strcmp(a->architecture, b->architecture) == 0 &&
		strcmp(a->variant ? a->variant : "", b->variant ? b->variant : "") == 0;
}

static void drop(struct image_index *x, const struct platform *platform)
{
	size_t n = 0;

	for (size_t i = 0; i < x->manifests_count; i++)
		if (!same_platform(&x->manifests[i].platform, platform))
			x->manifests[n++] = x->manifests[i];
	x->manifests_count = n;
}

static int add(struct program *p, const struct options *o, struct image_index *x, const char *name, struct error *err)
{
	struct store_image found;
	struct image image;
	struct descriptor d, *items;
	int r = store_find(&p->store, name, &found, err);

	if (r == 0)
		r = image_load(&p->store.layout, &p->arena, &found.descriptor,
			found.descriptor.platform.os ? &found.descriptor.platform : NULL, &image, err);
	if (r < 0)
		return r;
	d = image.manifest_descriptor;
	d.annotations = (struct string_map){ 0 };
	d.platform_raw = NULL;
	d.platform = (struct platform){ image.config.os, image.config.architecture, image.config.variant };
	if (o->platform)
		r = platform_parse(&p->arena, o->platform, &d.platform, err);
	for (size_t i = 0; i < o->annotations.count; i++) {
		const char *text = o->annotations.items[i];

		string_map_set(&p->arena, &d.annotations, arena_strndup(&p->arena, text, strcspn(text, "=")),
			strchr(text, '=') ? strchr(text, '=') + 1 : "");
	}
	drop(x, &d.platform);
	items = arena_array(&p->arena, struct descriptor, x->manifests_count + 1);
	if (x->manifests_count)
		memcpy(items, x->manifests, x->manifests_count * sizeof *items);
	items[x->manifests_count++] = d;
	x->manifests = items;
	return r;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct image_index x;
	struct reference ref;
	struct platform platform;
	int r = program_store(p, err);

	if (r == 0)
		r = reference_parse(&p->arena, argv[0], &ref, err);
	if (r < 0)
		return r;
	r = load_index(p, &ref, &x, err);
	if (strcmp(argv[1], "add") == 0) {
		if (r == -ENOENT)
			r = 0;
		for (int i = 2; r == 0 && i < argc; i++)
			r = add(p, o, &x, argv[i], err);
		return r < 0 ? r : save_index(p, &ref, &x, err);
	}
	if (r < 0)
		return r;
	if (strcmp(argv[1], "rm") == 0) {
		r = o->platform ? platform_parse(&p->arena, o->platform, &platform, err) :
				  error_set(err, ERR_USAGE, EINVAL, "index rm: --platform is missing");
		if (r < 0)
			return r;
		drop(&x, &platform);
		return save_index(p, &ref, &x, err);
	}
	if (strcmp(argv[1], "ls") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "index: add, rm or ls expected");
	for (size_t i = 0; i < x.manifests_count; i++)
		printf("%-20s %s\n", x.manifests[i].platform.os ? platform_format(&p->arena, &x.manifests[i].platform) : "",
			x.manifests[i].digest_text);
	return 0;
}

const struct command command_index = { "index", "NAME add IMAGE... | rm | ls", "put images of several platforms under one name", specs,
	sizeof(struct options), 2, -1, run };
