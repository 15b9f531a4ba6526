/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the truth is the kernel's count of OOM kills
 * (memory.oom_control, memory.events: oom_kill).  An eventfd (version 1) or
 * inotify (version 2) says when to look; the eventfd speaks before the kill has
 * been counted, so one more look follows 100 ms later.  The last look, at the
 * end of init, finds what the others missed.
 *
 * systemd removes a scope's cgroup as soon as it is empty, within milliseconds of the kill, and the kernel
 * notifies no more often than every 10 ms: then there may be nothing left to look at.  The cgroup above
 * counts what happens below it too.  If that count has grown since the last look, the file that is gone was
 * notified of something, and init was killed, it was this.
 */
#include "shim/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/cgroup.h"
#include "shim/container.h"
#include "shim/events.h"

/* The kernel's count, or -errno. */
static int read_kills(const char *membership, uint64_t *kills)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	_cleanup_fd_ int dir = cgroup_open(membership, "memory");
	char *text, *at;
	int r;

	if (dir < 0)
		return dir;
	r = fd_read_file(dir, cgroup_is_v2() ? "memory.events" : "memory.oom_control", &a, 65536, &text, NULL);
	if (r < 0)
		return r;
	at = strstr(text, "oom_kill ");
	if (!at)
		return -ENODATA;
	*kills = strtoull(at + 9, NULL, 10);
	return 0;
}

/* Version 2: the count of the cgroup above, or 0. */
static uint64_t kills_above(struct container *c)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	char *above = arena_strdup(&a, c->cgroup), *cut;
	uint64_t kills;

	above[strcspn(above, "\n")] = '\0';
	cut = strrchr(above, '/');
	if (!cgroup_is_v2() || !cut)
		return 0;
	*cut = '\0';
	return read_kills(above, &kills) == 0 ? kills : 0;
}

/* False when there is nothing to look at any more. */
static bool look(struct container *c)
{
	/* before the own count: a kill in between is in that one */
	uint64_t above = kills_above(c), kills;

	if (read_kills(c->cgroup, &kills) < 0)
		return false;
	c->oom.kills_above = above;
	if (kills != c->oom.kills) {
		c->oom.kills = kills;
		c->oom.noticed = false;
		event_note(c, "/tasks/oom", "TaskOOM");
	}
	return true;
}

/* Empties the eventfd or inotify. */
static void take_notices(struct container *c)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	while ((n = read(c->oom.watch.fd, buf, sizeof buf)) > 0)
		for (char *p = buf; cgroup_is_v2() && p + sizeof(struct inotify_event) <= buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			c->oom.noticed |= (e->mask & IN_MODIFY) != 0;
			p += sizeof *e + e->len;
		}
}

static void on_again(struct timer *t)
{
	look((struct container *)((char *)t - offsetof(struct container, oom.again)));
}

static void on_notice(struct watch *w, uint32_t events)
{
	struct container *c = (struct container *)((char *)w - offsetof(struct container, oom.watch));
	_cleanup_fd_ int dir = -1;

	(void)events;
	take_notices(c);
	dir = cgroup_open(c->cgroup, "memory");
	if (dir < 0) { /* the removal of the cgroup is notified too */
		watch_remove(w);
		return;
	}
	if (!c->oom.counter) {
		event_note(c, "/tasks/oom", "TaskOOM");
		return;
	}
	look(c);
	if (!c->oom.again.due)
		timer_set(&c->oom.again, 100);
}

static int open_v1(int dir)
{
	_cleanup_fd_ int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	_cleanup_fd_ int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	char text[64];
	int r;

	if (event < 0 || control < 0)
		return -errno;
	snprintf(text, sizeof text, "%d %d", event, control);
	r = fd_write_file(dir, "cgroup.event_control", text);
	return r < 0 ? r : fd_take(&event);
}

static int open_v2(int dir)
{
	_cleanup_fd_ int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64];

	if (in < 0)
		return -errno;
	snprintf(path, sizeof path, "/proc/self/fd/%d/memory.events", dir);
	return inotify_add_watch(in, path, IN_MODIFY) < 0 ? -errno : fd_take(&in);
}

void oom_start(struct container *c)
{
	_cleanup_fd_ int dir = cgroup_open(c->cgroup, "memory");
	int fd;

	if (dir < 0)
		return;
	c->oom.kills_above = kills_above(c);
	c->oom.counter = read_kills(c->cgroup, &c->oom.kills) == 0;
	fd = cgroup_is_v2() ? open_v2(dir) : open_v1(dir);
	if (fd < 0)
		return;
	c->oom.watch = (struct watch){.fd = fd, .cb = on_notice};
	c->oom.again.cb = on_again;
	watch_set(&c->oom.watch, EPOLLIN);
}

void oom_last_look(struct container *c)
{
	if (c->oom.counter && !look(c)) {
		if (c->oom.watch.fd >= 0)
			take_notices(c);
		if (c->oom.noticed && c->init->exit_status == 128 + SIGKILL && kills_above(c) > c->oom.kills_above)
			event_note(c, "/tasks/oom", "TaskOOM");
	}
	oom_stop(c);
}

void oom_stop(struct container *c)
{
	timer_cancel(&c->oom.again);
	watch_remove(&c->oom.watch);
	cleanup_fd(&c->oom.watch.fd);
	c->oom.watch.fd = -1;
}
