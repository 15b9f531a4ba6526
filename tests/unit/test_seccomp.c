/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: profiles as text, compiled, and asked what they answer:
 * the program is run by an interpreter, so every architecture that libseccomp
 * knows is tested on any machine and nothing is loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/facility/seccomp_program.h"
#include "specs/config_parse.h"

#define ERRNO(e) SCMP_ACT_ERRNO(e)

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena = ARENA_INIT;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static const struct config_seccomp *profile_of(const char *seccomp)
{
	struct json_errors errors = {0};
	struct config *config;
	char *text = arena_printf(
		&arena, "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"seccomp\":%s}}", seccomp);

	if (config_parse(text, strlen(text), &arena, &config, &errors) < 0)
		fail_msg("%s: %s", errors.items[0].path, errors.items[0].msg);
	return config->linux->seccomp;
}

static struct seccomp_program compile(const char *text)
{
	struct seccomp_profile profile = {.config = profile_of(text)};
	struct seccomp_program plain, p;
	struct error err = {0};

	if (seccomp_compile_plain(&profile, &arena, &plain, &err) < 0 ||
		seccomp_compile(&profile, &arena, &p, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(seccomp_equal(&plain, &p, &arena));
	return p;
}

static uint32_t ask(const struct seccomp_program *p, uint32_t arch, int nr, uint64_t a0, uint64_t a1)
{
	struct seccomp_data d = {.nr = nr, .arch = arch, .args = {a0, a1}};
	uint32_t result = 0;

	assert_true(seccomp_run(p, &d, &result, NULL));
	return result;
}

static uint32_t native(const struct seccomp_program *p, int nr, uint64_t a0, uint64_t a1)
{
	return ask(p, seccomp_arch_native(), nr, a0, a1);
}

static void test_actions(void **state)
{
	static const struct {
		const char *action;
		uint32_t result;
	} actions[] = {
		{"\"SCMP_ACT_KILL\"", SCMP_ACT_KILL_THREAD},
		{"\"SCMP_ACT_KILL_THREAD\"", SCMP_ACT_KILL_THREAD},
		{"\"SCMP_ACT_KILL_PROCESS\"", SCMP_ACT_KILL_PROCESS},
		{"\"SCMP_ACT_TRAP\"", SCMP_ACT_TRAP},
		{"\"SCMP_ACT_ERRNO\"", ERRNO(EPERM)},
		{"\"SCMP_ACT_ERRNO\",\"errnoRet\":38", ERRNO(ENOSYS)},
		{"\"SCMP_ACT_ERRNO\",\"errnoRet\":0", ERRNO(0)},
		{"\"SCMP_ACT_TRACE\"", SCMP_ACT_TRACE(EPERM)},
		{"\"SCMP_ACT_TRACE\",\"errnoRet\":7", SCMP_ACT_TRACE(7)},
		{"\"SCMP_ACT_LOG\"", SCMP_ACT_LOG},
		{"\"SCMP_ACT_NOTIFY\"", SCMP_ACT_NOTIFY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		struct seccomp_program p = compile(arena_printf(&arena,
			"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],"
			"\"action\":%s}]}",
			actions[i].action));

		assert_int_equal(native(&p, SYS_mkdirat, 0, 0), actions[i].result);
		assert_int_equal(native(&p, SYS_read, 0, 0), SCMP_ACT_ALLOW);
		/* A default that allows has no opinion on numbers of the future. */
		assert_int_equal(native(&p, 4000, 0, 0), SCMP_ACT_ALLOW);
	}
}

static void test_enosys(void **state)
{
	struct seccomp_program p;

	(void)state;
	p = compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"statx\",\"nonsense\"],"
		    "\"action\":\"SCMP_ACT_ALLOW\"}]}");
	assert_int_equal(native(&p, SYS_statx, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(native(&p, SYS_read, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(native(&p, SYS_statx - 1, 0, 0), ERRNO(EPERM));
	assert_int_equal(native(&p, SYS_statx + 1, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(native(&p, SYS_openat2, 0, 0), ERRNO(ENOSYS));
	/* Another architecture is none of the profile's. */
	assert_int_equal(ask(&p, 0x1234, 1000, 0, 0), SCMP_ACT_KILL_THREAD);

	/* A rule that denies counts as knowing the call, too. */
	p = compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":6,\"syscalls\":[{\"names\":[\"read\"],"
		    "\"action\":\"SCMP_ACT_ALLOW\"},{\"names\":[\"openat2\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"}]}");
	assert_int_equal(native(&p, SYS_openat2, 0, 0), SCMP_ACT_KILL_PROCESS);
	assert_int_equal(native(&p, SYS_openat2 - 1, 0, 0), ERRNO(ENXIO));
	assert_int_equal(native(&p, SYS_openat2 + 2, 0, 0), ERRNO(ENOSYS));

	/* No names, nothing known. */
	p = compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[]}");
	assert_int_equal(native(&p, SYS_openat2, 0, 0), ERRNO(EPERM));

	/* Kill by default is a denial as well; trace and notify are not. */
	p = compile("{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":[{\"names\":[\"statx\"],"
		    "\"action\":\"SCMP_ACT_ALLOW\"}]}");
	assert_int_equal(native(&p, SYS_read, 0, 0), SCMP_ACT_KILL_PROCESS);
	assert_int_equal(native(&p, SYS_openat2, 0, 0), ERRNO(ENOSYS));
	p = compile("{\"defaultAction\":\"SCMP_ACT_TRACE\",\"syscalls\":[{\"names\":[\"statx\"],"
		    "\"action\":\"SCMP_ACT_ALLOW\"}]}");
	assert_int_equal(native(&p, SYS_openat2, 0, 0), SCMP_ACT_TRACE(EPERM));
}

static void test_arguments(void **state)
{
	static const struct {
		const char *op;
		uint64_t value, two;
		uint64_t yes[3], no[3];
	} ops[] = {
		{"EQ", 5, 0, {5, 5, 5}, {4, 6, 0x100000005}},
		{"NE", 5, 0, {4, 6, 0x100000005}, {5, 5, 5}},
		{"LT", 0x100000000, 0, {0, 1, 0xffffffff}, {0x100000000, 0x100000001, UINT64_MAX}},
		{"LE", 0x100000000, 0, {0, 1, 0x100000000}, {0x100000001, 0x200000000, UINT64_MAX}},
		{"GT", 0x100000000, 0, {0x100000001, 0x200000000, UINT64_MAX}, {0, 1, 0x100000000}},
		{"GE", 0x100000000, 0, {0x100000000, 0x100000001, UINT64_MAX}, {0, 1, 0xffffffff}},
		{"MASKED_EQ", 0x7e020000, 0, {0, 17, 0x8000000000000000}, {0x10000000, 0x00020000, 0x7e020000}},
		{"MASKED_EQ", 0xf0, 0x30, {0x30, 0x3f, 0xf30}, {0x20, 0x70, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		struct seccomp_program p = compile(arena_printf(&arena,
			"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"clone\"],\"action\":\"SCMP_"
			"ACT_ALLOW\","
			"\"args\":[{\"index\":1,\"value\":%llu,\"valueTwo\":%llu,\"op\":\"SCMP_CMP_%s\"}]}]}",
			(unsigned long long)ops[i].value, (unsigned long long)ops[i].two, ops[i].op));

		for (int k = 0; k < 3; k++) {
			assert_int_equal(native(&p, SYS_clone, 99, ops[i].yes[k]), SCMP_ACT_ALLOW);
			assert_int_equal(native(&p, SYS_clone, 99, ops[i].no[k]), ERRNO(EPERM));
		}
	}
}

static void test_several_arguments(void **state)
{
	struct seccomp_program p;

	(void)state;
	/* Of different arguments: all. */
	p = compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_"
		    "ALLOW\","
		    "\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":1,\"value\":9,\"op\":"
		    "\"SCMP_CMP_EQ\"}]}]}");
	assert_int_equal(native(&p, SYS_kill, 1, 9), SCMP_ACT_ALLOW);
	assert_int_equal(native(&p, SYS_kill, 1, 8), ERRNO(EPERM));
	assert_int_equal(native(&p, SYS_kill, 2, 9), ERRNO(EPERM));
	/* As soon as two are of the same: any. */
	p = compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_"
		    "ALLOW\","
		    "\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":2,\"op\":"
		    "\"SCMP_CMP_EQ\"},{\"index\":1,\"value\":9,\"op\":\"SCMP_CMP_EQ\"}]}]}");
	assert_int_equal(native(&p, SYS_kill, 1, 0), SCMP_ACT_ALLOW);
	assert_int_equal(native(&p, SYS_kill, 2, 0), SCMP_ACT_ALLOW);
	assert_int_equal(native(&p, SYS_kill, 3, 9), SCMP_ACT_ALLOW);
	assert_int_equal(native(&p, SYS_kill, 3, 0), ERRNO(EPERM));
	/* A rule with the default's action says nothing. */
	p = compile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_"
		    "ALLOW\","
		    "\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}");
	assert_int_equal(native(&p, SYS_kill, 3, 9), SCMP_ACT_ALLOW);
}

#ifdef __x86_64__
static void test_architectures(void **state)
{
	struct seccomp_program p;

	(void)state;
	p = compile(
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\","
		"\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":[\"socket\",\"statx\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 41, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 0x40000000 + 41, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 332, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 333, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 40, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 0x40000000 + 332, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 0x40000000 + 333, 0, 0), ERRNO(ENOSYS));
	/* i386 has socketcall as well as socket. */
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 359, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 102, 1, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 102, 2, 0), ERRNO(EPERM));
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 383, 0, 0), SCMP_ACT_ALLOW);
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 384, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&p, AUDIT_ARCH_AARCH64, 41, 0, 0), SCMP_ACT_KILL_THREAD);

	/* Native alone: the other ABIs are bad architectures, whatever the number. */
	p = compile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"statx\"],\"action\":"
		    "\"SCMP_ACT_ALLOW\"}]}");
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, 0x40000000 + 400, 0, 0), SCMP_ACT_KILL_THREAD);
	/* -1 is how a tracer skips a call. */
	assert_int_equal(ask(&p, AUDIT_ARCH_X86_64, -1, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&p, AUDIT_ARCH_I386, 400, 0, 0), SCMP_ACT_KILL_THREAD);
}
#endif

static void test_errors(void **state)
{
	struct seccomp_profile profile = {.fail_unknown = true};
	struct seccomp_program p;
	struct error err = {0};

	(void)state;
	profile.config =
		profile_of("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
			   "\"SCMP_ACT_ALLOW\"},{\"names\":[\"write\",\"nonsense\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
	assert_int_equal(seccomp_compile(&profile, &arena, &p, &err), -EINVAL);
	assert_string_equal(err.path, "linux.seccomp.syscalls[1].names[1]");
	error_clear(&err);
	/* The same call with two actions. */
	profile.config =
		profile_of("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\"],\"action\":"
			   "\"SCMP_ACT_ALLOW\"},{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\"}]}");
	if (seccomp_compile(&profile, &arena, &p, &err) == 0)
		return; /* libseccomp decides which one wins */
	assert_string_equal(err.path, "linux.seccomp.syscalls[1]");
}

/* A profile of the usual size: every second system call, arguments on some. */
static const char *large_profile(void)
{
	char *text =
		arena_strdup(&arena, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\","
				     "\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":[\"exit\"");

	for (int nr = 0; nr < 440; nr++) {
		char *name =
			nr % 7 == 3 || nr == SYS_exit ? NULL : seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name)
			text = arena_printf(&arena, "%s,\"%s\"", text, name);
		free(name);
	}
	text = arena_printf(&arena, "%s],\"action\":\"SCMP_ACT_ALLOW\"}", text);
	for (int i = 0; i < 5; i++)
		text = arena_printf(&arena,
			"%s,{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
			"\"value\":%d,\"op\":\"SCMP_CMP_EQ\"}]}",
			text, i * 8);
	for (int i = 0; i < 5; i++)
		text = arena_printf(&arena,
			"%s,{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%d,\"args\":["
			"{\"index\":0,\"value\":%d,\"op\":\"SCMP_CMP_EQ\"},{\"index\":2,\"value\":%d,\"op\":"
			"\"SCMP_CMP_GE\"}]}",
			text, 10 + i, 16 + i, i);
	return arena_printf(&arena, "%s]}", text);
}

static void test_shrink(void **state)
{
	struct seccomp_profile profile = {.config = profile_of(large_profile())};
	struct seccomp_program plain, p, broken;
	struct error err = {0};

	(void)state;
	assert_int_equal(seccomp_compile_plain(&profile, &arena, &plain, &err), 0);
	assert_true(seccomp_shrink(&plain, &arena, &p));
	assert_true(p.count < plain.count);
	print_message("%zu instructions of %zu\n", p.count, plain.count);
	/* Exhaustive over numbers, a few arguments each. */
	for (int nr = -2; nr < 1024; nr++)
		for (uint64_t v = 0; v < 40; v += 4)
			assert_int_equal(native(&plain, nr, v, v), native(&p, nr, v, v));
	/* The comparison sees one changed constant, wherever it is. */
	for (size_t i = 0; i < p.count; i++) {
		broken = (struct seccomp_program){arena_array(&arena, struct sock_filter, p.count), p.count};
		memcpy(broken.insns, p.insns, p.count * sizeof *p.insns);
		if (BPF_CLASS(p.insns[i].code) == BPF_RET)
			broken.insns[i].k ^= 1;
		else if (BPF_CLASS(p.insns[i].code) == BPF_JMP && p.insns[i].code != (BPF_JMP | BPF_JA))
			broken.insns[i].k += 1;
		else
			continue;
		assert_false(seccomp_equal(&plain, &broken, &arena));
	}
	/* What it does not understand it leaves alone. */
	broken.insns[0] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0);
	assert_false(seccomp_shrink(&broken, &arena, &p));
}

static uint64_t microseconds(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return (uint64_t)tv.tv_sec * 1000000 + (uint64_t)tv.tv_usec;
}

static int open_entry(const char *root, const struct seccomp_key *key, int flags)
{
	return open(arena_printf(&arena, "%s/.cache/seccomp/%s", root, key->name), flags);
}

static void test_cache(void **state)
{
	struct seccomp_profile profile = {.config = profile_of(large_profile())}, other = profile;
	char root[] = "/tmp/test_seccomp.XXXXXX", byte;
	struct seccomp_program p, q;
	struct seccomp_key key, key2;
	struct error err = {0};
	uint64_t begin;
	struct stat st;
	off_t size;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(seccomp_compile(&profile, &arena, &p, &err), 0);
	seccomp_cache_key(&profile, &arena, &key);
	assert_false(seccomp_cache_load(root, &key, &arena, &q));
	seccomp_cache_store(root, &key, &p);
	begin = microseconds();
	seccomp_cache_key(&profile, &arena, &key);
	assert_true(seccomp_cache_load(root, &key, &arena, &q));
	print_message("found in %d us\n", (int)(microseconds() - begin));
	assert_int_equal(p.count, q.count);
	assert_memory_equal(p.insns, q.insns, p.count * sizeof *p.insns);
	assert_int_equal(stat(arena_printf(&arena, "%s/.cache", root), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	/* Whatever decides the program decides the key. */
	other.fail_unknown = true;
	seccomp_cache_key(&other, &arena, &key2);
	assert_string_not_equal(key.name, key2.name);
	assert_false(seccomp_cache_load(root, &key2, &arena, &q));
	/* Another profile under the same digest. */
	memcpy(key2.name, key.name, sizeof key.name);
	assert_false(seccomp_cache_load(root, &key2, &arena, &q));

	/* Any byte damaged: not found. */
	fd = open_entry(root, &key, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	size = st.st_size;
	for (off_t at = 0; at < size; at += at < 64 ? 1 : 37) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		if (seccomp_cache_load(root, &key, &arena, &q))
			fail_msg("a file damaged at %lld was taken", (long long)at);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_true(seccomp_cache_load(root, &key, &arena, &q));
	assert_int_equal(ftruncate(fd, size - 8), 0);
	assert_false(seccomp_cache_load(root, &key, &arena, &q));
	close(fd);
	/* A file that others may write is not ours. */
	seccomp_cache_store(root, &key, &p);
	assert_true(seccomp_cache_load(root, &key, &arena, &q));
	fd = open_entry(root, &key, O_RDWR);
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
	assert_false(seccomp_cache_load(root, &key, &arena, &q));

	/* Bounded. */
	for (int i = 0; i < SECCOMP_CACHE_MAX + 20; i++) {
		snprintf(key.name, sizeof key.name, "%032d", i);
		seccomp_cache_store(root, &key, &p);
	}
	snprintf(key.name, sizeof key.name, "%032d", SECCOMP_CACHE_MAX + 19);
	assert_true(seccomp_cache_load(root, &key, &arena, &q));
	assert_int_equal(
		system(arena_printf(&arena, "test $(ls -A %s/.cache/seccomp | wc -l) -le %d", root, SECCOMP_CACHE_MAX)),
		0);
	assert_int_equal(system(arena_printf(&arena, "rm -r %s", root)), 0);
}

static void test_run_rejects(void **state)
{
	struct sock_filter insns[2] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_RET | BPF_K, 0)};
	struct seccomp_program p = {insns, 2};
	struct seccomp_data d = {0};
	uint32_t result;

	(void)state;
	assert_false(seccomp_run(&p, &d, &result, NULL));
	insns[0].k = 2;
	assert_false(seccomp_run(&p, &d, &result, NULL));
	insns[0] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1);
	assert_false(seccomp_run(&p, &d, &result, NULL));
	insns[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 1);
	assert_true(seccomp_run(&p, &d, &result, NULL));
	p.count = 1;
	assert_false(seccomp_run(&p, &d, &result, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_actions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_enosys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_arguments, setup, teardown),
#ifdef __x86_64__
		cmocka_unit_test_setup_teardown(test_architectures, setup, teardown),
#endif
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shrink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(test_run_rejects, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
