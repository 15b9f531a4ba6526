/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: several images into one archive; see archive/save.c. */
#include <string.h>

#include "image-tools/archive/archive_image.h"
#include "image-tools/command/commands.h"

struct options {
	const char *format, *output, *platform;
};

static const struct option_spec specs[] = {
	{ "output", 'o', OPTION_STRING, offsetof(struct options, output), "FILE", "instead of standard output" },
	{ "format", 0, OPTION_STRING, offsetof(struct options, format), "oci|docker", "only this form (default: readable as both)" },
	{ "platform", 0, OPTION_STRING, offsetof(struct options, platform), "P", "of indexes only this os/arch[/variant]" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct location dst = { .kind = LOCATION_ARCHIVE, .path = o->output ? o->output : "-" };
	struct descriptor *d = arena_array(&p->arena, struct descriptor, (size_t)argc);
	const char **names = arena_array(&p->arena, const char *, (size_t)argc);
	struct platform platform;
	int r = o->platform ? platform_parse(&p->arena, o->platform, &platform, err) : 0;

	if (r == 0)
		r = program_store(p, err);
	for (int i = 0; r == 0 && i < argc; i++) {
		struct store_image image;
		struct image one;

		r = store_find(&p->store, argv[i], &image, err);
		if (r == 0) {
			d[i] = image.descriptor;
			names[i] = image.name;
		}
		if (r == 0 && o->platform) {
			r = image_load(&p->store.layout, &p->arena, &d[i], &platform, &one, err);
			d[i] = r == 0 ? one.manifest_descriptor : d[i];
		}
	}
	return r < 0 ? r : archive_write_images(p, &p->store.layout, d, names, (size_t)argc, &dst, o->format, err);
}

const struct command command_save = { "save", "NAME...", "write images to an archive (the same bytes every time)", specs,
	sizeof(struct options), 1, -1, run };
