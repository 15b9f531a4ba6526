/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: CRIU knows a mount by the place where the container sees
 * it.  A destination of the configuration may lead there through links, so it is
 * opened in the container's root and the kernel says which mount that is.
 *
 * A recursive bind brings mounts of the host along; they are as external as the
 * bind itself: at dump those below its mount point, at restore those below its
 * source.  Naming something at restore that the image does not have does no harm.
 */
#include "runtime/criu/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/criu/mountinfo.h"
#include "runtime/criu/session.h"
#include "runtime/mount/options.h"

static const char *const default_devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	"/dev/tty" };

static void add_mount(const struct external *x, const char *key, const char *value)
{
	struct criu_opts *o = x->opts;

	for (size_t i = 0; i < o->ext_mnt_count; i++)
		if (strcmp(o->ext_mnt[i].key, key) == 0)
			return;
	o->ext_mnt = arena_grow(x->arena, o->ext_mnt, o->ext_mnt_count * sizeof *o->ext_mnt,
		(o->ext_mnt_count + 1) * sizeof *o->ext_mnt);
	o->ext_mnt[o->ext_mnt_count++] = (struct criu_mount){ key, value };
}

static bool is_bind(const struct external *x, const struct config_mount *m, struct mount_options *o)
{
	struct error ignored = { 0 };

	return mount_options_parse(m, x->arena, o, &ignored) == 0 && o->bind && !o->remount && !o->copy_symlink && m->source;
}

static bool is_cgroup(const struct config_mount *m)
{
	return m->type && strcmp(m->type, "cgroup") == 0;
}

int external_check(const struct config *config, struct error *err)
{
	const struct config_linux *l = config->linux;

	for (size_t i = 0; i < l->namespaces_count; i++) {
		const struct config_namespace *ns = &l->namespaces[i];

		if (!ns->path || (ns->type != CONFIG_NS_MOUNT && ns->type != CONFIG_NS_CGROUP))
			continue;
		error_path(err, "linux.namespaces[%zu].path", i);
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "CRIU cannot dump or restore a container that joined a %s "
			"namespace", ns->type == CONFIG_NS_MOUNT ? "mount" : "cgroup");
	}
	if (l->net_devices_count) {
		error_path(err, "linux.netDevices");
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "CRIU cannot dump or restore a container with devices of the "
			"host's network");
	}
	return 0;
}

/* --- dump --------------------------------------------------------------------------- */

struct dump {
	const struct external *x;
	int root_fd;
	struct mountinfo *mounts;
	size_t count;
};

/* The mount whose top is what path leads to, or NULL: nothing is mounted there. */
static const struct mountinfo *mount_at(const struct dump *d, const char *path, bool *directory)
{
	_cleanup_fd_ int fd = path_open_in_root(d->root_fd, path, O_PATH);
	const struct mountinfo *m;
	struct statx st;

	if (fd < 0)
		return NULL;
	m = mountinfo_of_fd(d->mounts, d->count, fd);
	if (!m || statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0 ||
		((st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) && !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT)))
		return NULL;
	if (directory)
		*directory = S_ISDIR(st.stx_mode);
	return m;
}

/* Is another mount of the configuration at that place? */
static bool configured(const struct dump *d, const char *point)
{
	const struct config *config = d->x->config;

	for (size_t i = 0; i < config->mounts_count; i++) {
		const struct mountinfo *m = mount_at(d, config->mounts[i].destination, NULL);

		if (m && strcmp(m->point, point) == 0)
			return true;
	}
	return false;
}

static void dump_bind(const struct dump *d, const struct config_mount *cm, bool recursive)
{
	const struct mountinfo *m = mount_at(d, cm->destination, NULL);

	if (!m)
		return;
	add_mount(d->x, m->point, m->point);
	for (size_t i = 0; recursive && i < d->count; i++) {
		const char *rest = mountinfo_below(d->mounts[i].point, m->point);

		if (rest && *rest && !configured(d, d->mounts[i].point))
			add_mount(d->x, d->mounts[i].point, d->mounts[i].point);
	}
}

/* v1: a tmpfs, which is in the image, with one mount for each hierarchy. */
static void dump_cgroups(const struct dump *d, const struct config_mount *cm)
{
	const struct mountinfo *m = mount_at(d, cm->destination, NULL);

	for (size_t i = 0; m && i < d->count; i++) {
		const char *rest = mountinfo_below(d->mounts[i].point, m->point);

		if (rest && *rest && !configured(d, d->mounts[i].point))
			add_mount(d->x, d->mounts[i].point, d->mounts[i].point);
	}
}

static void dump_device(const struct dump *d, const char *path)
{
	const struct mountinfo *m = mount_at(d, path, NULL);

	if (m)
		add_mount(d->x, m->point, m->point);
}

static void dump_mounts(const struct dump *d)
{
	const struct config *config = d->x->config;
	struct mount_options o;
	bool directory;

	for (size_t i = 0; i < config->mounts_count; i++)
		if (is_bind(d->x, &config->mounts[i], &o))
			dump_bind(d, &config->mounts[i], o.recursive_bind);
		else if (is_cgroup(&config->mounts[i]))
			dump_cgroups(d, &config->mounts[i]);
	for (size_t i = 0; i < config->linux->masked_paths_count; i++) {
		const struct mountinfo *m = mount_at(d, config->linux->masked_paths[i], &directory);

		if (m && !directory)
			add_mount(d->x, m->point, "/dev/null");
	}
	for (size_t i = 0; i < config->linux->devices_count; i++)
		dump_device(d, config->linux->devices[i].path);
	for (size_t i = 0; i < sizeof default_devices / sizeof *default_devices; i++)
		dump_device(d, default_devices[i]);
}

static const char *external_key(enum config_namespace_type type)
{
	return type == CONFIG_NS_NETWORK ? "extRootNetNS" : type == CONFIG_NS_PID ? "extRootPidNS" : NULL;
}

static int dump_namespaces(const struct external *x, struct error *err)
{
	const struct config_linux *l = x->config->linux;

	x->opts->external = arena_array(x->arena, const char *, l->namespaces_count + 1);
	for (size_t i = 0; i < l->namespaces_count; i++) {
		const struct config_namespace *ns = &l->namespaces[i];
		const char *key = external_key(ns->type);
		struct stat st;

		if (!ns->path || !key)
			continue;
		if (stat(ns->path, &st) < 0) {
			error_path(err, "linux.namespaces[%zu].path", i);
			return error_sys(err, errno, "look at the namespace %s", ns->path);
		}
		x->opts->external[x->opts->external_count++] = arena_printf(x->arena, "%s[%llu]:%s",
			ns->type == CONFIG_NS_PID ? "pid" : "net", (unsigned long long)st.st_ino, key);
	}
	return 0;
}

int external_dump(const struct external *x, pid_t pid, struct error *err)
{
	char path[32];
	_cleanup_fd_ int root = -1;
	struct dump d = { .x = x };
	int r = mountinfo_read(x->proc_fd, pid, x->arena, &d.mounts, &d.count, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof path, "%d/root", pid);
	d.root_fd = root = openat(x->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, errno, "open the container's root directory");
	dump_mounts(&d);
	return dump_namespaces(x, err);
}

/* --- restore ------------------------------------------------------------------------- */

/* The path below root that `path` leads to, or path itself. */
static const char *resolve(const struct external *x, int root_fd, const char *path)
{
	_cleanup_fd_ int fd = path_open_in_root(root_fd, path, O_PATH);
	char top[PATH_MAX], at[PATH_MAX];
	const char *rest;

	if (fd < 0)
		return path;
	path_of_fd(root_fd, top, sizeof top);
	path_of_fd(fd, at, sizeof at);
	rest = mountinfo_below(at, top);
	return rest && *rest ? arena_strdup(x->arena, rest) : path;
}

static int restore_bind(const struct external *x, int root_fd, const struct config_mount *m, bool recursive,
	const struct mountinfo *host, size_t host_count, struct error *err)
{
	const char *source = m->source[0] == '/' ? m->source : arena_printf(x->arena, "%s/%s", x->bundle, m->source);
	const char *point = resolve(x, root_fd, m->destination);
	char real[PATH_MAX];

	if (!realpath(source, real))
		return error_sys(err, errno, "open source \"%s\"", source);
	source = arena_strdup(x->arena, real);
	add_mount(x, point, source);
	add_mount(x, m->destination, source);
	for (size_t i = 0; recursive && i < host_count; i++) {
		const char *rest = mountinfo_below(host[i].point, source);

		if (rest && *rest && strcmp(source, "/") != 0)
			add_mount(x, arena_printf(x->arena, "%s%s", point, rest), host[i].point);
	}
	return 0;
}

static void restore_cgroups(const struct external *x, int root_fd, const struct config_mount *m)
{
	const char *point = resolve(x, root_fd, m->destination);
	const struct cgroup_mount *mounts;
	size_t n = cgroup_version(x->cgroup) == CGROUP_V1 ? cgroup_mounts(x->cgroup, &mounts) : 0;

	for (size_t i = 0; i < n; i++)
		add_mount(x, arena_printf(x->arena, "%s/%s", point, mounts[i].name), mounts[i].path);
}

static int restore_mounts(const struct external *x, int root_fd, struct error *err)
{
	const struct config *config = x->config;
	struct mountinfo *host = NULL;
	struct mount_options o;
	size_t count = 0;

	for (size_t i = 0; i < config->mounts_count; i++) {
		int r = 0;

		if (is_cgroup(&config->mounts[i]))
			restore_cgroups(x, root_fd, &config->mounts[i]);
		if (!is_bind(x, &config->mounts[i], &o))
			continue;
		if (o.recursive_bind && !host)
			r = mountinfo_read(x->proc_fd, getpid(), x->arena, &host, &count, err);
		if (r == 0)
			r = restore_bind(x, root_fd, &config->mounts[i], o.recursive_bind, host, count, err);
		if (r < 0) {
			error_path(err, "mounts[%zu]", i);
			return r;
		}
	}
	for (size_t i = 0; i < config->linux->devices_count; i++)
		add_mount(x, config->linux->devices[i].path, config->linux->devices[i].path);
	for (size_t i = 0; i < sizeof default_devices / sizeof *default_devices; i++)
		add_mount(x, default_devices[i], default_devices[i]);
	/* crun names a masked file after itself. */
	for (size_t i = 0; i < config->linux->masked_paths_count; i++)
		add_mount(x, config->linux->masked_paths[i], "/dev/null");
	return 0;
}

int external_restore(const struct external *x, int rootfs_fd, const int *namespace_fd, int fds[EXTERNAL_FDS],
	size_t *fds_count, struct error *err)
{
	static const struct {
		enum config_namespace_type type;
		const char *name;
	} joined[] = { { CONFIG_NS_IPC, "ipc" }, { CONFIG_NS_UTS, "uts" }, { CONFIG_NS_TIME, "time" }, { CONFIG_NS_USER, "user" } };
	const struct config_linux *l = x->config->linux;
	struct criu_opts *o = x->opts;

	*fds_count = 0;
	o->join_ns = arena_array(x->arena, struct criu_join, l->namespaces_count + 1);
	for (size_t i = 0; i < l->namespaces_count; i++) {
		const struct config_namespace *ns = &l->namespaces[i];

		if (!ns->path)
			continue;
		if (external_key(ns->type) && *fds_count < EXTERNAL_FDS) {
			o->inherit_fd[o->inherit_fd_count++] = (struct criu_inherit){ external_key(ns->type),
				{ true, CRIU_FIRST_FD + (int64_t)*fds_count } };
			fds[(*fds_count)++] = namespace_fd[ns->type];
		}
		for (size_t j = 0; j < sizeof joined / sizeof *joined; j++)
			if (joined[j].type == ns->type)
				o->join_ns[o->join_ns_count++] = (struct criu_join){ joined[j].name, ns->path };
	}
	return restore_mounts(x, rootfs_fd, err);
}
