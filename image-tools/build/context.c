/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see context.h.  What comes as a stream is kept in a nameless
 * file first and looked at there: a tar, of whatever compression, is unpacked into a
 * directory of scratch; anything else is a Dockerfile without a context.
 */
#include "image-tools/build/context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/build/context_tree.h"
#include "image-tools/build/copy_internal.h"
#include "image-tools/build/source.h"
#include "image-tools/dockerfile/dockerfile.h"
#include "image-tools/status.h"

bool context_is_remote(const char *location)
{
	struct stat st;

	if (strcmp(location, "-") == 0 || source_type_of(location, true) != SOURCE_LOCAL)
		return true;
	return fstatat(AT_FDCWD, location, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static int open_text(struct context *c, struct arena *a, int fd, struct error *err)
{
	char *text;
	int r = fd_read_all(fd, a, DOCKERFILE_MAX_SIZE, &text, &c->dockerfile_length);

	if (r < 0)
		return error_sys(err, -r, "%s: read it as a Dockerfile", c->name);
	if (memchr(text, 0, c->dockerfile_length)) {
		error_set(err, ERR_CONFIG, EINVAL, "%s is neither a tar nor a Dockerfile", c->name);
		return -EINVAL;
	}
	c->dockerfile = text;
	c->kind = CONTEXT_EMPTY;
	return 0;
}

/* A tar, or a Dockerfile. */
static int open_stream(struct context *c, struct arena *a, int fd, struct error *err)
{
	char name[64];
	int r = source_is_archive(fd, err);

	if (r < 0)
		return r;
	c->root = source_scratch(c->sources, "context", name, err);
	if (c->root < 0)
		return c->root;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "go back in %s", c->name);
	if (r == 0)
		return open_text(c, a, fd, err);
	c->kind = CONTEXT_ARCHIVE;
	r = source_unpack(c->sources, fd, c->root, NULL, true, err);
	return r < 0 ? error_wrap(err, "%s: unpack it", c->name) : 0;
}

static int open_stdin(struct context *c, struct arena *a, struct error *err)
{
	_cleanup_fd_ int fd = source_spool(c->sources, 0, err);

	return fd < 0 ? fd : open_stream(c, a, fd, err);
}

static int open_url(struct context *c, struct arena *a, const char *url, const char *pin, struct error *err)
{
	struct source_file f;
	struct digest want;
	int r = pin ? digest_parse(pin, &want, err) : 0;

	if (r == 0)
		r = source_download(c->sources, a, url, pin ? &want : NULL, &f, err);
	if (r < 0)
		return error_wrap(err, "%s", c->name);
	c->resolved = digest_string(a, &f.digest);
	r = open_stream(c, a, f.fd, err);
	close(f.fd);
	return r;
}

static int open_git(struct context *c, struct arena *a, const char *text, const char *pin, struct error *err)
{
	struct git_source g;
	int64_t when;
	int r = git_parse(a, text, &g, err);

	/* A pinned commit is what is wanted, wherever the branch is by now. */
	if (r == 0 && pin) {
		c->resolved = pin;
		g.commit = pin;
	} else if (r == 0) {
		r = git_resolve(c->sources, a, &g, &c->resolved, err);
	}
	if (r == 0) {
		r = git_checkout(c->sources, a, &g, c->resolved, g.keep_git_dir == 1, &when, err);
		c->root = r;
	}
	c->kind = CONTEXT_GIT;
	return r < 0 ? error_wrap(err, "%s", c->name) : 0;
}

static int open_local(struct context *c, struct arena *a, const char *path, struct error *err)
{
	/* The user's own word for a place of this host: not below anything. */
	_cleanup_fd_ int fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		error_sys(err, errno, "%s: open \"%.300s\"", c->name, path);
		return -errno;
	}
	if (S_ISDIR(st.st_mode)) {
		c->kind = CONTEXT_DIRECTORY;
		c->root = fd_take(&fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, ENOTDIR, "%s: \"%.300s\" is neither a directory nor a tar", c->name, path);
	if (source_is_archive(fd, err) != 1) {
		error_set(err, ERR_USAGE, ENOTDIR, "%s: \"%.300s\" is a file, but no tar", c->name, path);
		error_hint(err, "the context is a directory; a Dockerfile is named with -f");
		return -ENOTDIR;
	}
	return open_stream(c, a, fd, err);
}

int context_open(struct context *c, struct arena *a, const char *name, const char *location, const char *pin,
	const struct source_options *o, struct error *err)
{
	enum source_type type = source_type_of(location, true);
	int r;

	*c = (struct context){ .name = name, .root = -1, .sources = o };
	if (strcmp(location, "-") == 0)
		r = open_stdin(c, a, err);
	else if (type == SOURCE_GIT)
		r = open_git(c, a, location, pin, err);
	else if (type == SOURCE_URL)
		r = open_url(c, a, location, pin, err);
	else
		r = open_local(c, a, location, err);
	if (r < 0)
		context_close(c);
	return r;
}

int context_from_root(struct context *c, const char *name, int root, const struct source_options *o, struct error *err)
{
	*c = (struct context){ .kind = CONTEXT_ROOT, .name = name, .keep_owner = true, .sources = o };
	/* Opened anew: the caller's may be O_PATH, and its position is its own. */
	c->root = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return c->root < 0 ? error_sys(err, errno, "open the root of %s", name) : 0;
}

void context_close(struct context *c)
{
	if (c->name)
		cleanup_fd(&c->root);
	c->root = -1;
}

int context_read_file(const struct context *c, struct arena *a, const char *path, size_t max, char **text, size_t *len,
	struct error *err)
{
	_cleanup_fd_ int fd = path_open_in_root(c->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0)
		return error_sys(err, -fd, "%s: open \"%.200s\"", c->name, path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, ERR_CONFIG, EINVAL, "%s: \"%.200s\" is not a regular file", c->name, path);
	r = fd_read_all(fd, a, max, text, len);
	if (r < 0)
		return error_sys(err, -r, "%s: read \"%.200s\"", c->name, path);
	return 0;
}

int context_find_ignore(const struct context *c, struct arena *a, const char *dockerfile, char **text, size_t *len,
	const char **name, struct error *err)
{
	const char *names[] = { dockerfile ? arena_printf(a, "%s.dockerignore", dockerfile) : NULL, ".dockerignore",
		".containerignore" };

	*text = NULL;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int r;

		if (!names[i])
			continue;
		r = context_read_file(c, a, names[i], IGNORE_MAX_SIZE, text, len, err);
		if (r == 0)
			*name = names[i];
		if (r != -ENOENT && r != -ENOTDIR)
			return r;
		error_clear(err);
	}
	return 0;
}

/* --- bind mounts -------------------------------------------------------------------------------------------- */

/* The place without links, and what it is. */
static int find(const struct context *c, const char *path, char out[static TREE_PATH_MAX], struct stat *st,
	struct error *err)
{
	_cleanup_fd_ int fd = -1;
	bool exists;
	int r = tree_resolve(c->root, path, false, out, &exists);

	if (r == 0)
		fd = tree_open(c->root, out, O_PATH | O_NOFOLLOW);
	if (r < 0 || fd < 0 || fstat(fd, st) < 0)
		return error_sys(err, r < 0 ? -r : fd < 0 ? -fd : errno, "%s: \"%.200s\"", c->name, path);
	if (tree_ignored(c->ignore, out, S_ISDIR(st->st_mode))) {
		error_set(err, ERR_NOT_FOUND, ENOENT, "%s: \"%.200s\" is excluded by the ignore file", c->name, path);
		return -ENOENT;
	}
	return 0;
}

static int count_nothing(void *opaque, const struct tree_entry *e, struct error *err)
{
	(void)opaque;
	(void)e;
	(void)err;
	return 0;
}

int context_view(const struct context *c, struct arena *a, const char *path, struct error *err)
{
	struct tree_filter f = { .root = c->root, .ignore = c->ignore };
	char place[TREE_PATH_MAX], name[64];
	_cleanup_fd_ int copy = -1;
	struct stat st;
	int r = find(c, path, place, &st, err);

	(void)a;
	if (r == 0 && S_ISDIR(st.st_mode) && c->ignore && c->ignore->count)
		r = tree_walk(&f, place, count_nothing, NULL, err);
	if (r < 0)
		return r;
	if (f.hidden == 0) {
		r = tree_open(c->root, place, O_PATH | O_NOFOLLOW);
		return r < 0 ? error_sys(err, -r, "%s: open \"%.200s\"", c->name, path) : r;
	}
	copy = source_scratch(c->sources, "view", name, err);
	if (copy < 0)
		return copy;
	r = copy_tree(c, place, copy, err);
	return r < 0 ? r : fd_take(&copy);
}

struct digesting {
	const struct context *c;
	struct digest_stream s;
};

static int digest_entry(void *opaque, const struct tree_entry *e, struct error *err)
{
	uint8_t digest[32], content[32];
	struct digesting *d = opaque;
	bool settled;
	int r;

	if (e->leave)
		return 0;
	r = tree_entry_digest(d->c->sources->digests, e, d->c->keep_owner, digest, content, &settled, err);
	if (r == 0) {
		digest_feed(&d->s, e->below, strlen(e->below) + 1);
		digest_feed(&d->s, digest, sizeof digest);
	}
	return r;
}

int context_digest(const struct context *c, const char *path, struct digest *out, struct error *err)
{
	struct tree_filter f = { .root = c->root, .ignore = c->ignore };
	struct digesting d = { .c = c };
	char place[TREE_PATH_MAX];
	struct stat st;
	int r = find(c, path, place, &st, err);

	if (r < 0)
		return r;
	if (digest_begin(&d.s, DIGEST_SHA256) < 0)
		return error_sys(err, ENOMEM, "digest \"%.200s\"", path);
	r = tree_walk(&f, place, digest_entry, &d, err);
	if (r < 0) {
		digest_abort(&d.s);
		return error_wrap(err, "%s", c->name);
	}
	digest_end(&d.s, out);
	return 0;
}

struct listing {
	const struct context *c;
	bool with_digest;
	context_found *fn;
	void *opaque;
};

static int list_entry(void *opaque, const struct tree_entry *e, struct error *err)
{
	uint8_t digest[32], content[32];
	struct listing *l = opaque;
	char hex[65];
	bool settled;
	int r = 0;

	if (e->leave || !*e->path)
		return 0;
	if (l->with_digest)
		r = tree_entry_digest(l->c->sources->digests, e, l->c->keep_owner, digest, content, &settled, err);
	return r < 0 ? r : l->fn(l->opaque, e->path, &e->st, l->with_digest ? tree_hex(digest, hex) : NULL, err);
}

int context_list(const struct context *c, bool with_digest, context_found *fn, void *opaque, struct error *err)
{
	struct tree_filter f = { .root = c->root, .ignore = c->ignore };
	struct listing l = { c, with_digest, fn, opaque };

	return tree_walk(&f, "", list_entry, &l, err);
}
