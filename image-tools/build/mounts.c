/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what RUN --mount asks for becomes mounts of the container.  Their
 * sources are opened inside the tree they belong to and bound by descriptor to places on
 * the build's tmpfs, so no link of a context or image can lead to the host.  What
 * may be written without consequences (bind with rw) is an overlay or a copy; secrets
 * are files on the build's tmpfs; directories of cache mounts live in the store and are
 * locked by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/build/internal.h"

static const char *const types[] = {"bind", "cache", "tmpfs", "secret", "ssh"};
static const char *const sharings[] = {"shared", "private", "locked"};

static const char *target_of(const struct run_request *q, const struct dockerfile_mount *m)
{
	const char *cwd = q->stage->config.config.working_dir;
	struct arena *a = &q->stage->arena;

	if (!m->target)
		return NULL;
	if (*m->target == '/')
		return path_clean(a, m->target);
	return path_clean(a, arena_printf(a, "%s/%s", cwd && *cwd ? cwd : "", m->target));
}

static bool is_scratch(const struct dockerfile_mount *m)
{
	return m->from && strcasecmp(m->from, "scratch") == 0;
}

/* The tree a mount takes from; *c is closed by the caller when *own. */
static int open_source(
	struct run_request *q, const struct dockerfile_mount *m, struct context *c, bool *own, struct error *err)
{
	struct builder *b = q->stage->b;
	struct build_stage *from;
	int r;

	*own = false;
	if (!m->from || !*m->from) {
		*c = b->context;
		return 0;
	}
	from = graph_find(b, m->from, q->stage->stage->index, NULL, false, err);
	r = from ? graph_wait(from, err) : -EINVAL;
	if (r == 0)
		r = stage_context(from, c, err);
	*own = r == 0;
	return r;
}

static int add_content(struct run_request *q, const struct dockerfile_mount *m, struct key *k, struct error *err)
{
	struct arena *a = &q->stage->arena;
	struct context c;
	struct digest d;
	bool own;
	int r = open_source(q, m, &c, &own, err);

	if (r < 0)
		return r;
	r = context_digest(&c, m->source ? m->source : "", &d, err);
	if (r == 0)
		key_add(k,
			arena_printf(a, "mount content of %s%s%s", m->from ? m->from : "", m->from ? ":" : "",
				m->source ? m->source : ""),
			digest_string(a, &d));
	if (own)
		context_close(&c);
	return r;
}

int mounts_key(struct run_request *q, struct key *k, bool content, bool *has_stages, struct error *err)
{
	struct arena *a = &q->stage->arena;
	int r = 0;

	for (size_t i = 0; r == 0 && i < q->in->mounts_count; i++) {
		const struct dockerfile_mount *m = &q->in->mounts[i];
		const char *target = target_of(q, m);
		struct build_stage *from = NULL;

		/* Of a cache mount only its place counts; of a secret everything but its value. */
		key_add(k,
			arena_printf(a, "mount %s",
				target	? target
				: m->id ? m->id
					: "?"),
			arena_printf(a, "%s%s id=%s env=%s mode=%o uid=%u gid=%u size=%lld", types[m->type],
				m->read_only ? " ro" : "", m->type == DOCKERFILE_CACHE || !m->id ? "" : m->id,
				m->env ? m->env : "", m->mode, m->uid, m->gid, (long long)m->size));
		if (m->type != DOCKERFILE_BIND || is_scratch(m))
			continue;
		if (m->from && *m->from) {
			from = graph_find(q->stage->b, m->from, q->stage->stage->index, NULL, false, err);
			r = from ? graph_wait(from, err) : -EINVAL;
			if (r < 0)
				return r;
		}
		if (from && from->kind != STAGE_CONTEXT && !content) {
			*has_stages = true;
			key_add(k, arena_printf(a, "mount stage %s", target),
				arena_printf(a, "%s:%s", stage_chain(from, a), m->source ? m->source : ""));
		} else {
			r = add_content(q, m, k, err);
		}
	}
	return r;
}

static void add(struct run_request *q, struct bundle_mount m)
{
	struct bundle_mount *items = arena_array(&q->stage->arena, struct bundle_mount, q->mounts_count + 1);

	if (q->mounts_count)
		memcpy(items, q->mounts, q->mounts_count * sizeof *items);
	items[q->mounts_count++] = m;
	q->mounts = items;
}

/* Bind a source to a place of ours, by descriptor; takes it over.  The path of that place, NULL after an error. */
static const char *place(struct run_request *q, int source, struct error *err)
{
	struct arena *a = &q->stage->arena;
	const char *path = arena_printf(a, "%s/mount.%zu", q->bundle, q->places.count);
	_cleanup_fd_ int fd = source, tree = -1;
	struct stat st;
	int made = fstat(fd, &st) < 0 ? -1 : S_ISDIR(st.st_mode) ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0);

	if (made == 0)
		tree = (int)syscall(
			SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0 || syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		error_sys(err, errno, "bind the source of a mount to %s", path);
		return NULL;
	}
	string_list_add(a, &q->places, path);
	return path;
}

static void keep_lock(struct run_request *q, int fd)
{
	int *locks = arena_array(&q->stage->arena, int, q->locks_count + 1);

	if (q->locks_count)
		memcpy(locks, q->locks, q->locks_count * sizeof *locks);
	locks[q->locks_count++] = fd;
	q->locks = locks;
}

/* An overlay over a directory whose upper layer is thrown away. */
static int writable_view(struct run_request *q, int lower, struct error *err)
{
	struct build_stage *s = q->stage;
	const char *base = sandbox_directory(s->b, &s->arena, err), *root;
	_cleanup_fd_ int fs = -1, mount = -1;
	char path[64];
	int r = 0;

	if (!base)
		return -EIO;
	root = arena_printf(&s->arena, "%s/root", base);
	if (mkdir(arena_printf(&s->arena, "%s/upper", base), 0755) < 0 ||
		mkdir(arena_printf(&s->arena, "%s/work", base), 0700) < 0 || mkdir(root, 0755) < 0)
		return error_sys(err, errno, "create a directory in %s", base);
	fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	snprintf(path, sizeof path, "/proc/self/fd/%d", lower);
	const char *const options[][2] = {{"source", "oci-image"}, {"lowerdir", path},
		{"upperdir", arena_printf(&s->arena, "%s/upper", base)},
		{"workdir", arena_printf(&s->arena, "%s/work", base)}};

	for (size_t i = 0; r == 0 && i < 4; i++)
		if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
			r = -errno;
	if (r == 0 && s->b->userns && syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		r = -errno;
	if (r == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	if (r == 0) {
		mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
		if (mount < 0 || syscall(SYS_move_mount, mount, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			r = -errno;
	}
	if (r < 0)
		return error_sys(err, -r, "mount a writable view of a bind source");
	r = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? error_sys(err, errno, "open %s", root) : r;
}

static int writable_copy(struct run_request *q, int view, struct error *err)
{
	struct build_stage *s = q->stage;
	const char *base = sandbox_directory(s->b, &s->arena, err);
	char path[64], buf[65536];
	_cleanup_fd_ int in = -1, out = -1;
	struct stat st;
	ssize_t n;

	if (!base)
		return -EIO;
	snprintf(path, sizeof path, "/proc/self/fd/%d", view);
	in = open(path, O_RDONLY | O_CLOEXEC);
	out = open(arena_printf(&s->arena, "%s/file", base), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		return error_sys(err, errno, "copy the source of a bind mount");
	while ((n = read(in, buf, sizeof buf)) > 0)
		if (fd_write_all(out, buf, (size_t)n) < 0)
			return error_sys(err, EIO, "copy the source of a bind mount");
	(void)!fchown(out, st.st_uid, st.st_gid);
	(void)!fchmod(out, st.st_mode & 07777);
	return fd_take(&out);
}

static int bind_mount(struct run_request *q, const struct dockerfile_mount *m, const char *target, struct error *err)
{
	struct arena *a = &q->stage->arena;
	struct context c;
	struct stat st;
	const char *path;
	bool own = false;
	int r, view;

	if (is_scratch(m)) {
		const char *empty = sandbox_directory(q->stage->b, a, err);

		view = empty ? open(empty, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EIO;
	} else {
		r = open_source(q, m, &c, &own, err);
		if (r < 0)
			return r;
		view = context_view(&c, a, m->source ? m->source : "", err);
		if (own)
			context_close(&c);
	}
	if (view < 0)
		return view;
	if (fstat(view, &st) < 0) {
		close(view);
		return error_sys(err, errno, "examine the source of mount %s", target);
	}
	if (!m->read_only) {
		r = S_ISDIR(st.st_mode) ? writable_view(q, view, err) : writable_copy(q, view, err);
		close(view);
		if (r < 0)
			return r;
		view = r;
	}
	path = place(q, view, err);
	if (!path)
		return -EIO;
	string_list_add(a, S_ISDIR(st.st_mode) ? &q->directories : &q->files, target);
	add(q, (struct bundle_mount){target, "bind", path, {"rbind", "rprivate", m->read_only ? "ro" : "rw"}});
	return 0;
}

/* --- cache mounts ------------------------------------------------------------------------------------------- */

static int fill_cache(struct run_request *q, const struct dockerfile_mount *m, int dir, struct error *err)
{
	struct context c;
	bool own;
	int r = open_source(q, m, &c, &own, err), view;

	if (r < 0)
		return r;
	view = path_open_in_root(c.root, m->source && *m->source ? m->source : "/", O_RDONLY | O_DIRECTORY);
	r = view < 0 ? error_sys(err, -view, "open %s of %s", m->source, m->from) : bundle_copy_tree(view, dir, err);
	cleanup_fd(&view);
	if (own)
		context_close(&c);
	return r;
}

static int cache_directory(struct run_request *q, const struct dockerfile_mount *m, const char *name, struct error *err)
{
	struct builder *b = q->stage->b;
	_cleanup_fd_ int mounts = openat(b->cache.dir, "mounts", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
			 dir = -1;
	bool fresh = mkdirat(mounts, name, 0755) == 0;
	int r = 0;

	if (!fresh && errno != EEXIST)
		return error_sys(err, errno, "create a cache directory");
	dir = openat(mounts, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return error_sys(err, errno, "open a cache directory");
	if (fresh && m->from && !is_scratch(m))
		r = fill_cache(q, m, dir, err);
	if (r == 0 && fresh && (fchown(dir, m->uid, m->gid) < 0 || fchmod(dir, m->mode) < 0))
		r = error_sys(err, errno, "set the owner of a cache directory");
	if (r < 0) {
		store_remove_tree(mounts, name);
		return r;
	}
	return fd_take(&dir);
}

static int cache_mount(struct run_request *q, const struct dockerfile_mount *m, const char *target, struct error *err)
{
	struct builder *b = q->stage->b;
	struct arena *a = &q->stage->arena;
	const char *space = builder_argument(b, "BUILDKIT_CACHE_MOUNT_NS"), *name, *id = m->id ? m->id : target, *path;
	char hex[DIGEST_TEXT_MAX];
	struct digest d;
	int lock = -1, dir;

	/* The digest of the id: no id can name anything else. */
	id = arena_printf(a, "%s/%s", space ? space : "", id);
	digest_of(DIGEST_SHA256, id, strlen(id), &d);
	name = arena_printf(a, "%.32s", digest_hex(&d, hex));
	if (m->sharing == DOCKERFILE_PRIVATE) {
		for (int i = 0; lock < 0 && i < 1000; i++) {
			const char *one = i ? arena_printf(a, "%s.%d", name, i) : name;

			lock = cache_lock_name(&b->cache, one, true, true, &b->cancel);
			if (lock >= 0 || lock != -EWOULDBLOCK) {
				name = one;
				break;
			}
		}
	} else {
		lock = cache_lock_name(&b->cache, name, m->sharing == DOCKERFILE_LOCKED, false, &b->cancel);
	}
	if (lock < 0)
		return error_sys(err, -lock, "lock the %s cache %s", sharings[m->sharing], m->id ? m->id : target);
	keep_lock(q, lock);
	dir = cache_directory(q, m, name, err);
	if (dir < 0)
		return dir;
	path = place(q, dir, err);
	if (!path)
		return -EIO;
	string_list_add(a, &q->directories, target);
	add(q, (struct bundle_mount){target, "bind", path, {"rbind", "rprivate", m->read_only ? "ro" : "rw"}});
	return 0;
}

/* --- secrets and ssh ------------------------------------------------------------------------------------------ */

/* "id=x,src=y": the value of a key in a comma-separated list. */
static const char *field(struct arena *a, const char *text, const char *key)
{
	size_t n = strlen(key);

	while (*text) {
		size_t len = strcspn(text, ",");

		if (strncmp(text, key, n) == 0 && text[n] == '=')
			return arena_strndup(a, text + n + 1, len - n - 1);
		text += len + (text[len] == ',');
	}
	return NULL;
}

const char *secret_value(struct builder *b, struct arena *a, const char *id, size_t *len, struct error *err)
{
	for (size_t i = 0; i < b->o->secrets.count; i++) {
		const char *text = b->o->secrets.items[i], *have = field(a, text, "id"),
			   *source = field(a, text, "src");
		const char *env = field(a, text, "env"), *type = field(a, text, "type"), *value;
		_cleanup_fd_ int fd = -1;
		char *buf;
		int r;

		if (!have || strcmp(have, id) != 0)
			continue;
		if (!source)
			source = field(a, text, "source");
		if (!env && (!source || (type && strcmp(type, "env") == 0)))
			env = source ? source : getenv(have) ? have : NULL;
		if (env) {
			value = getenv(env);
			if (!value) {
				error_set(err, ERR_USAGE, EINVAL, "secret %s: variable %s is not set", id, env);
				return NULL;
			}
			*len = strlen(value);
			return value;
		}
		source = source ? source : have;
		fd = open(source, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : fd_read_all(fd, a, 500 * 1024, &buf, len);
		if (r < 0) {
			error_sys(err, -r, "secret %s: read %s", id, source);
			return NULL;
		}
		return buf;
	}
	return NULL;
}

static int secret_mount(
	struct run_request *q, const struct dockerfile_mount *m, const char *target, size_t number, struct error *err)
{
	struct arena *a = &q->stage->arena;
	struct error why = {0};
	size_t len = 0;
	const char *value = secret_value(q->stage->b, a, m->id, &len, &why), *path;
	_cleanup_fd_ int fd = -1;

	if (!value && why.errnum) {
		*err = why;
		return -why.errnum;
	}
	if (!value) {
		if (!m->required)
			return 0;
		error_set(err, ERR_USAGE, ENOKEY, "secret \"%s\" is required and was not given", m->id);
		error_hint(err, "--secret id=%s,src=FILE", m->id);
		return -ENOKEY;
	}
	if (m->env)
		string_list_add(a, &q->secret_env, arena_printf(a, "%s=%.*s", m->env, (int)len, value));
	if (m->env && !m->target)
		return 0;
	if (!target)
		target = arena_printf(a, "/run/secrets/%s", m->id);
	path = arena_printf(a, "%s/secret.%zu", q->bundle, number);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, value, len) < 0 || fchown(fd, m->uid, m->gid) < 0 ||
		fchmod(fd, m->mode & 07777) < 0)
		return error_sys(err, errno, "write secret %s", m->id);
	string_list_add(a, &q->files, target);
	add(q, (struct bundle_mount){target, "bind", path, {"bind", "rprivate", "ro", "nosuid", "nodev", "noexec"}});
	return 0;
}

/* --ssh id[=socket] */
static const char *agent_socket(struct builder *b, struct arena *a, const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < b->o->ssh.count; i++) {
		const char *text = b->o->ssh.items[i];

		if (strncmp(text, id, n) == 0 && (text[n] == '=' || !text[n]))
			return text[n] ? arena_strdup(a, text + n + 1) : getenv("SSH_AUTH_SOCK");
	}
	return NULL;
}

static int ssh_mount(
	struct run_request *q, const struct dockerfile_mount *m, const char *target, size_t number, struct error *err)
{
	struct arena *a = &q->stage->arena;
	const char *id = m->id ? m->id : "default", *path = agent_socket(q->stage->b, a, id);
	struct stat st;

	if (!path || !*path) {
		if (!m->required)
			return 0;
		error_set(err, ERR_USAGE, ENOKEY, "ssh agent \"%s\" is required and was not given", id);
		error_hint(err, "--ssh %s, with an agent at $SSH_AUTH_SOCK", id);
		return -ENOKEY;
	}
	if (stat(path, &st) < 0)
		return error_sys(err, errno, "ssh agent %s: %s", id, path);
	if (!S_ISSOCK(st.st_mode)) {
		error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "ssh agent %s: %s is no socket", id, path);
		error_hint(err, "keys are handed on through an agent: ssh-add %s, then --ssh %s", path, id);
		return -EOPNOTSUPP;
	}
	if (!target)
		target = arena_printf(a, "/run/buildkit/ssh_agent.%zu", number);
	string_list_add(a, &q->files, target);
	string_list_add(a, &q->secret_env, arena_printf(a, "SSH_AUTH_SOCK=%s", target));
	add(q, (struct bundle_mount){target, "bind", path, {"bind", "rprivate", "rw"}});
	return 0;
}

int mounts_prepare(struct run_request *q, struct error *err)
{
	struct arena *a = &q->stage->arena;
	size_t agents = 0;
	int r = 0;

	if (q->stage->b->o->shm_size) {
		int64_t bytes;

		r = dockerfile_parse_size(q->stage->b->o->shm_size, &bytes, err);
		if (r < 0)
			return error_wrap(err, "--shm-size");
		add(q, (struct bundle_mount){ "/dev/shm", "tmpfs", "shm",
			       { "nosuid", "noexec", "nodev", "mode=1777", arena_printf(a, "size=%lld", (long long)bytes) } });
	}
	for (size_t i = 0; r == 0 && i < q->in->mounts_count; i++) {
		const struct dockerfile_mount *m = &q->in->mounts[i];
		const char *target = target_of(q, m);

		if (!target && m->type <= DOCKERFILE_TMPFS)
			return error_set(err, ERR_CONFIG, EINVAL, "--mount=type=%s needs a target", types[m->type]);
		switch (m->type) {
		case DOCKERFILE_BIND:
			r = bind_mount(q, m, target, err);
			break;
		case DOCKERFILE_CACHE:
			r = cache_mount(q, m, target, err);
			break;
		case DOCKERFILE_TMPFS:
			string_list_add(a, &q->directories, target);
			add(q, (struct bundle_mount){target, "tmpfs", "tmpfs",
				       {"nosuid", "nodev",
					       m->size	      ? arena_printf(a, "size=%lld", (long long)m->size)
					       : m->read_only ? "ro"
							      : NULL,
					       m->size && m->read_only ? "ro" : NULL}});
			break;
		case DOCKERFILE_SECRET:
			r = secret_mount(q, m, target, i, err);
			break;
		case DOCKERFILE_SSH:
			r = ssh_mount(q, m, target, agents++, err);
		}
	}
	return r;
}

void mounts_release(struct run_request *q)
{
	for (size_t i = 0; i < q->places.count; i++)
		umount2(q->places.items[i], MNT_DETACH | UMOUNT_NOFOLLOW);
	for (size_t i = 0; i < q->locks_count; i++)
		cache_unlock(q->locks[i]);
	q->locks_count = 0;
}
