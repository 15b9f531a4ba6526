/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules: what they decide, that v1's exceptions decide the same, and that
 * the generated BPF program, run by a small interpreter here, decides the same.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cgroup/device.h"

#define R DEVICE_READ
#define W DEVICE_WRITE
#define M DEVICE_MKNOD
#define ANY { 0 }
#define N(n) { true, n }

/* --- the interpreter: the instructions that the generator may use, and no others ---- */

static uint64_t run(const struct device_program *p, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[11] = { 0 };

	r[1] = (uint64_t)(uintptr_t)ctx;
	for (size_t pc = 0, steps = 0; pc < p->count; pc++, steps++) {
		const struct bpf_insn *i = &p->insns[pc];
		uint64_t k = (uint64_t)(int64_t)i->imm;

		assert_true(steps <= p->count);
		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_true(i->src_reg == 1 && i->off >= 0 && (size_t)i->off + 4 <= sizeof *ctx);
			r[i->dst_reg] = *(const uint32_t *)((const char *)ctx + i->off);
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
			r[i->dst_reg] = r[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = k;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			r[i->dst_reg] &= k;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			r[i->dst_reg] >>= k;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			assert_true(i->off >= 0);
			pc += r[i->dst_reg] != k ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			assert_true(i->off >= 0);
			pc += r[i->dst_reg] & k ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JA:
			assert_true(i->off >= 0);
			pc += (size_t)i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return r[0];
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("the program runs over its end");
	return 0;
}

static bool program_decides(const struct device_program *p, char type, int64_t major, int64_t minor, unsigned int access)
{
	struct bpf_cgroup_dev_ctx ctx = {
		.access_type = access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		.major = (uint32_t)major,
		.minor = (uint32_t)minor,
	};

	return run(p, &ctx) != 0;
}

/* All three ways must agree on every request around the numbers that rules use. */
static void agree(const struct config_resources *res, bool v1_can)
{
	static const int64_t numbers[] = { 0, 1, 3, 5, 8, 10, 136, 200, 229, 4095, 1048575 };
	struct device_rules rules, flat;
	struct arena a = ARENA_INIT;
	struct device_program p;
	struct error err = { 0 };
	int r;

	assert_int_equal(device_rules_make(&a, res, &rules, &err), 0);
	device_program_make(&a, &rules, &p);
	assert_true(p.count <= 8 + 7 * rules.count);
	r = device_rules_flatten(&a, &rules, &flat, &err);
	if (v1_can)
		assert_int_equal(r, 0);
	for (int t = 0; t < 2; t++)
		for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
			for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
				for (unsigned int access = 1; access <= DEVICE_ALL; access++) {
					bool want = device_rules_decide(&rules, "bc"[t], numbers[i], numbers[k], access);

					assert_int_equal(program_decides(&p, "bc"[t], numbers[i], numbers[k], access), want);
					/* v1 may allow to make the node of a device that cannot be opened */
					if (r == 0 && (want || !(access & DEVICE_MKNOD)))
						assert_int_equal(device_rules_decide(&flat, "bc"[t], numbers[i], numbers[k], access), want);
				}
	arena_free(&a);
}

static bool decide(const struct config_device_rule *in, size_t count, char type, int64_t major, int64_t minor,
	unsigned int access)
{
	struct config_resources res = { .devices = (struct config_device_rule *)in, .devices_count = count, .devices_set = true };
	struct arena a = ARENA_INIT;
	struct device_rules rules;
	struct error err = { 0 };
	bool yes;

	assert_int_equal(device_rules_make(&a, &res, &rules, &err), 0);
	yes = device_rules_decide(&rules, type, major, minor, access);
	arena_free(&a);
	agree(&res, false);
	return yes;
}

static void default_list(void **state)
{
	(void)state;
	/* No rules at all: what every container has, and nothing else. */
	assert_true(decide(NULL, 0, 'c', 1, 3, R | W | M));
	assert_true(decide(NULL, 0, 'c', 136, 77, R | W));
	assert_true(decide(NULL, 0, 'c', 5, 2, R | W));
	assert_true(decide(NULL, 0, 'b', 8, 0, M));
	assert_false(decide(NULL, 0, 'b', 8, 0, R));
	assert_false(decide(NULL, 0, 'b', 8, 0, R | M));
	assert_false(decide(NULL, 0, 'c', 1, 1, R));
	assert_false(decide(NULL, 0, 'c', 5, 1, W));
}

static void engine_list(void **state)
{
	/* As engines write it: deny all, allow some. */
	static const struct config_device_rule in[] = {
		{ false, 0, ANY, ANY, "rwm" },
		{ true, 'c', N(10), N(229), "rwm" },
		{ true, 'b', N(8), ANY, "r" },
	};

	(void)state;
	assert_true(decide(in, 3, 'c', 1, 3, R | W));
	assert_true(decide(in, 3, 'c', 10, 229, R | W | M));
	assert_true(decide(in, 3, 'b', 8, 5, R | M));
	assert_false(decide(in, 3, 'b', 8, 5, W));
	assert_false(decide(in, 3, 'b', 8, 5, R | W));
}

static void only_allow_rules(void **state)
{
	/* GHSA-g54h-m393-cpwq: without a deny-all rule the list must not turn into a deny list. */
	static const struct config_device_rule in[] = { { true, 'c', N(10), N(229), "rwm" } };

	(void)state;
	assert_true(decide(in, 1, 'c', 10, 229, R));
	assert_false(decide(in, 1, 'b', 8, 0, R));
}

static void privileged(void **state)
{
	static const struct config_device_rule all[] = { { false, 'a', ANY, ANY, NULL }, { true, 'a', N(-1), N(-1), "rwm" } };
	static const struct config_device_rule but[] = { { true, 0, ANY, ANY, NULL }, { false, 'b', N(8), ANY, "w" } };

	(void)state;
	assert_true(decide(all, 2, 'b', 8, 0, R | W | M));
	assert_true(decide(but, 2, 'b', 8, 0, R | M));
	assert_false(decide(but, 2, 'b', 8, 0, W));
	assert_true(decide(but, 2, 'b', 9, 0, W));
}

static void explicit_denial(void **state)
{
	/* A default device can be denied, after "deny all". */
	static const struct config_device_rule in[] = { { false, 'a', ANY, ANY, NULL }, { false, 'c', N(10), N(200), "rwm" } };
	/* Allowed bit by bit; the last rule wins for each. */
	static const struct config_device_rule bits[] = {
		{ true, 'b', N(8), N(1), "r" },
		{ true, 'b', N(8), N(1), "w" },
		{ false, 'b', N(8), N(3), "w" },
		{ true, 'b', N(8), N(3), "rw" },
		{ false, 'b', N(8), N(3), "r" },
	};

	(void)state;
	assert_false(decide(in, 2, 'c', 10, 200, R));
	assert_true(decide(in, 2, 'c', 1, 3, R));
	assert_true(decide(bits, 5, 'b', 8, 1, R | W));
	assert_true(decide(bits, 5, 'b', 8, 3, W));
	assert_false(decide(bits, 5, 'b', 8, 3, R | W));
}

static void not_on_v1(void **state)
{
	static const struct config_device_rule hole[] = { { true, 'c', N(10), ANY, "rwm" }, { false, 'c', N(10), N(3), "r" } };
	struct config_resources res = { .devices = (struct config_device_rule *)hole, .devices_count = 2 };
	struct device_rules rules, flat;
	struct arena a = ARENA_INIT;
	struct error err = { 0 };

	(void)state;
	agree(&res, false);
	assert_int_equal(device_rules_make(&a, &res, &rules, &err), 0);
	assert_true(device_rules_flatten(&a, &rules, &flat, &err) < 0);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	arena_free(&a);
}

/* Docker denies /dev/fuse, whole, behind what it allows: the hole is for opening, everything else stays. */
static void denied_behind_mknod(void **state)
{
	static const struct config_device_rule docker[] = { { false, 'a', ANY, ANY, "rwm" }, { true, 'c', N(1), N(5), "rwm" },
		{ false, 'c', N(10), N(229), "rwm" } };
	static const struct config_device_rule mknod_only = { false, 'c', N(10), N(229), "m" };
	struct config_resources res = { .devices = (struct config_device_rule *)docker, .devices_count = 3 };
	struct device_rules rules, flat;
	struct arena a = ARENA_INIT;
	struct error err = { 0 };

	(void)state;
	agree(&res, true);
	assert_int_equal(device_rules_make(&a, &res, &rules, &err), 0);
	assert_int_equal(device_rules_flatten(&a, &rules, &flat, &err), 0);
	assert_false(device_rules_decide(&flat, 'c', 10, 229, DEVICE_READ));
	assert_false(device_rules_decide(&flat, 'c', 10, 229, DEVICE_WRITE));
	assert_true(device_rules_decide(&flat, 'c', 10, 228, DEVICE_MKNOD));
	assert_true(device_rules_decide(&flat, 'c', 1, 5, DEVICE_ALL));
	/* a denial of nothing but mknod is meant: it is refused, not dropped */
	res.devices = (struct config_device_rule *)&mknod_only;
	res.devices_count = 1;
	assert_int_equal(device_rules_make(&a, &res, &rules, &err), 0);
	assert_true(device_rules_flatten(&a, &rules, &flat, &err) < 0);
	arena_free(&a);
}

static void invalid(void **state)
{
	static const struct config_device_rule bad[] = {
		{ true, 'x', ANY, ANY, NULL },
		{ true, 'u', N(1), N(1), "rw" },
		{ true, 'c', N(-2), N(1), "rw" },
		{ true, 'c', N(1), N(INT64_C(1) << 32), "rw" },
		{ true, 'c', N(1), N(1), "rx" },
		{ true, 'c', N(1), N(1), "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct config_resources res = { .devices = (struct config_device_rule *)&bad[i], .devices_count = 1 };
		struct device_rules rules;
		struct arena a = ARENA_INIT;
		struct error err = { 0 };

		assert_true(device_rules_make(&a, &res, &rules, &err) < 0);
		assert_string_equal(err.path, "linux.resources.devices[0]");
		arena_free(&a);
	}
}

static void random_lists(void **state)
{
	static const int64_t numbers[] = { -1, 0, 1, 3, 5, 8, 10, 136 };
	static const char *const access[] = { "r", "w", "m", "rw", "rm", "wm", "rwm", NULL };

	(void)state;
	srand(1);
	for (int round = 0; round < 400; round++) {
		struct config_device_rule in[12];
		struct config_resources res = { .devices = in, .devices_count = (size_t)rand() % 13 };

		for (size_t i = 0; i < res.devices_count; i++)
			in[i] = (struct config_device_rule){ rand() % 2, "abcbc"[rand() % 5], N(numbers[rand() % 8]), N(numbers[rand() % 8]),
				access[rand() % 8] };
		agree(&res, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_list),
		cmocka_unit_test(engine_list),
		cmocka_unit_test(only_allow_rules),
		cmocka_unit_test(privileged),
		cmocka_unit_test(explicit_denial),
		cmocka_unit_test(not_on_v1),
		cmocka_unit_test(denied_behind_mknod),
		cmocka_unit_test(invalid),
		cmocka_unit_test(random_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
