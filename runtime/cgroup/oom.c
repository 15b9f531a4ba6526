/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: hearing that a container ran out of memory.
 *
 * v1 tells an eventfd that was registered in cgroup.event_control (it is also
 * signalled when the cgroup goes); v2 changes memory.events, which inotify sees,
 * and the count of kills in it says whether this was the news.  cgroup.events is
 * watched with it: without processes nothing more will come.
 *
 * systemd removes a scope with its last process, often before anybody has read the
 * count in it, all the more as the kernel tells of a file's changes every 10 ms at
 * most.  The slice counts what happens below it too: a file that is gone, that had
 * changed, and a count above it that has grown since the last look are the news.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/internal.h"

/* 0 or a negative errno: the file is gone. */
static int read_kills(int fd, uint64_t *count)
{
	char buf[1024], *p;
	ssize_t n = pread(fd, buf, sizeof buf - 1, 0);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	p = strstr(buf, "oom_kill ");
	*count = p ? strtoull(p + 9, NULL, 10) : 0;
	return 0;
}

/* memory.events of the slice that the container's scope is in, or -1. */
static int open_above(const struct hierarchy *h)
{
	char path[PATH_MAX] = "";
	const char *scope = NULL;
	size_t n = 0;

	/* The innermost: the runtime itself may be in one. */
	for (const char *p = h->m->path; (p = strstr(p, ".scope")); p += 6)
		if (p[6] == '/' || !p[6])
			scope = p;
	if (!scope)
		return -1;
	for (const char *p = scope; p && n < sizeof path - 32; p = strchr(p + 1, '/'))
		n += (size_t)snprintf(path + n, sizeof path - n, "../");
	strcpy(path + n, "memory.events");
	return openat(h->m->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int open_v1(const struct hierarchy *h, struct cgroup_oom *oom, struct error *err)
{
	char text[32];
	int r;

	oom->events_fd = openat(h->m->fd, "memory.oom_control", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (oom->events_fd < 0)
		return error_sys(err, errno, "open %s/memory.oom_control", h->m->path);
	oom->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (oom->fd < 0)
		return error_sys(err, errno, "make an eventfd");
	snprintf(text, sizeof text, "%d %d", oom->fd, oom->events_fd);
	r = fd_write_file(h->m->fd, "cgroup.event_control", text);
	return r < 0 ? cg_write_error(h, "cgroup.event_control", text, -r, err) : 0;
}

static int open_v2(const struct hierarchy *h, struct cgroup_oom *oom, struct error *err)
{
	char dir[64], path[96];

	oom->unified = true;
	oom->events_fd = openat(h->m->fd, "memory.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (oom->events_fd < 0)
		return error_sys(err, errno, "open %s/memory.events", h->m->path);
	read_kills(oom->events_fd, &oom->oom_kill);
	oom->above_fd = open_above(h);
	if (oom->above_fd >= 0)
		read_kills(oom->above_fd, &oom->above);
	oom->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (oom->fd < 0)
		return error_sys(err, errno, "make an inotify descriptor");
	snprintf(dir, sizeof dir, "/proc/self/fd/%d", h->m->fd);
	snprintf(path, sizeof path, "%s/memory.events", dir);
	oom->watch = inotify_add_watch(oom->fd, path, IN_MODIFY);
	if (oom->watch < 0)
		return error_sys(err, errno, "watch %s/memory.events", h->m->path);
	snprintf(path, sizeof path, "%s/cgroup.events", dir);
	if (inotify_add_watch(oom->fd, path, IN_MODIFY) < 0)
		return error_sys(err, errno, "watch %s/cgroup.events", h->m->path);
	oom->dir_fd = openat(h->m->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return oom->dir_fd < 0 ? error_sys(err, errno, "open %s", h->m->path) : 0;
}

int cgroup_oom_open(const struct cgroup *cg, struct cgroup_oom *oom, struct error *err)
{
	const struct hierarchy *h;
	int r;

	*oom = (struct cgroup_oom){ .fd = -1, .events_fd = -1, .dir_fd = -1, .above_fd = -1 };
	if (!cgroup_exists(cg))
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "the container has no cgroup of its own");
	h = cgroup_controller(cg, CTRL_MEMORY);
	if (!h)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "controller \"memory\" does not work for cgroup %s",
			cgroup_text(cg));
	r = hierarchy_open(h);
	if (r < 0)
		return error_sys(err, -r, "open cgroup %s", h->m->path);
	r = h->unified ? open_v2(h, oom, err) : open_v1(h, oom, err);
	if (r < 0)
		cgroup_oom_close(oom);
	return r;
}

static void note_changes(struct cgroup_oom *oom, const char *buf, ssize_t n)
{
	struct inotify_event e;

	for (ssize_t at = 0; at + (ssize_t)sizeof e <= n; at += (ssize_t)(sizeof e + e.len)) {
		memcpy(&e, buf + at, sizeof e);
		oom->changed |= e.wd == oom->watch && e.mask & IN_MODIFY;
	}
}

/* The cgroup is gone. */
static int read_above(struct cgroup_oom *oom)
{
	uint64_t above;

	if (!oom->changed || oom->above_fd < 0 || read_kills(oom->above_fd, &above) < 0 || above <= oom->above)
		return -ENODEV;
	oom->above = above;
	return 1;
}

int cgroup_oom_read(struct cgroup_oom *oom)
{
	uint64_t above = oom->above, count, populated;
	char buf[4096];
	ssize_t n = read(oom->fd, buf, oom->unified ? sizeof buf : sizeof count);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!oom->unified) /* the file cannot be read any more when the cgroup is gone */
		return pread(oom->events_fd, buf, sizeof buf, 0) < 0 ? -ENODEV : 1;
	note_changes(oom, buf, n);
	/* The count above first: a kill between the two looks is then seen below, or next time. */
	if (oom->above_fd >= 0)
		read_kills(oom->above_fd, &above);
	if (read_kills(oom->events_fd, &count) < 0)
		return read_above(oom);
	oom->above = above;
	if (count > oom->oom_kill) {
		oom->oom_kill = count;
		return 1;
	}
	if (cg_read_key_at(oom->dir_fd, "cgroup.events", "populated", &populated) < 0)
		return read_above(oom);
	return populated == 0 ? -ENODEV : 0;
}

void cgroup_oom_close(struct cgroup_oom *oom)
{
	cleanup_fd(&oom->fd);
	cleanup_fd(&oom->events_fd);
	cleanup_fd(&oom->dir_fd);
	cleanup_fd(&oom->above_fd);
	oom->fd = oom->events_fd = oom->dir_fd = oom->above_fd = -1;
}
