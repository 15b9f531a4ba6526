/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: mount(2) takes one page of options, and an image with
 * many layers has more.  So: mount(2) when the options fit; else fsconfig(2)
 * with one call per layer ("lowerdir+", Linux 6.7; by descriptor 6.13); else,
 * on an older kernel, the layers' common directory becomes the working
 * directory and the names are written relative to it, which makes them short.
 *
 * With an id map it is the layers that are mapped (Linux 5.19), which takes a mount of each, and
 * overlay wants to find them in its mount namespace.  So the helper process makes a namespace of
 * its own, in it a directory of mapped layers and the overlay over them, and takes only the overlay back.
 * Nothing of it can be left behind, and the names are short whatever the number of layers.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/mount.h"

#define FSCONFIG_STRING_MAX 255
/* Where mapped layers are gathered, unseen by others: a directory that every machine has and no layer is in. */
#define WORKSHOP "/sys"

static const char *join_data(const struct mount_options *o, struct arena *a)
{
	char *text = arena_alloc(a, o->data_len + 1), *p = text;

	for (size_t i = 0; i < o->data_count; i++) {
		if (i)
			*p++ = ',';
		p = stpcpy(p, o->data[i]);
	}
	return text;
}

static unsigned int attr_of(unsigned long flags)
{
	static const struct {
		unsigned long ms;
		unsigned int attr;
	} map[] = {
		{MS_RDONLY, MOUNT_ATTR_RDONLY},
		{MS_NOSUID, MOUNT_ATTR_NOSUID},
		{MS_NODEV, MOUNT_ATTR_NODEV},
		{MS_NOEXEC, MOUNT_ATTR_NOEXEC},
		{MS_NOATIME, MOUNT_ATTR_NOATIME},
		{MS_STRICTATIME, MOUNT_ATTR_STRICTATIME},
		{MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
	};
	unsigned int attr = 0;

	for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
		if (flags & map[i].ms)
			attr |= map[i].attr;
	}
	return attr;
}

/* One layer: by name when it is short enough, else by descriptor. */
static int add_layer(int fs, const char *path)
{
	_cleanup_fd_ int fd = -1;

	if (strlen(path) <= FSCONFIG_STRING_MAX)
		return fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", path, 0) < 0 ? -errno : 0;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, fd) < 0 ? -errno : 0;
}

static int set_option(int fs, const char *option, struct arena *a)
{
	char *name = arena_strdup(a, option), *value = strchr(name, '='), *layer;
	int r = 0;

	if (!value)
		return fsconfig(fs, FSCONFIG_SET_FLAG, name, NULL, 0) < 0 ? -errno : 0;
	*value++ = '\0';
	if (strcmp(name, "lowerdir") != 0)
		return fsconfig(fs, FSCONFIG_SET_STRING, name, value, 0) < 0 ? -errno : 0;
	while (r == 0 && (layer = strsep(&value, ":")))
		r = add_layer(fs, layer);
	return r;
}

static int by_fsconfig(const struct mount_options *o, const char *source, const char *target, struct arena *a)
{
	_cleanup_fd_ int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	_cleanup_fd_ int fd = -1;
	int r = fs < 0 ? -errno : 0;

	if (r == 0 && fsconfig(fs, FSCONFIG_SET_STRING, "source", *source ? source : "overlay", 0) < 0)
		r = -errno;
	for (size_t i = 0; i < o->data_count && r == 0; i++)
		r = set_option(fs, o->data[i], a);
	if (r == 0 && (o->flags & MS_RDONLY) && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		r = -errno;
	if (r == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	if (r < 0)
		return r;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attr_of(o->flags));
	if (fd < 0 || move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* Length of the directory part that all layers share, without its last slash. */
static size_t common_directory(const char *list)
{
	const char *end = strchrnul(list, ':');
	size_t common = (size_t)(end - list);

	for (const char *p = list; *p; p = *end ? end + 1 : end) {
		size_t i = 0;

		end = strchrnul(p, ':');
		while (i < common && p + i < end && p[i] == list[i])
			i++;
		common = i;
	}
	while (common > 0 && list[common] != '/')
		common--;
	if (common > 0)
		return common;
	return 0;
}

static int by_relative_names(const struct mount_options *o, const char *source, const char *target, struct arena *a)
{
	struct mount_options relative = *o;
	const char *lower = NULL;
	size_t common, at = 0;
	char *text, *to;

	relative.data = arena_array(a, const char *, o->data_count + 1);
	for (size_t i = 0; i < o->data_count; i++) {
		relative.data[i] = o->data[i];
		if (strncmp(o->data[i], "lowerdir=", 9) == 0) {
			lower = o->data[i] + 9;
			at = i;
		}
	}
	common = lower ? common_directory(lower) : 0;
	if (!common)
		return -E2BIG;
	to = text = arena_alloc(a, strlen(lower) + 10);
	to = stpcpy(to, "lowerdir=");
	for (const char *p = lower; *p;) {
		size_t n = strcspn(p, ":");

		to = mempcpy(to, p + common + 1, n - common - 1);
		p += n;
		if (*p)
			*to++ = *p++;
	}
	relative.data[at] = text;
	relative.data_len = o->data_len; /* an upper bound */
	if (chdir(arena_strndup(a, lower, common)) < 0)
		return -errno;
	if (mount(source, target, "overlay", o->flags, join_data(&relative, a)) < 0)
		return errno == EINVAL && strlen(text) > 4000 ? -E2BIG : -errno;
	return 0;
}

/* One layer, mapped, as the directory `name` of the working directory. */
static int map_layer(const char *layer, const char *name, int userns, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	int r;

	fd = (int)syscall(SYS_open_tree, AT_FDCWD, layer, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "clone the mount of layer %s", layer);
	r = idmap_mount(fd, userns, err);
	if (r < 0)
		return error_wrap(err, "layer %s", layer), r;
	if (mkdir(name, 0700) < 0 || move_mount(fd, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_sys(err, errno, "attach the mapped layer %s", layer);
	return 0;
}

/* The options with lowerdir= replaced by the names of the mapped layers. */
static int map_layers(
	const struct mount_options *o, struct mount_options *mapped, int userns, struct arena *a, struct error *err)
{
	int r = 0, n = 0;

	*mapped = *o;
	mapped->data = arena_array(a, const char *, o->data_count + 1);
	for (size_t i = 0; i < o->data_count && r == 0; i++) {
		char *list, *layer, *text, *to;

		mapped->data[i] = o->data[i];
		if (strncmp(o->data[i], "lowerdir=", 9) != 0)
			continue;
		list = arena_strdup(a, o->data[i] + 9);
		/* no name is longer than three digits, no layer's shorter than "/" */
		text = arena_alloc(a, strlen(list) * 3 + 16);
		to = stpcpy(text, "lowerdir=");
		while (r == 0 && (layer = strsep(&list, ":"))) {
			char name[16];

			snprintf(name, sizeof name, "%d", n++);
			to += sprintf(to, "%s%s", to[-1] == '=' ? "" : ":", name);
			r = map_layer(layer, name, userns, err);
		}
		mapped->data[i] = text;
		mapped->data_len += strlen(text);
	}
	return r;
}

/* In a mount namespace of our own: a detached mount of the overlay over mapped layers. */
static int make_mapped(
	const struct mount_options *o, const char *source, int userns, struct arena *a, struct error *err)
{
	struct mount_options mapped;
	int r, fd;

	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		mount("layers", WORKSHOP, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") < 0 || chdir(WORKSHOP) < 0 ||
		mkdir("merged", 0700) < 0)
		return error_sys(err, errno, "make a place for mapped layers");
	r = map_layers(o, &mapped, userns, a, err);
	if (r < 0)
		return r;
	if (mount(source, "merged", "overlay", o->flags, join_data(&mapped, a)) < 0)
		return error_sys(err, errno, "mount overlay over mapped layers");
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, "merged", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "take the overlay over mapped layers") : fd;
}

static int with_idmap(
	const struct mount_options *o, const char *source, const char *target, struct arena *a, struct error *err)
{
	_cleanup_fd_ int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int userns = -1, fd = -1;

	userns = idmap_namespace(o->uidmap, o->gidmap, err);
	if (userns < 0)
		return userns;
	if (home < 0 || root < 0 || cwd < 0 || unshare(CLONE_NEWNS) < 0)
		return error_sys(err, errno, "make a mount namespace for mapped layers");
	fd = make_mapped(o, source, userns, a, err);
	if (fd < 0)
		return fd;
	/* setns() makes the namespace's own root ours */
	if (setns(home, CLONE_NEWNS) < 0 || fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0)
		return error_sys(err, errno, "return to the mount namespace");
	if (move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_sys(err, errno, "attach the overlay to %s", target);
	return 0;
}

int overlay_mount(
	const struct mount_options *o, const char *source, const char *target, struct arena *a, struct error *err)
{
	int r;

	if (o->uidmap || o->gidmap)
		return with_idmap(o, source, target, a, err);
	if (o->data_len < (size_t)sysconf(_SC_PAGESIZE)) {
		if (mount(source, target, "overlay", o->flags, join_data(o, a)) == 0)
			return 0;
		return error_sys(err, errno, "mount overlay on %s", target);
	}
	r = by_fsconfig(o, source, target, a);
	if (r == -EINVAL || r == -ENOSYS)
		r = by_relative_names(o, source, target, a);
	return r < 0 ? error_sys(err, -r, "mount overlay with %zu bytes of options on %s", o->data_len, target) : 0;
}
