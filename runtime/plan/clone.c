/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see clone.h.
 *
 * Order of joining: with privileges over the initial user namespace the user
 * namespace comes last, because its members lose the right to enter namespaces
 * that others own; without them it comes first, because it gives the rights.
 *
 * The cgroup namespace is entered by the cgroup facility, when the process is in
 * its cgroup.
 *
 * The time namespace: setns and unshare only affect children (or the next
 * execve), and offsets can only be written before the first process enters, so
 * a new one is made by the intermediate process, which then clones into it.
 * An unprivileged caller has the right to one only in his user namespace: there
 * the container's process makes it, and is in it from its execve on.
 */
#include "runtime/plan/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/cgroup/cgroup.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	uint32_t flag;
	const char *file, *name;
} types[CONFIG_NS_COUNT] = {
	[CONFIG_NS_PID] = { CLONE_NEWPID, "pid", "pid" },
	[CONFIG_NS_NETWORK] = { CLONE_NEWNET, "net", "network" },
	[CONFIG_NS_MOUNT] = { CLONE_NEWNS, "mnt", "mount" },
	[CONFIG_NS_IPC] = { CLONE_NEWIPC, "ipc", "ipc" },
	[CONFIG_NS_UTS] = { CLONE_NEWUTS, "uts", "uts" },
	[CONFIG_NS_USER] = { CLONE_NEWUSER, "user", "user" },
	[CONFIG_NS_CGROUP] = { CLONE_NEWCGROUP, "cgroup", "cgroup" },
	[CONFIG_NS_TIME] = { CLONE_NEWTIME, "time", "time" },
};

uint32_t namespace_flag(enum config_namespace_type type)
{
	return types[type].flag;
}

const char *namespace_file(enum config_namespace_type type)
{
	return types[type].file;
}

const char *namespace_name(enum config_namespace_type type)
{
	return types[type].name;
}

bool container_needs_joiner(const struct container *c)
{
	return (c->joined & (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWTIME | CLONE_NEWNS)) ||
	       (c->namespaces & CLONE_NEWTIME) || (c->joined && (c->namespaces & CLONE_NEWUSER));
}

static int join_one(struct container *c, enum config_namespace_type type, struct error *err)
{
	if (c->namespace_fd[type] < 0)
		return 0;
	if (setns(c->namespace_fd[type], (int)types[type].flag) < 0)
		return error_sys(err, errno, "join the %s namespace", types[type].name);
	return 0;
}

int container_join(struct container *c, struct error *err)
{
	static const enum config_namespace_type order[] = { CONFIG_NS_NETWORK, CONFIG_NS_IPC, CONFIG_NS_UTS,
		CONFIG_NS_TIME, CONFIG_NS_PID, CONFIG_NS_MOUNT };
	int r;

	if (c->rt->rootless) {
		r = join_one(c, CONFIG_NS_USER, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		r = join_one(c, order[i], err);
		if (r < 0)
			return r;
	}
	return c->rt->rootless ? 0 : join_one(c, CONFIG_NS_USER, err);
}

int container_new_time(struct container *c, struct error *err)
{
	char text[256];
	size_t n = 0;
	char self[32];
	ssize_t len;

	if (unshare(CLONE_NEWTIME) < 0)
		return error_sys(err, errno, "make a new time namespace");
	for (size_t i = 0; i < c->config->linux->time_offsets_count; i++) {
		const struct config_time_offset *o = &c->config->linux->time_offsets[i];

		n += (size_t)snprintf(text + n, sizeof text - n, "%s %lld %u\n", o->clock, (long long)o->secs, o->nanosecs);
	}
	if (n == 0)
		return 0;
	len = readlinkat(c->proc_fd, "self", self, sizeof self - 20);
	if (len < 0)
		return error_sys(err, errno, "read /proc/self");
	strcpy(self + len, "/timens_offsets");
	return proc_write(c->proc_fd, self, text, err);
}

static uint64_t clone_flags(const struct container *c)
{
	/* The cgroup namespace is made after the cgroup is entered, the time namespace by the joiner. */
	return c->namespaces & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME);
}

/* Raw clone3; the child shares nothing but the descriptor numbers.  cg: clone into its unified cgroup, where it has one. */
static pid_t do_clone(const struct cgroup *cg, uint64_t flags, int *pidfd)
{
	struct clone_args args = { .flags = flags, .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD };
	int fd = cg ? cgroup_clone_fd(cg) : -1;

	if (pidfd) {
		args.flags |= CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)pidfd;
	}
	if (fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static int clone_error(const struct container *c, int errnum, struct error *err)
{
	int r;

	if (c->cgroup && cgroup_clone_fd(c->cgroup) >= 0 &&
		(errnum == EBUSY || errnum == EOPNOTSUPP || errnum == EACCES || errnum == EAGAIN))
		return cgroup_clone_error(c->cgroup, errnum, err);
	r = error_sys(err, errnum, "clone the container's process");

	if (errnum == EPERM && (c->namespaces & CLONE_NEWUSER))
		error_hint(err, "user namespaces may be forbidden here: see /proc/sys/user/max_user_namespaces and "
				"kernel.unprivileged_userns_clone");
	else if (errnum == EPERM)
		error_hint(err, "new namespaces need root, or a user namespace in the configuration");
	else if (errnum == ENOSPC)
		error_hint(err, "a limit in /proc/sys/user is reached, or user namespaces are nested too deeply");
	return r;
}

struct joiner_result {
	pid_t pid;
	int failed;
	struct error err;
};

static int enter_for_create(struct container *c, struct error *err)
{
	int r = c->namespaces & CLONE_NEWTIME ? container_new_time(c, err) : 0;

	return r < 0 ? r : container_join(c, err);
}

/* The intermediate process: enter, clone the container's process as a sibling, end. */
static void joiner(struct container *c, clone_enter_fn *enter, const struct cgroup *cg, struct joiner_result *result)
{
	pid_t pid;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = enter(c, &result->err);
	if (r < 0) {
		result->failed = 1;
		_exit(1);
	}
	/* Both sides see the result: only this one may write it. */
	pid = do_clone(cg, clone_flags(c) | CLONE_PARENT, NULL);
	if (pid == 0)
		return;
	if (pid < 0) {
		clone_error(c, errno, &result->err);
		result->failed = 1;
	}
	result->pid = pid;
	_exit(0);
}

static int clone_by_joiner(struct container *c, clone_enter_fn *enter, const struct cgroup *joiner_cg,
	const struct cgroup *process_cg, struct error *err)
{
	struct joiner_result *result;
	int status, r = 0;
	pid_t pid;

	result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		return error_sys(err, errno, "prepare to join namespaces");
	pid = do_clone(joiner_cg, 0, NULL);
	if (pid < 0) {
		r = clone_error(c, errno, err);
		goto out;
	}
	if (pid == 0) {
		joiner(c, enter, process_cg, result);
		c->pid = 0;
		return 0;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			r = error_sys(err, errno, "wait for the process that joins namespaces");
			goto out;
		}
	}
	if (result->failed) {
		*err = result->err;
		r = -err->errnum;
		goto out;
	}
	if (result->pid <= 0) {
		r = error_set(err, ERR_SYSTEM, EIO, "the process that joins namespaces died");
		goto out;
	}
	c->pid = result->pid;
	c->pidfd = fd_pidfd_open(c->pid);
	if (c->pidfd < 0)
		r = error_sys(err, -c->pidfd, "open a pidfd of the container's process");
out:
	munmap(result, sizeof *result);
	return r;
}

int container_clone_inside(struct container *c, clone_enter_fn *enter, struct error *err)
{
	return clone_by_joiner(c, enter, c->cgroup, NULL, err);
}

int container_clone(struct container *c, struct error *err)
{
	pid_t pid;

	if (container_needs_joiner(c))
		return clone_by_joiner(c, enter_for_create, NULL, c->cgroup, err);
	pid = do_clone(c->cgroup, clone_flags(c), &c->pidfd);
	if (pid < 0)
		return clone_error(c, errno, err);
	c->pid = pid;
	return 0;
}
