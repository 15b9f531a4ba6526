/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what fd_close_except() closes and what it leaves, in a child of its own: the numbers of the
 * harness's descriptors are not ours to close.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define FIRST 20
#define LAST 40

/* Opens FIRST to LAST, closes all from `from` on but those in keep (-2 ends the list); the exit status says which number
 * is not as expected, 0: none. */
static int closed_as_expected(unsigned int from, const int *keep)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int list[8];
		size_t n = 0;

		for (; keep[n] != -2; n++)
			list[n] = keep[n];
		for (int fd = FIRST; fd <= LAST; fd++)
			if (dup2(STDERR_FILENO, fd) != fd)
				_exit(255);
		if (fd_close_except(from, list, n) < 0)
			_exit(254);
		for (int fd = FIRST; fd <= LAST; fd++) {
			bool kept = fd < (int)from;

			for (size_t i = 0; keep[i] != -2; i++)
				kept = kept || keep[i] == fd;
			if ((fcntl(fd, F_GETFD) >= 0) != kept)
				_exit(fd);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void close_except(void **state)
{
	(void)state;
	assert_int_equal(closed_as_expected(FIRST, (int[]){ -2 }), 0);
	/* in any order, absent ones, twice the same, neighbours, the first and the last */
	assert_int_equal(closed_as_expected(FIRST, (int[]){ 33, -1, 25, -1, 25, -2 }), 0);
	assert_int_equal(closed_as_expected(FIRST, (int[]){ FIRST, FIRST + 1, LAST, LAST - 1, -2 }), 0);
	/* below the first one nothing is closed, and what is kept there does not move the first */
	assert_int_equal(closed_as_expected(30, (int[]){ 22, 3, 35, -2 }), 0);
	assert_int_equal(closed_as_expected(30, (int[]){ 30, -2 }), 0);
	/* one that is not open */
	assert_int_equal(closed_as_expected(FIRST, (int[]){ LAST + 20, 28, -2 }), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(close_except),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
