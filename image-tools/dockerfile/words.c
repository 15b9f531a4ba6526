/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the four ways in which the language splits the arguments of an instruction, and the one of its
 * flags' values.  None of them interprets quotes: a word keeps them for expand.c.  Flags are the exception: quotes and
 * backslashes in them are removed here, once, which is why a quote inside a --mount value needs a backslash.
 *
 * The JSON form is tried whenever the text begins with "["; what is no JSON is not an error but the shell's ("[ -f x ]"
 * is a test), while an array that is JSON and holds something else than strings is one.
 */
#include <errno.h>
#include <string.h>

#include "image-tools/dockerfile/internal.h"

#define JSON_DEPTH 64 /* of values that are not strings and lead to an error anyway */

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n');
}

bool find_blanks(const char *text, size_t *begin, size_t *end)
{
	size_t i = 0;

	while (text[i] && !is_blank(text[i]))
		i++;
	*begin = i;
	while (is_blank(text[i]))
		i++;
	*end = i;
	return *end > *begin;
}

void split_blanks(struct arena *a, const char *text, struct string_list *out)
{
	size_t begin, end;

	*out = (struct string_list){ 0 };
	if (!*text)
		return;
	while (find_blanks(text, &begin, &end)) {
		list_add(a, out, arena_strndup(a, text, begin));
		text += end;
	}
	list_add(a, out, arena_strdup(a, text));
}

void split_words(struct arena *a, const char *s, char escape, struct string_list *out)
{
	struct text word = { .arena = a };
	const char *end = s + strlen(s);
	bool quoted = false; /* the word had quotes: it counts even when it is empty */
	char quote = 0;

	*out = (struct string_list){ 0 };
	while (s < end) {
		uint32_t c;
		size_t n = utf8_next(s, (size_t)(end - s), &c);

		if (!quote && unicode_is_space(c)) {
			if (quoted || word.len)
				list_add(a, out, arena_strndup(a, word.data, word.len));
			word.len = 0;
			quoted = false;
			s += n;
			continue;
		}
		if (*s == escape && quote != '\'') {
			/* the pair goes into the word as it is; an escape at the very end is dropped */
			s++;
			if (s == end)
				break;
			text_add_char(&word, escape);
			n = utf8_next(s, (size_t)(end - s), &c);
		} else if (quote ? *s == quote : *s == '\'' || *s == '"') {
			quoted = true;
			quote = quote ? 0 : *s;
		}
		text_add(&word, s, n);
		s += n;
	}
	if (quoted || word.len)
		list_add(a, out, arena_strndup(a, word.data, word.len));
}

static bool is_latin_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

const char *split_flags(struct arena *a, const char *s, struct string_list *flags)
{
	*flags = (struct string_list){ 0 };
	for (;;) {
		struct text word = { .arena = a };
		bool quoted = false;
		char quote = 0;

		while (is_latin_space(*s))
			s++;
		if (s[0] != '-' || s[1] != '-')
			return s;
		for (; *s && (quote || !is_latin_space(*s)); s++) {
			if (*s == '\\') {
				if (!s[1])
					continue;
				s++;
			} else if (quote ? *s == quote : *s == '\'' || *s == '"') {
				quoted = true;
				quote = quote ? 0 : *s;
				continue;
			}
			text_add_char(&word, *s);
		}
		if (strcmp(text_finish(&word), "--") == 0)
			return s;
		if (quoted || word.len)
			list_add(a, flags, word.data);
	}
}

/* --- JSON ------------------------------------------------------------------------- */

static const char *json_space(const char *s)
{
	while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
		s++;
	return s;
}

static int hex4(const char *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int d = s[i] >= '0' && s[i] <= '9' ? s[i] - '0' :
			s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10 :
			s[i] >= 'A' && s[i] <= 'F' ? s[i] - 'A' + 10 :
						     -1;

		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static void add_utf8(struct text *t, uint32_t c)
{
	char b[4];

	if (c == 0) {
		text_add(t, NUL_IN_JSON, 2);
	} else if (c < 0x80) {
		text_add_char(t, (char)c);
	} else if (c < 0x800) {
		b[0] = (char)(0xc0 | c >> 6);
		b[1] = (char)(0x80 | (c & 0x3f));
		text_add(t, b, 2);
	} else if (c < 0x10000) {
		b[0] = (char)(0xe0 | c >> 12);
		b[1] = (char)(0x80 | (c >> 6 & 0x3f));
		b[2] = (char)(0x80 | (c & 0x3f));
		text_add(t, b, 3);
	} else {
		b[0] = (char)(0xf0 | c >> 18);
		b[1] = (char)(0x80 | (c >> 12 & 0x3f));
		b[2] = (char)(0x80 | (c >> 6 & 0x3f));
		b[3] = (char)(0x80 | (c & 0x3f));
		text_add(t, b, 4);
	}
}

/* Behind "\u": returns what follows, or NULL.  Half a surrogate pair is U+FFFD. */
static const char *json_unicode(const char *s, struct text *out)
{
	int c = hex4(s), low;

	if (c < 0)
		return NULL;
	s += 4;
	if (c >= 0xd800 && c <= 0xdbff && s[0] == '\\' && s[1] == 'u' && (low = hex4(s + 2)) >= 0xdc00 && low <= 0xdfff) {
		add_utf8(out, 0x10000 + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
		return s + 6;
	}
	add_utf8(out, c >= 0xd800 && c <= 0xdfff ? 0xfffd : (uint32_t)c);
	return s;
}

/* s is behind the quote; returns what follows the closing one, or NULL. */
static const char *json_string(const char *s, struct text *out)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";

	while (s && *s != '"') {
		const char *name;
		uint32_t c;
		size_t n;

		if ((unsigned char)*s < 0x20)
			return NULL;
		if (*s != '\\') {
			n = utf8_next(s, strnlen(s, 4), &c);
			add_utf8(out, c == UTF8_INVALID ? 0xfffd : c);
			s += n;
			continue;
		}
		s++;
		if (*s == 'u') {
			s = json_unicode(s + 1, out);
			continue;
		}
		name = *s ? strchr(names, *s) : NULL;
		if (!name)
			return NULL;
		text_add_char(out, values[name - names]);
		s++;
	}
	return s ? s + 1 : NULL;
}

static const char *json_digits(const char *s)
{
	if (*s < '0' || *s > '9')
		return NULL;
	while (*s >= '0' && *s <= '9')
		s++;
	return s;
}

static const char *json_number(const char *s)
{
	if (*s == '-')
		s++;
	s = *s == '0' ? s + 1 : json_digits(s);
	if (s && *s == '.')
		s = json_digits(s + 1);
	if (s && (*s == 'e' || *s == 'E')) {
		s++;
		s = json_digits(*s == '+' || *s == '-' ? s + 1 : s);
	}
	return s;
}

/* Over any value; NULL when it is none. */
static const char *json_skip(struct arena *a, const char *s, unsigned depth)
{
	struct text ignored = { .arena = a };
	char close = *s == '{' ? '}' : ']';

	if (*s == '"')
		return json_string(s + 1, &ignored);
	if (strncmp(s, "true", 4) == 0 || strncmp(s, "null", 4) == 0)
		return s + 4;
	if (strncmp(s, "false", 5) == 0)
		return s + 5;
	if (*s != '{' && *s != '[')
		return json_number(s);
	if (depth == 0)
		return NULL;
	s = json_space(s + 1);
	if (*s == close)
		return s + 1;
	for (;;) {
		if (close == '}') {
			s = *s == '"' ? json_string(s + 1, &ignored) : NULL;
			if (!s || *(s = json_space(s)) != ':')
				return NULL;
			s = json_space(s + 1);
		}
		s = json_skip(a, s, depth - 1);
		if (!s)
			return NULL;
		s = json_space(s);
		if (*s == close)
			return s + 1;
		if (*s != ',')
			return NULL;
		s = json_space(s + 1);
	}
}

int split_json(struct arena *a, const char *s, struct string_list *out)
{
	size_t len = strlen(s);
	bool strings = true;

	*out = (struct string_list){ 0 };
	unicode_trim_left(&s, &len);
	if (*s != '[')
		return 0;
	s = json_space(s + 1);
	while (*s != ']' || out->count || !strings) {
		struct text item = { .arena = a };

		if (*s == '"') {
			s = json_string(s + 1, &item);
			list_add(a, out, text_finish(&item));
		} else {
			s = json_skip(a, s, JSON_DEPTH);
			strings = false;
		}
		if (!s)
			return 0;
		s = json_space(s);
		if (*s == ']')
			break;
		if (*s != ',')
			return 0;
		s = json_space(s + 1);
	}
	if (*json_space(s + 1))
		return 0;
	return strings ? 1 : -EINVAL;
}

/* --- comma-separated values --------------------------------------------------------- */

int split_csv(struct arena *a, const char *s, struct string_list *out, struct error *err)
{
	*out = (struct string_list){ 0 };
	if (!*s)
		return error_set(err, ERR_CONFIG, EINVAL, "an empty value");
	for (;; s++) {
		struct text field = { .arena = a };

		if (*s == '"') {
			for (s++; *s && (*s != '"' || s[1] == '"'); s++) {
				s += *s == '"';
				text_add_char(&field, *s);
			}
			if (!*s)
				return error_set(err, ERR_CONFIG, EINVAL, "a double quote is not closed");
			s++;
			if (*s && *s != ',')
				return error_set(err, ERR_CONFIG, EINVAL,
					"\"%.20s\": a comma is expected behind a closing quote", s);
		} else {
			for (; *s && *s != ','; s++) {
				if (*s == '"')
					return error_set(err, ERR_CONFIG, EINVAL,
						"a double quote inside a value: quote all of it");
				text_add_char(&field, *s);
			}
		}
		list_add(a, out, text_finish(&field));
		if (!*s)
			return 0;
	}
}
