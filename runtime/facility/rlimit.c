/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: process.rlimits, set while the process still has its privileges.
 * In a user namespace it has none over hard limits, so the host side raises those
 * beforehand (capabilities(7), CAP_SYS_RESOURCE); what is lowered, and the soft
 * limits, would be in the way of what the process still has to do.
 */
#include <errno.h>
#include <sys/resource.h>

#include "runtime/facility/facility.h"

static const struct {
	int resource;
	const char *name;
} limits[] = {
	[CONFIG_RLIMIT_CPU] = { RLIMIT_CPU, "RLIMIT_CPU" },
	[CONFIG_RLIMIT_FSIZE] = { RLIMIT_FSIZE, "RLIMIT_FSIZE" },
	[CONFIG_RLIMIT_DATA] = { RLIMIT_DATA, "RLIMIT_DATA" },
	[CONFIG_RLIMIT_STACK] = { RLIMIT_STACK, "RLIMIT_STACK" },
	[CONFIG_RLIMIT_CORE] = { RLIMIT_CORE, "RLIMIT_CORE" },
	[CONFIG_RLIMIT_RSS] = { RLIMIT_RSS, "RLIMIT_RSS" },
	[CONFIG_RLIMIT_NPROC] = { RLIMIT_NPROC, "RLIMIT_NPROC" },
	[CONFIG_RLIMIT_NOFILE] = { RLIMIT_NOFILE, "RLIMIT_NOFILE" },
	[CONFIG_RLIMIT_MEMLOCK] = { RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK" },
	[CONFIG_RLIMIT_AS] = { RLIMIT_AS, "RLIMIT_AS" },
	[CONFIG_RLIMIT_LOCKS] = { RLIMIT_LOCKS, "RLIMIT_LOCKS" },
	[CONFIG_RLIMIT_SIGPENDING] = { RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING" },
	[CONFIG_RLIMIT_MSGQUEUE] = { RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE" },
	[CONFIG_RLIMIT_NICE] = { RLIMIT_NICE, "RLIMIT_NICE" },
	[CONFIG_RLIMIT_RTPRIO] = { RLIMIT_RTPRIO, "RLIMIT_RTPRIO" },
	[CONFIG_RLIMIT_RTTIME] = { RLIMIT_RTTIME, "RLIMIT_RTTIME" },
};

static int set(struct container *c, const struct step *s, struct error *err)
{
	const struct config_rlimit *l = s->data;
	struct rlimit value = { .rlim_cur = l->soft, .rlim_max = l->hard };
	int r;

	(void)c;
	if (setrlimit(limits[l->type].resource, &value) == 0)
		return 0;
	r = error_sys(err, errno, "set %s to soft %llu, hard %llu", limits[l->type].name, (unsigned long long)l->soft,
		(unsigned long long)l->hard);
	if (r == -EPERM)
		error_hint(err, "raising a hard limit needs CAP_SYS_RESOURCE, and RLIMIT_NOFILE cannot exceed "
				"/proc/sys/fs/nr_open");
	return r;
}

/* Host side.  What it may not do fails in the container's process, with the reason. */
static int raise_hard(struct container *c, const struct step *s, struct error *err)
{
	const struct config_rlimit *l = s->data;
	struct rlimit value;

	(void)err;
	if (prlimit(c->pid, (__rlimit_resource_t)limits[l->type].resource, NULL, &value) < 0 || value.rlim_max >= l->hard)
		return 0;
	value.rlim_max = l->hard;
	(void)!prlimit(c->pid, (__rlimit_resource_t)limits[l->type].resource, &value, NULL);
	return 0;
}

int rlimit_plan(struct container *c, struct error *err)
{
	(void)err;
	for (size_t i = 0; c->process && i < c->process->rlimits_count; i++) {
		const struct config_rlimit *l = &c->process->rlimits[i];
		struct step *s;

		if (c->userns) {
			s = plan_add(&c->plan, STAGE_MAP, "rlimit", "process.rlimits", raise_hard, l);
			s->index = (int)i;
			step_text(&c->plan, s, "raise the hard %s to %llu where it is lower", limits[l->type].name,
				(unsigned long long)l->hard);
		}
		s = plan_add(&c->plan, STAGE_LIMIT, "rlimit", "process.rlimits", set, l);
		s->index = (int)i;
		step_text(&c->plan, s, "set %s to soft %llu, hard %llu", limits[l->type].name, (unsigned long long)l->soft,
			(unsigned long long)l->hard);
	}
	return 0;
}
