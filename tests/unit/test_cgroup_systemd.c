/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd manager: what is sent (everywhere), and what a real systemd makes
 * of it (root on a machine whose init it is, or a user with an instance of his
 * own; skipped with a reason elsewhere).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/procfs.h"
#include "runtime/cgroup/dbus.h"
#include "runtime/cgroup/undo.h"
#include "runtime/systemd/wire.h"

static const struct property *find(const struct property_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
			return &list->items[i];
	return NULL;
}

static uint64_t u64_of(const struct property_list *list, const char *name)
{
	const struct property *p = find(list, name);

	assert_non_null(p);
	assert_int_equal(p->type, PROPERTY_U64);
	return p->u;
}

/* --- on the way to the helper ------------------------------------------------------------ */

static const char *const pairs[] = { "/dev/null", "rwm", "char-pts", "rw" };
static const uint8_t cpus[] = { 0x0f, 0x00, 0x80 };

static void pack(struct wire *w, struct arena *a)
{
	struct property_list list = { .arena = a };
	struct property *p;

	property_add(&list, "Delegate", PROPERTY_BOOL)->boolean = true;
	property_add(&list, "Slice", PROPERTY_STRING)->string = "";
	property_add(&list, "Nice", PROPERTY_I32)->i = -5;
	property_add(&list, "MemoryMax", PROPERTY_U64)->u = UINT64_MAX;
	property_add(&list, "Share", PROPERTY_DOUBLE)->d = 1.5;
	property_add(&list, "PIDs", PROPERTY_PIDS)->u = 42;
	p = property_add(&list, "DeviceAllow", PROPERTY_DEVICES);
	p->strings = (const char **)pairs;
	p->count = 4;
	p->optional = true;
	property_add(&list, "After", PROPERTY_STRINGS)->count = 0;
	p = property_add(&list, "AllowedCPUs", PROPERTY_BYTES);
	p->bytes = cpus;
	p->count = sizeof cpus;
	wire_put_u64(w, WIRE_START);
	wire_put_text(w, "x.scope");
	wire_put_text(w, NULL);
	wire_put_properties(w, &list);
}

static void messages(void **state)
{
	struct arena a = ARENA_INIT;
	struct wire w = { .arena = &a };
	struct property_list got;
	const struct property *p;

	(void)state;
	pack(&w, &a);
	assert_int_equal(wire_get_u64(&w), WIRE_START);
	assert_string_equal(wire_get_text(&w), "x.scope");
	assert_null(wire_get_text(&w));
	wire_get_properties(&w, &got);
	assert_false(w.bad);
	assert_int_equal(w.at, w.len);
	assert_int_equal(got.count, 9);
	assert_true(find(&got, "Delegate")->boolean);
	assert_string_equal(find(&got, "Slice")->string, "");
	assert_int_equal(find(&got, "Nice")->i, -5);
	assert_true(u64_of(&got, "MemoryMax") == UINT64_MAX);
	assert_true(find(&got, "Share")->d == 1.5);
	assert_int_equal(find(&got, "PIDs")->u, 42);
	p = find(&got, "DeviceAllow");
	assert_true(p->optional);
	assert_int_equal(p->count, 4);
	assert_string_equal(p->strings[2], "char-pts");
	assert_int_equal(find(&got, "After")->count, 0);
	p = find(&got, "AllowedCPUs");
	assert_memory_equal(p->bytes, cpus, p->count);
	/* nothing behind the end, and no shorter message is taken for a whole one */
	assert_int_equal(wire_get_u64(&w), 0);
	assert_true(w.bad);
	for (size_t len = 0; len < w.len; len++) {
		struct wire cut = { .arena = &a, .data = w.data, .len = len };

		wire_get_u64(&cut);
		wire_get_text(&cut);
		wire_get_text(&cut);
		wire_get_properties(&cut, &got);
		assert_true(cut.bad);
	}
	arena_free(&a);
}

/* --- what is sent ---------------------------------------------------------------------- */

static void annotations(void **state)
{
	static struct config_key_value good[] = {
		{ "org.systemd.property.KillSignal", "15" },
		{ "org.systemd.property.TimeoutStopUSec", "uint64 10000000" },
		{ "org.systemd.property.RuntimeMaxSec", "uint32 3" },
		{ "org.systemd.property.JobTimeoutSec", "1.5" },
		{ "org.systemd.property.CollectMode", "'inactive-or-failed'" },
		{ "org.systemd.property.Documentation", "\"it\\'s \\\"x\\\"\"" },
		{ "org.systemd.property.After", "['crio.service', 'b\\\\c']" },
		{ "org.systemd.property.Before", "@as []" },
		{ "org.systemd.property.DefaultDependencies", "true" },
		{ "org.systemd.property.Nice", "int64 -5" },
		{ "other", "ignored" },
	};
	struct config_map map = { good, sizeof good / sizeof *good };
	struct arena a = ARENA_INIT;
	struct property_list list = { .arena = &a };
	struct error err = { 0 };
	const struct property *p;

	(void)state;
	assert_int_equal(property_add_annotations(&list, &map, &err), 0);
	assert_int_equal(list.count, 10);
	p = find(&list, "KillSignal");
	assert_true(p->type == PROPERTY_I32 && p->i == 15);
	assert_int_equal(u64_of(&list, "TimeoutStopUSec"), 10000000);
	assert_int_equal(u64_of(&list, "RuntimeMaxUSec"), 3000000);
	assert_int_equal(u64_of(&list, "JobTimeoutUSec"), 1500000);
	assert_string_equal(find(&list, "CollectMode")->string, "inactive-or-failed");
	assert_string_equal(find(&list, "Documentation")->string, "it's \"x\"");
	p = find(&list, "After");
	assert_true(p->type == PROPERTY_STRINGS && p->count == 2);
	assert_string_equal(p->strings[1], "b\\c");
	assert_true(find(&list, "Before")->type == PROPERTY_STRINGS && find(&list, "Before")->count == 0);
	assert_true(find(&list, "DefaultDependencies")->boolean);
	assert_true(find(&list, "Nice")->i == -5);
	arena_free(&a);
}

static void refused_annotations(void **state)
{
	static const struct config_key_value bad[] = {
		{ "org.systemd.property.Ab", "1" },	    { "org.systemd.property.With-Dash", "1" },
		{ "org.systemd.property.", "1" },	    { "org.systemd.property.PIDs", "[1]" },
		{ "org.systemd.property.Slice", "'x'" },   { "org.systemd.property.Good", "" },
		{ "org.systemd.property.Good", "'open" },  { "org.systemd.property.Good", "'a' 'b'" },
		{ "org.systemd.property.Good", "['a'" },   { "org.systemd.property.Good", "['a' 'b']" },
		{ "org.systemd.property.Good", "uint32 4294967296" }, { "org.systemd.property.Good", "2147483648" },
		{ "org.systemd.property.Good", "uint64 -1" }, { "org.systemd.property.Good", "12x" },
		{ "org.systemd.property.Good", "word" },   { "org.systemd.property.StopSec", "'x'" },
		{ "org.systemd.property.StopSec", "-1" },  { "org.systemd.property.Good", "'a\\" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct config_map map = { (struct config_key_value *)&bad[i], 1 };
		struct arena a = ARENA_INIT;
		struct property_list list = { .arena = &a };
		struct error err = { 0 };

		if (property_add_annotations(&list, &map, &err) == 0)
			fail_msg("%s = %s was taken", bad[i].key, bad[i].value);
		assert_int_equal(err.code, ERR_CONFIG);
		arena_free(&a);
	}
}

static void resources(void **state)
{
	struct config_memory memory = { .limit = { true, 1000 }, .swap = { true, 1500 }, .reservation = { true, 500 } };
	struct config_cpu cpu = { .shares = { true, 1024 }, .quota = { true, 12345 }, .period = { true, 100000 }, .cpus = "0-2,9" };
	struct config_block_io io = { .weight = { true, 500 } };
	struct config_key_value unified[] = { { "memory.high", "max" }, { "cpu.weight", "7" }, { "io.max", "8:0 rbps=1" },
		{ "memory.oom.group", "1" } };
	struct config_resources res = { .memory = &memory, .cpu = &cpu, .block_io = &io, .unified = { unified, 4 } };
	struct arena a = ARENA_INIT;
	struct property_list list = { .arena = &a };
	struct error err = { 0 };
	const struct property *p;

	(void)state;
	res.pids.set = true;
	res.pids.limit = (struct opt_i64){ true, 0 };
	assert_int_equal(property_add_resources(&list, &res, true, true, &err), 0);
	assert_int_equal(u64_of(&list, "MemoryMax"), 1000);
	assert_int_equal(u64_of(&list, "MemorySwapMax"), 500);
	assert_int_equal(u64_of(&list, "MemoryLow"), 500);
	assert_int_equal(u64_of(&list, "MemoryHigh"), UINT64_MAX);
	assert_int_equal(u64_of(&list, "CPUWeight"), 7); /* unified wins */
	assert_int_equal(u64_of(&list, "CPUQuotaPerSecUSec"), 130000);
	assert_int_equal(u64_of(&list, "CPUQuotaPeriodUSec"), 100000);
	assert_int_equal(u64_of(&list, "TasksMax"), 1);
	assert_int_equal(u64_of(&list, "IOWeight"), 4950);
	assert_string_equal(find(&list, "OOMPolicy")->string, "kill");
	p = find(&list, "AllowedCPUs");
	assert_int_equal(p->count, 2);
	assert_true(p->bytes[0] == 7 && p->bytes[1] == 2);
	list.count = 0;
	assert_int_equal(property_add_resources(&list, &res, false, true, &err), 0);
	assert_int_equal(u64_of(&list, "MemoryLimit"), 1000);
	assert_int_equal(u64_of(&list, "CPUShares"), 1024);
	assert_null(find(&list, "MemoryHigh"));
	assert_null(find(&list, "AllowedCPUs"));
	arena_free(&a);
}

static void unified_quota(void **state)
{
	struct config_key_value limit = { "cpu.max", "max 100000" };
	struct config_resources res = { .unified = { &limit, 1 } };
	struct arena a = ARENA_INIT;
	struct property_list list = { .arena = &a };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(property_add_resources(&list, &res, true, true, &err), 0);
	assert_true(u64_of(&list, "CPUQuotaPerSecUSec") == UINT64_MAX);
	/* the unit may have another one */
	assert_int_equal(u64_of(&list, "CPUQuotaPeriodUSec"), 100000);
	limit.value = "max";
	list.count = 0;
	assert_int_equal(property_add_resources(&list, &res, true, true, &err), 0);
	assert_null(find(&list, "CPUQuotaPeriodUSec"));
	arena_free(&a);
}

static void device_properties(void **state)
{
	struct config_device_rule rules[] = { { .allow = false }, { .allow = true, .type = 'b', .major = { true, 8 }, .minor = { true, 1 }, .access = "r" } };
	struct config_device_rule all[] = { { .allow = true } };
	struct config_resources res = { .devices = rules, .devices_count = 2 };
	struct arena a = ARENA_INIT;
	struct property_list list = { .arena = &a };
	struct error err = { 0 };
	const struct property *p;
	bool found = false, pts = false;

	(void)state;
	assert_int_equal(property_add_devices(&list, &res, &err), 0);
	assert_string_equal(find(&list, "DevicePolicy")->string, "strict");
	p = find(&list, "DeviceAllow");
	for (size_t i = 0; i < p->count; i += 2) {
		found = found || (strcmp(p->strings[i], "/dev/block/8:1") == 0 && strcmp(p->strings[i + 1], "r") == 0);
		pts = pts || strcmp(p->strings[i], "char-pts") == 0;
	}
	assert_true(found && pts);
	assert_string_equal(p->strings[0], "char-*");
	assert_string_equal(p->strings[1], "m");
	res = (struct config_resources){ .devices = all, .devices_count = 1 };
	list.count = 0;
	assert_int_equal(property_add_devices(&list, &res, &err), 0);
	assert_string_equal(find(&list, "DevicePolicy")->string, "auto");
	assert_int_equal(find(&list, "DeviceAllow")->count, 0);
	arena_free(&a);
}

/* --- a real systemd ---------------------------------------------------------------------- */

struct unit {
	struct arena a;
	struct error err;
	struct cgroup *cg;
	pid_t pid;
	int proc_fd;
	const char *undo;
};

#define OK(call)                                                                                                       \
	do {                                                                                                           \
		int r_ = (call);                                                                                       \
		if (r_ < 0)                                                                                            \
			fail_msg("%s: %d: %s (%s)", #call, r_, u->err.msg, u->err.hint);                                       \
	} while (0)

static void need_systemd(void)
{
	struct dbus *bus = NULL;
	struct error err = { 0 };

	if (dbus_open(geteuid() != 0, &bus, &err) < 0) {
		print_message("skipped: %s\n", err.msg);
		skip();
	}
	dbus_close(bus);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void locate(struct unit *u, const char *path, const struct config_map *map)
{
	struct cgroup_request rq = { .cgroups_path = path, .manager = CGROUP_MANAGER_SYSTEMD, .rootless = geteuid() != 0, .annotations = map };

	*u = (struct unit){ .a = ARENA_INIT };
	u->proc_fd = proc_open_host(&u->err);
	rq.id = arena_printf(&u->a, "check-%d", getpid());
	rq.proc_fd = u->proc_fd;
	OK(cgroup_locate(&u->a, &rq, &u->cg, &u->err));
	OK(cgroup_probe(u->cg, &u->err));
	u->undo = arena_printf(&u->a, "%s %s %s", u->cg->user_bus ? "user" : "system", u->cg->unit, cgroup_text(u->cg));
}

static void finish(struct unit *u)
{
	int status;

	OK(cgroup_undo_scope(u->undo, &u->err));
	OK(cgroup_undo_scope(u->undo, &u->err));
	assert_int_equal(waitpid(u->pid, &status, 0), u->pid);
	assert_int_equal(access(cgroup_text(u->cg), F_OK), -1);
	cgroup_close(u->cg);
	close(u->proc_fd);
	arena_free(&u->a);
}

static void scope(void **state)
{
	static struct config_key_value items[] = { { "org.systemd.property.TimeoutStopUSec", "uint64 5000000" },
		{ "org.systemd.property.CollectMode", "'inactive-or-failed'" } };
	struct config_map map = { items, 2 };
	struct config_memory memory = { .limit = { true, 64 << 20 }, .swap = { true, 64 << 20 } }, more = { .limit = { true, 128 << 20 }, .swap = { true, 128 << 20 } };
	struct config_cpu cpu = { .quota = { true, 12345 }, .period = { true, 100000 }, .shares = { true, 2048 }, .cpus = NULL };
	struct config_resources res = { .memory = &memory, .cpu = &cpu }, change = { .memory = &more };
	struct cgroup_record record;
	struct cgroup *again;
	struct unit unit, *u = &unit;
	char text[64];
	uint64_t n;

	(void)state;
	need_systemd();
	res.pids.set = true;
	res.pids.limit = (struct opt_i64){ true, 33 };
	locate(u, NULL, &map);
	u->pid = sleeper();
	OK(systemd_start(u->cg, &res, u->pid, &u->err));
	for (size_t i = 0; i < limit_groups_count; i++)
		if (limit_groups[i].wanted(&res))
			OK(limit_apply(u->cg, &limit_groups[i], &res, &u->err));
	OK(cgroup_devices(u->cg, &res, false, &u->err));
	OK(cgroup_verify(u->cg, u->proc_fd, u->pid, &u->err));
	assert_int_equal(cg_read_u64(u->cg->h, "memory.max", &n), 0);
	assert_int_equal(n, 64 << 20);
	assert_int_equal(cg_read_u64(u->cg->h, "pids.max", &n), 0);
	assert_int_equal(n, 33);
	assert_true(cg_read(u->cg->h, "cpu.max", text, sizeof text) > 0);
	assert_string_equal(text, "13000 100000");
	if (geteuid() == 0 && access("/usr/bin/systemctl", X_OK) == 0) {
		snprintf(text, sizeof text, "systemctl show -p MemoryMax -p TasksMax %s", u->cg->unit);
		assert_int_equal(system(text), 0);
	}

	cgroup_save(u->cg, &u->a, &record);
	OK(cgroup_open_saved(&u->a, &record, &again, &u->err));
	OK(cgroup_update(again, &res, &change, &u->err));
	assert_int_equal(cg_read_u64(u->cg->h, "memory.max", &n), 0);
	assert_int_equal(n, 128 << 20);
	if (geteuid() == 0 && access("/usr/bin/systemctl", X_OK) == 0) {
		/* What systemd knows survives this. */
		assert_int_equal(system("systemctl daemon-reload"), 0);
		assert_int_equal(cg_read_u64(u->cg->h, "memory.max", &n), 0);
		assert_int_equal(n, 128 << 20);
		assert_true(cg_read(u->cg->h, "cpu.max", text, sizeof text) > 0);
		assert_string_equal(text, "13000 100000");
	}
	OK(cgroup_enter_prepare(again, NULL, 0, &u->err));
	assert_true(cgroup_clone_fd(again) >= 0);
	cgroup_close(again);
	finish(u);
}

static void nested_slice(void **state)
{
	struct config_resources res = { 0 };
	struct unit unit, *u = &unit;
	char path[64];

	(void)state;
	need_systemd();
	snprintf(path, sizeof path, "ocirt%d-sub.slice:pre:name", getpid());
	locate(u, path, NULL);
	u->pid = sleeper();
	OK(systemd_start(u->cg, &res, u->pid, &u->err));
	OK(cgroup_verify(u->cg, u->proc_fd, u->pid, &u->err));
	/* What the payload makes below goes, too. */
	assert_int_equal(mkdirat(u->cg->h[0].m->fd, "inner", 0755), 0);
	finish(u);
	/* systemd keeps slices until somebody stops them: engines do, and this test. */
	snprintf(path, sizeof path, "%s ocirt%d.slice", geteuid() ? "user" : "system", getpid());
	OK(cgroup_undo_scope(path, &u->err));
}

static void name_in_use(void **state)
{
	struct config_resources res = { 0 };
	struct unit unit, other, *u = &unit;

	(void)state;
	need_systemd();
	locate(u, NULL, NULL);
	u = &other;
	locate(u, NULL, NULL); /* sees nothing yet */
	u = &unit;
	u->pid = sleeper();
	OK(systemd_start(u->cg, &res, u->pid, &u->err));
	other.pid = sleeper();
	assert_int_equal(systemd_start(other.cg, &res, other.pid, &other.err), -EEXIST);
	/* Its journal is replayed: the first container must not notice. */
	assert_int_equal(cgroup_undo_scope(other.undo, &other.err), 0);
	assert_int_equal(waitpid(u->pid, NULL, WNOHANG), 0);
	OK(cgroup_verify(u->cg, u->proc_fd, u->pid, &u->err));
	error_clear(&other.err);
	assert_int_equal(cgroup_probe(other.cg, &other.err), -EBUSY);
	kill(other.pid, SIGKILL);
	waitpid(other.pid, NULL, 0);
	undo_forget_disowned();
	finish(u);
	cgroup_close(other.cg);
	arena_free(&other.a);
}

static void bad_property(void **state)
{
	static struct config_key_value items[] = { { "org.systemd.property.NoSuchThing", "true" } };
	struct config_map map = { items, 1 };
	struct config_resources res = { 0 };
	struct unit unit, *u = &unit;

	(void)state;
	need_systemd();
	locate(u, NULL, &map);
	u->pid = sleeper();
	assert_true(systemd_start(u->cg, &res, u->pid, &u->err) < 0);
	assert_non_null(strstr(u->err.msg, "NoSuchThing"));
	error_clear(&u->err);
	kill(u->pid, SIGKILL);
	finish(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(annotations),
		cmocka_unit_test(refused_annotations),
		cmocka_unit_test(resources),
		cmocka_unit_test(unified_quota),
		cmocka_unit_test(device_properties),
		cmocka_unit_test(scope),
		cmocka_unit_test(nested_slice),
		cmocka_unit_test(name_in_use),
		cmocka_unit_test(bad_property),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
