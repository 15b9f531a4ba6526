/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the truth is the kernel's count of OOM kills
 * (memory.oom_control, memory.events: oom_kill).  An eventfd (version 1) or
 * inotify (version 2) says when to look; the eventfd speaks before the kill has
 * been counted, so one more look follows 100 ms later.  The last look, at the
 * end of init, finds what the others missed.
 */
#include "shim/oom.h"

#include <errno.h>
#include <fcntl.h>
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
static int read_kills(struct container *c, uint64_t *kills)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	_cleanup_fd_ int dir = cgroup_open(c->cgroup, "memory");
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

static void look(struct container *c)
{
	uint64_t kills;
	int r = read_kills(c, &kills);

	if (r < 0 || kills == c->oom.kills)
		return;
	c->oom.kills = kills;
	event_note(c, "/tasks/oom", "TaskOOM");
}

static void on_again(struct timer *t)
{
	look((struct container *)((char *)t - offsetof(struct container, oom.again)));
}

static void on_notice(struct watch *w, uint32_t events)
{
	struct container *c = (struct container *)((char *)w - offsetof(struct container, oom.watch));
	_Alignas(struct inotify_event) char buf[4096];
	_cleanup_fd_ int dir = -1;

	(void)events;
	(void)!read(w->fd, buf, sizeof buf);
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
	c->oom.counter = read_kills(c, &c->oom.kills) == 0;
	fd = cgroup_is_v2() ? open_v2(dir) : open_v1(dir);
	if (fd < 0)
		return;
	c->oom.watch = (struct watch){.fd = fd, .cb = on_notice};
	c->oom.again.cb = on_again;
	watch_set(&c->oom.watch, EPOLLIN);
}

void oom_last_look(struct container *c)
{
	if (c->oom.counter)
		look(c);
	oom_stop(c);
}

void oom_stop(struct container *c)
{
	timer_cancel(&c->oom.again);
	watch_remove(&c->oom.watch);
	cleanup_fd(&c->oom.watch.fd);
	c->oom.watch.fd = -1;
}
