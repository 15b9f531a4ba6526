/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the list of errors that a reader or a check collects,
 * its conversion into the one struct error that a program prints, and the two
 * look-ups in tables of names.
 */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void json_errors_vadd(struct json_errors *errors, struct arena *a, const char *path, const char *fmt, va_list ap)
{
	struct json_error *e;

	if (errors->count == JSON_MAX_ERRORS) {
		errors->dropped++;
		return;
	}
	if (errors->count == errors->capacity) {
		size_t capacity = errors->capacity ? errors->capacity * 2 : 8;

		errors->items = arena_grow(
			a, errors->items, errors->capacity * sizeof *errors->items, capacity * sizeof *errors->items);
		errors->capacity = capacity;
	}
	e = &errors->items[errors->count++];
	e->path = arena_strdup(a, path);
	e->msg = arena_vprintf(a, fmt, ap);
}

void json_errors_add(struct json_errors *errors, struct arena *a, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	json_errors_vadd(errors, a, path, fmt, ap);
	va_end(ap);
}

int json_errors_first(const struct json_errors *errors, enum error_code code, const char *more, struct error *err)
{
	size_t others;
	const struct json_error *e;

	if (errors->count == 0)
		return 0;
	e = &errors->items[0];
	others = errors->count - 1 + errors->dropped;
	if (others == 0)
		error_set(err, code, EINVAL, "%s%s%s", e->path, *e->path ? ": " : "", e->msg);
	else
		error_set(err, code, EINVAL, "%s%s%s (and %zu more%s%s)", e->path, *e->path ? ": " : "", e->msg, others,
			more ? "; " : "", more ? more : "");
	if (*e->path)
		error_path(err, "%s", e->path);
	return -EINVAL;
}

const char *json_quote_n(struct arena *a, const char *s, size_t len)
{
	enum { LONGEST = 64 };
	char out[LONGEST * 6 + 8], *o = out;
	size_t n = len < LONGEST ? len : LONGEST;

	/* Do not cut through a character. */
	while (n < len && n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	*o++ = '"';
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			*o++ = '\\';
		if (c < 0x20 || c == 0x7f)
			o += snprintf(o, 7, "\\u%04x", c);
		else
			*o++ = (char)c;
	}
	*o++ = '"';
	*o = '\0';
	return arena_printf(a, "%s%s", out, n < len ? "..." : "");
}

const char *json_quote(struct arena *a, const char *s)
{
	return json_quote_n(a, s, strlen(s));
}

bool json_enum_find(const struct json_enum *e, const char *s, size_t len, int64_t *value)
{
	for (const struct json_name *n = e->names; n->name; n++) {
		if (strncmp(n->name, s, len) == 0 && n->name[len] == '\0') {
			*value = n->value;
			return true;
		}
	}
	return false;
}

const char *json_enum_name(const struct json_enum *e, int64_t value)
{
	for (const struct json_name *n = e->names; n->name; n++)
		if (n->value == value)
			return n->name;
	return NULL;
}
