/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: making the container's directories.
 *
 * Before the journal is written, cgroup_probe() looks whether the last component
 * is there already (in use: refused, so that nobody's undo ever touches another
 * container's processes) and which parents are missing.  The parents go into the
 * argument of the undo; they also get an extended attribute, so that the last of
 * several containers that share them removes them, whoever made them.
 *
 * Everything is made one component at a time relative to its parent's
 * descriptor.  v1: a cpuset takes no process until it has processors and memory
 * nodes, so each new level inherits its parent's.  v2: a controller works in a
 * directory only when every level above enables it; two reads tell that nothing
 * is to do, which is the usual case.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "runtime/cgroup/internal.h"
#include "runtime/cgroup/undo.h"

/* --- before the plan ------------------------------------------------------------ */

static int check_unused(const struct hierarchy *h, int dir, struct error *err)
{
	char buf[64];
	int r = pids_any(dir, h->unified);

	if (r < 0)
		return error_sys(err, -r, "look for processes in %s", h->m->path);
	if (r > 0) {
		error_path(err, "linux.cgroupsPath");
		error_hint(err, "delete the container that uses it, or give this one another linux.cgroupsPath");
		return error_set(err, ERR_EXISTS, EBUSY, "container's cgroup is not empty: there are processes in %s",
			h->m->path);
	}
	if ((cg_read_at(dir, "freezer.state", buf, sizeof buf) > 0 && strcmp(buf, "THAWED") != 0) ||
		(cg_read_at(dir, "cgroup.freeze", buf, sizeof buf) > 0 && strcmp(buf, "0") != 0)) {
		error_path(err, "linux.cgroupsPath");
		return error_set(err, ERR_EXISTS, EBUSY, "container's cgroup unexpectedly frozen: %s", h->m->path);
	}
	return 0;
}

/* Offset in rel of the first missing component; the last one is known to be missing. */
static size_t first_missing(const struct hierarchy *h)
{
	char path[PATH_MAX];
	size_t top = strlen(h->mount_point) + 1, len = top + strlen(h->rel);

	memcpy(path, h->m->path, len + 1);
	for (;;) {
		char *slash = memrchr(path + top, '/', len - top);

		if (!slash)
			return 0;
		len = (size_t)(slash - path);
		*slash = '\0';
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return len + 1 - top;
	}
}

int cgroup_probe(struct cgroup *cg, struct error *err)
{
	for (size_t i = 0; i < cg->count; i++) {
		struct hierarchy *h = &cg->h[i];
		_cleanup_fd_ int dir = cgroup_open_path(h->m->path);
		int r;

		if (dir >= 0) {
			h->missing = strlen(h->rel);
			r = check_unused(h, dir, err);
			if (r < 0)
				return r;
		} else if (dir == -ENOENT) {
			/* systemd makes and removes its own tree. */
			if (cg->manager == CGROUP_MANAGER_CGROUPFS)
				h->missing = first_missing(h);
		} else if (dir != -EACCES && dir != -EPERM) {
			return error_sys(err, -dir, "open cgroup %s", h->m->path);
		}
	}
	return 0;
}

const char *cgroup_undo_arg(const struct cgroup *cg, size_t index)
{
	const struct hierarchy *h = &cg->h[index];

	/* It was there before: emptied, and left.  systemd removes its own. */
	if (h->missing >= strlen(h->rel))
		return cg->manager == CGROUP_MANAGER_CGROUPFS ? arena_printf(cg->arena, "%s//", h->m->path) : h->m->path;
	return arena_printf(cg->arena, "%s/%.*s/%s", h->mount_point, (int)h->missing, h->rel, h->rel + h->missing);
}

/* --- directories ------------------------------------------------------------------ */

static int make_error(const struct hierarchy *h, int errnum, struct error *err)
{
	switch (errnum) {
	case EROFS:
		error_hint(err, "%s is mounted read-only; run with --cgroup-manager=disabled to do without", h->mount_point);
		break;
	case EACCES:
	case EPERM:
		error_hint(err, "no cgroup above it is delegated to user %u: run below one that is (systemd-run --user --scope -p "
				"Delegate=yes), use --systemd-cgroup, whose scopes are, or leave the limits out", host_owner());
		break;
	case EAGAIN:
		error_hint(err, "a limit on the number or depth of cgroups (cgroup.max.descendants, cgroup.max.depth) is reached");
		break;
	default:
		break;
	}
	return error_sys(err, errnum, "make cgroup %s", h->m->path);
}

/* Make one component below dir and open it.  last: it must not be there.  made: it was not. */
static int make_one(struct hierarchy *h, int dir, const char *name, bool last, bool *made, struct error *err)
{
	int fd, r = mkdirat(dir, name, 0755) < 0 ? -errno : 0;

	if (r == -EEXIST && last) {
		error_path(err, "linux.cgroupsPath");
		return error_set(err, ERR_EXISTS, EEXIST, "cgroup %s was made by somebody else just now", h->m->path);
	}
	if (r < 0 && r != -EEXIST)
		return make_error(h, -r, err);
	fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return make_error(h, errno, err);
	if (r == 0 && !last)
		undo_mark(fd, true);
	h->made = h->made || (r == 0 && last);
	*made = r == 0;
	return fd;
}

/* Copy one of cpuset.cpus, cpuset.mems from the parent when it is empty, as in every new directory. */
static int inherit_one(const struct hierarchy *h, int parent, int dir, const char *file, bool made, struct error *err)
{
	char buf[4096];
	ssize_t n = made ? 0 : cg_read_at(dir, file, buf, sizeof buf);
	int r;

	if (n > 0)
		return 0;
	if (n == 0)
		n = cg_read_at(parent, file, buf, sizeof buf);
	if (n < 0)
		return error_sys(err, (int)-n, "read %s above %s", file, h->m->path);
	r = fd_write_file(dir, file, buf);
	return r < 0 ? error_sys(err, -r, "give %s its parent's %s \"%.200s\"", h->m->path, file, buf) : 0;
}

static int settle_one(const struct hierarchy *h, int parent, int dir, bool made, struct error *err)
{
	int r;

	if (!(h->controllers & CTRL_BIT(CTRL_CPUSET)))
		return 0;
	r = inherit_one(h, parent, dir, "cpuset.cpus", made, err);
	return r < 0 ? r : inherit_one(h, parent, dir, "cpuset.mems", made, err);
}

static int open_top(struct hierarchy *h)
{
	if (h->top_fd < 0)
		h->top_fd = cgroup_open_path(h->mount_point);
	return h->top_fd;
}

static void close_top(struct hierarchy *h)
{
	cleanup_fd(&h->top_fd);
	h->top_fd = -1;
}

/* Walk from the mount point down to the container's directory, making what is missing. */
static int make_path(struct hierarchy *h, struct error *err)
{
	_cleanup_fd_ int dir = -1;
	const char *p = h->rel;
	bool made = false;
	int at = open_top(h);

	if (at < 0)
		return error_sys(err, -at, "open %s", h->mount_point);
	if (h->missing > 0 && !(h->controllers & CTRL_BIT(CTRL_CPUSET))) {
		/* The part that is there, in one step; from the top when it went away meanwhile. */
		const char *have = strndupa(h->rel, h->missing);
		int fd = path_open_beneath(at, have, O_PATH | O_DIRECTORY);

		if (fd >= 0) {
			at = dir = fd;
			p += h->missing;
		}
	}
	while (*p) {
		const char *end = strchrnul(p, '/');
		bool last = *end == '\0' && h->missing < strlen(h->rel);
		int fd, r;

		fd = make_one(h, at, strndupa(p, (size_t)(end - p)), last, &made, err);
		if (fd < 0)
			return fd;
		r = settle_one(h, at, fd, made, err);
		cleanup_fd(&dir);
		at = dir = fd;
		if (r < 0)
			return r;
		p = *end ? end + 1 : end;
	}
	h->made = h->made || made;
	h->m->fd = fd_take(&dir);
	return 0;
}

/* --- v2 ----------------------------------------------------------------------------- */

static uint32_t read_controllers(int dir, const char *file)
{
	char buf[512], *save = NULL;
	uint32_t bits = 0;

	if (cg_read_at(dir, file, buf, sizeof buf) < 0)
		return 0;
	for (char *w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		int c = controller_find(w, strlen(w));

		if (c >= 0)
			bits |= CTRL_BIT(c);
	}
	return bits;
}

/* Controllers that a threaded cgroup does not have. */
#define DOMAIN_CONTROLLERS                                                                                             \
	(CTRL_BIT(CTRL_MEMORY) | CTRL_BIT(CTRL_BLKIO) | CTRL_BIT(CTRL_HUGETLB) | CTRL_BIT(CTRL_RDMA) | CTRL_BIT(CTRL_MISC))

static void enable_at(int dir, uint32_t bits, uint32_t needed)
{
	char text[256] = "";
	size_t n = 0;
	int r;

	for (int c = 0; c < CTRL_COUNT; c++)
		if (bits & CTRL_BIT(c))
			n += (size_t)snprintf(text + n, sizeof text - n, "%s+%s", n ? " " : "", controller_name(c, true));
	r = n == 0 ? 0 : fd_write_file(dir, "cgroup.subtree_control", text);
	/* A cgroup with processes hands down those of threads at most, and becomes threaded by that: not without need. */
	if (r == -EBUSY)
		bits &= needed & DOMAIN_CONTROLLERS ? 0 : needed;
	if (r == 0)
		return;
	/* All or nothing: one that cannot be enabled must not keep the others out. */
	for (int c = 0; c < CTRL_COUNT; c++) {
		if (!(bits & CTRL_BIT(c)))
			continue;
		snprintf(text, sizeof text, "+%s", controller_name(c, true));
		fd_write_file(dir, "cgroup.subtree_control", text);
	}
}

void v2_enable(struct hierarchy *h, uint32_t wanted, uint32_t needed)
{
	_cleanup_fd_ int dir = -1;
	int at;

	if (wanted == 0 || open_top(h) < 0)
		return;
	at = h->top_fd;
	wanted &= read_controllers(at, "cgroup.controllers");
	if ((wanted & ~read_controllers(h->m->fd, "cgroup.controllers")) == 0)
		return;
	for (const char *p = h->rel;;) {
		const char *end = strchrnul(p, '/');
		int next;

		enable_at(at, wanted & read_controllers(at, "cgroup.controllers") & ~read_controllers(at, "cgroup.subtree_control"),
			needed);
		if (!*end)
			return;
		next = openat(at, strndupa(p, (size_t)(end - p)), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return;
		cleanup_fd(&dir);
		at = dir = next;
		p = end + 1;
	}
}

void v2_hand_down(const struct hierarchy *h)
{
	enable_at(h->m->fd, read_controllers(h->m->fd, "cgroup.controllers") & ~read_controllers(h->m->fd, "cgroup.subtree_control"),
		0);
}

uint32_t v2_available(const struct hierarchy *h)
{
	return hierarchy_open(h) < 0 ? 0 : read_controllers(h->m->fd, "cgroup.controllers");
}

/* The level that does not hand the controller down, and why. */
int v2_missing_error(const struct cgroup *cg, const struct hierarchy *h, enum controller c, struct error *err)
{
	const char *name = controller_name(c, true);
	_cleanup_fd_ int dir = h->mount_point ? cgroup_open_path(h->mount_point) : -1;
	char path[PATH_MAX], own[64];
	size_t n;

	if (dir < 0 || !(read_controllers(dir, "cgroup.controllers") & CTRL_BIT(c)))
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "controller \"%s\" is not available on this host's cgroup v2", name);
	n = (size_t)snprintf(path, sizeof path, "%s", h->mount_point);
	for (const char *p = h->rel; *p;) {
		const char *end = strchrnul(p, '/');
		int next;

		if (!(read_controllers(dir, "cgroup.subtree_control") & CTRL_BIT(c))) {
			if (cg_read_at(dir, "cgroup.procs", own, sizeof own) > 0 && p != h->rel)
				error_hint(err, "%s has processes of its own; only a cgroup without processes can hand controllers "
						"down: move them into a child of it%s", path,
					cg->manager == CGROUP_MANAGER_SYSTEMD ? "" : ", or use --systemd-cgroup");
			else
				error_hint(err, "enable it: echo +%s > %s/cgroup.subtree_control (systemd: Delegate=%s)", name, path,
					name);
			break;
		}
		next = openat(dir, strndupa(p, (size_t)(end - p)), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			break;
		close(dir);
		dir = next;
		n += (size_t)snprintf(path + n, sizeof path - n, "/%.*s", (int)(end - p), p);
		p = *end ? end + 1 : end;
	}
	return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "controller \"%s\" is not enabled for cgroup %s: %s does not hand it down",
		name, h->m->path, path);
}

/* A new cgroup below a threaded one takes processes only as a threaded one. */
static int v2_settle_type(const struct hierarchy *h, uint32_t needed, struct error *err)
{
	char type[32];

	if (cg_read(h, "cgroup.type", type, sizeof type) <= 0 || strncmp(type, "domain", 7) == 0 ||
		strcmp(type, "domain threaded") == 0)
		return 0;
	if (needed & DOMAIN_CONTROLLERS) {
		error_path(err, "linux.cgroupsPath");
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			"cgroup %s is below a threaded one, where memory, I/O and similar limits do not exist", h->m->path);
	}
	return cg_write(h, "cgroup.type", "threaded", err);
}

int cgroup_make_below(struct cgroup *cg, struct hierarchy *h, const char *name, struct error *err)
{
	bool made;
	int fd;

	h->rel = arena_printf(cg->arena, "%s/%s", h->rel, name);
	h->missing = strlen(h->rel);
	h->m->path = arena_printf(cg->arena, "%s/%s", h->m->path, name);
	fd = make_one(h, h->m->fd, name, false, &made, err);
	if (fd < 0)
		return fd;
	close(h->m->fd);
	h->m->fd = h->enter_fd = fd;
	return 0;
}

int v2_give(int dir, const char *path, uid_t uid, struct error *err)
{
	char files[1024], *save = NULL;

	if (cg_read_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", files, sizeof files) <= 0)
		strcpy(files, "cgroup.procs\ncgroup.subtree_control\ncgroup.threads");
	if (fchownat(dir, "", uid, (gid_t)-1, AT_EMPTY_PATH) < 0) {
		if (errno == EPERM)
			error_hint(err, "without privileges only the container's root, user %u, can have it", host_owner());
		return error_sys(err, errno, "give cgroup %s to user %u", path, uid);
	}
	for (char *f = strtok_r(files, "\n", &save); f; f = strtok_r(NULL, "\n", &save))
		if (!strchr(f, '/') && fchownat(dir, f, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return error_sys(err, errno, "give %s/%s to user %u", path, f, uid);
	return 0;
}

int cgroup_delegate(const struct cgroup *cg, uid_t uid, struct error *err)
{
	const struct hierarchy *h = cgroup_unified(cg);
	int r = h && hierarchy_open(h) == 0 ? v2_give(h->m->fd, h->m->path, uid, err) : 0;

	/* Nobody has asked for it by name, and the specification lets a runtime do without. */
	if (r == -EPERM && cg->rootless) {
		log_warning("%s: it stays user %u's, and the container's root can use it", err->msg, host_owner());
		error_clear(err);
		return 0;
	}
	return r;
}

/* --- one hierarchy --------------------------------------------------------------------- */

int cgroup_make(struct cgroup *cg, size_t index, const struct config_resources *res, struct error *err)
{
	struct hierarchy *h = &cg->h[index];
	uint32_t needed = limit_controllers(res);
	int r;

	if (cg->version == CGROUP_NONE)
		return 0;
	r = make_path(h, err);
	if (r == -EEXIST)
		undo_disown(cg);
	if ((r == -EACCES || r == -EPERM || r == -EROFS) && !limit_any(res) && (cg->rootless || host_in_userns())) {
		/* Nothing was asked for that needs a cgroup; engines name a path in any case. */
		if (cg->path_given)
			log_info("no cgroup for this container: %s", err->msg);
		else
			log_debug("no cgroup for this container: %s", err->msg);
		error_clear(err);
		cgroup_close(cg);
		cg->version = CGROUP_NONE;
		return 0;
	}
	if (r < 0)
		return r;
	if (!h->made && cg->manager == CGROUP_MANAGER_CGROUPFS)
		undo_mark(h->m->fd, false);
	if (h->unified) {
		/* On a hybrid host only what no v1 hierarchy has. */
		for (size_t i = 0; i < cg->count; i++)
			needed &= ~cg->h[i].controllers;
		v2_enable(h, cg->version == CGROUP_V2 ? UINT32_MAX : needed, needed);
		close_top(h);
		h->enter_fd = h->m->fd;
		return v2_settle_type(h, needed, err);
	}
	close_top(h);
	h->enter_fd = openat(h->m->fd, "tasks", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	return h->enter_fd < 0 ? error_sys(err, errno, "open %s/tasks", h->m->path) : 0;
}
