/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the names of the store, with what an index or manifest says about each. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"

struct options {
	bool digests;
};

static const struct option_spec specs[] = {
	{ "digests", 0, OPTION_FLAG, offsetof(struct options, digests), NULL, "show whole digests" },
	{ 0 },
};

struct row {
	const char *name, *id, *digest, *platform, *created;
	uint64_t size;
};

static void describe(struct program *p, const struct descriptor *d, struct row *row)
{
	struct image image;
	struct platform want = d->platform;
	char hex[DIGEST_TEXT_MAX];

	row->digest = d->digest_text;
	row->id = arena_strdup(&p->arena, digest_hex(&d->digest, hex));
	row->platform = media_role(d->media_type) == MEDIA_INDEX ? "index" : "";
	row->created = "";
	if (image_load(&p->store.layout, &p->arena, d, want.os ? &want : NULL, &image, NULL) < 0)
		return;
	row->id = arena_strdup(&p->arena, digest_hex(&image.manifest.config.digest, hex));
	if (!*row->platform) {
		struct platform of = { image.config.os, image.config.architecture, image.config.variant };

		row->platform = platform_format(&p->arena, &of);
	}
	row->created = image.config.created ? image.config.created : "";
	row->size = (uint64_t)image.manifest.config.size + image.manifest_length;
	for (size_t i = 0; i < image.manifest.layers_count; i++)
		row->size += (uint64_t)image.manifest.layers[i].size;
}

static void print_row(struct program *p, const struct options *o, const struct row *row)
{
	if (o->digests)
		printf("%-40s %-72s %-16s %s\n", row->name, row->digest, row->platform, human_size(&p->arena, row->size));
	else
		printf("%-40s %.12s  %-16s %-20.19s %s\n", row->name, row->id, row->platform, row->created,
			human_size(&p->arena, row->size));
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct json_writer w;
	struct image_index x;
	int r = program_store(p, err);

	if (r == 0)
		r = layout_index_read(&p->store.layout, &p->arena, &x, err);
	if (r < 0)
		return r;
	if (p->json) {
		json_writer_init(&w, &p->arena, true);
		json_write_array(&w);
	}
	for (size_t i = 0; i < x.manifests_count; i++) {
		const char *name = string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);
		struct reference ref;
		struct row row = { .name = name ? name : "<none>" };

		if (name && reference_parse(&p->arena, name, &ref, NULL) == 0)
			row.name = reference_familiar(&p->arena, &ref);
		if (argc > 0 && fnmatch(argv[0], row.name, 0) != 0 && !(name && strstr(name, argv[0])))
			continue;
		describe(p, &x.manifests[i], &row);
		if (!p->json) {
			if (p->quiet)
				printf("%s\n", row.id);
			else
				print_row(p, o, &row);
			continue;
		}
		json_write_object(&w);
		json_write_member_string(&w, "name", name);
		json_write_member_string(&w, "familiarName", row.name);
		json_write_member_string(&w, "id", row.id);
		json_write_member_string(&w, "digest", row.digest);
		json_write_member_string(&w, "platform", row.platform);
		json_write_member_string(&w, "created", row.created);
		json_write_member_u64(&w, "size", row.size);
		json_write_end_object(&w);
	}
	if (p->json) {
		json_write_end_array(&w);
		print_json(&w);
	}
	return 0;
}

const struct command command_images = { "images", "[PATTERN]", "list the images of the store (also: ls)", specs,
	sizeof(struct options), 0, 1, run };
