/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: writing entries of a tree into a root, below a directory that
 * copy_items.c has found.  From there on everything is a single component below a descriptor.  An existing directory
 * stays, whatever its name is a link to; anything else is removed first and made anew, so
 * that nothing is ever written through a link or into a file of a layer below.
 *
 * Order per inode: make, write, owner, mode, attributes (security.capability after the
 * owner, which drops it), times.  A directory gets its times when it is left.  Directories
 * that were there keep theirs: what a step leaves depends on its inputs alone.
 *
 * Every entry is compared with what copy_digest() saw.  A file whose key says nothing (it
 * is too young, or differs) is digested while it is copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "image-tools/build/copy_writer.h"

#define BUFFER_SIZE (256u * 1024)
_Static_assert(BUFFER_SIZE >= 2 * TREE_ATTRIBUTES_MAX, "names and a value of attributes");

int writer_failed(const char *to, int errnum, const char *doing, struct error *err)
{
	return error_sys(err, errnum, "destination \"/%.300s\": %s", to, doing);
}

/* --- directories that lead to the destination ------------------------------------------------------------------ */

static void times_of(const struct stat *st, struct timespec times[static 2])
{
	times[0] = st->st_atim;
	times[1] = st->st_mtim;
}

/* Give a directory these times at the end.  Takes fd over.  When the table is full the first ones get theirs now. */
static void touch_later(struct writer *w, int fd, const struct timespec times[static 2])
{
	if (w->touched_count == WRITER_TOUCHED_MAX) {
		futimens(w->touched[0].fd, w->touched[0].times);
		close(w->touched[0].fd);
		memmove(&w->touched[0], &w->touched[1], --w->touched_count * sizeof w->touched[0]);
	}
	w->touched[w->touched_count].fd = fd;
	memcpy(w->touched[w->touched_count].times, times, 2 * sizeof *times);
	w->touched_count++;
}

static void touch_all(struct writer *w)
{
	/* Newest first: an older entry of the same directory knows the older time. */
	while (w->touched_count > 0) {
		w->touched_count--;
		futimens(w->touched[w->touched_count].fd, w->touched[w->touched_count].times);
		close(w->touched[w->touched_count].fd);
	}
}

static int own(struct writer *w, int fd)
{
	if (w->owner && fchown(fd, w->owner[0], w->owner[1]) < 0)
		return -errno;
	return 0;
}

static int refuse_owner(const struct writer *w, int errnum, const char *to, struct error *err)
{
	writer_failed(to, errnum, "set its owner", err);
	if (w->userns && (errnum == EINVAL || errnum == EPERM))
		error_hint(err, "without root only the ids that /etc/subuid and /etc/subgid give can be used");
	return -errnum;
}

/* Open the directory `path` (clean, without links), making what is missing. */
static int make_directories(struct writer *w, const char *path, struct error *err)
{
	char so_far[TREE_PATH_MAX] = "";
	_cleanup_fd_ int dir = tree_open(w->root, ".", O_RDONLY | O_DIRECTORY);
	size_t len = 0;

	if (dir < 0)
		return writer_failed("", -dir, "open the root", err);
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		char name[256];
		int next;

		memcpy(name, p, n);
		name[n] = '\0';
		len += (size_t)snprintf(so_far + len, sizeof so_far - len, "%s%s", len ? "/" : "", name);
		next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && errno == ENOENT) {
			struct timespec times[2];
			struct stat st;
			int copy;

			if (fstat(dir, &st) < 0 || mkdirat(dir, name, 0755) < 0)
				return writer_failed(so_far, errno, "make the directory", err);
			times_of(&st, times);
			next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (next < 0 || own(w, next) < 0) {
				cleanup_fd(&next);
				return refuse_owner(w, errno, so_far, err);
			}
			/* Parent first, so that it is last. */
			touch_later(w, fd_take(&dir), times);
			copy = fcntl(next, F_DUPFD_CLOEXEC, 3);
			if (copy >= 0)
				touch_later(w, copy, (struct timespec[]){ w->now, w->now });
			w->result->directories++;
		} else if (next < 0) {
			return errno == ENOTDIR || errno == ELOOP ?
				       error_set(err, ERR_CONFIG, ENOTDIR, "destination \"/%.300s\" is not a directory", so_far) :
				       writer_failed(so_far, errno, "open the directory", err);
		}
		cleanup_fd(&dir);
		dir = next;
		p += n + (p[n] == '/');
	}
	return fd_take(&dir);
}

/* The same for a directory in which something is about to change. */
int writer_open_place(struct writer *w, const char *path, struct error *err)
{
	int fd = make_directories(w, path, err), copy;
	struct timespec times[2];
	struct stat st;

	if (fd < 0)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0 || fstat(fd, &st) < 0) {
		int e = errno;

		cleanup_fd(&copy);
		close(fd);
		return writer_failed(path, e, "open the directory", err);
	}
	/* Newly made ones are on the list already, and run later. */
	times_of(&st, times);
	for (size_t i = 0; i < w->touched_count; i++) {
		struct stat other;

		if (fstat(w->touched[i].fd, &other) == 0 && other.st_ino == st.st_ino && other.st_dev == st.st_dev) {
			close(copy);
			return fd;
		}
	}
	touch_later(w, copy, times);
	return fd;
}

/* --- one entry ----------------------------------------------------------------------------------------------------- */

/* Remove what stands where something other than a directory goes. */
int writer_clear(int dir, const char *name, const char *to, struct error *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : writer_failed(to, errno, "examine it", err);
	if (S_ISDIR(st.st_mode))
		return error_set(err, ERR_CONFIG, EISDIR, "destination \"/%.300s\" is a directory; it cannot be replaced by a file", to);
	return unlinkat(dir, name, 0) < 0 ? writer_failed(to, errno, "replace it", err) : 0;
}

static int set_attributes(struct writer *w, int from, int to)
{
	char *list = w->buffer, *value = list + TREE_ATTRIBUTES_MAX;
	ssize_t len = flistxattr(from, list, TREE_ATTRIBUTES_MAX), n;

	for (char *p = list; len > 0 && p < list + len; p += strlen(p) + 1) {
		if (!tree_attribute_wanted(p))
			continue;
		n = fgetxattr(from, p, value, TREE_ATTRIBUTES_MAX);
		if (n < 0 || fsetxattr(to, p, value, (size_t)n, 0) == 0)
			continue;
		if (errno != ENOTSUP && errno != EPERM)
			return -errno;
		if (!w->attributes_warned)
			log_warning("attribute %s cannot be stored here; it and others are left out", p);
		w->attributes_warned = true;
	}
	return 0;
}

/* Owner and mode that an entry gets. */
static void attributes_of(const struct writer *w, const struct stat *st, uid_t *uid, gid_t *gid, mode_t *mode)
{
	*uid = w->owner ? w->owner[0] : w->keep_owner ? st->st_uid : 0;
	*gid = w->owner ? w->owner[1] : w->keep_owner ? st->st_gid : 0;
	*mode = w->mode ? copy_mode_apply(w->mode, st->st_mode & 07777, S_ISDIR(st->st_mode)) : st->st_mode & 07777;
}

/* from: descriptor whose attributes are copied, or -1. */
int writer_finish(struct writer *w, int fd, int from, const struct stat *st, const char *to, struct error *err)
{
	struct timespec times[2] = { st->st_mtim, st->st_mtim };
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int r;

	attributes_of(w, st, &uid, &gid, &mode);
	if (fchown(fd, uid, gid) < 0)
		return refuse_owner(w, errno, to, err);
	if (fchmod(fd, mode) < 0)
		return writer_failed(to, errno, "set its mode", err);
	r = from >= 0 ? set_attributes(w, from, fd) : 0;
	if (r < 0)
		return writer_failed(to, -r, "set its attributes", err);
	if (w->time)
		times[0] = times[1] = *w->time;
	return futimens(fd, times) < 0 ? writer_failed(to, errno, "set its times", err) : 0;
}

int writer_changed(const char *path, struct error *err)
{
	error_set(err, ERR_STATE, ESTALE, "\"%s\" changed while it was being copied", path);
	error_hint(err, "stop what writes to it, or exclude it in .dockerignore, and build again");
	return -ESTALE;
}

/* *content: what a file must hold when its key does not say so; NULL otherwise. */
int writer_compare(struct writer *w, const struct tree_entry *e, const uint8_t **content, struct error *err)
{
	const struct copy_seen *s;
	struct file_key key = file_key_of(&e->st);

	*content = NULL;
	if (!w->check)
		return 0;
	s = w->seen < w->c->seen_count ? &w->c->seen[w->seen++] : NULL;
	if (!s || strcmp(s->path, e->path) != 0 || s->key.mode != key.mode ||
		(w->keep_owner && (s->uid != e->st.st_uid || s->gid != e->st.st_gid)))
		return writer_changed(e->path, err);
	if (S_ISDIR(e->st.st_mode) || (s->settled && file_key_equal(&s->key, &key)))
		return 0;
	if (!S_ISREG(e->st.st_mode))
		return file_key_equal(&s->key, &key) ? 0 : writer_changed(e->path, err);
	*content = s->content;
	return 0;
}

/* Copy the data; with s not NULL, digest them on the way. */
int writer_copy_data(struct writer *w, int in, int out, const char *path, struct digest_stream *s, uint64_t *done,
	struct error *err)
{
	ssize_t n = 1;

	*done = 0;
	while (!s && n > 0) {
		n = copy_file_range(in, NULL, out, NULL, 1u << 30, 0);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n < 0 && *done == 0)
			break; /* not between these two: read and write */
		if (n < 0)
			return error_sys(err, errno, "copy \"%s\"", path);
		*done += (uint64_t)n;
	}
	if (!s && n == 0 && *done > 0)
		return 0;
	for (;;) {
		int r;

		n = read(in, w->buffer, BUFFER_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "read \"%s\"", path);
		if (n == 0)
			return 0;
		if (s)
			digest_feed(s, w->buffer, (size_t)n);
		r = fd_write_all(out, w->buffer, (size_t)n);
		if (r < 0)
			return error_sys(err, -r, "write the copy of \"%s\"", path);
		*done += (uint64_t)n;
	}
}

static int make_file(struct writer *w, const struct tree_entry *e, int dir, const char *name, const char *to,
	const uint8_t *content, struct error *err)
{
	_cleanup_fd_ int in = openat(e->dir, e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_fd_ int out = -1;
	struct file_key before = file_key_of(&e->st), key;
	struct digest_stream s;
	struct digest d;
	struct stat st;
	uint64_t done;
	int r;

	if (in < 0 || fstat(in, &st) < 0)
		return error_sys(err, errno, "open \"%s\"", e->path);
	key = file_key_of(&st);
	if (!S_ISREG(st.st_mode) || !file_key_equal(&key, &before))
		return writer_changed(e->path, err);
	out = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return writer_failed(to, errno, "create it", err);
	if (content && digest_begin(&s, DIGEST_SHA256) < 0)
		return error_sys(err, ENOMEM, "digest \"%s\"", e->path);
	r = writer_copy_data(w, in, out, e->path, content ? &s : NULL, &done, err);
	if (r == 0 && content)
		r = file_digest_attributes(&s, in, e->path, err);
	if (content && r < 0)
		digest_abort(&s);
	if (r < 0)
		return r;
	if (content) {
		digest_end(&s, &d);
		if (memcmp(d.bytes, content, 32) != 0)
			return writer_changed(e->path, err);
	}
	if (fstat(in, &st) < 0)
		return error_sys(err, errno, "examine \"%s\"", e->path);
	key = file_key_of(&st);
	if (w->check && !content && !file_key_equal(&key, &before))
		return writer_changed(e->path, err);
	w->result->files++;
	w->result->bytes += done;
	return writer_finish(w, out, in, &e->st, to, err);
}

/* Symbolic link, device, fifo. */
static int make_special(struct writer *w, const struct tree_entry *e, int dir, const char *name, const char *to,
	struct error *err)
{
	struct timespec times[2] = { e->st.st_mtim, e->st.st_mtim };
	mode_t mode, type = e->st.st_mode & S_IFMT;
	char target[TREE_PATH_MAX];
	uid_t uid;
	gid_t gid;
	ssize_t n;

	if ((type == S_IFCHR || type == S_IFBLK) && w->userns) {
		log_warning("device \"%s\" is left out: only root can make it", e->path);
		return 0;
	}
	if (type == S_IFLNK) {
		n = readlinkat(e->dir, e->name, target, sizeof target - 1);
		if (n < 0)
			return error_sys(err, errno, "read link \"%s\"", e->path);
		target[n] = '\0';
		if (symlinkat(target, dir, name) < 0)
			return writer_failed(to, errno, "create it", err);
	} else if (mknodat(dir, name, type | 0600, type == S_IFIFO ? 0 : e->st.st_rdev) < 0) {
		return writer_failed(to, errno, "create it", err);
	}
	attributes_of(w, &e->st, &uid, &gid, &mode);
	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse_owner(w, errno, to, err);
	/* Made a moment ago in a root that nobody else has: it is no link. */
	if (type != S_IFLNK && fchmodat(dir, name, mode, 0) < 0)
		return writer_failed(to, errno, "set its mode", err);
	if (w->time)
		times[0] = times[1] = *w->time;
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return writer_failed(to, errno, "set its times", err);
	w->result->files++;
	return 0;
}

/* A further name of a file that was copied already: 1 when it was made. */
static int make_link(struct writer *w, const struct tree_entry *e, int dir, const char *name, const char *to,
	struct error *err)
{
	const char *first, *slash;
	_cleanup_fd_ int other = -1;
	char parent[TREE_PATH_MAX];

	if (!S_ISREG(e->st.st_mode) || e->st.st_nlink < 2)
		return 0;
	first = copy_inode(&w->inodes, &e->st, arena_strdup(&w->arena, to));
	if (!first || strcmp(first, to) == 0)
		return 0;
	slash = strrchr(first, '/');
	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - first) : 0, first);
	other = tree_open(w->root, parent, O_PATH | O_DIRECTORY);
	if (other < 0 || linkat(other, slash ? slash + 1 : first, dir, name, 0) < 0)
		return writer_failed(to, other < 0 ? -other : errno, "link it", err);
	w->result->files++;
	return 1;
}

static int make_entry(struct writer *w, const struct tree_entry *e, int dir, const char *name, const char *to,
	struct error *err)
{
	const uint8_t *content;
	int r = writer_compare(w, e, &content, err);

	if (r == 0)
		r = writer_clear(dir, name, to, err);
	if (r == 0)
		r = make_link(w, e, dir, name, to, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (S_ISREG(e->st.st_mode))
		return make_file(w, e, dir, name, to, content, err);
	return make_special(w, e, dir, name, to, err);
}

/* --- directories ----------------------------------------------------------------------------------------------------- */

/* Something else than a directory stands where one goes: a link to a directory inside the root will do. */
static int follow(struct writer *w, const char *to, char place[static TREE_PATH_MAX], struct error *err)
{
	bool exists;
	int fd = -1, r = tree_resolve(w->root, to, false, place, &exists);

	if (r == 0)
		fd = tree_open(w->root, place, O_RDONLY | O_DIRECTORY);
	if (r < 0 || fd < 0)
		return error_set(err, ERR_CONFIG, ENOTDIR, "destination \"/%.300s\" is not a directory; it cannot be replaced by one", to);
	return fd;
}

static int enter(struct writer *w, const struct tree_entry *e, struct level *l, int dir, const char *name, const char *to,
	struct error *err)
{
	char place[TREE_PATH_MAX];
	const uint8_t *unused;
	struct stat st;
	int r = writer_compare(w, e, &unused, err);

	if (r < 0)
		return r;
	if (strlen(to) >= sizeof place)
		return writer_failed("", ENAMETOOLONG, "go below", err);
	strcpy(place, to);
	*l = (struct level){ .fd = -1, .path = strdup(to) };
	if (!l->path)
		return error_sys(err, ENOMEM, "copy");
	if (mkdirat(dir, name, 0700) == 0)
		l->created = true;
	else if (errno != EEXIST)
		return writer_failed(to, errno, "make the directory", err);
	l->fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		l->fd = follow(w, to, place, err);
		if (l->fd < 0)
			return l->fd;
		free(l->path);
		l->path = strdup(place);
	}
	if (l->fd < 0 || !l->path || fstat(l->fd, &st) < 0)
		return writer_failed(to, errno, "open the directory", err);
	times_of(&st, l->times);
	l->overwrite = l->created || !e->on_way;
	w->result->directories += l->created;
	return 0;
}

static int leave(struct writer *w, const struct tree_entry *e, struct level *l, struct error *err)
{
	_cleanup_fd_ int from = -1;
	int r = 0;

	if (l->overwrite) {
		from = openat(e->dir, *e->name ? e->name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = writer_finish(w, l->fd, from, &e->st, l->path, err);
	} else if (futimens(l->fd, l->times) < 0) {
		r = writer_failed(l->path, errno, "set its times", err);
	}
	cleanup_fd(&l->fd);
	free(l->path);
	*l = (struct level){ .fd = -1 };
	return r;
}

int writer_visit(void *opaque, const struct tree_entry *e, struct error *err)
{
	struct writer *w = opaque;
	struct level *up = e->depth ? &w->levels[e->depth - 1] : &w->levels[0];
	const char *name = e->depth ? e->name : w->name;
	const uint8_t *unused;
	char to[TREE_PATH_MAX];
	int n;

	/* The top of a tree is the destination itself, which is open already. */
	if (e->depth == 0 && S_ISDIR(e->st.st_mode))
		return e->leave ? 0 : writer_compare(w, e, &unused, err);
	if (e->leave)
		return leave(w, e, &w->levels[e->depth], err);
	n = snprintf(to, sizeof to, "%s%s%s", up->path, *up->path ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof to)
		return writer_failed(up->path, ENAMETOOLONG, "go below", err);
	if (S_ISDIR(e->st.st_mode))
		return enter(w, e, &w->levels[e->depth], up->fd, name, to, err);
	return make_entry(w, e, up->fd, name, to, err);
}

void writer_close_levels(struct writer *w)
{
	for (size_t i = 0; i < sizeof w->levels / sizeof w->levels[0]; i++) {
		if (!w->levels[i].path && w->levels[i].fd <= 0)
			continue;
		cleanup_fd(&w->levels[i].fd);
		free(w->levels[i].path);
		w->levels[i] = (struct level){ .fd = -1 };
	}
}

struct writer *writer_new(struct writer init)
{
	struct writer *w = calloc(1, sizeof *w);

	if (!w || !(init.buffer = malloc(BUFFER_SIZE))) {
		free(w);
		return NULL;
	}
	*w = init;
	return w;
}

void writer_free(struct writer *w)
{
	touch_all(w);
	writer_close_levels(w);
	free(w->inodes.slots);
	free(w->buffer);
	arena_free(&w->arena);
	free(w);
}

int copy_tree(const struct context *c, const char *place, int to, struct error *err)
{
	struct tree_filter f = { .root = c->root, .ignore = c->ignore };
	struct copy_result result = { 0 };
	struct writer *w = writer_new((struct writer){ .root = to, .keep_owner = c->keep_owner && !c->sources->single_id, .userns = c->sources->userns,
		.result = &result });
	int r;

	if (!w)
		return error_sys(err, ENOMEM, "copy");
	w->name = "";
	w->levels[0] = (struct level){ .fd = fcntl(to, F_DUPFD_CLOEXEC, 3), .path = strdup("") };
	if (w->levels[0].fd < 0 || !w->levels[0].path)
		r = error_sys(err, ENOMEM, "copy");
	else
		r = tree_walk(&f, place, writer_visit, w, err);
	writer_free(w);
	return r;
}
