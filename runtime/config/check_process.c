/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec config.md, "Process".  The numbers are
 * those the kernel refuses: setrlimit(2), sched_setattr(2).
 */
#include "runtime/config/check_internal.h"

#include <inttypes.h>
#include <string.h>

#include "specs/enums.h"

void check_environment(struct check *c, const char *path, const char *const *env, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *eq = env[i] ? strchr(env[i], '=') : NULL;

		if (!env[i])
			continue;
		if (!eq)
			check_error(c, arena_printf(c->arena, "%s[%zu]", path, i),
				"%s has no \"=\": expected NAME=value", json_quote(c->arena, env[i]));
		else if (eq == env[i])
			check_error(c, arena_printf(c->arena, "%s[%zu]", path, i), "the name before \"=\" is empty");
	}
}

static void check_rlimits(struct check *c, const struct config_process *p)
{
	size_t first[CONFIG_RLIMIT_RTTIME + 1] = {0}; /* index + 1 */

	for (size_t i = 0; i < p->rlimits_count; i++) {
		const struct config_rlimit *l = &p->rlimits[i];

		if (l->type != CONFIG_RLIMIT_NONE) {
			if (first[l->type])
				check_error(c, check_at(c, "rlimits[%zu].type", i), "%s is in rlimits[%zu] already",
					json_enum_name(&config_rlimit_types, l->type), first[l->type] - 1);
			else
				first[l->type] = i + 1;
		}
		if (l->soft > l->hard)
			check_error(c, check_at(c, "rlimits[%zu].soft", i),
				"%" PRIu64 " is above the hard limit %" PRIu64, l->soft, l->hard);
	}
}

static void check_capabilities(struct check *c, const struct config_capabilities *caps)
{
	const struct {
		const char *name;
		const struct config_capability_set *set;
	} sets[] = {
		{"bounding", &caps->bounding},
		{"effective", &caps->effective},
		{"inheritable", &caps->inheritable},
		{"permitted", &caps->permitted},
		{"ambient", &caps->ambient},
	};

	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		for (size_t n = 0; n < sets[i].set->unknown_count; n++)
			check_warning(c, check_at(c, "capabilities.%s", sets[i].name),
				"unknown capability %s is ignored", json_quote(c->arena, sets[i].set->unknown[n]));
	if (caps->effective.bits & ~caps->permitted.bits)
		check_warning(c, check_at(c, "capabilities.effective"),
			"has capabilities that capabilities.permitted lacks: they cannot be granted");
	if (caps->inheritable.bits & ~caps->bounding.bits)
		check_warning(c, check_at(c, "capabilities.inheritable"),
			"has capabilities that capabilities.bounding lacks: they cannot be granted");
	if (caps->ambient.bits & ~(caps->permitted.bits & caps->inheritable.bits))
		check_warning(c, check_at(c, "capabilities.ambient"),
			"has capabilities that capabilities.permitted or capabilities.inheritable lacks: they cannot "
			"be granted");
}

/* The kernel's limits for SCHED_DEADLINE: 1024 ns at least, the top bit clear, runtime <= deadline <= period. */
static void check_deadline(struct check *c, const struct config_scheduler *s)
{
	uint64_t deadline = s->deadline, period = s->period ? s->period : deadline;

	if (s->runtime < 1024)
		check_error(c, check_at(c, "scheduler.runtime"),
			"SCHED_DEADLINE needs at least 1024 ns, found %" PRIu64, s->runtime);
	if (deadline == 0)
		check_error(c, check_at(c, "scheduler.deadline"), "SCHED_DEADLINE needs a deadline");
	else if (s->runtime > deadline)
		check_error(c, check_at(c, "scheduler.runtime"), "%" PRIu64 " is above the deadline %" PRIu64,
			s->runtime, deadline);
	if (deadline > period)
		check_error(c, check_at(c, "scheduler.deadline"), "%" PRIu64 " is above the period %" PRIu64, deadline,
			period);
	if (period >> 63)
		check_error(c, check_at(c, "scheduler.period"), "must be below 2^63 ns");
}

static void check_scheduler(struct check *c, const struct config_scheduler *s)
{
	bool realtime = s->policy == CONFIG_SCHED_FIFO || s->policy == CONFIG_SCHED_RR;

	if (s->policy == CONFIG_SCHED_NONE)
		return;
	if (s->nice < -20 || s->nice > 19)
		check_error(c, check_at(c, "scheduler.nice"), "expected an integer from -20 to 19, found %" PRId32,
			s->nice);
	else if (s->nice && s->policy != CONFIG_SCHED_OTHER && s->policy != CONFIG_SCHED_BATCH)
		check_warning(c, check_at(c, "scheduler.nice"), "has no effect: only SCHED_OTHER and SCHED_BATCH have a nice value");
	if (realtime && (s->priority < 1 || s->priority > 99))
		check_error(c, check_at(c, "scheduler.priority"),
			"SCHED_FIFO and SCHED_RR need a priority from 1 to 99, found %" PRId32, s->priority);
	else if (!realtime && s->priority)
		check_error(c, check_at(c, "scheduler.priority"), "only SCHED_FIFO and SCHED_RR have a priority");
	if (s->policy == CONFIG_SCHED_DEADLINE) {
		check_deadline(c, s);
		return;
	}
	if (s->runtime)
		check_error(c, check_at(c, "scheduler.runtime"), "only SCHED_DEADLINE has a runtime");
	if (s->deadline)
		check_error(c, check_at(c, "scheduler.deadline"), "only SCHED_DEADLINE has a deadline");
	if (s->period)
		check_error(c, check_at(c, "scheduler.period"), "only SCHED_DEADLINE has a period");
}

static void check_cpu_list(struct check *c, const char *path, const char *list)
{
	if (list && !text_is_number_list(list))
		check_error(c, path, "expected a list of CPUs as in \"0-3,7\", found %s", json_quote(c->arena, list));
}

/* The credentials must exist in a user namespace that is made for the container. */
static bool id_is_mapped(const struct config_id_mapping *list, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= list[i].container_id && id - list[i].container_id < list[i].size)
			return true;
	return false;
}

static void check_user(struct check *c, const struct config_user *u)
{
	const struct config_linux *l = c->config ? c->config->linux : NULL;
	const struct config_namespace *ns = c->namespaces[CONFIG_NS_USER];

	if (!l || !ns || ns->path || check_failed(c, "linux.uidMappings") || check_failed(c, "linux.gidMappings"))
		return;
	if (!id_is_mapped(l->uid_mappings, l->uid_mappings_count, u->uid))
		check_error(c, check_at(c, "user.uid"), "%" PRIu32 " is not mapped by linux.uidMappings", u->uid);
	if (!id_is_mapped(l->gid_mappings, l->gid_mappings_count, u->gid))
		check_error(c, check_at(c, "user.gid"), "%" PRIu32 " is not mapped by linux.gidMappings", u->gid);
	for (size_t i = 0; i < u->additional_gids_count; i++)
		if (!id_is_mapped(l->gid_mappings, l->gid_mappings_count, u->additional_gids[i]))
			check_error(c, check_at(c, "user.additionalGids[%zu]", i),
				"%" PRIu32 " is not mapped by linux.gidMappings", u->additional_gids[i]);
}

void check_process(struct check *c, const struct config_process *p)
{
	if (p->cwd && !text_is_absolute(p->cwd))
		check_error(c, check_at(c, "cwd"), "expected an absolute path, found %s", json_quote(c->arena, p->cwd));
	if (p->args_count == 0)
		check_error(c, check_at(c, "args"), "must have at least one element, the program to execute");
	else if (p->args[0] && *p->args[0] == '\0')
		check_error(c, check_at(c, "args[0]"), "the program to execute must not be empty");
	check_environment(c, check_at(c, "env"), p->env, p->env_count);
	check_user(c, &p->user);
	check_rlimits(c, p);
	if (p->capabilities)
		check_capabilities(c, p->capabilities);
	if (p->apparmor_profile && text_has_control(p->apparmor_profile))
		check_error(c, check_at(c, "apparmorProfile"), "contains a control character");
	if (p->selinux_label && !text_is_selinux_label(p->selinux_label))
		check_error(c, check_at(c, "selinuxLabel"), "expected user:role:type:level, found %s",
			json_quote(c->arena, p->selinux_label));
	if (p->scheduler)
		check_scheduler(c, p->scheduler);
	if (p->exec_cpu_affinity) {
		check_cpu_list(c, check_at(c, "execCPUAffinity.initial"), p->exec_cpu_affinity->initial);
		check_cpu_list(c, check_at(c, "execCPUAffinity.final"), p->exec_cpu_affinity->final);
	}
}
