/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.seccomp (runtime-spec config-linux.md).
 *
 * The host side finds the program in the cache or compiles it, before the
 * clone.  The container side loads it with one system call:
 *
 *   without noNewPrivileges  STAGE_SECCOMP: loading needs CAP_SYS_ADMIN, which the last step of that stage drops
 *   with noNewPrivileges     STAGE_LAUNCH: as late as possible, so that the profile need not allow what we do ourselves
 *   with startContainer hooks STAGE_SECCOMP in both cases: they are programs of the container's
 *   with SCMP_ACT_NOTIFY     STAGE_SECCOMP in both cases: the agent was reached at create, and a create that cannot
 *                            hand the listener over must fail (seccomp_notify.c)
 *
 * A flag that the kernel does not know is an error, found before the clone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "runtime/facility/facility.h"
#include "runtime/facility/seccomp_notify.h"
#include "runtime/facility/seccomp_program.h"
#include "specs/enums.h"

#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif

#define FAIL_UNKNOWN "run.oci.seccomp_fail_unknown_syscall"
#define RECEIVER "run.oci.seccomp.receiver"
#define RECEIVER_VARIABLE "RUN_OCI_SECCOMP_RECEIVER"

struct filter {
	struct seccomp_profile profile;
	struct seccomp_program program;
	struct seccomp_notify notify;
	bool notifies;
	unsigned int flags;
};

static int open_agent(struct container *c, const struct step *s, struct error *err)
{
	struct filter *f = (struct filter *)s->data;

	return seccomp_notify_connect(c, &f->notify, err);
}

static int leave_agent(struct container *c, const struct step *s, struct error *err)
{
	struct filter *f = (struct filter *)s->data;

	(void)err;
	seccomp_notify_leave(c, &f->notify);
	return 0;
}

static int compile(struct container *c, const struct step *s, struct error *err)
{
	struct filter *f = (struct filter *)s->data;
	struct seccomp_key key;
	int r;

	/* Without a program the kernel looks at the flags and then fails with EFAULT. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, NULL) < 0 && errno != EFAULT) {
		error_path(err, "linux.seccomp.flags");
		return error_set(
			err, ERR_UNSUPPORTED, errno, "the kernel does not take the filter flags %#x", f->flags);
	}
	if (f->program.count)
		return 0;
	seccomp_cache_key(&f->profile, c->arena, &key);
	if (seccomp_cache_load(c->rt->root, &key, c->arena, &f->program))
		return 0;
	r = seccomp_compile(&f->profile, c->arena, &f->program, err);
	if (r < 0)
		return r;
	log_debug("compiled the seccomp profile to %zu instructions", f->program.count);
	seccomp_cache_store(c->rt->root, &key, &f->program);
	return 0;
}

static int load(const void *data, struct error *err)
{
	const struct filter *f = data;
	struct sock_fprog prog = {.len = (unsigned short)f->program.count, .filter = f->program.insns};
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &prog);

	if (r >= 0)
		return (int)r;
	if (errno == EACCES)
		error_hint(err, "without noNewPrivileges loading a filter needs CAP_SYS_ADMIN");
	if (errno == EBUSY)
		error_hint(err, "a filter with a listener is in force already");
	return error_sys(err, errno, "load the seccomp filter");
}

static int load_step(struct container *c, const struct step *s, struct error *err)
{
	struct filter *f = (struct filter *)s->data;
	int r;

	if (f->notifies)
		return seccomp_notify_load(c, &f->notify, load, f, err);
	r = load(f, err);
	return r < 0 ? r : 0;
}

static unsigned int flags_of(const struct config_seccomp *p, bool notifies)
{
	unsigned int flags = 0;
	int64_t bit;

	for (size_t i = 0; i < p->flags_count; i++)
		if (json_enum_find(&config_seccomp_flags, p->flags[i], strlen(p->flags[i]), &bit))
			flags |= (unsigned int)bit;
	/* What runc does when the profile says nothing, not even an empty list: the speculation mitigation that old kernels
	 * tie to seccomp costs a lot and is the process's own business. */
	if (!p->flags_set)
		flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	if (notifies)
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* Both together are ambiguous in their result without it. */
	if (notifies && flags & SECCOMP_FILTER_FLAG_TSYNC)
		flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	return flags;
}

static bool uses_notify(const struct config_seccomp *p)
{
	for (size_t i = 0; i < p->syscalls_count; i++)
		if (p->syscalls[i].action == CONFIG_SCMP_ACT_NOTIFY)
			return true;
	return p->default_action == CONFIG_SCMP_ACT_NOTIFY;
}

static const char *find_agent(const struct container *c, const struct config_seccomp *p)
{
	const char *path = p->listener_path;

	if (!path)
		path = config_map_get(&c->config->annotations, RECEIVER);
	return path ? path : getenv(RECEIVER_VARIABLE);
}

int seccomp_plan(struct container *c, struct error *err)
{
	static const struct config_seccomp nothing;
	const struct config_seccomp *p = c->config->linux->seccomp;
	struct plan *plan = &c->plan;
	const struct config_hooks *hooks = c->config->hooks;
	const char *fail;
	struct filter *f;
	struct step *s;
	bool late;
	int raw;

	if (!c->process)
		return 0;
	f = arena_new(c->arena, struct filter);
	raw = seccomp_raw(&c->config->annotations, c->arena, &f->program, err);
	if (raw < 0 || (!p && !raw))
		return raw;
	if (!p)
		p = &nothing;
	fail = config_map_get(&c->config->annotations, FAIL_UNKNOWN);
	f->profile = (struct seccomp_profile){p, fail && strcmp(fail, "0") != 0 && strcmp(fail, "false") != 0};
	/* What a compiled filter notifies of is not looked for: who names an agent has one. */
	f->notifies = raw ? find_agent(c, p) != NULL : uses_notify(p);
	f->flags = flags_of(p, f->notifies);
	s = plan_add(plan, STAGE_HOST, "seccomp", "linux.seccomp", compile, f);
	if (raw)
		step_text(plan, s, "take the compiled system call filter of %zu instructions", f->program.count);
	else
		step_text(plan, s, "compile the system call filter: %zu rules, default %s", p->syscalls_count,
			json_enum_name(&config_seccomp_actions, p->default_action));
	if (f->notifies) {
		f->notify = (struct seccomp_notify){find_agent(c, p), p->listener_metadata, NULL};
		if (!f->notify.path) {
			error_path(err, "linux.seccomp.listenerPath");
			return error_set(err, ERR_CONFIG, EINVAL, "SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath");
		}
		if (*f->notify.path != '/')
			return error_set(err, ERR_CONFIG, EINVAL, "the seccomp agent's socket \"%s\" is not an absolute path",
				f->notify.path);
		s = plan_add(plan, STAGE_HOST, "seccomp", "linux.seccomp.listenerPath", open_agent, f);
		step_text(plan, s, "connect to the seccomp agent at %s", f->notify.path);
		s = plan_add(plan, STAGE_MAP, "seccomp", "linux.seccomp.listenerPath", leave_agent, f);
		step_text(plan, s, "leave the connection to the agent to the container's process");
	}
	late = c->process->no_new_privileges && !f->notifies && !(hooks && hooks->start_container.count);
	s = plan_add(plan, late ? STAGE_LAUNCH : STAGE_SECCOMP, "seccomp", "linux.seccomp", load_step, f);
	step_text(plan, s, "load the system call filter%s", f->notifies ? " and hand its listener to the agent" : "");
	return 0;
}
