/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see toml.h.  One pass over the text; errors name the line. */
#include "shim/toml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct toml {
	const char *p, *end;
	int line;
	struct arena *a;
	struct error *err;
	char *scratch; /* as long as the text: no string is longer */
};

static int fail(struct toml *t, const char *what)
{
	return error_set(t->err, ERR_CONFIG, EINVAL, "runtime options, line %d: %s", t->line, what);
}

static bool at_end(const struct toml *t)
{
	return t->p >= t->end;
}

static void skip_space(struct toml *t, bool newlines)
{
	while (!at_end(t)) {
		if (*t->p == '#') {
			while (!at_end(t) && *t->p != '\n')
				t->p++;
		} else if (*t->p == ' ' || *t->p == '\t' || *t->p == '\r') {
			t->p++;
		} else if (*t->p == '\n' && newlines) {
			t->line++;
			t->p++;
		} else {
			break;
		}
	}
}

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | (c >> 18 & 7));
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* Behind a backslash.  Returns NULL for an unknown escape. */
static char *escape(struct toml *t, char *to)
{
	static const char from[] = "btnfr\"\\", into[] = "\b\t\n\f\r\"\\";
	const char *known;
	char c;

	if (at_end(t))
		return NULL;
	c = *t->p++;
	if (c == 'u' || c == 'U') {
		int digits = c == 'u' ? 4 : 8;
		char hex[9] = {0};
		uint32_t value;

		if (t->end - t->p < digits)
			return NULL;
		memcpy(hex, t->p, (size_t)digits);
		if ((int)strspn(hex, "0123456789abcdefABCDEF") != digits)
			return NULL;
		t->p += digits;
		value = (uint32_t)strtoul(hex, NULL, 16);
		return value == 0 || value > 0x10ffff ? NULL : put_utf8(to, value);
	}
	known = strchr(from, c);
	if (!known || !c)
		return NULL;
	*to++ = into[known - from];
	return to;
}

static int read_string(struct toml *t, const char **value)
{
	char quote = *t->p, *to = t->scratch;
	bool basic = quote == '"';
	bool several = t->end - t->p >= 3 && t->p[1] == quote && t->p[2] == quote;

	t->p += several ? 3 : 1;
	if (several && !at_end(t) && *t->p == '\n') {
		t->p++;
		t->line++;
	}
	for (;;) {
		if (at_end(t))
			return fail(t, "a string has no end");
		if (*t->p == quote && (!several || (t->end - t->p >= 3 && t->p[1] == quote && t->p[2] == quote)))
			break;
		if (*t->p == '\n') {
			if (!several)
				return fail(t, "a string has no end");
			t->line++;
		}
		if (*t->p == '\0')
			return fail(t, "a string contains a NUL byte");
		if (basic && *t->p == '\\') {
			t->p++;
			to = escape(t, to);
			if (!to)
				return fail(t, "unknown escape in a string");
			continue;
		}
		*to++ = *t->p++;
	}
	t->p += several ? 3 : 1;
	*value = arena_strndup(t->a, t->scratch, (size_t)(to - t->scratch));
	return 0;
}

/* Arrays and inline tables: to the matching bracket. */
static int skip_brackets(struct toml *t)
{
	int depth = 0;

	do {
		const char *ignored;

		if (at_end(t))
			return fail(t, "a bracket is not closed");
		if (*t->p == '"' || *t->p == '\'') {
			int r = read_string(t, &ignored);

			if (r < 0)
				return r;
			continue;
		}
		if (*t->p == '#') {
			skip_space(t, false);
			continue;
		}
		if (*t->p == '[' || *t->p == '{')
			depth++;
		else if (*t->p == ']' || *t->p == '}')
			depth--;
		else if (*t->p == '\n')
			t->line++;
		t->p++;
	} while (depth > 0);
	return 0;
}

/* Integers (underscores dropped, all bases) and booleans; *value NULL for what is not reported. */
static int read_bare(struct toml *t, const char **value)
{
	char word[64], *end;
	size_t n = 0;
	long long number;

	while (!at_end(t) && !strchr(" \t\r\n#,", *t->p)) {
		if (*t->p != '_') {
			if (n >= sizeof word - 1)
				return fail(t, "a value is too long");
			word[n++] = *t->p;
		}
		t->p++;
	}
	word[n] = '\0';
	*value = NULL;
	if (n == 0)
		return fail(t, "a value is missing");
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
		*value = arena_strdup(t->a, word);
		return 0;
	}
	if (strncmp(word, "0o", 2) == 0)
		number = strtoll(word + 2, &end, 8);
	else if (strncmp(word, "0b", 2) == 0)
		number = strtoll(word + 2, &end, 2);
	else
		number = strtoll(word, &end, strncmp(word, "0x", 2) == 0 ? 16 : 10);
	if (*end == '\0')
		*value = arena_printf(t->a, "%lld", number);
	return 0;
}

static int read_value(struct toml *t, const char **value)
{
	*value = NULL;
	if (at_end(t))
		return fail(t, "a value is missing");
	if (*t->p == '"' || *t->p == '\'')
		return read_string(t, value);
	if (*t->p == '[' || *t->p == '{')
		return skip_brackets(t);
	return read_bare(t, value);
}

/* A dotted key; the last component counts. */
static int read_key(struct toml *t, const char **key)
{
	for (;;) {
		const char *start = t->p;
		int r = 0;

		if (!at_end(t) && (*t->p == '"' || *t->p == '\'')) {
			r = read_string(t, key);
		} else {
			while (!at_end(t) && !strchr(" \t\r\n.=#[]\"'", *t->p))
				t->p++;
			if (t->p == start)
				r = fail(t, "a key is missing");
			*key = arena_strndup(t->a, start, (size_t)(t->p - start));
		}
		if (r < 0)
			return r;
		skip_space(t, false);
		if (at_end(t) || *t->p != '.')
			return 0;
		t->p++;
		skip_space(t, false);
	}
}

int toml_scan(const char *text, size_t len, void (*found)(void *context, const char *key, const char *value),
	void *context, struct arena *a, struct error *err)
{
	struct toml t = {
		.p = text, .end = text + len, .line = 1, .a = a, .err = err, .scratch = arena_alloc(a, len + 1)};
	const char *key, *value;
	int r;

	for (;;) {
		skip_space(&t, true);
		if (at_end(&t))
			return 0;
		if (*t.p == '[') {
			r = skip_brackets(&t);
			if (r < 0)
				return r;
		} else {
			r = read_key(&t, &key);
			if (r < 0)
				return r;
			if (at_end(&t) || *t.p != '=')
				return fail(&t, "'=' is missing after a key");
			t.p++;
			skip_space(&t, false);
			r = read_value(&t, &value);
			if (r < 0)
				return r;
			if (value)
				found(context, key, value);
		}
		skip_space(&t, false);
		if (!at_end(&t) && *t.p != '\n')
			return fail(&t, "text after a value");
	}
}
