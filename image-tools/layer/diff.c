/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one walk for all uses.  Each directory is read, sorted and gone
 * through together with its counterpart of the older tree, if there is one, or with
 * what was written down about it (tree.h), which comes in the same order.  Hard links
 * are recognised by device and inode: the first name is a file, further ones are links.
 */
#include "image-tools/layer/diff.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/layer/apply.h"

#define PATH_LENGTH 8192

struct inode {
	struct inode *next;
	dev_t dev;
	ino_t ino;
	const char *path;
};

struct walk {
	struct arena a;
	struct tar_writer *w;	    /* NULL: list, or */
	struct tree_writer *record; /* write down */
	struct tree_reader *before; /* instead of the older tree */
	diff_older *older;	    /* which is made when it is needed after all */
	int older_root;		    /* then: a descriptor or an error */
	bool asked;
	unsigned int depth;
	diff_found *fn;
	void *opaque;
	bool upper, compare; /* an overlay's upper directory; there is an older tree */
	struct inode *inodes[4096];
	char path[PATH_LENGTH];
	size_t len;
	struct error *err;
};

struct names {
	char **items;
	size_t count;
};

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(int dir, struct names *n)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	size_t capacity = 0;
	struct dirent *e;

	*n = (struct names){ 0 };
	if (!d) {
		cleanup_fd(&copy);
		return -errno;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (n->count == capacity) {
			char **bigger = realloc(n->items, (capacity = capacity ? capacity * 2 : 32) * sizeof *bigger);

			if (!bigger)
				break;
			n->items = bigger;
		}
		n->items[n->count++] = strdup(e->d_name);
	}
	closedir(d);
	if (n->count)
		qsort(n->items, n->count, sizeof *n->items, compare_strings);
	return 0;
}

static void free_names(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
}

static bool of_overlay(const char *name)
{
	return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0 ||
		strcmp(name, "security.selinux") == 0;
}

/* Attributes worth keeping, through /proc because the file may be of any type. */
static size_t read_attributes(struct walk *w, int dir, const char *name, struct tar_attribute **out, bool *opaque)
{
	char path[300], list[65536];
	struct tar_attribute *items = NULL;
	size_t n = 0;
	ssize_t len;

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name);
	len = llistxattr(path, list, sizeof list);
	for (char *p = list; len > 0 && p < list + len; p += strlen(p) + 1) {
		char value[65536];
		ssize_t size = lgetxattr(path, p, value, sizeof value);

		if (size < 0)
			continue;
		if ((strcmp(p, "trusted.overlay.opaque") == 0 || strcmp(p, "user.overlay.opaque") == 0) && size == 1 && *value == 'y')
			*opaque = true;
		if (of_overlay(p) || strncmp(p, "system.", 7) == 0)
			continue;
		items = arena_grow(&w->a, items, n * sizeof *items, (n + 1) * sizeof *items);
		char *copy = arena_alloc(&w->a, (size_t)size + 1);

		memcpy(copy, value, (size_t)size);
		items[n++] = (struct tar_attribute){ arena_strdup(&w->a, p), copy, (size_t)size };
	}
	*out = items;
	return n;
}

static const char *linked(struct walk *w, const struct stat *st)
{
	struct inode **slot = &w->inodes[(st->st_ino ^ st->st_dev) % 4096], *i;

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return NULL;
	for (i = *slot; i; i = i->next)
		if (i->dev == st->st_dev && i->ino == st->st_ino)
			return i->path;
	i = arena_new(&w->a, struct inode);
	*i = (struct inode){ *slot, st->st_dev, st->st_ino, arena_strdup(&w->a, w->path) };
	*slot = i;
	return NULL;
}

static int emit(struct walk *w, int dir, const char *name, const struct stat *st, bool *opaque)
{
	struct tar_entry e = { .path = w->path, .mode = st->st_mode & 07777, .mtime = st->st_mtim.tv_sec };
	struct tar_attribute *attributes;
	_cleanup_fd_ int fd = -1;
	char target[4097];
	ssize_t n;
	int r;

	e.link = linked(w, st);
	e.type = e.link ? '1' : S_ISREG(st->st_mode) ? '0' : S_ISLNK(st->st_mode) ? '2' : S_ISDIR(st->st_mode) ? '5' :
			S_ISCHR(st->st_mode) ? '3' : S_ISBLK(st->st_mode) ? '4' : S_ISFIFO(st->st_mode) ? '6' : 0;
	if (!e.type)
		return 0; /* sockets mean nothing without their process */
	if (!apply_map_back(w->w->uids, st->st_uid, &e.uid) || !apply_map_back(w->w->gids, st->st_gid, &e.gid)) {
		error_hint(w->err, "give it (chown) an owner that the bundle's id maps have");
		return error_set(w->err, ERR_CONFIG, EOVERFLOW, "\"%s\": its owner %u:%u is nobody in the container", w->path,
			st->st_uid, st->st_gid);
	}
	e.attributes_count = read_attributes(w, dir, name, &attributes, opaque);
	e.attributes = attributes;
	if (e.type == '1')
		e.attributes_count = 0;
	if (e.type == '3' || e.type == '4')
		e.major = major(st->st_rdev), e.minor = minor(st->st_rdev);
	if (e.type == '2') {
		n = readlinkat(dir, name, target, sizeof target - 1);
		if (n < 0)
			return error_sys(w->err, errno, "read link %s", w->path);
		target[n] = '\0';
		e.link = target;
	}
	if (e.type == '5')
		e.path = arena_printf(&w->a, "%s/", w->path);
	if (e.type == '0') {
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return error_sys(w->err, errno, "open %s", w->path);
		e.size = (uint64_t)st->st_size;
	}
	r = tar_begin(w->w, &e, w->err);
	return r == 0 && e.type == '0' ? tar_file(w->w, fd, w->err) : r;
}

static int emit_whiteout(struct walk *w, const char *name, const char *marker)
{
	const char *slash = strrchr(w->path, '/');
	struct tar_entry e = { .type = '0', .mode = 0 };

	if (marker)
		e.path = *w->path ? arena_printf(&w->a, "%s/%s", w->path, marker) : marker;
	else
		e.path = arena_printf(&w->a, "%.*s.wh.%s", slash ? (int)(slash + 1 - w->path) : 0, w->path, name);
	return tar_begin(w->w, &e, w->err);
}

/* Takes the descriptor x. */
static bool same_content(int older, int dir, const char *name, const struct stat *st)
{
	_cleanup_fd_ int x = older;
	_cleanup_fd_ int y = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	char one[32768], two[32768];

	if (x < 0 || y < 0)
		return false;
	for (off_t left = st->st_size; left > 0;) {
		ssize_t n = fd_read_full(x, one, sizeof one), m = fd_read_full(y, two, sizeof two);

		if (n <= 0 || n != m || memcmp(one, two, (size_t)n) != 0)
			return false;
		left -= n;
	}
	return true;
}

static bool same_attributes(struct walk *w, int a, int b, const char *name)
{
	struct tar_attribute *x, *y;
	bool ignored = false;
	size_t n = read_attributes(w, a, name, &x, &ignored), m = read_attributes(w, b, name, &y, &ignored), hits = 0;

	for (size_t i = 0; n == m && i < n; i++)
		for (size_t k = 0; k < m; k++)
			hits += strcmp(x[i].name, y[k].name) == 0 && x[i].size == y[k].size &&
				memcmp(x[i].value, y[k].value, x[i].size) == 0;
	return n == m && hits == n;
}

static int compare_attributes(const void *a, const void *b)
{
	return strcmp(((const struct tar_attribute *)a)->name, ((const struct tar_attribute *)b)->name);
}

/* Attributes as one string of bytes: names and values, sorted. */
static const char *attribute_bytes(struct walk *w, int dir, const char *name, size_t *size)
{
	struct tar_attribute *items;
	bool ignored = false;
	size_t n = read_attributes(w, dir, name, &items, &ignored), len = 0;
	char *bytes = NULL;

	if (n)
		qsort(items, n, sizeof *items, compare_attributes);
	for (size_t i = 0; i < n; i++) {
		size_t key = strlen(items[i].name) + 1, value = items[i].size;

		bytes = arena_grow(&w->a, bytes, len, len + key + sizeof value + value);
		memcpy(bytes + len, items[i].name, key);
		memcpy(bytes + len + key, &value, sizeof value);
		memcpy(bytes + len + key + sizeof value, items[i].value, value);
		len += key + sizeof value + value;
	}
	*size = len;
	return bytes;
}

static int64_t change_time(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static int write_down(struct walk *w, int dir, const char *name, const struct stat *st)
{
	struct tree_entry e = { .depth = w->depth, .name = name, .target = "", .mode = st->st_mode, .uid = st->st_uid,
		.gid = st->st_gid, .rdev = st->st_rdev, .mtime = st->st_mtim.tv_sec, .ctime = change_time(st),
		.size = (uint64_t)st->st_size };
	char target[4097];
	int r;

	e.attributes = attribute_bytes(w, dir, name, &e.attributes_size);
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

		if (n < 0)
			return error_sys(w->err, errno, "read link %s", w->path);
		target[n] = '\0';
		e.target = target;
	}
	r = tree_write(w->record, &e);
	return r < 0 ? error_sys(w->err, -r, "write down what is in a tree") : 0;
}

static bool same_as_written(struct walk *w, int now, const char *name, const struct tree_entry *e)
{
	size_t size;
	const char *bytes = attribute_bytes(w, now, name, &size);

	return size == e->attributes_size && (size == 0 || memcmp(bytes, e->attributes, size) == 0);
}

/* The file of the older tree that w->path names. */
static int open_older(struct walk *w, int before, const char *name)
{
	if (before >= 0)
		return openat(before, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (!w->asked)
		w->older_root = w->older(w->opaque, w->err);
	w->asked = true;
	return w->older_root < 0 ? w->older_root : path_open_beneath(w->older_root, w->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

/* Equal sizes and times are no proof: programs set times back.  That nothing was done to the inode is one. */
static bool same(struct walk *w, int before, int now, const char *name, const struct tree_entry *written,
	const struct stat *a, const struct stat *b)
{
	char x[4097], y[4097];

	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT) || a->st_mode != b->st_mode || a->st_uid != b->st_uid ||
		a->st_gid != b->st_gid || a->st_rdev != b->st_rdev)
		return false;
	if (written ? !same_as_written(w, now, name, written) : !same_attributes(w, before, now, name))
		return false;
	/* A whiteout of overlayfs says one thing only; its time is that of its making. */
	if (S_ISCHR(a->st_mode) && a->st_rdev == makedev(0, 0))
		return true;
	if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
		return false;
	if (S_ISLNK(a->st_mode)) {
		ssize_t m = readlinkat(now, name, y, sizeof y), n;

		if (written)
			return m > 0 && strlen(written->target) == (size_t)m && memcmp(written->target, y, (size_t)m) == 0;
		n = readlinkat(before, name, x, sizeof x);
		return n == m && n > 0 && memcmp(x, y, (size_t)n) == 0;
	}
	if (!S_ISREG(a->st_mode))
		return true;
	if (a->st_size != b->st_size || (written && written->ctime == change_time(b)))
		return a->st_size == b->st_size;
	return same_content(open_older(w, before, name), now, name, b);
}

static int walk_directory(struct walk *w, int before, int now);

static int descend(struct walk *w, int before, int now, const char *name)
{
	int r;

	_cleanup_fd_ int sub = openat(now, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_fd_ int old = before >= 0 ? openat(before, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	if (sub < 0)
		return error_sys(w->err, errno, "open %s", w->path);
	w->depth++;
	r = walk_directory(w, old, sub);
	w->depth--;
	return r;
}

static struct stat stat_of(const struct tree_entry *e)
{
	return (struct stat){ .st_mode = e->mode, .st_uid = e->uid, .st_gid = e->gid, .st_rdev = e->rdev,
		.st_size = (off_t)e->size, .st_mtim.tv_sec = e->mtime };
}

static int visit(struct walk *w, int before, int now, const char *name, const struct tree_entry *written)
{
	struct stat st, old;
	bool known_same, opaque = false, known = written || (before >= 0 && fstatat(before, name, &old, AT_SYMLINK_NOFOLLOW) == 0);
	int r = 0;

	if (written)
		old = stat_of(written);
	if (fstatat(now, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(w->err, errno, "examine %s", w->path);
	if (w->upper && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return emit_whiteout(w, name, NULL);
	known_same = known && same(w, before, now, name, written, &old, &st);
	if (w->asked && w->older_root < 0)
		return w->older_root;
	if (!known_same) {
		if (w->record)
			r = write_down(w, now, name, &st);
		else if (w->w)
			r = emit(w, now, name, &st, &opaque);
		else
			r = w->fn(w->opaque, known ? 'C' : 'A', w->path, w->err);
	}
	if (r == 0 && S_ISDIR(st.st_mode)) {
		if (w->upper && opaque)
			r = emit_whiteout(w, NULL, ".wh..wh..opq");
		if (r == 0)
			r = descend(w, known && S_ISDIR(old.st_mode) ? before : -1, now, name);
	}
	return r;
}

/* The next name of the older directory, or NULL. */
static const char *old_name(const struct walk *w, const struct names *olds, size_t k)
{
	if (w->before)
		return w->before->present && w->before->entry.depth == w->depth ? w->before->entry.name : NULL;
	return k < olds->count ? olds->items[k] : NULL;
}

static int visit_deleted(struct walk *w, const char *name)
{
	return w->w ? emit_whiteout(w, name, NULL) : w->fn(w->opaque, 'D', w->path, w->err);
}

static int walk_directory(struct walk *w, int before, int now)
{
	struct names news, olds = { 0 };
	size_t length = w->len, i = 0, k = 0;
	const char *old;
	int r = read_names(now, &news);

	if (r == 0 && before >= 0)
		r = read_names(before, &olds);
	if (r < 0)
		r = error_sys(w->err, -r, "read directory %s", w->path);
	while (r == 0 && ((old = old_name(w, &olds, k)) || i < news.count)) {
		int order = i == news.count ? 1 : !old ? -1 : strcmp(news.items[i], old);
		const char *name = order <= 0 ? news.items[i] : old;
		struct tree_entry written;

		if (w->before && order >= 0) {
			written = w->before->entry;
			tree_read_next(w->before);
		}
		w->len = length + (size_t)snprintf(w->path + length, sizeof w->path - length, "%s%s", length ? "/" : "", name);
		if (w->len >= sizeof w->path)
			r = error_sys(w->err, ENAMETOOLONG, "walk a tree");
		else if (order <= 0)
			r = visit(w, before, now, name, w->before && order == 0 ? &written : NULL);
		else
			r = visit_deleted(w, name);
		/* What was below it, unless that has been gone through. */
		while (w->before && w->before->present && w->before->entry.depth > w->depth)
			tree_read_next(w->before);
		i += order <= 0;
		k += order >= 0;
		w->path[length] = '\0';
		w->len = length;
	}
	free_names(&news);
	free_names(&olds);
	return r;
}

static int run(struct walk *w, int before, int now)
{
	int r = walk_directory(w, before, now);

	if (r == 0 && w->w)
		r = tar_finish(w->w, w->err);
	if (w->asked && w->older_root >= 0)
		close(w->older_root);
	arena_free(&w->a);
	free(w);
	return r;
}

static struct walk *new_walk(struct walk init)
{
	struct walk *w = malloc(sizeof *w);

	if (!w)
		abort();
	*w = init;
	return w;
}

int diff_write_upper(int upper, struct tar_writer *tw, struct error *err)
{
	return run(new_walk((struct walk){ .w = tw, .upper = true, .err = err }), -1, upper);
}

int diff_write_tree(int root, struct tar_writer *tw, struct error *err)
{
	return run(new_walk((struct walk){ .w = tw, .err = err }), -1, root);
}

int diff_write_changes(int before, int now, struct tar_writer *tw, struct error *err)
{
	return run(new_walk((struct walk){ .w = tw, .compare = true, .err = err }), before, now);
}

int diff_record(int root, int dir, const char *name, struct digest *d, struct error *err)
{
	struct tree_writer *w = malloc(sizeof *w);
	int r = w ? tree_write_begin(w, dir, name) : -ENOMEM;

	if (r < 0) {
		free(w);
		return error_sys(err, -r, "create %s", name);
	}
	r = run(new_walk((struct walk){ .record = w, .err = err }), -1, root);
	if (r < 0) {
		tree_write_abort(w);
	} else {
		r = tree_write_end(w, d);
		if (r < 0)
			error_sys(err, -r, "write %s", name);
	}
	if (r < 0)
		unlinkat(dir, name, 0);
	free(w);
	return r;
}

int diff_write_changes_since(struct tree_reader *before, diff_older *older, void *opaque, int now, struct tar_writer *tw,
	struct error *err)
{
	return run(new_walk((struct walk){ .w = tw, .before = before, .older = older, .opaque = opaque,
		.compare = true, .err = err }), -1, now);
}

int diff_list(int before, int now, diff_found *fn, void *opaque, struct error *err)
{
	return run(new_walk((struct walk){ .fn = fn, .opaque = opaque, .err = err }), before, now);
}
