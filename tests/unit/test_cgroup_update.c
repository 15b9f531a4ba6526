/* SPDX-License-Identifier: Apache-2.0 */
/* What an update writes and what holds afterwards; the parsers of the kernel's statistics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cgroup/stats.h"

static void merge_memory(void **state)
{
	struct config_memory old = { .limit = { true, 100 }, .swap = { true, 300 }, .reservation = { true, 50 } };
	struct config_memory new = { .limit = { true, 200 } };
	struct config_resources stored = { .memory = &old }, change = { .memory = &new }, merged, write;
	struct arena a = ARENA_INIT;

	(void)state;
	resources_merge(&a, &stored, &change, &merged, &write);
	assert_int_equal(merged.memory->limit.value, 200);
	assert_int_equal(merged.memory->swap.value, 300);
	assert_int_equal(merged.memory->reservation.value, 50);
	/* Swap is written relative to memory; the reservation does not depend on it. */
	assert_true(write.memory->swap.set && write.memory->swap.value == 300);
	assert_false(write.memory->reservation.set);
	/* The originals stay. */
	assert_int_equal(old.limit.value, 100);
	assert_false(new.swap.set);
	arena_free(&a);
}

static void merge_cpu(void **state)
{
	struct config_cpu old = { .quota = { true, 1000 }, .period = { true, 5000 }, .shares = { true, 7 }, .cpus = "0" };
	struct config_cpu new = { .quota = { true, 2000 } }, cpus = { .cpus = "1" };
	struct config_resources stored = { .cpu = &old }, change = { .cpu = &new }, merged, write;
	struct arena a = ARENA_INIT;

	(void)state;
	resources_merge(&a, &stored, &change, &merged, &write);
	assert_int_equal(write.cpu->quota.value, 2000);
	assert_int_equal(write.cpu->period.value, 5000);
	assert_false(write.cpu->shares.set);
	assert_null(write.cpu->cpus);
	assert_string_equal(merged.cpu->cpus, "0");
	assert_int_equal(merged.cpu->shares.value, 7);
	change.cpu = &cpus;
	resources_merge(&a, &stored, &change, &merged, &write);
	assert_false(write.cpu->quota.set);
	assert_string_equal(merged.cpu->cpus, "1");
	assert_int_equal(merged.cpu->quota.value, 1000);
	/* Whoever gives shares takes an idle container out of idleness: they would be lost otherwise. */
	old.idle = (struct opt_i64){ true, 1 };
	new = (struct config_cpu){ .shares = { true, 200 } };
	change.cpu = &new;
	resources_merge(&a, &stored, &change, &merged, &write);
	assert_int_equal(merged.cpu->idle.value, 0);
	assert_true(write.cpu->idle.set && write.cpu->idle.value == 0);
	assert_int_equal(write.cpu->shares.value, 200);
	arena_free(&a);
}

static void merge_rest(void **state)
{
	struct config_device_rule rule = { .allow = true, .type = 'c' };
	struct config_key_value olds[] = { { "memory.high", "1" }, { "cpu.weight", "2" } }, news[] = { { "cpu.weight", "3" }, { "pids.max", "4" } };
	struct config_resources stored = { .devices = &rule, .devices_count = 1, .devices_set = true, .unified = { olds, 2 } };
	struct config_resources change = { .unified = { news, 2 } }, merged, write;
	struct arena a = ARENA_INIT;

	(void)state;
	change.pids.set = true;
	change.pids.limit = (struct opt_i64){ true, 0 };
	resources_merge(&a, &stored, &change, &merged, &write);
	assert_true(merged.devices_set && merged.devices_count == 1);
	assert_false(write.devices_set);
	assert_int_equal(merged.unified.count, 3);
	assert_string_equal(merged.unified.items[1].value, "3");
	assert_int_equal(write.unified.count, 2);
	assert_true(merged.pids.limit.set && merged.pids.limit.value == 0);
	/* Nothing stored. */
	resources_merge(&a, NULL, &change, &merged, &write);
	assert_int_equal(merged.unified.count, 2);
	assert_null(merged.memory);
	arena_free(&a);
}

static void controllers(void **state)
{
	struct config_key_value keys[] = { { "memory.high", "1" }, { "io.max", "2" }, { "foo.bar", "3" } };
	struct config_resources res = { .unified = { keys, 3 } };
	struct config_cpu zero = { .shares = { true, 0 }, .quota = { true, 0 } };

	(void)state;
	assert_int_equal(limit_controllers(&res), CTRL_BIT(CTRL_MEMORY) | CTRL_BIT(CTRL_BLKIO));
	assert_true(limit_any(&res));
	res = (struct config_resources){ .cpu = &zero };
	assert_false(limit_any(&res));
	assert_false(limit_any(NULL));
	assert_int_equal(limit_controllers(NULL), 0);
}

static void pressure(void **state)
{
	struct cgroup_psi psi = { 0 };

	(void)state;
	stat_psi_parse("some avg10=1.50 avg60=0.25 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=9.99 total=45\n", &psi);
	assert_true(psi.set);
	assert_true(psi.some.avg10 == 1.5 && psi.some.total == 123);
	assert_true(psi.full.avg300 == 9.99 && psi.full.total == 45);
	psi = (struct cgroup_psi){ 0 };
	stat_psi_parse(NULL, &psi);
	stat_psi_parse("", &psi);
	stat_psi_parse("nonsense\n\n", &psi);
	assert_false(psi.set);
}

static void block_io(void **state)
{
	char v1[] = "8:0 Read 4096\n8:0 Write 0\n8:16 512\nTotal 4096\ngarbage\n";
	char v2[] = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n(unknown)\n8:16 rbytes=7 cost.usage=9\n";
	struct cgroup_blkio_list list = { 0 };
	struct cgroup_stats s = { 0 };
	struct arena a = ARENA_INIT;

	(void)state;
	stat_blkio_v1(&a, v1, &list);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.items[0].op, "Read");
	assert_int_equal(list.items[0].value, 4096);
	assert_string_equal(list.items[2].op, "");
	assert_int_equal(list.items[2].minor, 16);
	stat_io_v2(&a, v2, &s);
	assert_int_equal(s.blkio.service_bytes.count, 4);
	assert_int_equal(s.blkio.serviced.count, 3);
	assert_string_equal(s.blkio.service_bytes.items[2].op, "Discard");
	assert_int_equal(s.blkio.service_bytes.items[3].value, 7);
	arena_free(&a);
}

static void tables(void **state)
{
	char text[] = "user 12\nsystem 34\nbroken\n";
	struct cgroup_stat_entry *t;
	struct arena a = ARENA_INIT;
	size_t n;

	(void)state;
	n = stat_table(&a, text, &t);
	assert_int_equal(n, 2);
	assert_int_equal(stat_value(t, n, "system"), 34);
	assert_int_equal(stat_value(t, n, "none"), 0);
	assert_int_equal(stat_table(&a, NULL, &t), 0);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merge_memory),
		cmocka_unit_test(merge_cpu),
		cmocka_unit_test(merge_rest),
		cmocka_unit_test(controllers),
		cmocka_unit_test(pressure),
		cmocka_unit_test(block_io),
		cmocka_unit_test(tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
