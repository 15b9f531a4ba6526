/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the history of an image's configuration beside the sizes of its layers. */
#include <stdio.h>

#include "image-tools/command/commands.h"

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct store_image found;
	struct json_writer w;
	struct image image;
	size_t layer = 0;
	int r = program_store(p, err);

	(void)opaque;
	(void)argc;
	if (r == 0)
		r = store_find(&p->store, argv[0], &found, err);
	if (r == 0)
		r = image_load(&p->store.layout, &p->arena, &found.descriptor, NULL, &image, err);
	if (r < 0)
		return r;
	json_writer_init(&w, &p->arena, true);
	json_write_array(&w);
	for (size_t i = 0; i < image.config.history_count; i++) {
		const struct history_entry *h = &image.config.history[i];
		const struct descriptor *d = !h->empty_layer && layer < image.manifest.layers_count ?
				&image.manifest.layers[layer++] : NULL;

		if (!p->json) {
			printf("%-20.19s %10s  %s\n", h->created ? h->created : "", d ? human_size(&p->arena, (uint64_t)d->size) : "",
				h->created_by ? h->created_by : h->comment ? h->comment : "");
			continue;
		}
		json_write_object(&w);
		json_write_member_string(&w, "created", h->created);
		json_write_member_string(&w, "createdBy", h->created_by);
		json_write_member_string(&w, "comment", h->comment);
		json_write_member_bool(&w, "emptyLayer", h->empty_layer);
		json_write_member_string(&w, "digest", d ? d->digest_text : NULL);
		json_write_member_i64(&w, "size", d ? d->size : 0);
		json_write_end_object(&w);
	}
	json_write_end_array(&w);
	if (p->json)
		print_json(&w);
	return 0;
}

const struct command command_history = { "history", "NAME", "show how an image was made", NULL, 0, 1, 1, run };
