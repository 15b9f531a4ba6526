/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: yajl_gen does commas, escapes and indentation; its output
 * is appended to a buffer in the arena, and its own little memory comes from
 * there as well, so that a writer that is dropped half-way leaks nothing.
 */
#include "base/json_write.h"
#include "base/json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

static void append(void *ctx, const char *s, size_t n)
{
	struct json_writer *w = ctx;

	if (n >= w->capacity - w->len) {
		size_t capacity = w->capacity * 2 > w->len + n + 1 ? w->capacity * 2 : w->len + n + 1;

		w->text = arena_grow(w->arena, w->text, w->len, capacity);
		w->capacity = capacity;
	}
	memcpy(w->text + w->len, s, n);
	w->len += n;
}

static void *gen_new(void *ctx, size_t n)
{
	return arena_alloc(ctx, n);
}

static void *gen_grow(void *ctx, void *old, size_t n)
{
	/* yajl_gen grows only the buffer that the print callback replaces. */
	(void)ctx;
	(void)old;
	(void)n;
	abort();
}

static void gen_release(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

/* Anything but success is a caller that writes what is no JSON. */
static void must(yajl_gen_status status)
{
	if (status != yajl_gen_status_ok)
		abort();
}

void json_writer_init(struct json_writer *w, struct arena *a, bool indented)
{
	yajl_alloc_funcs memory = {.malloc = gen_new, .realloc = gen_grow, .free = gen_release, .ctx = a};

	*w = (struct json_writer){.arena = a, .capacity = 1024};
	w->text = arena_alloc(a, w->capacity);
	w->gen = yajl_gen_alloc(&memory);
	yajl_gen_config(w->gen, yajl_gen_print_callback, append, w);
	yajl_gen_config(w->gen, yajl_gen_beautify, indented);
	if (indented)
		yajl_gen_config(w->gen, yajl_gen_indent_string, "  ");
}

const char *json_writer_finish(struct json_writer *w, size_t *len)
{
	append(w, "", 1);
	w->len--;
	if (len)
		*len = w->len;
	yajl_gen_free(w->gen);
	w->gen = NULL;
	return w->text;
}

void json_write_object(struct json_writer *w)
{
	must(yajl_gen_map_open(w->gen));
}

void json_write_end_object(struct json_writer *w)
{
	must(yajl_gen_map_close(w->gen));
}

void json_write_array(struct json_writer *w)
{
	must(yajl_gen_array_open(w->gen));
}

void json_write_end_array(struct json_writer *w)
{
	must(yajl_gen_array_close(w->gen));
}

void json_write_key(struct json_writer *w, const char *name)
{
	json_write_string_n(w, name, strlen(name));
}

void json_write_string(struct json_writer *w, const char *s)
{
	if (s)
		json_write_string_n(w, s, strlen(s));
	else
		json_write_null(w);
}

void json_write_string_n(struct json_writer *w, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len, *q = p;
	unsigned char *fixed, *o;
	size_t n;

	while (q < end && (n = json_utf8_sequence(q, end)))
		q += n;
	if (q == end) {
		must(yajl_gen_string(w->gen, p, len));
		return;
	}
	fixed = o = (unsigned char *)arena_calloc(w->arena, len, 3);
	while (p < end) {
		n = json_utf8_sequence(p, end);
		memcpy(o, n ? p : (const unsigned char *)"\xef\xbf\xbd", n ? n : 3);
		o += n ? n : 3;
		p += n ? n : 1;
	}
	must(yajl_gen_string(w->gen, fixed, (size_t)(o - fixed)));
}

void json_write_i64(struct json_writer *w, int64_t v)
{
	must(yajl_gen_integer(w->gen, v));
}

void json_write_u64(struct json_writer *w, uint64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%" PRIu64, v);

	must(yajl_gen_number(w->gen, text, (size_t)n));
}

void json_write_bool(struct json_writer *w, bool v)
{
	must(yajl_gen_bool(w->gen, v));
}

void json_write_null(struct json_writer *w)
{
	must(yajl_gen_null(w->gen));
}

void json_write_raw(struct json_writer *w, const char *json, size_t len)
{
	must(yajl_gen_number(w->gen, json, len));
}

void json_write_member_string(struct json_writer *w, const char *name, const char *s)
{
	json_write_key(w, name);
	json_write_string(w, s);
}

void json_write_member_i64(struct json_writer *w, const char *name, int64_t v)
{
	json_write_key(w, name);
	json_write_i64(w, v);
}

void json_write_member_u64(struct json_writer *w, const char *name, uint64_t v)
{
	json_write_key(w, name);
	json_write_u64(w, v);
}

void json_write_member_bool(struct json_writer *w, const char *name, bool v)
{
	json_write_key(w, name);
	json_write_bool(w, v);
}

void json_write_member_object(struct json_writer *w, const char *name)
{
	json_write_key(w, name);
	json_write_object(w);
}

void json_write_member_array(struct json_writer *w, const char *name)
{
	json_write_key(w, name);
	json_write_array(w);
}
