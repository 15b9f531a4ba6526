/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: controllers are found where every distribution mounts
 * them, /sys/fs/cgroup/<controller> (version 1) or /sys/fs/cgroup (version 2);
 * below that, paths come from /proc/PID/cgroup.
 */
#include "shim/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

#define CGROUP_MNT "/sys/fs/cgroup"
#define DEPTH_MAX 16

bool cgroup_is_v2(void)
{
	static int known = -1;
	struct statfs fs;

	if (known < 0)
		known = statfs(CGROUP_MNT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
	return known;
}

/* The path of a controller in "id:controllers:path" lines. */
static int find_path(const char *membership, const char *controller, char path[static 4096])
{
	bool v2 = cgroup_is_v2();
	size_t len = strlen(controller);

	for (const char *line = membership; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *list = memchr(line, ':', (size_t)(end - line));
		const char *at = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
		bool match = false;

		if (at && v2) {
			match = at == list + 1;
		} else if (at) {
			for (const char *p = list + 1; p < at;) {
				size_t n = strcspn(p, ",:");

				match |= n == len && memcmp(p, controller, n) == 0;
				p += n + 1;
			}
		}
		if (match) {
			if (end - at <= 2)
				return -ENOENT; /* "/": the root */
			if (snprintf(path, 4096, "%s%s%s%.*s", CGROUP_MNT, v2 ? "" : "/", v2 ? "" : controller,
				    (int)(end - at - 1), at + 1) >= 4096)
				return -ENAMETOOLONG;
			return 0;
		}
		line = *end ? end + 1 : end;
	}
	return -ENOENT;
}

int cgroup_open(const char *membership, const char *controller)
{
	char path[4096];
	int r = find_path(membership, controller, path);
	int fd;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

struct list {
	struct arena *a;
	pid_t *pids;
	size_t count, room;
};

static int add_file(int dir, struct list *l)
{
	char *text, *p, *end;
	int r = fd_read_file(dir, "cgroup.procs", l->a, 1 << 24, &text, NULL);

	if (r < 0)
		return r;
	for (p = text; *p; p = *end ? end + 1 : end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		if (l->count == l->room) {
			size_t room = l->room ? l->room * 2 : 32;

			l->pids = arena_grow(l->a, l->pids, l->room * sizeof *l->pids, room * sizeof *l->pids);
			l->room = room;
		}
		if (pid > 0)
			l->pids[l->count++] = (pid_t)pid;
	}
	return 0;
}

static int walk(int dir, struct list *l, int depth)
{
	int r = add_file(dir, l);
	struct dirent *e;
	DIR *d;

	if (r < 0 || depth >= DEPTH_MAX)
		return r;
	d = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3));
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		_cleanup_fd_ int sub = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			walk(sub, l, depth + 1); /* a sub-group may go away meanwhile */
	}
	closedir(d);
	return 0;
}

int cgroup_pids(const char *membership, struct arena *a, pid_t **pids, size_t *count)
{
	static const char *const controllers[] = {"pids", "memory", "cpu", "devices", "freezer", "name=systemd"};
	struct list l = {.a = a};
	_cleanup_fd_ int dir = -ENOENT;
	int r;

	for (size_t i = 0; dir < 0 && i < sizeof controllers / sizeof controllers[0]; i++)
		dir = cgroup_open(membership, controllers[i]);
	if (dir < 0)
		return dir;
	r = walk(dir, &l, 0);
	*pids = l.pids;
	*count = l.count;
	return r;
}

static int write_pid(const char *dir_path, pid_t pid)
{
	_cleanup_fd_ int dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[16];

	if (dir < 0)
		return -errno;
	snprintf(text, sizeof text, "%d", pid);
	return fd_write_file(dir, "cgroup.procs", text);
}

int cgroup_join(const char *path, pid_t pid, struct error *err)
{
	char full[4096];
	struct dirent *e;
	int r = -ENOENT, one;
	DIR *d;

	if (strstr(path, ".."))
		return error_set(err, ERR_CONFIG, EINVAL, "shim cgroup %s contains ..", path);
	if (cgroup_is_v2()) {
		snprintf(full, sizeof full, "%s/%s", CGROUP_MNT, path);
		r = write_pid(full, pid);
		return r < 0 ? error_sys(err, -r, "move the shim into cgroup %s", path) : 0;
	}
	d = opendir(CGROUP_MNT);
	if (!d)
		return error_sys(err, errno, "open %s", CGROUP_MNT);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' || e->d_type == DT_LNK ||
			snprintf(full, sizeof full, "%s/%s/%s", CGROUP_MNT, e->d_name, path) >= (int)sizeof full)
			continue;
		one = write_pid(full, pid);
		if (one == 0)
			r = r == -ENOENT ? 0 : r;
		else if (one != -ENOENT && one != -ENOTDIR)
			r = one;
	}
	closedir(d);
	return r < 0 ? error_sys(err, -r, "move the shim into cgroup %s", path) : 0;
}
