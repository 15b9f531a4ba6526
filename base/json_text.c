/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what JSON text needs besides a parser.  yajl's own check
 * of UTF-8 lets overlong forms and surrogates pass and turns half a surrogate
 * pair into "?" (and old versions read beyond the buffer there), so the whole
 * document is checked before yajl sees it, eight bytes at a time where nothing
 * but plain ASCII is.  Numbers stay text until the wanted type is known: no
 * integer ever passes through a double.
 */
#include "base/json_text.h"

#include <string.h>

size_t json_utf8_sequence(const unsigned char *p, const unsigned char *end)
{
	size_t n = (size_t)(end - p);

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2)
		return 0;
	if (p[0] < 0xe0)
		return n >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if (p[0] < 0xf0) {
		if (n < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
			return 0;
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0))
			return 0;
		return 3;
	}
	if (p[0] > 0xf4 || n < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
		return 0;
	if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return 4;
}

static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Value of \uXXXX at p, or -1 when it is something else (which the parser will judge). */
static int escape_value(const unsigned char *p, const unsigned char *end)
{
	int v = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int d = hex_digit(p[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* True when one of the eight bytes at p is a backslash or not ASCII. */
static bool word_needs_care(const unsigned char *p)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t w, x;

	memcpy(&w, p, sizeof w);
	x = w ^ (ones * '\\');
	return ((w | ((x - ones) & ~x)) & tops) != 0;
}

const char *json_text_check(const char *buf, size_t len, size_t *at)
{
	const unsigned char *start = (const unsigned char *)buf, *p = start, *end = start + len;

	*at = 0;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		return "the document starts with a byte order mark";
	while (p < end) {
		while (end - p >= 8 && !word_needs_care(p))
			p += 8;
		if (p == end)
			break;
		*at = (size_t)(p - start);
		if (*p == '\\') {
			int v = escape_value(p, end);

			if (v >= 0xd800 && v <= 0xdbff) {
				int low = escape_value(p + 6, end);

				if (low < 0xdc00 || low > 0xdfff)
					return "half a surrogate pair in a string";
				p += 12;
			} else if (v >= 0xdc00 && v <= 0xdfff) {
				return "half a surrogate pair in a string";
			} else {
				p += v >= 0 ? 6 : (end - p >= 2 && p[1] < 0x80 ? 2 : 1);
			}
		} else {
			size_t n = json_utf8_sequence(p, end);

			if (n == 0)
				return "invalid UTF-8";
			p += n;
		}
	}
	return NULL;
}

void json_text_position(const char *buf, size_t len, size_t at, size_t *line, size_t *column)
{
	const char *p = buf, *nl;

	if (at > len)
		at = len;
	*line = 1;
	while ((nl = memchr(p, '\n', (size_t)(buf + at - p)))) {
		++*line;
		p = nl + 1;
	}
	*column = (size_t)(buf + at - p) + 1;
}

/* The decimal exponent after 'e', clamped to ±100000 (more digits than any document has). */
static long parse_exponent(const char *s, const char *end)
{
	bool negative = false;
	long e = 0;

	if (s < end && (*s == '+' || *s == '-'))
		negative = *s++ == '-';
	for (; s < end; s++)
		if (e < 100000000)
			e = e * 10 + (*s - '0');
	return negative ? -e : e;
}

enum json_integer json_parse_integer(const char *s, size_t len, bool *negative, uint64_t *magnitude)
{
	const char *end = s + len, *p, *mantissa_end, *first = NULL, *last = NULL;
	long scale = 0; /* power of ten of the last significant digit */
	bool fraction = false;
	uint64_t v = 0;

	*negative = s < end && *s == '-';
	if (*negative)
		s++;
	for (p = s; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		scale -= fraction;
		if (*p != '0') {
			first = first ? first : p;
			last = p;
		}
	}
	mantissa_end = p;
	*magnitude = 0;
	if (!first) {
		*negative = false;
		return JSON_INTEGER_OK;
	}
	/* Zeros after the last significant digit. */
	for (p = mantissa_end - 1; p > last; p--)
		scale += *p != '.';
	if (mantissa_end < end)
		scale += parse_exponent(mantissa_end + 1, end);
	if (scale < 0)
		return JSON_INTEGER_FRACTION;
	for (p = first; p <= last; p++) {
		if (*p == '.')
			continue;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (unsigned)(*p - '0'), &v))
			return JSON_INTEGER_HUGE;
	}
	for (; scale > 0; scale--)
		if (__builtin_mul_overflow(v, 10u, &v))
			return JSON_INTEGER_HUGE;
	*magnitude = v;
	return JSON_INTEGER_OK;
}
