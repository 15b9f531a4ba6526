/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the same layers with another configuration. */
#include <stdio.h>

#include "image-tools/command/commands.h"
#include "image-tools/compose.h"

struct options {
	struct string_list changes;
	const char *tag;
};

static const struct option_spec specs[] = {
	{ "change", 'c', OPTION_LIST, offsetof(struct options, changes), "'ENV A=B'", "what to change, in Dockerfile's words" },
	{ "tag", 't', OPTION_STRING, offsetof(struct options, tag), "NAME", "name the result so instead of replacing" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct store_image found;
	struct image image;
	struct reference ref;
	int r = program_store(p, err);

	(void)argc;
	if (r == 0)
		r = store_find(&p->store, argv[0], &found, err);
	if (r == 0)
		r = image_load(&p->store.layout, &p->arena, &found.descriptor, NULL, &image, err);
	if (r < 0)
		return r;
	if (o->changes.count == 0) {
		fwrite(image.config_json, 1, image.config_length, stdout);
		putchar('\n');
		return 0;
	}
	r = reference_parse(&p->arena, o->tag ? o->tag : found.name ? found.name : argv[0], &ref, err);
	for (size_t i = 0; r == 0 && i < o->changes.count; i++) {
		struct history_entry h = { .created = image_now(&p->arena), .created_by = o->changes.items[i], .empty_layer = true };

		r = image_change(&p->arena, &image.config, o->changes.items[i], err);
		image_add_layer(&p->arena, &image, NULL, NULL, &h);
	}
	return r < 0 ? r : program_publish(p, &image, NULL, &ref, err);
}

const struct command command_config = { "config", "NAME [--change ...]", "show or change an image's configuration", specs,
	sizeof(struct options), 1, 1, run };
