/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: contexts, digests and the COPY engine on small trees in a
 * directory of their own.  What a copy leaves is compared as a listing, one line for
 * each entry.  Hostile contexts and destinations are aimed at a decoy beside them that
 * must stay as it is.
 */
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

static int make_dir(int at, const char *name)
{
	assert_int_equal(mkdirat(at, name, 0755), 0);
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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
static void put(int at, const char *path, const char *text, mode_t mode)
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

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_below(struct arena *a, int dir, const char *prefix, struct string_list *lines)
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

static const char *listing(struct world *w, int dir)
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

static void ignore(struct world *w, const char *text)
{
	struct string_list patterns = { 0 };

	assert_int_equal(ignore_read(&w->a, ".dockerignore", text, strlen(text), &patterns, &w->err), 0);
	assert_int_equal(ignore_compile(&w->a, &patterns, &w->ignore, &w->err), 0);
	w->context.ignore = &w->ignore;
}

/* Sources, then the destination; words end with NULL. */
static struct copy *prepare(struct world *w, struct copy_request *q, const char *const *words)
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

static int copy_words(struct world *w, struct copy_request q, const char *const *words)
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

static void assert_tree(struct world *w, const char *expected)
{
	if (w->err.errnum)
		print_error("%s\n", w->err.msg);
	assert_string_equal(listing(w, w->root), expected);
}

static void fails(struct world *w, int r, int errnum, const char *part)
{
	if (!strstr(w->err.msg, part))
		print_error("%s\n", w->err.msg);
	assert_int_equal(r, -errnum);
	assert_non_null(strstr(w->err.msg, part));
}

/* --- where things go ------------------------------------------------------------------------------- */

static void test_file(void **state)
{
	struct world *w = *state;

	put(w->ctx, "a", "A", 0640);
	assert_int_equal(COPY(w, "a", "/x"), 0);
	assert_int_equal(COPY(w, "a", "/d/e/"), 0);
	assert_int_equal(COPY(w, "a", "/d"), 0);
	assert_int_equal(COPY(w, "/a", "rel"), 0);
	assert_int_equal(copy_words(w, REQUEST(.workdir = "/work"), WORDS("./a", ".")), 0);
	assert_tree(w, "d/ 755 0:0\nd/a 640 0:0 A\nd/e/ 755 0:0\nd/e/a 640 0:0 A\nrel 640 0:0 A\nwork/ 755 0:0\nwork/a 640 0:0 A\nx 640 0:0 A\n");
}

static void test_directory(void **state)
{
	struct world *w = *state;

	put(w->ctx, "dir/f", "F", 0644);
	put(w->ctx, "dir/sub/g", "G", 0755);
	assert_int_equal(fchmodat(w->ctx, "dir", 0700, 0), 0);
	assert_int_equal(fchmodat(w->ctx, "dir/sub", 0750, 0), 0);
	assert_int_equal(symlinkat("../nowhere", w->ctx, "dir/l"), 0);
	assert_int_equal(COPY(w, "dir", "/x"), 0);
	assert_int_equal(COPY(w, "dir/", "/x/y/"), 0);
	assert_tree(w, "x/ 755 0:0\nx/f 644 0:0 F\nx/l 0 0:0 -> ../nowhere\nx/sub/ 750 0:0\nx/sub/g 755 0:0 G\nx/y/ 755 0:0\n"
		       "x/y/f 644 0:0 F\nx/y/l 0 0:0 -> ../nowhere\nx/y/sub/ 750 0:0\nx/y/sub/g 755 0:0 G\n");
}

static void test_merge(void **state)
{
	struct world *w = *state;

	put(w->ctx, "new/etc/a", "new", 0600);
	put(w->ctx, "new/lib/l", "lib", 0644);
	put(w->root, "etc/a", "old", 0644);
	put(w->root, "etc/b", "stays", 0644);
	put(w->root, "usr/lib/m", "m", 0644);
	assert_int_equal(symlinkat("usr/lib", w->root, "lib"), 0);
	assert_int_equal(fchmodat(w->ctx, "new/etc", 0711, 0), 0);
	assert_int_equal(COPY(w, "new", "/"), 0);
	assert_tree(w, "etc/ 711 0:0\netc/a 600 0:0 new\netc/b 644 0:0 stays\nlib 0 0:0 -> usr/lib\nusr/ 755 0:0\nusr/lib/ 755 0:0\n"
		       "usr/lib/l 644 0:0 lib\nusr/lib/m 644 0:0 m\n");
}

static void test_wrong_kind(void **state)
{
	struct world *w = *state;

	put(w->ctx, "f", "F", 0644);
	put(w->ctx, "d/f/g", "G", 0644);
	put(w->root, "f", "old", 0644);
	put(w->root, "dir/f/x", "x", 0644);
	put(w->ctx, "e/f", "F", 0644);
	fails(w, COPY(w, "d", "/"), ENOTDIR, "\"/f\" is not a directory");
	fails(w, COPY(w, "e", "/dir"), EISDIR, "\"/dir/f\" is a directory");
	fails(w, COPY(w, "f", "/f/"), ENOTDIR, "\"/f\" is not a directory");
	fails(w, COPY(w, "f", "/f/deeper"), ENOTDIR, "not a directory");
	fails(w, COPY(w, "d", "/f"), ENOTDIR, "not a directory");
}

static void test_several(void **state)
{
	struct world *w = *state;

	put(w->ctx, "a", "A", 0644);
	put(w->ctx, "b", "B", 0644);
	put(w->ctx, "d/x", "X", 0644);
	put(w->ctx, "e/y", "Y", 0644);
	fails(w, COPY(w, "a", "b", "/to"), ENOTDIR, "must be a directory and end with /");
	fails(w, COPY(w, "?", "/to"), ENOTDIR, "must be a directory and end with /");
	assert_int_equal(COPY(w, "a", "b", "/to/"), 0);
	assert_int_equal(COPY(w, "a", "d", "/to"), 0);
	assert_int_equal(COPY(w, "d", "e", "/dirs"), 0);
	assert_int_equal(copy_words(w, REQUEST(.workdir = "/w"), WORDS("a", "b", ".")), 0);
	assert_tree(w, "dirs/ 755 0:0\ndirs/x 644 0:0 X\ndirs/y 644 0:0 Y\nto/ 755 0:0\nto/a 644 0:0 A\nto/b 644 0:0 B\nto/x 644 0:0 X\n"
		       "w/ 755 0:0\nw/a 644 0:0 A\nw/b 644 0:0 B\n");
}

static void test_wildcards(void **state)
{
	struct world *w = *state;

	put(w->ctx, "a.txt", "a", 0644);
	put(w->ctx, "b.txt", "b", 0644);
	put(w->ctx, "c.md", "c", 0644);
	put(w->ctx, "d1/x.txt", "x", 0644);
	put(w->ctx, "d2/y.txt", "y", 0644);
	put(w->ctx, "we[i]rd", "w", 0644);
	assert_int_equal(COPY(w, "*.txt", "/t/"), 0);
	assert_int_equal(COPY(w, "d?/*.txt", "/u/"), 0);
	assert_int_equal(COPY(w, "d*", "/v/"), 0);
	assert_int_equal(COPY(w, "c*", "/one"), 0);
	assert_int_equal(COPY(w, "we[[]i]rd", "/w/"), 0);
	assert_int_equal(COPY(w, "we[i]rd", "/w2/"), 0);
	assert_int_equal(COPY(w, "none*", "/n/"), 0);
	fails(w, COPY(w, "[z-", "/n/"), EINVAL, "is not a pattern");
	error_clear(&w->err);
	assert_tree(w, "one 644 0:0 c\nt/ 755 0:0\nt/a.txt 644 0:0 a\nt/b.txt 644 0:0 b\nu/ 755 0:0\nu/x.txt 644 0:0 x\nu/y.txt 644 0:0 y\n"
		       "v/ 755 0:0\nv/x.txt 644 0:0 x\nv/y.txt 644 0:0 y\nw/ 755 0:0\nw/we[i]rd 644 0:0 w\nw2/ 755 0:0\nw2/we[i]rd 644 0:0 w\n");
}

static void test_missing(void **state)
{
	struct world *w = *state;

	put(w->ctx, "there/x", "x", 0644);
	fails(w, COPY(w, "nothing", "/x"), ENOENT, "\"nothing\": not found in build context");
	fails(w, COPY(w, "there/x/y", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "nothing/*", "/x/"), ENOENT, "not found");
	fails(w, COPY(w, "", "/x"), EINVAL, "empty");
	fails(w, COPY(w, "http://a/b", "/x"), EINVAL, "COPY does not fetch");
	fails(w, COPY(w, "git@host:x.git", "/x"), EINVAL, "COPY does not fetch");
	assert_string_equal(listing(w, w->root), "");
}

static void test_ignore(void **state)
{
	struct world *w = *state;

	put(w->ctx, "a", "a", 0644);
	put(w->ctx, "secret", "s", 0644);
	put(w->ctx, "d/keep/k", "k", 0644);
	put(w->ctx, "d/drop", "x", 0644);
	put(w->ctx, "e/x.tmp", "x", 0644);
	put(w->ctx, "e/y", "y", 0644);
	assert_int_equal(symlinkat("secret", w->ctx, "alias"), 0);
	ignore(w, "secret\nd/*\n!d/keep\n**/*.tmp\n");
	assert_int_equal(COPY(w, ".", "/all/"), 0);
	assert_tree(w, "all/ 755 0:0\nall/a 644 0:0 a\nall/alias 0 0:0 -> secret\nall/d/ 755 0:0\nall/d/keep/ 755 0:0\nall/d/keep/k 644 0:0 k\n"
		       "all/e/ 755 0:0\nall/e/y 644 0:0 y\n");
	fails(w, COPY(w, "secret", "/x"), ENOENT, "not found");
	assert_non_null(strstr(w->err.hint, "ignore file"));
	fails(w, COPY(w, "alias", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "e/x.tmp", "/x"), ENOENT, "not found");
	assert_int_equal(COPY(w, "s*", "/none/"), 0);
	assert_int_equal(COPY(w, "d/*", "/k/"), 0);
	assert_int_equal(faccessat(w->root, "none", F_OK, 0), -1);
	assert_int_equal(faccessat(w->root, "k/k", F_OK, 0), 0);
}

static void test_parents(void **state)
{
	struct world *w = *state;

	put(w->ctx, "a/b/c/f", "f", 0644);
	put(w->ctx, "a/b/g", "g", 0644);
	put(w->ctx, "a/h", "h", 0644);
	put(w->ctx, "x/y/f", "y", 0644);
	assert_int_equal(fchmodat(w->ctx, "a/b", 0711, 0), 0);
	assert_int_equal(copy_words(w, REQUEST(.parents = true), WORDS("a/b/c/f", "x/y", "/p/")), 0);
	assert_int_equal(copy_words(w, REQUEST(.parents = true), WORDS("a/./b/g", "/q/")), 0);
	assert_int_equal(copy_words(w, REQUEST(.parents = true), WORDS("./a/*/g", "/r")), 0);
	assert_int_equal(copy_words(w, REQUEST(.parents = true), WORDS("**/f", "/s")), 0);
	assert_tree(w, "p/ 755 0:0\np/a/ 755 0:0\np/a/b/ 711 0:0\np/a/b/c/ 755 0:0\np/a/b/c/f 644 0:0 f\np/x/ 755 0:0\np/x/y/ 755 0:0\np/x/y/f 644 0:0 y\n"
		       "q/ 755 0:0\nq/b/ 711 0:0\nq/b/g 644 0:0 g\nr/ 755 0:0\nr/a/ 755 0:0\nr/a/b/ 711 0:0\nr/a/b/g 644 0:0 g\n"
		       "s/ 755 0:0\ns/a/ 755 0:0\ns/a/b/ 711 0:0\ns/a/b/c/ 755 0:0\ns/a/b/c/f 644 0:0 f\ns/x/ 755 0:0\ns/x/y/ 755 0:0\ns/x/y/f 644 0:0 y\n");
	fails(w, copy_words(w, REQUEST(.parents = true), WORDS("a/none", "/t/")), ENOENT, "not found");
	fails(w, copy_words(w, REQUEST(.parents = true), WORDS("a/h/./x", "/t/")), ENOTDIR, "not a directory");
}

static void test_exclude(void **state)
{
	static const char *items[] = { "*.txt", "sub/*", "!sub/keep" };
	struct world *w = *state;

	put(w->ctx, "d/a.txt", "a", 0644);
	put(w->ctx, "d/b", "b", 0644);
	put(w->ctx, "d/sub/x", "x", 0644);
	put(w->ctx, "d/sub/keep", "k", 0644);
	put(w->ctx, "top.txt", "t", 0644);
	put(w->ctx, "top.md", "m", 0644);
	assert_int_equal(copy_words(w, REQUEST(.exclude = { items, 3 }), WORDS("d", "/e/")), 0);
	assert_int_equal(copy_words(w, REQUEST(.exclude = { items, 1 }), WORDS("top*", "/f/")), 0);
	assert_tree(w, "e/ 755 0:0\ne/b 644 0:0 b\ne/sub/ 755 0:0\ne/sub/keep 644 0:0 k\nf/ 755 0:0\nf/top.md 644 0:0 m\n");
}

/* --- flags ----------------------------------------------------------------------------------------------- */

static void test_chown(void **state)
{
	struct world *w = *state;

	put(w->root, "etc/passwd", "root:x:0:0::/:/bin/sh\nwww:x:33:34::/:/bin/sh\n", 0644);
	put(w->root, "etc/group", "root:x:0:\nstaff:x:50:\n", 0644);
	put(w->ctx, "d/f", "f", 0644);
	assert_int_equal(symlinkat("f", w->ctx, "d/l"), 0);
	assert_int_equal(copy_words(w, REQUEST(.chown = "7"), WORDS("d", "/n/")), 0);
	assert_int_equal(copy_words(w, REQUEST(.chown = "www"), WORDS("d/f", "/o/p/q")), 0);
	assert_int_equal(copy_words(w, REQUEST(.chown = "8:staff"), WORDS("d/f", "/r")), 0);
	assert_int_equal(copy_words(w, REQUEST(.chown = "www:9"), WORDS("d/f", "/s")), 0);
	fails(w, copy_words(w, REQUEST(.chown = "nobody"), WORDS("d/f", "/t")), EINVAL, "--chown=nobody");
	fails(w, copy_words(w, REQUEST(.chown = "1:none"), WORDS("d/f", "/t")), EINVAL, "none");
	fails(w, copy_words(w, REQUEST(.chown = "99999999999"), WORDS("d/f", "/t")), EINVAL, "ids end at");
	fails(w, copy_words(w, REQUEST(.chown = ":1"), WORDS("d/f", "/t")), EINVAL, "USER[:GROUP]");
	error_clear(&w->err);
	assert_int_equal(unlinkat(w->root, "etc/passwd", 0), 0);
	assert_int_equal(unlinkat(w->root, "etc/group", 0), 0);
	assert_tree(w, "etc/ 755 0:0\nn/ 755 7:7\nn/f 644 7:7 f\nn/l 0 7:7 -> f\no/ 755 33:34\no/p/ 755 33:34\no/p/q 644 33:34 f\nr 644 8:50 f\ns 644 33:9 f\n");
}

static void test_chmod(void **state)
{
	static const struct {
		const char *text;
		mode_t file, executable, directory; /* of 0644, 0755, 0755 */
	} cases[] = {
		{ "600", 0600, 0600, 0600 },
		{ "04755", 04755, 04755, 04755 },
		{ "0", 0, 0, 0 },
		{ "+x", 0755, 0755, 0755 },
		{ "a+w", 0666, 0777, 0777 },
		{ "u=rwX,go=rX", 0644, 0755, 0755 },
		{ "go-rwx", 0600, 0700, 0700 },
		{ "g=u", 0664, 0775, 0775 },
		{ "u+s,+t", 05644, 05755, 05755 },
		{ "u-w+x", 0544, 0555, 0555 },
		{ "=", 0, 0, 0 },
		{ "o=g,g=", 0604, 0705, 0705 },
		{ "a=rX", 0444, 0555, 0555 },
	};
	static const char *const bad[] = { "", "8", "077777", "u", "u+q", "+x,", "rw", "u=rw;", "x+u", "u=gr", "999", "-1" };
	struct world *w = *state;

	put(w->ctx, "d/f", "f", 0644);
	put(w->ctx, "d/x", "x", 0755);
	put(w->ctx, "d/s/y", "y", 0644);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *to = arena_printf(&w->a, "/%zu", i);
		struct stat f, x, s;

		assert_int_equal(copy_words(w, REQUEST(.chmod = cases[i].text), WORDS("d", to)), 0);
		assert_int_equal(fstatat(w->root, arena_printf(&w->a, "%zu/f", i), &f, 0), 0);
		assert_int_equal(fstatat(w->root, arena_printf(&w->a, "%zu/x", i), &x, 0), 0);
		assert_int_equal(fstatat(w->root, arena_printf(&w->a, "%zu/s", i), &s, 0), 0);
		if ((f.st_mode & 07777) != cases[i].file || (x.st_mode & 07777) != cases[i].executable || (s.st_mode & 07777) != cases[i].directory)
			fail_msg("%s: %o %o %o", cases[i].text, f.st_mode, x.st_mode, s.st_mode);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		fails(w, copy_check_flags(NULL, bad[i], &w->err), EINVAL, "not a mode");
}

static void test_kept(void **state)
{
	struct timespec times[2] = { { .tv_sec = 12345, .tv_nsec = 678 }, { .tv_sec = 12345, .tv_nsec = 678 } };
	struct world *w = *state;
	struct stat a, b, st;
	char value[8];

	put(w->ctx, "d/f", "f", 0644);
	put(w->root, "old/x", "x", 0644);
	assert_int_equal(linkat(w->ctx, "d/f", w->ctx, "d/g", 0), 0);
	assert_int_equal(linkat(w->ctx, "d/f", w->ctx, "h", 0), 0);
	_cleanup_fd_ int fd = openat(w->ctx, "d/f", O_RDONLY | O_CLOEXEC);
	bool attributes = fsetxattr(fd, "user.note", "hi", 2, 0) == 0;

	assert_int_equal(mkfifoat(w->ctx, "d/p", 0600), 0);
	assert_int_equal(mknodat(w->ctx, "d/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(fchownat(w->ctx, "d/f", 5, 6, 0), 0);
	assert_int_equal(utimensat(w->ctx, "d/f", times, 0), 0);
	assert_int_equal(utimensat(w->ctx, "d", times, 0), 0);
	assert_int_equal(utimensat(w->root, "old", times, 0), 0);
	assert_int_equal(COPY(w, "d", "h", "/old/new/"), 0);
	assert_int_equal(fstatat(w->root, "old/new/f", &a, 0), 0);
	assert_int_equal(fstatat(w->root, "old/new/g", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fstatat(w->root, "old/new/h", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_nlink, 3);
	assert_int_equal(a.st_uid, 0);
	assert_int_equal(a.st_mtim.tv_sec, 12345);
	assert_int_equal(a.st_mtim.tv_nsec, 678);
	assert_int_equal(fstatat(w->root, "old/new/null", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	assert_int_equal(fstatat(w->root, "old/new/p", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISFIFO(st.st_mode));
	/* What was there keeps its time, what is made gets the request's. */
	assert_int_equal(fstatat(w->root, "old", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 12345);
	assert_int_equal(fstatat(w->root, "old/new", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	if (attributes) {
		_cleanup_fd_ int copy = openat(w->root, "old/new/f", O_RDONLY | O_CLOEXEC);

		assert_int_equal(fgetxattr(copy, "user.note", value, sizeof value), 2);
	}
}

static void test_from_root(void **state)
{
	struct world *w = *state;
	struct context stage;

	put(w->ctx, "bin/x", "x", 04755);
	assert_int_equal(fchownat(w->ctx, "bin/x", 12, 34, 0), 0);
	assert_int_equal(fchmodat(w->ctx, "bin/x", 04755, 0), 0);
	assert_int_equal(context_from_root(&stage, "stage \"build\"", w->ctx, &w->sources, &w->err), 0);
	assert_int_equal(copy_words(w, REQUEST(.context = &stage), WORDS("/bin/x", "/bin/")), 0);
	fails(w, copy_words(w, REQUEST(.context = &stage), WORDS("/bin/y", "/bin/")), ENOENT, "not found in stage \"build\"");
	error_clear(&w->err);
	assert_tree(w, "bin/ 755 0:0\nbin/x 4755 12:34 x\n");
	context_close(&stage);
}

static void test_heredoc(void **state)
{
	struct copy_source sources[] = { { .text = "a.conf", .heredoc = true, .content = "one\n", .content_length = 4 },
		{ .text = "b.conf", .heredoc = true, .content = "", .content_length = 0 } };
	struct copy_source evil = { .text = "../x", .heredoc = true, .content = "", .content_length = 0 };
	struct world *w = *state;
	struct stat st;

	assert_int_equal(copy_words(w, REQUEST(.sources = sources, .sources_count = 1), WORDS("/etc/x")), 0);
	assert_int_equal(copy_words(w, REQUEST(.sources = sources, .sources_count = 2, .chmod = "600", .chown = "1:2"), WORDS("/d/")), 0);
	assert_int_equal(fstatat(w->root, "d/a.conf", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_tree(w, "d/ 755 1:2\nd/a.conf 600 1:2 one\n\nd/b.conf 600 1:2 \netc/ 755 0:0\netc/x 644 0:0 one\n\n");
	fails(w, copy_words(w, REQUEST(.sources = &evil, .sources_count = 1), WORDS("/d/")), EINVAL, "cannot be the name");
	fails(w, copy_words(w, REQUEST(.sources = sources, .sources_count = 2), WORDS("/f")), ENOTDIR, "end with /");
}

/* --- digests ---------------------------------------------------------------------------------------------- */

static void digest_is(struct world *w, struct copy_request q, const char *const *words, struct digest *d)
{
	struct copy *c = prepare(w, &q, words);

	assert_non_null(c);
	assert_int_equal(copy_digest(c, d, &w->err), 0);
	copy_free(c);
}

static void test_digest(void **state)
{
	struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct world *w = *state;
	struct digest first, d;

	put(w->ctx, "d/f", "f", 0644);
	put(w->ctx, "d/g", "g", 0644);
	assert_int_equal(symlinkat("f", w->ctx, "d/l"), 0);
	digest_is(w, REQUEST(), WORDS("d", "/x/"), &first);
	assert_int_equal(utimensat(w->ctx, "d/f", times, 0), 0);
	assert_int_equal(fchownat(w->ctx, "d/f", 7, 7, 0), 0);
	digest_is(w, REQUEST(), WORDS("d", "/x/"), &d);
	assert_true(digest_equal(&first, &d));
#define CHANGES(doing, undoing)                                                                                        \
	do {                                                                                                           \
		assert_int_equal(doing, 0);                                                                            \
		digest_is(w, REQUEST(), WORDS("d", "/x/"), &d);                                                        \
		assert_false(digest_equal(&first, &d));                                                                \
		assert_int_equal(undoing, 0);                                                                          \
		digest_is(w, REQUEST(), WORDS("d", "/x/"), &d);                                                        \
		assert_true(digest_equal(&first, &d));                                                                 \
	} while (0)
	CHANGES(fchmodat(w->ctx, "d/f", 0600, 0), fchmodat(w->ctx, "d/f", 0644, 0));
	CHANGES(fchmodat(w->ctx, "d", 0700, 0), fchmodat(w->ctx, "d", 0755, 0));
	CHANGES(renameat(w->ctx, "d/f", w->ctx, "d/ff"), renameat(w->ctx, "d/ff", w->ctx, "d/f"));
	CHANGES((put(w->ctx, "d/f", "F", 0644), 0), (put(w->ctx, "d/f", "f", 0644), 0));
	CHANGES((put(w->ctx, "d/n", "", 0644), 0), unlinkat(w->ctx, "d/n", 0));
	CHANGES(mkdirat(w->ctx, "d/e", 0755), unlinkat(w->ctx, "d/e", AT_REMOVEDIR));
	CHANGES(unlinkat(w->ctx, "d/l", 0) || symlinkat("g", w->ctx, "d/l"), unlinkat(w->ctx, "d/l", 0) || symlinkat("f", w->ctx, "d/l"));
	/* Two names of one inode are not two files. */
	CHANGES(linkat(w->ctx, "d/f", w->ctx, "d/h", 0), unlinkat(w->ctx, "d/h", 0));
	/* Where it lies does not matter, nor what is not selected. */
	assert_int_equal(renameat(w->ctx, "d", w->ctx, "moved"), 0);
	digest_is(w, REQUEST(), WORDS("moved", "/x/"), &d);
	assert_true(digest_equal(&first, &d));
	put(w->ctx, "moved/new.tmp", "x", 0644);
	ignore(w, "**/*.tmp\n");
	digest_is(w, REQUEST(), WORDS("moved", "/x/"), &d);
	assert_true(digest_equal(&first, &d));
}

static void test_digest_owner(void **state)
{
	struct world *w = *state;
	struct context stage;
	struct digest a, b;

	put(w->ctx, "f", "f", 0644);
	assert_int_equal(context_from_root(&stage, "stage", w->ctx, &w->sources, &w->err), 0);
	digest_is(w, REQUEST(.context = &stage), WORDS("f", "/"), &a);
	assert_int_equal(fchownat(w->ctx, "f", 1, 1, 0), 0);
	digest_is(w, REQUEST(.context = &stage), WORDS("f", "/"), &b);
	assert_false(digest_equal(&a, &b));
	context_close(&stage);
}

static void age(int at, const char *name)
{
	/* Only waiting makes a change time old. */
	struct stat st;
	struct timespec now;

	do {
		usleep(100000);
		assert_int_equal(fstatat(at, name, &st, 0), 0);
		clock_gettime(CLOCK_REALTIME, &now);
	} while (st.st_ctim.tv_sec + 3 > now.tv_sec);
}

static void test_remembered(void **state)
{
	struct world *w = *state;
	struct file_digests_stats s;
	struct digest a, b;

	put(w->ctx, "old", "old", 0644);
	digest_is(w, REQUEST(), WORDS(".", "/"), &a);
	digest_is(w, REQUEST(), WORDS(".", "/"), &a);
	/* Too young to be remembered: read each time. */
	s = file_digests_count(w->sources.digests);
	assert_int_equal(s.known, 0);
	assert_int_equal(s.read, 2);
	age(w->ctx, "old");
	digest_is(w, REQUEST(), WORDS(".", "/"), &a);
	digest_is(w, REQUEST(), WORDS(".", "/"), &b);
	assert_true(digest_equal(&a, &b));
	s = file_digests_count(w->sources.digests);
	assert_int_equal(s.known, 1);
	assert_int_equal(s.read, 3);
	/* On disk, for the next build. */
	file_digests_save(w->sources.digests);
	file_digests_free(w->sources.digests);
	assert_int_equal(file_digests_open(&w->sources.digests, w->top, "digests", &w->err), 0);
	digest_is(w, REQUEST(), WORDS(".", "/"), &b);
	assert_true(digest_equal(&a, &b));
	s = file_digests_count(w->sources.digests);
	assert_int_equal(s.known, 1);
	assert_int_equal(s.read, 0);
	/* The same size and a modification time turned back do not deceive it. */
	struct stat st;

	assert_int_equal(fstatat(w->ctx, "old", &st, 0), 0);
	put(w->ctx, "old", "new", 0644);
	assert_int_equal(utimensat(w->ctx, "old", (struct timespec[]){ st.st_atim, st.st_mtim }, 0), 0);
	digest_is(w, REQUEST(), WORDS(".", "/"), &b);
	assert_false(digest_equal(&a, &b));
	/* A damaged table is as none. */
	file_digests_free(w->sources.digests);
	_cleanup_fd_ int fd = openat(w->top, "digests", O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "X", 1, 60), 1);
	assert_int_equal(file_digests_open(&w->sources.digests, w->top, "digests", &w->err), 0);
	digest_is(w, REQUEST(), WORDS(".", "/"), &b);
	s = file_digests_count(w->sources.digests);
	assert_int_equal(s.known, 0);
	assert_int_equal(s.read, 1);
}

static void test_changed(void **state)
{
	struct world *w = *state;
	struct copy_request q = REQUEST();
	struct copy *c;

	put(w->ctx, "d/f", "one", 0644);
	c = prepare(w, &q, WORDS("d", "/x/"));
	assert_int_equal(copy_digest(c, &w->digest, &w->err), 0);
	put(w->ctx, "d/f", "two", 0644);
	fails(w, copy_apply(c, w->root, -1, &w->result, &w->err), ESTALE, "\"d/f\" changed");
	copy_free(c);
	c = prepare(w, &q, WORDS("d", "/y/"));
	assert_int_equal(copy_digest(c, &w->digest, &w->err), 0);
	put(w->ctx, "d/g", "new", 0644);
	fails(w, copy_apply(c, w->root, -1, &w->result, &w->err), ESTALE, "changed");
	copy_free(c);
	c = prepare(w, &q, WORDS("d", "/z/"));
	assert_int_equal(copy_digest(c, &w->digest, &w->err), 0);
	assert_int_equal(unlinkat(w->ctx, "d/g", 0), 0);
	fails(w, copy_apply(c, w->root, -1, &w->result, &w->err), ESTALE, "changed");
	copy_free(c);
	/* A time alone is no change. */
	error_clear(&w->err);
	c = prepare(w, &q, WORDS("d", "/t/"));
	assert_int_equal(copy_digest(c, &w->digest, &w->err), 0);
	assert_int_equal(utimensat(w->ctx, "d/f", NULL, 0), 0);
	assert_int_equal(copy_apply(c, w->root, -1, &w->result, &w->err), 0);
	copy_free(c);
}

static void test_key(void **state)
{
	static const char *items[] = { "x" };
	struct world *w = *state;
	struct copy_request requests[] = { REQUEST(), REQUEST(.chown = "1"), REQUEST(.chmod = "1"), REQUEST(.link = true),
		REQUEST(.parents = true), REQUEST(.exclude = { items, 1 }), REQUEST(.add = true), REQUEST(.workdir = "/w") };
	const char *keys[16];

	put(w->ctx, "a", "a", 0644);
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		struct copy *c = prepare(w, &requests[i], WORDS("a", "to/"));

		assert_non_null(c);
		keys[i] = copy_key(c, &w->a);
		copy_free(c);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(keys[k], keys[i]);
	}
	struct copy_request same = REQUEST(.workdir = "/w/.");
	struct copy *c = prepare(w, &same, WORDS("a", "./to//"));

	assert_string_equal(copy_key(c, &w->a), keys[7]);
	copy_free(c);
}

/* --- hostile ---------------------------------------------------------------------------------------------- */

static void test_source_escape(void **state)
{
	struct world *w = *state;

	put(w->decoy, "secret", "SECRET", 0600);
	put(w->ctx, "f", "f", 0644);
	put(w->ctx, "etc/passwd", "mine", 0644);
	assert_int_equal(symlinkat(arena_printf(&w->a, "%s/decoy/secret", w->path), w->ctx, "abs"), 0);
	assert_int_equal(symlinkat("../decoy/secret", w->ctx, "rel"), 0);
	assert_int_equal(symlinkat("../decoy", w->ctx, "dir"), 0);
	assert_int_equal(symlinkat("/etc", w->ctx, "own"), 0);
	assert_int_equal(symlinkat("/proc/self/root/etc", w->ctx, "magic"), 0);
	assert_int_equal(symlinkat("loop", w->ctx, "loop"), 0);
	fails(w, COPY(w, "../decoy/secret", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "../../../etc/hostname", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "abs", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "rel", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "dir/secret", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "dir/*", "/x/"), ENOENT, "not found");
	fails(w, COPY(w, "magic/hostname", "/x"), ENOENT, "not found");
	fails(w, COPY(w, "loop", "/x"), ELOOP, "loop");
	assert_string_equal(listing(w, w->root), "");
	/* Below its own root a link may lead. */
	assert_int_equal(COPY(w, "own/passwd", "/p"), 0);
	assert_int_equal(COPY(w, "own", "/q"), 0);
	assert_int_equal(COPY(w, "../f", "/r"), 0);
	assert_tree(w, "p 644 0:0 mine\nq/ 755 0:0\nq/passwd 644 0:0 mine\nr 644 0:0 f\n");
}

static void test_destination_escape(void **state)
{
	struct world *w = *state;
	const char *before;

	put(w->decoy, "file", "untouched", 0600);
	before = listing(w, w->decoy);
	put(w->ctx, "f", "f", 0644);
	put(w->ctx, "t/out/f", "f", 0644);
	put(w->ctx, "t/file", "f", 0644);
	assert_int_equal(symlinkat(arena_printf(&w->a, "%s/decoy", w->path), w->root, "abs"), 0);
	assert_int_equal(symlinkat("../decoy", w->root, "out"), 0);
	assert_int_equal(symlinkat("../decoy/file", w->root, "file"), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", w->root, "magic"), 0);
	assert_int_equal(COPY(w, "f", "/abs/f"), 0);
	assert_int_equal(COPY(w, "f", "/out/"), 0);
	assert_int_equal(COPY(w, "f", "/file"), 0);
	assert_int_equal(COPY(w, "f", "/../../../decoy/file"), 0);
	assert_int_equal(COPY(w, "f", "/magic/f"), 0);
	assert_int_equal(COPY(w, "t", "/"), 0);
	assert_string_equal(listing(w, w->decoy), before);
	/* What the links meant below the root was made there. */
	assert_int_equal(faccessat(w->root, arena_printf(&w->a, "%s/decoy/f", w->path + 1), F_OK, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(faccessat(w->root, "decoy/f", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(faccessat(w->root, "proc/self/cwd/f", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	/* A file goes where the link was, not where it led. */
	struct stat st;

	assert_int_equal(fstatat(w->root, "file", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void test_strange_sources(void **state)
{
	struct world *w = *state;
	char name[256], deep[3000];
	size_t n = 0;

	memset(name, 'n', 255);
	name[255] = '\0';
	put(w->ctx, arena_printf(&w->a, "d/%s", name), "x", 0644);
	put(w->ctx, "d/sp ace\n\xff", "x", 0644);
	assert_int_equal(mkfifoat(w->ctx, "fifo", 0644), 0);
	assert_int_equal(COPY(w, "d", "/d"), 0);
	assert_int_equal(faccessat(w->root, arena_printf(&w->a, "d/%s", name), F_OK, 0), 0);
	/* A fifo is not opened: this would wait for ever. */
	assert_int_equal(COPY(w, "fifo", "/"), 0);
	assert_int_equal(copy_words(w, REQUEST(.add = true), WORDS("fifo", "/again")), 0);
	while (n + 101 < sizeof deep)
		n += (size_t)sprintf(deep + n, "%.100s/", name);
	deep[n] = '\0';
	put(w->ctx, arena_printf(&w->a, "deep/%sf", deep), "deep", 0644);
	assert_int_equal(COPY(w, "deep", "/deep"), 0);
	fails(w, COPY(w, "deep", arena_printf(&w->a, "/%s", deep)), ENAMETOOLONG, "too long");
	fails(w, COPY(w, arena_printf(&w->a, "%s%s", deep, deep), "/x"), ENAMETOOLONG, "too long");
}

/* Directories are swapped for links while a copy runs. */
static void test_race(void **state)
{
	struct world *w = *state;
	const char *before;
	pid_t pid;

	put(w->decoy, "f", "SECRET", 0600);
	before = listing(w, w->decoy);
	put(w->ctx, "d/f", "mine", 0644);
	assert_int_equal(symlinkat("../decoy", w->ctx, "e"), 0);
	pid = fork();
	if (pid == 0) {
		for (;;)
			renameat2(w->ctx, "d", w->ctx, "e", RENAME_EXCHANGE);
	}
	for (int i = 0; i < 2000; i++) {
		struct error err = { 0 };
		struct copy_request q = REQUEST(.context = &w->context, .sources = &(struct copy_source){ .text = "d" }, .sources_count = 1,
			.destination = "/x/");
		struct copy_result result;
		struct copy *c;
		char text[16] = "";

		if (copy_prepare(&c, &q, &err) < 0)
			continue;
		copy_apply(c, w->root, -1, &result, &err);
		copy_free(c);
		_cleanup_fd_ int fd = openat(w->root, "x/f", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0 && fd_read_full(fd, text, 15) > 0)
			assert_string_equal(text, "mine");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_string_equal(listing(w, w->decoy), before);
}

/* --- contexts ----------------------------------------------------------------------------------------------- */

static void test_view(void **state)
{
	struct world *w = *state;
	struct digest a, b;
	int fd;

	put(w->ctx, "src/a", "a", 0644);
	put(w->ctx, "src/b.tmp", "b", 0644);
	put(w->ctx, "clean/c", "c", 0644);
	assert_int_equal(context_digest(&w->context, "src", &a, &w->err), 0);
	ignore(w, "**/*.tmp\nhidden\n");
	put(w->ctx, "hidden/x", "x", 0644);
	fd = context_view(&w->context, &w->a, "/src", &w->err);
	assert_true(fd >= 0);
	assert_string_equal(listing(w, fd), "a 644 0:0 a\n");
	close(fd);
	assert_int_equal(context_digest(&w->context, "src", &b, &w->err), 0);
	assert_false(digest_equal(&a, &b));
	fd = context_view(&w->context, &w->a, "clean/c", &w->err);
	assert_true(fd >= 0);
	close(fd);
	fails(w, context_view(&w->context, &w->a, "hidden", &w->err), ENOENT, "excluded");
	fails(w, context_view(&w->context, &w->a, "src/b.tmp", &w->err), ENOENT, "excluded");
	fails(w, context_digest(&w->context, "none", &b, &w->err), ENOENT, "none");
}

static void test_read(void **state)
{
	struct world *w = *state;
	const char *name = NULL;
	char *text;
	size_t len;

	put(w->ctx, "Dockerfile", "FROM scratch\n", 0644);
	put(w->ctx, ".dockerignore", "*\n", 0644);
	put(w->ctx, "sub/x.Dockerfile.dockerignore", "x\n", 0644);
	assert_int_equal(symlinkat("/../../../../../../etc/hostname", w->ctx, "link"), 0);
	assert_int_equal(mkfifoat(w->ctx, "fifo", 0644), 0);
	ignore(w, "*\n");
	assert_int_equal(context_read_file(&w->context, &w->a, "Dockerfile", 100, &text, &len, &w->err), 0);
	assert_string_equal(text, "FROM scratch\n");
	assert_int_equal(context_find_ignore(&w->context, &w->a, "Dockerfile", &text, &len, &name, &w->err), 0);
	assert_string_equal(name, ".dockerignore");
	assert_int_equal(context_find_ignore(&w->context, &w->a, "sub/x.Dockerfile", &text, &len, &name, &w->err), 0);
	assert_string_equal(text, "x\n");
	fails(w, context_read_file(&w->context, &w->a, "link", 100, &text, &len, &w->err), ENOENT, "link");
	fails(w, context_read_file(&w->context, &w->a, "fifo", 100, &text, &len, &w->err), EINVAL, "not a regular file");
	fails(w, context_read_file(&w->context, &w->a, "Dockerfile", 3, &text, &len, &w->err), EFBIG, "Dockerfile");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_file), TEST(test_directory), TEST(test_merge), TEST(test_wrong_kind), TEST(test_several),
		TEST(test_wildcards), TEST(test_missing), TEST(test_ignore), TEST(test_parents), TEST(test_exclude),
		TEST(test_chown), TEST(test_chmod), TEST(test_kept), TEST(test_from_root), TEST(test_heredoc),
		TEST(test_digest), TEST(test_digest_owner), TEST(test_remembered), TEST(test_changed), TEST(test_key),
		TEST(test_source_escape), TEST(test_destination_escape), TEST(test_strange_sources), TEST(test_race),
		TEST(test_view), TEST(test_read),
	};

	/* Owners and devices are root's business. */
	if (geteuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
