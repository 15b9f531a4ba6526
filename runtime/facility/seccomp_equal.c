/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: are two filters the same function?
 *
 * A filter compares the architecture, the number and the words of the
 * arguments with constants.  Between two neighbouring constants its answer
 * cannot change, so it is enough to try the constants and their neighbours: all
 * of them for architecture and number, and for those numbers where a filter
 * looks at arguments, combinations of the arguments' constants.  All
 * combinations of one argument's two words; across arguments a fixed
 * pseudo-random choice.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/facility/seccomp_program.h"

enum { HOLDS_ARCH = 1 << 0, HOLDS_NUMBER = 1 << 1, HOLDS_WORD = 1 << 2 /* and the eleven bits above */ };

#define ARGS_OFFSET offsetof(struct seccomp_data, args)
#define SAMPLES 48

static void add(struct arena *a, uint32_t **list, size_t *count, uint32_t value)
{
	for (size_t i = 0; i < *count; i++)
		if ((*list)[i] == value)
			return;
	if ((*count & (*count - 1)) == 0)
		*list = arena_grow(a, *list, *count * sizeof value, (*count ? *count * 2 : 1) * sizeof value);
	(*list)[(*count)++] = value;
}

/* Numbers are many: kept as they come, sorted and made unique at the end. */
static void append(struct arena *a, uint32_t **list, size_t *count, uint32_t value)
{
	if ((*count & (*count - 1)) == 0)
		*list = arena_grow(a, *list, *count * sizeof value, (*count ? *count * 2 : 1) * sizeof value);
	(*list)[(*count)++] = value;
}

static int by_value(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return a < b ? -1 : a > b;
}

static bool take_comparison(
	const struct sock_filter *i, unsigned int holds, struct arena *a, struct seccomp_constants *out)
{
	if (holds & HOLDS_ARCH) {
		if (BPF_OP(i->code) != BPF_JEQ)
			return false;
		add(a, &out->archs, &out->archs_count, i->k);
	}
	if (holds & HOLDS_NUMBER) {
		/* A test of bits is a comparison only when nothing but the highest bits is tested. */
		if (BPF_OP(i->code) == BPF_JSET && i->k != 0x40000000u)
			return false;
		append(a, &out->numbers, &out->numbers_count, i->k);
		if (i->k < UINT32_MAX)
			append(a, &out->numbers, &out->numbers_count, i->k + 1);
	}
	for (int w = 0; w < 12; w++)
		if (holds & (unsigned int)HOLDS_WORD << w)
			add(a, &out->words[w], &out->words_count[w], i->k);
	return true;
}

bool seccomp_constants(const struct seccomp_program *in, struct arena *a, struct seccomp_constants *out)
{
	/* Jumps go forward only: one pass knows what the accumulator may hold at each instruction. */
	uint16_t *holds = arena_array(a, uint16_t, in->count + 1);
	static const uint32_t always[] = {0, 0x3fffffffu, 0x40000000u, 0x7fffffffu, 0x80000000u, 0xc0000000u};

	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		append(a, &out->numbers, &out->numbers_count, always[i]);
	for (size_t pc = 0; pc < in->count; pc++) {
		const struct sock_filter *i = &in->insns[pc];
		unsigned int now = holds[pc];
		size_t t = pc + 1, f = t;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k == offsetof(struct seccomp_data, arch))
				now = HOLDS_ARCH;
			else if (i->k == offsetof(struct seccomp_data, nr))
				now = HOLDS_NUMBER;
			else if (i->k >= ARGS_OFFSET && i->k % 4 == 0 && i->k < ARGS_OFFSET + 48)
				now = (unsigned int)HOLDS_WORD << (i->k - ARGS_OFFSET) / 4;
			else
				return false;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			if (now & (HOLDS_ARCH | HOLDS_NUMBER))
				return false;
			break;
		case BPF_JMP | BPF_JA:
			if (i->k >= in->count - pc - 1)
				return false;
			t = f = pc + 1 + i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			if (!take_comparison(i, now, a, out))
				return false;
			t = pc + 1 + i->jt;
			f = pc + 1 + i->jf;
			break;
		case BPF_RET | BPF_K:
			continue;
		default:
			return false;
		}
		if (t >= in->count || f >= in->count)
			return false;
		holds[t] |= (uint16_t)now;
		holds[f] |= (uint16_t)now;
	}
	qsort(out->numbers, out->numbers_count, sizeof *out->numbers, by_value);
	for (size_t i = 0, n = 0; i < out->numbers_count; i++) {
		if (i == 0 || out->numbers[i] != out->numbers[n - 1])
			out->numbers[n++] = out->numbers[i];
		if (i + 1 == out->numbers_count) {
			out->numbers_count = n;
			break;
		}
	}
	return true;
}

struct comparison {
	const struct seccomp_program *x, *y;
	struct seccomp_constants c;
	uint32_t *values[12];
	size_t values_count[12];
	uint64_t random;
};

static bool agree(const struct comparison *s, const struct seccomp_data *d, bool *looked)
{
	uint32_t rx, ry;

	return seccomp_run(s->x, d, &rx, looked) && seccomp_run(s->y, d, &ry, looked) && rx == ry;
}

static void set_word(struct seccomp_data *d, size_t word, uint32_t value)
{
	memcpy((char *)d->args + 4 * word, &value, 4);
}

static uint32_t choose(struct comparison *s, size_t word)
{
	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	return s->values[word][(s->random >> 33) % s->values_count[word]];
}

static bool agree_on_arguments(struct comparison *s, struct seccomp_data *d)
{
	for (size_t arg = 0; arg < 6; arg++) {
		for (size_t i = 0; i < s->values_count[2 * arg]; i++) {
			for (size_t k = 0; k < s->values_count[2 * arg + 1]; k++) {
				set_word(d, 2 * arg, s->values[2 * arg][i]);
				set_word(d, 2 * arg + 1, s->values[2 * arg + 1][k]);
				if (!agree(s, d, NULL))
					return false;
			}
		}
	}
	for (int n = 0; n < SAMPLES; n++) {
		for (size_t word = 0; word < 12; word++)
			set_word(d, word, choose(s, word));
		if (!agree(s, d, NULL))
			return false;
	}
	return true;
}

bool seccomp_equal(const struct seccomp_program *x, const struct seccomp_program *y, struct arena *a)
{
	struct comparison s = {.x = x, .y = y, .random = 1};

	if (!seccomp_constants(x, a, &s.c) || !seccomp_constants(y, a, &s.c))
		return false;
	for (int w = 0; w < 12; w++) {
		add(a, &s.values[w], &s.values_count[w], 0);
		add(a, &s.values[w], &s.values_count[w], UINT32_MAX);
		for (size_t i = 0; i < s.c.words_count[w]; i++) {
			uint32_t k = s.c.words[w][i];

			add(a, &s.values[w], &s.values_count[w], k - 1);
			add(a, &s.values[w], &s.values_count[w], k);
			add(a, &s.values[w], &s.values_count[w], k + 1);
			add(a, &s.values[w], &s.values_count[w], ~k);
		}
	}
	add(a, &s.c.archs, &s.c.archs_count, 0);
	for (size_t i = 0; i < s.c.archs_count; i++) {
		for (size_t k = 0; k < s.c.numbers_count; k++) {
			struct seccomp_data d = {.nr = (int)s.c.numbers[k], .arch = s.c.archs[i]};
			bool looked = false;

			if (!agree(&s, &d, &looked) || (looked && !agree_on_arguments(&s, &d)))
				return false;
		}
	}
	return true;
}
