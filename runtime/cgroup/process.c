/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the processes in a container's cgroup, and signals for
 * all of them.
 *
 * A process that forks while somebody walks the list escapes the walk.  SIGKILL
 * has cgroup.kill (Linux 5.14) for that; for other signals, and on v1, the cgroup
 * is frozen during the walk.  A process frozen by v1's freezer dies only when it
 * is thawed, so SIGKILL always ends with a thaw.
 *
 * Process 0 in a list is one that this pid namespace cannot see: kill(0) would
 * hit the caller's own process group, so it is left out everywhere.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/internal.h"

#define DEPTH_MAX 200
#define FREEZE_MS 10000

/* --- lists ----------------------------------------------------------------------- */

static void pid_add(struct pid_list *list, pid_t pid)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;

		list->items = arena_grow(list->arena, list->items, list->room * sizeof *list->items, room * sizeof *list->items);
		list->room = room;
	}
	list->items[list->count++] = pid;
}

/* The numbers in one file, read in pieces: there may be many. */
static int read_pids(int dir, const char *file, struct pid_list *list)
{
	_cleanup_fd_ int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[4096];
	long value = -1;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof buf)) != 0) {
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				value = (value < 0 ? 0 : value) * 10 + (buf[i] - '0');
			} else {
				if (value > 0)
					pid_add(list, (pid_t)value);
				value = -1;
			}
		}
	}
	return 0;
}

typedef int dir_fn(int dir, void *data);

/* Call fn for dir and every directory below it.  A directory that vanishes meanwhile is no error. */
static int walk(int dir_fd, dir_fn *fn, void *data, int depth)
{
	struct dirent *e;
	DIR *dir;
	int fd, r = fn(dir_fd, data);

	if (r == -ENOENT || r == -ENODEV)
		return 0;
	if (r != 0 || depth > DEPTH_MAX)
		return r != 0 ? r : -ELOOP;
	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(dir))) {
		_cleanup_fd_ int child = -1;

		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		child = openat(dirfd(dir), e->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			r = walk(child, fn, data, depth + 1);
		else if (errno != ENOENT)
			r = -errno;
	}
	closedir(dir);
	return r;
}

static int collect_one(int dir, void *data)
{
	int r = read_pids(dir, "cgroup.procs", data);

	/* A threaded cgroup lists only threads. */
	return r == -EOPNOTSUPP ? read_pids(dir, "cgroup.threads", data) : r;
}

int pids_collect(int dir, struct pid_list *list)
{
	return walk(dir, collect_one, list, 0);
}

static int any_one(int dir, void *data)
{
	char buf[64];
	ssize_t n = cg_read_at(dir, "cgroup.procs", buf, sizeof buf);

	(void)data;
	if (n == -EOPNOTSUPP)
		n = cg_read_at(dir, "cgroup.threads", buf, sizeof buf);
	return n > 0 ? 1 : (int)n;
}

int pids_any(int dir, bool unified)
{
	uint64_t populated;

	if (unified && cg_read_key_at(dir, "cgroup.events", "populated", &populated) == 0)
		return populated != 0;
	return walk(dir, any_one, NULL, 0);
}

/* The hierarchy that tells best who is in the container. */
static const struct hierarchy *roll(const struct cgroup *cg)
{
	static const enum controller order[] = { CTRL_FREEZER, CTRL_PIDS, CTRL_DEVICES };

	if (cg->version == CGROUP_V2)
		return cg->count ? &cg->h[0] : NULL;
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		for (size_t k = 0; k < cg->count; k++)
			if (cg->h[k].controllers & CTRL_BIT(order[i]))
				return &cg->h[k];
	return cg->count ? &cg->h[0] : NULL;
}

static int no_cgroup(struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "the container has no cgroup of its own");
}

int cgroup_pids(const struct cgroup *cg, struct arena *a, pid_t **pids, size_t *count, struct error *err)
{
	struct pid_list list = { .arena = a };
	const struct hierarchy *h;
	int r;

	*pids = NULL;
	*count = 0;
	if (!cgroup_exists(cg))
		return no_cgroup(err);
	h = roll(cg);
	r = hierarchy_open(h);
	if (r == 0)
		r = pids_collect(h->m->fd, &list);
	if (r < 0 && r != -ENOENT)
		return error_sys(err, -r, "list the processes in cgroup %s", h->m->path);
	*pids = list.items;
	*count = list.count;
	return 0;
}

/* --- freezing ---------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

/* v1: FREEZING may stay for ever when tasks are added meanwhile; writing again, and thawing in between, helps. */
static int freeze_v1(int dir)
{
	uint64_t end = now_ms() + FREEZE_MS;
	char state[32];

	for (unsigned int i = 0;; i++) {
		int r;
		ssize_t n;

		if (i % 50 == 49) {
			fd_write_file(dir, "freezer.state", "THAWED");
			sleep_us(10000);
		}
		r = fd_write_file(dir, "freezer.state", "FROZEN");
		if (r < 0)
			return r;
		if (i > 0)
			sleep_us(i < 20 ? 10 : 1000);
		n = cg_read_at(dir, "freezer.state", state, sizeof state);
		if (n < 0)
			return (int)n;
		if (strcmp(state, "FROZEN") == 0)
			return 0;
		if (now_ms() > end) {
			fd_write_file(dir, "freezer.state", "THAWED");
			return -ETIMEDOUT;
		}
	}
}

static int freeze_v2(int dir, bool freeze)
{
	_cleanup_fd_ int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t end = now_ms() + FREEZE_MS, frozen;
	int r;

	if (events < 0)
		return -errno;
	r = fd_write_file(dir, "cgroup.freeze", freeze ? "1" : "0");
	if (r < 0 || !freeze)
		return r;
	for (;;) {
		struct pollfd p = { .fd = events, .events = POLLPRI };
		char buf[256];

		if (lseek(events, 0, SEEK_SET) < 0 || read(events, buf, sizeof buf) < 0)
			return -errno;
		r = cg_read_key_at(dir, "cgroup.events", "frozen", &frozen);
		if (r < 0)
			return r == -ENODATA ? -EOPNOTSUPP : r;
		if (frozen)
			return 0;
		if (now_ms() > end) {
			fd_write_file(dir, "cgroup.freeze", "0");
			return -ETIMEDOUT;
		}
		if (poll(&p, 1, 100) < 0 && errno != EINTR)
			return -errno;
	}
}

static const struct hierarchy *freezer(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		if (cg->h[i].controllers & CTRL_BIT(CTRL_FREEZER))
			return &cg->h[i];
	return cgroup_unified(cg);
}

static int set_frozen(const struct cgroup *cg, bool freeze, struct error *err)
{
	const struct hierarchy *h = cgroup_exists(cg) ? freezer(cg) : NULL;
	int r;

	if (!h)
		return cgroup_exists(cg) ? error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "this host's cgroups have no freezer") :
					   no_cgroup(err);
	r = hierarchy_open(h);
	if (r < 0)
		return error_sys(err, -r, "open cgroup %s", h->m->path);
	if (h->unified)
		r = freeze_v2(h->m->fd, freeze);
	else
		r = freeze ? freeze_v1(h->m->fd) : fd_write_file(h->m->fd, "freezer.state", "THAWED");
	if (r == -ETIMEDOUT) {
		error_hint(err, "a process in uninterruptible sleep (state D) cannot be frozen; it was thawed again");
		return error_set(err, ERR_TIMEOUT, ETIMEDOUT, "freeze cgroup %s: not done after %d s", h->m->path, FREEZE_MS / 1000);
	}
	return r < 0 ? error_sys(err, -r, "%s cgroup %s", freeze ? "freeze" : "thaw", h->m->path) : 0;
}

int cgroup_freeze(const struct cgroup *cg, struct error *err)
{
	return set_frozen(cg, true, err);
}

int cgroup_thaw(const struct cgroup *cg, struct error *err)
{
	return set_frozen(cg, false, err);
}

int cgroup_is_frozen(const struct cgroup *cg, struct error *err)
{
	const struct hierarchy *h = cgroup_exists(cg) ? freezer(cg) : NULL;
	char buf[32];
	ssize_t n;

	if (!h)
		return 0;
	n = cg_read(h, h->unified ? "cgroup.freeze" : "freezer.self_freezing", buf, sizeof buf);
	if (n == -ENOENT || n == -ENODEV)
		return 0;
	if (n < 0)
		return error_sys(err, (int)-n, "read the freezer's state of cgroup %s", h->m->path);
	return strcmp(buf, "1") == 0;
}

/* --- signals ------------------------------------------------------------------------ */

static int signal_all(int dir, int sig)
{
	struct arena a = ARENA_INIT;
	struct pid_list list = { .arena = &a };
	pid_t self = getpid();
	int r = pids_collect(dir, &list);

	for (size_t i = 0; r == 0 && i < list.count; i++)
		if (list.items[i] != self && kill(list.items[i], sig) < 0 && errno != ESRCH)
			r = -errno;
	arena_free(&a);
	return r;
}

int pids_kill(int dir)
{
	bool v1_freezer;
	int r = fd_write_file(dir, "cgroup.kill", "1");

	if (r != -ENOENT && r != -EOPNOTSUPP)
		return r;
	v1_freezer = faccessat(dir, "freezer.state", F_OK, 0) == 0;
	if (v1_freezer)
		fd_write_file(dir, "freezer.state", "FROZEN");
	else
		fd_write_file(dir, "cgroup.freeze", "1");
	r = signal_all(dir, SIGKILL);
	if (v1_freezer)
		fd_write_file(dir, "freezer.state", "THAWED");
	return r;
}

int cgroup_kill(const struct cgroup *cg, int sig, struct error *err)
{
	const struct hierarchy *h, *unified;
	bool thaw = false;
	int r, frozen;

	if (!cgroup_exists(cg))
		return no_cgroup(err);
	h = roll(cg);
	r = hierarchy_open(h);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_sys(err, -r, "open cgroup %s", h->m->path);
	if (sig == SIGKILL) {
		unified = cgroup_unified(cg);
		if (unified && unified != h && hierarchy_open(unified) == 0)
			fd_write_file(unified->m->fd, "cgroup.kill", "1");
		r = pids_kill(h->m->fd);
		if (cg->version == CGROUP_V1)
			cgroup_thaw(cg, NULL);
		return r < 0 && r != -ENOENT ? error_sys(err, -r, "kill the processes in cgroup %s", h->m->path) : 0;
	}
	frozen = cgroup_is_frozen(cg, NULL);
	if (frozen == 0)
		thaw = cgroup_freeze(cg, NULL) == 0;
	r = signal_all(h->m->fd, sig);
	if (thaw)
		cgroup_thaw(cg, NULL);
	return r < 0 ? error_sys(err, -r, "send signal %d to the processes in cgroup %s", sig, h->m->path) : 0;
}
