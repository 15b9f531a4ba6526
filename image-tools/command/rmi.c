/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: take names away; what nothing names any more is gc's, which is run unless told otherwise. */
#include <stdio.h>

#include "base/log.h"
#include "image-tools/command/commands.h"

struct options {
	bool keep, dry_run;
};

static const struct option_spec specs[] = {
	{ "no-gc", 0, OPTION_FLAG, offsetof(struct options, keep), NULL, "leave the content for a later gc" },
	{ "dry-run", 'n', OPTION_FLAG, offsetof(struct options, dry_run), NULL, "only say which names would go" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct gc_options g = { 0 };
	struct gc_result result;
	struct error ignored = { 0 };
	int r = program_store(p, err);

	for (int i = 0; r == 0 && i < argc; i++) {
		struct store_image image;
		struct reference ref;

		r = store_find(&p->store, argv[i], &image, err);
		if (r == 0 && !o->dry_run)
			r = image.name ? layout_set_name(&p->store.layout, &p->arena, image.name, NULL, err) :
				layout_drop_nameless(&p->store.layout, &p->arena, &image.descriptor.digest, err);
		if (r == 0 && !p->quiet)
			printf("%s\n", !image.name ? image.descriptor.digest_text :
				reference_parse(&p->arena, image.name, &ref, NULL) < 0 ? image.name : reference_familiar(&p->arena, &ref));
	}
	if (r == 0 && !o->keep && !o->dry_run && store_gc(&p->store, &g, &result, &ignored) < 0)
		log_info("%s; run gc later", ignored.msg);
	return r;
}

const struct command command_rmi = { "rmi", "NAME...", "remove images from the store (also: rm)", specs, sizeof(struct options), 1,
	-1, run };
