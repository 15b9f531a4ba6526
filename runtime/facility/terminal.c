/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: process.terminal and process.consoleSize.
 *
 * The terminal pair is made inside the container's own devpts, opened through
 * the descriptor of the mount the runtime made; the slave comes from the master
 * (TIOCGPTPEER), never from a path.  A clone of the slave is bound to
 * /dev/console.  The master goes to whoever asked: over --console-socket, or to
 * the host side of `run` and `exec`, which relays it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/facility/facility.h"
#include "runtime/mount/fs.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int connect_socket(struct container *c, const struct step *s, struct error *err)
{
	int pair[2];

	(void)s;
	if (c->options.console_socket) {
		c->console_socket_fd = fd_connect_unix(c->options.console_socket, err);
		return c->console_socket_fd < 0 ? c->console_socket_fd : 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a socket pair for the terminal");
	c->terminal_master_fd = pair[0];
	c->console_socket_fd = pair[1];
	return 0;
}

/* The master, from the container's devpts. */
static int open_master(struct container *c, struct error *err)
{
	_cleanup_fd_ int root = -1, pts = -1;
	struct statfs fs;
	int fd;

	if (c->devpts_fd < 0) {
		if (c->root_fd < 0)
			root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		pts = path_open_in_root(c->root_fd >= 0 ? c->root_fd : root, "/dev/pts", O_PATH | O_DIRECTORY);
		if (pts < 0 || fstatfs(pts, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC) {
			error_hint(err, "mount a devpts on /dev/pts");
			return error_set(err, ERR_CONFIG, ENODEV, "a terminal needs a devpts on the container's /dev/pts");
		}
	}
	fd = openat(c->devpts_fd >= 0 ? c->devpts_fd : pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? error_sys(err, errno, "open the container's /dev/pts/ptmx") : fd;
}

/* What we copy to the caller's stdout has the program's own new lines: a terminal there adds the carriage returns, a
 * file or a pipe must not get them. */
static int keep_newlines(int master, struct error *err)
{
	struct termios t;

	if (tcgetattr(master, &t) < 0)
		return error_sys(err, errno, "read the terminal's settings");
	t.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(master, TCSANOW, &t) < 0 ? error_sys(err, errno, "change the terminal's settings") : 0;
}

static int open_pair(struct container *c, const struct step *s, struct error *err)
{
	_cleanup_fd_ int master = open_master(c, err);
	unsigned int number = 0;
	int unlock = 0, r;
	char name[32];

	(void)s;
	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return error_sys(err, errno, "unlock the terminal");
	c->console_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->console_fd < 0)
		return error_sys(err, errno, "open the terminal's other side");
	if (c->process->console_size.set) {
		struct winsize size = { .ws_row = c->process->console_size.height, .ws_col = c->process->console_size.width };

		if (ioctl(master, TIOCSWINSZ, &size) < 0)
			return error_sys(err, errno, "set the terminal's size");
	}
	r = c->options.console_socket ? 0 : keep_newlines(master, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof name, "/dev/pts/%u", number);
	r = fd_send(c->console_socket_fd, master, name, strlen(name) + 1);
	if (r < 0)
		return error_sys(err, -r, "send the terminal to %s",
			c->options.console_socket ? c->options.console_socket : "the runtime");
	close(c->console_socket_fd);
	c->console_socket_fd = -1;
	return 0;
}

static int bind_console(struct container *c, const struct step *s, struct error *err)
{
	_cleanup_fd_ int tree = mount_clone(c->console_fd, false, "the terminal", err);

	(void)s;
	return tree < 0 ? tree : mount_attach_node(tree, c->root_fd, "/dev/console", err);
}

static int take_over(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	/* The user must be able to open what is its own terminal. */
	if (fchown(c->console_fd, c->process->user.uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL && errno != EROFS)
		return error_sys(err, errno, "give the terminal to user %u", c->process->user.uid);
	if (ioctl(c->console_fd, TIOCSCTTY, 0) < 0)
		return error_sys(err, errno, "make the terminal the controlling one");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(c->console_fd, fd) < 0)
			return error_sys(err, errno, "connect the terminal to descriptor %d", fd);
	return 0;
}

static int new_session(struct container *c, const struct step *s, struct error *err)
{
	(void)c;
	(void)s;
	return setsid() < 0 ? error_sys(err, errno, "start a new session") : 0;
}

int terminal_plan(struct container *c, struct error *err)
{
	bool terminal = c->process && c->process->terminal;
	struct plan *p = &c->plan;
	struct step *s;

	s = plan_add(p, STAGE_JOIN, "terminal", NULL, new_session, NULL);
	step_text(p, s, "start a new session");
	if (!terminal) {
		if (c->options.console_socket && c->mode != CONTAINER_EXPLAIN) {
			error_path(err, "process.terminal");
			return error_set(err, ERR_USAGE, EINVAL, "--console-socket was given, but process.terminal is not true");
		}
		return 0;
	}
	if (!c->options.console_socket && (c->options.detach || c->mode == CONTAINER_CREATE)) {
		error_path(err, "process.terminal");
		error_hint(err, "give the path of a socket that receives the terminal with --console-socket, or set "
				"process.terminal to false");
		return error_set(err, ERR_USAGE, EINVAL, "cannot allocate tty if runtime will detach without setting console socket");
	}
	s = plan_add(p, STAGE_HOST, "terminal", "process.terminal", connect_socket, NULL);
	step_text(p, s, "connect to the console socket");
	s = plan_add(p, STAGE_DEVICE, "terminal", "process.terminal", open_pair, NULL);
	step_text(p, s, "open a terminal in the container's devpts");
	if (c->mode != CONTAINER_EXEC) {
		s = plan_add(p, STAGE_DEVICE, "terminal", "process.terminal", bind_console, NULL);
		step_text(p, s, "bind the terminal to /dev/console");
	}
	s = plan_add(p, STAGE_IDENTITY, "terminal", "process.terminal", take_over, NULL);
	step_text(p, s, "make the terminal stdin, stdout and stderr");
	return 0;
}
