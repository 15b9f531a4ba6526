/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: where is this container's cgroup?
 *
 * cgroupfs: linux.cgroupsPath is below each hierarchy as it is mounted; without
 * one it is "/<id>".  A rootless caller can write only in its own part of the
 * tree, so a relative or absent path starts at its own cgroup (v2: beside it).  runtime-spec, "Cgroups Path": an
 * absolute path MUST be relative to the mount point, and the same value MUST
 * always give the same place.
 *
 * systemd: slice, scope and with them the path follow from "slice:prefix:name"
 * (unit.c).  A user's instance has a cgroup of its own above that; it is asked
 * when the scope starts.
 *
 * Later commands open what create wrote into the record; the configuration is
 * not looked at again.  Descriptors of directories are opened when first needed
 * and kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/internal.h"

#define USUAL_ROOT "/sys/fs/cgroup"
#define SUBGROUP_ANNOTATION "run.oci.systemd.subgroup"

int cgroup_clean_path(struct arena *a, const char *path, const char **rel, struct error *err)
{
	char *out = arena_alloc(a, strlen(path) + 1), *to = out;

	for (const char *p = path; *p;) {
		const char *end = strchrnul(p, '/');
		size_t n = (size_t)(end - p);

		if (n == 2 && memcmp(p, "..", 2) == 0) {
			error_path(err, "linux.cgroupsPath");
			return error_set(err, ERR_CONFIG, EINVAL, "cgroup path \"%s\" contains \"..\"", path);
		}
		if (n > NAME_MAX) {
			error_path(err, "linux.cgroupsPath");
			return error_set(err, ERR_CONFIG, ENAMETOOLONG, "cgroup path \"%s\": a component is longer than %d bytes",
				path, NAME_MAX);
		}
		if (n > 0 && !(n == 1 && *p == '.')) {
			if (to > out)
				*to++ = '/';
			to = mempcpy(to, p, n);
		}
		p = *end ? end + 1 : end;
	}
	*to = '\0';
	if (to == out) {
		error_path(err, "linux.cgroupsPath");
		return error_set(err, ERR_CONFIG, EINVAL, "cgroup path \"%s\" is the root cgroup, which cannot be limited or removed",
			path);
	}
	if (strchr(out, '\n')) {
		error_path(err, "linux.cgroupsPath");
		return error_set(err, ERR_CONFIG, EINVAL, "cgroup path contains a newline");
	}
	*rel = out;
	return 0;
}

static struct cgroup *new_cgroup(struct arena *a, const char *id)
{
	struct cgroup *cg = arena_new(a, struct cgroup);

	cg->arena = a;
	cg->id = id;
	return cg;
}

static struct hierarchy *add_hierarchy(struct cgroup *cg, const char *key, bool unified, uint32_t controllers)
{
	struct hierarchy *h = &cg->h[cg->count];

	*h = (struct hierarchy){ .m = &cg->mounts[cg->count], .key = key, .unified = unified,
		.controllers = controllers, .enter_fd = -1, .top_fd = -1 };
	*h->m = (struct cgroup_mount){ .unified = unified, .fd = -1 };
	cg->count++;
	return h;
}

/* The caller's own cgroup in a hierarchy, relative to its mount point, without leading slash. */
static int own_path(struct arena *a, const struct host_hierarchy *hh, const char *self_cgroup, const char **own,
	struct error *err)
{
	const char *path = self_cgroup ? host_proc_cgroup(a, self_cgroup, hh->key) : NULL;
	size_t n = strlen(hh->mount_root);

	if (!path || strncmp(path, "/..", 3) == 0) {
		error_hint(err, "run the command in a new cgroup namespace, or with --cgroup-manager=disabled");
		return error_set(err, ERR_UNSUPPORTED, ENODEV, "the caller's own cgroup%s%s is not visible under %s",
			path ? " " : "", path ? path : "", hh->mount_point);
	}
	if (n > 1 && strncmp(path, hh->mount_root, n) == 0 && (path[n] == '/' || path[n] == '\0'))
		path += n;
	*own = path + strspn(path, "/");
	return 0;
}

/* crun makes one called "container" unless told otherwise; here none is made unless asked for. */
static int read_subgroup(struct cgroup *cg, struct error *err)
{
	const char *name = cg->annotations ? config_map_get(cg->annotations, SUBGROUP_ANNOTATION) : NULL, *why = NULL;

	if (!name || !*name)
		return 0;
	if (strchr(name, '/') || strchr(name, '\n') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > NAME_MAX)
		why = "not the name of a directory";
	else if (cg->version != CGROUP_V2)
		why = "a cgroup below the unit's is possible on cgroup v2 only";
	else if (strcmp(cg->unit + strlen(cg->unit) - strlen(".scope"), ".scope") != 0)
		why = "the unit is not a scope";
	if (why) {
		error_path(err, "annotations[\"" SUBGROUP_ANNOTATION "\"]");
		return error_set(err, ERR_CONFIG, EINVAL, "\"%s\": %s", name, why);
	}
	cg->subgroup = name;
	return 0;
}

static int place_relative(struct arena *a, const struct cgroup_request *rq, struct cgroup *cg, const char **rel,
	struct error *err)
{
	int r;

	if (cg->manager != CGROUP_MANAGER_SYSTEMD)
		return cgroup_clean_path(a, cg->path_given ? rq->cgroups_path : rq->id, rel, err);
	cg->user_bus = rq->rootless;
	r = unit_from_path(a, rq->cgroups_path, rq->id, cg->user_bus, &cg->slice, &cg->unit, err);
	if (r < 0)
		return r;
	r = unit_expand_slice(a, cg->slice, rel, err);
	if (r < 0)
		return r;
	*rel = arena_printf(a, "%s%s%s", *rel, **rel ? "/" : "", cg->unit);
	return read_subgroup(cg, err);
}

/* Cgroup of the user's systemd instance, under which all its units are: the caller usually runs in one of them. */
static const char *user_manager(struct arena *a, const char *self_cgroup)
{
	const char *path = NULL;

	if (self_cgroup) {
		path = host_proc_cgroup(a, self_cgroup, KEY_UNIFIED);
		if (!path || !strstr(path, "/user@"))
			path = host_proc_cgroup(a, self_cgroup, "name=systemd");
	}
	if (path) {
		const char *at = strstr(path, "/user@"), *end = at ? strstr(at, ".service") : NULL;

		if (end)
			return arena_strndup(a, path + 1, (size_t)(end + strlen(".service") - path - 1));
	}
	return arena_printf(a, "user.slice/user-%u.slice/user@%u.service", host_owner(), host_owner());
}

/* The order matters to undo, which goes backwards: what can stop everything at once is made last. */
static int undo_rank(const struct host_hierarchy *h)
{
	if (h->controllers & CTRL_BIT(CTRL_FREEZER))
		return 2;
	return h->unified ? 1 : 0;
}

int cgroup_place(struct arena *a, const struct cgroup_request *rq, const struct host *host, const char *self_cgroup,
	struct cgroup **out, struct error *err)
{
	struct cgroup *cg = new_cgroup(a, rq->id);
	const char *rel;
	bool below_own;
	int r;

	cg->manager = rq->manager;
	cg->rootless = rq->rootless;
	cg->annotations = rq->annotations;
	cg->path_given = rq->cgroups_path && *rq->cgroups_path;
	*out = cg;
	if (rq->manager == CGROUP_MANAGER_DISABLED)
		return 0;
	cg->version = host->version;
	r = place_relative(a, rq, cg, &rel, err);
	if (r == 0)
		r = payload_read(cg, err);
	if (r < 0)
		return r;
	if (cg->user_bus)
		rel = arena_printf(a, "%s/%s", user_manager(a, self_cgroup), rel);
	below_own = rq->rootless && rq->manager == CGROUP_MANAGER_CGROUPFS &&
		    !(cg->path_given && rq->cgroups_path[0] == '/');
	for (int rank = 0; rank <= 2; rank++) {
		for (size_t i = 0; i < host->count; i++) {
			const struct host_hierarchy *hh = &host->h[i];
			struct hierarchy *h;
			const char *own = "";

			if (undo_rank(hh) != rank)
				continue;
			if (below_own) {
				r = own_path(a, hh, self_cgroup, &own, err);
				if (r < 0)
					return r;
			}
			h = add_hierarchy(cg, hh->key, hh->unified, hh->controllers);
			h->mount_point = hh->mount_point;
			h->mount_root = hh->mount_root;
			h->rel = *own ? arena_printf(a, "%s/%s", own, rel) : rel;
			h->missing = strlen(h->rel);
			h->m->name = hh->name;
			h->m->links = hh->links;
			h->m->links_count = hh->links_count;
			h->m->path = arena_printf(a, "%s/%s", hh->mount_point, h->rel);
			if (strlen(h->m->path) >= PATH_MAX)
				return error_set(err, ERR_CONFIG, ENAMETOOLONG, "cgroup path \"%.128s…\" is too long", h->m->path);
		}
	}
	return 0;
}

/*
 * The caller's own cgroup holds the caller, and on v2 a cgroup with processes hands no memory or I/O controller down: the
 * place for a container is beside it, where the user may make one (he owns everything in his systemd instance).
 */
static char *stand_beside(struct arena *a, const struct host *host, char *self)
{
	const char *own = host->version == CGROUP_V2 ? host_proc_cgroup(a, self, KEY_UNIFIED) : NULL;
	const char *slash = own ? strrchr(own, '/') : NULL, *dir;

	if (!slash || slash == own || strncmp(own, "/..", 3) == 0 || strcmp(host->h[0].mount_root, "/") != 0)
		return self;
	dir = arena_strndup(a, own, (size_t)(slash - own));
	if (faccessat(AT_FDCWD, arena_printf(a, "%s%s", host->h[0].mount_point, dir), W_OK, AT_EACCESS) < 0)
		return self;
	return (char *)arena_printf(a, "0::%s\n", dir);
}

/* What the scan has opened is the place to start from when the directories are made. */
static void take_descriptors(struct host *host, struct cgroup *cg)
{
	for (size_t i = 0; i < host->count; i++)
		for (size_t k = 0; k < cg->count; k++)
			if (cg->h[k].mount_point == host->h[i].mount_point)
				cg->h[k].top_fd = fd_take(&host->h[i].fd);
	host_close(host);
}

int cgroup_locate(struct arena *a, const struct cgroup_request *request, struct cgroup **out, struct error *err)
{
	struct host *host = arena_new(a, struct host);
	struct cgroup_request copy = *request;
	const struct cgroup_request *rq = &copy;
	char *self = NULL;
	int r;

	/* Root of a user namespace (an engine's, for a user) stands where that user stands.  An absolute path is the same
	 * for both. */
	if (!copy.rootless && copy.manager != CGROUP_MANAGER_DISABLED &&
		(copy.manager == CGROUP_MANAGER_SYSTEMD || !copy.cgroups_path || copy.cgroups_path[0] != '/'))
		copy.rootless = host_in_userns();

	if (rq->manager != CGROUP_MANAGER_DISABLED) {
		r = host_find(a, rq->fs_root, rq->proc_fd, host, err);
		if (r == -ENODEV && rq->rootless && !rq->cgroups_path) {
			struct cgroup_request none = *rq;

			none.manager = CGROUP_MANAGER_DISABLED;
			error_clear(err);
			return cgroup_place(a, &none, host, NULL, out, err);
		}
		if (r < 0)
			return r;
		if (rq->rootless) {
			r = host_proc_read(rq->proc_fd, 0, "cgroup", a, &self, err);
			if (r < 0) {
				host_close(host);
				return r;
			}
			if (rq->manager == CGROUP_MANAGER_CGROUPFS)
				self = stand_beside(a, host, self);
		}
	}
	r = cgroup_place(a, rq, host, self, out, err);
	take_descriptors(host, *out);
	return r;
}

/* --- the record --------------------------------------------------------------- */

static const char *const versions[] = { [CGROUP_NONE] = "none", [CGROUP_V1] = "v1", [CGROUP_V2] = "v2" };
static const char *const managers[] = {
	[CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
	[CGROUP_MANAGER_SYSTEMD] = "systemd",
	[CGROUP_MANAGER_DISABLED] = "disabled",
};

void cgroup_save(const struct cgroup *cg, struct arena *a, struct cgroup_record *record)
{
	*record = (struct cgroup_record){ .version = versions[CGROUP_NONE], .manager = managers[CGROUP_MANAGER_DISABLED] };
	if (!cg)
		return;
	*record = (struct cgroup_record){
		.version = versions[cg->version],
		.manager = managers[cg->manager],
		.scope = cg->version == CGROUP_NONE ? NULL : cg->unit,
		.user_bus = cg->user_bus,
	};
	if (cg->version == CGROUP_NONE)
		return;
	record->paths.items = arena_array(a, struct config_key_value, cg->count);
	for (size_t i = 0; i < cg->count; i++)
		record->paths.items[record->paths.count++] =
			(struct config_key_value){ .key = cg->h[i].key, .value = cg->h[i].m->path };
}

static int find_word(const char *const *table, size_t n, const char *word)
{
	for (size_t i = 0; word && i < n; i++)
		if (strcmp(table[i], word) == 0)
			return (int)i;
	return -1;
}

/* The mount point, when the path has the usual form: /sys/fs/cgroup (v2) or /sys/fs/cgroup/NAME (v1). */
static void guess_mount(struct cgroup *cg, struct hierarchy *h)
{
	size_t n = sizeof USUAL_ROOT - 1;
	const char *p = h->m->path, *rest = p + n;

	if (strncmp(p, USUAL_ROOT "/", n + 1) != 0)
		return;
	if (cg->version == CGROUP_V1) {
		rest = strchr(rest + 1, '/');
		if (!rest)
			return;
	}
	h->mount_point = arena_strndup(cg->arena, p, (size_t)(rest - p));
	h->mount_root = "/";
	h->rel = rest + 1;
	h->missing = strlen(h->rel);
	h->m->name = cg->version == CGROUP_V2 ? "" : strrchr(h->mount_point, '/') + 1;
}

static int saved_path(struct cgroup *cg, const struct config_key_value *item, struct error *err)
{
	bool unified = strcmp(item->key, KEY_UNIFIED) == 0;
	struct hierarchy *h;
	uint32_t bits = 0;

	if (cg->count == HIERARCHY_MAX || item->value[0] != '/' || strstr(item->value, "/../"))
		return error_set(err, ERR_CORRUPT, EINVAL, "the container's record: bad cgroup path \"%s\"", item->value);
	if (!unified && strncmp(item->key, "name=", 5) != 0) {
		for (const char *p = item->key; *p;) {
			const char *end = strchrnul(p, ',');
			int c = controller_find(p, (size_t)(end - p));

			if (c >= 0)
				bits |= CTRL_BIT(c);
			p = *end ? end + 1 : end;
		}
	}
	h = add_hierarchy(cg, arena_strdup(cg->arena, item->key), unified, bits);
	h->m->path = arena_strdup(cg->arena, item->value);
	guess_mount(cg, h);
	return 0;
}

int cgroup_open_saved(struct arena *a, const struct cgroup_record *record, struct cgroup **out, struct error *err)
{
	struct cgroup *cg = new_cgroup(a, NULL);
	int version = find_word(versions, sizeof versions / sizeof *versions, record->version);
	int manager = find_word(managers, sizeof managers / sizeof *managers, record->manager);
	int r;

	if (version < 0 || manager < 0)
		return error_set(err, ERR_CORRUPT, EINVAL, "the container's record: unknown cgroup version or manager");
	cg->version = version;
	cg->manager = manager;
	cg->unit = record->scope;
	cg->user_bus = record->user_bus;
	cg->saved = true;
	for (size_t i = 0; i < record->paths.count; i++) {
		r = saved_path(cg, &record->paths.items[i], err);
		if (r < 0)
			return r;
	}
	*out = cg;
	return 0;
}

/* --- looking at it -------------------------------------------------------------- */

void cgroup_close(struct cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->count; i++) {
		struct hierarchy *h = &cg->h[i];

		if (h->enter_fd >= 0 && h->enter_fd != h->m->fd)
			close(h->enter_fd);
		if (h->m->fd >= 0)
			close(h->m->fd);
		cleanup_fd(&h->top_fd);
		h->enter_fd = h->m->fd = h->top_fd = -1;
	}
}

enum cgroup_version cgroup_version(const struct cgroup *cg)
{
	return cg ? cg->version : CGROUP_NONE;
}

bool cgroup_exists(const struct cgroup *cg)
{
	return cg && cg->version != CGROUP_NONE;
}

const char *cgroup_text(const struct cgroup *cg)
{
	const struct hierarchy *h;

	if (!cgroup_exists(cg) || cg->count == 0)
		return "none";
	h = cgroup_unified(cg);
	return h ? h->m->path : cg->h[0].m->path;
}

size_t cgroup_mounts(const struct cgroup *cg, const struct cgroup_mount **mounts)
{
	*mounts = cg ? cg->mounts : NULL;
	return cgroup_exists(cg) ? cg->count : 0;
}

const struct hierarchy *cgroup_by_key(const struct cgroup *cg, const char *key)
{
	for (size_t i = 0; i < cg->count; i++)
		if (strcmp(cg->h[i].key, key) == 0)
			return &cg->h[i];
	return NULL;
}

const struct hierarchy *cgroup_unified(const struct cgroup *cg)
{
	return cgroup_by_key(cg, KEY_UNIFIED);
}

static bool offers(const struct hierarchy *h, enum controller c)
{
	const char *name = controller_name(c, true);
	char buf[512], *save = NULL;

	if (cg_read(h, "cgroup.controllers", buf, sizeof buf) < 0)
		return false;
	for (char *w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save))
		if (strcmp(w, name) == 0)
			return true;
	return false;
}

const struct hierarchy *cgroup_controller(const struct cgroup *cg, enum controller c)
{
	const struct hierarchy *unified = NULL;

	for (size_t i = 0; i < cg->count; i++) {
		if (cg->h[i].controllers & CTRL_BIT(c))
			return &cg->h[i];
		if (cg->h[i].unified)
			unified = &cg->h[i];
	}
	return unified && offers(unified, c) ? unified : NULL;
}

int cgroup_open_path(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_fd_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != CGROUP_SUPER_MAGIC && fs.f_type != CGROUP2_SUPER_MAGIC)
		return -EMEDIUMTYPE;
	return fd_take(&fd);
}

int hierarchy_open(const struct hierarchy *h)
{
	int fd;

	if (h->m->fd >= 0)
		return 0;
	fd = cgroup_open_path(h->m->path);
	if (fd < 0)
		return fd;
	h->m->fd = fd;
	return 0;
}
