/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.devices, the default devices (runtime-spec,
 * "Default Devices") and the links of /dev.
 *
 * A node is made in its directory below the root's descriptor.  One that is
 * already there must be the same device, anything else is an error.  In a user
 * namespace nodes cannot be made: the host's node is bound instead, after a look
 * at what it is.  When the configuration binds a whole /dev of the host, that
 * one is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/procfs.h"
#include "runtime/facility/facility.h"
#include "runtime/mount/fs.h"

#define DIR_MODE 0755

static const struct config_device defaults[] = {
#define DEFAULT(PATH, MAJOR, MINOR)                                                                                    \
	{                                                                                                              \
		.type = 'c', .path = PATH, .major = { true, MAJOR }, .minor = { true, MINOR },                         \
		.file_mode = { true, 0666 }                                                                            \
	}
	DEFAULT("/dev/null", 1, 3),
	DEFAULT("/dev/zero", 1, 5),
	DEFAULT("/dev/full", 1, 7),
	DEFAULT("/dev/random", 1, 8),
	DEFAULT("/dev/urandom", 1, 9),
	DEFAULT("/dev/tty", 5, 0),
};

static mode_t type_bits(char type)
{
	return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

static dev_t number(const struct config_device *d)
{
	return d->type == 'p' ? 0 : makedev((unsigned int)d->major.value, (unsigned int)d->minor.value);
}

static bool matches(const struct config_device *d, const struct stat *st)
{
	return (st->st_mode & S_IFMT) == type_bits(d->type) && (d->type == 'p' || st->st_rdev == number(d));
}

/* The host's node of the same path, bound to the one in the container. */
static int bind_node(struct container *c, const struct config_device *d, struct error *err)
{
	_cleanup_fd_ int source = open(d->path, O_PATH | O_CLOEXEC), target = -1, tree = -1;
	struct stat st;

	if (source < 0 || fstat(source, &st) < 0)
		return error_sys(err, errno, "open the host's device %s, to bind it in the user namespace", d->path);
	if (!matches(d, &st))
		return error_set(err, ERR_CONFIG, EINVAL, "the host's %s is another device than the one asked for, and a user "
			"namespace can only bind existing ones", d->path);
	target = path_mkfile_in_root(c->root_fd, d->path, 0644, DIR_MODE);
	if (target < 0)
		return error_sys(err, -target, "make the mount point %s", d->path);
	tree = mount_clone(source, false, d->path, err);
	return tree < 0 ? tree : mount_attach(tree, target, d->path, err);
}

/* Is the runtime itself in the initial user namespace, where nodes can be made?  In doubt yes: then an error is one. */
static bool initial_user_namespace(struct container *c)
{
	unsigned int inside, outside, size;
	char path[40], *text;
	struct error err = { 0 };
	ssize_t n = readlinkat(c->proc_fd, "self", path, 24);

	if (n < 0)
		return true;
	strcpy(path + n, "/uid_map");
	if (proc_read(c->proc_fd, path, c->arena, 4096, &text, NULL, &err) < 0)
		return true;
	return sscanf(text, "%u %u %u", &inside, &outside, &size) == 3 && inside == 0 && outside == 0 && size == 4294967295u;
}

static int make_node(struct container *c, const struct step *s, struct error *err)
{
	const struct config_device *d = s->data;
	mode_t mode = d->file_mode.set ? (mode_t)d->file_mode.value & 07777 : 0666;
	_cleanup_fd_ int dir = -1;
	char name[256];
	struct stat st;

	if (c->userns && d->type != 'p')
		return bind_node(c, d, err);
	dir = path_open_parent(c->root_fd, d->path, true, DIR_MODE, name);
	if (dir < 0)
		return error_sys(err, -dir, "open the directory of device %s", d->path);
	if (mknodat(dir, name, type_bits(d->type) | mode, number(d)) < 0) {
		if (errno == EPERM && !initial_user_namespace(c))
			return bind_node(c, d, err);
		if (errno != EEXIST)
			return error_sys(err, errno, "make device %s", d->path);
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return error_sys(err, errno, "look at device %s", d->path);
		if (!matches(d, &st)) {
			error_hint(err, "mount a tmpfs on /dev, or remove the file from the image");
			return error_set(err, ERR_CONFIG, EEXIST, "%s exists and is not the device asked for", d->path);
		}
		return 0;
	}
	if ((d->uid.set && d->uid.value) || (d->gid.set && d->gid.value))
		if (fchownat(dir, name, (uid_t)d->uid.value, (gid_t)d->gid.value, AT_SYMLINK_NOFOLLOW) < 0)
			return error_sys(err, errno, "set the owner of device %s", d->path);
	return 0;
}

static int make_links(struct container *c, const struct step *s, struct error *err)
{
	static const struct {
		const char *target, *name;
		bool always;
	} links[] = {
		{ "/proc/self/fd", "fd", false },
		{ "/proc/self/fd/0", "stdin", false },
		{ "/proc/self/fd/1", "stdout", false },
		{ "/proc/self/fd/2", "stderr", false },
		{ "/proc/kcore", "core", false },
		{ "pts/ptmx", "ptmx", true },
	};
	_cleanup_fd_ int dev = path_mkdir_in_root(c->root_fd, "/dev", DIR_MODE), fds = -1, kcore = -1;

	(void)s;
	if (dev < 0)
		return error_sys(err, -dev, "open /dev");
	fds = path_open_in_root(c->root_fd, "/proc/self", O_PATH | O_NOFOLLOW);
	kcore = path_open_in_root(c->root_fd, "/proc/kcore", O_PATH);
	if ((fds < 0 && fds != -ENOENT && fds != -ENOTDIR) || (kcore < 0 && kcore != -ENOENT && kcore != -ENOTDIR))
		return error_sys(err, fds < 0 && fds != -ENOENT ? -fds : -kcore, "look for /proc in the container");
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		if (!links[i].always && (strcmp(links[i].name, "core") == 0 ? kcore : fds) < 0)
			continue;
		/* What the image has there already is its own choice. */
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
			return error_sys(err, errno, "make the link /dev/%s", links[i].name);
	}
	return 0;
}

static bool dev_is_bound(const struct config *config)
{
	for (size_t i = 0; i < config->mounts_count; i++) {
		const struct config_mount *m = &config->mounts[i];

		if (strcmp(m->destination, "/dev") != 0)
			continue;
		if (m->type && strcmp(m->type, "bind") == 0)
			return true;
		for (size_t k = 0; k < m->options_count; k++)
			if (strcmp(m->options[k], "bind") == 0 || strcmp(m->options[k], "rbind") == 0)
				return true;
	}
	return false;
}

static bool configured(const struct config_linux *l, const char *path)
{
	for (size_t i = 0; i < l->devices_count; i++)
		if (strcmp(l->devices[i].path, path) == 0)
			return true;
	return false;
}

int device_plan(struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	struct plan *p = &c->plan;
	struct step *s;

	(void)err;
	if (dev_is_bound(c->config))
		return 0;
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		if (configured(l, defaults[i].path))
			continue;
		s = plan_add(p, STAGE_DEVICE, "device", NULL, make_node, &defaults[i]);
		step_text(p, s, "make the default device %s", defaults[i].path);
	}
	for (size_t i = 0; i < l->devices_count; i++) {
		s = plan_add(p, STAGE_DEVICE, "device", "linux.devices", make_node, &l->devices[i]);
		s->index = (int)i;
		step_text(p, s, "make the device %s", l->devices[i].path);
	}
	s = plan_add(p, STAGE_DEVICE, "device", NULL, make_links, NULL);
	step_text(p, s, "make the links fd, stdin, stdout, stderr, ptmx in /dev");
	return 0;
}
