/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a pattern is a row of elements: a character, "?" (one character) or "*" (any number of them);
 * neither of the two matches a newline.  "\*", "\?" and "\\" stand for themselves, "\/" and "\}" too, because the word
 * they come from needs them escaped; any other escape is an error, and brackets mean nothing.  A match is found by
 * keeping the set of elements that can come next (an NFA, no backtracking), so that the work is at most characters
 * times elements; that product is counted against a budget, since both come from the file.
 *
 * With only "*" and "?" the longest match is the one that a greedy regular expression finds, and the shortest one that
 * of a reluctant one, which is how other builders define it.
 */
#include "image-tools/dockerfile/pattern.h"

#include <errno.h>

#include "image-tools/dockerfile/unicode.h"

#define STAR 0x80000001u
#define ANY 0x80000002u
#define NO_UTF8 0x00200000u /* + the byte: equal only to itself */

struct characters {
	uint32_t *c;
	size_t *at; /* byte offset of each, and the length behind the last */
	size_t count;
};

static void decode(struct arena *a, const char *s, size_t len, struct characters *cs)
{
	cs->c = arena_array(a, uint32_t, len + 1);
	cs->at = arena_array(a, size_t, len + 1);
	cs->count = 0;
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t n = utf8_next(s + i, len - i, &c);

		cs->c[cs->count] = c == UTF8_INVALID ? NO_UTF8 + (unsigned char)s[i] : c;
		cs->at[cs->count++] = i;
		i += n;
	}
	cs->at[cs->count] = len;
}

static int compile(struct arena *a, const char *pattern, size_t len, struct characters *el, struct error *err)
{
	struct characters in;
	size_t n = 0;

	decode(a, pattern, len, &in);
	el->c = arena_array(a, uint32_t, in.count + 1);
	for (size_t i = 0; i < in.count; i++) {
		uint32_t c = in.c[i];

		if (c == '*') {
			if (n == 0 || el->c[n - 1] != STAR)
				el->c[n++] = STAR;
			continue;
		}
		if (c == '?') {
			el->c[n++] = ANY;
			continue;
		}
		if (c == '\\') {
			uint32_t next = i + 1 < in.count ? in.c[i + 1] : 0;

			if (next == '}' || next == '/')
				continue;
			if (next != '*' && next != '?' && next != '\\')
				return error_set(err, ERR_CONFIG, EINVAL,
					"pattern \"%.*s\": a backslash may stand only before * ? \\ / and }",
					(int)(len > 80 ? 80 : len), pattern);
			c = next;
			i++;
		}
		el->c[n++] = c;
	}
	el->count = n;
	return 0;
}

static void close_over_stars(const struct characters *el, bool *state)
{
	for (size_t j = 0; j < el->count; j++)
		if (state[j] && el->c[j] == STAR)
			state[j + 1] = true;
}

/* Length in characters of the match that begins at from (and goes on to higher indices, or lower ones), or -1. */
static long match_at(const struct characters *el, const struct characters *v, size_t from, bool backwards, bool longest,
	bool *state, uint64_t *steps)
{
	size_t m = el->count, available = backwards ? from : v->count - from;
	long found = -1;

	memset(state, 0, m + 1);
	state[0] = true;
	close_over_stars(el, state);
	for (size_t k = 0;; k++) {
		uint32_t c;
		bool alive = false;

		if (state[m]) {
			found = (long)k;
			if (!longest)
				return found;
		}
		if (k == available)
			return found;
		if (*steps < m + 1) {
			*steps = 0;
			return found;
		}
		*steps -= m + 1;
		c = backwards ? v->c[from - 1 - k] : v->c[from + k];
		state[m] = false;
		for (size_t j = m; j-- > 0;) {
			if (!state[j])
				continue;
			state[j] = el->c[j] == STAR && c != '\n';
			if (el->c[j] != STAR && (el->c[j] == ANY ? c != '\n' : el->c[j] == c))
				state[j + 1] = true;
			alive |= state[j] | state[j + 1];
		}
		if (!alive)
			return found;
		close_over_stars(el, state);
	}
}

static int too_much(struct error *err)
{
	return error_set(err, ERR_CONFIG, E2BIG, "matching patterns in this word takes too long");
}

int pattern_trim(const char *pattern, size_t pattern_len, const char *value, enum pattern_end end, bool longest,
	struct text *out, uint64_t *steps, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena scratch = ARENA_INIT;
	struct characters el, v;
	int r = compile(&scratch, pattern, pattern_len, &el, err);
	bool *state;
	long n;

	if (r < 0)
		return r;
	decode(&scratch, value, strlen(value), &v);
	if (end == PATTERN_SUFFIX)
		for (size_t i = 0; i < el.count / 2; i++) {
			uint32_t c = el.c[i];

			el.c[i] = el.c[el.count - 1 - i];
			el.c[el.count - 1 - i] = c;
		}
	state = arena_array(&scratch, bool, el.count + 1);
	n = match_at(&el, &v, end == PATTERN_SUFFIX ? v.count : 0, end == PATTERN_SUFFIX, longest, state, steps);
	if (*steps == 0)
		return too_much(err);
	if (n < 0)
		n = 0;
	if (end == PATTERN_SUFFIX)
		text_add(out, value, v.at[v.count - (size_t)n]);
	else
		text_add(out, value + v.at[n], v.at[v.count] - v.at[n]);
	return 0;
}

int pattern_replace(const char *pattern, size_t pattern_len, const char *value, const char *by, size_t by_len, bool all,
	size_t limit, struct text *out, uint64_t *steps, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena scratch = ARENA_INIT;
	struct characters el, v;
	size_t copied = 0, begin = out->len; /* value[0 .. at[copied]) is in out */
	int r = compile(&scratch, pattern, pattern_len, &el, err);
	bool *state;

	if (r < 0)
		return r;
	decode(&scratch, value, strlen(value), &v);
	state = arena_array(&scratch, bool, el.count + 1);
	for (size_t i = 0; i <= v.count;) {
		bool hopeless = el.count && el.c[0] != STAR && el.c[0] != ANY && (i == v.count || v.c[i] != el.c[0]);
		long n = hopeless ? -1 : match_at(&el, &v, i, false, true, state, steps);

		if (*steps == 0)
			return too_much(err);
		if (n < 0) {
			i++;
			continue;
		}
		text_add(out, value + v.at[copied], v.at[i] - v.at[copied]);
		/* an empty match directly behind another match is no match */
		if (i + (size_t)n > copied || i == 0)
			text_add(out, by, by_len);
		copied = i + (size_t)n;
		if (out->len - begin > limit)
			return error_set(err, ERR_CONFIG, E2BIG, "the result is longer than %zu bytes", limit);
		if (!all)
			break;
		i = n ? copied : i + 1;
	}
	text_add(out, value + v.at[copied], v.at[v.count] - v.at[copied]);
	return 0;
}
