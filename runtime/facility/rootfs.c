/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: root and linux.rootfsPropagation.
 *
 * Nothing of what happens below may reach the host: first every mount of the
 * new namespace stops being shared.  Then the root filesystem becomes a mount
 * of its own, a recursive clone attached over its own directory, so that hooks
 * find it where the bundle says; everything later goes through its descriptor.
 * When all mounts are in place pivot_root(".", ".") swaps it with the old root,
 * which is then detached; no directory for the old root is needed.
 *
 * Without a mount namespace all of this happens among the host's mounts: nothing
 * of theirs is changed, the clone is private, chroot takes the place of the pivot,
 * and delete detaches the clone.
 *
 * With a user namespace the container side may not be able to reach the
 * bundle, so the host side makes the clone (open_tree(2)), which can be attached
 * in any mount namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/facility/facility.h"
#include "runtime/plan/root_mount.h"

#define MOUNTINFO_MAX (16u << 20)

static const struct {
	unsigned long flag;
	bool recursive;
	const char *name;
} propagations[] = {
	[CONFIG_PROPAGATION_NONE] = { MS_SLAVE, true, "rslave" },
	[CONFIG_PROPAGATION_SHARED] = { MS_SHARED, false, "shared" },
	[CONFIG_PROPAGATION_SLAVE] = { MS_SLAVE, false, "slave" },
	[CONFIG_PROPAGATION_PRIVATE] = { MS_PRIVATE, false, "private" },
	[CONFIG_PROPAGATION_UNBINDABLE] = { MS_UNBINDABLE, false, "unbindable" },
	[CONFIG_PROPAGATION_RSHARED] = { MS_SHARED, true, "rshared" },
	[CONFIG_PROPAGATION_RSLAVE] = { MS_SLAVE, true, "rslave" },
	[CONFIG_PROPAGATION_RPRIVATE] = { MS_PRIVATE, true, "rprivate" },
	[CONFIG_PROPAGATION_RUNBINDABLE] = { MS_UNBINDABLE, true, "runbindable" },
};

static bool wants_shared(const struct container *c)
{
	return propagations[c->config->linux->rootfs_propagation].flag == MS_SHARED;
}

static int set_attr(int fd, bool recursive, uint64_t set, uint64_t propagation)
{
	struct mount_attr attr = { .attr_set = set, .propagation = propagation };

	return mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) < 0 ? -errno : 0;
}

static int clone_tree(int fd, const char *rootfs, struct error *err)
{
	int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

	if (tree < 0 && errno == EPERM)
		error_hint(err, "without privileges a container needs a user namespace and a mount namespace: oci-rt spec --rootless "
			"writes such a configuration");
	return tree < 0 ? error_sys(err, errno, "clone the mount of the root filesystem %s", rootfs) : tree;
}

static int open_source(struct container *c, const struct step *s, struct error *err)
{
	int tree, r;

	(void)s;
	if (!c->host_opens)
		return 0;
	tree = clone_tree(c->root_source_fd, c->rootfs, err);
	if (tree < 0)
		return tree;
	close(c->root_source_fd);
	c->root_source_fd = tree;
	r = set_attr(tree, true, 0, wants_shared(c) ? MS_PRIVATE : MS_SLAVE);
	return r < 0 ? error_sys(err, -r, "isolate the mount of the root filesystem %s", c->rootfs) : 0;
}

/* The mount that holds fd becomes private, so that what is attached below it does not appear on the host. */
static int make_parent_private(int fd, const char *rootfs, struct error *err)
{
	_cleanup_fd_ int dir = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx here, up;

	if (dir < 0)
		return error_sys(err, errno, "open %s", rootfs);
	for (;;) {
		_cleanup_fd_ int parent = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (parent < 0 || statx(dir, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &here) < 0 ||
			statx(parent, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &up) < 0)
			return error_sys(err, errno, "find the mount of %s", rootfs);
		if (here.stx_mnt_id != up.stx_mnt_id || here.stx_ino == up.stx_ino) {
			int r = set_attr(dir, false, 0, MS_PRIVATE);

			return r < 0 ? error_sys(err, -r, "make the mount of %s private", rootfs) : 0;
		}
		close(dir);
		dir = fd_take(&parent);
	}
}

static int isolate(struct container *c, const struct step *s, struct error *err)
{
	unsigned long flag = propagations[c->config->linux->rootfs_propagation].flag;

	(void)s;
	/* A root that asks for no propagation at all must still not send any. */
	if (flag == MS_UNBINDABLE)
		flag = MS_PRIVATE;
	if (mount(NULL, "/", NULL, MS_REC | flag, NULL) < 0)
		return error_sys(err, errno, "isolate the mounts of the new mount namespace");
	return 0;
}

static int attach(struct container *c, const struct step *s, struct error *err)
{
	_cleanup_fd_ int dir = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int tree = -1;
	struct stat want, have;
	int r;

	(void)s;
	if (dir < 0 && c->host_opens && errno == EACCES)
		dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else if (dir >= 0 && (fstat(dir, &have) < 0 || fstat(c->root_source_fd, &want) < 0 ||
				     have.st_dev != want.st_dev || have.st_ino != want.st_ino))
		return error_set(err, ERR_SYSTEM, ESTALE, "the root filesystem %s was replaced during set-up", c->rootfs);
	if (dir < 0)
		return error_sys(err, errno, "open the root filesystem %s", c->rootfs);
	if (wants_shared(c) && !container_in_host_mounts(c)) {
		r = make_parent_private(dir, c->rootfs, err);
		if (r < 0)
			return r;
	}
	tree = c->host_opens ? fd_take(&c->root_source_fd) : clone_tree(dir, c->rootfs, err);
	if (tree < 0)
		return tree;
	if (move_mount(tree, "", dir, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_sys(err, errno, "attach the root filesystem %s", c->rootfs);
	c->root_fd = fd_take(&tree);
	/* On a shared mount it has become shared too: what is mounted in it later must not appear anywhere else. */
	if (container_in_host_mounts(c)) {
		r = set_attr(c->root_fd, true, 0, MS_PRIVATE);
		if (r < 0)
			return error_sys(err, -r, "isolate the mount of the root filesystem %s", c->rootfs);
	}
	return 0;
}

static int change_root(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	if (fchdir(c->root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_sys(err, errno, "change the root directory");
	return 0;
}

static int pivot(struct container *c, const struct step *s, struct error *err)
{
	_cleanup_fd_ int old = -1;

	(void)s;
	if (wants_shared(c)) {
		old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (old < 0)
			return error_sys(err, errno, "open the old root");
	}
	if (fchdir(c->root_fd) < 0)
		return error_sys(err, errno, "enter the root filesystem");
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		int r = error_sys(err, errno, "pivot to the root filesystem");

		if (r == -EINVAL)
			error_hint(err, "the host's root is a ramfs (initrd)? pivot_root cannot leave it: use --no-pivot");
		return r;
	}
	/* The old root is on top of the new one now.  If it is shared its unmounting must not reach the host. */
	if (old >= 0 && set_attr(old, true, 0, MS_SLAVE) < 0)
		return error_sys(err, errno, "isolate the old root");
	if (umount2(".", MNT_DETACH) < 0)
		return error_sys(err, errno, "detach the old root");
	if (chdir("/") < 0)
		return error_sys(err, errno, "enter the new root");
	return 0;
}

/* Is path the directory, or below it? */
static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0' || dir[n - 1] == '/');
}

/*
 * The old root stays in the mount namespace, and with it the host's procfs and sysfs, of which nothing is masked.  The
 * kernel lets a new user namespace mount such a filesystem when one that is fully visible is there already, so these
 * go, or are covered.
 */
static int hide_kernel_mounts(struct container *c, struct error *err)
{
	char self[32] = "", path[64], *text, *point, *type;
	size_t len;
	int r;

	/* Nothing of it may reach the host. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_sys(err, errno, "isolate the old root");
	if (readlinkat(c->proc_fd, "self", self, sizeof self - 1) < 0)
		return error_sys(err, errno, "find this process in the host's procfs");
	snprintf(path, sizeof path, "%s/mountinfo", self);
	r = proc_read(c->proc_fd, path, c->arena, MOUNTINFO_MAX, &text, &len, err);
	if (r < 0)
		return r;
	while ((point = proc_next_mount(&text, &type))) {
		if ((strcmp(type, "proc") != 0 && strcmp(type, "sysfs") != 0) || is_below(point, c->rootfs))
			continue;
		if (umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == ENOENT)
			continue;
		/* One that a user namespace may not take away. */
		if (mount("tmpfs", point, "tmpfs", 0, NULL) < 0 && errno != ENOENT)
			return error_sys(err, errno, "hide %s of the old root", point);
	}
	return 0;
}

static int move_to_root(struct container *c, const struct step *s, struct error *err)
{
	int r = hide_kernel_mounts(c, err);

	(void)s;
	if (r < 0)
		return r;
	if (fchdir(c->root_fd) < 0)
		return error_sys(err, errno, "enter the root filesystem");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return error_sys(err, errno, "move the root filesystem over /");
	if (chroot(".") < 0 || chdir("/") < 0)
		return error_sys(err, errno, "change the root directory");
	return 0;
}

static int set_propagation(struct container *c, const struct step *s, struct error *err)
{
	enum config_propagation p = c->config->linux->rootfs_propagation;
	int r = set_attr(c->root_fd, propagations[p].recursive, 0, propagations[p].flag);

	(void)s;
	return r < 0 ? error_sys(err, -r, "make the root mount %s", propagations[p].name) : 0;
}

static int make_readonly(struct container *c, const struct step *s, struct error *err)
{
	int r = set_attr(c->root_fd, false, MOUNT_ATTR_RDONLY, 0);

	(void)s;
	return r < 0 ? error_sys(err, -r, "make the root filesystem read-only") : 0;
}

/* Open the directory once; from here on it is a descriptor. */
static int open_rootfs(struct container *c, struct error *err)
{
	const char *path = c->config->root->path;
	char buf[PATH_MAX];

	c->root_source_fd = openat(c->bundle_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->root_source_fd < 0) {
		int e = errno;

		error_path(err, "root.path");
		if (e == ENOENT)
			return error_set(err, ERR_CONFIG, ENOENT, "the root filesystem \"%s\" is not there (bundle %s)", path,
				c->options.bundle);
		return error_sys(err, e, "open the root filesystem \"%s\" (bundle %s)", path, c->options.bundle);
	}
	if (snprintf(buf, sizeof buf, "/proc/self/fd/%d", c->root_source_fd) > 0) {
		char target[PATH_MAX];
		ssize_t n = readlink(buf, target, sizeof target - 1);

		if (n < 0)
			return error_sys(err, errno, "find the path of the root filesystem");
		target[n] = '\0';
		c->rootfs = arena_strdup(c->arena, target);
	}
	return 0;
}

int rootfs_plan(struct container *c, struct error *err)
{
	struct plan *p = &c->plan;
	struct step *s;
	int r = open_rootfs(c, err);

	if (r < 0)
		return r;
	s = plan_add(p, STAGE_HOST, "rootfs", "root.path", open_source, NULL);
	step_text(p, s, "open the root filesystem %s", c->rootfs);
	if (!container_in_host_mounts(c)) {
		s = plan_add(p, STAGE_ROOT, "rootfs", "linux.rootfsPropagation", isolate, NULL);
		step_text(p, s, "stop sharing the mounts of the new mount namespace");
	}
	s = plan_add(p, STAGE_ROOT, "rootfs", "root.path", attach, NULL);
	step_text(p, s, "make %s a mount of its own", c->rootfs);
	if (container_in_host_mounts(c)) {
		r = root_mount_undo_arg(c->root_source_fd, c->rootfs, c->arena, &s->undo_arg, err);
		if (r < 0)
			return r;
		s->undo = "root";
		if (c->mode != CONTAINER_EXPLAIN)
			log_warning("linux.namespaces has no mount namespace: the container is among the host's mounts");
		s = plan_add(p, STAGE_PIVOT, "rootfs", "root.path", change_root, NULL);
		step_text(p, s, "change the root directory");
	} else if (c->options.no_pivot) {
		if (c->mode != CONTAINER_EXPLAIN)
			log_warning("--no-pivot: the host's root stays reachable for a process that can leave a chroot");
		s = plan_add(p, STAGE_PIVOT, "rootfs", "root.path", move_to_root, NULL);
		step_text(p, s, "move the root filesystem over / and change the root directory");
	} else {
		s = plan_add(p, STAGE_PIVOT, "rootfs", "root.path", pivot, NULL);
		step_text(p, s, "pivot to the root filesystem and detach the old root");
	}
	if (c->config->linux->rootfs_propagation) {
		s = plan_add(p, STAGE_SETTLE, "rootfs", "linux.rootfsPropagation", set_propagation, NULL);
		step_text(p, s, "make the root mount %s", propagations[c->config->linux->rootfs_propagation].name);
	}
	if (c->config->root->readonly) {
		s = plan_add(p, STAGE_SETTLE, "rootfs", "root.readonly", make_readonly, NULL);
		step_text(p, s, "make the root filesystem read-only");
	}
	return 0;
}
