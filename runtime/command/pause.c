/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: pause and resume through the freezer. */
#include <errno.h>

#include "runtime/command/command.h"

static int change(struct runtime *rt, const char *id, bool pause, struct error *err)
{
	enum status needed = pause ? STATUS_RUNNING : STATUS_PAUSED;
	struct opened o;
	int r = container_open(rt, id, true, &o, err);

	if (r < 0)
		return r;
	if (o.status == STATUS_STOPPED)
		r = error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	else if (o.status != needed && !(pause && o.status == STATUS_CREATED))
		r = error_set(err, ERR_STATE, EBUSY, "cannot %s container \"%s\" in state %s", pause ? "pause" : "resume", id,
			status_name(o.status));
	else if (!cgroup_exists(o.cgroup))
		r = error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "container \"%s\" has no cgroup, so it cannot be paused", id);
	else
		r = pause ? cgroup_freeze(o.cgroup, err) : cgroup_thaw(o.cgroup, err);
	container_close(&o);
	return r;
}

static int run_pause(struct runtime *rt, const struct arguments *args, struct error *err)
{
	return change(rt, args->operands[0], true, err);
}

static int run_resume(struct runtime *rt, const struct arguments *args, struct error *err)
{
	return change(rt, args->operands[0], false, err);
}

const struct command command_pause = {
	.name = "pause",
	.usage = "ID",
	.summary = "suspend every process of a container",
	.operands_min = 1,
	.operands_max = 1,
	.run = run_pause,
};

const struct command command_resume = {
	.name = "resume",
	.usage = "ID",
	.summary = "let the processes of a paused container go on",
	.operands_min = 1,
	.operands_max = 1,
	.run = run_resume,
};
