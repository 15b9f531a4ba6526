/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: `criu swrk 3` reads requests from descriptor 3, a
 * SEQPACKET socket: one message is one packet.  The first request asks for the
 * version, with keep_open, so that the second finds the same process.  Between
 * request and answer come notifications, each of which must be answered.
 *
 * criu dies with us.  It gets our environment: its own settings are there
 * (CRIU_CONFIG_FILE), and the programs it executes (tar, ip, nft) are found with
 * our PATH.
 */
#include "runtime/criu/session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/spawn.h"

#define RESPONSE_MAX (64 * 1024)
#define SAFE_FD 64 /* above every descriptor that criu is given */

static const char *find_criu(struct arena *a, struct error *err)
{
	const char *path = getenv("PATH");
	char *dirs = arena_printf(a, "%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", path ? path : "");

	for (char *dir = strtok(dirs, ":"); dir; dir = strtok(NULL, ":")) {
		const char *file = arena_printf(a, "%s/criu", dir);

		/* The working directory is nobody's choice. */
		if (dir[0] == '/' && access(file, X_OK) == 0)
			return file;
	}
	error_hint(err, "install criu (Debian: package criu)");
	error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "criu, which does the work, is not installed: not found in PATH");
	return NULL;
}

static int move_descriptors(const struct criu_start *start, int sock, int *report)
{
	int safe[SAFE_FD], n = 0;

	*report = fcntl(*report, F_DUPFD_CLOEXEC, SAFE_FD);
	safe[n++] = fcntl(sock, F_DUPFD_CLOEXEC, SAFE_FD);
	for (size_t i = 0; i < start->fds_count; i++)
		safe[n++] = fcntl(start->fds[i], F_DUPFD_CLOEXEC, SAFE_FD);
	if (!start->stdio) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		for (int fd = 0; fd < 3; fd++)
			if (null < 0 || dup2(null, fd) < 0)
				return -errno;
	}
	for (int i = 0; i < n; i++)
		if (safe[i] < 0 || dup2(safe[i], CRIU_FIRST_FD - 1 + i) < 0)
			return -errno;
	return fd_cloexec_from((unsigned int)(CRIU_FIRST_FD - 1 + n));
}

static void __attribute__((noreturn)) child(const struct criu_start *start, const char *path, int sock, int report, pid_t parent)
{
	const char *const argv[] = { "criu", "swrk", "3", NULL };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	struct error err = { 0 };
	sigset_t none;
	int r;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(127);
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	r = start->prepare ? start->prepare(start->data, &err) : 0;
	if (r == 0) {
		r = move_descriptors(start, sock, &report);
		if (r < 0)
			error_sys(&err, -r, "hand descriptors to criu");
	}
	if (r == 0) {
		execve(path, (char *const *)argv, environ);
		error_sys(&err, errno, "execute %s", path);
	}
	(void)!write(report, &err, sizeof err);
	_exit(127);
}

int criu_start(struct criu_session *s, const struct criu_start *start, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	const char *path = find_criu(s->arena, err);
	_cleanup_fd_ int ours = -1, theirs = -1, reader = -1, writer = -1;
	struct criu_request ask = { .type = { true, CRIU_VERSION }, .keep_open = true };
	struct criu_response answer;
	int pair[2], pipes[2], r;
	pid_t parent = getpid();
	struct error failed;

	if (!path)
		return -err->errnum;
	if (start->fds_count > SAFE_FD - CRIU_FIRST_FD - 1)
		return error_set(err, ERR_CONFIG, E2BIG, "too many namespaces to hand to criu");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a socket pair for criu");
	ours = pair[0];
	theirs = pair[1];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe for criu");
	reader = pipes[0];
	writer = pipes[1];
	args.pidfd = (uint64_t)(uintptr_t)&s->pidfd;
	if (start->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)start->cgroup_fd;
	}
	s->pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (s->pid < 0) {
		s->pid = 0;
		return error_sys(err, errno, "start %s", path);
	}
	if (s->pid == 0)
		child(start, path, theirs, writer, parent);
	close(writer);
	writer = -1;
	close(theirs);
	theirs = -1;
	if (fd_read_full(reader, &failed, sizeof failed) == sizeof failed) {
		*err = failed;
		r = -(failed.errnum ? failed.errnum : EIO);
	} else {
		s->sock = fd_take(&ours);
		r = criu_call(s, &ask, NULL, NULL, &answer, err);
	}
	if (r < 0) {
		criu_end(s, true);
		return r;
	}
	if (answer.version)
		s->version = *answer.version;
	return 0;
}

static int receive(struct criu_session *s, void *buf, size_t max, size_t *len, int *fd, struct error *err)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { buf, max };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(s->sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		return error_sys(err, errno, "receive from criu");
	if (n <= 0)
		return error_set(err, ERR_SYSTEM, EPIPE, "criu ended without an answer");
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h))
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
			memcpy(fd, CMSG_DATA(h), sizeof *fd);
	if (msg.msg_flags & MSG_TRUNC)
		return error_set(err, ERR_SYSTEM, EMSGSIZE, "an answer of criu is too long");
	*len = (size_t)n;
	return 0;
}

static int send_request(struct criu_session *s, const struct criu_request *request, struct error *err)
{
	size_t len;
	const void *data = wire_encode(&criu_request_message, request, s->arena, &len);
	ssize_t n;

	do
		n = send(s->sock, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : error_sys(err, n < 0 ? errno : EIO, "send a request to criu");
}

static int one_answer(struct criu_session *s, struct criu_response *response, int *fd, struct error *err)
{
	void *buf = arena_alloc(s->arena, RESPONSE_MAX);
	size_t len;
	int r;

	*response = (struct criu_response){ 0 };
	r = receive(s, buf, RESPONSE_MAX, &len, fd, err);
	if (r < 0)
		return r;
	r = wire_decode(&criu_response_message, buf, len, s->arena, response);
	return r < 0 ? error_set(err, ERR_SYSTEM, EBADMSG, "an answer of criu cannot be read") : 0;
}

int criu_call(struct criu_session *s, const struct criu_request *request, criu_notify_fn *notify, void *data,
	struct criu_response *response, struct error *err)
{
	struct criu_request next = { .type = { true, CRIU_NOTIFY }, .notify_success = true };
	int r = send_request(s, request, err);

	while (r == 0) {
		_cleanup_fd_ int fd = -1;

		r = one_answer(s, response, &fd, err);
		if (r < 0)
			return r;
		if (response->type.value != CRIU_NOTIFY || !response->success)
			break;
		if (!response->notify || !response->notify->script)
			return error_set(err, ERR_SYSTEM, EPROTO, "criu sent a notification without a name");
		if (notify)
			r = notify(data, response->notify->script, (pid_t)response->notify->pid.value, fd_take(&fd), err);
		if (r == 0)
			r = send_request(s, &next, err);
	}
	if (r < 0)
		return r;
	if (response->success)
		return 0;
	return error_set(err, ERR_SYSTEM, response->cr_errno.value > 0 ? (int)response->cr_errno.value : EIO, "criu failed");
}

bool criu_at_least(const struct criu_session *s, int version)
{
	return s->version.major.value * 10000 + s->version.minor.value * 100 + s->version.sublevel.value >= version;
}

void criu_end(struct criu_session *s, bool now)
{
	if (s->sock >= 0)
		shutdown(s->sock, now ? SHUT_RDWR : SHUT_WR);
	if (s->pid > 0) {
		if (now && s->pidfd >= 0)
			fd_pidfd_signal(s->pidfd, SIGKILL);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	cleanup_fd(&s->sock);
	cleanup_fd(&s->pidfd);
	s->sock = s->pidfd = -1;
	s->pid = 0;
}
