/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one poll loop over a signalfd, the process's pidfd and,
 * with a terminal, stdin and the terminal's master.  The caller's terminal is in
 * raw mode meanwhile, so keys such as Ctrl-C reach the container as bytes.  After
 * the process has ended what is left in the master is still copied.
 */
#include "runtime/command/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

static struct termios saved;
static bool raw;

static void restore_terminal(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	raw = false;
}

static void make_raw(void)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	t = saved;
	cfmakeraw(&t);
	/* The container's terminal leaves LF as it is (facility/terminal.c): this one makes CR LF of it. */
	t.c_oflag |= OPOST;
	raw = tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0;
}

static void copy_size(int master)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(master, TIOCSWINSZ, &size);
}

int foreground_begin(struct foreground *f, struct error *err)
{
	sigset_t all;

	sigfillset(&all);
	/* Faults of our own stay fatal. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return error_sys(err, errno, "block signals");
	f->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return f->signal_fd < 0 ? error_sys(err, errno, "make a signalfd") : 0;
}

static void handle_signals(struct foreground *f, int pidfd, int master)
{
	struct signalfd_siginfo info;

	while (read(f->signal_fd, &info, sizeof info) == sizeof info) {
		switch (info.ssi_signo) {
		case SIGCHLD:
		case SIGPIPE:
		case SIGTTIN:
		case SIGTTOU:
			break;
		case SIGWINCH:
			if (master >= 0)
				copy_size(master);
			break;
		default:
			fd_pidfd_signal(pidfd, (int)info.ssi_signo);
		}
	}
}

/* Copy what is there; 0 at the end of the source. */
static int copy(int from, int to)
{
	char buf[8192];
	ssize_t n = read(from, buf, sizeof buf);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n <= 0)
		return 0;
	return fd_write_all(to, buf, (size_t)n) == 0;
}

static int loop(struct foreground *f, pid_t pid, int pidfd, int master)
{
	bool input = master >= 0, dead = false;
	int status = 0;

	while (!dead) {
		struct pollfd p[] = {
			{ .fd = f->signal_fd, .events = POLLIN },
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = master, .events = POLLIN },
			{ .fd = input ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(p, 4, -1) < 0 && errno != EINTR)
			return -errno;
		if (p[0].revents)
			handle_signals(f, pidfd, master);
		if (p[2].revents && !copy(master, STDOUT_FILENO))
			master = -1;
		if (input && p[3].revents)
			input = copy(STDIN_FILENO, master) && master >= 0;
		dead = p[1].revents != 0;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	/* What the program wrote last. */
	while (master >= 0 && fd_wait_readable(master, 0) > 0 && copy(master, STDOUT_FILENO))
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int foreground_wait(struct foreground *f, pid_t pid, int pidfd, int console_socket, struct error *err)
{
	_cleanup_fd_ int master = -1;
	int r;

	if (console_socket >= 0) {
		char name[64];

		master = fd_recv(console_socket, name, sizeof name);
		if (master < 0)
			return error_sys(err, -master, "receive the terminal");
		if (isatty(STDIN_FILENO)) {
			copy_size(master);
			make_raw();
		}
	}
	r = loop(f, pid, pidfd, master);
	restore_terminal();
	return r < 0 ? error_sys(err, -r, "wait for process %d", pid) : r;
}
