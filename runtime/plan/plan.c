/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the plan is one list of steps per stage; see plan.h.
 * Running a stage is a loop with one rule: the first error ends it and is
 * completed with the facility and the property it came from.
 */
#include "runtime/plan/plan.h"

#include <stdio.h>

#include "runtime/plan/container.h"
#include "runtime/plan/trace.h"

static const struct {
	const char *name;
	bool container_side;
} stages[STAGE_COUNT] = {
	[STAGE_HOST] = { "host", false },
	[STAGE_CLONE] = { "clone", false },
	[STAGE_MAP] = { "map", false },
	[STAGE_JOIN] = { "join", true },
	[STAGE_CGROUP_NAMESPACE] = { "cgroup-namespace", true },
	[STAGE_NETWORK] = { "network", true },
	[STAGE_ROOT] = { "root", true },
	[STAGE_MOUNT] = { "mount", true },
	[STAGE_DEVICE] = { "device", true },
	[STAGE_RUNTIME_HOOK] = { "runtime-hook", false },
	[STAGE_CGROUP] = { "cgroup", true },
	[STAGE_CONTAINER_HOOK] = { "container-hook", true },
	[STAGE_MASK] = { "mask", true },
	[STAGE_PIVOT] = { "pivot", true },
	[STAGE_SETTLE] = { "settle", true },
	[STAGE_LIMIT] = { "limit", true },
	[STAGE_IDENTITY] = { "identity", true },
	[STAGE_SECCOMP] = { "seccomp", true },
	[STAGE_VERIFY] = { "verify", false },
	[STAGE_WAIT] = { "wait", true },
	[STAGE_LAUNCH] = { "launch", true },
	[STAGE_POSTSTART] = { "poststart", false },
};

const char *stage_name(enum stage stage)
{
	return (unsigned)stage < STAGE_COUNT ? stages[stage].name : "unknown";
}

bool stage_is_container_side(enum stage stage)
{
	return (unsigned)stage < STAGE_COUNT && stages[stage].container_side;
}

struct step *plan_add(struct plan *p, enum stage stage, const char *facility, const char *property, step_fn *run,
	const void *data)
{
	struct step *s = arena_new(p->arena, struct step);

	s->stage = stage;
	s->facility = facility;
	s->property = property;
	s->index = -1;
	s->run = run;
	s->data = data;
	if (p->last[stage])
		p->last[stage]->next = s;
	else
		p->first[stage] = s;
	p->last[stage] = s;
	p->count++;
	return s;
}

static int complete_error(const struct step *s, int r, struct error *err)
{
	if (!err->msg[0])
		error_sys(err, -r, "step failed");
	if (!err->step[0])
		snprintf(err->step, sizeof err->step, "%s", s->facility);
	if (s->property && !err->path[0]) {
		if (s->index >= 0)
			error_path(err, "%s[%d]", s->property, s->index);
		else
			error_path(err, "%s", s->property);
	}
	return r;
}

int plan_run_stage(struct container *c, enum stage stage, struct error *err)
{
	for (const struct step *s = c->plan.first[stage]; s; s = s->next) {
		uint64_t begin = trace_now();
		int r = s->run(c, s, err);

		trace_step(s, begin);
		if (r < 0)
			return complete_error(s, r, err);
	}
	return 0;
}

int plan_run(struct container *c, enum stage first, enum stage last, struct error *err)
{
	for (int stage = (int)first; stage <= (int)last; stage++) {
		int r = plan_run_stage(c, (enum stage)stage, err);

		if (r < 0)
			return r;
	}
	return 0;
}
