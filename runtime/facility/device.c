/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.devices, the default devices (runtime-spec,
 * "Default Devices") and the links of /dev.
 *
 * A node is made in its directory below the root's descriptor.  One that is
 * already there must be the same device, anything else is an error.
 *
 * In a user namespace nodes cannot be made.  A privileged runtime makes those of
 * linux.devices on the host side, in the state directory, with the mode and the
 * owner asked for, and hands their mounts in.  The default devices, and all of
 * them when the runtime may not make nodes either, are the host's, bound after a
 * look at what they are.
 *
 * When the configuration binds a whole /dev of the host, that one is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/procfs.h"
#include "runtime/facility/facility.h"
#include "runtime/mount/fs.h"
#include "runtime/state/state.h"

#define DIR_MODE 0755

struct node {
	const struct config_device *device;
	unsigned int number; /* among those of the host side */
	int tree; /* host side: the detached mount of a node, -1: the container side makes or binds it */
};

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

static mode_t node_mode(const struct config_device *d)
{
	return d->file_mode.set ? (mode_t)d->file_mode.value & 07777 : 0666;
}

/* The host's node of the same path, bound to the one in the container. */
static int bind_node(struct container *c, const struct config_device *d, struct error *err)
{
	_cleanup_fd_ int source = -1, tree = -1;
	size_t len = strlen(d->path);
	struct stat st;

	/* A slash behind a file's name is an error for open, and means nothing where a node is made. */
	while (len > 1 && d->path[len - 1] == '/')
		len--;
	source = open(arena_printf(c->arena, "%.*s", (int)len, d->path), O_PATH | O_CLOEXEC);
	if (source < 0 || fstat(source, &st) < 0) {
		if (errno == ENOENT)
			error_hint(err, "without privileges no device can be made: the host must have it at the same path, or bind it "
				"from where it is in \"mounts\"");
		return error_sys(err, errno, "open the host's device %s, to bind it in the user namespace", d->path);
	}
	if (!matches(d, &st))
		return error_set(err, ERR_CONFIG, EINVAL, "the host's %s is another device than the one asked for, and a user "
			"namespace can only bind existing ones", d->path);
	tree = mount_clone(source, false, d->path, err);
	return tree < 0 ? tree : mount_attach_node(tree, c->root_fd, d->path, err);
}

/* The id that one of the container's user namespace is on the host; what is not mapped stays root's. */
static uint32_t on_host(const struct config_id_mapping *list, size_t count, int64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= list[i].container_id && id - list[i].container_id < list[i].size)
			return list[i].host_id + (uint32_t)(id - list[i].container_id);
	return 0;
}

/* Host side, for a user namespace. */
static int prepare_node(struct container *c, const struct step *s, struct error *err)
{
	struct node *n = (struct node *)s->data;
	const struct config_device *d = n->device;
	const struct config_linux *l = c->config->linux;
	uint32_t uid = on_host(l->uid_mappings, l->uid_mappings_count, d->uid.set ? (int64_t)d->uid.value : 0);
	uint32_t gid = on_host(l->gid_mappings, l->gid_mappings_count, d->gid.set ? (int64_t)d->gid.value : 0);
	const char *name = arena_printf(c->arena, STATE_DEVICE "%u", n->number);
	_cleanup_fd_ int fd = -1;
	int r;

	if (mknodat(c->state_fd, name, type_bits(d->type) | node_mode(d), number(d)) < 0) {
		/* Then the host's own is the only one there is. */
		if (errno == EPERM)
			return 0;
		return error_sys(err, errno, "make device %s for the user namespace", d->path);
	}
	if (fchownat(c->state_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(c->state_fd, name, node_mode(d), 0) < 0)
		return error_sys(err, errno, "set the owner and the mode of device %s", d->path);
	fd = openat(c->state_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open device %s", d->path);
	n->tree = mount_clone(fd, false, d->path, err);
	if (n->tree < 0)
		return n->tree;
	r = mount_set(n->tree, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, MS_PRIVATE);
	return r < 0 ? error_sys(err, -r, "allow devices on the mount of %s", d->path) : 0;
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
	struct node *n = (struct node *)s->data;
	const struct config_device *d = n->device;
	_cleanup_fd_ int dir = -1, tree = fd_take(&n->tree);
	char name[256];
	struct stat st;

	if (tree >= 0)
		return mount_attach_node(tree, c->root_fd, d->path, err);
	if (c->userns && d->type != 'p')
		return bind_node(c, d, err);
	dir = path_open_parent(c->root_fd, d->path, true, DIR_MODE, name);
	if (dir < 0)
		return error_sys(err, -dir, "open the directory of device %s", d->path);
	if (mknodat(dir, name, type_bits(d->type) | node_mode(d), number(d)) < 0) {
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

static struct node *new_node(struct container *c, const struct config_device *d)
{
	struct node *n = arena_new(c->arena, struct node);

	*n = (struct node){.device = d, .tree = -1};
	return n;
}

int device_plan(struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	struct plan *p = &c->plan;
	unsigned int nodes = 0;
	struct step *s;

	(void)err;
	if (dev_is_bound(c->config))
		return 0;
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		if (configured(l, defaults[i].path))
			continue;
		s = plan_add(p, STAGE_DEVICE, "device", NULL, make_node, new_node(c, &defaults[i]));
		step_text(p, s, "make the default device %s", defaults[i].path);
	}
	for (size_t i = 0; i < l->devices_count; i++) {
		struct node *n = new_node(c, &l->devices[i]);

		if (c->host_opens && (c->namespaces & CLONE_NEWUSER) && n->device->type != 'p') {
			n->number = nodes++;
			s = plan_add(p, STAGE_HOST, "device", "linux.devices", prepare_node, n);
			s->index = (int)i;
			step_text(p, s, "make the device %s on the host side", n->device->path);
		}
		s = plan_add(p, STAGE_DEVICE, "device", "linux.devices", make_node, n);
		s->index = (int)i;
		step_text(p, s, "make the device %s", l->devices[i].path);
	}
	s = plan_add(p, STAGE_DEVICE, "device", NULL, make_links, NULL);
	step_text(p, s, "make the links fd, stdin, stdout, stderr, ptmx in /dev");
	return 0;
}
