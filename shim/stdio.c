/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see stdio.h.  Opening never waits for a peer: FIFOs are opened non-blocking.
 *
 * What a FIFO holds is lost when its last descriptor is closed, and a client may open its end
 * late: a short command can be over before the client's thread has run.  So after the end of an
 * output the FIFO stays open until it is empty, at most LINGER_MS.
 */
#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/logger.h"

#define LINGER_MS 500
#define LINGER_STEP_MS 64 /* between two looks, at most */

static void init(struct stdio *io)
{
	*io = (struct stdio){.stdin_hold = -1, .console = -1};
	for (int i = 0; i < 3; i++) {
		io->child_fd[i] = -1;
		io->copier[i].src.fd = io->copier[i].dst.fd = -1;
	}
}

/* An absolute path: FIFO for reading and writing, anything else for appending. */
static int open_output(const char *path, struct error *err)
{
	struct stat st;
	int fd;

	if (path[0] != '/')
		return error_set(err, ERR_USAGE, EINVAL, "stdio %s is neither an absolute path nor a known URI", path);
	if (stat(path, &st) < 0)
		return error_sys(err, errno, "open stdio %s", path);
	if (S_ISFIFO(st.st_mode))
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	else
		fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? error_sys(err, errno, "open stdio %s", path) : fd;
}

/* file:///path: made with its directories, appended to, no link followed at its end. */
static int open_log_file(const char *path, struct error *err)
{
	char *copy, *p;
	int fd;

	if (path[0] != '/')
		return error_set(err, ERR_USAGE, EINVAL, "file URI %s has no absolute path", path);
	copy = strdup(path);
	if (!copy)
		return error_sys(err, ENOMEM, "open log file");
	for (p = copy + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST) {
			int e = errno;

			error_sys(err, e, "make directory %s", copy);
			free(copy);
			return -e;
		}
		*p = '/';
	}
	free(copy);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0644);
	return fd < 0 ? error_sys(err, errno, "open log file %s", path) : fd;
}

static int open_stdin(struct stdio *io, struct error *err)
{
	const char *path = io->path[0];
	struct stat st;
	int fd;

	if (!*path)
		return 0;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int e = errno;

		cleanup_fd(&fd);
		return error_sys(err, e, "open stdin %s", path);
	}
	io->copier[0].src.fd = fd;
	if (S_ISFIFO(st.st_mode)) {
		io->stdin_hold = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (io->stdin_hold < 0)
			return error_sys(err, errno, "open stdin %s for writing", path);
	}
	return 0;
}

/* A pipe between the shim and the container: mine is ours and non-blocking. */
static int make_pipe(int *mine, int *theirs, bool to_container, const struct stdio_params *params, struct error *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe for standard streams");
	*mine = to_container ? p[1] : p[0];
	*theirs = to_container ? p[0] : p[1];
	if (fcntl(*mine, F_SETFL, O_NONBLOCK) < 0)
		return error_sys(err, errno, "make a pipe non-blocking");
	/* A process that is not root may open /dev/stderr again: its pipe must be its own. */
	if ((params->uid || params->gid) && fchown(*theirs, params->uid, params->gid) < 0)
		return error_sys(err, errno, "give a pipe to %u:%u", params->uid, params->gid);
	return 0;
}

static int open_outputs(struct stdio *io, const struct stdio_params *params, struct error *err)
{
	const char *out = io->path[1];
	int fd;

	if (strncmp(out, "binary://", 9) == 0 || strncmp(out, "binary-v2://", 12) == 0)
		return logger_start(&io->logger, out, params, io->child_fd + 1, err);
	if (strncmp(out, "file://", 7) == 0) {
		fd = open_log_file(out + 7, err);
		if (fd < 0)
			return fd;
		io->copier[1].dst.fd = fd;
		/* Each copier owns its descriptor: one of the two ends first. */
		io->copier[2].dst.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		return io->copier[2].dst.fd < 0 ? error_sys(err, errno, "duplicate a log file's descriptor") : 0;
	}
	if (strncmp(out, "fifo://", 7) == 0)
		out += 7;
	else if (strstr(out, "://"))
		return error_set(err, ERR_USAGE, EINVAL, "unknown STDIO scheme in %s", out);
	for (int i = 1; i < 3; i++) {
		const char *path = i == 1 ? out : io->path[2];

		if (i == 2 && strncmp(path, "fifo://", 7) == 0)
			path += 7;
		if (!*path || (i == 2 && io->terminal))
			continue;
		fd = open_output(path, err);
		if (fd < 0)
			return fd;
		io->copier[i].dst.fd = fd;
	}
	return 0;
}

int stdio_open(struct stdio *io, const char *in, const char *out, const char *errout, bool terminal,
	const struct stdio_params *params, struct error *err)
{
	const char *strings[3] = {in ? in : "", out ? out : "", errout ? errout : ""};
	int r;

	init(io);
	io->terminal = terminal;
	for (int i = 0; i < 3; i++) {
		io->path[i] = strdup(strings[i]);
		if (!io->path[i])
			return error_sys(err, ENOMEM, "keep the names of standard streams");
	}
	r = open_stdin(io, err);
	if (r == 0)
		r = open_outputs(io, params, err);
	if (r < 0 || terminal)
		return r;
	if (io->copier[0].src.fd >= 0) {
		r = make_pipe(&io->copier[0].dst.fd, &io->child_fd[0], true, params, err);
		if (r < 0)
			return r;
	}
	for (int i = 1; i < 3 && !io->logger; i++) {
		if (io->copier[i].dst.fd < 0)
			continue;
		r = make_pipe(&io->copier[i].src.fd, &io->child_fd[i], false, params, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void close_child_ends(struct stdio *io)
{
	for (int i = 0; i < 3; i++) {
		cleanup_fd(&io->child_fd[i]);
		io->child_fd[i] = -1;
	}
}

static void check_drained(struct stdio *io)
{
	void (*drained)(struct stdio *, void *) = io->drained;

	if (!drained || io->copying[1] || io->copying[2])
		return;
	io->drained = NULL;
	timer_cancel(&io->drain_timer);
	drained(io, io->drained_context);
}

static bool unread(int fd)
{
	struct stat st;
	int n = 0;

	return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void on_linger(struct timer *t)
{
	struct stdio *io = (struct stdio *)((char *)t - offsetof(struct stdio, linger));
	bool late = loop_now_ms() >= io->linger_limit, more = false;

	for (int i = 1; i < 3; i++) {
		if (!io->lingering[i])
			continue;
		if (!late && unread(io->copier[i].dst.fd)) {
			more = true;
			continue;
		}
		io->copying[i] = io->lingering[i] = false;
		copier_stop(&io->copier[i]);
	}
	if (io->linger_ms < LINGER_STEP_MS)
		io->linger_ms *= 2;
	if (more)
		timer_set(t, io->linger_ms);
	check_drained(io);
}

static void on_copy_end(struct copier *c)
{
	struct stdio *io = c->context;
	int i = (int)(c - io->copier);

	if (i > 0 && unread(c->dst.fd)) {
		cleanup_fd(&c->src.fd);
		c->src.fd = -1;
		io->lingering[i] = true;
		io->linger.cb = on_linger;
		io->linger_ms = 1;
		io->linger_limit = loop_now_ms() + LINGER_MS;
		timer_set(&io->linger, io->linger_ms);
		return;
	}
	io->copying[i] = false;
	copier_stop(c);
	check_drained(io);
}

static int start_copier(struct stdio *io, int i, struct error *err)
{
	struct copier *c = &io->copier[i];
	int r;

	c->context = io;
	c->ended = on_copy_end;
	c->keep_draining = i > 0;
	r = copier_start(c);
	if (r < 0)
		return error_sys(err, -r, "start copying a standard stream");
	io->copying[i] = true;
	return 0;
}

int stdio_started(struct stdio *io, struct error *err)
{
	int r = 0;

	close_child_ends(io);
	for (int i = 0; i < 3 && !io->terminal && r == 0; i++) {
		if (io->copier[i].src.fd >= 0)
			r = start_copier(io, i, err);
	}
	return r;
}

int stdio_set_console(struct stdio *io, int fd, struct error *err)
{
	int flags = fcntl(fd, F_GETFL), r = 0;

	io->console = fd;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_sys(err, errno, "make a terminal non-blocking");
	/* The copiers own their descriptors: each gets its own of the master. */
	if (io->copier[0].src.fd >= 0) {
		io->copier[0].dst.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (io->copier[0].dst.fd < 0)
			return error_sys(err, errno, "duplicate a terminal");
		r = start_copier(io, 0, err);
	}
	if (r < 0)
		return r;
	io->copier[1].src.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (io->copier[1].src.fd < 0)
		return error_sys(err, errno, "duplicate a terminal");
	if (io->logger) { /* what comes from the terminal goes into the logger's first pipe */
		io->copier[1].dst.fd = fd_take(&io->child_fd[1]);
		(void)fcntl(io->copier[1].dst.fd, F_SETFL, O_NONBLOCK);
		cleanup_fd(&io->child_fd[2]);
		io->child_fd[2] = -1;
	}
	return start_copier(io, 1, err);
}

void stdio_close_stdin(struct stdio *io)
{
	cleanup_fd(&io->stdin_hold);
	io->stdin_hold = -1;
}

static void on_drain_timeout(struct timer *t)
{
	struct stdio *io = (struct stdio *)((char *)t - offsetof(struct stdio, drain_timer));

	/* Somebody holds a pipe open and is silent: enough.  But what a slow reader has not taken yet gets more time.
	 */
	for (int i = 1; i < 3; i++) {
		if (io->copying[i] && io->copier[i].dst.events && loop_now_ms() < io->drain_limit) {
			timer_set(t, 250);
			return;
		}
	}
	io->copying[1] = io->copying[2] = false;
	check_drained(io);
}

void stdio_drain(struct stdio *io, int timeout_ms, void (*drained)(struct stdio *, void *), void *context)
{
	io->drained = drained;
	io->drained_context = context;
	io->drain_timer.cb = on_drain_timeout;
	io->drain_limit = loop_now_ms() + 4 * timeout_ms;
	if (io->copying[1] || io->copying[2])
		timer_set(&io->drain_timer, timeout_ms);
	check_drained(io);
}

void stdio_close(struct stdio *io)
{
	timer_cancel(&io->drain_timer);
	timer_cancel(&io->linger);
	io->lingering[1] = io->lingering[2] = false;
	io->drained = NULL;
	close_child_ends(io);
	for (int i = 0; i < 3; i++) {
		copier_stop(&io->copier[i]);
		io->copying[i] = false;
	}
	stdio_close_stdin(io);
	cleanup_fd(&io->console);
	io->console = -1;
	if (io->logger)
		logger_stop(io->logger);
	io->logger = NULL;
}

void stdio_free(struct stdio *io)
{
	stdio_close(io);
	for (int i = 0; i < 3; i++) {
		free(io->path[i]);
		io->path[i] = NULL;
	}
}
