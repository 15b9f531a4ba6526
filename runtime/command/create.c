/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: create = prepare + carry out up to "created"; see runtime/plan/create.h. */
#include <unistd.h>

#include "base/fd.h"
#include "runtime/command/command.h"
#include "runtime/command/create_options.h"
#include "runtime/plan/create.h"

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct container c = CONTAINER_INIT;
	int r;

	c.rt = rt;
	c.arena = rt->arena;
	c.mode = CONTAINER_CREATE;
	r = create_options(rt, args, &c, err);
	if (r == 0)
		r = container_prepare(&c, err);
	if (r == 0)
		r = container_create(&c, err);
	return r;
}

static const struct command_option options[] = { CREATE_OPTIONS, { 0 } };

const struct command command_create = {
	.name = "create",
	.usage = "[options] ID | BUNDLE/",
	.summary = "create a container from a bundle; start runs its program",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.enters = true,
	.run = run,
};
