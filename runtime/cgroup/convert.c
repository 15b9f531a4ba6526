/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see convert.h.  No function of libm is used: its results
 * may differ in the last bit from one C library to the next, and the weight of a
 * container must not.  The series below are far more precise than the distance
 * of any result to the next integer (more than 10⁻¹⁰ of it, but for 1024 shares,
 * which hit 100 exactly).
 */
#include "runtime/cgroup/convert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARES_MAX 262144
#define WEIGHT_MAX 10000
#define LN2 0.69314718055994530942
#define LN10 2.30258509299404568402

/* Natural logarithm of m, 1 ≤ m < 2: 2 artanh((m−1)/(m+1)). */
static double ln_mantissa(double m)
{
	double z = (m - 1) / (m + 1), power = z, sum = 0;

	for (int k = 1; k < 60; k += 2) {
		sum += power / k;
		power *= z * z;
	}
	return 2 * sum;
}

static double exp_series(double y)
{
	double small = y / 64, term = 1, sum = 1;

	for (int k = 1; k < 24; k++) {
		term *= small / k;
		sum += term;
	}
	for (int i = 0; i < 6; i++)
		sum *= sum;
	return sum;
}

uint64_t convert_shares(uint64_t shares)
{
	double l, value, m;
	uint64_t weight;
	int bits = 0;

	if (shares == 0)
		return 0;
	if (shares <= 2)
		return 1;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	while (shares >> (bits + 1))
		bits++;
	m = (double)shares / (double)(UINT64_C(1) << bits);
	l = bits + ln_mantissa(m) / LN2;
	value = exp_series(LN10 * (l * l + 125 * l - 126) / 612);
	weight = (uint64_t)value;
	return value - (double)weight > value * 1e-10 ? weight + 1 : weight;
}

uint64_t convert_blkio_weight(uint64_t weight)
{
	if (weight == 0)
		return 0;
	if (weight <= 10)
		return 1;
	if (weight >= 1000)
		return WEIGHT_MAX;
	return 1 + (weight - 10) * 9999 / 990;
}

void convert_cpu_max(struct opt_i64 quota, struct opt_u64 period, char text[static CONVERT_TEXT])
{
	uint64_t p = period.set && period.value ? period.value : 100000;

	if ((!quota.set || quota.value == 0) && (!period.set || period.value == 0))
		text[0] = '\0';
	else if (quota.set && quota.value > 0)
		snprintf(text, CONVERT_TEXT, "%" PRId64 " %" PRIu64, quota.value, p);
	else
		snprintf(text, CONVERT_TEXT, "max %" PRIu64, p);
}

void convert_bytes(int64_t value, bool v2, char text[static CONVERT_TEXT])
{
	if (value < 0)
		snprintf(text, CONVERT_TEXT, "%s", v2 ? "max" : "-1");
	else
		snprintf(text, CONVERT_TEXT, "%" PRId64, value);
}

int convert_swap(struct opt_i64 limit, struct opt_i64 swap, char text[static CONVERT_TEXT], struct error *err)
{
	int64_t l = limit.set ? limit.value : 0, s = swap.set ? swap.value : 0;

	text[0] = '\0';
	if (s == 0 && l >= 0)
		return 0;
	if (s < 0 || (s == 0 && l < 0)) {
		snprintf(text, CONVERT_TEXT, "max");
		return 0;
	}
	if (l == 0)
		return error_set(err, ERR_CONFIG, EINVAL,
			"memory.swap %" PRId64 " (memory and swap together) needs memory.limit: on cgroup v2 only the difference can be set",
			s);
	if (l > 0 && s < l)
		return error_set(err, ERR_CONFIG, EINVAL,
			"memory.swap %" PRId64 " is less than memory.limit %" PRId64 "; it counts memory and swap together", s, l);
	snprintf(text, CONVERT_TEXT, "%" PRId64, l < 0 ? s : s - l);
	return 0;
}

uint64_t convert_quota_per_second(int64_t quota, uint64_t period, int64_t *rounded)
{
	unsigned __int128 per_second;
	uint64_t value;

	*rounded = quota;
	if (quota <= 0)
		return UINT64_MAX;
	if (period == 0)
		period = 100000;
	per_second = (unsigned __int128)(uint64_t)quota * 1000000 / period;
	if (per_second >= UINT64_MAX - 10000)
		return UINT64_MAX;
	value = (uint64_t)per_second;
	if (value % 10000 != 0) {
		value = (value / 10000 + 1) * 10000;
		*rounded = (int64_t)((unsigned __int128)value * period / 1000000);
	}
	return value;
}

int convert_cpu_list(const char *list, uint8_t *bits, size_t size)
{
	size_t used = 0;

	memset(bits, 0, size);
	while (*list) {
		unsigned long first, last;
		char *end;

		if (*list < '0' || *list > '9')
			return -EINVAL;
		first = last = strtoul(list, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -EINVAL;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || (*end != ',' && *end != '\0') || (*end == ',' && end[1] == '\0'))
			return -EINVAL;
		if (last >= size * 8)
			return -E2BIG;
		for (unsigned long i = first; i <= last; i++)
			bits[i / 8] |= (uint8_t)(1u << (i % 8));
		if (last / 8 + 1 > used)
			used = last / 8 + 1;
		list = *end ? end + 1 : end;
	}
	return (int)used;
}

bool convert_page_size_valid(const char *size)
{
	size_t n = strspn(size, "0123456789");

	return n > 0 && n < 16 && size[0] != '0' &&
	       (strcmp(size + n, "KB") == 0 || strcmp(size + n, "MB") == 0 || strcmp(size + n, "GB") == 0);
}
