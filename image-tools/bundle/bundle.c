/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: everything is prepared below the bundle's directory, which
 * unpack creates (or finds empty).  The overlay is made as a detached mount and
 * attached last but one, config.json is written last.  A failure takes all of it
 * back: unmount, forget, remove.  bundle.json says what belongs to the bundle, so that
 * rm-bundle removes bundles only; it is there first, and again when all is known.
 */
#include "image-tools/bundle/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "image-tools/layer/diff.h"
#include "image-tools/rootless.h"
#include "image-tools/store/unpacked.h"

struct build {
	struct store *store;
	const struct bundle_options *o;
	const char *path; /* absolute */
	int dir;
	int root; /* for lookups: the mounted or flat tree */
	struct image image;
	const char **layers;
	const char *tree; /* digest of BUNDLE_TREE, or NULL */
	bool overlay, inside, created, mounted, recorded;
	struct bundle_spec spec;
};

static int add_mount(struct build *b, struct bundle_mount m)
{
	struct arena *a = b->store->arena;
	struct bundle_mount *items = arena_array(a, struct bundle_mount, b->spec.mounts_count + 1);

	if (b->spec.mounts_count)
		memcpy(items, b->spec.mounts, b->spec.mounts_count * sizeof *items);
	items[b->spec.mounts_count++] = m;
	b->spec.mounts = items;
	return 0;
}

static int make_directory(struct build *b, const char *name, mode_t mode, struct error *err)
{
	int fd;

	if (mkdirat(b->dir, name, mode) < 0 && errno != EEXIST)
		return error_sys(err, errno, "create %s/%s", b->path, name);
	fd = openat(b->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "open %s/%s", b->path, name) : fd;
}

static int attach_overlay(struct build *b, struct error *err)
{
	_cleanup_fd_ int upper = make_directory(b, "upper", 0755, err), work = -1, rootfs = -1, mount = -1;
	struct stat st;
	size_t n = b->image.manifest.layers_count;

	if (upper < 0)
		return upper;
	work = make_directory(b, "work", 0700, err);
	if (work < 0)
		return work;
	rootfs = make_directory(b, "rootfs", 0755, err);
	if (rootfs < 0)
		return rootfs;
	/* The merged root shows the upper directory's owner and mode: take the top layer's. */
	if (n > 0 && fstatat(b->store->layers, arena_printf(b->store->arena, "%s/fs", b->layers[n - 1]), &st, 0) == 0) {
		(void)!fchown(upper, st.st_uid, st.st_gid);
		(void)!fchmod(upper, st.st_mode & 07777);
		(void)!futimens(upper, (struct timespec[]){ st.st_mtim, st.st_mtim });
	}
	if (b->inside) {
		b->root = bundle_inside_overlay(b->store, b->layers, n, b->path, true, &b->spec.root_options, err);
		return b->root < 0 ? b->root : 0;
	}
	mount = unpacked_overlay(b->store, b->layers, n, upper, work, err);
	if (mount < 0)
		return mount;
	if (syscall(SYS_move_mount, mount, "", rootfs, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_sys(err, errno, "mount %s/rootfs", b->path);
	b->mounted = true;
	b->root = openat(b->dir, "rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return b->root < 0 ? error_sys(err, errno, "open %s/rootfs", b->path) : 0;
}

static int make_flat(struct build *b, struct error *err)
{
	_cleanup_fd_ int tmp = make_directory(b, ".rootfs", 0755, err);
	struct error ignored = { 0 };
	struct digest tree;
	struct stat st;
	int r;

	if (tmp < 0)
		return tmp;
	r = unpacked_flat_mapped(b->store, &b->image, tmp, geteuid() != 0, &b->o->uids, &b->o->gids, err);
	if (r < 0)
		return r;
	if (fstat(tmp, &st) == 0 && st.st_uid == 0 && b->o->uids.count && b->o->uids.ranges[0].inside == 0 &&
		fchown(tmp, b->o->uids.ranges[0].outside, b->o->gids.ranges[0].outside) < 0)
		return error_sys(err, errno, "set the owner of %s/rootfs", b->path);
	/* commit does without it; so a failure here is none of unpack. */
	if (diff_record(tmp, b->dir, BUNDLE_TREE, &tree, &ignored) == 0)
		b->tree = digest_string(b->store->arena, &tree);
	if (renameat(b->dir, ".rootfs", b->dir, "rootfs") < 0)
		return error_sys(err, errno, "create %s/rootfs", b->path);
	b->root = fd_take(&tmp);
	return 0;
}

static int make_rootfs(struct build *b, struct error *err)
{
	struct error why = { 0 };
	int r;

	if (!b->overlay)
		return make_flat(b, err);
	r = unpacked_ensure(b->store, &b->image, &b->layers, err);
	if (r < 0 || !b->inside || b->o->overlay)
		return r < 0 ? r : attach_overlay(b, err);
	r = attach_overlay(b, &why);
	if (r == 0)
		return 0;
	log_info("%s: the bundle becomes a tree of its own", why.msg);
	b->overlay = b->inside = false;
	b->spec.root_options = (struct string_list){ 0 };
	for (int i = 0; i < 3; i++)
		store_remove_tree(b->dir, (const char *const[]){ "upper", "work", "rootfs" }[i]);
	return make_flat(b, err);
}

/* The directory of a named volume, made when it is new; *fresh says so. */
static int named_volume(struct build *b, const char *name, bool *fresh, const char **path, struct error *err)
{
	_cleanup_fd_ int volumes = openat(b->store->layout.dir, "volumes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int fd;

	*path = arena_printf(b->store->arena, "%s/volumes/%s", b->store->path, name);
	*fresh = mkdirat(volumes, name, 0755) == 0;
	if (!*fresh && errno != EEXIST)
		return error_sys(err, errno, "create volume %s", name);
	fd = openat(volumes, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "open volume %s", name) : fd;
}

/* What the image has at the volume's place goes into a new volume. */
static int copy_up(struct build *b, const char *target, int volume, struct error *err)
{
	_cleanup_fd_ int from = path_open_in_root(b->root, target, O_RDONLY | O_DIRECTORY);

	return from < 0 ? 0 : bundle_copy_tree(from, volume, err);
}

static int add_volume(struct build *b, const char *text, struct error *err)
{
	struct bundle_volume v;
	const char *source;
	int r = bundle_parse_volume(b->store->arena, text, &v, err);

	if (r < 0)
		return r;
	source = v.source;
	if (v.named) {
		bool fresh;
		_cleanup_fd_ int fd = named_volume(b, v.source, &fresh, &source, err);

		if (fd < 0)
			return fd;
		r = fresh ? copy_up(b, v.target, fd, err) : 0;
		if (r < 0)
			return r;
	} else if (access(source, F_OK) < 0 && mkdir(source, 0755) < 0) {
		return error_sys(err, errno, "volume source %s", source);
	}
	return add_mount(b, (struct bundle_mount){ v.target, "bind", source, { "rbind", "rprivate", v.read_only ? "ro" : "rw" } });
}

static bool covered(const struct build *b, const char *target)
{
	for (size_t i = 0; i < b->spec.mounts_count; i++)
		if (strcmp(b->spec.mounts[i].destination, target) == 0)
			return true;
	return false;
}

/* The image's own Volumes: a directory of the bundle each, filled from the image. */
static int add_anonymous(struct build *b, struct error *err)
{
	const struct image_run_config *c = &b->image.config.config;
	const char *mode = b->o->volumes_mode ? b->o->volumes_mode : "bind";
	_cleanup_fd_ int volumes = -1;

	if (strcmp(mode, "ignore") == 0 || c->volumes.count == 0)
		return 0;
	volumes = make_directory(b, "volumes", 0700, err);
	if (volumes < 0)
		return volumes;
	for (size_t i = 0; i < c->volumes.count; i++) {
		const char *target = c->volumes.items[i].name, *name = arena_printf(b->store->arena, "%zu", i);
		_cleanup_fd_ int fd = -1;
		int r;

		if (*target != '/' || covered(b, target))
			continue;
		if (strcmp(mode, "tmpfs") == 0) {
			add_mount(b, (struct bundle_mount){ target, "tmpfs", "tmpfs", { "nosuid", "nodev" } });
			continue;
		}
		if (mkdirat(volumes, name, 0755) < 0)
			return error_sys(err, errno, "create a volume in %s", b->path);
		fd = openat(volumes, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = fd < 0 ? error_sys(err, errno, "open a volume in %s", b->path) : copy_up(b, target, fd, err);
		if (r < 0)
			return r;
		add_mount(b, (struct bundle_mount){ target, "bind",
			arena_printf(b->store->arena, "%s/volumes/%s", b->path, name), { "rbind", "rprivate", "rw" } });
	}
	return 0;
}

static int write_etc(struct build *b, const char *name, const char *text, struct error *err)
{
	int r = fd_replace_file(b->dir, name, text, strlen(text), 0644);

	if (r < 0)
		return error_sys(err, -r, "write %s/%s", b->path, name);
	return add_mount(b, (struct bundle_mount){ arena_printf(b->store->arena, "/etc/%s", name), "bind",
		arena_printf(b->store->arena, "%s/%s", b->path, name), { "bind", "rprivate" } });
}

static int add_etc(struct build *b, struct error *err)
{
	struct arena *a = b->store->arena;
	char *resolv;
	int r;

	if (strcmp(b->o->net, "none") == 0)
		return 0;
	if (fd_read_file(AT_FDCWD, "/etc/resolv.conf", a, 1 << 20, &resolv, NULL) < 0) {
		_cleanup_fd_ int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);

		if (fd < 0 || fd_read_all(fd, a, 1 << 20, &resolv, NULL) < 0)
			resolv = arena_strdup(a, "");
	}
	r = write_etc(b, "resolv.conf", resolv, err);
	if (r == 0)
		r = write_etc(b, "hosts", arena_printf(a, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t%s\n", b->o->hostname), err);
	if (r == 0)
		r = write_etc(b, "hostname", arena_printf(a, "%s\n", b->o->hostname), err);
	return r;
}

static int add_mounts(struct build *b, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->o->volumes.count; i++)
		r = add_volume(b, b->o->volumes.items[i], err);
	for (size_t i = 0; r == 0 && i < b->o->tmpfs.count; i++) {
		char *target = arena_strdup(b->store->arena, b->o->tmpfs.items[i]), *options = strchr(target, ':');
		struct bundle_mount m = { target, "tmpfs", "tmpfs", { "nosuid", "nodev", "noexec" } };

		if (options) {
			*options++ = '\0';
			m.options[3] = options;
			for (int k = 4; k < 8 && (options = strchr(options, ',')); k++) {
				*options++ = '\0';
				m.options[k] = options;
			}
		}
		if (*target != '/')
			return error_set(err, ERR_USAGE, EINVAL, "tmpfs \"%.200s\": an absolute path expected", target);
		r = add_mount(b, m);
	}
	if (r == 0)
		r = add_anonymous(b, err);
	return r < 0 ? r : add_etc(b, err);
}

/* Docker creates the working directory; below the root, through descriptors. */
static int make_workdir(struct build *b, struct error *err)
{
	const char *cwd = b->o->workdir ? b->o->workdir : b->image.config.config.working_dir;
	int fd;

	if (!cwd || !*cwd)
		return 0;
	fd = path_mkdir_in_root(b->root, cwd, 0755);
	if (fd < 0)
		return error_sys(err, -fd, "working directory %s", cwd);
	close(fd);
	return 0;
}

/* Which ids of the container are which ids of the host. */
static void set_id_maps(struct build *b)
{
	struct bundle_spec *s = &b->spec;

	if (b->o->uids.count) {
		s->uids = b->o->uids;
		s->gids = b->o->gids;
	} else if (rootless_active()) {
		s->uids = *rootless_uid_map();
		s->gids = *rootless_gid_map();
	}
}

static int write_config(struct build *b, struct error *err)
{
	struct arena *a = b->store->arena;
	const char *text, *user = b->o->user ? b->o->user : b->image.config.config.user;
	char program[4096];
	size_t len;
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	int r;

	program[n > 0 ? n : 0] = '\0';
	b->spec.image = &b->image;
	b->spec.options = b->o;
	b->spec.bundle = b->path;
	b->spec.program = program;
	b->spec.unprivileged = geteuid() != 0 || rootless_active();
	set_id_maps(b);
	b->spec.ports = arena_array(a, struct port_mapping, b->o->ports.count + 1);
	for (size_t i = 0; i < b->o->ports.count; i++) {
		r = bundle_parse_port(a, b->o->ports.items[i], &b->spec.ports[i], err);
		if (r < 0)
			return r;
	}
	b->spec.ports_count = b->o->ports.count;
	r = bundle_find_user(b->root, user, b->o->strict_groups, a, &b->spec.user, err);
	if (r == 0)
		r = make_workdir(b, err);
	if (r == 0)
		r = add_mounts(b, err);
	if (r < 0)
		return r;
	text = bundle_spec_write(a, &b->spec, &len, err);
	if (text && b->o->spec_file)
		text = bundle_spec_merge(a, text, b->o->spec_file, &len, err);
	if (!text)
		return -EINVAL;
	r = fd_replace_file(b->dir, "config.json", text, len, 0644);
	return r < 0 ? error_sys(err, -r, "write %s/config.json", b->path) : 0;
}

static void write_map(struct json_writer *w, const char *name, const struct id_map *map, struct arena *a)
{
	if (map->count == 0)
		return;
	json_write_member_array(w, name);
	for (size_t i = 0; i < map->count; i++)
		json_write_string(w, arena_printf(a, "%u:%u:%u", map->ranges[i].inside, map->ranges[i].outside, map->ranges[i].count));
	json_write_end_array(w);
}

static int write_info(struct build *b, const char *image, struct error *err)
{
	struct json_writer w;
	const char *text;
	size_t len;
	int r;

	json_writer_init(&w, b->store->arena, true);
	json_write_object(&w);
	json_write_member_string(&w, "image", image);
	json_write_member_string(&w, "manifest", b->image.manifest_descriptor.digest_text);
	json_write_member_string(&w, "store", b->store->path);
	json_write_member_bool(&w, "overlay", b->overlay);
	if (b->inside)
		json_write_member_bool(&w, "inside", true);
	if (b->tree)
		json_write_member_string(&w, "tree", b->tree);
	json_write_member_array(&w, "layers");
	for (size_t i = 0; b->overlay && b->layers && i < b->image.manifest.layers_count; i++)
		json_write_string(&w, b->layers[i]);
	json_write_end_array(&w);
	write_map(&w, "uidMap", &b->o->uids, b->store->arena);
	write_map(&w, "gidMap", &b->o->gids, b->store->arena);
	json_write_member_array(&w, "ports");
	for (size_t i = 0; i < b->spec.ports_count; i++) {
		json_write_object(&w);
		json_write_member_u64(&w, "hostPort", b->spec.ports[i].host);
		json_write_member_u64(&w, "containerPort", b->spec.ports[i].container);
		json_write_member_string(&w, "protocol", b->spec.ports[i].protocol);
		if (b->spec.ports[i].address)
			json_write_member_string(&w, "hostIP", b->spec.ports[i].address);
		json_write_end_object(&w);
	}
	json_write_end_array(&w);
	json_write_end_object(&w);
	text = json_writer_finish(&w, &len);
	r = fd_replace_file(b->dir, "bundle.json", text, len, 0644);
	return r < 0 ? error_sys(err, -r, "write %s/bundle.json", b->path) : 0;
}

static void take_back(struct build *b)
{
	cleanup_fd(&b->root);
	b->root = -1;
	if (b->mounted)
		umount2(arena_printf(b->store->arena, "%s/rootfs", b->path), MNT_DETACH | UMOUNT_NOFOLLOW);
	if (b->recorded)
		store_bundle_forget(b->store, b->path);
	if (b->created) {
		cleanup_fd(&b->dir);
		b->dir = -1;
		store_remove_tree(AT_FDCWD, b->path);
	}
}

static const char *absolute(struct arena *a, const char *path)
{
	char *cwd;
	const char *full;
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	path = arena_strndup(a, path, n);
	if (*path == '/')
		return path;
	cwd = getcwd(NULL, 0);
	full = arena_printf(a, "%s/%s", cwd && strcmp(cwd, "/") != 0 ? cwd : "", path);
	free(cwd);
	return full;
}

int bundle_unpack(struct store *s, const struct store_image *image, const char *path, const struct platform *platform,
	const struct bundle_options *o, struct error *err)
{
	struct build b = { .store = s, .o = o, .path = absolute(s->arena, path), .dir = -1, .root = -1 };
	int r = image_load(&s->layout, s->arena, &image->descriptor, platform, &b.image, err);

	if (r < 0)
		return r;
	b.overlay = !o->flat && geteuid() == 0 && !(s->userns && o->no_config) && !o->uids.count &&
		b.image.manifest.layers_count > 0;
	b.inside = b.overlay && s->userns;
	if (o->overlay && !b.overlay && b.image.manifest.layers_count > 0)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "--overlay: %s", s->userns ?
			"a user's overlay is in config.json, which --no-config leaves out" :
			"without ids in /etc/subuid and /etc/subgid there is no user namespace to mount it in");
	if (mkdir(b.path, 0755) < 0) {
		if (errno == EEXIST)
			error_hint(err, "choose another directory, or remove a bundle that is there: oci-image rm-bundle %s", path);
		return error_sys(err, errno, "create bundle %s", b.path);
	}
	b.created = true;
	b.dir = open(b.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b.dir < 0) {
		r = error_sys(err, errno, "open bundle %s", b.path);
		take_back(&b);
		return r;
	}
	/* Already now, so that rm-bundle takes what a killed unpack leaves. */
	r = write_info(&b, image->name, err);
	if (r == 0)
		r = make_rootfs(&b, err);
	/* Also without layers that have to stay: its volumes are in use. */
	if (r == 0) {
		r = store_bundle_record(s, b.path, image->name, b.layers, b.overlay ? b.image.manifest.layers_count : 0, err);
		b.recorded = r == 0;
	}
	if (r == 0 && !o->no_config)
		r = write_config(&b, err);
	if (r == 0)
		r = write_info(&b, image->name, err);
	if (r < 0)
		take_back(&b);
	cleanup_fd(&b.root);
	cleanup_fd(&b.dir);
	return r;
}

static const struct json_field info_fields[] = {
	JSON_F(JSON_STRING, struct bundle_info, image, "image"),
	JSON_F(JSON_STRING, struct bundle_info, manifest, "manifest", .required = true),
	JSON_F(JSON_BOOL, struct bundle_info, overlay, "overlay"),
	JSON_F(JSON_BOOL, struct bundle_info, inside, "inside"),
	JSON_F(JSON_STRING, struct bundle_info, tree, "tree"),
	JSON_F_LIST(JSON_STRINGS, struct bundle_info, layers, "layers"),
	JSON_F_LIST(JSON_STRINGS, struct bundle_info, uid_map, "uidMap"),
	JSON_F_LIST(JSON_STRINGS, struct bundle_info, gid_map, "gidMap"),
};
static const struct json_object info_object = JSON_OBJECT_OF("bundle", struct bundle_info, info_fields);

int bundle_info_read(const char *path, struct arena *a, struct bundle_info *info, struct error *err)
{
	struct json_errors errors = { 0 };
	char *buf;
	size_t len;
	int r;

	*info = (struct bundle_info){ 0 };
	path = absolute(a, path);
	r = fd_read_file(AT_FDCWD, arena_printf(a, "%s/bundle.json", path), a, 1 << 20, &buf, &len);
	if (r < 0)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "%s is not a bundle of oci-image (no bundle.json)", path);
	if (json_read(&info_object, buf, len, a, info, &errors) < 0) {
		json_errors_first(&errors, ERR_CORRUPT, NULL, err);
		return error_wrap(err, "%s/bundle.json", path);
	}
	info->path = path;
	for (size_t i = 0; r >= 0 && i < info->uid_map.count; i++)
		r = bundle_parse_id_range(info->uid_map.items[i], &info->uids, err);
	for (size_t i = 0; r >= 0 && i < info->gid_map.count; i++)
		r = bundle_parse_id_range(info->gid_map.items[i], &info->gids, err);
	return r < 0 ? error_wrap(err, "%s/bundle.json", path) : 0;
}

/* A process whose root directory this is, or 0: a container's mounts are its own, so unmounting ours would not fail. */
static pid_t user_of(const char *rootfs)
{
	DIR *proc = opendir("/proc");
	struct stat root, other;
	pid_t user = 0;

	for (struct dirent *e; proc && stat(rootfs, &root) == 0 && user == 0 && (e = readdir(proc));) {
		char name[300];

		snprintf(name, sizeof name, "%s/root", e->d_name);
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && fstatat(dirfd(proc), name, &other, 0) == 0 &&
			other.st_dev == root.st_dev && other.st_ino == root.st_ino)
			user = (pid_t)strtol(e->d_name, NULL, 10);
	}
	if (proc)
		closedir(proc);
	return user;
}

int bundle_remove(struct store *s, const char *path, bool force, struct error *err)
{
	struct bundle_info info;
	struct error ignored = { 0 };
	const char *rootfs;
	pid_t user;
	int r = bundle_info_read(path, s->arena, &info, err);

	if (r < 0)
		return r;
	rootfs = arena_printf(s->arena, "%s/rootfs", info.path);
	user = force ? 0 : info.inside ? bundle_inside_user(s->arena, info.path) : user_of(rootfs);
	if (user > 0) {
		error_hint(err, "stop and delete its container first (oci-rt delete --force NAME), or use --force");
		return error_set(err, ERR_STATE, EBUSY, "remove bundle %s: process %d runs in it", info.path, user);
	}
	r = network_remove(info.path, s->arena, &ignored);
	if (r < 0)
		log_warning("%s", ignored.msg);
	if (info.overlay && !info.inside && umount2(rootfs, UMOUNT_NOFOLLOW | (force ? MNT_DETACH : 0)) < 0 && errno != EINVAL &&
		errno != ENOENT) {
		error_sys(err, errno, "unmount %s", rootfs);
		error_hint(err, "is its container still there? or use --force");
		return -EBUSY;
	}
	store_bundle_forget(s, info.path);
	r = store_remove_tree(AT_FDCWD, info.path);
	return r < 0 ? error_sys(err, -r, "remove %s", info.path) : 0;
}

int bundle_open_root(struct store *s, const char *path, struct error *err)
{
	struct string_list unused;
	struct bundle_info info;
	int fd, r = bundle_info_read(path, s->arena, &info, err);

	if (r < 0)
		return r;
	if (info.inside)
		return bundle_inside_overlay(s, info.layers.items, info.layers.count, info.path, false, &unused, err);
	fd = open(arena_printf(s->arena, "%s/rootfs", info.path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? error_sys(err, errno, "open %s/rootfs", info.path) : fd;
}

int bundle_mount(struct store *s, const char *path, struct error *err)
{
	struct build b = { .store = s, .dir = -1, .root = -1, .overlay = true };
	struct bundle_info info;
	struct stat in, out;
	int r = bundle_info_read(path, s->arena, &info, err);

	if (r < 0)
		return r;
	if (info.inside) {
		log_info("%s: its runtime mounts the root", info.path);
		return 0;
	}
	b.path = info.path;
	b.layers = info.layers.items;
	b.image.manifest.layers_count = info.layers.count;
	b.dir = open(info.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b.dir < 0)
		return error_sys(err, errno, "open bundle %s", info.path);
	if (info.overlay && fstat(b.dir, &out) == 0 && fstatat(b.dir, "rootfs", &in, 0) == 0 && in.st_dev == out.st_dev)
		r = attach_overlay(&b, err);
	cleanup_fd(&b.root);
	cleanup_fd(&b.dir);
	return r;
}
