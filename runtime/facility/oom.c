/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: process.oomScoreAdj.  Absent: left as inherited.  The
 * process writes it about itself through the host's verified /proc, which costs
 * no hop; with a user namespace the host side does, because the process has no
 * privilege there any more.  A caller without privileges may not write about a
 * process that is hidden, as that of exec is from its way into the container on,
 * so there it is written just before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/procfs.h"
#include "runtime/facility/facility.h"

static int set(struct container *c, const struct step *s, struct error *err)
{
	char path[64], text[16];
	ssize_t n = s->stage == STAGE_MAP ? snprintf(path, 32, "%d", c->pid) : readlinkat(c->proc_fd, "self", path, 32);
	int r;

	if (n < 0)
		return error_sys(err, errno, "read /proc/self");
	strcpy(path + n, "/oom_score_adj");
	snprintf(text, sizeof text, "%d", (int)c->process->oom_score_adj.value);
	r = proc_write(c->proc_fd, path, text, err);
	if (r == -EACCES || r == -EPERM)
		error_hint(err, "lowering the out-of-memory score needs CAP_SYS_RESOURCE");
	return r;
}

int oom_plan(struct container *c, struct error *err)
{
	enum stage stage = c->userns ? STAGE_MAP : STAGE_JOIN;
	struct step *s;

	(void)err;
	if (!c->process || !c->process->oom_score_adj.set)
		return 0;
	if (c->mode == CONTAINER_EXEC && c->rt->rootless)
		stage = STAGE_CLONE;
	s = plan_add(&c->plan, stage, "oom", "process.oomScoreAdj", set, NULL);
	step_text(&c->plan, s, "set the out-of-memory score adjustment to %d", (int)c->process->oom_score_adj.value);
	return 0;
}
