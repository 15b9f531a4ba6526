/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: mounts, one step each, in the order of the configuration.
 *
 * A mount is made detached with all its flags, its destination is found or made
 * below the root's descriptor, and then it is attached (runtime/mount/fs.h).
 * Sources of bind mounts are paths of the host.  With a user namespace, and for
 * idmapped mounts, the host side clones and flags them before the process
 * exists; otherwise the container side does, from its copy of the host's mounts.
 * A source below the root filesystem on which an earlier entry has mounted is
 * what that entry has put there: it is opened in the container, in its turn.
 *
 * proc and sysfs go only on real directories; below a procfs only a few files
 * may be covered, or the runtime's own view (and that of the LSMs) could be
 * faked.
 *
 * A read-only tmpfs in which more is made, by later mounts or as /dev, has to be
 * writable until then; its descriptor is kept and made read-only in STAGE_SETTLE.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/facility/facility.h"
#include "runtime/mount/cgroup.h"
#include "runtime/mount/copyup.h"
#include "runtime/mount/fs.h"
#include "runtime/mount/idmap.h"
#include "runtime/mount/options.h"

#define DIR_MODE 0755
#define FILE_MODE 0644

struct mount {
	const struct config_mount *m;
	struct mount_options o;
	const char *inside; /* the source, as a path in the container, where an earlier entry of mounts has made it */
	int source; /* host side: the detached clone, -1: the container side opens it */
	int userns; /* with inside: carries the mapping of an idmapped mount, else -1 */
	bool late;  /* becomes read-only when everything in it has been made */
	int writable; /* until then: the mount */
};

static int open_bind_source(const struct container *c, struct mount *mt, struct error *err)
{
	const char *source = mt->m->source;
	int nofollow = mt->o.source_nofollow || mt->o.copy_symlink ? O_NOFOLLOW : 0;
	_cleanup_fd_ int fd = -1;
	int tree, r;

	/* By path: what is found below the bundle's descriptor is in the host's mount namespace and cannot be cloned in
	 * another one. */
	if (source[0] != '/')
		source = arena_printf(c->arena, "%s/%s", c->options.bundle, source);
	if (mt->inside)
		fd = path_open_in_root(c->root_fd, mt->inside, O_PATH | nofollow);
	else
		fd = open(source, O_PATH | O_CLOEXEC | nofollow);
	if (fd < 0)
		return error_sys(err, mt->inside ? -fd : errno, "open source \"%s\"", source);
	tree = mount_clone(fd, mt->o.recursive_bind, source, err);
	if (tree < 0)
		return tree;
	/* What the host mounts later may come in; what happens in the container never goes out, unless asked for. */
	r = c->host_opens || mt->o.idmap ? mount_set(tree, true, 0, 0, MS_SLAVE) : 0;
	if (r < 0) {
		close(tree);
		return error_sys(err, -r, "isolate the mount of \"%s\"", source);
	}
	return tree;
}

static int own_mapping(const struct container *c, const struct mount *mt, struct error *err)
{
	return userns_for_mapping(mt->m->uid_mappings, mt->m->uid_mappings_count, mt->m->gid_mappings,
		mt->m->gid_mappings_count, c, err);
}

/* By the mount's own mappings, else by those of the container's user namespace, new or joined. */
static int idmap(const struct container *c, const struct mount *mt, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	int joined = c->namespace_fd[CONFIG_NS_USER];
	_cleanup_fd_ int made = -1;

	if (mt->m->uid_mappings_count)
		made = own_mapping(c, mt, err);
	else if (joined < 0)
		made = userns_for_mapping(l->uid_mappings, l->uid_mappings_count, l->gid_mappings, l->gid_mappings_count, c, err);
	if (made < 0 && (joined < 0 || mt->m->uid_mappings_count))
		return made;
	return mount_idmap(mt->source, mt->o.recursive_idmap, made >= 0 ? made : joined, err);
}

/* Host side, for a source inside: without a user namespace of the container's, so the mapping is the mount's own. */
static int open_mapping(struct container *c, const struct step *s, struct error *err)
{
	struct mount *mt = (struct mount *)s->data;

	mt->userns = own_mapping(c, mt, err);
	return mt->userns < 0 ? mt->userns : 0;
}

/* Host side. */
static int open_on_host(struct container *c, const struct step *s, struct error *err)
{
	struct mount *mt = (struct mount *)s->data;
	int r;

	mt->source = open_bind_source(c, mt, err);
	if (mt->source < 0)
		goto fail;
	r = mt->o.idmap ? idmap(c, mt, err) : 0;
	if (r < 0)
		goto fail;
	r = mount_apply(mt->source, &mt->o, err);
	if (r == 0)
		return 0;
fail:
	return error_wrap(err, "mount \"%s\" on \"%s\"", mt->m->source, mt->m->destination);
}

static bool in_proc_allowed(const char *destination)
{
	static const char *const allowed[] = { "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat",
		"/proc/swaps", "/proc/uptime", "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev",
		"/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled" };

	for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
		if (strcmp(destination, allowed[i]) == 0)
			return true;
	return false;
}

/* May something be mounted there?  Looks at the object itself, not at its name. */
static int check_target(const struct mount *mt, int target, struct error *err)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(target, &fs) < 0 || fstat(target, &st) < 0)
		return error_sys(err, errno, "look at destination \"%s\"", mt->m->destination);
	if (fs.f_type != PROC_SUPER_MAGIC || (st.st_ino == 1 && mt->m->type && strcmp(mt->m->type, "proc") == 0))
		return 0;
	if (in_proc_allowed(mt->m->destination))
		return 0;
	error_hint(err, "only single files such as /proc/cpuinfo may be covered");
	return error_set(err, ERR_CONFIG, EINVAL, "\"%s\" cannot be mounted because it is inside /proc", mt->m->destination);
}

static bool is_kernel_fs(const struct mount *mt)
{
	return mt->m->type && !mt->o.bind && (strcmp(mt->m->type, "proc") == 0 || strcmp(mt->m->type, "sysfs") == 0);
}

static int open_target(struct container *c, const struct mount *mt, bool directory, struct error *err)
{
	const char *destination = mt->m->destination;
	int fd, r;

	if (is_kernel_fs(mt)) {
		fd = path_open_in_root_how(c->root_fd, destination, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
		if (fd == -ELOOP || fd == -ENOTDIR)
			return error_set(err, ERR_CONFIG, -fd, "filesystem \"%s\" must be mounted on ordinary directory, "
				"and a part of \"%s\" is a link or file", mt->m->type, destination);
		if (fd == -ENOENT)
			fd = path_mkdir_in_root(c->root_fd, destination, DIR_MODE);
	} else if (mt->o.dest_nofollow) {
		fd = path_open_in_root(c->root_fd, destination, O_PATH | O_NOFOLLOW);
	} else if (directory) {
		fd = path_mkdir_in_root(c->root_fd, destination, DIR_MODE);
	} else {
		fd = path_mkfile_in_root(c->root_fd, destination, FILE_MODE, DIR_MODE);
	}
	if (fd < 0)
		return error_sys(err, -fd, "make destination \"%s\"", destination);
	r = check_target(mt, fd, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int recreate_symlink(struct container *c, const struct mount *mt, struct error *err)
{
	char target[4096], name[256];
	_cleanup_fd_ int dir = -1;
	ssize_t n = readlinkat(c->bundle_fd, mt->m->source, target, sizeof target - 1);

	if (n < 0)
		return errno == EINVAL ? 0 : error_sys(err, errno, "read link \"%s\"", mt->m->source);
	target[n] = '\0';
	dir = path_open_parent(c->root_fd, mt->m->destination, true, DIR_MODE, name);
	if (dir < 0)
		return error_sys(err, -dir, "open the directory of \"%s\"", mt->m->destination);
	if (symlinkat(target, dir, name) < 0 && errno != EEXIST)
		return error_sys(err, errno, "make link \"%s\"", mt->m->destination);
	return 1;
}

/* What is mounted on "/" covers the root filesystem: from here on it is the root.  Others, which go by paths, find it so. */
static int becomes_root(struct container *c, const struct mount *mt, int fd, struct error *err)
{
	int root;

	if (strspn(mt->m->destination, "/") != strlen(mt->m->destination))
		return 0;
	root = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (root < 0)
		return error_sys(err, errno, "keep the new root");
	close(c->root_fd);
	c->root_fd = root;
	return 0;
}

static int mount_bind(struct container *c, struct mount *mt, struct error *err)
{
	_cleanup_fd_ int tree = fd_take(&mt->source), userns = fd_take(&mt->userns), target = -1;
	bool flagged = tree >= 0;
	struct stat st;
	int r;

	if (mt->o.copy_symlink) {
		r = recreate_symlink(c, mt, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (tree < 0)
		tree = open_bind_source(c, mt, err);
	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return error_sys(err, errno, "look at source \"%s\"", mt->m->source);
	r = userns >= 0 ? mount_idmap(tree, mt->o.recursive_idmap, userns, err) : 0;
	if (r == 0 && !flagged)
		r = mount_apply(tree, &mt->o, err);
	if (r < 0)
		return r;
	target = open_target(c, mt, S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	r = mount_attach(tree, target, mt->m->destination, err);
	return r < 0 ? r : becomes_root(c, mt, tree, err);
}

static int remount(struct container *c, const struct mount *mt, struct error *err)
{
	_cleanup_fd_ int target = path_open_in_root(c->root_fd, mt->m->destination, O_PATH);
	_cleanup_fd_ int fs = -1;

	if (target < 0)
		return error_sys(err, -target, "open destination \"%s\"", mt->m->destination);
	if (!mt->o.bind && (mt->o.data_count || mt->o.super_set || mt->o.super_clear)) {
		fs = fspick(target, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
		if (fs < 0)
			return error_sys(err, errno, "pick the filesystem on \"%s\"", mt->m->destination);
		for (size_t i = 0; i < mt->o.data_count; i++) {
			char key[256];
			const char *value = strchr(mt->o.data[i], '=');

			snprintf(key, sizeof key, "%.*s", (int)strcspn(mt->o.data[i], "="), mt->o.data[i]);
			if (fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value ? value + 1 : NULL, 0) < 0)
				return error_sys(err, errno, "option \"%s\"", mt->o.data[i]);
		}
		if (mt->o.super_set & MOUNT_SUPER_SYNC && fsconfig(fs, FSCONFIG_SET_FLAG, "sync", NULL, 0) < 0)
			return error_sys(err, errno, "option \"sync\"");
		if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
			return error_sys(err, errno, "reconfigure the filesystem on \"%s\"", mt->m->destination);
	}
	return mount_apply(target, &mt->o, err);
}

/* Can the filesystem have a label of its own?  Those of the kernel have one superblock for all containers. */
static const char *label_for(const struct container *c, const char *type)
{
	static const char *const without[] = { "cgroup", "cgroup2", "mqueue", "proc", "sysfs" };

	for (size_t i = 0; i < sizeof without / sizeof *without; i++)
		if (strcmp(without[i], type) == 0)
			return NULL;
	return mount_label(c->config, c->arena);
}

/* 1, 0 or a negative errno. */
static int is_there(const struct container *c, const struct mount *mt)
{
	_cleanup_fd_ int fd = path_open_in_root(c->root_fd, mt->m->destination, O_PATH);

	return fd >= 0 ? 1 : fd == -ENOENT ? 0 : fd;
}

static int mount_filesystem(struct container *c, struct mount *mt, struct error *err)
{
	const char *type = mt->m->type, *label = label_for(c, type);
	_cleanup_fd_ int fd = -1, target = -1;
	int covers = strcmp(type, "tmpfs") == 0 ? is_there(c, mt) : 0;
	uint64_t wanted = mt->o.attr_set;
	int r;

	if (covers < 0)
		return error_sys(err, -covers, "look at destination \"%s\"", mt->m->destination);
	target = open_target(c, mt, true, err);
	if (target < 0)
		return target;
	if (mount_needs_legacy(&mt->o))
		return mount_legacy(type, mt->m->source, &mt->o, label, target, err);
	/* A tmpfs without a mode takes over the mode of the directory it covers; over one that is made here it keeps the
	 * kernel's, 1777, as with mount(8). */
	if (covers) {
		r = mount_inherit_mode(&mt->o, target, c->arena, err);
		if (r < 0)
			return r;
	}
	if (mt->o.tmpcopyup || mt->late)
		mt->o.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	fd = mount_new(type, mt->m->source, &mt->o, label, err);
	if (!mt->late)
		mt->o.attr_set = wanted;
	if (fd < 0)
		return fd;
	if (mt->o.tmpcopyup) {
		r = mount_copy_up(target, fd, err);
		if (r < 0)
			return r;
	}
	if (mt->o.tmpcopyup || mt->o.rec_set || mt->o.rec_clear || mt->o.propagation_count) {
		r = mount_apply(fd, &mt->o, err);
		if (r < 0)
			return r;
	}
	r = mount_attach(fd, target, mt->m->destination, err);
	if (r == 0)
		r = becomes_root(c, mt, fd, err);
	if (r == 0 && strcmp(type, "devpts") == 0 && c->devpts_fd < 0)
		c->devpts_fd = fd_take(&fd);
	if (r == 0 && mt->late)
		mt->writable = fd_take(&fd);
	return r;
}

/* The read-only tmpfs is complete. */
static int seal(struct container *c, const struct step *s, struct error *err)
{
	struct mount *mt = (struct mount *)s->data;
	_cleanup_fd_ int fd = fd_take(&mt->writable);
	int r = mount_set(fd, false, MOUNT_ATTR_RDONLY, 0, 0);

	(void)c;
	return r < 0 ? error_sys(err, -r, "make the mount on \"%s\" read-only", mt->m->destination) : 0;
}

static bool is_below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	while (n > 0 && directory[n - 1] == '/')
		n--;
	return strncmp(path, directory, n) == 0 && path[n] == '/';
}

/* The path in the container of the source of config->mounts[index], when it is at or below where an earlier one mounts. */
static const char *find_inside(const struct container *c, size_t index)
{
	const struct config_mount *all = c->config->mounts;
	const char *source = all[index].source;

	if (source[0] != '/')
		source = arena_printf(c->arena, "%s/%s", c->options.bundle, source);
	if (!is_below(source, c->rootfs))
		return NULL;
	source += strlen(c->rootfs);
	for (size_t i = 0; i < index; i++)
		if (strcmp(source, all[i].destination) == 0 || is_below(source, all[i].destination))
			return source;
	return NULL;
}

static int plan_source(struct container *c, struct mount *mt, size_t index, struct error *err)
{
	struct plan *p = &c->plan;
	struct step *s;

	mt->inside = find_inside(c, index);
	if (mt->inside && !mt->o.idmap)
		return 0;
	/* Who is in the namespace may not map a filesystem of the host, and who is outside cannot reach the mount. */
	if (mt->inside && c->userns)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			"the source \"%s\" is an earlier mount of the container, which cannot be idmapped in a user namespace",
			mt->m->source);
	if (mt->inside) {
		s = plan_add(p, STAGE_HOST, "mount", "mounts", open_mapping, mt);
		step_text(p, s, "open the mapping of %s", mt->m->source);
	} else {
		s = plan_add(p, STAGE_HOST, "mount", "mounts", open_on_host, mt);
		step_text(p, s, "clone the mount of %s", mt->m->source);
	}
	s->index = (int)index;
	return 0;
}

/* Is more made in this mount than it holds by itself?  "/dev/x" stands for the devices and the console. */
static bool is_filled_later(const struct config *config, const struct mount *mt, size_t index)
{
	if (!mt->o.readonly || mt->o.bind || mt->o.remount || strcmp(mt->m->type, "tmpfs") != 0 || mount_needs_legacy(&mt->o))
		return false;
	if (is_below("/dev/x", mt->m->destination))
		return true;
	for (size_t i = index + 1; i < config->mounts_count; i++)
		if (is_below(config->mounts[i].destination, mt->m->destination))
			return true;
	return false;
}

static int do_mount(struct container *c, struct mount *mt, struct error *err)
{
	if (mt->o.remount)
		return remount(c, mt, err);
	if (mt->o.bind)
		return mount_bind(c, mt, err);
	if (strcmp(mt->m->type, "cgroup") == 0)
		return mount_cgroup(c, mt->m, &mt->o, err);
	return mount_filesystem(c, mt, err);
}

static int mount_step(struct container *c, const struct step *s, struct error *err)
{
	struct mount *mt = (struct mount *)s->data;
	const char *what = mt->m->source ? mt->m->source : mt->m->type;

	if (do_mount(c, mt, err) == 0)
		return 0;
	return error_wrap(err, "mount \"%s\" on \"%s\"", what, mt->m->destination);
}

int mount_plan(struct container *c, struct error *err)
{
	const struct config *config = c->config;
	struct plan *p = &c->plan;
	int checked = mount_label_check(config, err);

	if (checked < 0)
		return checked;
	for (size_t i = 0; i < config->mounts_count; i++) {
		struct mount *mt = arena_new(c->arena, struct mount);
		struct step *s;
		int r;

		mt->m = &config->mounts[i];
		mt->source = mt->userns = mt->writable = -1;
		r = mount_options_parse(mt->m, c->arena, &mt->o, err);
		if (r == 0 && mt->o.bind && !mt->o.remount && !mt->m->source)
			r = error_set(err, ERR_CONFIG, EINVAL, "a bind mount needs a source");
		if (r == 0 && !mt->o.bind && !mt->o.remount && !mt->m->type)
			r = error_set(err, ERR_CONFIG, EINVAL, "needs a type, or the option \"bind\"");
		if (r == 0 && mt->o.idmap && !mt->m->uid_mappings_count && !c->userns)
			r = error_set(err, ERR_CONFIG, EINVAL,
				"idmap needs uidMappings and gidMappings, or a user namespace whose mappings it takes");
		if (r == 0 && mt->o.bind && !mt->o.remount && !mt->o.copy_symlink && (c->host_opens || mt->o.idmap))
			r = plan_source(c, mt, i, err);
		if (r < 0) {
			error_path(err, "mounts[%zu]", i);
			return error_wrap(err, "mount on \"%s\"", mt->m->destination);
		}
		s = plan_add(p, STAGE_MOUNT, "mount", "mounts", mount_step, mt);
		s->index = (int)i;
		step_text(p, s, "%s %s on %s", mt->o.remount ? "remount" : mt->o.bind ? "bind" : "mount",
			mt->o.bind ? mt->m->source : mt->m->type, mt->m->destination);
		mt->late = is_filled_later(config, mt, i);
		if (mt->late) {
			s = plan_add(p, STAGE_SETTLE, "mount", "mounts", seal, mt);
			s->index = (int)i;
			step_text(p, s, "make the mount on %s read-only", mt->m->destination);
		}
	}
	return 0;
}
