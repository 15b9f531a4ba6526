/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: once the filter is in force, each system call of the
 * process may wait for an answer of the agent, and the agent does not have the
 * listener yet.  So the process itself can neither send it nor ask somebody to.
 *
 * Before it loads the filter, the process makes a helper that shares its
 * descriptors and a page of memory, and that stays outside the filter.  The
 * process then stores the listener's number in the page, which takes no system
 * call, and waits for the helper's end: if that call waits for the agent, the
 * agent will soon be there.  The helper sends the listener and closes it here.
 *
 * When the agent is gone, the helper reports the error itself and closes the
 * listener; the kernel then fails what waits for an answer with ENOSYS.
 *
 * There is nothing to be asked of ptrace permissions (pidfd_getfd needs them),
 * and the rest of the life cycle does not know about any of this.
 */
#include "runtime/facility/seccomp_notify.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "runtime/plan/create.h"
#include "runtime/plan/sync.h"

/* How long an agent may be slow to read. */
#define SEND_TIMEOUT_S 10

enum { LISTENER_NONE = -1, LISTENER_FAILED = -2 };

struct seccomp_notify_page {
	pid_t first; /* the container's first process, for an exec'ed one */
	pid_t pid;   /* the process, as the host calls it: in the container nothing tells */
	atomic_int listener;
	atomic_int done; /* the helper is through; the error is valid when it failed */
	int failed;
	struct error err;
};

int seccomp_notify_connect(struct container *c, struct seccomp_notify *n, struct error *err)
{
	struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
	struct state s;
	int r = 0;

	n->page = mmap(NULL, sizeof *n->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (n->page == MAP_FAILED)
		return error_sys(err, errno, "prepare to send the seccomp listener");
	atomic_store(&n->page->listener, LISTENER_NONE);
	if (c->mode == CONTAINER_EXEC) {
		r = state_read(c->state_fd, c->arena, &s, err);
		if (r < 0)
			return r;
		n->page->first = s.pid;
	}
	c->agent_fd = fd_connect_unix(n->path, err);
	if (c->agent_fd < 0) {
		r = c->agent_fd;
		error_hint(err, "the seccomp agent must listen on linux.seccomp.listenerPath");
		return error_wrap(err, "failed to connect with seccomp agent");
	}
	setsockopt(c->agent_fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	return 0;
}

void seccomp_notify_leave(struct container *c, struct seccomp_notify *n)
{
	n->page->pid = c->pid;
	close(c->agent_fd);
	c->agent_fd = -1;
}

static const char *describe(struct container *c, const struct seccomp_notify *n, size_t *len)
{
	pid_t first = n->page->first ? n->page->first : n->page->pid;
	const char *state = container_state_json(c, c->mode == CONTAINER_EXEC ? STATUS_RUNNING : STATUS_CREATING, first);
	struct json_writer w;

	json_writer_init(&w, c->arena, false);
	json_write_object(&w);
	json_write_member_string(&w, "ociVersion", c->config->oci_version);
	json_write_member_array(&w, "fds");
	json_write_string(&w, "seccompFd");
	json_write_end_array(&w);
	json_write_member_i64(&w, "pid", n->page->pid);
	if (n->metadata)
		json_write_member_string(&w, "metadata", n->metadata);
	json_write_key(&w, "state");
	json_write_raw(&w, state, strlen(state));
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}

static int send_listener(int sock, int listener, const char *json, size_t len, const char *path, struct error *err)
{
	int r = fd_send(sock, listener, json, len);

	if (r == -EPIPE || r == -ECONNRESET)
		return error_set(err, ERR_SYSTEM, ECONNRESET, "the seccomp agent at %s closed the connection", path);
	if (r < 0)
		return error_sys(err, -r, "send the seccomp listener to %s", path);
	return 0;
}

static void wait_for_listener(const struct seccomp_notify_page *p)
{
	const struct timespec moment = {.tv_nsec = 50000};

	while (atomic_load(&p->listener) == LISTENER_NONE)
		nanosleep(&moment, NULL);
}

static void helper(struct container *c, const struct seccomp_notify *n, const char *json, size_t len)
	__attribute__((noreturn));
static void helper(struct container *c, const struct seccomp_notify *n, const char *json, size_t len)
{
	struct seccomp_notify_page *p = n->page;
	int listener;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	wait_for_listener(p);
	listener = atomic_load(&p->listener);
	if (listener >= 0) {
		p->failed = send_listener(c->agent_fd, listener, json, len, n->path, &p->err) < 0;
		if (p->failed)
			sync_send_error(c->sync_fd, &p->err);
		close(listener);
	}
	close(c->agent_fd);
	atomic_store(&p->done, 1);
	_exit(0);
}

int seccomp_notify_load(struct container *c, struct seccomp_notify *n, int (*load)(const void *data, struct error *err),
	const void *data, struct error *err)
{
	struct clone_args args = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
	struct seccomp_notify_page *p = n->page;
	size_t len = 0;
	const char *json = describe(c, n, &len);
	pid_t pid;
	int r;

	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		return error_sys(err, errno, "make the process that sends the seccomp listener");
	if (pid == 0)
		helper(c, n, json, len);
	r = load(data, err);
	/* From here on every system call may wait for the agent. */
	atomic_store(&p->listener, r < 0 ? LISTENER_FAILED : r);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	while (!atomic_load(&p->done))
		; /* the filter denies waitpid() */
	c->agent_fd = -1;
	if (r < 0)
		return r;
	if (p->failed) {
		*err = p->err;
		return -err->errnum;
	}
	return 0;
}
