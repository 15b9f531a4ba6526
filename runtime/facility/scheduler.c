/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what the kernel's scheduler, I/O scheduler and page
 * allocator are told about the process: process.scheduler, process.ioPriority,
 * linux.memoryPolicy; for exec also process.execCPUAffinity.  All of it is
 * inherited by execve.
 *
 * A CPU mask that the caller was given (a pinned service, taskset) is its own
 * affair: since Linux 6.2 it would outlive the way into the container's cgroup,
 * so the process asks for every CPU and the cgroup alone decides.  With
 * execCPUAffinity the configuration has the word; without "final" the kernel
 * (runtime-spec, "execCPUAffinity").
 */
#include <ctype.h>
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/facility/facility.h"

#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5
#endif
#ifndef MPOL_WEIGHTED_INTERLEAVE
#define MPOL_WEIGHTED_INTERLEAVE 6
#endif

#define BITS (8 * sizeof(unsigned long))
#define LIST_MAX 65536

/* The argument of sched_setattr(2), whose header clashes with the C library's. */
struct attributes {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
};

static int set_scheduler(struct container *c, const struct step *s, struct error *err)
{
	static const uint32_t policies[] = {
		[CONFIG_SCHED_OTHER] = 0, [CONFIG_SCHED_FIFO] = 1, [CONFIG_SCHED_RR] = 2, [CONFIG_SCHED_BATCH] = 3,
		[CONFIG_SCHED_ISO] = 4, [CONFIG_SCHED_IDLE] = 5, [CONFIG_SCHED_DEADLINE] = 6,
	};
	const struct config_scheduler *sched = s->data;
	struct attributes attr = {
		.size = sizeof attr,
		.sched_policy = policies[sched->policy],
		.sched_flags = sched->flags,
		.sched_nice = sched->nice,
		.sched_priority = (uint32_t)sched->priority,
		.sched_runtime = sched->runtime,
		.sched_deadline = sched->deadline,
		.sched_period = sched->period,
	};
	int r;

	(void)c;
	if (syscall(SYS_sched_setattr, 0, &attr, 0) == 0)
		return 0;
	r = error_sys(err, errno, "set the scheduler");
	if (r == -EPERM && sched->policy == CONFIG_SCHED_DEADLINE)
		error_hint(err, "SCHED_DEADLINE needs CAP_SYS_NICE and a process that may run on every CPU of its root domain");
	else if (r == -EPERM)
		error_hint(err, "needs CAP_SYS_NICE; on cgroup v1 a real-time policy also needs cpu.rt_runtime_us in the "
				"container's cgroup");
	return r;
}

static int set_io_priority(struct container *c, const struct step *s, struct error *err)
{
	static const int classes[] = { [CONFIG_IOPRIO_CLASS_RT] = IOPRIO_CLASS_RT,
		[CONFIG_IOPRIO_CLASS_BE] = IOPRIO_CLASS_BE, [CONFIG_IOPRIO_CLASS_IDLE] = IOPRIO_CLASS_IDLE };
	const struct config_io_priority *io = s->data;
	int priority = io->class == CONFIG_IOPRIO_CLASS_IDLE ? 0 : (int)io->priority.value;

	(void)c;
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(classes[io->class], priority)) < 0)
		return error_sys(err, errno, "set the I/O priority");
	return 0;
}

/* "0-3,7" as a bit mask in the arena; *bits is its length.  The format was checked with the configuration. */
static unsigned long *parse_list(struct arena *a, const char *list, unsigned long *bits, struct error *err)
{
	unsigned long *mask = NULL, first, last, top = 0;

	for (int pass = 0; pass < 2; pass++) {
		const char *p = list;

		if (pass == 1)
			mask = arena_array(a, unsigned long, top / BITS + 1);
		while (*p) {
			char *end;

			if (*p == ',' || isspace((unsigned char)*p)) {
				p++;
				continue;
			}
			first = last = strtoul(p, &end, 10);
			if (*end == '-')
				last = strtoul(end + 1, &end, 10);
			if (end == p || last < first || last >= LIST_MAX || !(*end == ',' || !*end || isspace((unsigned char)*end))) {
				error_set(err, ERR_CONFIG, EINVAL, "\"%s\" is not a list of numbers and ranges", list);
				return NULL;
			}
			p = end;
			if (last > top)
				top = last;
			for (; mask && first <= last; first++)
				mask[first / BITS] |= 1ul << (first % BITS);
		}
	}
	*bits = (top / BITS + 1) * BITS;
	return mask;
}

static int set_memory_policy(struct container *c, const struct step *s, struct error *err)
{
	static const int modes[] = {
		[CONFIG_MPOL_DEFAULT] = MPOL_DEFAULT, [CONFIG_MPOL_BIND] = MPOL_BIND,
		[CONFIG_MPOL_INTERLEAVE] = MPOL_INTERLEAVE, [CONFIG_MPOL_WEIGHTED_INTERLEAVE] = MPOL_WEIGHTED_INTERLEAVE,
		[CONFIG_MPOL_PREFERRED] = MPOL_PREFERRED, [CONFIG_MPOL_PREFERRED_MANY] = MPOL_PREFERRED_MANY,
		[CONFIG_MPOL_LOCAL] = MPOL_LOCAL,
	};
	const struct config_memory_policy *policy = s->data;
	unsigned long bits = 0, *mask = NULL;

	if (policy->nodes && *policy->nodes) {
		mask = parse_list(c->arena, policy->nodes, &bits, err);
		if (!mask)
			return -EINVAL;
	}
	if (syscall(SYS_set_mempolicy, modes[policy->mode] | (int)policy->flags, mask, mask ? bits + 1 : 0) < 0)
		return error_sys(err, errno, "set the memory policy");
	return 0;
}

static int set_affinity(struct container *c, const struct step *s, struct error *err)
{
	unsigned long bits, *mask = parse_list(c->arena, s->data, &bits, err);

	if (!mask)
		return -EINVAL;
	if (syscall(SYS_sched_setaffinity, 0, bits / 8, mask) < 0)
		return error_sys(err, errno, "set the CPU affinity to %s", (const char *)s->data);
	return 0;
}

/* Best effort: the cgroup's set is what the kernel makes of it. */
static int reset_affinity(struct container *c, const struct step *s, struct error *err)
{
	unsigned long mask[8192 / BITS];

	(void)c;
	(void)s;
	(void)err;
	memset(mask, 0xff, sizeof mask);
	syscall(SYS_sched_setaffinity, 0, sizeof mask, mask);
	return 0;
}

int scheduler_plan(struct container *c, struct error *err)
{
	const struct config_process *proc = c->process;
	const struct config_memory_policy *policy = c->config->linux->memory_policy;
	struct plan *p = &c->plan;
	struct step *s;

	(void)err;
	if (proc && !(c->mode == CONTAINER_EXEC && proc->exec_cpu_affinity)) {
		s = plan_add(p, STAGE_LIMIT, "scheduler", "process", reset_affinity, NULL);
		step_text(p, s, "run on every CPU that the cgroup has");
	}
	if (proc && proc->scheduler) {
		s = plan_add(p, STAGE_LIMIT, "scheduler", "process.scheduler", set_scheduler, proc->scheduler);
		step_text(p, s, "set the scheduler");
	}
	if (proc && proc->io_priority) {
		s = plan_add(p, STAGE_LIMIT, "scheduler", "process.ioPriority", set_io_priority, proc->io_priority);
		step_text(p, s, "set the I/O priority");
	}
	if (policy) {
		s = plan_add(p, STAGE_LIMIT, "scheduler", "linux.memoryPolicy", set_memory_policy, policy);
		step_text(p, s, "set the memory policy");
	}
	if (c->mode == CONTAINER_EXEC && proc && proc->exec_cpu_affinity) {
		if (proc->exec_cpu_affinity->initial)
			plan_add(p, STAGE_HOST, "scheduler", "process.execCPUAffinity.initial", set_affinity,
				proc->exec_cpu_affinity->initial);
		if (proc->exec_cpu_affinity->final)
			plan_add(p, STAGE_LIMIT, "scheduler", "process.execCPUAffinity.final", set_affinity,
				proc->exec_cpu_affinity->final);
	}
	return 0;
}
