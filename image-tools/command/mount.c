/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: mount a bundle's overlay again, for instance after a reboot. */
#include "image-tools/bundle/bundle.h"
#include "image-tools/command/commands.h"

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	int r = program_store(p, err);

	(void)opaque;
	for (int i = 0; r == 0 && i < argc; i++)
		r = bundle_mount(&p->store, argv[i], err);
	return r;
}

const struct command command_mount = { "mount", "BUNDLE...", "mount bundles' root filesystems again (after a reboot)", NULL, 0,
	1, -1, run };
