/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: digests of what is copied and when files are read for them, contexts
 * as such, and hostile ones: those are aimed at a decoy beside them, which must stay as it is.
 */
#include "image-tools/build/context_tree.h"
#include "tests/unit/image_copy_world.h"

#include <sys/prctl.h>

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
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			renameat2(w->ctx, "d", w->ctx, "e", RENAME_EXCHANGE);
	}
	/* Long enough for the other process to get its turns on a busy machine. */
	for (time_t end = time(NULL) + 3; time(NULL) < end;) {
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

static void test_tree_match(void **state)
{
	static const struct {
		const char *pattern, *path;
		enum tree_match expected;
	} cases[] = {
		{ "a/b", "a", TREE_BELOW },
		{ "a/b", "a/b", TREE_YES },
		{ "a/b", "a/b/c", TREE_YES },
		{ "a/b", "b", TREE_NO },
		{ "*/b", "x", TREE_BELOW },
		{ "*/b", "x/c", TREE_NO },
		{ "**/f", "f", TREE_YES },
		{ "**/f", "a/b/f", TREE_YES },
		{ "**/f", "a/b", TREE_BELOW },
		{ "a/**", "a", TREE_BELOW },
		{ "a/**", "a/b", TREE_YES },
		{ "a/**/b/*.c", "a/x/y/b/z.c", TREE_YES },
		{ "a/**/b/*.c", "a/b/z.c", TREE_YES },
		{ "a/**/b/*.c", "a/b/z.h", TREE_BELOW },
		{ "a/**/b/*.c", "c", TREE_NO },
		{ "", "anything", TREE_YES },
		{ "x", "", TREE_BELOW },
	};
	char pattern[700] = "", path[700] = "";

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (tree_match(cases[i].pattern, cases[i].path) != cases[i].expected)
			fail_msg("%s on %s: %d", cases[i].pattern, cases[i].path, tree_match(cases[i].pattern, cases[i].path));
	/* Does not try every way to share out the path. */
	for (int i = 0; i < 100; i++) {
		strcat(pattern, "**/a/");
		strcat(path, "a/a/a/");
	}
	strcat(pattern, "b");
	strcat(path, "a");
	assert_int_equal(tree_match(pattern, path), TREE_BELOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_digest),
		TEST(test_digest_owner),
		TEST(test_remembered),
		TEST(test_changed),
		TEST(test_key),
		TEST(test_source_escape),
		TEST(test_destination_escape),
		TEST(test_strange_sources),
		TEST(test_race),
		TEST(test_view),
		TEST(test_read),
		TEST(test_tree_match),
	};

	/* Owners and devices are root's business. */
	if (geteuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
