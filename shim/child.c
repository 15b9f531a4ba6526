/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: every known child has a pidfd in the loop; when it turns
 * readable that one child is reaped.  Unknown children (orphans of containers
 * without a pid namespace) are reaped on SIGCHLD, but only while no runtime
 * command is running that may be about to hand a process over: until it has
 * been looked up by its pid file, a zombie keeps its pid from being reused, and
 * its exit status is still there.
 */
#include "shim/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static struct {
	struct watch signals;
	struct child *known;
	unsigned int adoptions;
	void (*on_terminate)(void);
} state;

static unsigned int status_of(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? (unsigned int)info->si_status : 128 + (unsigned int)info->si_status;
}

static void unlink_child(struct child *c)
{
	for (struct child **p = &state.known; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	watch_remove(&c->watch);
	close(c->watch.fd);
	c->watch.fd = -1;
	c->pid = 0;
}

static void reap(struct child *c)
{
	siginfo_t info = {0};
	unsigned int status = 255; /* somebody else's child: nobody can know */

	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG) == 0) {
		if (info.si_pid == 0)
			return;
		status = status_of(&info);
	}
	unlink_child(c);
	c->exited(c, status);
}

static void on_pidfd(struct watch *w, uint32_t events)
{
	(void)events;
	reap((struct child *)w);
}

static void reap_orphans(void)
{
	while (state.adoptions == 0) {
		siginfo_t info = {0};
		struct child *c = state.known;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		while (c && c->pid != info.si_pid)
			c = c->next;
		if (c)
			reap(c);
		else
			waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->fd, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			state.on_terminate();
	}
	reap_orphans();
}

int child_init(void (*on_terminate)(void))
{
	sigset_t set;

	state.on_terminate = on_terminate;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	state.signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (state.signals.fd < 0)
		return -errno;
	state.signals.cb = on_signal;
	return watch_set(&state.signals, EPOLLIN);
}

int child_watch(struct child *c, pid_t pid, struct error *err)
{
	int fd = fd_pidfd_open(pid);
	int r;

	if (fd < 0)
		return error_sys(err, -fd, "open a pidfd of process %d", pid);
	c->watch = (struct watch){.fd = fd, .cb = on_pidfd};
	r = watch_set(&c->watch, EPOLLIN);
	if (r < 0) {
		close(fd);
		return error_sys(err, -r, "watch process %d", pid);
	}
	c->pid = pid;
	c->next = state.known;
	state.known = c;
	return 0;
}

void child_forget(struct child *c)
{
	if (c->pid)
		unlink_child(c);
}

void child_adoption_begin(void)
{
	state.adoptions++;
}

void child_adoption_end(void)
{
	if (--state.adoptions == 0)
		reap_orphans();
}

void child_reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
