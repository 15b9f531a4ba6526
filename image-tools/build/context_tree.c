/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: finding and walking below a root.
 *
 * tree_resolve() follows links itself, component by component, because COPY has to
 * know the path a link leads to: .dockerignore and the cache key speak of that.  It
 * decides nothing about safety: every single component is opened by openat2 below the
 * root without links, and so is the result.
 *
 * tree_walk() reads a directory completely, sorts it, and visits.  A directory that is
 * not selected itself waits until something in it is; then it is visited as "on the
 * way".  Directories below which nothing can be selected are not opened.
 */
#include "image-tools/build/context_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

int tree_open(int root, const char *path, int flags)
{
	return path_open_in_root_how(root, path, flags, 0, RESOLVE_NO_SYMLINKS);
}

/* Put text (and what is left behind it) in front of the rest of a path. */
static int prepend(char rest[static 2 * TREE_PATH_MAX], const char *text, const char *behind)
{
	char joined[2 * TREE_PATH_MAX];
	int n = snprintf(joined, sizeof joined, "%s/%s", text, behind);

	if (n < 0 || (size_t)n >= sizeof joined)
		return -ENAMETOOLONG;
	memcpy(rest, joined, (size_t)n + 1);
	return 0;
}

/* Look at one component: 1 it is a link whose text is in target, 0 it is something else. */
static int read_component(int root, const char *path, char target[static TREE_PATH_MAX])
{
	_cleanup_fd_ int fd = path_open_in_root_how(root, path, O_PATH | O_NOFOLLOW, 0, 0);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return 0;
	n = readlinkat(fd, "", target, TREE_PATH_MAX - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return 1;
}

static size_t drop_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		slash = path;
	*slash = '\0';
	return (size_t)(slash - path);
}

int tree_resolve(int root, const char *path, bool missing, char out[static TREE_PATH_MAX], bool *exists)
{
	char rest[2 * TREE_PATH_MAX], target[TREE_PATH_MAX];
	unsigned int links = 0;
	size_t len = 0;
	const char *p;

	out[0] = '\0';
	*exists = true;
	if (strlen(path) >= TREE_PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(rest, path);
	for (p = rest; *p;) {
		size_t n = strcspn(p, "/"), before = len;
		int r;

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			len = drop_last(out);
			if (!*exists)
				*exists = read_component(root, out, target) != -ENOENT;
		} else if (n > 0 && !(n == 1 && *p == '.')) {
			if (n > 255 || len + n + 2 > TREE_PATH_MAX)
				return -ENAMETOOLONG;
			if (len)
				out[len++] = '/';
			memcpy(out + len, p, n);
			out[len += n] = '\0';
			r = *exists ? read_component(root, out, target) : 0;
			if (r == 1) {
				if (++links > TREE_LINKS_MAX)
					return -ELOOP;
				out[len = before] = '\0';
				r = prepend(rest, target, p + n);
				if (r < 0)
					return r;
				if (*target == '/')
					out[len = 0] = '\0';
				p = rest;
				continue;
			}
			if (r == -ENOENT && missing)
				*exists = false;
			else if (r < 0)
				return r;
		}
		p += n;
		p += strspn(p, "/");
	}
	return 0;
}

bool tree_ignored(const struct ignore *ig, const char *path, bool directory)
{
	if (!ig || ig->count == 0 || !*path || !ignore_matches(ig, path))
		return false;
	return !directory || !ignore_must_descend(ig, path);
}

/* --- patterns of --parents --------------------------------------------------------------------------- */

static bool component_matches(const char *pattern, size_t np, const char *name, size_t nn)
{
	char p[TREE_PATH_MAX], s[256];

	if (np >= sizeof p || nn >= sizeof s)
		return false;
	memcpy(p, pattern, np);
	p[np] = '\0';
	memcpy(s, name, nn);
	s[nn] = '\0';
	return glob_match(p, s) == 1;
}

#define PATTERN_COMPONENTS_MAX 256u

static bool is_any(const char *component, size_t n)
{
	return n == 2 && component[0] == '*' && component[1] == '*';
}

/* Being at a "**" means being behind it too: it may stand for nothing. */
static void reach(bool *at, const char *const *components, const size_t *lengths, size_t count, size_t i)
{
	at[i] = true;
	while (i < count && is_any(components[i], lengths[i]))
		at[++i] = true;
}

/* All positions in the pattern that the path so far can have led to, component by component: no pattern takes more than
 * its length times the path's. */
enum tree_match tree_match(const char *pattern, const char *path)
{
	const char *components[PATTERN_COMPONENTS_MAX];
	size_t lengths[PATTERN_COMPONENTS_MAX], count = 0;
	bool at[PATTERN_COMPONENTS_MAX + 1] = { false }, next[PATTERN_COMPONENTS_MAX + 1];
	bool some = true;

	for (const char *p = pattern; *p; p += p[lengths[count - 1]] ? lengths[count - 1] + 1 : lengths[count - 1]) {
		if (count == PATTERN_COMPONENTS_MAX)
			return TREE_NO;
		components[count] = p;
		lengths[count++] = strcspn(p, "/");
	}
	if (count == 0)
		return TREE_YES;
	reach(at, components, lengths, count, 0);
	for (const char *p = path; *p && some;) {
		size_t n = strcspn(p, "/");

		memset(next, 0, sizeof next);
		some = false;
		for (size_t i = 0; i < count; i++) {
			bool any = is_any(components[i], lengths[i]);

			if (!at[i] || (!any && !component_matches(components[i], lengths[i], p, n)))
				continue;
			if (i + 1 == count)
				return TREE_YES;
			reach(next, components, lengths, count, any ? i : i + 1);
			some = true;
		}
		memcpy(at, next, sizeof at);
		p += n + (p[n] == '/');
	}
	return some ? TREE_BELOW : TREE_NO;
}

/* --- the walk ------------------------------------------------------------------------------------------ */

struct names {
	char **items;
	size_t count;
};

static void free_names(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Takes fd over. */
static int read_names(int fd, struct names *n)
{
	DIR *d = fdopendir(fd);
	size_t capacity = 0;
	struct dirent *e;
	int r = 0;

	*n = (struct names){ 0 };
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || e->d_type == DT_SOCK)
			continue;
		if (n->count == capacity) {
			char **bigger = realloc(n->items, (capacity = capacity ? capacity * 2 : 32) * sizeof *bigger);

			if (!bigger) {
				r = -ENOMEM;
				break;
			}
			n->items = bigger;
		}
		n->items[n->count] = strdup(e->d_name);
		r = n->items[n->count] ? 0 : -ENOMEM;
		n->count += r == 0;
	}
	if (r == 0)
		r = -errno;
	closedir(d);
	if (n->count)
		qsort(n->items, n->count, sizeof *n->items, compare_names);
	return r;
}

/* A directory being walked; the chain to the top. */
struct level {
	struct level *up;
	struct tree_entry entry; /* its strings are the level's own */
	bool announced;		 /* visited already */
	bool *ignored, *excluded;
};

struct walk {
	struct tree_filter *f;
	tree_visit *fn;
	void *opaque;
	struct error *err;
	char path[TREE_PATH_MAX]; /* of the entry at hand */
	size_t top;		  /* where `below` begins in it */
};

static int failed(struct walk *w, int r, const char *doing)
{
	return error_sys(w->err, -r, "%s \"%s\"", doing, *w->path ? w->path : ".");
}

/* Directories on the way to something selected. */
static int announce(struct walk *w, struct level *l)
{
	int r;

	if (!l || l->announced)
		return 0;
	r = announce(w, l->up);
	if (r < 0)
		return r;
	l->announced = true;
	l->entry.on_way = true;
	return w->fn(w->opaque, &l->entry, w->err);
}

/* Does the filter select an entry?  *descend: a directory that must be read even if not. */
static bool selected(struct walk *w, const struct level *up, const char *below, bool directory, bool *ignored,
	bool *excluded, bool *descend)
{
	struct tree_filter *f = w->f;
	bool yes = true;

	*descend = directory;
	if (f->ignore && f->ignore->count && *w->path && ignore_matches_below(f->ignore, w->path, up->ignored, ignored)) {
		yes = false;
		*descend = *descend && ignore_must_descend(f->ignore, w->path);
	}
	if (f->exclude && *below && ignore_matches_below(f->exclude, below, up->excluded, excluded)) {
		yes = false;
		*descend = *descend && ignore_must_descend(f->exclude, below);
	}
	if (f->include) {
		enum tree_match m = tree_match(f->include, below);

		yes = yes && m == TREE_YES;
		*descend = *descend && m != TREE_NO;
	}
	return yes;
}

static bool *states(const struct ignore *ig)
{
	return calloc(ig && ig->count ? ig->count : 1, sizeof(bool));
}

static int walk_entry(struct walk *w, struct level *up, int dir, const char *name, unsigned int depth);

static int walk_children(struct walk *w, struct level *l)
{
	size_t length = strlen(w->path);
	struct names names;
	int fd, r;

	fd = openat(l->entry.dir, *l->entry.name ? l->entry.name : ".",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return failed(w, -errno, "open directory");
	_cleanup_fd_ int dir = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = dir < 0 ? -errno : 0;
	if (r < 0)
		close(fd);
	else
		r = read_names(fd, &names);
	if (r < 0)
		return failed(w, r, "read directory");
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		size_t n = strlen(names.items[i]);

		if (length + n + 2 > sizeof w->path) {
			r = failed(w, -ENAMETOOLONG, "go below");
			break;
		}
		w->path[length] = '/';
		memcpy(w->path + length + (length > 0), names.items[i], n + 1);
		r = walk_entry(w, l, dir, names.items[i], l->entry.depth + 1);
		w->path[length] = '\0';
	}
	free_names(&names);
	return r;
}

static int walk_directory(struct walk *w, struct level *l, bool yes)
{
	char *path = strdup(w->path);
	int r;

	if (!path)
		return failed(w, -ENOMEM, "walk");
	l->entry.path = path;
	l->entry.below = strlen(path) >= w->top ? path + w->top : "";
	r = 0;
	if (l->entry.depth > TREE_DEPTH_MAX)
		r = error_set(w->err, ERR_CONFIG, ELOOP, "\"%.200s\": more than %u directories deep", path, TREE_DEPTH_MAX);
	if (r == 0 && yes) {
		r = announce(w, l->up);
		l->announced = true;
		if (r == 0)
			r = w->fn(w->opaque, &l->entry, w->err);
	}
	if (r == 0)
		r = walk_children(w, l);
	if (r == 0 && l->announced) {
		l->entry.leave = true;
		r = w->fn(w->opaque, &l->entry, w->err);
	}
	free(path);
	return r;
}

static int walk_entry(struct walk *w, struct level *up, int dir, const char *name, unsigned int depth)
{
	struct level l = { .up = depth ? up : NULL, .entry = { .path = w->path, .name = name, .dir = dir, .depth = depth } };
	bool yes, descend;
	int r = 0;

	l.entry.below = strlen(w->path) >= w->top ? w->path + w->top : "";
	if (fstatat(dir, *name ? name : ".", &l.entry.st, AT_SYMLINK_NOFOLLOW) < 0) {
		/* Gone since the directory was read: as if it had never been there. */
		return errno == ENOENT && depth ? 0 : failed(w, -errno, "examine");
	}
	if (S_ISSOCK(l.entry.st.st_mode))
		return 0;
	l.ignored = states(w->f->ignore);
	l.excluded = states(w->f->exclude);
	if (!l.ignored || !l.excluded) {
		r = failed(w, -ENOMEM, "walk");
	} else {
		yes = selected(w, up, l.entry.below, S_ISDIR(l.entry.st.st_mode), l.ignored, l.excluded, &descend);
		w->f->hidden += !yes && !(w->f->include && descend);
		if (descend) {
			r = walk_directory(w, &l, yes);
		} else if (yes) {
			r = announce(w, l.up);
			if (r == 0)
				r = w->fn(w->opaque, &l.entry, w->err);
		}
	}
	free(l.ignored);
	free(l.excluded);
	return r;
}

/* What the patterns say of the directories above the top. */
static int state_above(struct walk *w, const char *top, struct level *above)
{
	bool *other = states(w->f->ignore), *swap;
	char path[TREE_PATH_MAX];

	above->ignored = states(w->f->ignore);
	above->excluded = states(w->f->exclude);
	if (!other || !above->ignored || !above->excluded) {
		free(other);
		return failed(w, -ENOMEM, "walk");
	}
	for (const char *slash = strchr(top, '/'); slash && w->f->ignore && w->f->ignore->count; slash = strchr(slash + 1, '/')) {
		memcpy(path, top, (size_t)(slash - top));
		path[slash - top] = '\0';
		ignore_matches_below(w->f->ignore, path, above->ignored, other);
		swap = above->ignored;
		above->ignored = other;
		other = swap;
	}
	free(other);
	return 0;
}

int tree_walk(struct tree_filter *f, const char *top, tree_visit *fn, void *opaque, struct error *err)
{
	struct walk *w = calloc(1, sizeof *w);
	struct level above = { 0 };
	char parent[TREE_PATH_MAX], *slash;
	_cleanup_fd_ int dir = -1;
	int r;

	if (!w || strlen(top) >= sizeof w->path) {
		free(w);
		return error_sys(err, w ? ENAMETOOLONG : ENOMEM, "walk \"%.200s\"", top);
	}
	*w = (struct walk){ .f = f, .fn = fn, .opaque = opaque, .err = err, .top = *top ? strlen(top) + 1 : 0 };
	strcpy(w->path, top);
	strcpy(parent, top);
	slash = strrchr(parent, '/');
	parent[slash ? slash - parent : 0] = '\0';
	dir = tree_open(f->root, parent, O_PATH | O_DIRECTORY);
	if (dir < 0)
		r = failed(w, dir, "open the directory of");
	else
		r = state_above(w, top, &above);
	if (r == 0)
		r = walk_entry(w, &above, dir, slash ? top + (slash - parent) + 1 : top, 0);
	free(above.ignored);
	free(above.excluded);
	free(w);
	return r;
}
