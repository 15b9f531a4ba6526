/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what a container uses and when its memory ran out, one
 * JSON object per line (`runc events`), until the container stops.
 *
 * Three things are waited for at once: the end of the container's first process
 * (a pidfd), news about memory (cgroup_oom_*), and the next moment for
 * statistics on the monotonic clock.  News about memory come before the end:
 * running out of memory is what often brings it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/command/command.h"
#include "runtime/command/events_internal.h"

/* The kernel holds notifications about a cgroup's files back for up to 10 ms. */
#define LAST_NEWS_MS 50
#define MAX_INTERVAL_MS (INT64_C(1000) * 60 * 60 * 24 * 365)

/* Digits with a fraction, as nanoseconds of the unit. */
static const char *parse_part(const char *p, double *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "\xc2\xb5s", 1e3 }, { "\xce\xbcs", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
		{ "m", 60e9 }, { "h", 3600e9 } };
	double value = 0, scale = 1;
	bool digits = false;

	for (; *p >= '0' && *p <= '9'; p++, digits = true)
		value = value * 10 + (*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, digits = true) {
			scale /= 10;
			value += (*p - '0') * scale;
		}
	for (size_t i = 0; digits && i < sizeof units / sizeof *units; i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(p, units[i].name, n) == 0 && (p[n] == '\0' || p[n] == '.' || (p[n] >= '0' && p[n] <= '9'))) {
			*ns += value * units[i].ns;
			return p + n;
		}
	}
	return NULL;
}

int64_t events_interval(const char *text)
{
	const char *p = text + (*text == '+');
	double ns = 0;

	if (!*p)
		return -1;
	while (p && *p)
		p = parse_part(p, &ns);
	if (!p || ns <= 0)
		return -1;
	if (ns >= (double)MAX_INTERVAL_MS * 1e6)
		return MAX_INTERVAL_MS;
	return ns < 1e6 ? 1 : (int64_t)(ns / 1e6);
}

/* One line, at once: whoever reads waits for it. */
static int print_line(struct json_writer *w, struct error *err)
{
	printf("%s\n", json_writer_finish(w, NULL));
	return fflush(stdout) == 0 ? 0 : error_sys(err, errno, "write to stdout");
}

static void begin_event(struct json_writer *w, struct arena *a, const char *type, const char *id)
{
	json_writer_init(w, a, false);
	json_write_object(w);
	json_write_member_string(w, "type", type);
	json_write_member_string(w, "id", id);
}

static int print_stats(const struct opened *o, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct network_interface *interfaces;
	struct cgroup_stats stats;
	struct json_writer w;
	size_t count;
	int r = cgroup_stats(o->cgroup, &a, &stats, err);

	if (r < 0)
		return r;
	count = events_network(o->proc_fd, o->state.pid, &a, &interfaces);
	begin_event(&w, &a, "stats", o->state.id);
	json_write_key(&w, "data");
	events_write_stats(&w, &stats, interfaces, count);
	json_write_end_object(&w);
	return print_line(&w, err);
}

static int print_oom(const struct opened *o, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct json_writer w;

	begin_event(&w, &a, "oom", o->state.id);
	json_write_end_object(&w);
	return print_line(&w, err);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The process has ended; news that memory ran out may be up to a kernel's batch of notifications behind. */
static int last_news(const struct opened *o, struct cgroup_oom *oom, bool heard, struct error *err)
{
	if (heard || fd_wait_readable(oom->fd, LAST_NEWS_MS) != 1 || cgroup_oom_read(oom) != 1)
		return 0;
	return print_oom(o, err);
}

static int watch(const struct opened *o, int pidfd, struct cgroup_oom *oom, int64_t interval, struct error *err)
{
	struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = oom->fd, .events = POLLIN } };
	int64_t next = now_ms() + interval;
	int r = 0;

	while (r == 0) {
		bool heard = false;
		int64_t left = next - now_ms();
		int n = poll(p, 2, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);

		if (n < 0 && errno != EINTR)
			return error_sys(err, errno, "wait for the container's events");
		if (n > 0 && p[1].revents) {
			r = cgroup_oom_read(oom);
			heard = r != 0;
			if (r < 0) /* nothing more will come; the process tells the end */
				p[1].fd = -1;
			r = r == 1 ? print_oom(o, err) : 0;
		}
		if (r == 0 && n > 0 && p[0].revents)
			return last_news(o, oom, heard, err);
		if (r == 0 && now_ms() >= next) {
			r = print_stats(o, err);
			next += interval;
			if (next < now_ms())
				next = now_ms() + interval;
		}
	}
	/* The cgroup can go a moment before the process is seen to end. */
	return err->code == ERR_NOT_RUNNING ? 0 : r;
}

static int follow(const struct opened *o, int64_t interval, struct error *err)
{
	_cleanup_fd_ int pidfd = state_pidfd(&o->state, o->proc_fd);
	struct cgroup_oom oom;
	int r;

	if (pidfd == -ESRCH)
		return error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	if (pidfd < 0)
		return error_sys(err, -pidfd, "open process %d", o->state.pid);
	r = cgroup_oom_open(o->cgroup, &oom, err);
	if (r < 0)
		return r;
	r = watch(o, pidfd, &oom, interval, err);
	cgroup_oom_close(&oom);
	if (r == 0)
		error_clear(err);
	return r;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *text = argument(args, "interval");
	int64_t interval = text ? events_interval(text) : 5000;
	struct opened o;
	int r;

	if (interval < 0)
		return error_set(err, ERR_USAGE, EINVAL, "--interval %s: expected a duration above 0 as in 5s, 1m30s or 500ms",
			text);
	r = container_open(rt, args->operands[0], false, &o, err);
	if (r == 0 && o.status == STATUS_STOPPED)
		r = error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	else if (r == 0)
		r = argument_switch(args, "stats") ? print_stats(&o, err) : follow(&o, interval, err);
	container_close(&o);
	return r;
}

static const struct command_option options[] = {
	{ .name = "interval", .value = "DURATION", .help = "time between two statistics (5s)" },
	{ .name = "stats", .help = "print the statistics once and end" },
	{ 0 },
};

const struct command command_events = {
	.name = "events",
	.usage = "[options] ID",
	.summary = "print a container's statistics and out-of-memory events until it stops",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
