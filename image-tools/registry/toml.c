/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a recursive descent over a NUL-terminated text; each header
 * and each "key = value" becomes one item of a flat list, in the file's order, and
 * the readers of the two formats pick what they know.
 */
#include "image-tools/registry/toml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 16
#define NESTING_MAX 32

struct parser {
	struct arena *a;
	char *p; /* in a copy of the text that strings are decoded in */
	const char *name;
	unsigned int line;
	struct toml *t;
	size_t capacity, section;
	const char **table;
	bool array;
	struct error *err;
};

static int complain(struct parser *s, const char *what)
{
	return error_set(s->err, ERR_CONFIG, EINVAL, "%s: line %u: %s", s->name, s->line, what);
}

static void blanks(struct parser *s)
{
	while (*s->p == ' ' || *s->p == '\t')
		s->p++;
}

/* Blanks, line ends and comments. */
static void space(struct parser *s)
{
	for (;;) {
		blanks(s);
		if (*s->p == '#')
			s->p += strcspn(s->p, "\n");
		else if (*s->p == '\r' && s->p[1] == '\n')
			s->p++;
		else if (*s->p == '\n')
			s->line++, s->p++;
		else
			return;
	}
}

static struct toml_item *add(struct parser *s)
{
	struct toml *t = s->t;

	if (t->count == s->capacity) {
		size_t bigger = s->capacity ? s->capacity * 2 : 32;

		t->items = arena_grow(s->a, t->items, s->capacity * sizeof *t->items, bigger * sizeof *t->items);
		s->capacity = bigger;
	}
	t->items[t->count] = (struct toml_item){ .table = s->table, .section = s->section, .array = s->array };
	return &t->items[t->count++];
}

static char *put_utf8(char *out, unsigned long c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* Behind a backslash. */
static int escape(struct parser *s, bool multi, char **out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *known = *s->p ? strchr(from, *s->p) : NULL;
	size_t digits = *s->p == 'u' ? 4 : *s->p == 'U' ? 8 : 0;
	char hex[9];

	if (known) {
		*(*out)++ = to[known - from];
		s->p++;
		return 0;
	}
	if (digits && strspn(s->p + 1, "0123456789abcdefABCDEF") >= digits) {
		unsigned long c;

		memcpy(hex, s->p + 1, digits);
		hex[digits] = '\0';
		c = strtoul(hex, NULL, 16);
		if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return complain(s, "invalid character in a string");
		*out = put_utf8(*out, c);
		s->p += 1 + digits;
		return 0;
	}
	if (multi && (*s->p == '\n' || *s->p == ' ' || *s->p == '\t' || *s->p == '\r')) {
		blanks(s);
		if (*s->p != '\n' && *s->p != '\r')
			return complain(s, "invalid escape in a string");
		for (; *s->p && isspace((unsigned char)*s->p); s->p++)
			s->line += *s->p == '\n';
		return 0;
	}
	return complain(s, "invalid escape in a string");
}

static int string(struct parser *s, const char **value, bool multi_allowed)
{
	char quote = *s->p, *out, *start;
	bool multi = multi_allowed && s->p[1] == quote && s->p[2] == quote;

	s->p += multi ? 3 : 1;
	if (multi && *s->p == '\r' && s->p[1] == '\n')
		s->p++;
	if (multi && *s->p == '\n')
		s->line++, s->p++;
	/* Decoded in place: nothing is longer than what stands for it. */
	out = start = s->p;
	for (;;) {
		if (!*s->p || (!multi && *s->p == '\n'))
			return complain(s, "a string does not end");
		if (*s->p == quote && (!multi || (s->p[1] == quote && s->p[2] == quote && s->p[3] != quote))) {
			s->p += multi ? 3 : 1;
			break;
		}
		if (*s->p == '\\' && quote == '"') {
			int r;

			s->p++;
			r = escape(s, multi, &out);
			if (r < 0)
				return r;
			continue;
		}
		s->line += *s->p == '\n';
		*out++ = *s->p++;
	}
	*out = '\0';
	*value = start;
	return 0;
}

/* a."b c".d: parts, and the last one of them. */
static int key(struct parser *s, const char **parts, size_t *n)
{
	for (*n = 0;;) {
		size_t len = strspn(s->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
		int r = 0;

		if (*n == PARTS_MAX - 1)
			return complain(s, "a key has too many parts");
		if (*s->p == '"' || *s->p == '\'') {
			r = string(s, &parts[*n], false);
		} else if (len) {
			parts[*n] = arena_strndup(s->a, s->p, len);
			s->p += len;
		} else {
			r = complain(s, "a key expected");
		}
		if (r < 0)
			return r;
		parts[++*n] = NULL;
		blanks(s);
		if (*s->p != '.')
			return 0;
		s->p++;
		blanks(s);
	}
}

static int value(struct parser *s, struct toml_item *item, int depth);

static int array(struct parser *s, struct toml_item *item, int depth)
{
	bool only_strings = true, only_lists = true;

	for (s->p++;;) {
		struct toml_item inner = { 0 };
		int r;

		space(s);
		if (*s->p == ']')
			break;
		r = value(s, &inner, depth + 1);
		if (r < 0)
			return r;
		only_strings &= inner.kind == TOML_STRING;
		only_lists &= inner.kind == TOML_STRINGS;
		if (inner.kind == TOML_STRING)
			string_list_add(s->a, &item->strings, inner.string);
		else if (inner.kind == TOML_STRINGS && item->lists_count++ == 0)
			item->strings = inner.strings;
		space(s);
		if (*s->p == ',')
			s->p++;
		else if (*s->p != ']')
			return complain(s, "a comma or the end of an array expected");
	}
	s->p++;
	item->kind = only_strings ? TOML_STRINGS : only_lists ? TOML_LISTS : TOML_OTHER;
	return 0;
}

static int inline_table(struct parser *s, int depth)
{
	for (s->p++;;) {
		const char *parts[PARTS_MAX];
		struct toml_item inner = { 0 };
		size_t n;
		int r;

		space(s);
		if (*s->p == '}')
			break;
		r = key(s, parts, &n);
		if (r == 0 && *s->p++ != '=')
			r = complain(s, "\"=\" expected");
		blanks(s);
		if (r == 0)
			r = value(s, &inner, depth + 1);
		if (r < 0)
			return r;
		space(s);
		if (*s->p == ',')
			s->p++;
		else if (*s->p != '}')
			return complain(s, "a comma or the end of a table expected");
	}
	s->p++;
	return 0;
}

static int value(struct parser *s, struct toml_item *item, int depth)
{
	size_t n = strspn(s->p, "+-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:.");

	if (depth > NESTING_MAX)
		return complain(s, "nested too deeply");
	if (*s->p == '"' || *s->p == '\'') {
		item->kind = TOML_STRING;
		return string(s, &item->string, true);
	}
	item->kind = TOML_OTHER;
	if (*s->p == '[')
		return array(s, item, depth);
	if (*s->p == '{')
		return inline_table(s, depth);
	if (n == 0)
		return complain(s, "a value expected");
	item->string = arena_strndup(s->a, s->p, n);
	if (strcmp(item->string, "true") == 0 || strcmp(item->string, "false") == 0) {
		item->kind = TOML_BOOL;
		item->boolean = *item->string == 't';
	} else if (strspn(item->string, "+-0123456789_") == n) {
		item->kind = TOML_NUMBER;
	} else if (!isdigit((unsigned char)*item->string) && *item->string != '+' && *item->string != '-' &&
		strcmp(item->string, "inf") != 0 && strcmp(item->string, "nan") != 0) {
		return complain(s, "a value expected");
	}
	s->p += n;
	return 0;
}

static int header(struct parser *s)
{
	const char *parts[PARTS_MAX];
	size_t n;
	int r;

	s->array = s->p[1] == '[';
	s->p += s->array ? 2 : 1;
	blanks(s);
	r = key(s, parts, &n);
	if (r < 0)
		return r;
	if (*s->p != ']' || (s->array && s->p[1] != ']'))
		return complain(s, "the end of a table's name expected");
	s->p += s->array ? 2 : 1;
	s->table = arena_array(s->a, const char *, n + 1);
	memcpy(s->table, parts, (n + 1) * sizeof *parts);
	s->section++;
	add(s);
	return 0;
}

static int assignment(struct parser *s)
{
	const char *parts[PARTS_MAX], **outer = s->table;
	struct toml_item read = { 0 }, *item;
	size_t n, depth = 0;
	int r = key(s, parts, &n);

	if (r < 0)
		return r;
	if (*s->p++ != '=')
		return complain(s, "\"=\" expected");
	blanks(s);
	r = value(s, &read, 0);
	if (r < 0)
		return r;
	/* a.b = 1 below [c] is b below c.a */
	while (outer[depth])
		depth++;
	if (n > 1) {
		const char **longer = arena_array(s->a, const char *, depth + n);

		memcpy(longer, outer, depth * sizeof *outer);
		memcpy(longer + depth, parts, (n - 1) * sizeof *parts);
		s->table = longer;
	}
	item = add(s);
	s->table = outer;
	item->key = parts[n - 1];
	item->kind = read.kind;
	item->string = read.string;
	item->boolean = read.boolean;
	item->strings = read.strings;
	return 0;
}

int toml_parse(struct arena *a, const char *text, size_t len, const char *name, struct toml *t, struct error *err)
{
	static const char *const top[] = { NULL };
	struct parser s = { .a = a, .p = arena_strndup(a, text, len), .name = name, .line = 1, .t = t, .table = (const char **)top, .err = err };

	*t = (struct toml){ 0 };
	if (strlen(s.p) != len)
		return complain(&s, "a NUL byte");
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		s.p += 3;
	for (;;) {
		int r;

		space(&s);
		if (!*s.p)
			return 0;
		r = *s.p == '[' ? header(&s) : assignment(&s);
		if (r < 0)
			return r;
		blanks(&s);
		if (*s.p == '\r' && s.p[1] == '\n')
			s.p++;
		if (*s.p && *s.p != '\n' && *s.p != '#')
			return complain(&s, "something behind the value");
	}
}
