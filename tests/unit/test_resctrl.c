/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a directory tree stands for the resource-control
 * filesystem.  Its mkdir() (the linker puts ours in front) fills a new group
 * with files, as the kernel does.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "runtime/plan/resctrl.h"

static struct arena arena;
static char root[64];
static char noted[512];
static int mkdir_errno;

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static const char *get(const char *name)
{
	char *buf;

	if (fd_read_file(AT_FDCWD, arena_printf(&arena, "%s/%s", root, name), &arena, 4096, &buf, NULL) < 0)
		return NULL;
	return buf;
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
	if (mkdir_errno) {
		errno = mkdir_errno;
		return -1;
	}
	if (__real_mkdir(path, mode) < 0)
		return -1;
	put(arena_printf(&arena, "%s/schemata", path), "    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n");
	put(arena_printf(&arena, "%s/tasks", path), "");
	return __real_mkdir(arena_printf(&arena, "%s/mon_groups", path), 0755);
}

static int setup(void **state)
{
	(void)state;
	arena = ARENA_INIT;
	mkdir_errno = 0;
	*noted = '\0';
	strcpy(root, "/tmp/test_resctrl.XXXXXX");
	assert_non_null(mkdtemp(root));
	put(arena_printf(&arena, "%s/schemata", root), "L3:0=fffff;1=fffff\n");
	put(arena_printf(&arena, "%s/tasks", root), "");
	assert_int_equal(__real_mkdir(arena_printf(&arena, "%s/mon_groups", root), 0755), 0);
	assert_int_equal(__real_mkdir(arena_printf(&arena, "%s/info", root), 0755), 0);
	put(arena_printf(&arena, "%s/info/last_cmd_status", root), "Invalid mask\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(system(arena_printf(&arena, "rm -r %s", root)), 0);
	arena_free(&arena);
	return 0;
}

static int note(void *data, const char *path, struct error *err)
{
	(void)data;
	(void)err;
	strcat(noted, path + strlen(root));
	strcat(noted, "\n");
	return 0;
}

static int prepare(struct config_intel_rdt rdt, struct resctrl_group *g, struct error *err)
{
	struct config_intel_rdt *copy = arena_new(&arena, struct config_intel_rdt);

	*copy = rdt;
	error_clear(err);
	*noted = '\0';
	resctrl_group_of(root, copy, "ctr", &arena, g);
	return resctrl_prepare(g, &arena, note, NULL, err);
}

static bool there(const char *name)
{
	return access(arena_printf(&arena, "%s/%s", root, name), F_OK) == 0;
}

static void test_own(void **state)
{
	struct resctrl_group g;
	struct error err = {0};
	int fds[2];

	(void)state;
	assert_int_equal(prepare((struct config_intel_rdt){.l3_cache_schema = "L3:0=f",
					 .mem_bw_schema = "MB:0=20",
					 .enable_monitoring = true},
				 &g, &err),
		0);
	assert_string_equal(noted, "/ctr\n/ctr/mon_groups/ctr\n");
	assert_string_equal(strtok((char *)(uintptr_t)get("ctr/schemata"), "\n"), "L3:0=f");
	assert_int_equal(resctrl_open_tasks(&g, fds, &err), 0);
	assert_int_equal(resctrl_add_task(fds, 1234, &err), 0);
	close(fds[0]);
	close(fds[1]);
	assert_string_equal(get("ctr/tasks"), "1234");
	assert_string_equal(get("ctr/mon_groups/ctr/tasks"), "1234");
	/* Somebody else's group of that name is not touched. */
	assert_int_equal(prepare((struct config_intel_rdt){0}, &g, &err), -EEXIST);
	assert_string_equal(noted, "");
}

static void test_nothing_written(void **state)
{
	struct resctrl_group g;
	struct error err = {0};

	(void)state;
	assert_int_equal(prepare((struct config_intel_rdt){0}, &g, &err), 0);
	assert_string_equal(noted, "/ctr\n");
	assert_non_null(strstr(get("ctr/schemata"), "    L3:0=fffff"));
	assert_null(g.monitor);
}

static void test_class(void **state)
{
	const char *lines[] = {"L3:0=f0", "MB:0=30"};
	struct resctrl_group g;
	struct error err = {0};

	(void)state;
	/* Named, nothing to write: must be there. */
	assert_int_equal(prepare((struct config_intel_rdt){.clos_id = "gold"}, &g, &err), -ENOENT);
	assert_false(there("gold"));
	/* Made, stays at delete. */
	assert_int_equal(
		prepare((struct config_intel_rdt){.clos_id = "gold", .l3_cache_schema = "L3:0=ff"}, &g, &err), 0);
	assert_string_equal(noted, "");
	/* Now it is there. */
	put(arena_printf(&arena, "%s/gold/schemata", root), "    MB:0=100;1=100\n    L3:0=ff;1=fffff\n");
	assert_int_equal(prepare((struct config_intel_rdt){.clos_id = "gold"}, &g, &err), 0);
	assert_int_equal(
		prepare((struct config_intel_rdt){.clos_id = "gold", .l3_cache_schema = "L3:0=00ff;1=fffff"}, &g, &err),
		0);
	put(arena_printf(&arena, "%s/gold/schemata", root), "    MB:0=100;1=100\n    L3:0=ff;1=fffff\n");
	assert_int_equal(
		prepare((struct config_intel_rdt){.clos_id = "gold", .l3_cache_schema = "L3:0=fe"}, &g, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "\"L3:0=fe\""));
	assert_int_equal(
		prepare((struct config_intel_rdt){.clos_id = "gold", .mem_bw_schema = "MB:0=50"}, &g, &err), -EINVAL);
	assert_true(there("gold"));
	/* schemata are written, not compared, and last. */
	assert_int_equal(
		prepare((struct config_intel_rdt){.clos_id = "gold", .schemata = lines, .schemata_count = 2}, &g, &err),
		0);
	assert_int_equal(strncmp(get("gold/schemata"), "L3:0=f0\nMB:0=30\n", 16), 0);
	/* The monitoring group is the container's, in the class. */
	assert_int_equal(prepare((struct config_intel_rdt){.clos_id = "gold", .enable_monitoring = true}, &g, &err), 0);
	assert_string_equal(noted, "/gold/mon_groups/ctr\n");
	/* The default class. */
	assert_int_equal(prepare((struct config_intel_rdt){.clos_id = "/", .enable_monitoring = true}, &g, &err), 0);
	assert_string_equal(noted, "/mon_groups/ctr\n");
	assert_string_equal(g.path, root);
}

static void test_failures(void **state)
{
	struct resctrl_group g;
	struct error err = {0};

	(void)state;
	mkdir_errno = ENOSPC;
	assert_int_equal(prepare((struct config_intel_rdt){0}, &g, &err), -ENOSPC);
	assert_non_null(strstr(err.hint, "num_closids"));
	mkdir_errno = EINVAL;
	assert_int_equal(prepare((struct config_intel_rdt){0}, &g, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "Invalid mask"));
	/* Of a monitoring group alone too. */
	mkdir_errno = ENOSPC;
	assert_int_equal(prepare((struct config_intel_rdt){.clos_id = "/", .enable_monitoring = true}, &g, &err), -ENOSPC);
	mkdir_errno = 0;
	/* What was noted can be undone whether it was made or not, twice. */
	error_clear(&err);
	assert_int_equal(__real_mkdir(arena_printf(&arena, "%s/ctr", root), 0755), 0);
	assert_int_equal(resctrl_undo(arena_printf(&arena, "%s/ctr", root), &err), 0);
	assert_false(there("ctr"));
	assert_int_equal(resctrl_undo(arena_printf(&arena, "%s/ctr", root), &err), 0);
}

static void test_update(void **state)
{
	struct resctrl_group g;
	struct error err = {0};

	(void)state;
	assert_int_equal(prepare((struct config_intel_rdt){0}, &g, &err), 0);
	assert_int_equal(resctrl_update(&g, "L3:0=3", NULL, &arena, &err), 0);
	assert_int_equal(strncmp(get("ctr/schemata"), "L3:0=3\n", 7), 0);
	assert_int_equal(resctrl_update(&g, NULL, "MB:0=10", &arena, &err), 0);
	assert_int_equal(strncmp(get("ctr/schemata"), "MB:0=10\n", 8), 0);
	assert_int_equal(resctrl_update(&g, NULL, "L3:0=1", &arena, &err), -EINVAL);
	assert_int_equal(resctrl_update(&g, NULL, NULL, &arena, &err), 0);
	g.path = arena_printf(&arena, "%s/nope", root);
	error_clear(&err);
	assert_int_equal(resctrl_update(&g, "L3:0=3", NULL, &arena, &err), -ENOENT);
}

static void test_text(void **state)
{
	static const char have[] = "    MB:0=100;1= 90\nL3CODE:0=fffff;1=0ff\nL3DATA:0=1;1=2\n";
	const char *line = NULL;

	(void)state;
	assert_string_equal(resctrl_combine(&arena, "L3:0=f\nMB:0=1\nL2:0=3", "MB:0=2"), "L3:0=f\nL2:0=3\nMB:0=2\n");
	assert_string_equal(resctrl_combine(&arena, "L3:0=f\nMB:0=1", NULL), "L3:0=f\n");
	assert_string_equal(resctrl_combine(&arena, NULL, "MB:0=2"), "MB:0=2\n");
	assert_null(resctrl_combine(&arena, NULL, NULL));
	assert_null(resctrl_combine(&arena, "MB:0=1", NULL));

	assert_true(resctrl_matches(&arena, have, "MB:1=90\nL3CODE:1=FF", &line));
	assert_false(resctrl_matches(&arena, have, "MB:1=90\nL3CODE:1=fe", &line));
	assert_string_equal(line, "L3CODE:1=fe");
	/* 10 is decimal for bandwidths and hexadecimal for caches. */
	assert_false(resctrl_matches(&arena, have, "MB:0=64", &line));
	assert_false(resctrl_matches(&arena, have, "MB:2=1", &line));
	assert_false(resctrl_matches(&arena, have, "L3:0=1", &line));
	assert_false(resctrl_matches(&arena, have, "nonsense", &line));
	assert_false(resctrl_matches(&arena, have, "MB:0", &line));
	assert_false(resctrl_matches(&arena, have, "MB:0=100x", &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_class, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
