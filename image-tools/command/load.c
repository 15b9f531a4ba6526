/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: name what archive/load.c finds; a name that pointed elsewhere is reported. */
#include <stdio.h>

#include "base/log.h"
#include "image-tools/archive/archive_image.h"
#include "image-tools/command/commands.h"

struct options {
	const char *input, *name;
};

static const struct option_spec specs[] = {
	{ "input", 'i', OPTION_STRING, offsetof(struct options, input), "FILE", "instead of standard input" },
	{ "name", 0, OPTION_STRING, offsetof(struct options, name), "NAME", "for an image without a name" },
	{ 0 },
};

struct context {
	struct program *p;
	const struct options *o;
};

static int take(void *opaque, const struct descriptor *d, const char *const *names, size_t n, struct error *err)
{
	struct context *c = opaque;
	struct arena *a = &c->p->arena;
	int r = 0;

	if (n == 0 && c->o->name) {
		names = (const char *const *)&c->o->name;
		n = 1;
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct store_image old;
		struct reference ref;

		r = reference_parse(a, names[i], &ref, err);
		if (r < 0)
			break;
		if (store_find_reference(&c->p->store, &ref, &old, NULL) == 0 &&
			!digest_equal(&old.descriptor.digest, &d->digest))
			log_warning("%s was %s and is replaced", reference_familiar(a, &ref), old.descriptor.digest_text);
		r = store_name(&c->p->store, reference_canonical(a, &ref), d, err);
		if (r == 0)
			printf("%s %s\n", reference_familiar(a, &ref), d->digest_text);
	}
	if (n == 0) {
		r = layout_set_name(&c->p->store.layout, a, "", d, err);
		printf("<none> %s\n", d->digest_text);
	}
	return r;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct context c = { p, o };
	int r = program_store(p, err);

	return r < 0 ? r : archive_load(p, argc ? argv[0] : o->input ? o->input : "-", take, &c, err);
}

const struct command command_load = { "load", "[FILE]", "read images from an archive (docker save, OCI; compressed or not)", specs,
	sizeof(struct options), 0, 1, run };
