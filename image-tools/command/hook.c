/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what the hooks of a bundle call; the container's state comes on standard input. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/bundle/bundle.h"
#include "image-tools/command/commands.h"

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	char *state;
	size_t len;
	int r;

	(void)opaque;
	(void)argc;
	if (strcmp(argv[0], "network-remove") == 0)
		return network_remove(argv[1], &p->arena, err);
	if (strcmp(argv[0], "network-add") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "hook %s: network-add or network-remove expected", argv[0]);
	r = fd_read_all(STDIN_FILENO, &p->arena, 1 << 20, &state, &len);
	if (r < 0)
		return error_sys(err, -r, "read the container's state");
	return network_add(argv[1], state, len, &p->arena, err);
}

const struct command command_hook = { "hook", "NAME BUNDLE", NULL, NULL, 0, 2, 2, run };
