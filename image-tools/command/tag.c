/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: one more name for an image of the store. */
#include <errno.h>

#include "image-tools/command/commands.h"

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct store_image image;
	struct reference ref;
	struct descriptor d;
	int r = program_store(p, err);

	(void)opaque;
	(void)argc;
	if (r == 0)
		r = store_find(&p->store, argv[0], &image, err);
	if (r == 0)
		r = reference_parse(&p->arena, argv[1], &ref, err);
	if (r == 0 && ref.digest.algorithm)
		r = error_set(err, ERR_USAGE, EINVAL, "tag %s: a name without digest expected", argv[1]);
	if (r < 0)
		return r;
	d = image.descriptor;
	return store_name(&p->store, reference_canonical(&p->arena, &ref), &d, err);
}

const struct command command_tag = { "tag", "NAME NEW", "give an image another name", NULL, 0, 2, 2, run };
