/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the cgroup's part of a plan; see cgroup.h for the stages.
 *
 * cgroupfs: everything is made and limited before the clone.  On v2 the process
 * is born in its cgroup; on v1 it writes itself into each hierarchy after the
 * mounts and before the first hook inside, so that neither its own work until
 * then counts against its limits nor anything of the container's runs outside
 * them.  pids.max on v2 waits until the process is there: a limit of 0 is legal
 * and would keep it from being born.
 *
 * systemd: a scope is made around a living process, so scope, limits and device
 * program follow the clone, while the process waits for the runtime's word.
 *
 * A new cgroup namespace must be made by the process when it is in its last
 * cgroup, because that becomes the namespace's root.
 */
#include "runtime/facility/cgroup.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "runtime/cgroup/internal.h"

#define FACILITY "cgroup"
#define PATH_PROPERTY "linux.cgroupsPath"

static int run_make(struct container *c, const struct step *s, struct error *err)
{
	return cgroup_make(c->cgroup, (size_t)(uintptr_t)s->data, c->config->linux->resources, err);
}

static int run_limit(struct container *c, const struct step *s, struct error *err)
{
	return limit_apply(c->cgroup, s->data, c->config->linux->resources, err);
}

static int run_devices(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	return cgroup_devices(c->cgroup, c->config->linux->resources, false, err);
}

static int run_scope(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	return systemd_start(c->cgroup, c->config->linux->resources, c->pid, err);
}

static int run_enter_pid(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	return cgroup_enter_pid(c->cgroup, c->pid, err);
}

static int run_enter_self(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	return cgroup_enter_self(c->cgroup, err);
}

static int run_namespace(struct container *c, const struct step *s, struct error *err)
{
	(void)c;
	(void)s;
	if (unshare(CLONE_NEWCGROUP) < 0)
		return error_sys(err, errno, "make a new cgroup namespace");
	return 0;
}

/* The descriptor is one of the namespace, or (exec) a pidfd of the container's first process: setns(2) takes both. */
static int run_join(struct container *c, const struct step *s, struct error *err)
{
	int fd = c->namespace_fd[CONFIG_NS_CGROUP];

	(void)s;
	if (fd >= 0 && setns(fd, CLONE_NEWCGROUP) < 0)
		return error_sys(err, errno, "join the cgroup namespace");
	return 0;
}

static int run_delegate(struct container *c, const struct step *s, struct error *err)
{
	return cgroup_delegate(c->cgroup, (uid_t)(uintptr_t)s->data, err);
}

/* A writable cgroup mount in a cgroup namespace of its own is meant to be used (systemd inside): the process's user gets
 * the cgroup, as runc does.  Only v2 is safe to hand out. */
static bool mounted_writable(const struct config *config)
{
	for (size_t i = 0; i < config->mounts_count; i++) {
		const struct config_mount *m = &config->mounts[i];
		bool ro = false;

		if (!m->type || (strcmp(m->type, "cgroup") != 0 && strcmp(m->type, "cgroup2") != 0))
			continue;
		for (size_t k = 0; k < m->options_count; k++)
			ro = ro || strcmp(m->options[k], "ro") == 0 || strcmp(m->options[k], "rro") == 0;
		if (!ro)
			return true;
	}
	return false;
}

/* The process's user as the host knows him; the caller himself when he is not mapped. */
static uid_t host_user(const struct container *c)
{
	const struct config_linux *l = c->config->linux;
	uint32_t uid = c->process ? c->process->user.uid : 0;

	if (!c->userns)
		return uid;
	for (size_t i = 0; i < l->uid_mappings_count; i++) {
		const struct config_id_mapping *m = &l->uid_mappings[i];

		if (uid >= m->container_id && uid - m->container_id < m->size)
			return m->host_id + (uid - m->container_id);
	}
	return geteuid();
}

static void plan_delegate(struct container *c, enum stage stage)
{
	uid_t uid = host_user(c);
	struct step *s;

	if (c->cgroup->version != CGROUP_V2 || !(c->namespaces & CLONE_NEWCGROUP) || !mounted_writable(c->config))
		return;
	if (uid == geteuid())
		return;
	s = plan_add(&c->plan, stage, FACILITY, "mounts", run_delegate, (void *)(uintptr_t)uid);
	step_text(&c->plan, s, "give the cgroup to user %u", uid);
}

static void plan_directories(struct container *c, enum stage stage)
{
	struct cgroup *cg = c->cgroup;

	for (size_t i = 0; i < cg->count; i++) {
		struct step *s = plan_add(&c->plan, stage, FACILITY, PATH_PROPERTY, run_make, (void *)(uintptr_t)i);

		s->undo = "cgroup";
		s->undo_arg = cgroup_undo_arg(cg, i);
		step_text(&c->plan, s, "make %s", cg->h[i].m->path);
	}
}

/* The number of processes is limited when the container's is there, and what unified says of it after that. */
static bool waits_for_process(const struct limit_group *g, const struct config_resources *res)
{
	if (g->controller == CTRL_PIDS)
		return true;
	for (size_t i = 0; g->controller == CTRL_COUNT && i < res->unified.count; i++)
		if (strncmp(res->unified.items[i].key, "pids.", 5) == 0)
			return true;
	return false;
}

static void plan_limits(struct container *c, enum stage stage)
{
	const struct config_resources *res = c->config->linux->resources;
	struct step *s;

	for (size_t i = 0; res && i < limit_groups_count; i++) {
		const struct limit_group *g = &limit_groups[i];
		bool late;

		if (!g->wanted(res))
			continue;
		late = c->cgroup->version == CGROUP_V2 && waits_for_process(g, res);
		s = plan_add(&c->plan, late ? STAGE_MAP : stage, FACILITY, g->property, run_limit, g);
		step_text(&c->plan, s, "write the limits of %s", strrchr(g->property, '.') + 1);
	}
	s = plan_add(&c->plan, stage, FACILITY, "linux.resources.devices", run_devices, NULL);
	step_text(&c->plan, s, "allow %zu device rules and the default devices, deny the rest", res ? res->devices_count : 0);
}

static void plan_cgroupfs(struct container *c)
{
	struct step *s;

	plan_directories(c, STAGE_HOST);
	plan_limits(c, STAGE_HOST);
	plan_delegate(c, STAGE_HOST);
	if (c->cgroup->version == CGROUP_V2)
		return;
	s = plan_add(&c->plan, STAGE_CGROUP, FACILITY, NULL, run_enter_self, NULL);
	step_text(&c->plan, s, "enter %zu cgroups", c->cgroup->count);
}

static void plan_systemd(struct container *c)
{
	struct cgroup *cg = c->cgroup;
	struct step *s = plan_add(&c->plan, STAGE_MAP, FACILITY, PATH_PROPERTY, run_scope, NULL);

	s->undo = "scope";
	s->undo_arg = arena_printf(c->arena, "%s %s %s", cg->user_bus ? "user" : "system", cg->unit, cgroup_text(cg));
	step_text(&c->plan, s, "start %s in %s", cg->unit, cg->slice);
	if (cg->version == CGROUP_V1) {
		/* systemd serves only some of the hierarchies. */
		plan_directories(c, STAGE_MAP);
		s = plan_add(&c->plan, STAGE_MAP, FACILITY, NULL, run_enter_pid, NULL);
		step_text(&c->plan, s, "move the process into %zu cgroups", cg->count);
	}
	plan_limits(c, STAGE_MAP);
	plan_delegate(c, STAGE_MAP);
}

/*
 * A namespace that exists is joined in the same place, by the process itself: where the unified hierarchy is mounted with
 * nsdelegate (systemd does), nobody inside a cgroup namespace can start a process in a cgroup that he himself is not
 * below, so neither the runtime nor its helper may enter it before the clone.
 */
static void plan_namespace(struct container *c, bool join)
{
	enum stage stage = cgroup_version(c->cgroup) == CGROUP_V1 ? STAGE_CGROUP : STAGE_CGROUP_NAMESPACE;
	struct step *s;

	if (c->namespaces & CLONE_NEWCGROUP) {
		s = plan_add(&c->plan, stage, FACILITY, "linux.namespaces", run_namespace, NULL);
		step_text(&c->plan, s, "make a new cgroup namespace");
	} else if (join) {
		s = plan_add(&c->plan, stage, FACILITY, "linux.namespaces", run_join, NULL);
		step_text(&c->plan, s, "join the cgroup namespace");
	}
}

static int run_payload(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	return cgroup_enter_payload(c->cgroup, host_user(c), c->pid, err);
}

/* The container's own cgroup is the root of its cgroup namespace, so the process moves on when it has made that. */
static void plan_payload(struct container *c)
{
	struct step *s;

	if (!cgroup_has_payload(c->cgroup))
		return;
	s = plan_add(&c->plan, STAGE_RUNTIME_HOOK, FACILITY, "annotations", run_payload, NULL);
	step_text(&c->plan, s, "move the process into a cgroup of its own below the container's");
}

int cgroup_plan(struct container *c, struct error *err)
{
	struct cgroup *cg = c->cgroup;
	int r;

	if (!cgroup_exists(cg)) {
		if (limit_any(c->config->linux->resources))
			log_warning("linux.resources has no effect: the container has no cgroup of its own");
		plan_namespace(c, c->joined & CLONE_NEWCGROUP);
		return 0;
	}
	if (cg->version == CGROUP_V2 && c->config->linux->resources) {
		r = v2_check(c->config->linux->resources, err);
		if (r < 0)
			return r;
	}
	r = cgroup_probe(cg, err);
	if (r < 0)
		return r;
	if (cg->manager == CGROUP_MANAGER_SYSTEMD)
		plan_systemd(c);
	else
		plan_cgroupfs(c);
	plan_namespace(c, c->joined & CLONE_NEWCGROUP);
	plan_payload(c);
	return 0;
}

/* --- exec --------------------------------------------------------------------------- */

struct enter {
	const char *const *subs;
	size_t count;
};

static int run_prepare(struct container *c, const struct step *s, struct error *err)
{
	const struct enter *e = s->data;
	int r = cgroup_enter_prepare(c->cgroup, e->subs, e->count, err);

	if (r == 0 && cgroup_attach_due(c->cgroup))
		plan_add(&c->plan, STAGE_MAP, FACILITY, NULL, run_enter_pid, NULL);
	return r;
}

static void plan_join(struct container *c)
{
	const struct config_linux *l = c->config->linux;
	bool has = false;

	for (size_t i = 0; i < l->namespaces_count; i++)
		has = has || l->namespaces[i].type == CONFIG_NS_CGROUP;
	c->namespaces &= ~(uint32_t)CLONE_NEWCGROUP;
	plan_namespace(c, has);
}

int cgroup_plan_exec(struct container *c, const char *const *subs, size_t count, struct error *err)
{
	struct enter *e = arena_new(c->plan.arena, struct enter);
	struct step *s;

	if (!cgroup_exists(c->cgroup)) {
		plan_join(c);
		return count ? error_set(err, ERR_USAGE, EINVAL, "--cgroup: the container has no cgroup of its own") : 0;
	}
	e->subs = subs;
	e->count = count;
	s = plan_add(&c->plan, STAGE_HOST, FACILITY, NULL, run_prepare, e);
	step_text(&c->plan, s, "open the container's cgroups");
	if (c->cgroup->version == CGROUP_V1) {
		s = plan_add(&c->plan, STAGE_CGROUP, FACILITY, NULL, run_enter_self, NULL);
		step_text(&c->plan, s, "enter the container's cgroups");
	}
	plan_join(c);
	return 0;
}
