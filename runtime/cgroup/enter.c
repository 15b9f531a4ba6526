/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: how a process gets into the container's cgroup.
 *
 * Moving another process takes a lock that waits for a grace period of RCU
 * (about 9 ms); two ways do not.  On v1 the still single-threaded process writes
 * "0" into `tasks` of each hierarchy, through descriptors that were opened
 * before it was cloned (the kernel then skips the lock, and checks the rights of
 * whoever opened the file).  In the unified hierarchy it is born there:
 * clone3's CLONE_INTO_CGROUP (Linux 5.7).
 *
 * When the container's payload has divided its cgroup (systemd inside), the
 * container's own directory takes no processes any more; a new one then joins
 * the container's first process.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/procfs.h"
#include "runtime/cgroup/internal.h"

int cgroup_clone_fd(const struct cgroup *cg)
{
	const struct hierarchy *h = cgroup_exists(cg) ? cgroup_unified(cg) : NULL;

	return h && cg->manager != CGROUP_MANAGER_DISABLED && !cg->attach ? h->enter_fd : -1;
}

int cgroup_clone_error(const struct cgroup *cg, int errnum, struct error *err)
{
	const struct hierarchy *h = cgroup_unified(cg);
	char type[32] = "", path[PATH_MAX];
	const char *dir = h ? path_of_fd(h->enter_fd, path, sizeof path) : "none";

	if (h)
		cg_read_at(h->enter_fd, "cgroup.type", type, sizeof type);
	switch (errnum) {
	case EBUSY:
		error_hint(err, "%s hands controllers down to children (cgroup.subtree_control): only they may hold processes", dir);
		break;
	case EOPNOTSUPP:
		error_hint(err, "%s is of type \"%s\": it is part of a threaded subtree", dir, type);
		break;
	case EACCES:
	case EPERM:
		error_hint(err, "the caller needs write access to cgroup.procs of %s and of the cgroup above both: delegation", dir);
		break;
	case EAGAIN:
		error_hint(err, "pids.max of %s or of one above it is reached", dir);
		break;
	case ENOENT:
	case ENODEV:
		error_hint(err, "the cgroup was removed meanwhile");
		break;
	default:
		break;
	}
	return error_sys(err, errnum, "start a process in cgroup %s", dir);
}

/* The value of --cgroup that applies to a hierarchy: path below the container's cgroup, or NULL. */
static const char *sub_for(const struct hierarchy *h, const char *sub)
{
	const char *colon = strchr(sub, ':');

	if (!colon)
		return sub;
	for (const char *p = sub; p < colon;) {
		const char *end = memchr(p, ',', (size_t)(colon - p));
		size_t n = (size_t)((end ? end : colon) - p);
		int c = controller_find(p, n);

		if (c >= 0 ? (h->controllers & CTRL_BIT(c)) != 0 : strlen(h->key) == n && memcmp(h->key, p, n) == 0)
			return colon + 1;
		p += n + 1;
	}
	return NULL;
}

static int check_sub(const struct cgroup *cg, const char *sub, struct error *err)
{
	const char *colon = strchr(sub, ':');

	if (cg->version == CGROUP_V2 && colon)
		return error_set(err, ERR_USAGE, EINVAL, "--cgroup %s: cgroup v2 has no separate controllers, give only the path", sub);
	for (size_t i = 0; i < cg->count; i++)
		if (sub_for(&cg->h[i], sub))
			return 0;
	return error_set(err, ERR_USAGE, EINVAL, "--cgroup %s: no such controller here", sub);
}

static int open_entry(struct hierarchy *h, const char *sub, struct error *err)
{
	_cleanup_fd_ int dir = -1;
	int r = hierarchy_open(h);

	if (r == -ENOENT)
		return error_set(err, ERR_NOT_RUNNING, ENOENT, "cgroup %s of the container is gone", h->m->path);
	if (r < 0)
		return error_sys(err, -r, "open cgroup %s", h->m->path);
	if (h->enter_fd >= 0 && h->enter_fd != h->m->fd)
		close(h->enter_fd);
	h->enter_fd = -1;
	sub += strspn(sub, "/");
	if (*sub) {
		dir = path_open_beneath(h->m->fd, sub, O_PATH | O_DIRECTORY);
		/* In runc's words. */
		if (dir == -EXDEV)
			return error_set(err, ERR_USAGE, EINVAL, "bad sub cgroup path: %s: it leaves the container's cgroup %s", sub,
				h->m->path);
		if (dir < 0)
			return error_sys(err, -dir, "adding pid to cgroup %s/%s", h->m->path, sub);
	}
	if (h->unified) {
		h->enter_fd = dir >= 0 ? fd_take(&dir) : h->m->fd;
		return 0;
	}
	h->enter_fd = openat(dir >= 0 ? dir : h->m->fd, "tasks", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	return h->enter_fd < 0 ? error_sys(err, errno, "open tasks of cgroup %s", h->m->path) : 0;
}

/* May the caller move a process of its own into the container's cgroup?  The kernel wants cgroup.procs of the nearest
 * cgroup above both to be writable; a session that is not below the user's systemd instance has none such. */
static bool may_enter(const struct cgroup *cg, const struct hierarchy *h)
{
	char text[PATH_MAX], path[PATH_MAX + 32];
	const char *own;
	size_t common = 0;

	if (!h->mount_point || cg_read_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof text) <= 0)
		return true;
	own = host_proc_cgroup(cg->arena, text, h->key);
	if (!own)
		return true;
	own += strspn(own, "/");
	for (size_t i = 0;; i++) {
		if ((own[i] == '/' || !own[i]) && (h->rel[i] == '/' || !h->rel[i]))
			common = i;
		if (own[i] != h->rel[i] || !own[i])
			break;
	}
	snprintf(path, sizeof path, "%s/%.*s/cgroup.procs", h->mount_point, (int)common, h->rel);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || (errno != EACCES && errno != EPERM);
}

/* Where only systemd may do it the connection is made now, while paths and libraries are still the host's. */
static int prepare_attach(struct cgroup *cg, struct error *err)
{
	const struct hierarchy *h = cgroup_unified(cg);

	if (cg->version != CGROUP_V2 || cg->manager != CGROUP_MANAGER_SYSTEMD || !cg->user_bus || !h || may_enter(cg, h))
		return 0;
	return systemd_attach_open(cg, err);
}

bool cgroup_attach_due(const struct cgroup *cg)
{
	return cg && cg->attach;
}

int cgroup_enter_prepare(struct cgroup *cg, const char *const *subs, size_t count, struct error *err)
{
	int r;

	if (!cgroup_exists(cg))
		return count ? error_set(err, ERR_USAGE, EINVAL, "--cgroup: the container has no cgroup of its own") : 0;
	for (size_t i = 0; i < count; i++) {
		r = check_sub(cg, subs[i], err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < cg->count; i++) {
		const char *sub = "";

		for (size_t k = 0; k < count; k++) {
			const char *s = sub_for(&cg->h[i], subs[k]);

			sub = s ? s : sub;
		}
		r = open_entry(&cg->h[i], sub, err);
		if (r < 0)
			return r;
	}
	return count ? 0 : prepare_attach(cg, err);
}

static bool lists_pid(int dir, pid_t pid)
{
	struct arena a = ARENA_INIT;
	_cleanup_fd_ int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *buf = NULL, *save = NULL, want[16];
	bool found = false;

	snprintf(want, sizeof want, "%d", pid);
	if (fd >= 0 && fd_read_all(fd, &a, UINT32_C(16) * 1024 * 1024, &buf, NULL) == 0)
		for (char *w = strtok_r(buf, "\n", &save); w && !found; w = strtok_r(NULL, "\n", &save))
			found = strcmp(w, want) == 0;
	arena_free(&a);
	return found;
}

int cgroup_enter_like(struct cgroup *cg, int proc_fd, pid_t init, struct error *err)
{
	struct hierarchy *h = (struct hierarchy *)cgroup_unified(cg);
	const char *path;
	struct stat old, new;
	char *text;
	size_t n;
	int fd, r;

	if (!h || h->enter_fd < 0)
		return error_set(err, ERR_UNSUPPORTED, EBUSY, "no unified cgroup to enter");
	r = host_proc_read(proc_fd, init, "cgroup", cg->arena, &text, err);
	if (r < 0)
		return r;
	path = host_proc_cgroup(cg->arena, text, h->key);
	n = h->rel ? strlen(h->rel) : 0;
	if (!path || n == 0 || strncmp(path + 1, h->rel, n) != 0 || (path[n + 1] != '/' && path[n + 1] != '\0'))
		return error_set(err, ERR_SYSTEM, EBUSY, "the container's first process is in cgroup %s, not below %s",
			path ? path : "none", h->m->path);
	path += n + 1;
	path += strspn(path, "/");
	if (!*path)
		return cgroup_clone_error(cg, EBUSY, err);
	fd = path_open_beneath(h->m->fd, path, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return error_sys(err, -fd, "open cgroup %s/%s", h->m->path, path);
	if (fstat(fd, &new) == 0 && fstat(h->enter_fd, &old) == 0 && new.st_ino == old.st_ino) {
		close(fd);
		return cgroup_clone_error(cg, EBUSY, err);
	}
	if (h->enter_fd != h->m->fd)
		close(h->enter_fd);
	h->enter_fd = fd;
	return 0;
}

static int enter_error(const struct hierarchy *h, int errnum, struct error *err)
{
	if (errnum == ENOSPC && (h->controllers & CTRL_BIT(CTRL_CPUSET)))
		error_hint(err, "cpuset.cpus or cpuset.mems of %s is empty", h->m->path);
	if (errnum == EINVAL && (h->controllers & CTRL_BIT(CTRL_CPU)))
		error_hint(err, "a real-time process needs cpu.rt_runtime_us (linux.resources.cpu.realtimeRuntime)");
	return error_sys(err, errnum, "enter cgroup %s", h->m->path);
}

int cgroup_enter_self(const struct cgroup *cg, struct error *err)
{
	for (size_t i = 0; cgroup_exists(cg) && i < cg->count; i++) {
		const struct hierarchy *h = &cg->h[i];
		int r;

		if (h->unified || h->enter_fd < 0)
			continue;
		r = cg_write_fd(h->enter_fd, "0");
		if (r < 0)
			return enter_error(h, -r, err);
	}
	return 0;
}

int cgroup_enter_pid(const struct cgroup *cg, pid_t pid, struct error *err)
{
	char text[16];

	snprintf(text, sizeof text, "%d", pid);
	for (size_t i = 0; cgroup_exists(cg) && i < cg->count; i++) {
		const struct hierarchy *h = &cg->h[i];
		int r;

		if (h->enter_fd < 0)
			continue;
		if (h->unified && cg->attach)
			return systemd_attach(cg, pid, err);
		r = h->unified ? fd_write_file(h->enter_fd, "cgroup.procs", text) : cg_write_fd(h->enter_fd, text);
		/* Between two delegated trees only systemd may move a process. */
		if ((r == -EACCES || r == -EPERM) && h->unified && cg->manager == CGROUP_MANAGER_SYSTEMD)
			return systemd_attach(cg, pid, err);
		if (r < 0)
			return enter_error(h, -r, err);
	}
	return 0;
}

int cgroup_verify(const struct cgroup *cg, int proc_fd, pid_t pid, struct error *err)
{
	char *text;
	int r;

	if (!cgroup_exists(cg))
		return 0;
	r = host_proc_read(proc_fd, pid, "cgroup", cg->arena, &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->count; i++) {
		const struct hierarchy *h = &cg->h[i];
		const char *path = host_proc_cgroup(cg->arena, text, h->key), *rel = h->rel;

		if (rel && cg->payload)
			rel = arena_printf(cg->arena, "%s/%s", rel, cg->payload);
		if (path && rel && strcmp(path + strspn(path, "/"), rel) == 0)
			continue;
		/* Where the caller's view of the hierarchy is shifted (a cgroup namespace, a mount of a part), the
		 * directory itself tells. */
		if (hierarchy_open(h) == 0 && lists_pid(h->m->fd, pid))
			continue;
		return error_set(err, ERR_SYSTEM, EXDEV, "process %d is in cgroup \"%s\" of hierarchy %s, not in %s", pid,
			path ? path : "none", h->key, h->m->path);
	}
	return 0;
}
