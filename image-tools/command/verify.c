/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see store/verify.c. */
#include <stdio.h>

#include "image-tools/command/commands.h"

struct options {
	bool trees;
};

static const struct option_spec specs[] = {
	{ "tree", 0, OPTION_FLAG, offsetof(struct options, trees), NULL, "also compare unpacked layers with their blobs" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	int r = program_store(p, err);

	for (int i = 0; r == 0 && i < argc; i++) {
		struct store_image image;
		struct verify_result v = { 0 };

		r = store_find(&p->store, argv[i], &image, err);
		if (r == 0)
			r = store_verify(&p->store, &image, o->trees, &v, err);
		if (r == 0 && !p->quiet)
			printf("%s: ok (%zu blobs, %zu layers, %zu trees, %s)\n", argv[i], v.blobs, v.layers, v.trees,
				human_size(&p->arena, v.bytes));
	}
	return r;
}

const struct command command_verify = { "verify", "NAME...", "read images back: digests, diff-ids, unpacked trees", specs,
	sizeof(struct options), 1, -1, run };
