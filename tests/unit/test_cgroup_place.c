/* SPDX-License-Identifier: Apache-2.0 */
/* Where a container's cgroup is, on hosts of every form, and how it is written down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cgroup/internal.h"

static const char v1_mounts[] = "23 1 0:4 / /proc rw - proc proc rw\n"
				"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
				"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
				"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
				"36 31 0:33 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"
				"37 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
				"38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
static const char v2_mounts[] = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
/* Without a cgroup namespace a container sees parts, mounted where it was told to. */
static const char nested_mounts[] = "900 1 0:29 /docker/abc /cgroup/cpu\\040set ro - cgroup cgroup rw,cpuset\n"
				    "901 1 0:33 /docker/abc /cgroup/freezer ro - cgroup cgroup rw,freezer\n"
				    "902 1 0:29 /docker/abc /somewhere/else ro - cgroup cgroup rw,cpuset\n";

static const char self_v1[] = "9:name=systemd:/user\n8:freezer:/\n4:memory:/a:b/c\n2:cpu,cpuacct:/x\n0::/user/session\n";

struct place {
	struct arena a;
	struct host host;
	struct cgroup *cg;
	struct error err;
};

static int place(struct place *p, const char *mounts, const char *self, struct cgroup_request rq)
{
	*p = (struct place){ .a = ARENA_INIT };
	assert_int_equal(host_from_mountinfo(&p->a, arena_strdup(&p->a, mounts), &p->host, &p->err), 0);
	if (!rq.id)
		rq.id = "web";
	return cgroup_place(&p->a, &rq, &p->host, self, &p->cg, &p->err);
}

static const char *path_of(struct place *p, const char *key)
{
	const struct hierarchy *h = cgroup_by_key(p->cg, key);

	return h ? h->m->path : NULL;
}

static void v1_paths(void **state)
{
	struct place p;

	(void)state;
	assert_int_equal(place(&p, v1_mounts, NULL, (struct cgroup_request){ .cgroups_path = "/docker/x" }), 0);
	assert_int_equal(cgroup_version(p.cg), CGROUP_V1);
	assert_int_equal(p.cg->count, 5);
	assert_string_equal(path_of(&p, "cpu,cpuacct"), "/sys/fs/cgroup/cpu,cpuacct/docker/x");
	assert_string_equal(path_of(&p, "name=systemd"), "/sys/fs/cgroup/systemd/docker/x");
	assert_string_equal(path_of(&p, "unified"), "/sys/fs/cgroup/unified/docker/x");
	assert_true(cgroup_by_key(p.cg, "cpu,cpuacct")->controllers == (CTRL_BIT(CTRL_CPU) | CTRL_BIT(CTRL_CPUACCT)));
	/* What can stop everything is made last and so undone first. */
	assert_string_equal(p.cg->h[4].key, "freezer");
	assert_string_equal(p.cg->h[3].key, "unified");
	arena_free(&p.a);
}

static void v2_paths(void **state)
{
	static const char *const table[][2] = {
		{ NULL, "/sys/fs/cgroup/web" },
		{ "", "/sys/fs/cgroup/web" },
		{ "/a/b", "/sys/fs/cgroup/a/b" },
		{ "a/b", "/sys/fs/cgroup/a/b" },
		{ "//a/./b//", "/sys/fs/cgroup/a/b" },
		{ "/a:b:c", "/sys/fs/cgroup/a:b:c" },
	};
	struct place p;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_int_equal(place(&p, v2_mounts, NULL, (struct cgroup_request){ .cgroups_path = table[i][0] }), 0);
		assert_int_equal(cgroup_version(p.cg), CGROUP_V2);
		assert_string_equal(path_of(&p, "unified"), table[i][1]);
		assert_string_equal(cgroup_text(p.cg), table[i][1]);
		arena_free(&p.a);
	}
}

static void refused_paths(void **state)
{
	static const char *const table[] = { "/", "..", "/a/../b", "a/..", "./", "/a/\n" };
	char large[300];
	struct place p;

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		assert_true(place(&p, v2_mounts, NULL, (struct cgroup_request){ .cgroups_path = table[i] }) < 0);
		assert_string_equal(p.err.path, "linux.cgroupsPath");
		arena_free(&p.a);
	}
	memset(large, 'a', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	assert_true(place(&p, v2_mounts, NULL, (struct cgroup_request){ .cgroups_path = large }) < 0);
	arena_free(&p.a);
}

static void rootless_paths(void **state)
{
	struct place p;

	(void)state;
	assert_int_equal(place(&p, v2_mounts, self_v1, (struct cgroup_request){ .rootless = true }), 0);
	assert_string_equal(path_of(&p, "unified"), "/sys/fs/cgroup/user/session/web");
	arena_free(&p.a);
	assert_int_equal(place(&p, v1_mounts, self_v1, (struct cgroup_request){ .rootless = true, .cgroups_path = "x" }), 0);
	assert_string_equal(path_of(&p, "memory"), "/sys/fs/cgroup/memory/a:b/c/x");
	assert_string_equal(path_of(&p, "cpu,cpuacct"), "/sys/fs/cgroup/cpu,cpuacct/x/x");
	assert_string_equal(path_of(&p, "freezer"), "/sys/fs/cgroup/freezer/x");
	arena_free(&p.a);
	assert_int_equal(place(&p, v2_mounts, self_v1, (struct cgroup_request){ .rootless = true, .cgroups_path = "/x" }), 0);
	assert_string_equal(path_of(&p, "unified"), "/sys/fs/cgroup/x");
	arena_free(&p.a);
	/* Outside of the caller's cgroup namespace. */
	assert_true(place(&p, v2_mounts, "0::/../other\n", (struct cgroup_request){ .rootless = true }) < 0);
	assert_int_equal(p.err.code, ERR_UNSUPPORTED);
	arena_free(&p.a);
}

static void nested_host(void **state)
{
	struct place p;

	(void)state;
	assert_int_equal(place(&p, nested_mounts, NULL, (struct cgroup_request){ .cgroups_path = "/x" }), 0);
	assert_int_equal(p.cg->count, 2);
	assert_string_equal(path_of(&p, "cpuset"), "/cgroup/cpu set/x");
	arena_free(&p.a);
	assert_int_equal(place(&p, nested_mounts, "2:cpuset:/docker/abc/mine\n3:freezer:/docker/abc\n",
				 (struct cgroup_request){ .rootless = true }), 0);
	assert_string_equal(path_of(&p, "cpuset"), "/cgroup/cpu set/mine/web");
	assert_string_equal(path_of(&p, "freezer"), "/cgroup/freezer/web");
	arena_free(&p.a);
}

static void no_cgroups(void **state)
{
	struct arena a = ARENA_INIT;
	struct error err = { 0 };
	struct host host;

	(void)state;
	assert_true(host_from_mountinfo(&a, arena_strdup(&a, "23 1 0:4 / /proc rw - proc proc rw\n"), &host, &err) < 0);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_true(host_from_mountinfo(&a, arena_strdup(&a, "garbage\n - \n1 2 3 - cgroup\n\n"), &host, &err) < 0);
	arena_free(&a);
}

static void disabled(void **state)
{
	struct cgroup_record record;
	struct place p;

	(void)state;
	assert_int_equal(place(&p, v2_mounts, NULL, (struct cgroup_request){ .manager = CGROUP_MANAGER_DISABLED }), 0);
	assert_false(cgroup_exists(p.cg));
	assert_false(cgroup_exists(NULL));
	assert_int_equal(cgroup_clone_fd(NULL), -1);
	cgroup_save(p.cg, &p.a, &record);
	assert_string_equal(record.version, "none");
	assert_int_equal(record.paths.count, 0);
	cgroup_save(NULL, &p.a, &record);
	assert_string_equal(record.version, "none");
	arena_free(&p.a);
}

static void units(void **state)
{
	static const struct {
		const char *path, *slice, *unit;
		bool user;
	} good[] = {
		{ NULL, "system.slice", "oci-rt-web.scope", false },
		{ "", "user.slice", "oci-rt-web.scope", true },
		{ "machine.slice:libpod:abc", "machine.slice", "libpod-abc.scope", false },
		{ ":runc:abc", "system.slice", "runc-abc.scope", false },
		{ "user.slice::abc", "user.slice", "abc.scope", false },
		{ "-:a:b", "-.slice", "a-b.scope", false },
		{ "a-b.slice:x:y.slice", "a-b.slice", "y.slice", false },
		{ "/name", "system.slice", "name.scope", false },
		{ "name.scope", "system.slice", "name.scope", false },
		{ "::a+b", "system.slice", "a\\x2bb.scope", false },
	};
	static const char *const bad[] = { "a:b", "a.slice:b:c:d", "a:b:c", "a.slice:b:", "/a/b", "a/b.slice:c:d", "::a b",
		"x.slice:../y:z" };
	struct arena a = ARENA_INIT;
	const char *slice, *unit;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct error err = { 0 };

		assert_int_equal(unit_from_path(&a, good[i].path, "web", good[i].user, &slice, &unit, &err), 0);
		assert_string_equal(slice, good[i].slice);
		assert_string_equal(unit, good[i].unit);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error err = { 0 };

		assert_true(unit_from_path(&a, bad[i], "web", false, &slice, &unit, &err) < 0);
		assert_int_equal(err.code, ERR_CONFIG);
	}
	arena_free(&a);
}

static void slices(void **state)
{
	static const char *const good[][2] = {
		{ "-.slice", "" },
		{ "a.slice", "a.slice" },
		{ "a-b.slice", "a.slice/a-b.slice" },
		{ "kubepods-burstable-pod1.slice", "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice" },
	};
	static const char *const bad[] = { ".slice", "a", "a--b.slice", "-a.slice", "a-.slice", "a/b.slice", "" };
	struct arena a = ARENA_INIT;
	const char *path;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct error err = { 0 };

		assert_int_equal(unit_expand_slice(&a, good[i][0], &path, &err), 0);
		assert_string_equal(path, good[i][1]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error err = { 0 };

		assert_true(unit_expand_slice(&a, bad[i], &path, &err) < 0);
	}
	arena_free(&a);
}

static void systemd_paths(void **state)
{
	struct cgroup_record record;
	struct cgroup *again;
	struct place p;

	(void)state;
	assert_int_equal(place(&p, v2_mounts, NULL,
				 (struct cgroup_request){ .manager = CGROUP_MANAGER_SYSTEMD, .cgroups_path = "a-b.slice:p:n" }), 0);
	assert_string_equal(path_of(&p, "unified"), "/sys/fs/cgroup/a.slice/a-b.slice/p-n.scope");
	cgroup_save(p.cg, &p.a, &record);
	assert_string_equal(record.manager, "systemd");
	assert_string_equal(record.scope, "p-n.scope");
	assert_int_equal(cgroup_open_saved(&p.a, &record, &again, &p.err), 0);
	assert_string_equal(cgroup_text(again), "/sys/fs/cgroup/a.slice/a-b.slice/p-n.scope");
	arena_free(&p.a);
}

static void saved(void **state)
{
	struct cgroup_record record;
	const struct cgroup_mount *mounts;
	struct cgroup *again;
	const struct hierarchy *h;
	struct place p;
	pid_t *pids;
	size_t count;

	(void)state;
	assert_int_equal(place(&p, v1_mounts, NULL, (struct cgroup_request){ .cgroups_path = "/oci-rt-not-there/x" }), 0);
	cgroup_save(p.cg, &p.a, &record);
	assert_string_equal(record.version, "v1");
	assert_string_equal(record.manager, "cgroupfs");
	assert_int_equal(record.paths.count, 5);
	assert_int_equal(cgroup_open_saved(&p.a, &record, &again, &p.err), 0);
	assert_int_equal(cgroup_mounts(again, &mounts), 5);
	h = cgroup_by_key(again, "cpu,cpuacct");
	assert_non_null(h);
	assert_string_equal(h->rel, "oci-rt-not-there/x");
	assert_string_equal(h->mount_point, "/sys/fs/cgroup/cpu,cpuacct");
	assert_true(h->controllers == (CTRL_BIT(CTRL_CPU) | CTRL_BIT(CTRL_CPUACCT)));
	/* The directories are gone: nothing lives there, and that is no error. */
	assert_int_equal(cgroup_pids(again, &p.a, &pids, &count, &p.err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(cgroup_is_frozen(again, &p.err), 0);
	assert_int_equal(cgroup_kill(again, 9, &p.err), 0);
	arena_free(&p.a);
}

static void bad_records(void **state)
{
	struct config_key_value items[] = { { "unified", "relative" }, { "unified", "/sys/fs/cgroup/../../etc" } };
	struct arena a = ARENA_INIT;
	struct cgroup *cg;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct cgroup_record record = { .version = "v2", .manager = "cgroupfs", .paths = { &items[i], 1 } };
		struct error err = { 0 };

		assert_true(cgroup_open_saved(&a, &record, &cg, &err) < 0);
		assert_int_equal(err.code, ERR_CORRUPT);
		record.version = "v3";
		assert_true(cgroup_open_saved(&a, &record, &cg, &err) < 0);
		record.version = NULL;
		assert_true(cgroup_open_saved(&a, &record, &cg, &err) < 0);
	}
	arena_free(&a);
}

static void undo_arguments(void **state)
{
	static const char *const bad[] = { "relative", "/etc/../sys", "/sys/fs/cgroup/x/", "/sys/fs/cgroup/x///", "//", "/tmp/oci-rt-not-a-cgroup", "" };
	struct place p;

	(void)state;
	assert_int_equal(place(&p, v2_mounts, NULL, (struct cgroup_request){ .cgroups_path = "/a/b/c" }), 0);
	/* all of it was there: it stays */
	assert_string_equal(cgroup_undo_arg(p.cg, 0), "/sys/fs/cgroup/a/b/c//");
	p.cg->h[0].missing = 4;
	assert_string_equal(cgroup_undo_arg(p.cg, 0), "/sys/fs/cgroup/a/b//c");
	p.cg->h[0].missing = 0;
	assert_string_equal(cgroup_undo_arg(p.cg, 0), "/sys/fs/cgroup//a/b/c");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_true(cgroup_undo(bad[i], &p.err) < 0);
	arena_free(&p.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1_paths),
		cmocka_unit_test(v2_paths),
		cmocka_unit_test(refused_paths),
		cmocka_unit_test(rootless_paths),
		cmocka_unit_test(nested_host),
		cmocka_unit_test(no_cgroups),
		cmocka_unit_test(disabled),
		cmocka_unit_test(units),
		cmocka_unit_test(slices),
		cmocka_unit_test(systemd_paths),
		cmocka_unit_test(saved),
		cmocka_unit_test(bad_records),
		cmocka_unit_test(undo_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
