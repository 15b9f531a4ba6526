/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups of this very host: made, limited, entered, frozen, killed, removed.
 * Needs root and writable cgroups; says so and is skipped otherwise.  Everything
 * lives below directories named after this process and is gone at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/cgroup/internal.h"
#include "runtime/cgroup/undo.h"

struct box {
	struct arena a;
	struct cgroup *cg;
	struct error err;
	const char *undo[HIERARCHY_MAX];
	const char *top;
};

static int proc_fd = -1;

#define OK(call)                                                                                                       \
	do {                                                                                                           \
		int r_ = (call);                                                                                       \
		if (r_ < 0)                                                                                            \
			fail_msg("%s: %d: %s (%s)", #call, r_, b->err.msg, b->err.hint);                                       \
	} while (0)

static void make(struct box *b, const char *path, const struct config_resources *res)
{
	struct cgroup_request rq = { .id = "unused", .proc_fd = proc_fd };

	*b = (struct box){ .a = ARENA_INIT };
	b->top = arena_printf(&b->a, "oci-rt-test-%d", getpid());
	rq.cgroups_path = arena_printf(&b->a, "/%s/%s", b->top, path);
	OK(cgroup_locate(&b->a, &rq, &b->cg, &b->err));
	OK(cgroup_probe(b->cg, &b->err));
	for (size_t i = 0; i < b->cg->count; i++)
		b->undo[i] = cgroup_undo_arg(b->cg, i);
	for (size_t i = 0; i < b->cg->count; i++)
		OK(cgroup_make(b->cg, i, res, &b->err));
	for (size_t i = 0; i < limit_groups_count; i++)
		if (limit_groups[i].wanted(res))
			OK(limit_apply(b->cg, &limit_groups[i], res, &b->err));
	OK(cgroup_devices(b->cg, res, false, &b->err));
}

/* Undo twice: the second finds nothing and says so with success.  Then there is no directory left. */
static void unmake(struct box *b, bool parents)
{
	for (int round = 0; round < 2; round++)
		for (size_t i = b->cg->count; i-- > 0;)
			OK(cgroup_undo(b->undo[i], &b->err));
	for (size_t i = 0; i < b->cg->count; i++) {
		assert_int_equal(access(b->cg->h[i].m->path, F_OK), -1);
		if (parents) {
			char *parent = arena_strdup(&b->a, b->cg->h[i].m->path);

			*strrchr(parent, '/') = '\0';
			assert_int_equal(access(parent, F_OK), -1);
		}
	}
	cgroup_close(b->cg);
	arena_free(&b->a);
}

/* Start a process in the box; it runs fn there and then waits. */
static pid_t start(struct box *b, int (*fn)(void), int *result)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int fds[2], value = 0;
	pid_t pid;

	if (cgroup_clone_fd(b->cg) >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_clone_fd(b->cg);
	}
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	assert_true(pid >= 0);
	if (pid == 0) {
		value = cgroup_enter_self(b->cg, NULL);
		if (value == 0 && fn)
			value = fn();
		if (write(fds[1], &value, sizeof value) != sizeof value)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &value, sizeof value), sizeof value);
	close(fds[0]);
	if (result)
		*result = value;
	else
		assert_int_equal(value, 0);
	return pid;
}

static int reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static uint64_t number(struct box *b, enum controller c, const char *v1, const char *v2)
{
	const struct hierarchy *h = cgroup_controller(b->cg, c);
	uint64_t value = 0;

	assert_non_null(h);
	assert_int_equal(cg_read_u64(h, h->unified ? v2 : v1, &value), 0);
	return value;
}

/* --- tests ------------------------------------------------------------------------- */

static void limits(void **state)
{
	struct config_memory memory = { .limit = { true, 64 << 20 }, .reservation = { true, 32 << 20 } }, more = { 0 };
	struct config_cpu cpu = { .shares = { true, 512 }, .quota = { true, 50000 }, .period = { true, 100000 } };
	struct config_resources res = { .memory = &memory, .cpu = &cpu }, change = { .memory = &more };
	struct cgroup_record record;
	struct cgroup *again;
	struct box box, *b = &box;

	(void)state;
	res.pids.set = true;
	res.pids.limit = (struct opt_i64){ true, 20 };
	make(b, "limits", &res);
	assert_int_equal(number(b, CTRL_MEMORY, "memory.limit_in_bytes", "memory.max"), 64 << 20);
	assert_int_equal(number(b, CTRL_MEMORY, "memory.soft_limit_in_bytes", "memory.low"), 32 << 20);
	assert_int_equal(number(b, CTRL_CPU, "cpu.shares", "cpu.weight"),
		cgroup_version(b->cg) == CGROUP_V2 ? 59 : 512);
	assert_int_equal(number(b, CTRL_PIDS, "pids.max", "pids.max"), 20);

	/* As `update` does it: from the record. */
	cgroup_save(b->cg, &b->a, &record);
	OK(cgroup_open_saved(&b->a, &record, &again, &b->err));
	more.limit = (struct opt_i64){ true, 128 << 20 };
	OK(cgroup_update(again, &res, &change, &b->err));
	assert_int_equal(number(b, CTRL_MEMORY, "memory.limit_in_bytes", "memory.max"), 128 << 20);
	more.limit.value = 16 << 20;
	change.pids.set = true;
	change.pids.limit = (struct opt_i64){ true, -1 };
	OK(cgroup_update(again, &res, &change, &b->err));
	assert_int_equal(number(b, CTRL_MEMORY, "memory.limit_in_bytes", "memory.max"), 16 << 20);
	assert_int_equal(number(b, CTRL_PIDS, "pids.max", "pids.max"), UINT64_MAX);
	more.limit.value = 1;
	more.swap = (struct opt_i64){ true, -2000 };
	more.swappiness = (struct opt_u64){ true, 100000 };
	assert_true(cgroup_update(again, &res, &change, &b->err) < 0);
	assert_true(strncmp(b->err.path, "linux.resources.memory", 22) == 0);
	cgroup_close(again);
	unmake(b, true);
}

static void processes(void **state)
{
	struct config_resources res = { 0 };
	struct cgroup_record record;
	struct cgroup *again;
	struct box box, *b = &box;
	pid_t pid, other, *pids;
	size_t count;

	(void)state;
	make(b, "processes", &res);
	pid = start(b, NULL, NULL);
	OK(cgroup_verify(b->cg, proc_fd, pid, &b->err));
	assert_int_equal(cgroup_verify(b->cg, proc_fd, getpid(), &b->err), -EXDEV);
	error_clear(&b->err);
	cgroup_save(b->cg, &b->a, &record);
	OK(cgroup_open_saved(&b->a, &record, &again, &b->err));

	/* One more, as exec does it. */
	OK(cgroup_enter_prepare(again, NULL, 0, &b->err));
	b->cg = again;
	other = start(b, NULL, NULL);
	OK(cgroup_pids(again, &b->a, &pids, &count, &b->err));
	assert_int_equal(count, 2);

	assert_int_equal(cgroup_is_frozen(again, &b->err), 0);
	OK(cgroup_freeze(again, &b->err));
	assert_int_equal(cgroup_is_frozen(again, &b->err), 1);
	OK(cgroup_thaw(again, &b->err));
	assert_int_equal(cgroup_is_frozen(again, &b->err), 0);

	OK(cgroup_kill(again, SIGTERM, &b->err));
	assert_int_equal(WTERMSIG(reap(pid)), SIGTERM);
	assert_int_equal(WTERMSIG(reap(other)), SIGTERM);

	/* SIGKILL reaches a paused one. */
	pid = start(b, NULL, NULL);
	OK(cgroup_freeze(again, &b->err));
	OK(cgroup_kill(again, SIGKILL, &b->err));
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	unmake(b, true);
}

static void sub_cgroup_options(void **state)
{
	struct config_resources res = { 0 };
	struct box box, *b = &box;
	const char *sub = "inner", *bad = "nonsense:inner", *up = "../..";

	(void)state;
	make(b, "subs", &res);
	for (size_t i = 0; i < b->cg->count; i++)
		assert_int_equal(mkdirat(b->cg->h[i].m->fd, "inner", 0755), 0);
	if (cgroup_by_key(b->cg, "cpuset")) {
		assert_true(cgroup_enter_prepare(b->cg, &bad, 1, &b->err) < 0);
		error_clear(&b->err);
	}
	assert_true(cgroup_enter_prepare(b->cg, &up, 1, &b->err) < 0);
	error_clear(&b->err);
	OK(cgroup_enter_prepare(b->cg, &sub, 1, &b->err));
	unmake(b, true);
}

/* A container that lived: nested cgroups with processes in them, frozen, and one that forks all the time. */
static int nest(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (pid > 0)
			return 0;
		for (int i = 0; i < 3; i++)
			if (fork() == 0)
				for (;;)
					pause();
		for (;;) {
			pid_t child = fork();

			if (child == 0)
				_exit(0);
			if (child > 0)
				waitpid(child, NULL, 0);
			usleep(200);
		}
	}
}

static void undo_of_a_living_one(void **state)
{
	struct config_resources res = { 0 };
	struct box box, *b = &box;
	char text[16];
	pid_t pid;

	(void)state;
	make(b, "living", &res);
	pid = start(b, nest, NULL);
	snprintf(text, sizeof text, "%d", pid);
	for (size_t i = 0; i < b->cg->count; i++) {
		int dir = b->cg->h[i].m->fd;

		assert_int_equal(mkdirat(dir, "a", 0755), 0);
		assert_int_equal(mkdirat(dir, "a/b", 0755), 0);
		if (!(b->cg->h[i].controllers & CTRL_BIT(CTRL_CPUSET)))
			assert_int_equal(fd_write_file(dir, "a/b/cgroup.procs", text), 0);
	}
	OK(cgroup_freeze(b->cg, &b->err));
	unmake(b, true);
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
}

static void in_use_is_refused(void **state)
{
	struct config_resources res = { 0 };
	struct cgroup_request rq = { .id = "x", .proc_fd = proc_fd };
	struct box box, *b = &box;
	struct cgroup *second;
	pid_t pid;

	(void)state;
	make(b, "used", &res);
	rq.cgroups_path = arena_printf(&b->a, "/%s/used", b->top);
	OK(cgroup_locate(&b->a, &rq, &second, &b->err));
	/* Empty: it may be taken over. */
	OK(cgroup_probe(second, &b->err));
	pid = start(b, NULL, NULL);
	assert_int_equal(cgroup_probe(second, &b->err), -EBUSY);
	assert_string_equal(b->err.path, "linux.cgroupsPath");
	error_clear(&b->err);
	unmake(b, true);
	reap(pid);
}

/* Made by somebody else between the look and the making: the undo must leave it alone. */
static void lost_race(void **state)
{
	struct config_resources res = { 0 };
	struct cgroup_request rq = { .id = "x", .proc_fd = proc_fd };
	struct box box, *b = &box;
	struct cgroup *second;
	const char *undo;
	pid_t pid;

	(void)state;
	make(b, "keep", &res); /* so that the parent stays */
	unmake(b, false);
	*b = (struct box){ .a = ARENA_INIT };
	b->top = arena_printf(&b->a, "oci-rt-test-%d", getpid());
	rq.cgroups_path = arena_printf(&b->a, "/%s/race", b->top);
	OK(cgroup_locate(&b->a, &rq, &second, &b->err));
	OK(cgroup_probe(second, &b->err));
	undo = cgroup_undo_arg(second, 0);
	{
		struct box inner, *outer = b;

		b = &inner;
		make(b, "race", &res);
		pid = start(b, NULL, NULL);
		assert_int_equal(cgroup_make(second, 0, &res, &outer->err), -EEXIST);
		assert_int_equal(cgroup_undo(undo, &outer->err), 0);
		assert_int_equal(kill(pid, 0), 0);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		kill(pid, SIGKILL);
		reap(pid);
		/* Forget it again: it is this test's own. */
		undo_forget_disowned();
		unmake(b, true);
		arena_free(&outer->a);
	}
}

/* Two containers below one new parent: the parent goes with the last, in either order. */
static void shared_parent(void **state)
{
	struct config_resources res = { 0 };
	struct box first, second, *b;

	(void)state;
	for (int order = 0; order < 2; order++) {
		b = &first;
		make(b, "pod/one", &res);
		b = &second;
		make(b, "pod/two", &res);
		unmake(order ? &first : &second, false);
		unmake(order ? &second : &first, true);
	}
}

static int open_devices(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), kmsg = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result = (null < 0 ? 1 : 0) | (kmsg >= 0 ? 2 : 0);

	if (null >= 0)
		close(null);
	if (kmsg >= 0)
		close(kmsg);
	return result;
}

static void devices(void **state)
{
	struct config_device_rule rules[] = { { .allow = false }, { .allow = true, .type = 'c', .major = { true, 1 }, .minor = { true, 11 }, .access = "r" } };
	struct config_resources res = { .devices = rules, .devices_count = 1, .devices_set = true };
	struct config_resources change = { .devices = rules, .devices_count = 2, .devices_set = true };
	struct cgroup_record record;
	struct cgroup *again;
	struct box box, *b = &box;
	int result;

	(void)state;
	if (access("/dev/kmsg", R_OK) < 0) {
		print_message("skipped: no /dev/kmsg\n");
		skip();
	}
	make(b, "devices", &res);
	cgroup_save(b->cg, &b->a, &record);
	OK(cgroup_open_saved(&b->a, &record, &again, &b->err));
	for (int round = 0; round < 4; round++) {
		pid_t pid = start(b, open_devices, &result);

		assert_int_equal(result, round % 2 ? 2 : 0);
		kill(pid, SIGKILL);
		reap(pid);
		change.devices_count = round % 2 ? 1 : 2;
		OK(cgroup_update(again, &res, &change, &b->err));
	}
	cgroup_close(again);
	unmake(b, true);
}

static int eat(void)
{
	if (fork() == 0) {
		for (;;) {
			char *p = malloc(1 << 20);

			if (p)
				memset(p, 1, 1 << 20);
		}
	}
	return 0;
}

static void out_of_memory(void **state)
{
	struct config_memory memory = { .limit = { true, 16 << 20 }, .swap = { true, 16 << 20 } };
	struct config_resources res = { .memory = &memory };
	struct cgroup_stats stats;
	struct cgroup_oom oom;
	struct box box, *b = &box;
	int r = 0;
	pid_t pid;

	(void)state;
	make(b, "oom", &res);
	OK(cgroup_oom_open(b->cg, &oom, &b->err));
	pid = start(b, eat, NULL);
	for (int i = 0; i < 50 && r == 0; i++) {
		struct pollfd p = { .fd = oom.fd, .events = POLLIN };

		if (poll(&p, 1, 200) > 0)
			r = cgroup_oom_read(&oom);
	}
	assert_int_equal(r, 1);
	OK(cgroup_stats(b->cg, &b->a, &stats, &b->err));
	assert_true(stats.cpu.total > 0);
	assert_int_equal(stats.memory.usage.limit, 16 << 20);
	assert_true(stats.memory.usage.max > 1 << 20 || stats.memory.usage.usage > 0);
	assert_true(stats.memory.raw_count > 5);
	assert_true(stats.pids.current >= 1);
	for (size_t i = b->cg->count; i-- > 0;)
		OK(cgroup_undo(b->undo[i], &b->err));
	reap(pid);
	for (r = 0; r == 0 || r == 1;)
		r = cgroup_oom_read(&oom);
	assert_int_equal(r, -ENODEV);
	cgroup_oom_close(&oom);
	unmake(b, true);
}

static const char *unfit(void)
{
	struct cgroup_request rq = { .id = "oci-rt-test", .proc_fd = proc_fd };
	static struct error err;
	static char text[2100];
	struct arena a = ARENA_INIT;
	struct cgroup *cg;
	char *dir;

	if (geteuid() != 0)
		return "not root";
	if (cgroup_locate(&a, &rq, &cg, &err) < 0)
		return err.msg;
	for (size_t i = 0; i < cg->count; i++) {
		dir = arena_printf(&a, "%s/oci-rt-test-%d", cg->h[i].mount_point, getpid());
		if (mkdir(dir, 0755) < 0) {
			snprintf(text, sizeof text, "%s: %s", dir, strerror(errno));
			return text;
		}
		rmdir(dir);
	}
	arena_free(&a);
	return NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits),
		cmocka_unit_test(processes),
		cmocka_unit_test(sub_cgroup_options),
		cmocka_unit_test(undo_of_a_living_one),
		cmocka_unit_test(in_use_is_refused),
		cmocka_unit_test(lost_race),
		cmocka_unit_test(shared_parent),
		cmocka_unit_test(devices),
		cmocka_unit_test(out_of_memory),
	};
	struct error err = { 0 };
	const char *why;

	proc_fd = proc_open_host(&err);
	why = proc_fd < 0 ? err.msg : unfit();
	if (why) {
		printf("SKIP: real cgroups cannot be made here: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
