/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: removing a container's directory in one hierarchy.
 *
 * The usual case, everybody gone, is one rmdir.  When the kernel says that it
 * is busy, whatever lives below is killed (v2: cgroup.kill; v1: freeze, SIGKILL,
 * thaw), children are removed from the leaves up, and this repeats until it
 * worked or time is up, because a process leaves its cgroup some time after it
 * was killed.  Then the parents that were made for it go, if they are empty; a
 * failure there is a failure of the whole, because nobody would come back.
 * A directory that was there before the container is emptied and stays
 * (runtime-spec, "Delete").
 *
 * Nothing here follows a link: cgroup filesystems have none, and the way down
 * from the root is opened without any.
 */
#include "runtime/cgroup/undo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/internal.h"

#define UNDO_SECONDS 10
#define DEPTH_MAX 200

/* The cgroup whose place turned out to be somebody else's; a create has at most one. */
static const struct cgroup *disowned;

static const char *const made_marks[] = { "trusted.oci-rt.made", "user.oci-rt.made" };
static const char *const found_marks[] = { "trusted.oci-rt.found", "user.oci-rt.found" };

void undo_disown(const struct cgroup *cg)
{
	disowned = cg;
}

void undo_forget_disowned(void)
{
	disowned = NULL;
}

bool undo_is_disowned_unit(const char *unit)
{
	return disowned && disowned->unit && strcmp(disowned->unit, unit) == 0;
}

static const struct hierarchy *find_disowned(const char *path)
{
	for (size_t i = 0; disowned && i < disowned->count; i++)
		if (strcmp(disowned->h[i].m->path, path) == 0)
			return &disowned->h[i];
	return NULL;
}

static const char *fd_name(int fd, char buf[static 32])
{
	snprintf(buf, 32, "/proc/self/fd/%d", fd);
	return buf;
}

void undo_mark(int dir, bool made)
{
	const char *const *marks = made ? made_marks : found_marks;
	char name[32];

	for (size_t i = 0; i < 2; i++)
		if (setxattr(fd_name(dir, name), marks[i], "1", 1, 0) == 0)
			return;
}

/* 1, 0 or a negative errno. */
static int has_mark(int dir, const char *const marks[2])
{
	char name[32], value[8];

	for (size_t i = 0; i < 2; i++) {
		if (getxattr(fd_name(dir, name), marks[i], value, sizeof value) > 0)
			return 1;
		if (errno != ENODATA && errno != EOPNOTSUPP)
			return -errno;
	}
	return 0;
}

/* Did this program make the directory, and may it go?  1, 0 or a negative errno. */
static int is_made(int dir)
{
	struct statx stx;

	/* The top of a hierarchy, the usual parent, cannot be removed. */
	if (statx(dir, "", AT_EMPTY_PATH, STATX_TYPE, &stx) < 0)
		return -errno;
	if (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return 0;
	return has_mark(dir, made_marks);
}

/* Was the directory there before the container? */
static bool was_found(int parent, const char *leaf)
{
	_cleanup_fd_ int dir = openat(parent, leaf, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return dir >= 0 && has_mark(dir, found_marks) == 1;
}

static int remove_tree(int parent, const char *name, int depth);

static int remove_children(int dir_fd, int depth)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;
	int r, result = 0;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((e = readdir(dir))) {
		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = remove_tree(dirfd(dir), e->d_name, depth + 1);
		if (r < 0)
			result = r;
	}
	closedir(dir);
	return result;
}

/* Remove name and everything below it; -EBUSY while there are processes. */
static int remove_tree(int parent, const char *name, int depth)
{
	_cleanup_fd_ int fd = -1;
	int r;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (depth > DEPTH_MAX)
		return -ELOOP;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = remove_children(fd, depth);
	if (r < 0)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The same for what is below dir, which stays. */
static int empty_tree(int dir)
{
	int r = pids_any(dir, false);

	if (r != 0)
		return r > 0 ? -EBUSY : r;
	return remove_children(dir, 0);
}

static int busy_error(const char *path, int parent, const char *leaf, struct error *err)
{
	_cleanup_fd_ int dir = openat(parent, leaf, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct arena a = ARENA_INIT;
	struct pid_list list = { .arena = &a };
	char text[128] = "";
	size_t n = 0;

	if (dir >= 0 && pids_collect(dir, &list) == 0)
		for (size_t i = 0; i < list.count && n < sizeof text - 16; i++)
			n += (size_t)snprintf(text + n, sizeof text - n, " %d", list.items[i]);
	if (list.count > 0)
		error_set(err, ERR_TIMEOUT, EBUSY, "remove cgroup %s: %zu processes survived SIGKILL for %d s:%s", path, list.count,
			UNDO_SECONDS, text);
	else
		error_set(err, ERR_TIMEOUT, EBUSY, "remove cgroup %s: still busy after %d s", path, UNDO_SECONDS);
	error_hint(err, "processes in uninterruptible sleep (state D) or of another pid namespace cannot be killed from here");
	arena_free(&a);
	return -EBUSY;
}

/* Sleep; on v2 no longer than until cgroup.events changes. */
static void wait_for_news(int dir, long ns)
{
	_cleanup_fd_ int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct timespec time = { .tv_nsec = ns };
	struct pollfd p = { .fd = events, .events = POLLPRI };
	char buf[256] = "";

	/* Having read it is what makes the next change news. */
	if (events >= 0 && read(events, buf, sizeof buf - 1) > 0 && strstr(buf, "populated 1"))
		ppoll(&p, 1, &time, NULL);
	else
		nanosleep(&time, NULL);
}

static int kill_and_remove(const char *path, int parent, const char *leaf, bool keep, struct error *err)
{
	long wait = 100 * 1000; /* ns */
	struct timespec now, end;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += UNDO_SECONDS;
	for (;;) {
		_cleanup_fd_ int dir = openat(parent, leaf, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (dir < 0)
			return errno == ENOENT ? 0 : error_sys(err, errno, "open cgroup %s", path);
		r = pids_kill(dir);
		if (r < 0 && r != -ENOENT)
			return error_sys(err, -r, "kill the processes in cgroup %s", path);
		r = keep ? empty_tree(dir) : remove_tree(parent, leaf, 0);
		if (r != -EBUSY && r != -ENOTEMPTY)
			return r < 0 ? error_sys(err, -r, "remove cgroup %s", path) : 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec))
			return busy_error(path, parent, leaf, err);
		wait_for_news(dir, wait);
		if (wait < 20 * 1000 * 1000)
			wait *= 2;
	}
}

/*
 * Parents that were made with the container's directory, from the innermost; dir is the innermost one's descriptor, which
 * is closed, or -1.  One that somebody else uses stays, with those above it.  Whatever else goes wrong is an error: the
 * caller keeps the journal then, and the next attempt finishes.
 */
static int remove_parents(char *path, size_t made, int dir, struct error *err)
{
	_cleanup_fd_ int fd = dir;

	for (;;) {
		char *slash = strrchr(path, '/'), *name;
		int up, r;

		*slash = '\0';
		name = strrchr(path, '/');
		if (!name || name == path)
			return 0;
		if (made == 0 || (size_t)(name - path) < made) {
			if (fd < 0)
				fd = cgroup_open_path(path);
			if (fd == -EMEDIUMTYPE)
				return 0; /* above the hierarchy */
			if (fd == -ENOENT)
				continue;
			r = fd < 0 ? fd : is_made(fd);
			if (r < 0)
				return error_sys(err, -r, "look at cgroup %s", path);
			if (r == 0)
				return 0;
		}
		*name = '\0';
		up = cgroup_open_path(path);
		*name = '/';
		if (up < 0 && up != -ENOENT)
			return error_sys(err, -up, "open the parent of cgroup %s", path);
		cleanup_fd(&fd);
		fd = up;
		if (fd >= 0 && unlinkat(fd, name + 1, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return errno == EBUSY || errno == ENOTEMPTY ? 0 : error_sys(err, errno, "remove cgroup %s", path);
	}
}

int cgroup_undo(const char *arg, struct error *err)
{
	char path[PATH_MAX], *mark, *slash;
	const struct hierarchy *foreign;
	_cleanup_fd_ int parent = -1;
	size_t made = 0, len = strlen(arg);
	bool keep = len > 3 && strcmp(arg + len - 2, "//") == 0;
	int r;

	if (keep)
		len -= 2;
	if (arg[0] != '/' || len >= sizeof path || strstr(arg, "/../") || arg[len - 1] == '/')
		return error_set(err, ERR_CORRUPT, EINVAL, "journal: bad cgroup path \"%s\"", arg);
	memcpy(path, arg, len);
	path[len] = '\0';
	mark = strstr(path, "//");
	if (mark) {
		made = (size_t)(mark - path);
		memmove(mark, mark + 1, strlen(mark));
	}
	foreign = find_disowned(path);
	if (foreign && !foreign->made)
		return 0;
	slash = strrchr(path, '/');
	*slash = '\0';
	parent = cgroup_open_path(path);
	*slash = '/';
	if (parent < 0 && parent != -ENOENT)
		return parent == -EMEDIUMTYPE ? error_set(err, ERR_CORRUPT, EINVAL, "journal: %s is not in a cgroup filesystem", path) :
						error_sys(err, -parent, "open the parent of cgroup %s", path);
	/* A path of the record, which does not tell. */
	if (!mark && !keep && parent >= 0)
		keep = was_found(parent, slash + 1);
	if (keep)
		return parent < 0 ? 0 : kill_and_remove(path, parent, slash + 1, true, err);
	if (parent >= 0 && unlinkat(parent, slash + 1, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		if (errno != EBUSY && errno != ENOTEMPTY)
			return error_sys(err, errno, "remove cgroup %s", path);
		if (foreign)
			return 0; /* somebody else moved in */
		r = kill_and_remove(path, parent, slash + 1, false, err);
		if (r < 0)
			return r;
	}
	return remove_parents(path, made, fd_take(&parent), err);
}
