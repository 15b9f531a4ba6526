/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.maskedPaths and linux.readonlyPaths.
 *
 * A path that is not there needs nothing, so it is looked up first: every
 * failed mount would cost a grace period of the kernel.  A masked directory
 * shows an empty read-only tmpfs, one superblock for all of them; a masked file
 * shows a null device.  The device is the host's, cloned while the host's /dev is
 * still there and checked to be one: nothing of the container's rootfs is used.
 * A read-only path gets a clone of itself, read-only before it is attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/facility/facility.h"
#include "runtime/mount/fs.h"

struct sources {
	int null, empty;
};

static int open_null(struct sources *src, struct error *err)
{
	struct stat st;

	if (src->null >= 0)
		return 0;
	src->null = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (src->null < 0)
		return error_sys(err, errno, "open the host's /dev/null");
	if (fstat(src->null, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return error_set(err, ERR_UNSUPPORTED, ENODEV, "the host's /dev/null is not the null device");
	return 0;
}

static int mask_file(struct sources *src, int target, const char *path, struct error *err)
{
	_cleanup_fd_ int tree = -1;
	int r = open_null(src, err);

	if (r < 0)
		return r;
	tree = mount_clone(src->null, false, "/dev/null", err);
	return tree < 0 ? tree : mount_attach(tree, target, path, err);
}

static int mask_dir(struct container *c, struct sources *src, int target, const char *path, struct error *err)
{
	static const char *data[] = { "nr_inodes=1", "mode=755" };
	struct mount_options o = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.data = data, .data_count = 2 };
	_cleanup_fd_ int tree = -1;

	if (src->empty < 0) {
		src->empty = mount_new("tmpfs", "tmpfs", &o, mount_label(c->config, c->arena), err);
		if (src->empty < 0)
			return src->empty;
		/* The first attachment is the mount itself; the others are clones of it. */
		return mount_attach(src->empty, target, path, err);
	}
	tree = mount_clone(src->empty, false, path, err);
	return tree < 0 ? tree : mount_attach(tree, target, path, err);
}

static int mask_all(struct container *c, const struct step *s, struct error *err)
{
	struct sources *src = (struct sources *)s->data;
	const struct config_linux *l = c->config->linux;

	for (size_t i = 0; i < l->masked_paths_count; i++) {
		_cleanup_fd_ int target = path_open_in_root(c->root_fd, l->masked_paths[i], O_PATH);
		struct stat st;
		int r;

		if (target == -ENOENT || target == -ENOTDIR)
			continue;
		if (target < 0 || fstat(target, &st) < 0)
			r = error_sys(err, target < 0 ? -target : errno, "open \"%s\"", l->masked_paths[i]);
		else if (S_ISDIR(st.st_mode))
			r = mask_dir(c, src, target, l->masked_paths[i], err);
		else
			r = mask_file(src, target, l->masked_paths[i], err);
		if (r < 0) {
			error_path(err, "linux.maskedPaths[%zu]", i);
			return error_wrap(err, "mask \"%s\"", l->masked_paths[i]);
		}
	}
	return 0;
}

static int make_readonly(struct container *c, const char *path, struct error *err)
{
	_cleanup_fd_ int target = path_open_in_root(c->root_fd, path, O_PATH), tree = -1;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return error_sys(err, -target, "open \"%s\"", path);
	tree = mount_clone(target, true, path, err);
	if (tree < 0)
		return tree;
	r = mount_set(tree, true, MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0)
		return error_sys(err, -r, "set the mount's flags");
	return mount_attach(tree, target, path, err);
}

static int readonly_all(struct container *c, const struct step *s, struct error *err)
{
	const struct config_linux *l = c->config->linux;

	(void)s;
	for (size_t i = 0; i < l->readonly_paths_count; i++) {
		if (make_readonly(c, l->readonly_paths[i], err) < 0) {
			error_path(err, "linux.readonlyPaths[%zu]", i);
			return error_wrap(err, "make \"%s\" read-only", l->readonly_paths[i]);
		}
	}
	return 0;
}

int mask_plan(struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	struct plan *p = &c->plan;
	struct step *s;

	(void)err;
	if (l->readonly_paths_count) {
		s = plan_add(p, STAGE_MASK, "mask", "linux.readonlyPaths", readonly_all, NULL);
		step_text(p, s, "make %zu paths read-only", l->readonly_paths_count);
	}
	if (l->masked_paths_count) {
		struct sources *src = arena_new(c->arena, struct sources);

		src->null = src->empty = -1;
		s = plan_add(p, STAGE_MASK, "mask", "linux.maskedPaths", mask_all, src);
		step_text(p, s, "mask %zu paths", l->masked_paths_count);
	}
	return 0;
}
