/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of cgroup v1 in the words of v2: tables with the values that runc and crun use. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cgroup/convert.h"

static void shares_known(void **state)
{
	static const uint64_t table[][2] = { { 0, 0 }, { 1, 1 }, { 2, 1 }, { 3, 2 }, { 10, 4 }, { 100, 17 }, { 512, 59 },
		{ 1000, 99 }, { 1024, 100 }, { 1025, 101 }, { 2048, 174 }, { 5000, 356 }, { 100000, 4340 }, { 262143, 10000 },
		{ 262144, 10000 }, { 1000000, 10000 }, { UINT64_MAX, 10000 } };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_int_equal(convert_shares(table[i][0]), table[i][1]);
}

/* Every value against the formula in long double. */
static void shares_formula(void **state)
{
	(void)state;
	for (uint64_t s = 3; s < 262144; s++) {
		long double l = log2l((long double)s), v = powl(10, (l * l + 125 * l - 126) / 612);
		uint64_t want = s == 1024 ? 100 : (uint64_t)ceill(v);

		if (convert_shares(s) != want)
			fail_msg("shares %" PRIu64 ": %" PRIu64 ", the formula says %.15Lg", s, convert_shares(s), v);
		assert_true(convert_shares(s) >= convert_shares(s - 1));
	}
}

static void blkio_weight(void **state)
{
	static const uint64_t table[][2] = { { 0, 0 }, { 1, 1 }, { 10, 1 }, { 11, 11 }, { 100, 910 }, { 500, 4950 },
		{ 999, 9989 }, { 1000, 10000 }, { 5000, 10000 } };

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_int_equal(convert_blkio_weight(table[i][0]), table[i][1]);
}

static void cpu_max(void **state)
{
	static const struct {
		struct opt_i64 quota;
		struct opt_u64 period;
		const char *text;
	} table[] = {
		{ { 0 }, { 0 }, "" },
		{ { true, 0 }, { true, 0 }, "" },
		{ { true, 50000 }, { 0 }, "50000 100000" },
		{ { true, 50000 }, { true, 20000 }, "50000 20000" },
		{ { true, -1 }, { 0 }, "max 100000" },
		{ { true, -1 }, { true, 10000 }, "max 10000" },
		{ { 0 }, { true, 10000 }, "max 10000" },
		{ { true, 0 }, { true, 10000 }, "max 10000" },
	};
	char text[CONVERT_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		convert_cpu_max(table[i].quota, table[i].period, text);
		assert_string_equal(text, table[i].text);
	}
}

static void swap(void **state)
{
	static const struct {
		struct opt_i64 limit, swap;
		const char *text; /* NULL: an error */
	} table[] = {
		{ { 0 }, { 0 }, "" },
		{ { true, 100 }, { 0 }, "" },
		{ { true, 100 }, { true, 0 }, "" },
		{ { true, -1 }, { 0 }, "max" },
		{ { true, -1 }, { true, 0 }, "max" },
		{ { true, -1 }, { true, -1 }, "max" },
		{ { true, 100 }, { true, -1 }, "max" },
		{ { 0 }, { true, -1 }, "max" },
		{ { true, -1 }, { true, 300 }, "300" },
		{ { true, 100 }, { true, 300 }, "200" },
		{ { true, 100 }, { true, 100 }, "0" },
		{ { true, 100 }, { true, 99 }, NULL },
		{ { 0 }, { true, 300 }, NULL },
		{ { true, 0 }, { true, 300 }, NULL },
		{ { true, INT64_MAX }, { true, INT64_MAX }, "0" },
	};
	char text[CONVERT_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct error err = { 0 };
		int r = convert_swap(table[i].limit, table[i].swap, text, &err);

		assert_int_equal(r < 0, table[i].text == NULL);
		if (table[i].text)
			assert_string_equal(text, table[i].text);
		else
			assert_int_equal(err.code, ERR_CONFIG);
	}
}

static void quota_per_second(void **state)
{
	static const struct {
		int64_t quota;
		uint64_t period, value;
		int64_t rounded;
	} table[] = {
		{ -1, 100000, UINT64_MAX, -1 },
		{ 0, 0, UINT64_MAX, 0 },
		{ 50000, 100000, 500000, 50000 },
		{ 50000, 0, 500000, 50000 },
		{ 12345, 100000, 130000, 13000 },
		{ 1, 1000000, 10000, 10000 },
		{ INT64_MAX, 1, UINT64_MAX, INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		int64_t rounded;

		assert_int_equal(convert_quota_per_second(table[i].quota, table[i].period, &rounded), table[i].value);
		assert_int_equal(rounded, table[i].rounded);
	}
}

static void cpu_list(void **state)
{
	static const struct {
		const char *list;
		int bytes;
		uint8_t bits[4];
	} table[] = {
		{ "", 0, { 0 } },
		{ "0", 1, { 1 } },
		{ "0-3,7", 1, { 0x8f } },
		{ "8", 2, { 0, 1 } },
		{ "1,16-17", 3, { 2, 0, 3 } },
		{ "31", 4, { 0, 0, 0, 0x80 } },
		{ "32", -7, { 0 } },
		{ "3-1", -22, { 0 } },
		{ "a", -22, { 0 } },
		{ "1,", -22, { 0 } },
		{ "1-", -22, { 0 } },
		{ ",1", -22, { 0 } },
		{ "1 2", -22, { 0 } },
		{ "99999999999999999999", -7, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		uint8_t bits[4];

		assert_int_equal(convert_cpu_list(table[i].list, bits, sizeof bits), table[i].bytes);
		if (table[i].bytes > 0)
			assert_memory_equal(bits, table[i].bits, sizeof bits);
	}
}

static void page_size(void **state)
{
	static const char *const good[] = { "2MB", "1GB", "64KB", "16384KB" };
	static const char *const bad[] = { "", "MB", "2", "2TB", "2 MB", "02MB", "2MB/..", "../2MB", "2mb", "-2MB" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(convert_page_size_valid(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(convert_page_size_valid(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_known),
		cmocka_unit_test(shares_formula),
		cmocka_unit_test(blkio_weight),
		cmocka_unit_test(cpu_max),
		cmocka_unit_test(swap),
		cmocka_unit_test(quota_per_second),
		cmocka_unit_test(cpu_list),
		cmocka_unit_test(page_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
