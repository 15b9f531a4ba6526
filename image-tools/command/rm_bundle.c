/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: undo unpack. */
#include "image-tools/bundle/bundle.h"
#include "image-tools/command/commands.h"

struct options {
	bool force;
};

static const struct option_spec specs[] = {
	{ "force", 'f', OPTION_FLAG, offsetof(struct options, force), NULL, "also while something uses it" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	int r = program_store(p, err);

	for (int i = 0; r == 0 && i < argc; i++)
		r = bundle_remove(&p->store, argv[i], o->force, err);
	return r;
}

const struct command command_rm_bundle = { "rm-bundle", "BUNDLE...", "unmount and remove bundles; named volumes stay", specs,
	sizeof(struct options), 1, -1, run };
