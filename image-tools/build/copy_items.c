/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: where the sources of a COPY or ADD go, and what is done with each
 * kind: files and trees of the context, archives to be unpacked, downloads, repositories,
 * texts.
 *
 * The destination's path is resolved for each of them, links followed inside the root
 * (also those to what is not there yet), so that what is made afterwards has no links in
 * its path.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/build/copy_writer.h"

/* Where an item goes: the directory (without links) and, for what is no tree, the name in it. */
static int find_place(struct writer *w, const struct copy_item *item, bool directory, char dir[static TREE_PATH_MAX],
	char name[static 256], struct error *err)
{
	const struct copy *c = w->c;
	_cleanup_fd_ int fd = -1;
	struct stat st;
	char *slash;
	bool exists;
	int r = tree_resolve(w->root, c->destination, true, dir, &exists);

	if (r < 0)
		return writer_failed(c->destination + 1, -r, "look for it", err);
	if (directory)
		return 0;
	if (exists) {
		fd = tree_open(w->root, dir, O_PATH | O_NOFOLLOW);
		if (fd < 0 || fstat(fd, &st) < 0)
			return writer_failed(dir, fd < 0 ? -fd : errno, "examine it", err);
	}
	if (c->into || (exists && S_ISDIR(st.st_mode))) {
		if (!item->base) {
			error_set(err, ERR_CONFIG, EINVAL, "\"%.300s\": no name can be told from it", item->source->text);
			error_hint(err, "give the destination a name instead of a directory");
			return -EINVAL;
		}
		if (strlen(item->base) > 255)
			return writer_failed(dir, ENAMETOOLONG, "name the file", err);
		strcpy(name, item->base);
		return 0;
	}
	slash = strrchr(dir, '/');
	if (strlen(slash ? slash + 1 : dir) > 255)
		return writer_failed(dir, ENAMETOOLONG, "name the file", err);
	strcpy(name, slash ? slash + 1 : dir);
	dir[slash ? slash - dir : 0] = '\0';
	return 0;
}

/* Open the place and make it level 0. */
static int open_top(struct writer *w, const struct copy_item *item, bool directory, char name[static 256], struct error *err)
{
	char dir[TREE_PATH_MAX];
	int r = find_place(w, item, directory, dir, name, err), fd;

	if (r < 0)
		return r;
	fd = writer_open_place(w, dir, err);
	if (fd < 0)
		return fd;
	w->name = name;
	w->levels[0] = (struct level){ .fd = fd, .path = strdup(dir) };
	return w->levels[0].path ? 0 : error_sys(err, ENOMEM, "copy");
}

/* A file whose content is not in the context: a text, a download. */
static int write_made(struct writer *w, const struct copy_item *item, int in, const struct stat *st, struct error *err)
{
	char name[256];
	_cleanup_fd_ int out = -1;
	uint64_t done = item->source->content_length;
	int r = open_top(w, item, false, name, err);

	if (r == 0)
		r = writer_clear(w->levels[0].fd, name, name, err);
	if (r < 0)
		return r;
	out = openat(w->levels[0].fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return writer_failed(name, errno, "create it", err);
	if (in >= 0)
		r = writer_copy_data(w, in, out, item->source->text, NULL, &done, err);
	else if ((r = fd_write_all(out, item->source->content, item->source->content_length)) < 0)
		r = writer_failed(name, -r, "write it", err);
	w->result->files++;
	w->result->bytes += done;
	return r < 0 ? r : writer_finish(w, out, -1, st, name, err);
}

static int unpack(struct writer *w, const struct copy_item *item, int fd, struct error *err)
{
	char name[256];
	int r = open_top(w, item, true, name, err);

	if (r == 0)
		r = source_unpack(w->c->sources, fd, w->levels[0].fd, w->owner, false, err);
	if (r < 0)
		return error_wrap(err, "unpack \"%.300s\"", item->source->text);
	w->result->files++;
	return 0;
}

static int write_url(struct writer *w, const struct copy_item *item, struct error *err)
{
	struct stat st = { .st_mode = S_IFREG | 0600, .st_mtim = w->now };

	if (item->file.has_time)
		st.st_mtim = (struct timespec){ .tv_sec = item->file.time };
	if (w->c->request->unpack == 1 && source_is_archive(item->file.fd, err) == 1)
		return unpack(w, item, item->file.fd, err);
	if (lseek(item->file.fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "go back in a download");
	return write_made(w, item, item->file.fd, &st, err);
}

static int write_heredoc(struct writer *w, const struct copy_item *item, struct error *err)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_mtim = w->now };

	return write_made(w, item, -1, &st, err);
}

static int write_git(struct writer *w, const struct copy_item *item, struct error *err)
{
	struct tree_filter f = { .exclude = w->c->exclude };
	struct timespec when = w->now;
	int64_t commit_time;
	bool check = w->check, keep_owner = w->keep_owner;
	char name[256];
	_cleanup_fd_ int dir = git_checkout(w->c->sources, &w->c->arena, &item->git, item->commit, item->keep_git_dir,
		&commit_time, err);
	int r;

	if (dir < 0)
		return dir;
	if (item->git.commit_time)
		when = (struct timespec){ .tv_sec = commit_time };
	f.root = dir;
	w->time = &when;
	w->check = false;
	w->keep_owner = false;
	r = open_top(w, item, true, name, err);
	if (r == 0)
		r = tree_walk(&f, "", writer_visit, w, err);
	w->time = NULL;
	w->check = check;
	w->keep_owner = keep_owner;
	return r;
}

/* An archive of the context.  It is unpacked from its own descriptor, and looked at again afterwards. */
static int write_archive(struct writer *w, const struct copy_item *item, int fd, struct error *err)
{
	const char *slash = strrchr(item->top, '/');
	char parent[TREE_PATH_MAX];
	_cleanup_fd_ int dir = -1;
	struct tree_entry e = { .path = item->top, .below = "", .name = slash ? slash + 1 : item->top };
	uint8_t now[32], unused[32];
	const uint8_t *content;
	bool settled;
	int r;

	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - item->top) : 0, item->top);
	dir = tree_open(w->c->request->context->root, parent, O_PATH | O_DIRECTORY);
	if (dir < 0 || fstat(fd, &e.st) < 0)
		return error_sys(err, dir < 0 ? -dir : errno, "open \"%s\"", item->top);
	e.dir = dir;
	r = writer_compare(w, &e, &content, err);
	if (r == 0)
		r = unpack(w, item, fd, err);
	if (r < 0 || !w->check)
		return r;
	content = w->c->seen[w->seen - 1].content;
	r = tree_entry_digest(w->c->sources->digests, &e, w->keep_owner, unused, now, &settled, err);
	return r == 0 && memcmp(now, content, 32) != 0 ? writer_changed(item->top, err) : r;
}

/* An archive that ADD unpacks: its descriptor; -ENOENT when it is none. */
static int open_archive(const struct copy *c, const struct copy_item *item, struct error *err)
{
	const struct copy_request *q = c->request;
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (item->tree || item->source->kind != COPY_SOURCE_PATH || !q->add || q->unpack == 0)
		return -ENOENT;
	fd = tree_open(q->context->root, item->top, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || source_is_archive(fd, err) != 1)
		return -ENOENT;
	return fd_take(&fd);
}

static int write_path(struct writer *w, const struct copy_item *item, struct error *err)
{
	struct tree_filter f = copy_filter(w->c, item);
	_cleanup_fd_ int archive = open_archive(w->c, item, err);
	char name[256];
	int r;

	if (archive >= 0)
		return write_archive(w, item, archive, err);
	r = open_top(w, item, item->tree, name, err);
	return r < 0 ? r : tree_walk(&f, item->top, writer_visit, w, err);
}

/* What becomes one file, whatever else comes: neither a tree nor an archive to be unpacked. */
static bool is_file(const struct copy *c, const struct copy_item *item, struct error *err)
{
	if (item->source->kind == COPY_SOURCE_URL && c->request->unpack == 1)
		return source_is_archive(item->file.fd, err) != 1;
	_cleanup_fd_ int archive = open_archive(c, item, err);

	return !item->tree && archive < 0;
}

/* Several things cannot become one file. */
static int check_several(struct writer *w, struct error *err)
{
	struct copy *c = w->c;
	char place[TREE_PATH_MAX];
	_cleanup_fd_ int fd = -1;
	size_t files = 0;
	bool exists;

	if (c->into || c->count < 2)
		return 0;
	for (size_t i = 0; files == 0 && i < c->count; i++)
		files += is_file(c, &c->items[i], err);
	if (files == 0)
		return 0;
	if (tree_resolve(w->root, c->destination, true, place, &exists) == 0 && exists)
		fd = tree_open(w->root, place, O_PATH | O_DIRECTORY);
	if (fd >= 0)
		return 0;
	error_set(err, ERR_CONFIG, ENOTDIR, "more than one file: the destination \"%.300s\" must be a directory and end with /",
		c->request->destination);
	error_hint(err, "write \"%.300s/\"", c->request->destination);
	return -ENOTDIR;
}

static int write_item(struct writer *w, const struct copy_item *item, struct error *err)
{
	int r = 0;

	w->item = item;
	switch (item->source->kind) {
	case COPY_SOURCE_PATH:
		r = write_path(w, item, err);
		break;
	case COPY_SOURCE_HEREDOC:
		r = write_heredoc(w, item, err);
		break;
	case COPY_SOURCE_URL:
		r = write_url(w, item, err);
		break;
	case COPY_SOURCE_GIT:
		r = write_git(w, item, err);
		break;
	}
	writer_close_levels(w);
	return r;
}

int copy_apply(struct copy *c, int root, int users, struct copy_result *result, struct error *err)
{
	const struct copy_request *q = c->request;
	uint32_t owner[2];
	struct writer *w;
	int r = 0;

	*result = (struct copy_result){ 0 };
	if (q->chown)
		r = copy_owner_parse(q->chown, users, &c->arena, owner, err);
	if (r < 0)
		return r;
	w = writer_new((struct writer){ .c = c, .root = root,
		.keep_owner = q->context->keep_owner && !c->sources->single_id,
		.userns = c->sources->userns, .owner = q->chown && !c->sources->single_id ? owner : NULL,
		.mode = &c->mode, .now = q->now, .result = result, .check = c->digested });
	if (!w)
		return error_sys(err, ENOMEM, "copy");
	r = check_several(w, err);
	for (size_t i = 0; r == 0 && i < c->count; i++)
		r = write_item(w, &c->items[i], err);
	if (r == 0 && w->check && w->seen != c->seen_count)
		r = writer_changed(c->seen[w->seen].path, err);
	writer_free(w);
	return r;
}

