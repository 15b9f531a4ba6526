/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what COPY and ADD name, found and digested.
 *
 * A word becomes one or more items: a path without links below the context (its ".."
 * stop at the context's root, links are followed inside it, .dockerignore applies to
 * where they lead), a download, a commit, a text.  Wildcards are matched component by
 * component, so only directories that a pattern can reach are read.
 *
 * The digest covers what will be written: for each item its name, and for each entry its
 * place, type, mode, owner, target, attributes and content, and which names share an inode.
 * What was seen is remembered, because copy_write.c must write just that.
 */
#include "image-tools/build/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/build/copy_internal.h"
#include "image-tools/status.h"

#define ITEMS_MAX 1000000u

static struct copy_item *add_item(struct copy *c, struct copy_source *source)
{
	/* Doubles: the array is grown at powers of two. */
	if ((c->count & (c->count - 1)) == 0) {
		size_t bigger = c->count ? c->count * 2 : 1;

		c->items = arena_grow(&c->arena, c->items, c->count * sizeof *c->items, bigger * sizeof *c->items);
	}
	c->items[c->count] = (struct copy_item){ .source = source, .file = { .fd = -1 } };
	return &c->items[c->count++];
}

static int not_found(const struct copy *c, const char *text, const char *path, struct error *err)
{
	const struct context *x = c->request->context;

	error_set(err, ERR_NOT_FOUND, ENOENT, "\"%.300s\": not found in %s", text, x->name);
	if (x->ignore && path && tree_ignored(x->ignore, path, false))
		error_hint(err, "it is excluded by the ignore file");
	return -ENOENT;
}

/* BuildKit's notion: a backslash hides the character behind it. */
static bool has_wildcard(const char *s)
{
	for (; *s; s++) {
		if (*s == '*' || *s == '?' || *s == '[')
			return true;
		if (*s == '\\' && s[1])
			s++;
	}
	return false;
}

static const char *clean_below(struct arena *a, const char *text)
{
	const char *path = path_clean(a, arena_printf(a, "/%s", text));

	return path + 1;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* One place of the context, links followed. */
static int add_place(struct copy *c, struct copy_source *source, const char *path, const char *include, bool matched,
	struct error *err)
{
	const struct context *x = c->request->context;
	char place[TREE_PATH_MAX];
	struct copy_item *item;
	_cleanup_fd_ int fd = -1;
	struct stat st;
	bool exists;
	int r = tree_resolve(x->root, path, false, place, &exists);

	if (r == -ENOENT || r == -ENOTDIR)
		return not_found(c, source->text, path, err);
	if (r == 0)
		r = fd = tree_open(x->root, place, O_PATH | O_NOFOLLOW);
	if (r < 0 || fstat(fd, &st) < 0)
		return error_sys(err, r < 0 ? -r : errno, "\"%.300s\": look for it in %s", source->text, x->name);
	if (tree_ignored(x->ignore, place, S_ISDIR(st.st_mode)) || tree_ignored(x->ignore, path, S_ISDIR(st.st_mode)))
		return not_found(c, source->text, strcmp(place, path) ? place : path, err);
	if (S_ISSOCK(st.st_mode))
		return error_set(err, ERR_CONFIG, EINVAL, "\"%.300s\" is a socket, which cannot be copied", source->text);
	if (matched && c->exclude && !S_ISDIR(st.st_mode) && ignore_matches(c->exclude, base_of(path)))
		return 0;
	if (include && !S_ISDIR(st.st_mode))
		return error_set(err, ERR_CONFIG, ENOTDIR, "\"%.300s\": what is before /./ is not a directory", source->text);
	if (c->count >= ITEMS_MAX)
		return error_set(err, ERR_CONFIG, EFBIG, "\"%.300s\" matches more than %u names", source->text, ITEMS_MAX);
	item = add_item(c, source);
	item->top = arena_strdup(&c->arena, place);
	item->base = *path ? base_of(arena_strdup(&c->arena, path)) : NULL;
	item->include = include && *include ? include : NULL;
	item->tree = S_ISDIR(st.st_mode);
	return 0;
}

struct match_names {
	char **items;
	size_t count;
};

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a directory (without links on the way) that match, sorted. */
static int match_directory(struct copy *c, const char *dir, const char *pattern, struct match_names *out)
{
	int fd = tree_open(c->request->context->root, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t capacity = 0;
	struct dirent *e;

	*out = (struct match_names){ 0 };
	if (!d) {
		cleanup_fd(&fd);
		return fd < 0 ? fd : -errno;
	}
	for (errno = 0; r >= 0 && (e = readdir(d)); errno = 0) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = glob_match(pattern, e->d_name);
		if (r != 1)
			continue;
		if (out->count == capacity) {
			size_t bigger = capacity ? capacity * 2 : 16;

			out->items = arena_grow(&c->arena, out->items, capacity * sizeof(char *), bigger * sizeof(char *));
			capacity = bigger;
		}
		out->items[out->count++] = arena_strdup(&c->arena, e->d_name);
	}
	if (r >= 0 && errno)
		r = -errno;
	closedir(d);
	if (out->count)
		qsort(out->items, out->count, sizeof *out->items, compare_strings);
	return r < 0 ? r : 0;
}

/* dir: without links.  pattern: what remains to be matched below it. */
static int expand(struct copy *c, struct copy_source *source, const char *dir, const char *pattern, const char *include,
	struct error *err)
{
	const struct ignore *ig = c->request->context->ignore;
	size_t n = strcspn(pattern, "/");
	const char *component = arena_strndup(&c->arena, pattern, n), *rest = pattern[n] ? pattern + n + 1 : NULL;
	struct match_names names;
	int r = match_directory(c, dir, component, &names);

	if (r == -EINVAL)
		return error_set(err, ERR_CONFIG, EINVAL, "\"%.300s\" is not a pattern", source->text);
	/* What is no directory, or is gone, matches nothing. */
	if (r == -ENOTDIR || r == -ENOENT || r == -ELOOP)
		return 0;
	if (r < 0)
		return error_sys(err, -r, "\"%.300s\": read directory \"%.300s\"", source->text, *dir ? dir : ".");
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		const char *path = *dir ? arena_printf(&c->arena, "%s/%s", dir, names.items[i]) : names.items[i];

		if (strlen(path) >= TREE_PATH_MAX)
			r = error_sys(err, ENAMETOOLONG, "\"%.300s\"", source->text);
		else if (tree_ignored(ig, path, true))
			continue;
		else if (rest)
			r = expand(c, source, path, rest, include, err);
		else
			r = add_place(c, source, path, include, true, err);
		/* Excluded, though a directory like it would not be: no match. */
		if (r == -ENOENT && !rest && ig && tree_ignored(ig, path, false)) {
			error_clear(err);
			r = 0;
		}
	}
	return r;
}

static int add_pattern(struct copy *c, struct copy_source *source, const char *path, const char *include,
	struct error *err)
{
	const char *wild = path, *slash;
	char place[TREE_PATH_MAX];
	size_t before = c->count;
	bool exists;
	int r;

	/* The literal beginning may have links, the rest is matched. */
	while ((slash = strchr(wild, '/')) && !has_wildcard(arena_strndup(&c->arena, wild, (size_t)(slash - wild))))
		wild = slash + 1;
	r = tree_resolve(c->request->context->root, arena_strndup(&c->arena, path, (size_t)(wild - path)), false, place, &exists);
	if (r == -ENOENT || r == -ENOTDIR)
		return not_found(c, source->text, NULL, err);
	if (r < 0)
		return error_sys(err, -r, "\"%.300s\": look for it in %s", source->text, c->request->context->name);
	r = expand(c, source, arena_strdup(&c->arena, place), wild, include, err);
	if (r == 0 && c->count == before)
		log_warning("%s \"%s\": no file matches", c->request->add ? "ADD" : "COPY", source->text);
	return r;
}

static int find_path(struct copy *c, struct copy_source *source, const char *text, const char *include, struct error *err)
{
	const char *path = clean_below(&c->arena, text);
	size_t before = c->count;
	int r;

	source->kind = COPY_SOURCE_PATH;
	if (strlen(path) >= TREE_PATH_MAX)
		return error_sys(err, ENAMETOOLONG, "\"%.300s\"", source->text);
	if (!has_wildcard(path))
		return add_place(c, source, path, include, false, err);
	/* A file may really be called so. */
	r = add_place(c, source, path, include, false, err);
	if (r != -ENOENT)
		return r;
	error_clear(err);
	c->count = before;
	return add_pattern(c, source, path, include, err);
}

/* --parents: "a/./b/c" copies a/b/c as b/c, without "/./" everything is kept. */
static int find_parents(struct copy *c, struct copy_source *source, struct error *err)
{
	const char *pivot = strstr(source->text, "/./"), *top = "", *include = source->text;
	char place[TREE_PATH_MAX];
	size_t before = c->count;
	int r;

	if (pivot) {
		top = arena_strndup(&c->arena, source->text, (size_t)(pivot - source->text));
		include = pivot + 3;
	}
	include = clean_below(&c->arena, include);
	r = find_path(c, source, top, include, err);
	for (size_t i = before; r == 0 && *include && !has_wildcard(top) && !has_wildcard(include) && i < c->count; i++) {
		struct stat st;
		_cleanup_fd_ int fd = snprintf(place, sizeof place, "%s%s%s", c->items[i].top, *c->items[i].top ? "/" : "", include) <
						(int)sizeof place ?
					      tree_open(c->request->context->root, place, O_PATH | O_NOFOLLOW) :
					      -ENAMETOOLONG;

		if (fd == -ELOOP)
			return error_set(err, ERR_CONFIG, ELOOP, "\"%.300s\": --parents does not go through links", source->text);
		if (fd < 0 || fstat(fd, &st) < 0 || tree_ignored(c->request->context->ignore, place, S_ISDIR(st.st_mode)))
			return not_found(c, source->text, place, err);
	}
	return r;
}

/* --- what comes from elsewhere -------------------------------------------------------------------------------- */

static int find_url(struct copy *c, struct copy_source *source, struct error *err)
{
	const char *said = c->request->checksum ? c->request->checksum : source->pin;
	struct digest want;
	struct copy_item *item;
	int r = 0;

	source->kind = COPY_SOURCE_URL;
	if (said && digest_parse(said, &want, err) < 0)
		return error_wrap(err, "%s", c->request->checksum ? "--checksum" : "lock file");
	item = add_item(c, source);
	r = source_download(c->sources, &c->arena, source->text, said ? &want : NULL, &item->file, err);
	if (r < 0)
		return r;
	/* Both may have been said. */
	if (c->request->checksum && source->pin && strcmp(source->pin, digest_string(&c->arena, &item->file.digest)) != 0)
		return error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "%.300s: the lock file says %.100s, --checksum %.100s", source->text,
			source->pin, c->request->checksum);
	source->resolved = digest_string(&c->arena, &item->file.digest);
	item->base = item->file.name;
	return 0;
}

static int find_git(struct copy *c, struct copy_source *source, struct error *err)
{
	const struct copy_request *q = c->request;
	struct copy_item *item = add_item(c, source);
	int r = git_parse(&c->arena, source->text, &item->git, err);

	source->kind = COPY_SOURCE_GIT;
	if (r < 0)
		return r;
	if (q->keep_git_dir && item->git.keep_git_dir == 0)
		return error_set(err, ERR_CONFIG, EINVAL, "\"%.300s\": --keep-git-dir and the URL do not agree", source->text);
	if (q->checksum && item->git.commit && strcmp(q->checksum, item->git.commit) != 0)
		return error_set(err, ERR_CONFIG, EINVAL, "\"%.300s\": --checksum and the URL name different commits", source->text);
	item->git.commit = q->checksum ? q->checksum : item->git.commit;
	item->keep_git_dir = q->keep_git_dir || item->git.keep_git_dir == 1;
	item->tree = true;
	if (source->pin)
		item->commit = source->pin;
	else
		r = git_resolve(c->sources, &c->arena, &item->git, &item->commit, err);
	if (r == 0 && item->git.commit && strncmp(item->commit, item->git.commit, strlen(item->git.commit)) != 0)
		r = error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "\"%.300s\": the lock file says commit %.64s, --checksum %.64s",
			source->text, item->commit, item->git.commit);
	source->resolved = item->commit;
	return r;
}

static int find_source(struct copy *c, struct copy_source *source, struct error *err)
{
	enum source_type type = source_type_of(source->text, false);
	struct copy_item *item;

	if (source->heredoc) {
		source->kind = COPY_SOURCE_HEREDOC;
		if (!*source->text || strchr(source->text, '/') || strcmp(source->text, ".") == 0 || strcmp(source->text, "..") == 0 ||
			strlen(source->text) > 255)
			return error_set(err, ERR_CONFIG, EINVAL, "<<%.100s: cannot be the name of a file", source->text);
		item = add_item(c, source);
		item->base = source->text;
		return 0;
	}
	if (!*source->text)
		return error_set(err, ERR_CONFIG, EINVAL, "a source is empty");
	if (type != SOURCE_LOCAL && !c->request->add) {
		error_set(err, ERR_CONFIG, EINVAL, "\"%.300s\": COPY does not fetch", source->text);
		error_hint(err, "use ADD");
		return -EINVAL;
	}
	if (type == SOURCE_URL)
		return find_url(c, source, err);
	if (type == SOURCE_GIT)
		return find_git(c, source, err);
	return c->request->parents ? find_parents(c, source, err) : find_path(c, source, source->text, NULL, err);
}

static int check_checksum(const struct copy_request *q, struct error *err)
{
	if (!q->checksum)
		return 0;
	if (!q->add)
		return error_set(err, ERR_CONFIG, EINVAL, "--checksum is for ADD");
	if (q->sources_count != 1)
		return error_set(err, ERR_CONFIG, EINVAL, "--checksum is for a single source");
	if (q->sources[0].heredoc || source_type_of(q->sources[0].text, false) == SOURCE_LOCAL)
		return error_set(err, ERR_CONFIG, EINVAL, "--checksum is for URLs and git repositories");
	return 0;
}

static void set_destination(struct copy *c)
{
	const struct copy_request *q = c->request;
	const char *base = base_of(q->destination);

	c->into = !*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0;
	if (q->destination[0] == '/')
		c->destination = path_clean(&c->arena, q->destination);
	else
		c->destination = path_clean(&c->arena, arena_printf(&c->arena, "/%s/%s", q->workdir ? q->workdir : "", q->destination));
}

int copy_prepare(struct copy **out, const struct copy_request *q, struct error *err)
{
	struct copy *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return error_sys(err, ENOMEM, "prepare a copy");
	c->request = q;
	c->sources = q->context->sources;
	set_destination(c);
	r = copy_mode_parse(q->chmod, &c->mode, err);
	if (r == 0)
		r = copy_check_flags(q->chown, NULL, err);
	if (r == 0)
		r = check_checksum(q, err);
	if (r == 0 && strlen(c->destination) >= TREE_PATH_MAX)
		r = error_sys(err, ENAMETOOLONG, "destination \"%.200s\"", c->destination);
	if (r == 0 && q->exclude.count) {
		r = ignore_compile(&c->arena, &q->exclude, &c->exclude_patterns, err);
		c->exclude = &c->exclude_patterns;
	}
	for (size_t i = 0; r == 0 && i < q->sources_count; i++)
		r = find_source(c, &q->sources[i], err);
	if (r < 0) {
		copy_free(c);
		return r;
	}
	*out = c;
	return 0;
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		cleanup_fd(&c->items[i].file.fd);
	arena_free(&c->arena);
	free(c->inodes.slots);
	free(c->seen);
	free(c);
}

const char *copy_key(const struct copy *c, struct arena *a)
{
	const struct copy_request *q = c->request;
	const char *excludes = "";

	for (size_t i = 0; i < q->exclude.count; i++)
		excludes = arena_printf(a, "%s exclude=%zu:%s", excludes, strlen(q->exclude.items[i]), q->exclude.items[i]);
	return arena_printf(a, "%s 1 to=%zu:%s%s chown=%s chmod=%s%s%s%s%s%s", q->add ? "ADD" : "COPY", strlen(c->destination),
		c->destination, c->into ? "/" : "", q->chown ? q->chown : "", q->chmod ? q->chmod : "", q->link ? " link" : "",
		q->parents ? " parents" : "", q->add && q->unpack >= 0 ? (q->unpack ? " unpack" : " no-unpack") : "",
		q->keep_git_dir ? " keep-git-dir" : "", excludes);
}

/* --- the digest --------------------------------------------------------------------------------------------------- */

struct tree_filter copy_filter(const struct copy *c, const struct copy_item *item)
{
	return (struct tree_filter){ .root = c->request->context->root, .ignore = c->request->context->ignore,
		.exclude = item->tree ? c->exclude : NULL, .include = item->include };
}

struct digesting {
	struct copy *c;
	struct digest_stream s;
};

static int remember(struct copy *c, const struct tree_entry *e, const uint8_t digest[static 32],
	const uint8_t content[static 32], bool settled, struct error *err)
{
	struct copy_seen *s;

	if (c->seen_count == c->seen_capacity) {
		size_t bigger = c->seen_capacity ? c->seen_capacity * 2 : 64;
		struct copy_seen *more = realloc(c->seen, bigger * sizeof *more);

		if (!more)
			return error_sys(err, ENOMEM, "remember \"%s\"", e->path);
		c->seen = more;
		c->seen_capacity = bigger;
	}
	s = &c->seen[c->seen_count++];
	*s = (struct copy_seen){ .path = arena_strdup(&c->arena, e->path), .key = file_key_of(&e->st), .uid = e->st.st_uid,
		.gid = e->st.st_gid, .settled = settled };
	memcpy(s->digest, digest, 32);
	memcpy(s->content, content, 32);
	return 0;
}

const char *copy_inode(struct copy_inodes *t, const struct stat *st, const char *path)
{
	size_t i;

	if (t->count * 2 >= t->capacity) {
		struct copy_inodes old = *t;

		t->capacity = old.capacity ? old.capacity * 2 : 256;
		t->slots = calloc(t->capacity, sizeof *t->slots);
		if (!t->slots)
			abort();
		for (size_t k = 0; k < old.capacity; k++) {
			if (!old.slots[k].path)
				continue;
			for (i = old.slots[k].ino * 0x9e3779b97f4a7c15u % t->capacity; t->slots[i].path; i = (i + 1) % t->capacity)
				;
			t->slots[i] = old.slots[k];
		}
		free(old.slots);
	}
	for (i = st->st_ino * 0x9e3779b97f4a7c15u % t->capacity; t->slots[i].path; i = (i + 1) % t->capacity)
		if (t->slots[i].ino == st->st_ino && t->slots[i].dev == st->st_dev)
			return t->slots[i].path;
	t->slots[i] = (struct copy_inode){ st->st_dev, st->st_ino, path };
	t->count++;
	return NULL;
}

static int digest_entry(void *opaque, const struct tree_entry *e, struct error *err)
{
	uint8_t digest[32], content[32];
	struct digesting *d = opaque;
	const char *first = NULL;
	bool settled;
	int r;

	if (e->leave)
		return 0;
	r = tree_entry_digest(d->c->sources->digests, e, d->c->request->context->keep_owner, digest, content, &settled, err);
	if (r == 0)
		r = remember(d->c, e, digest, content, settled, err);
	if (r < 0)
		return r;
	if (!S_ISDIR(e->st.st_mode) && e->st.st_nlink > 1)
		first = copy_inode(&d->c->inodes, &e->st, d->c->seen[d->c->seen_count - 1].path);
	digest_feed(&d->s, e->below, strlen(e->below) + 1);
	digest_feed(&d->s, digest, sizeof digest);
	digest_feed(&d->s, first ? first : "", first ? strlen(first) + 1 : 1);
	return 0;
}

static void feed_text(struct digest_stream *s, const char *text)
{
	digest_feed(s, text ? text : "", text ? strlen(text) + 1 : 1);
}

static int digest_item(struct digesting *d, struct copy_item *item, struct error *err)
{
	static const char *const kinds[] = { [COPY_SOURCE_PATH] = "path", [COPY_SOURCE_HEREDOC] = "heredoc",
		[COPY_SOURCE_URL] = "url", [COPY_SOURCE_GIT] = "git" };
	struct tree_filter f = copy_filter(d->c, item);
	char text[DIGEST_TEXT_MAX];

	feed_text(&d->s, kinds[item->source->kind]);
	switch (item->source->kind) {
	case COPY_SOURCE_HEREDOC:
		feed_text(&d->s, item->base);
		snprintf(text, sizeof text, "%zu", item->source->content_length);
		feed_text(&d->s, text);
		digest_feed(&d->s, item->source->content, item->source->content_length);
		return 0;
	case COPY_SOURCE_URL:
		feed_text(&d->s, item->base);
		feed_text(&d->s, digest_format(&item->file.digest, text));
		return 0;
	case COPY_SOURCE_GIT:
		feed_text(&d->s, item->commit);
		feed_text(&d->s, item->git.subdir);
		feed_text(&d->s, item->git.submodules == 0 ? "no submodules" : "");
		feed_text(&d->s, item->keep_git_dir ? item->git.remote : "");
		return 0;
	case COPY_SOURCE_PATH:
		/* What a directory is called does not matter, only what is in it. */
		feed_text(&d->s, item->tree ? "" : item->base);
		return tree_walk(&f, item->top, digest_entry, d, err);
	}
	return 0;
}

int copy_digest(struct copy *c, struct digest *out, struct error *err)
{
	struct digesting d = { .c = c };
	int r = 0;

	if (digest_begin(&d.s, DIGEST_SHA256) < 0)
		return error_sys(err, ENOMEM, "digest the sources");
	c->seen_count = 0;
	free(c->inodes.slots);
	c->inodes = (struct copy_inodes){ 0 };
	for (size_t i = 0; r == 0 && i < c->count; i++)
		r = digest_item(&d, &c->items[i], err);
	if (r < 0) {
		digest_abort(&d.s);
		return r;
	}
	digest_end(&d.s, out);
	c->digested = true;
	return 0;
}

int copy_list(const struct copy *c, copy_found *fn, void *opaque, struct error *err)
{
	char hex[65];
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->seen_count; i++)
		r = fn(opaque, c->seen[i].path, tree_hex(c->seen[i].digest, hex), err);
	for (size_t i = 0; r == 0 && i < c->count; i++)
		if (c->items[i].source->kind == COPY_SOURCE_URL || c->items[i].source->kind == COPY_SOURCE_GIT)
			r = fn(opaque, c->items[i].source->text, c->items[i].source->resolved, err);
	return r;
}
