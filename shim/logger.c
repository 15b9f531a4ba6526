/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the container writes straight into the logger's pipes;
 * the shim copies nothing, it only holds the reading ends so that they outlive
 * a logger that dies.  A logger that dies while the container runs is started
 * again after a pause that doubles from 100 ms to 10 s.
 *
 * The program comes from a task request only.  It must be an absolute path to a
 * file that nobody but root (or the shim's user) can change.
 */
#include "shim/logger.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "shim/child.h"
#include "shim/slog.h"

#define READY_MS 10000
#define TERM_MS 2000
#define KILL_MS 12000

struct logger {
	char *uri, *container_id, *namespace_name;
	int read_end[2];
	struct job *job;
	struct watch ready; /* reading end of the ready pipe */
	bool is_ready, ok, stopping, terminated;
	void (*on_ready)(void *context, bool ok);
	void *context;
	struct timer timer; /* restart, or kill */
	int64_t pause_ms;
};

/* Decode %xx and + of a query in place. */
static void decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			char hex[3] = {s[1], s[2], 0};

			*to++ = (char)strtoul(hex, NULL, 16);
			s += 2;
		} else {
			*to++ = *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

/* binary:///path?k=v&... to argv {path, k, v, ...}. */
static const char *const *make_argv(struct arena *a, const char *uri)
{
	char *path = arena_strdup(a, strstr(uri, "://") + 3);
	char *query = strchr(path, '?'), *pair;
	size_t n = 0, room = 4;
	const char **argv;

	for (const char *p = query; p && *p; p++)
		room += *p == '&' ? 2 : 0;
	argv = arena_array(a, const char *, room);
	if (query)
		*query++ = '\0';
	decode(path);
	argv[n++] = path;
	while ((pair = strsep(&query, "&"))) {
		char *value = strchr(pair, '=');

		if (!*pair)
			continue;
		if (value)
			*value++ = '\0';
		decode(pair);
		argv[n++] = pair;
		if (value && *value) {
			decode(value);
			argv[n++] = value;
		}
	}
	return argv;
}

static void logger_free(struct logger *l)
{
	timer_cancel(&l->timer);
	watch_remove(&l->ready);
	cleanup_fd(&l->ready.fd);
	cleanup_fd(&l->read_end[0]);
	cleanup_fd(&l->read_end[1]);
	free(l->uri);
	free(l->container_id);
	free(l->namespace_name);
	loop_defer_free(l);
}

static void tell_ready(struct logger *l, bool ok)
{
	void (*on_ready)(void *, bool) = l->on_ready;

	watch_remove(&l->ready);
	cleanup_fd(&l->ready.fd);
	l->ready.fd = -1;
	if (!l->is_ready) {
		l->is_ready = true;
		l->ok = ok;
		if (!l->stopping)
			timer_cancel(&l->timer);
	}
	l->on_ready = NULL;
	if (on_ready)
		on_ready(l->context, l->ok);
}

static void on_ready_byte(struct watch *w, uint32_t events)
{
	struct logger *l = (struct logger *)((char *)w - offsetof(struct logger, ready));
	char byte;
	ssize_t n = read(w->fd, &byte, 1);

	(void)events;
	if (n < 0)
		return;
	/* The first form of the protocol takes a closed descriptor for yes, the second wants a byte. */
	tell_ready(l, n == 1 || strncmp(l->uri, "binary-v2:", 10) != 0);
}

static int run(struct logger *l, struct error *err);

static void on_timer(struct timer *t)
{
	struct logger *l = (struct logger *)((char *)t - offsetof(struct logger, timer));
	struct error err = {0};

	if (l->stopping && l->job && !l->terminated) {
		l->terminated = true;
		kill(l->job->child.pid, SIGTERM);
		timer_set(t, KILL_MS);
	} else if (l->stopping) {
		if (l->job)
			job_kill(l->job);
	} else if (!l->is_ready) {
		tell_ready(l, false);
	} else if (!l->job && run(l, &err) < 0) {
		slog_error("start the logger again: %s", err.msg);
		timer_set(&l->timer, l->pause_ms);
	}
}

/* Does anybody still hold a writing end, or is something left to read? */
static bool has_work(const struct logger *l)
{
	struct pollfd p[2] = {{.fd = l->read_end[0], .events = POLLIN}, {.fd = l->read_end[1], .events = POLLIN}};

	if (poll(p, 2, 0) < 0)
		return true;
	return !(p[0].revents & POLLHUP) || !(p[1].revents & POLLHUP) || ((p[0].revents | p[1].revents) & POLLIN);
}

static void on_end(struct job *job, unsigned int status)
{
	struct logger *l = job->context;

	l->job = NULL;
	if (l->stopping) {
		logger_free(l);
		return;
	}
	if (!l->is_ready) {
		tell_ready(l, false);
		return; /* whoever waited has stopped it, and it is gone */
	}
	if (!has_work(l))
		return;
	slog_error("the logger of container %s ended with status %u; it is started again in %d ms", l->container_id,
		status, (int)l->pause_ms);
	timer_set(&l->timer, l->pause_ms);
	if (l->pause_ms < 10000)
		l->pause_ms *= 2;
}

static int run(struct logger *l, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct job_spec spec = JOB_SPEC_INIT;
	_cleanup_fd_ int ready = -1;
	const char *envp[3] = {0};
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make the logger's ready pipe");
	ready = p[1];
	(void)fcntl(p[0], F_SETFL, O_NONBLOCK);
	watch_remove(&l->ready);
	cleanup_fd(&l->ready.fd);
	l->ready = (struct watch){.fd = p[0], .cb = on_ready_byte};
	spec.argv = make_argv(&a, l->uri);
	envp[0] = arena_printf(&a, "CONTAINER_ID=%s", l->container_id);
	envp[1] = arena_printf(&a, "CONTAINER_NAMESPACE=%s", l->namespace_name);
	spec.envp = envp;
	spec.extra[0] = l->read_end[0];
	spec.extra[1] = l->read_end[1];
	spec.extra[2] = ready;
	spec.survives = true;
	l->job = job_start(&spec, on_end, l, err);
	if (!l->job)
		return -err->errnum;
	return watch_set(&l->ready, EPOLLIN);
}

static int check_program(const char *uri, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	const char *path = make_argv(&a, uri)[0];
	struct stat st;

	if (path[0] != '/')
		return error_set(err, ERR_USAGE, EINVAL, "logger %s is not an absolute path", path);
	if (stat(path, &st) < 0)
		return error_sys(err, errno, "find logger %s", path);
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
		return error_set(err, ERR_PERMISSION, EACCES, "logger %s could be changed by somebody else", path);
	return 0;
}

int logger_start(
	struct logger **logger, const char *uri, const struct stdio_params *params, int out[2], struct error *err)
{
	struct logger *l;
	int r = check_program(uri, err);

	if (r < 0)
		return r;
	l = calloc(1, sizeof *l);
	if (!l)
		return error_sys(err, ENOMEM, "start a logger");
	l->ready.fd = l->read_end[0] = l->read_end[1] = -1;
	l->timer.cb = on_timer;
	l->pause_ms = 100;
	l->uri = strdup(uri);
	l->container_id = strdup(params->container_id);
	l->namespace_name = strdup(params->namespace_name);
	for (int i = 0; i < 2 && r == 0; i++) {
		int p[2];

		if (pipe2(p, O_CLOEXEC) < 0) {
			r = error_sys(err, errno, "make a logger's pipe");
			break;
		}
		l->read_end[i] = p[0];
		out[i] = p[1];
		if ((params->uid || params->gid) && fchown(p[1], params->uid, params->gid) < 0)
			r = error_sys(err, errno, "give a pipe to %u:%u", params->uid, params->gid);
	}
	if (r == 0)
		r = run(l, err);
	if (r < 0) {
		logger_free(l);
		return r;
	}
	timer_set(&l->timer, READY_MS);
	*logger = l;
	return 0;
}

void logger_await(struct logger *l, void (*ready)(void *context, bool ok), void *context)
{
	l->on_ready = ready;
	l->context = context;
	if (l->is_ready)
		tell_ready(l, l->ok);
}

void logger_stop(struct logger *l)
{
	l->stopping = true;
	l->on_ready = NULL;
	cleanup_fd(&l->read_end[0]);
	cleanup_fd(&l->read_end[1]);
	l->read_end[0] = l->read_end[1] = -1;
	if (!l->job) {
		logger_free(l);
		return;
	}
	/* It still has its own ends and reads them to the end, which is there now. */
	timer_set(&l->timer, TERM_MS);
}
