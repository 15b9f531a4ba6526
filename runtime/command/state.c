/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: prints the state that runtime-spec defines, with a few members more that engines read. */
#include <errno.h>
#include <stdio.h>

#include "runtime/command/command.h"

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct opened o;
	int r = container_open(rt, args->operands[0], false, &o, err);

	if (r < 0)
		return r;
	printf("%s\n", state_json(rt->arena, &o.state, o.status, o.state.pid, true, true));
	container_close(&o);
	return fflush(stdout) == 0 ? 0 : error_sys(err, errno, "write to stdout");
}

const struct command command_state = {
	.name = "state",
	.usage = "ID",
	.summary = "print the state of a container",
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
