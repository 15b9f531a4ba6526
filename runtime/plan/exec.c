/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: exec.  An intermediate process, which the container
 * cannot see, is cloned into the container's cgroup, enters its namespaces by
 * one setns(2) with a pidfd, closes what leads to the host, and clones the
 * process: from its first moment that one has nothing that somebody inside who
 * may look into it (CAP_SYS_PTRACE) could follow out of the container
 * (CVE-2016-9962).  The runtime itself stays outside.
 *
 * When the container has divided its cgroup (EBUSY), the process joins the
 * cgroup that the container's first process is in.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/plan/clone.h"
#include "runtime/plan/create.h"
#include "runtime/plan/sync.h"

/* With a user namespace nobody inside may look at a process of the host's making, so there /proc may stay for what is
 * written about oneself; without one the process opens its own (container_init_exec()). */
static int close_host(struct container *c, struct error *err)
{
	int keep[] = { c->sync_fd, c->proof_fd, c->console_socket_fd, c->agent_fd, c->userns ? c->proc_fd : -1 };
	int r = fd_close_except(3 + c->options.preserve_fds, keep, sizeof keep / sizeof *keep);

	if (r < 0)
		return error_sys(err, -r, "close the host's descriptors");
	if (!c->userns)
		c->proc_fd = -1;
	c->state_fd = c->bundle_fd = c->pid_file_dir_fd = c->pidfd_socket_fd = c->terminal_master_fd = -1;
	return 0;
}

/* The configuration does not tell: a restored container is in a time namespace that it does not name (criu makes it, so
 * that clocks go on where they were), and one without privileges enters its own with the program's execve only. */
static bool has_other_clocks(const struct container *c, pid_t init)
{
	struct stat its, ours;
	char path[32];

	snprintf(path, sizeof path, "%d/ns/time", init);
	return fstatat(c->proc_fd, path, &its, 0) == 0 && fstatat(c->proc_fd, "self/ns/time", &ours, 0) == 0 &&
		its.st_ino != ours.st_ino;
}

/* In the intermediate process. */
static int enter(struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	int flags = 0, r;

	for (size_t i = 0; i < l->namespaces_count; i++)
		flags |= (int)namespace_flag(l->namespaces[i].type);
	/* The cgroup facility enters the cgroup namespace, when the process is in its cgroups. */
	flags = (flags & ~(CLONE_NEWCGROUP | CLONE_NEWTIME)) | (int)c->init_namespaces;
	r = plan_run_stage(c, STAGE_CLONE, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_sys(err, errno, "hide the process");
	if (flags && setns(c->init_pidfd, flags) < 0) {
		if (errno == ESRCH)
			return error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
		return error_sys(err, errno, "enter the container's namespaces");
	}
	/* Among the host's mounts the container is where its root directory is. */
	if (c->root_fd >= 0 && (fchdir(c->root_fd) < 0 || chroot(".") < 0))
		return error_sys(err, errno, "enter the container's root directory");
	r = plan_run_stage(c, STAGE_CGROUP_NAMESPACE, err);
	if (r == 0)
		r = plan_run_stage(c, STAGE_CGROUP, err);
	return r < 0 ? r : close_host(c, err);
}

static int clone_process(struct container *c, pid_t init, struct error *err)
{
	int r;

	c->namespaces = c->joined = 0;
	r = container_clone_inside(c, enter, err);
	if (r != -EBUSY && r != -EOPNOTSUPP)
		return r;
	error_clear(err);
	r = cgroup_enter_like(c->cgroup, c->proc_fd, init, err);
	return r < 0 ? r : container_clone_inside(c, enter, err);
}

static int follow(struct container *c, struct error *err)
{
	int r = plan_run_stage(c, STAGE_MAP, err);

	if (r == 0 && plan_has(&c->plan, STAGE_MAP))
		r = sync_send(c->sync_fd, SYNC_MAPPED, err);
	if (r == 0)
		r = container_proof(c->proof_fd, c->proc_fd, c->pid, err);
	if (r == 0)
		r = container_publish_pid(c, err);
	return r;
}

static bool has_namespace(const struct container *c, enum config_namespace_type type)
{
	const struct config_linux *l = c->config->linux;

	for (size_t i = 0; i < l->namespaces_count; i++)
		if (l->namespaces[i].type == type)
			return true;
	return false;
}

static int open_root(struct container *c, int init_pidfd, pid_t init, struct error *err)
{
	char path[32];

	if (has_namespace(c, CONFIG_NS_MOUNT))
		return 0;
	snprintf(path, sizeof path, "%d/root", init);
	c->root_fd = openat(c->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* It was that of our process when that lives now. */
	if (fd_pidfd_signal(init_pidfd, 0) < 0)
		return error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	return c->root_fd < 0 ? error_sys(err, errno, "open the container's root directory") : 0;
}

int container_exec(struct container *c, int init_pidfd, pid_t init, struct error *err)
{
	int sync[2] = { -1, -1 }, proof[2] = { -1, -1 }, r;

	signal(SIGPIPE, SIG_IGN);
	r = open_root(c, init_pidfd, init, err);
	if (r == 0)
		r = plan_run_stage(c, STAGE_HOST, err);
	if (r == 0)
		r = container_open_publication(c, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0 || pipe2(proof, O_CLOEXEC) < 0) {
		r = error_sys(err, errno, "make a socket pair and a pipe");
		goto out;
	}
	c->init_pidfd = init_pidfd;
	c->init_namespaces = has_other_clocks(c, init) ? CLONE_NEWTIME : 0;
	c->namespace_fd[CONFIG_NS_CGROUP] = has_namespace(c, CONFIG_NS_CGROUP) ? init_pidfd : -1;
	c->sync_fd = sync[1];
	c->proof_fd = proof[1];
	r = clone_process(c, init, err);
	if (r < 0)
		goto out;
	if (c->pid == 0)
		container_init_exec(c);
	close(sync[1]);
	close(proof[1]);
	sync[1] = proof[1] = -1;
	c->sync_fd = sync[0];
	c->proof_fd = proof[0];
	r = follow(c, err);
	if (r < 0) {
		if (c->pidfd >= 0)
			fd_pidfd_signal(c->pidfd, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
out:
	for (int i = 0; i < 2; i++) {
		cleanup_fd(&sync[i]);
		cleanup_fd(&proof[i]);
	}
	c->sync_fd = c->proof_fd = -1;
	return r;
}
