/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: yajl's callbacks with a small stack of keys; see json.h. */
#include "shim/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#define NESTING_MAX 512

struct scan {
	struct json_value v;
	char *keys[JSON_DEPTH]; /* malloc; NULL for arrays */
	unsigned char in_array[NESTING_MAX];
	int depth; /* open objects and arrays */
	void (*found)(void *, const struct json_value *);
	void *context;
};

static int report(struct scan *s, enum json_kind kind, const char *text, size_t len)
{
	s->v.kind = kind;
	s->v.depth = s->depth;
	for (int i = 0; i < JSON_DEPTH; i++)
		s->v.key[i] = i < s->depth ? (s->in_array[i] ? "[]" : s->keys[i] ? s->keys[i] : "") : NULL;
	s->v.text = text;
	s->v.len = len;
	s->found(s->context, &s->v);
	return 1;
}

static int on_null(void *ctx)
{
	return report(ctx, JSON_NULL, "", 0);
}

static int on_bool(void *ctx, int b)
{
	return report(ctx, JSON_BOOL, b ? "true" : "false", b ? 4 : 5);
}

static int on_text(struct scan *s, enum json_kind kind, const char *text, size_t len)
{
	char small[256], *copy = len < sizeof small ? small : malloc(len + 1);

	if (!copy)
		return 0;
	memcpy(copy, text, len);
	copy[len] = '\0';
	report(s, kind, copy, len);
	if (copy != small)
		free(copy);
	return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return on_text(ctx, JSON_NUMBER, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	return on_text(ctx, JSON_STRING, (const char *)text, len);
}

static int open_level(struct scan *s, bool array)
{
	if (s->depth >= NESTING_MAX)
		return 0;
	s->in_array[s->depth++] = array;
	return 1;
}

static int on_start_map(void *ctx)
{
	return open_level(ctx, false);
}

static int on_start_array(void *ctx)
{
	return open_level(ctx, true);
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct scan *s = ctx;
	int i = s->depth - 1;

	if (i >= JSON_DEPTH)
		return 1;
	free(s->keys[i]);
	s->keys[i] = strndup((const char *)text, len);
	return s->keys[i] != NULL;
}

static int close_level(struct scan *s)
{
	s->depth--;
	if (s->depth < JSON_DEPTH) {
		free(s->keys[s->depth]);
		s->keys[s->depth] = NULL;
	}
	return 1;
}

static int on_end_map(void *ctx)
{
	close_level(ctx);
	return report(ctx, JSON_OBJECT_END, "", 0);
}

static int on_end_array(void *ctx)
{
	return close_level(ctx);
}

static const yajl_callbacks scan_callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

int json_scan(const char *text, size_t len, void (*found)(void *context, const struct json_value *v), void *context)
{
	struct scan s = {.found = found, .context = context};
	yajl_handle h = yajl_alloc(&scan_callbacks, NULL, &s);
	yajl_status r;

	if (!h)
		return -ENOMEM;
	r = yajl_parse(h, (const unsigned char *)text, len);
	if (r == yajl_status_ok)
		r = yajl_complete_parse(h);
	yajl_free(h);
	for (int i = 0; i < JSON_DEPTH; i++)
		free(s.keys[i]);
	return r == yajl_status_ok ? 0 : -EINVAL;
}

bool json_at(const struct json_value *v, ...)
{
	va_list ap;
	const char *key;
	int i = 0;
	bool same = true;

	va_start(ap, v);
	while ((key = va_arg(ap, const char *)) && same) {
		same = i < v->depth && i < JSON_DEPTH && strcmp(v->key[i], key) == 0;
		i++;
	}
	va_end(ap);
	return same && i == v->depth;
}

/* --- copy with one member replaced --- */

struct rewrite {
	yajl_gen gen;
	const char *name;
	bool value, done, skip;
	int depth;
};

/* The value of the replaced member: drop whatever comes, also a whole object. */
#define PASS(r, call) ((r)->skip ? ((r)->depth == 1 ? ((r)->skip = false, 1) : 1) : (call) == yajl_gen_status_ok)

static int copy_null(void *ctx)
{
	struct rewrite *r = ctx;

	return PASS(r, yajl_gen_null(r->gen));
}

static int copy_bool(void *ctx, int b)
{
	struct rewrite *r = ctx;

	return PASS(r, yajl_gen_bool(r->gen, b));
}

static int copy_number(void *ctx, const char *text, size_t len)
{
	struct rewrite *r = ctx;

	return PASS(r, yajl_gen_number(r->gen, text, len));
}

static int copy_string(void *ctx, const unsigned char *text, size_t len)
{
	struct rewrite *r = ctx;

	return PASS(r, yajl_gen_string(r->gen, text, len));
}

static int copy_open(struct rewrite *r, bool array)
{
	if (++r->depth > NESTING_MAX)
		return 0;
	if (r->skip)
		return 1;
	return (array ? yajl_gen_array_open(r->gen) : yajl_gen_map_open(r->gen)) == yajl_gen_status_ok;
}

static int copy_start_map(void *ctx)
{
	return copy_open(ctx, false);
}

static int copy_start_array(void *ctx)
{
	return copy_open(ctx, true);
}

static int emit_member(struct rewrite *r)
{
	r->done = true;
	return yajl_gen_string(r->gen, (const unsigned char *)r->name, strlen(r->name)) == yajl_gen_status_ok &&
	       yajl_gen_bool(r->gen, r->value) == yajl_gen_status_ok;
}

static int copy_key(void *ctx, const unsigned char *text, size_t len)
{
	struct rewrite *r = ctx;

	if (r->skip)
		return 1;
	if (r->depth == 1 && len == strlen(r->name) && memcmp(text, r->name, len) == 0) {
		r->skip = true;
		return r->done ? 1 : emit_member(r);
	}
	return yajl_gen_string(r->gen, text, len) == yajl_gen_status_ok;
}

static int copy_close(struct rewrite *r, bool array)
{
	r->depth--;
	if (r->skip) {
		if (r->depth == 1)
			r->skip = false;
		return 1;
	}
	if (r->depth == 0 && !r->done && !emit_member(r))
		return 0;
	return (array ? yajl_gen_array_close(r->gen) : yajl_gen_map_close(r->gen)) == yajl_gen_status_ok;
}

static int copy_end_map(void *ctx)
{
	return copy_close(ctx, false);
}

static int copy_end_array(void *ctx)
{
	return copy_close(ctx, true);
}

static const yajl_callbacks copy_callbacks = {
	.yajl_null = copy_null,
	.yajl_boolean = copy_bool,
	.yajl_number = copy_number,
	.yajl_string = copy_string,
	.yajl_start_map = copy_start_map,
	.yajl_map_key = copy_key,
	.yajl_end_map = copy_end_map,
	.yajl_start_array = copy_start_array,
	.yajl_end_array = copy_end_array,
};

int json_set_bool(const char *text, size_t len, const char *name, bool value, struct arena *a, char **out,
	size_t *out_len, struct error *err)
{
	struct rewrite r = {.name = name, .value = value, .gen = yajl_gen_alloc(NULL)};
	yajl_handle h = r.gen ? yajl_alloc(&copy_callbacks, NULL, &r) : NULL;
	const unsigned char *buf;
	size_t start = 0;
	int e = 0;

	if (!h) {
		if (r.gen)
			yajl_gen_free(r.gen);
		return error_sys(err, ENOMEM, "read a process");
	}
	while (start < len && strchr(" \t\r\n", text[start]))
		start++;
	if (start == len || text[start] != '{' || yajl_parse(h, (const unsigned char *)text, len) != yajl_status_ok ||
		yajl_complete_parse(h) != yajl_status_ok)
		e = error_set(err, ERR_CONFIG, EINVAL, "the process is not a JSON object");
	if (e == 0) {
		yajl_gen_get_buf(r.gen, &buf, out_len);
		*out = arena_strndup(a, (const char *)buf, *out_len);
	}
	yajl_free(h);
	yajl_gen_free(r.gen);
	return e;
}

const char *json_quote(struct arena *a, const char *s)
{
	char *out = arena_alloc(a, strlen(s) * 6 + 3), *p = out;

	*p++ = '"';
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f) {
			p += sprintf(p, "\\u%04x", c);
		} else {
			if (c == '"' || c == '\\')
				*p++ = '\\';
			*p++ = (char)c;
		}
	}
	*p++ = '"';
	*p = '\0';
	return out;
}
