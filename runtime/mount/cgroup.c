/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: cgroup v2 with a cgroup namespace is a new cgroup2
 * mount, whose root is the namespace's root; without one it is a bind of the
 * container's own directory.  cgroup v1 is a tmpfs with one bind per hierarchy
 * (again the container's own directory, so no other group is ever visible) and
 * links for the controllers that share one.  Binds need no grace period of the
 * kernel and look the same with and without a namespace.
 */
#include "runtime/mount/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/mount/fs.h"

#define DIR_MODE 0755

/* A clone of the container's directory in one hierarchy, with the mount's flags. */
static int clone_own(const struct cgroup_mount *cm, const struct mount_options *o, struct error *err)
{
	_cleanup_fd_ int fd = open(cm->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int tree = -1;
	int r;

	if (fd < 0)
		return error_sys(err, errno, "open the container's cgroup %s", cm->path);
	tree = mount_clone(fd, false, cm->path, err);
	if (tree < 0)
		return tree;
	r = mount_apply(tree, o, err);
	return r < 0 ? r : fd_take(&tree);
}

static int unified(struct container *c, const struct cgroup_mount *cm, const struct config_mount *m,
	const struct mount_options *o, int target, struct error *err)
{
	_cleanup_fd_ int fd = -1;

	if (c->namespaces & CLONE_NEWCGROUP)
		fd = mount_new("cgroup2", "cgroup", o, NULL, err);
	if (fd < 0) {
		/* Not allowed to mount a new one in this user namespace: the bind shows the same. */
		error_clear(err);
		fd = clone_own(cm, o, err);
	}
	if (fd < 0)
		return fd;
	return mount_attach(fd, target, m->destination, err);
}

/* Without a cgroup of its own (manager "disabled") the process stays in the caller's: it sees the host's tree, and can
 * change nothing there. */
static int host_tree(const struct config_mount *m, const struct mount_options *o, int target, struct error *err)
{
	_cleanup_fd_ int fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC), tree = -1;
	int r;

	if (fd < 0)
		return error_sys(err, errno, "open the host's /sys/fs/cgroup");
	tree = mount_clone(fd, true, "/sys/fs/cgroup", err);
	if (tree < 0)
		return tree;
	r = mount_set(tree, true, o->attr_set | MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0)
		return error_sys(err, -r, "set the mount's flags");
	return mount_attach(tree, target, m->destination, err);
}

static int add_hierarchy(int dir, const struct cgroup_mount *cm, const struct mount_options *o, struct error *err)
{
	_cleanup_fd_ int tree = -1, target = -1;

	if (mkdirat(dir, cm->name, DIR_MODE) < 0)
		return error_sys(err, errno, "make the directory %s", cm->name);
	target = openat(dir, cm->name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (target < 0)
		return error_sys(err, errno, "open the directory %s", cm->name);
	tree = clone_own(cm, o, err);
	if (tree < 0)
		return tree;
	for (size_t i = 0; i < cm->links_count; i++)
		if (symlinkat(cm->name, dir, cm->links[i]) < 0 && errno != EEXIST)
			return error_sys(err, errno, "make the link %s", cm->links[i]);
	return mount_attach(tree, target, cm->name, err);
}

int mount_cgroup(struct container *c, const struct config_mount *m, const struct mount_options *o, struct error *err)
{
	struct mount_options tmpfs = { .attr_set = (o->attr_set & ~(uint64_t)MOUNT_ATTR_RDONLY) };
	const char *data[] = { "mode=755", "size=64k" };
	_cleanup_fd_ int target = -1, fd = -1;
	const struct cgroup_mount *mounts;
	size_t n = c->cgroup ? cgroup_mounts(c->cgroup, &mounts) : 0;
	int r;

	target = path_mkdir_in_root(c->root_fd, m->destination, DIR_MODE);
	if (target < 0)
		return error_sys(err, -target, "make destination \"%s\"", m->destination);
	if (n == 0)
		return host_tree(m, o, target, err);
	if (cgroup_version(c->cgroup) == CGROUP_V2)
		return unified(c, &mounts[0], m, o, target, err);
	tmpfs.data = data;
	tmpfs.data_count = 2;
	fd = mount_new("tmpfs", "cgroup", &tmpfs, mount_label(c->config, c->arena), err);
	if (fd < 0)
		return fd;
	/* Only what is attached can be a mount point. */
	r = mount_attach(fd, target, m->destination, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_hierarchy(fd, &mounts[i], o, err);
	return r < 0 ? r : mount_apply(fd, o, err);
}
