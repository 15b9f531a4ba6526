/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: replacing files: readers see one content or the other, a failure leaves the old one and no rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <signal.h>

#include "base/fd.h"

typedef int replace_fn(int dirfd, const char *name, const void *buf, size_t n, mode_t mode);
static replace_fn *const functions[] = { fd_replace_file, fd_replace_file_durable };

static char directory[] = "/tmp/test-fd-XXXXXX";

static int entries(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void expect(int dir, const char *name, const char *want)
{
	struct arena a = ARENA_INIT;
	char *buf;
	size_t len;

	assert_int_equal(fd_read_file(dir, name, &a, 1 << 20, &buf, &len), 0);
	assert_int_equal(len, strlen(want));
	assert_string_equal(buf, want);
	arena_free(&a);
}

static void replaces(void **state)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path = open(directory, O_PATH | O_CLOEXEC);
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		assert_int_equal(functions[i](dir, "f", "one", 3, 0640), 0);
		expect(dir, "f", "one");
		assert_int_equal(fstatat(dir, "f", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
		assert_int_equal(functions[i](path, "f", "", 0, 0640), 0);
		expect(dir, "f", "");
		/* A rest of a crash is in nobody's way, and a link there is not followed. */
		assert_int_equal(fd_create_file(dir, ".f.new", "much longer than that", 21, 0600), 0);
		assert_int_equal(functions[i](dir, "f", "two", 3, 0640), 0);
		expect(dir, "f", "two");
		assert_int_equal(symlinkat("victim", dir, ".f.new"), 0);
		assert_int_equal(functions[i](dir, "f", "three", 5, 0640), -ELOOP);
		expect(dir, "f", "two");
		assert_int_equal(unlinkat(dir, ".f.new", 0), 0);
		assert_int_equal(entries(dir), 1);
		assert_int_equal(unlinkat(dir, "f", 0), 0);
	}
	close(dir);
	close(path);
}

static void failure_leaves_the_old_content(void **state)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct rlimit old, small;
	char name[NAME_MAX + 1], big[4096] = { 0 };

	(void)state;
	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		assert_int_equal(functions[i](dir, "f", "old", 3, 0600), 0);
		small = (struct rlimit){ 1000, old.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		assert_int_equal(functions[i](dir, "f", big, sizeof big, 0600), -EFBIG);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		expect(dir, "f", "old");
		assert_int_equal(functions[i](dir, name, "x", 1, 0600), -ENAMETOOLONG);
		assert_int_equal(functions[i](-1, "f", "x", 1, 0600), -EBADF);
		assert_int_equal(entries(dir), 1);
	}
	assert_int_equal(unlinkat(dir, "f", 0), 0);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces),
		cmocka_unit_test(failure_leaves_the_old_content),
	};
	int r;

	if (!mkdtemp(directory))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(directory);
	return r;
}
