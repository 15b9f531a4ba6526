/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.intelRdt.  The rules and the files are in
 * runtime/plan/resctrl.c; here is when they happen:
 *
 *   STAGE_HOST  find the filesystem, make or check the group, open its files `tasks`
 *   STAGE_MAP   the process, which has one thread, goes in; what it forks follows
 *
 * A group must not be removed by somebody who did not make it, so its undo is
 * journalled by the step itself, between the look whether it exists and mkdir.
 *
 * exec: the new process goes into the container's groups.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/facility/facility.h"
#include "runtime/plan/resctrl.h"
#include "runtime/state/journal.h"

struct member {
	struct resctrl_group group;
	int tasks[2];
};

static int note(void *data, const char *path, struct error *err)
{
	const struct container *c = data;
	const char *line;

	if (strchr(path, '\n'))
		return error_set(err, ERR_CONFIG, EINVAL, "a newline in \"%s\"", path);
	line = arena_printf(c->arena, "resctrl %s\n", path);
	return journal_append(c->state_fd, line, strlen(line), err);
}

static int prepare(struct container *c, const struct step *s, struct error *err)
{
	struct member *m = (struct member *)s->data;
	const char *root;
	int r = resctrl_find(c->arena, &root, err);

	if (r < 0)
		return r;
	resctrl_group_of(root, c->config->linux->intel_rdt, c->id, c->arena, &m->group);
	if (c->mode != CONTAINER_EXEC)
		r = resctrl_prepare(&m->group, c->arena, note, c, err);
	return r < 0 ? r : resctrl_open_tasks(&m->group, m->tasks, err);
}

static int enter(struct container *c, const struct step *s, struct error *err)
{
	struct member *m = (struct member *)s->data;
	int r = resctrl_add_task(m->tasks, c->pid, err);

	for (int i = 0; i < 2; i++) {
		if (m->tasks[i] >= 0)
			close(m->tasks[i]);
		m->tasks[i] = -1;
	}
	return r;
}

int intel_rdt_plan(struct container *c, struct error *err)
{
	const struct config_intel_rdt *rdt = c->config->linux->intel_rdt;
	struct member *m;
	struct step *s;

	(void)err;
	if (!rdt)
		return 0;
	m = arena_new(c->arena, struct member);
	m->tasks[0] = m->tasks[1] = -1;
	s = plan_add(&c->plan, STAGE_HOST, "intel_rdt", "linux.intelRdt", prepare, m);
	step_text(&c->plan, s,
		rdt->clos_id ? "make or check the resctrl class of service %s"
			     : "make the resctrl group %s, to be removed at delete",
		rdt->clos_id ? rdt->clos_id : c->id);
	s = plan_add(&c->plan, STAGE_MAP, "intel_rdt", "linux.intelRdt", enter, m);
	step_text(&c->plan, s, "put the process into its resctrl group%s",
		rdt->enable_monitoring ? " and its monitoring group" : "");
	return 0;
}
