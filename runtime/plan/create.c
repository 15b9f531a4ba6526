/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the host side, from an empty state directory to
 * "created" (and "running" for run).
 *
 *   state directory made and locked, every undo journalled
 *   STAGE_HOST, pipes, clone, STAGE_MAP
 *   answer the container side until it is ready: runtime hooks on request
 *   STAGE_VERIFY, record, pid file; only then the process is let go on
 *
 * Whatever fails, one path undoes all: kill and reap the process, replay the
 * journal, poststop hooks when hooks had run, remove the state directory.  A
 * runtime that is killed instead leaves the journal, and its child dies: it
 * holds the other end of a socket and asks for SIGKILL at our death.
 */
#include "runtime/plan/create.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/plan/build.h"
#include "runtime/plan/clone.h"
#include "runtime/plan/hooks.h"
#include "runtime/plan/sync.h"
#include "runtime/plan/trace.h"
#include "runtime/plan/undo.h"

static struct state describe(const struct container *c)
{
	struct state s = {
		.oci_version = c->config->oci_version,
		.id = c->id,
		.pid = c->pid,
		.pid_start = c->start_time,
		.bundle = c->options.bundle,
		.rootfs = c->rootfs,
		.owner = geteuid(),
		.annotations = c->config->annotations,
		.poststart = c->config->hooks && c->config->hooks->poststart.count,
		.poststop = c->config->hooks && c->config->hooks->poststop.count,
	};

	return s;
}

const char *container_state_json(const struct container *c, enum status status, pid_t pid)
{
	struct state s = describe(c);

	return state_json(c->arena, &s, status, pid, false, false);
}

/* create: FIFOs in the state directory, because `start` is another process.  run: a pipe. */
static int open_pipes(struct container *c, int sync[2], int proof[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		return error_sys(err, errno, "make a socket pair");
	if (c->mode != CONTAINER_CREATE) {
		if (pipe2(proof, O_CLOEXEC) < 0)
			return error_sys(err, errno, "make a pipe");
		return 0;
	}
	if (mkfifoat(c->state_fd, STATE_START_FIFO, 0600) < 0 || mkfifoat(c->state_fd, STATE_PROOF_FIFO, 0600) < 0)
		return error_sys(err, errno, "make the start FIFO in the state directory");
	/* Opened for both directions it never blocks and never ends. */
	c->start_fd = openat(c->state_fd, STATE_START_FIFO, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	proof[0] = openat(c->state_fd, STATE_PROOF_FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	/* Without a reader this would block. */
	if (proof[0] >= 0)
		proof[1] = openat(c->state_fd, STATE_PROOF_FIFO, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (c->start_fd < 0 || proof[0] < 0 || proof[1] < 0)
		return error_sys(err, errno, "open the start FIFO in the state directory");
	close(proof[0]);
	proof[0] = -1;
	return 0;
}

/* The container side is gone: say how. */
static int died(struct container *c, struct error *err)
{
	int status;
	pid_t r;

	do
		r = waitpid(c->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r != c->pid)
		return error_set(err, ERR_SYSTEM, EIO, "the container's process died during set-up");
	c->pid = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		error_hint(err, "a memory limit below what the set-up needs, or the kernel ran out of memory");
	if (WIFSIGNALED(status))
		return error_set(err, ERR_SYSTEM, EIO, "the container's process was killed by signal %d (%s) during set-up",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	return error_set(err, ERR_SYSTEM, EIO, "the container's process ended with status %d during set-up",
		WEXITSTATUS(status));
}

static int converse(struct container *c, struct error *err)
{
	int r = plan_run_stage(c, STAGE_MAP, err);

	if (r < 0)
		return r;
	if (plan_has(&c->plan, STAGE_MAP)) {
		r = sync_send(c->sync_fd, SYNC_MAPPED, err);
		if (r < 0)
			return r == -EPIPE ? died(c, err) : r;
	}
	for (;;) {
		r = sync_receive(c->sync_fd, err);
		if (r == -EPIPE && err->code == ERR_SYSTEM && err->errnum == EPIPE)
			return died(c, err);
		if (r < 0)
			return r;
		if (r == SYNC_READY)
			return plan_run_stage(c, STAGE_VERIFY, err);
		if (r != SYNC_HOOKS)
			return error_set(err, ERR_SYSTEM, EPROTO, "unexpected message '%c' from the container's process", r);
		r = plan_run_stage(c, STAGE_RUNTIME_HOOK, err);
		if (r == 0)
			r = sync_send(c->sync_fd, SYNC_HOOKED, err);
		if (r < 0)
			return r;
	}
}

int container_record(struct container *c, struct error *err)
{
	struct state s;
	int r;

	r = proc_start_time(c->proc_fd, c->pid, &c->start_time, NULL);
	if (r < 0)
		return error_sys(err, -r, "read the start time of process %d", c->pid);
	s = describe(c);
	s.created = state_timestamp(c->arena);
	cgroup_save(c->cgroup, c->arena, &s.cgroup);
	/* Nobody reads it before the record is there. */
	r = fd_create_file(c->state_fd, STATE_CONFIG_FILE, c->config_raw, c->config_raw_len, 0600);
	if (r < 0)
		return error_sys(err, -r, "copy the configuration to the state directory");
	return state_write(c->state_fd, &s, c->arena, err);
}

static int publish(struct container *c, struct error *err)
{
	int r = container_record(c, err);

	if (r == 0)
		r = container_publish_pid(c, err);
	if (r == 0)
		r = sync_send(c->sync_fd, c->mode == CONTAINER_CREATE ? SYNC_CREATED : SYNC_START, err);
	if (r == -EPIPE)
		return died(c, err);
	return r;
}

static void kill_and_reap(struct container *c)
{
	if (c->pid <= 0)
		return;
	if (c->pidfd < 0 || fd_pidfd_signal(c->pidfd, SIGKILL) < 0)
		kill(c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
}

/* After a failure: back to what was before. */
void container_abandon(struct container *c, const struct error *why)
{
	struct error err = { 0 };

	kill_and_reap(c);
	if (c->cgroup)
		cgroup_close(c->cgroup);
	if (undo_replay(c->state_fd, c->arena, &err) < 0) {
		/* The state directory stays, so that delete --force finds the journal again. */
		log_warning("clean up after the failure: %s", err.msg);
		return;
	}
	/* Whatever hook failed, those of poststop are due (runtime-spec, "Lifecycle"). */
	if (c->hooks_ran || strncmp(why->path, "hooks.", 6) == 0)
		hooks_run_poststop(c->config, container_state_json(c, STATUS_STOPPED, 0), c->arena);
	error_clear(&err);
	if (state_remove(c->rt, c->id, c->state_fd, &err) < 0)
		log_warning("clean up after the failure: %s", err.msg);
}

static int carry_out(struct container *c, struct error *err)
{
	int sync[2] = { -1, -1 }, proof[2] = { -1, -1 }, r;
	uint64_t begin;

	r = undo_record(c, err);
	if (r == 0)
		r = plan_run_stage(c, STAGE_HOST, err);
	if (r == 0)
		r = container_open_publication(c, err);
	if (r == 0)
		r = open_pipes(c, sync, proof, err);
	if (r < 0)
		goto out;
	begin = trace_now();
	r = container_clone(c, err);
	if (r < 0)
		goto out;
	if (c->pid == 0) {
		close(sync[0]);
		if (proof[0] >= 0)
			close(proof[0]);
		c->sync_fd = sync[1];
		c->proof_fd = proof[1];
		container_init(c);
	}
	trace_span("clone", "clone", begin);
	cleanup_fd(&sync[1]);
	sync[1] = -1;
	cleanup_fd(&proof[1]);
	proof[1] = -1;
	c->sync_fd = sync[0];
	c->proof_fd = proof[0];
	sync[0] = proof[0] = -1;
	r = converse(c, err);
	if (r == 0)
		r = publish(c, err);
	if (r == 0 && c->mode == CONTAINER_RUN)
		r = container_proof(c->proof_fd, c->proc_fd, c->pid, err);
	if (r == 0 && c->mode == CONTAINER_RUN)
		r = plan_run_stage(c, STAGE_POSTSTART, err);
out:
	for (int i = 0; i < 2; i++) {
		cleanup_fd(&sync[i]);
		cleanup_fd(&proof[i]);
	}
	return r;
}

int container_create(struct container *c, struct error *err)
{
	int r = state_make(c->rt, c->id, &c->state_fd, err);

	if (r < 0)
		return r;
	/* A write to a dead peer is an error value, not a signal. */
	signal(SIGPIPE, SIG_IGN);
	r = carry_out(c, err);
	if (r < 0)
		container_abandon(c, err);
	return r;
}
