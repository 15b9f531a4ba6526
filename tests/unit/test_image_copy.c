/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the COPY engine on small trees.  What a copy leaves is compared as a
 * listing, one line for each entry: "path mode uid:gid content".
 */
#include "tests/unit/image_copy_world.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file),
		TEST(test_directory),
		TEST(test_merge),
		TEST(test_wrong_kind),
		TEST(test_several),
		TEST(test_wildcards),
		TEST(test_missing),
		TEST(test_ignore),
		TEST(test_parents),
		TEST(test_exclude),
		TEST(test_chown),
		TEST(test_chmod),
		TEST(test_kept),
		TEST(test_from_root),
		TEST(test_heredoc),
	};

	/* Owners and devices are root's business. */
	if (geteuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
