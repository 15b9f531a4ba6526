/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: clone3 with a pidfd; the child reports a failed execve
 * over a close-on-exec pipe.  Input is sent from a poll loop, so a program that
 * never reads and one that writes a lot cannot block each other.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"

#define CAPTURE_MAX 4096

static const char *const no_env[] = { NULL };

static void __attribute__((noreturn)) child(const struct spawn *s, int in, int out, int report, pid_t parent)
{
	const char *const fallback[] = { s->path, NULL };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, 0) < 0)
		goto fail;
	for (int fd = 1; fd <= 2; fd++) {
		int to = fd == 1 ? s->stdout_fd : s->stderr_fd;

		if (to < 0 && s->capture)
			to = out;
		if (to >= 0 && dup2(to, fd) < 0)
			goto fail;
	}
	if (s->dir_fd > 0 && fchdir(s->dir_fd) < 0)
		goto fail;
	if (fd_cloexec_from(3) < 0)
		goto fail;
	execve(s->path, (char *const *)(s->argv ? s->argv : fallback),
		(char *const *)(s->envp ? s->envp : no_env));
fail:
	e = errno;
	(void)!write(report, &e, sizeof e);
	_exit(127);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Feed and drain until the process ends; 0, or -ETIMEDOUT. */
static int converse(struct spawn *s, int pidfd, int *in, int *out)
{
	const char *input = s->input;
	size_t left = s->input_len, got = 0;
	int64_t deadline = s->timeout_ms > 0 ? now_ms() + s->timeout_ms : 0;

	for (;;) {
		struct pollfd p[3] = { { .fd = pidfd, .events = POLLIN },
			{ .fd = *in, .events = POLLOUT }, { .fd = *out, .events = POLLIN } };
		int64_t wait = deadline ? deadline - now_ms() : -1;

		if (deadline && wait <= 0)
			return -ETIMEDOUT;
		if (poll(p, 3, (int)wait) < 0 && errno != EINTR)
			return -errno;
		if (*in >= 0 && p[1].revents) {
			ssize_t n = left ? send(*in, input, left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

			if (n > 0) {
				input += n;
				left -= (size_t)n;
			}
			if (left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
				close(*in);
				*in = -1;
			}
		}
		if (*out >= 0 && p[2].revents) {
			char sink[512];
			bool keep = got < CAPTURE_MAX;
			ssize_t n = read(*out, keep ? s->output + got : sink, keep ? CAPTURE_MAX - got : sizeof sink);

			if (n > 0 && keep)
				got += (size_t)n;
			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
				close(*out);
				*out = -1;
			}
		}
		if (p[0].revents)
			return 0;
	}
}

int spawn_run(struct spawn *s, struct arena *a, int *status, struct error *err)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, report[2] = { -1, -1 }, pidfd = -1, e = 0, r;
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	pid_t pid, parent = getpid();

	if (s->capture)
		s->output = arena_alloc(a, CAPTURE_MAX + 1);
	r = pipe2(report, O_CLOEXEC);
	if (r == 0 && s->input)
		r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in);
	else if (r == 0)
		r = in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r >= 0 && s->capture)
		r = pipe2(out, O_CLOEXEC | O_NONBLOCK);
	if (r < 0) {
		r = error_sys(err, errno, "prepare to run %s", s->path);
		goto out;
	}
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	/* A container's filter may be in force (startContainer hooks), and the usual ones cannot look into clone3's
	 * arguments and refuse it. */
	if (pid < 0 && (errno == ENOSYS || errno == EPERM))
		pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);
	if (pid < 0) {
		r = error_sys(err, errno, "start %s", s->path);
		goto out;
	}
	if (pid == 0)
		child(s, in[0], out[1], report[1], parent);
	close(report[1]);
	report[1] = -1;
	close(in[0]);
	in[0] = -1;
	if (out[1] >= 0)
		close(out[1]);
	out[1] = -1;
	if (fd_read_full(report[0], &e, sizeof e) == sizeof e) {
		waitpid(pid, status, 0);
		r = error_sys(err, e, "execute %s", s->path);
		goto out;
	}
	r = converse(s, pidfd, &in[1], &out[0]);
	if (r < 0)
		kill(-pid, SIGKILL);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0) {
		if (errno != EINTR) {
			r = error_sys(err, errno, "wait for %s", s->path);
			goto out;
		}
	}
	if (r == -ETIMEDOUT)
		r = error_set(err, ERR_TIMEOUT, ETIMEDOUT, "%s did not end within %d ms and was killed", s->path,
			s->timeout_ms);
	else if (r < 0)
		r = error_sys(err, -r, "wait for %s", s->path);
out:
	for (int i = 0; i < 2; i++) {
		cleanup_fd(&in[i]);
		cleanup_fd(&out[i]);
		cleanup_fd(&report[i]);
	}
	cleanup_fd(&pidfd);
	return r;
}

const char *spawn_status_text(int status, char buf[static 64])
{
	if (WIFSIGNALED(status))
		snprintf(buf, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, 64, "exit status %d", WEXITSTATUS(status));
	return buf;
}
