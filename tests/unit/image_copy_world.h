/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_UNIT_IMAGE_COPY_WORLD_H
#define OCI_RT_TESTS_UNIT_IMAGE_COPY_WORLD_H

/* A context, a root, a decoy beside them, and words to copy with: for the tests of contexts and copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/build/copy.h"
#include "image-tools/dockerfile/ignore.h"
#include "image-tools/store/store.h"

struct world {
	struct arena a;
	char path[64];
	int top, ctx, root, scratch, decoy;
	struct source_options sources;
	struct context context;
	struct ignore ignore;
	struct error err;
	struct copy_result result;
	struct digest digest;
};

static inline int make_dir(int at, const char *name)
{
	assert_int_equal(mkdirat(at, name, 0755), 0);
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static inline int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	umask(0);
	strcpy(w->path, "/tmp/test-image-copy.XXXXXX");
	assert_non_null(mkdtemp(w->path));
	w->top = openat(AT_FDCWD, w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->ctx = make_dir(w->top, "ctx");
	w->root = make_dir(w->top, "root");
	w->scratch = make_dir(w->top, "scratch");
	w->decoy = make_dir(w->top, "decoy");
	w->sources = (struct source_options){ .scratch = w->scratch, .cache = -1 };
	assert_int_equal(file_digests_open(&w->sources.digests, w->top, "digests", &w->err), 0);
	assert_int_equal(context_open(&w->context, &w->a, "build context", arena_printf(&w->a, "%s/ctx", w->path), NULL, &w->sources, &w->err), 0);
	*state = w;
	return 0;
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	context_close(&w->context);
	file_digests_free(w->sources.digests);
	close(w->ctx);
	close(w->root);
	close(w->scratch);
	close(w->decoy);
	close(w->top);
	store_remove_tree(AT_FDCWD, w->path);
	arena_free(&w->a);
	free(w);
	return 0;
}

/* A file with its directories. */
static inline void put(int at, const char *path, const char *text, mode_t mode)
{
	char parent[4096];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
		mkdirat(at, parent, 0755);
	}
	_cleanup_fd_ int fd = openat(at, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(fchmod(fd, mode), 0);
}

static inline int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void list_below(struct arena *a, int dir, const char *prefix, struct string_list *lines)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	char text[4096];

	while ((e = readdir(d))) {
		const char *path = arena_printf(a, "%s%s", prefix, e->d_name), *what = "";
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		assert_int_equal(fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		if (S_ISLNK(st.st_mode)) {
			text[readlinkat(dir, e->d_name, text, sizeof text - 1)] = '\0';
			what = arena_printf(a, " -> %s", text);
		} else if (S_ISREG(st.st_mode)) {
			_cleanup_fd_ int fd = openat(dir, e->d_name, O_RDONLY | O_CLOEXEC);

			text[fd_read_full(fd, text, sizeof text - 1)] = '\0';
			what = arena_printf(a, " %s", text);
		}
		/* "a/f 644 0:0 text" */
		string_list_add(a, lines,
			arena_printf(a, "%s%s %o %u:%u%s\n", path, S_ISDIR(st.st_mode) ? "/" : S_ISFIFO(st.st_mode) ? "|" : "",
				S_ISLNK(st.st_mode) ? 0 : st.st_mode & 07777, st.st_uid, st.st_gid, what));
		if (S_ISDIR(st.st_mode)) {
			_cleanup_fd_ int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			list_below(a, sub, arena_printf(a, "%s/", path), lines);
		}
	}
	closedir(d);
}

static inline const char *listing(struct world *w, int dir)
{
	struct string_list lines = { 0 };
	const char *text = "";

	list_below(&w->a, dir, "", &lines);
	if (lines.count)
		qsort(lines.items, lines.count, sizeof *lines.items, compare_lines);
	for (size_t i = 0; i < lines.count; i++)
		text = arena_printf(&w->a, "%s%s", text, lines.items[i]);
	return text;
}

static inline void ignore(struct world *w, const char *text)
{
	struct string_list patterns = { 0 };

	assert_int_equal(ignore_read(&w->a, ".dockerignore", text, strlen(text), &patterns, &w->err), 0);
	assert_int_equal(ignore_compile(&w->a, &patterns, &w->ignore, &w->err), 0);
	w->context.ignore = &w->ignore;
}

/* Sources, then the destination; words end with NULL. */
static inline struct copy *prepare(struct world *w, struct copy_request *q, const char *const *words)
{
	struct copy *c = NULL;
	size_t n = 0;

	while (words[n])
		n++;
	if (!q->context)
		q->context = &w->context;
	if (!q->sources) {
		q->sources = arena_array(&w->a, struct copy_source, n);
		for (size_t i = 0; i + 1 < n; i++)
			q->sources[i].text = words[i];
		q->sources_count = n - 1;
	}
	q->destination = words[n - 1];
	error_clear(&w->err);
	return copy_prepare(&c, q, &w->err) == 0 ? c : NULL;
}

static inline int copy_words(struct world *w, struct copy_request q, const char *const *words)
{
	struct copy *c = prepare(w, &q, words);
	int r;

	if (!c)
		return -w->err.errnum;
	r = copy_digest(c, &w->digest, &w->err);
	if (r == 0)
		r = copy_apply(c, w->root, w->root, &w->result, &w->err);
	copy_free(c);
	return r;
}
#define REQUEST(...) ((struct copy_request){ .unpack = -1, .now = { .tv_sec = 1000 }, __VA_ARGS__ })
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define COPY(w, ...) copy_words(w, REQUEST(), WORDS(__VA_ARGS__))

static inline void assert_tree(struct world *w, const char *expected)
{
	if (w->err.errnum)
		print_error("%s\n", w->err.msg);
	assert_string_equal(listing(w, w->root), expected);
}

static inline void fails(struct world *w, int r, int errnum, const char *part)
{
	if (!strstr(w->err.msg, part))
		print_error("%s\n", w->err.msg);
	assert_int_equal(r, -errnum);
	assert_non_null(strstr(w->err.msg, part));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
