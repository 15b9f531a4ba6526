/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: process.user, process.capabilities and
 * process.noNewPrivileges; the same for run and exec.
 *
 * The order is the kernel's (capabilities(7), user_namespaces(7)): bounding set
 * while CAP_SETPCAP is there; keep the permitted set over the change of ids;
 * supplementary groups always, then gid, then uid; the sets; ambient last,
 * because it needs permitted and inheritable.  Inheritable and ambient hold only
 * what the configuration names.
 *
 * A seccomp filter without no_new_privs needs CAP_SYS_ADMIN to be loaded.  So
 * in that case the capability stays until the filter is there, and the last
 * capset is a step of its own behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/facility/facility.h"
#include "specs/enums.h"

#define NO_GROUPS_ANNOTATION "run.oci.keep_original_groups"

static const struct config_capabilities no_capabilities;

static const struct config_capabilities *wanted(const struct container *c)
{
	return c->process->capabilities ? c->process->capabilities : &no_capabilities;
}

static bool filter_needs_admin(const struct container *c)
{
	return container_has_filter(c) && !c->process->no_new_privileges;
}

static int set_umask(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	(void)err;
	/* Both peers use 022 when the configuration says nothing, and engines rely on it. */
	umask(c->process->user.umask.set ? (mode_t)c->process->user.umask.value & 0777 : 022);
	return 0;
}

/* The user must be able to reopen /dev/stdin, /dev/stdout and /dev/stderr. */
static int own_stdio(struct container *c, const struct step *s, struct error *err)
{
	struct stat null, st;
	bool have_null = stat("/dev/null", &null) == 0;

	(void)s;
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0)
			return error_sys(err, errno, "look at descriptor %d", fd);
		/* Never the null device, and nothing that is right already. */
		if (st.st_uid == c->process->user.uid || (S_ISCHR(st.st_mode) && have_null && st.st_rdev == null.st_rdev))
			continue;
		/* A file of another user namespace or a read-only filesystem keeps its owner. */
		if (fchown(fd, c->process->user.uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL && errno != EROFS &&
			errno != EACCES)
			return error_sys(err, errno, "give descriptor %d to user %u", fd, c->process->user.uid);
	}
	return 0;
}

static int drop_bounding(struct container *c, const struct step *s, struct error *err)
{
	uint64_t keep = wanted(c)->bounding.bits;

	(void)s;
	for (int cap = 0; cap < 64; cap++) {
		if (keep & (1ull << cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL) /* behind the last capability of this kernel */
				return 0;
			return error_sys(err, errno, "drop capability %d from the bounding set", cap);
		}
	}
	return 0;
}

/* Does the caller's own user namespace forbid setgroups (one that was made without privileges)? */
static bool setgroups_denied(const struct container *c)
{
	_cleanup_fd_ int fd = openat(c->proc_fd, "self/setgroups", O_RDONLY | O_CLOEXEC);
	char buf[8] = "";

	return fd >= 0 && read(fd, buf, sizeof buf - 1) > 0 && strncmp(buf, "deny", 4) == 0;
}

static int set_ids(struct container *c, const struct step *s, struct error *err)
{
	const struct config_user *u = &c->process->user;
	size_t n = u->additional_gids_count;
	gid_t *groups = arena_array(c->arena, gid_t, n + 1);
	bool keep_groups = s->data != NULL;

	for (size_t i = 0; i < n; i++)
		groups[i] = u->additional_gids[i];
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_sys(err, errno, "keep capabilities while the user changes");
	if (!keep_groups && setgroups(n, groups) < 0) {
		/* An unprivileged user namespace denies setgroups; then there are no groups to take away either way. */
		int e = errno;

		if (e != EPERM || n > 0 || !(c->userns || c->rt->rootless || setgroups_denied(c))) {
			error_path(err, "process.user.additionalGids");
			return error_sys(err, e, "set the supplementary groups");
		}
	}
	if (setresgid(u->gid, u->gid, u->gid) < 0) {
		error_path(err, "process.user.gid");
		return error_sys(err, errno, "become group %u", u->gid);
	}
	if (setresuid(u->uid, u->uid, u->uid) < 0) {
		error_path(err, "process.user.uid");
		return error_sys(err, errno, "become user %u", u->uid);
	}
	return 0;
}

static int set_sets(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct error *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].permitted = (uint32_t)(permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	return syscall(SYS_capset, &head, data) < 0 ? error_sys(err, errno, "set the capabilities") : 0;
}

/* What the process has now: nothing can be asked for beyond it. */
static int available(uint64_t *permitted, struct error *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return error_sys(err, errno, "read the capabilities");
	*permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return 0;
}

/* The four sets that capset knows, limited to what is there: a capability that cannot be granted is a warning of the
 * plan (runtime-spec), not a failure. */
static int set_capabilities(struct container *c, uint64_t extra, struct error *err)
{
	const struct config_capabilities *caps = wanted(c);
	uint64_t have, permitted;
	int r = available(&have, err);

	if (r < 0)
		return r;
	permitted = caps->permitted.bits & have;
	return set_sets((caps->effective.bits & permitted) | (extra & have), permitted | (extra & have),
		caps->inheritable.bits & have, err);
}

static int raise_ambient(const struct config_capabilities *caps, struct error *err)
{
	uint64_t have;
	int r;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return error_sys(err, errno, "clear the ambient capabilities");
	if (!caps->ambient.bits)
		return 0;
	r = available(&have, err);
	if (r < 0)
		return r;
	for (int cap = 0; cap < 64; cap++) {
		if (!(caps->ambient.bits & caps->permitted.bits & caps->inheritable.bits & have & (1ull << cap)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return error_sys(err, errno, "raise ambient capability %d", cap);
	}
	return 0;
}

static int capabilities_step(struct container *c, const struct step *s, struct error *err)
{
	int r = set_capabilities(c, filter_needs_admin(c) ? 1ull << CAP_SYS_ADMIN : 0, err);

	(void)s;
	return r < 0 ? r : raise_ambient(wanted(c), err);
}

static int final_step(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	if (wanted(c)->permitted.bits & wanted(c)->effective.bits & (1ull << CAP_SYS_ADMIN))
		return 0;
	return set_capabilities(c, 0, err);
}

static int no_new_privileges(struct container *c, const struct step *s, struct error *err)
{
	(void)c;
	(void)s;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? error_sys(err, errno, "set no_new_privs") : 0;
}

static bool keep_groups(const struct config *config)
{
	const char *value = config_map_get(&config->annotations, NO_GROUPS_ANNOTATION);

	return value && strcmp(value, "1") == 0;
}

/* What cannot be granted; the specification wants a warning of each. */
static void warn_ungrantable(const struct config_capabilities *caps)
{
	uint64_t no_effective = caps->effective.bits & ~caps->permitted.bits;
	uint64_t no_ambient = caps->ambient.bits & ~(caps->permitted.bits & caps->inheritable.bits);

	for (int cap = 0; cap < 64; cap++) {
		const char *name = json_enum_name(&config_capability_names, cap);

		if (no_effective & (1ull << cap))
			log_warning("process.capabilities.effective: can't set %s: it is not in the permitted set", name);
		if (no_ambient & (1ull << cap))
			log_warning("process.capabilities.ambient: can't raise ambient capability %s: it is not in the "
				    "%s set", name, caps->permitted.bits & (1ull << cap) ? "inheritable" : "permitted");
	}
}

/* What the caller itself lacks cannot be given to a container. */
static void warn_unavailable(const struct config_capabilities *caps)
{
	uint64_t have, missing;
	struct error err = { 0 };

	if (available(&have, &err) < 0)
		return;
	missing = caps->permitted.bits & ~have;
	for (int cap = 0; cap < 64; cap++)
		if (missing & (1ull << cap))
			log_warning("process.capabilities.permitted: the runtime lacks %s, so the container does not get it",
				json_enum_name(&config_capability_names, cap));
}

static void warn_unknown(const struct config_capability_set *set, const char *name)
{
	for (size_t i = 0; i < set->unknown_count; i++)
		log_warning("process.capabilities.%s: unknown capability \"%s\" is ignored", name, set->unknown[i]);
}

int credential_plan(struct container *c, struct error *err)
{
	static const char yes[] = "yes";
	struct plan *p = &c->plan;
	const struct config_user *u;
	struct step *s;

	(void)err;
	if (!c->process)
		return 0;
	u = &c->process->user;
	if (c->process->capabilities && c->mode != CONTAINER_EXPLAIN) {
		if (!c->userns)
			warn_unavailable(wanted(c));
		warn_ungrantable(wanted(c));
		warn_unknown(&wanted(c)->bounding, "bounding");
		warn_unknown(&wanted(c)->effective, "effective");
		warn_unknown(&wanted(c)->inheritable, "inheritable");
		warn_unknown(&wanted(c)->permitted, "permitted");
		warn_unknown(&wanted(c)->ambient, "ambient");
	}
	s = plan_add(p, STAGE_LIMIT, "credential", "process.user.umask", set_umask, NULL);
	step_text(p, s, "set the umask to %03o", u->umask.set ? (unsigned int)u->umask.value : 022);
	s = plan_add(p, STAGE_IDENTITY, "credential", "process.user.uid", own_stdio, NULL);
	step_text(p, s, "give stdin, stdout and stderr to user %u", u->uid);
	s = plan_add(p, STAGE_IDENTITY, "credential", "process.capabilities.bounding", drop_bounding, NULL);
	step_text(p, s, "reduce the bounding set");
	s = plan_add(p, STAGE_IDENTITY, "credential", "process.user", set_ids, keep_groups(c->config) ? yes : NULL);
	step_text(p, s, "become user %u, group %u, %zu additional groups", u->uid, u->gid, u->additional_gids_count);
	s = plan_add(p, STAGE_IDENTITY, "credential", "process.capabilities", capabilities_step, NULL);
	step_text(p, s, "set the capabilities");
	if (c->process->no_new_privileges) {
		s = plan_add(p, STAGE_IDENTITY, "credential", "process.noNewPrivileges", no_new_privileges, NULL);
		step_text(p, s, "set no_new_privs");
	}
	return 0;
}

int credential_final_plan(struct container *c, struct error *err)
{
	struct step *s;

	(void)err;
	if (!c->process || !filter_needs_admin(c))
		return 0;
	s = plan_add(&c->plan, STAGE_SECCOMP, "credential", "process.capabilities", final_step, NULL);
	step_text(&c->plan, s, "set the capabilities again, without the one that loading the filter needed");
	return 0;
}
