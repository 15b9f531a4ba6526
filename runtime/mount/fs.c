/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: fsopen, fsconfig, fsmount, open_tree, mount_setattr and
 * move_mount (Linux 5.2; mount_setattr 5.12).  There is no fallback to mount(2)
 * with a later remount: where the calls are missing the runtime refuses.
 */
#include "runtime/mount/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define FSCONFIG_VALUE_MAX 255

/* The kernel explains a refused option in a log behind the filesystem context's descriptor. */
static void kernel_message(int fs, struct error *err)
{
	char buf[256];
	ssize_t n = read(fs, buf, sizeof buf - 1);
	size_t len = strlen(err->msg);

	if (n <= 0)
		return;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	/* "e text": the first letter is the level. */
	snprintf(err->msg + len, sizeof err->msg - len, " (%s)", buf[1] == ' ' ? buf + 2 : buf);
}

static int configure_one(int fs, const char *option, struct error *err)
{
	char key[256];
	const char *value = strchr(option, '=');
	size_t n = value ? (size_t)(value - option) : strlen(option);
	int r;

	if (n >= sizeof key)
		return error_set(err, ERR_CONFIG, EINVAL, "option \"%.40s...\" is too long", option);
	memcpy(key, option, n);
	key[n] = '\0';
	r = value ? fsconfig(fs, FSCONFIG_SET_STRING, key, value + 1, 0)
		  : fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
	if (r < 0) {
		r = error_sys(err, errno, "option \"%s\"", option);
		kernel_message(fs, err);
	}
	return r;
}

static int configure_super(int fs, const struct mount_options *o, const char *type, struct error *err)
{
	static const struct {
		unsigned int bit;
		const char *set, *clear;
	} flags[] = {
		{ MOUNT_SUPER_SYNC, "sync", "async" },
		{ MOUNT_SUPER_DIRSYNC, "dirsync", NULL },
		{ MOUNT_SUPER_LAZYTIME, "lazytime", "nolazytime" },
		{ MOUNT_SUPER_MAND, "mand", "nomand" },
	};
	/* Kernel-internal filesystems have one superblock for all their mounts: read-only is the mount's business. */
	static const char *const shared[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2", "devpts", "tmpfs" };
	bool ro = o->readonly;

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		const char *name = o->super_set & flags[i].bit ? flags[i].set
				   : o->super_clear & flags[i].bit ? flags[i].clear : NULL;

		if (name && fsconfig(fs, FSCONFIG_SET_FLAG, name, NULL, 0) < 0)
			return error_sys(err, errno, "option \"%s\"", name);
	}
	for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
		if (strcmp(shared[i], type) == 0)
			ro = false;
	if (ro && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return error_sys(err, errno, "option \"ro\"");
	return 0;
}

#define LABEL_ANNOTATION "run.oci.mount_context_type"

const char *mount_label(const struct config *config, struct arena *a)
{
	const char *type = config_map_get(&config->annotations, LABEL_ANNOTATION), *label = config->linux->mount_label;

	return label ? arena_printf(a, "%s=%s", type ? type : "context", label) : NULL;
}

int mount_label_check(const struct config *config, struct error *err)
{
	static const char *const types[] = { "context", "fscontext", "defcontext", "rootcontext" };
	const char *type = config_map_get(&config->annotations, LABEL_ANNOTATION);

	for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
		if (strcmp(type, types[i]) == 0)
			return 0;
	if (!type)
		return 0;
	error_path(err, "annotations[\"" LABEL_ANNOTATION "\"]");
	return error_set(err, ERR_CONFIG, EINVAL, "expected context, fscontext, defcontext or rootcontext, found \"%s\"", type);
}

/* What shows a namespace belongs to who owns that; in a user namespace one that was only inherited is not ours. */
static void hint_namespace(const char *type, struct error *err)
{
	if (strcmp(type, "sysfs") == 0)
		error_hint(err, "in a user namespace sysfs needs a new network namespace too: add {\"type\": \"network\"}, or bind /sys");
	else if (strcmp(type, "mqueue") == 0)
		error_hint(err, "in a user namespace mqueue needs a new ipc namespace too: add {\"type\": \"ipc\"}");
	else if (strcmp(type, "proc") == 0)
		error_hint(err, "in a user namespace proc needs a new pid namespace too: add {\"type\": \"pid\"}");
}

int mount_new(const char *type, const char *source, const struct mount_options *o, const char *label, struct error *err)
{
	_cleanup_fd_ int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd, r;

	if (fs < 0) {
		if (errno == ENODEV) {
			error_hint(err, "if a directory was meant, add the option \"bind\"");
			return error_set(err, ERR_CONFIG, ENODEV, "unknown filesystem type \"%s\"", type);
		}
		if (errno == EPERM)
			hint_namespace(type, err);
		return error_sys(err, errno, "open a new %s filesystem", type);
	}
	if (source && *source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return error_sys(err, errno, "source \"%s\"", source);
	r = configure_super(fs, o, type, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < o->data_count; i++) {
		r = configure_one(fs, o->data[i], err);
		if (r < 0)
			return r;
	}
	r = label ? configure_one(fs, label, err) : 0;
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		if (errno == EINVAL && label && strncmp(label, "context=", 8) != 0)
			error_hint(err, "SELinux does not take every kind of context for every filesystem: \"%s\" may be the reason", label);
		else if (errno == EPERM)
			hint_namespace(type, err);
		r = error_sys(err, errno, "create the %s filesystem", type);
		kernel_message(fs, err);
		return r;
	}
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)o->attr_set);
	if (fd < 0)
		return error_sys(err, errno, "mount the %s filesystem", type);
	return fd;
}

int mount_clone(int fd, bool recursive, const char *path, struct error *err)
{
	int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0));

	if (tree < 0) {
		int e = errno;

		if (e == EINVAL && !recursive)
			error_hint(err, "mounts of a parent namespace below it must stay: use rbind");
		return error_sys(err, e, "clone the mount of \"%s\"", path);
	}
	return tree;
}

int mount_set(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	return mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) < 0 ? -errno : 0;
}

int mount_apply(int fd, const struct mount_options *o, struct error *err)
{
	int r = 0;

	if (o->attr_set | o->attr_clear)
		r = mount_set(fd, false, o->attr_set, o->attr_clear, 0);
	if (r == 0 && (o->rec_set | o->rec_clear))
		r = mount_set(fd, true, o->rec_set, o->rec_clear, 0);
	if (r == -EPERM)
		error_hint(err, "in a user namespace the flags that the source already has cannot be taken away");
	if (r < 0)
		return error_sys(err, -r, "set the mount's flags");
	for (size_t i = 0; i < o->propagation_count; i++) {
		r = mount_set(fd, o->propagation[i].recursive, 0, 0, o->propagation[i].flag);
		if (r < 0)
			return error_sys(err, -r, "set the mount's propagation");
	}
	return 0;
}

int mount_attach(int fd, int target, const char *destination, struct error *err)
{
	if (move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
		int e = errno;

		if (e == ENOTDIR)
			error_hint(err, "one of source and destination is a directory and the other is not");
		return error_sys(err, e, "attach the mount on \"%s\"", destination);
	}
	return 0;
}

int mount_attach_node(int fd, int root_fd, const char *path, struct error *err)
{
	char name[256];
	_cleanup_fd_ int dir = path_open_parent(root_fd, path, true, 0755, name), target = -1;
	struct stat st;

	if (dir < 0)
		return error_sys(err, -dir, "open the directory of %s", path);
	target = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0 && errno == ENOENT)
		target = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (target < 0 || fstat(target, &st) < 0)
		return error_sys(err, errno, "make the mount point %s", path);
	if (S_ISLNK(st.st_mode)) {
		error_hint(err, "mount a tmpfs on /dev, or remove the link from the image");
		return error_set(err, ERR_CONFIG, EEXIST, "%s is a link, and a device is not mounted where one leads", path);
	}
	return mount_attach(fd, target, path, err);
}

bool mount_needs_legacy(const struct mount_options *o)
{
	/* iversion is a flag of mount(2) that fsconfig knows for few filesystems. */
	if ((o->super_set | o->super_clear) & MOUNT_SUPER_IVERSION)
		return true;
	for (size_t i = 0; i < o->data_count; i++) {
		const char *value = strchr(o->data[i], '=');

		if (value && strlen(value + 1) > FSCONFIG_VALUE_MAX)
			return true;
	}
	return false;
}

int mount_legacy(const char *type, const char *source, const struct mount_options *o, const char *label, int target,
	struct error *err)
{
	static const struct {
		uint64_t attr;
		unsigned long flag;
	} flags[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY }, { MOUNT_ATTR_NOSUID, MS_NOSUID }, { MOUNT_ATTR_NODEV, MS_NODEV },
		{ MOUNT_ATTR_NOEXEC, MS_NOEXEC }, { MOUNT_ATTR_NODIRATIME, MS_NODIRATIME }, { 0x00200000, 256 },
	};
	static const struct {
		unsigned int super;
		unsigned long flag;
	} supers[] = {
		{ MOUNT_SUPER_SYNC, MS_SYNCHRONOUS }, { MOUNT_SUPER_DIRSYNC, MS_DIRSYNC },
		{ MOUNT_SUPER_LAZYTIME, MS_LAZYTIME }, { MOUNT_SUPER_MAND, MS_MANDLOCK },
		{ MOUNT_SUPER_IVERSION, MS_I_VERSION }, { MOUNT_SUPER_SILENT, MS_SILENT },
	};
	unsigned long ms = 0;
	char path[40], data[4096];
	size_t n = 0;

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (o->attr_set & flags[i].attr)
			ms |= flags[i].flag;
	for (size_t i = 0; i < sizeof supers / sizeof *supers; i++)
		if (o->super_set & supers[i].super)
			ms |= supers[i].flag;
	if ((o->attr_set & MOUNT_ATTR__ATIME) == MOUNT_ATTR_NOATIME)
		ms |= MS_NOATIME;
	else if ((o->attr_set & MOUNT_ATTR__ATIME) == MOUNT_ATTR_STRICTATIME)
		ms |= MS_STRICTATIME;
	data[0] = '\0';
	for (size_t i = 0; i < o->data_count && n < sizeof data; i++)
		n += (size_t)snprintf(data + n, sizeof data - n, "%s%s", i ? "," : "", o->data[i]);
	if (label && n < sizeof data)
		n += (size_t)snprintf(data + n, sizeof data - n, "%s%.*s=\"%s\"", n ? "," : "", (int)strcspn(label, "="), label,
			label + strcspn(label, "=") + 1);
	if (n >= sizeof data)
		return error_set(err, ERR_CONFIG, E2BIG, "the options of the %s filesystem are longer than %zu bytes", type,
			sizeof data - 1);
	snprintf(path, sizeof path, "/proc/self/fd/%d", target);
	if (mount(source && *source ? source : type, path, type, ms, data) < 0)
		return error_sys(err, errno, "mount the %s filesystem", type);
	return 0;
}
