/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see mount.h.  One classic mount(2) per entry; overlay has its own file. */
#include "shim/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

static const struct flag {
	const char *name;
	bool clear;
	unsigned long flag;
} flag_table[] = {
	{"async", true, MS_SYNCHRONOUS},
	{"atime", true, MS_NOATIME},
	{"bind", false, MS_BIND},
	{"defaults", false, 0},
	{"dev", true, MS_NODEV},
	{"diratime", true, MS_NODIRATIME},
	{"dirsync", false, MS_DIRSYNC},
	{"exec", true, MS_NOEXEC},
	{"mand", false, MS_MANDLOCK},
	{"noatime", false, MS_NOATIME},
	{"nodev", false, MS_NODEV},
	{"nodiratime", false, MS_NODIRATIME},
	{"noexec", false, MS_NOEXEC},
	{"nomand", true, MS_MANDLOCK},
	{"norelatime", true, MS_RELATIME},
	{"nostrictatime", true, MS_STRICTATIME},
	{"nosuid", false, MS_NOSUID},
	{"rbind", false, MS_BIND | MS_REC},
	{"relatime", false, MS_RELATIME},
	{"remount", false, MS_REMOUNT},
	{"ro", false, MS_RDONLY},
	{"rw", true, MS_RDONLY},
	{"strictatime", false, MS_STRICTATIME},
	{"suid", true, MS_NOSUID},
	{"sync", false, MS_SYNCHRONOUS},
};

static const struct flag propagation_table[] = {
	{"private", false, MS_PRIVATE},
	{"rprivate", false, MS_PRIVATE | MS_REC},
	{"shared", false, MS_SHARED},
	{"rshared", false, MS_SHARED | MS_REC},
	{"slave", false, MS_SLAVE},
	{"rslave", false, MS_SLAVE | MS_REC},
	{"unbindable", false, MS_UNBINDABLE},
	{"runbindable", false, MS_UNBINDABLE | MS_REC},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct flag *find_flag(const struct flag *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

void mount_options_parse(struct mount_options *o, char *const *options, size_t count, struct arena *a)
{
	*o = (struct mount_options){.data = arena_array(a, const char *, count + 1), .autoclear = true};
	for (size_t i = 0; i < count; i++) {
		const struct flag *f = find_flag(flag_table, COUNT(flag_table), options[i]);

		if (f) {
			o->flags = f->clear ? o->flags & ~f->flag : o->flags | f->flag;
			continue;
		}
		f = find_flag(propagation_table, COUNT(propagation_table), options[i]);
		if (f)
			o->propagation = f->flag;
		else if (strcmp(options[i], "loop") == 0)
			o->loop = true;
		else if (strcmp(options[i], "loop-direct-io") == 0 || strcmp(options[i], "direct-io") == 0)
			o->loop_direct_io = true;
		else if (strncmp(options[i], "uidmap=", 7) == 0)
			o->uidmap = options[i] + 7;
		else if (strncmp(options[i], "gidmap=", 7) == 0)
			o->gidmap = options[i] + 7;
		else if (*options[i]) {
			o->data[o->data_count++] = options[i];
			o->data_len += strlen(options[i]) + 1;
		}
	}
}

static const char *join(const struct mount_options *o, struct arena *a)
{
	char *text = arena_alloc(a, o->data_len + 1), *p = text;

	for (size_t i = 0; i < o->data_count; i++) {
		if (i)
			*p++ = ',';
		p = stpcpy(p, o->data[i]);
	}
	return text;
}

/* Give a mount that was just made an id map: clone it, map the clone, put it in place of the original. */
static int apply_idmap(const struct mount_options *o, const char *target, struct error *err)
{
	_cleanup_fd_ int fd = -1, ns = -1;
	int r;

	if (!o->uidmap && !o->gidmap)
		return 0;
	ns = idmap_namespace(o->uidmap, o->gidmap, err);
	if (ns < 0)
		return ns;
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "clone the mount at %s", target);
	r = idmap_mount(fd, ns, err);
	if (r < 0)
		return r;
	if (umount2(target, MNT_DETACH) < 0)
		return error_sys(err, errno, "replace the mount at %s", target);
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_sys(err, errno, "attach the idmapped mount at %s", target);
	return 0;
}

/* Filesystems of user space: mount.fuse <source> <target> -o <options> -t <type>. */
static int mount_by_helper(
	const Task__Mount *m, const struct mount_options *o, const char *target, struct arena *a, struct error *err)
{
	const char *helper = strncmp(m->type, "fuse3.", 6) == 0 ? "/sbin/mount.fuse3" : "/sbin/mount.fuse";
	const char *argv[] = {helper, m->source, target, "-o",
		arena_printf(a, "%s%s%s", o->flags & MS_RDONLY ? "ro" : "rw", o->data_count ? "," : "", join(o, a)),
		"-t", strchr(m->type, '.') + 1, NULL};
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return error_sys(err, errno, "start %s", helper);
	if (pid == 0) {
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return error_set(err, ERR_SYSTEM, EIO, "%s failed to mount %s", helper, m->source);
	return 0;
}

static int mount_one(const Task__Mount *m, const char *target, struct arena *a, struct error *err)
{
	_cleanup_fd_ int loop = -1;
	struct mount_options o;
	const char *source = m->source, *data;
	char device[32];
	unsigned long first;
	int r;

	mount_options_parse(&o, m->options, m->n_options, a);
	if (strncmp(m->type, "fuse.", 5) == 0 || strncmp(m->type, "fuse3.", 6) == 0)
		return mount_by_helper(m, &o, target, a, err);
	if (o.loop) {
		loop = loop_attach(source, o.flags & MS_RDONLY, o.loop_direct_io, device, err);
		if (loop < 0)
			return loop;
		source = device;
	}
	if (strcmp(m->type, "overlay") == 0)
		return overlay_mount(&o, source, target, a, err);
	/* A bind mount takes over no flag but MS_REC; the rest needs a remount. */
	first = o.flags & MS_BIND ? o.flags & (MS_BIND | MS_REC) : o.flags;
	data = o.data_count && !(o.flags & MS_BIND) ? join(&o, a) : NULL;
	r = mount(source, target, m->type, first, data);
	if (r < 0 && errno == ENOTBLK && loop < 0) { /* erofs before Linux 6.12 wants a device */
		loop = loop_attach(source, true, false, device, err);
		if (loop < 0)
			return loop;
		source = device;
		r = mount(source, target, m->type, first, data);
	}
	if (r < 0)
		return error_sys(err, errno, "mount %s (%s) on %s", source, m->type, target);
	if ((o.flags & MS_BIND) && (o.flags & ~(unsigned long)(MS_BIND | MS_REC)) &&
		mount(NULL, target, NULL, (o.flags & ~(unsigned long)MS_REC) | MS_REMOUNT, NULL) < 0)
		return error_sys(err, errno, "remount %s with its options", target);
	if (o.propagation && mount(NULL, target, NULL, o.propagation, NULL) < 0)
		return error_sys(err, errno, "set the propagation of %s", target);
	return apply_idmap(&o, target, err);
}

/* `target` of a mount: a path below rootfs that image content may have shaped. */
static int resolve_target(
	const char *rootfs, const char *sub, struct arena *a, const char **target, int *hold, struct error *err)
{
	_cleanup_fd_ int root = -1;
	int fd;

	*target = rootfs;
	if (!sub || !*sub || strcmp(sub, "/") == 0)
		return 0;
	root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, errno, "open %s", rootfs);
	fd = path_mkdir_in_root(root, sub, 0711);
	if (fd < 0)
		return error_sys(err, -fd, "make %s below %s", sub, rootfs);
	*hold = fd;
	*target = arena_printf(a, "/proc/self/fd/%d", fd);
	return 0;
}

int rootfs_mount(Task__Mount *const *mounts, size_t count, const char *rootfs, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	int r = 0;

	if (mkdir(rootfs, 0711) < 0 && errno != EEXIST)
		return error_sys(err, errno, "make %s", rootfs);
	for (size_t i = 0; i < count && r == 0; i++) {
		_cleanup_fd_ int hold = -1;
		const char *target;

		r = resolve_target(rootfs, mounts[i]->target, &a, &target, &hold, err);
		if (r == 0)
			r = mount_one(mounts[i], target, &a, err);
		if (r < 0)
			error_wrap(err, "rootfs[%zu]", i);
	}
	if (r < 0)
		rootfs_unmount(rootfs, NULL);
	return r;
}

int rootfs_unmount(const char *rootfs, struct error *err)
{
	/* Most often there is one mount with nothing below it. */
	for (int i = 0; i < 1000; i++) {
		if (umount2(rootfs, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT)
			return 0;
		if (errno == EBUSY && umount2(rootfs, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
			continue;
		return error_sys(err, errno, "unmount %s", rootfs);
	}
	return error_sys(err, EBUSY, "unmount %s", rootfs);
}
