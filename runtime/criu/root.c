/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: criu builds the container's mounts on a root directory
 * that must be a mount point, whose parent nothing covers.  Such a mount would
 * stay on the host when something kills us, so criu gets a mount namespace of its
 * own: there a tmpfs covers the container's state directory, and in it is the
 * root.  The namespace goes with criu.
 *
 * criu does not make missing mount points.  They are made as create would make
 * them, with the bind mounts in place for a while, because one may be the place of
 * another.  What is below a filesystem that criu restores comes with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/criu/job.h"
#include "runtime/criu/mountinfo.h"
#include "runtime/mount/fs.h"
#include "runtime/mount/options.h"

#define ROOT_NAME "root"

static const char *state_path(const struct container *c)
{
	char buf[PATH_MAX];

	return arena_strdup(c->arena, path_of_fd(c->state_fd, buf, sizeof buf));
}

const char *root_mount_point(const struct container *c)
{
	return arena_printf(c->arena, "%s/" ROOT_NAME, state_path(c));
}

/* The directory again, through a mount of this namespace. */
static int reopen(const char *path, int like, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat want, have;

	if (fd < 0)
		return error_sys(err, errno, "open %s", path);
	if (fstat(fd, &have) < 0 || fstat(like, &want) < 0 || have.st_dev != want.st_dev || have.st_ino != want.st_ino)
		return error_set(err, ERR_SYSTEM, ESTALE, "%s was replaced during set-up", path);
	return fd_take(&fd);
}

/* Clone the root filesystem to the directory `root` below top; descriptor of the new mount. */
static int attach_root(struct container *c, int top, struct error *err)
{
	_cleanup_fd_ int source = reopen(c->rootfs, c->root_source_fd, err), tree = -1, target = -1;
	int r;

	if (source < 0)
		return source;
	tree = mount_clone(source, true, c->rootfs, err);
	if (tree < 0)
		return tree;
	target = openat(top, ROOT_NAME, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (target < 0)
		return error_sys(err, errno, "open criu's root directory");
	r = mount_attach(tree, target, "criu's root directory", err);
	return r < 0 ? r : fd_take(&tree);
}

/* Is it inside something that criu restores with its content, or that the kernel fills? */
static bool comes_by_itself(const struct container *c, size_t index)
{
	const struct config_mount *all = c->config->mounts;
	struct error ignored = { 0 };
	struct mount_options o;

	for (size_t i = 0; i < index; i++) {
		const char *rest = mountinfo_below(all[index].destination, all[i].destination);

		if (rest && *rest && mount_options_parse(&all[i], c->arena, &o, &ignored) == 0 && !o.bind && !o.remount)
			return true;
	}
	return false;
}

static int make_point(struct container *c, int root, const struct config_mount *m, struct error *err)
{
	_cleanup_fd_ int source = -1, tree = -1, target = -1;
	struct mount_options o;
	struct stat st = { .st_mode = S_IFDIR };
	int r = mount_options_parse(m, c->arena, &o, err);

	if (r < 0 || o.remount || o.copy_symlink)
		return r;
	if (o.bind) {
		const char *path = m->source[0] == '/' ? m->source : arena_printf(c->arena, "%s/%s", c->options.bundle, m->source);

		source = open(path, O_PATH | O_CLOEXEC);
		if (source < 0 || fstat(source, &st) < 0)
			return error_sys(err, errno, "open source \"%s\"", m->source);
	}
	target = S_ISDIR(st.st_mode) ? path_mkdir_in_root(root, m->destination, 0755)
				     : path_mkfile_in_root(root, m->destination, 0644, 0755);
	if (target < 0)
		return error_sys(err, -target, "make destination \"%s\"", m->destination);
	if (!o.bind)
		return 0;
	tree = mount_clone(source, false, m->source, err);
	return tree < 0 ? tree : mount_attach(tree, target, m->destination, err);
}

static int make_points(struct container *c, int root, struct error *err)
{
	for (size_t i = 0; i < c->config->mounts_count; i++) {
		int r = comes_by_itself(c, i) ? 0 : make_point(c, root, &c->config->mounts[i], err);

		if (r < 0) {
			error_path(err, "mounts[%zu]", i);
			return r;
		}
	}
	return 0;
}

static int build(struct container *c, struct error *err)
{
	static const char *data[] = { "mode=700", "size=4k" };
	struct mount_options o = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, .data = data, .data_count = 2 };
	_cleanup_fd_ int dir = reopen(state_path(c), c->state_fd, err), top = -1, first = -1, root = -1;
	int r;

	if (dir < 0)
		return dir;
	top = mount_new("tmpfs", "criu-root", &o, NULL, err);
	if (top < 0)
		return top;
	r = mount_attach(top, dir, "the state directory", err);
	if (r < 0)
		return r;
	if (mkdirat(top, ROOT_NAME, 0755) < 0)
		return error_sys(err, errno, "make criu's root directory");
	first = attach_root(c, top, err);
	if (first < 0)
		return first;
	r = make_points(c, first, err);
	if (r < 0)
		return r;
	if (fchdir(top) < 0 || umount2(ROOT_NAME, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return error_sys(err, errno, "take criu's root directory down");
	root = attach_root(c, top, err);
	return root < 0 ? root : 0;
}

/* By path: in this namespace the same directory is in another mount. */
static int hand_over(const struct root *root, const char *path, int like, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), same = reopen(path, like, err);
	int r;

	if (fd < 0 || same < 0)
		return same < 0 ? same : error_sys(err, errno, "open the directory %s", path);
	r = fd_send(root->sock, fd, "d", 1);
	return r < 0 ? error_sys(err, -r, "hand the directory %s over", path) : 0;
}

int root_prepare(void *data, struct error *err)
{
	const struct root *root = data;
	struct container *c = root->c;
	int r = 0;

	if (c->rt->cgroup_manager == CGROUP_MANAGER_CGROUPFS && cgroup_version(c->cgroup) == CGROUP_V1)
		r = cgroup_enter_self(c->cgroup, err);
	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0)
		return error_sys(err, errno, "make a mount namespace for criu");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_sys(err, errno, "isolate the mounts of criu's namespace");
	/* Before the working directory changes: the paths may be relative. */
	r = hand_over(root, root->job->image_path, root->job->image_fd, err);
	if (r == 0 && root->job->work_path)
		r = hand_over(root, root->job->work_path, root->job->work_fd, err);
	if (r == 0)
		r = build(c, err);
	if (r == 0 && chdir("/") < 0)
		r = error_sys(err, errno, "enter the root directory");
	return r;
}
