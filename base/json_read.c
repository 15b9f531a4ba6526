/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: yajl tells us of values one by one; a stack of frames
 * says what each of them means.  A frame is an object, an array or a map that
 * is open and known to the tables:
 *
 *     frame       its children are               a child's path is
 *     object      members, found by name         .name
 *     array       elements, by number            [n]
 *     map, keyed  members, whatever their name   ["name"]
 *
 * "skip" counts the containers that are open below an unknown or wrong value;
 * while it is not 0 only the depth is watched.  The path of an error is read
 * off the stack when there is an error, so that good documents pay nothing.
 *
 * Arrays grow by doubling in the arena.  An element may move when the next one
 * begins, which is safe because nothing below it is open then.
 */
#include "base/json_reader.h"
#include "base/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* --- errors ---------------------------------------------------------------- */

struct json_path {
	char text[512];
	size_t len;
};

static void __attribute__((format(printf, 2, 3))) path_append(struct json_path *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p->text + p->len, sizeof p->text - p->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		p->len += (size_t)n < sizeof p->text - p->len ? (size_t)n : sizeof p->text - p->len - 1;
}

/* Path of the value being read. */
static void current_path(struct json_reader *r, struct json_path *p)
{
	p->len = 0;
	p->text[0] = '\0';
	for (size_t i = 0; i < r->frame_count; i++) {
		struct json_frame *f = &r->frames[i];

		if (f->object) {
			if (f->current)
				path_append(p, "%s%s", p->len ? "." : "", f->current->name);
		} else if (f->field->kind == JSON_MAP || f->field->kind == JSON_KEYED) {
			path_append(p, "[%s]", f->key ? json_quote(r->arena, f->key) : "");
		} else {
			path_append(p, "[%zu]", f->index);
		}
	}
}

void json_report(struct json_reader *r, const char *fmt, ...)
{
	struct json_path path;
	va_list ap;

	if (r->errors->count == JSON_MAX_ERRORS) {
		r->errors->dropped++;
		return;
	}
	current_path(r, &path);
	va_start(ap, fmt);
	json_errors_vadd(r->errors, r->arena, path.text, fmt, ap);
	va_end(ap);
}

struct arena *json_reader_arena(struct json_reader *r)
{
	return r->arena;
}

static const char *const expected_text[] = {
	[JSON_STRING] = "a string",
	[JSON_STRING_TAKE] = "a string",
	[JSON_BOOL] = "true or false",
	[JSON_OPT_BOOL] = "true or false",
	[JSON_INT] = "an integer",
	[JSON_UINT] = "an integer",
	[JSON_OPT_I64] = "an integer",
	[JSON_OPT_U64] = "an integer",
	[JSON_ENUM] = "a string",
	[JSON_OBJECT] = "an object",
	[JSON_OBJECT_PTR] = "an object",
	[JSON_STRINGS] = "an array of strings",
	[JSON_STRINGS_TAKE] = "an array of strings",
	[JSON_U32S] = "an array of integers",
	[JSON_OBJECTS] = "an array of objects",
	[JSON_MAP] = "an object of strings",
	[JSON_KEYED] = "an object of objects",
	[JSON_RAW] = "an object or an array",
};

/* What one value in this place must be: the array's element when it stands in an array. */
static enum json_kind expected_kind(const struct json_frame *f, const struct json_field *field)
{
	if (!f || f->object)
		return field->kind;
	switch (field->kind) {
	case JSON_STRINGS:
	case JSON_STRINGS_TAKE:
	case JSON_MAP:
		return JSON_STRING;
	case JSON_U32S:
		return JSON_UINT;
	default:
		return JSON_OBJECT;
	}
}

/* --- where the next value goes ------------------------------------------------ */

static uint32_t element_size(const struct json_field *field)
{
	switch (field->kind) {
	case JSON_STRINGS:
		return sizeof(const char *);
	case JSON_U32S:
		return sizeof(uint32_t);
	case JSON_MAP:
		return sizeof(struct json_key_value);
	case JSON_STRINGS_TAKE:
		return 0;
	default:
		return field->object->size;
	}
}

/* Room for one more element; NULL when the limit is reached (reported once). */
static char *new_element(struct json_reader *r, struct json_frame *f)
{
	const struct json_field *field = f->field;
	size_t limit = field->max_elements ? field->max_elements : JSON_MAX_ELEMENTS;
	size_t size = element_size(field), *count;
	char **items;

	if (f->index >= limit) {
		if (!f->overfull) {
			struct json_path path;

			f->overfull = true;
			r->frame_count--;
			current_path(r, &path);
			r->frame_count++;
			json_errors_add(r->errors, r->arena, path.text, "too many elements: the limit is %zu", limit);
		}
		return NULL;
	}
	if (size == 0)
		return f->base;
	items = (char **)(void *)(f->base + field->offset);
	count = (size_t *)(void *)(f->base + field->count_offset);
	if (*count == f->capacity) {
		size_t capacity = f->capacity ? f->capacity * 2 : 4;

		*items = arena_grow(r->arena, *items, f->capacity * size, capacity * size);
		f->capacity = capacity;
	}
	return *items + (*count)++ * size;
}

/* The place of the value that begins now.  container: the value is an object or an array. */
struct json_place json_next_place(struct json_reader *r)
{
	struct json_place p = {0};
	struct json_frame *f;

	if (r->frame_count == 0) {
		p.field = r->root;
		p.base = r->dest;
		p.kind = r->root->kind;
		p.slot = r->dest + r->root->offset;
		r->seen_root = true;
		return p;
	}
	f = &r->frames[r->frame_count - 1];
	p.frame = f;
	p.base = f->base;
	if (f->object) {
		p.field = f->current && f->current->kind != JSON_IGNORED ? f->current : NULL;
		if (p.field) {
			p.kind = p.field->kind;
			p.slot = f->base + p.field->offset;
		}
		return p;
	}
	if (f->field->kind != JSON_MAP && f->field->kind != JSON_KEYED)
		f->index++;
	else if (!f->key)
		return p; /* its key was refused */
	p.field = f->field;
	p.kind = expected_kind(f, f->field);
	return p;
}

/* The slot of an element is made only when its type is right. */
bool json_make_element(struct json_reader *r, struct json_place *p)
{
	if (!p->frame || p->frame->object)
		return true;
	if (p->field->kind == JSON_MAP || p->field->kind == JSON_KEYED)
		p->frame->index++;
	p->slot = new_element(r, p->frame);
	return p->slot != NULL;
}

void json_mark_present(const struct json_place *p)
{
	if (p->frame && p->frame->object)
		p->frame->present |= UINT64_C(1) << (p->field - p->frame->object->fields);
	if (p->field->has_set && (!p->frame || p->frame->object))
		*(bool *)(p->base + p->field->set_offset) = true;
}

int json_wrong_type(struct json_reader *r, struct json_place *p, const char *found)
{
	if (p->frame && p->frame->object)
		p->frame->present |= UINT64_C(1) << (p->field - p->frame->object->fields);
	json_report(r, "expected %s, found %s", expected_text[p->kind], found);
	return 1;
}

/* --- containers ----------------------------------------------------------------- */

static bool deeper(struct json_reader *r)
{
	if (++r->depth <= JSON_MAX_DEPTH)
		return true;
	r->fatal = "objects and arrays are nested too deeply: the limit is 512";
	return false;
}

static struct json_frame *push(struct json_reader *r, const struct json_field *field, char *base)
{
	struct json_frame *f;

	if (r->frame_count == r->frame_capacity) {
		size_t capacity = r->frame_capacity ? r->frame_capacity * 2 : 16;

		r->frames = arena_grow(r->arena, r->frames, r->frame_capacity * sizeof *f, capacity * sizeof *f);
		r->frame_capacity = capacity;
	}
	f = &r->frames[r->frame_count++];
	*f = (struct json_frame){.field = field, .base = base, .index = SIZE_MAX};
	return f;
}

static int start_raw(struct json_reader *r, struct json_place *p)
{
	json_mark_present(p);
	r->raw = p->field;
	r->raw_start = yajl_get_bytes_consumed(r->yajl) - 1;
	r->skip = 1;
	return 1;
}

static int on_start_map(void *ctx)
{
	struct json_reader *r = ctx;
	const struct json_object *object;
	struct json_place p;
	char *base;

	if (!deeper(r))
		return 0;
	if (r->skip) {
		r->skip++;
		return 1;
	}
	p = json_next_place(r);
	if (p.field && p.kind == JSON_RAW)
		return start_raw(r, &p);
	if (!p.field ||
		(p.kind != JSON_OBJECT && p.kind != JSON_OBJECT_PTR && p.kind != JSON_MAP && p.kind != JSON_KEYED)) {
		r->skip = 1;
		return p.field ? json_wrong_type(r, &p, "an object") : 1;
	}
	if (p.kind == JSON_MAP || p.kind == JSON_KEYED) {
		json_mark_present(&p);
		push(r, p.field, p.base);
		return 1;
	}
	if (!json_make_element(r, &p) || !p.slot) {
		r->skip = 1;
		return 1;
	}
	json_mark_present(&p);
	object = p.field->object;
	base = p.slot;
	if (p.kind == JSON_OBJECT_PTR) {
		base = arena_alloc(r->arena, object->size);
		*(char **)(void *)p.slot = base;
	} else if (p.field->kind == JSON_KEYED) {
		*(const char **)(void *)(base + p.field->key_offset) = p.frame->key;
	}
	push(r, p.field, base)->object = object;
	return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct json_reader *r = ctx;
	const char *s = (const char *)text;
	struct json_frame *f;

	if (r->skip)
		return 1;
	f = &r->frames[r->frame_count - 1];
	f->current = NULL;
	f->key = NULL;
	if (!f->object) {
		if (json_string_allowed(r, s, len, "a member's name"))
			f->key = arena_strndup(r->arena, s, len);
		return 1;
	}
	for (const struct json_field *field = f->object->fields, *end = field + f->object->field_count; field < end;
		field++) {
		uint64_t bit;

		if (field->name_length != len || memcmp(field->name, s, len) != 0)
			continue;
		bit = UINT64_C(1) << (field - f->object->fields);
		f->current = field;
		if (f->seen & bit) {
			json_report(r, "the member is given twice");
			f->current = NULL;
		}
		f->seen |= bit;
		return 1;
	}
	json_string_allowed(r, s, len, "a member's name");
	return 1;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of a map must differ.  Sorting keeps hostile input at n log n. */
static void check_duplicates(struct json_reader *r, struct json_frame *f)
{
	const struct json_field *field = f->field;
	const char *items = *(char **)(void *)(f->base + field->offset), **names;
	size_t count = *(size_t *)(void *)(f->base + field->count_offset), size = element_size(field);
	size_t key = field->kind == JSON_MAP ? offsetof(struct json_key_value, key) : field->key_offset;

	if (count < 2)
		return;
	names = arena_array(r->arena, const char *, count);
	for (size_t i = 0; i < count; i++)
		names[i] = *(const char *const *)(const void *)(items + i * size + key);
	qsort(names, count, sizeof *names, compare_names);
	for (size_t i = 1; i < count; i++) {
		if (strcmp(names[i - 1], names[i]) != 0 || (i > 1 && strcmp(names[i - 2], names[i]) == 0))
			continue;
		f->key = names[i];
		json_report(r, "the member is given twice");
	}
}

static void check_required(struct json_reader *r, struct json_frame *f)
{
	for (size_t i = 0; i < f->object->field_count; i++) {
		if (!f->object->fields[i].required || (f->present >> i & 1))
			continue;
		f->current = &f->object->fields[i];
		json_report(r, "required member is missing");
	}
}

static void end_raw(struct json_reader *r)
{
	struct json_frame *f = r->frame_count ? &r->frames[r->frame_count - 1] : NULL;
	char *base = f ? f->base : r->dest;
	size_t end = yajl_get_bytes_consumed(r->yajl);

	*(const char **)(void *)(base + r->raw->offset) =
		arena_strndup(r->arena, r->buf + r->raw_start, end - r->raw_start);
	r->raw = NULL;
}

static int on_end(void *ctx)
{
	struct json_reader *r = ctx;
	struct json_frame *f;

	r->depth--;
	if (r->skip) {
		if (--r->skip == 0 && r->raw)
			end_raw(r);
		return 1;
	}
	f = &r->frames[r->frame_count - 1];
	if (f->object)
		check_required(r, f);
	else if (f->field->kind == JSON_MAP || f->field->kind == JSON_KEYED)
		check_duplicates(r, f);
	r->frame_count--;
	return 1;
}

static int on_start_array(void *ctx)
{
	struct json_reader *r = ctx;
	struct json_place p;

	if (!deeper(r))
		return 0;
	if (r->skip) {
		r->skip++;
		return 1;
	}
	p = json_next_place(r);
	if (p.field && p.kind == JSON_RAW)
		return start_raw(r, &p);
	if (!p.field || (p.kind != JSON_STRINGS && p.kind != JSON_STRINGS_TAKE && p.kind != JSON_U32S &&
				p.kind != JSON_OBJECTS)) {
		r->skip = 1;
		return p.field ? json_wrong_type(r, &p, "an array") : 1;
	}
	json_mark_present(&p);
	push(r, p.field, p.base);
	return 1;
}

/* --- the parser's memory: its few buffers come from malloc and go with it -------- */

static void *yajl_memory(void *ctx, void *old, size_t n)
{
	static const char text[] = "out of memory\n";
	void *p = realloc(old, n);

	(void)ctx;
	if (!p) {
		if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
			_exit(1);
		_exit(1);
	}
	return p;
}

static void *yajl_new(void *ctx, size_t n)
{
	return yajl_memory(ctx, NULL, n);
}

static void yajl_release(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

/* --- entry ------------------------------------------------------------------------ */

static void report_at(struct json_reader *r, size_t len, size_t at, const char *what)
{
	size_t line, column;

	json_text_position(r->buf, len, at, &line, &column);
	json_errors_add(r->errors, r->arena, "", "line %zu, column %zu: %s", line, column, what);
}

static void report_syntax(struct json_reader *r, size_t len)
{
	unsigned char *text = yajl_get_error(r->yajl, 0, (const unsigned char *)r->buf, len);
	size_t at = yajl_get_bytes_consumed(r->yajl), n;
	char what[256];

	snprintf(what, sizeof what, "%s", text ? (const char *)text : "syntax error");
	yajl_free_error(r->yajl, text);
	n = strcspn(what, "\n");
	what[n] = '\0';
	if (n > 0 && what[n - 1] == '.')
		what[n - 1] = '\0';
	/* Some of yajl's errors lie behind the character at fault. */
	if (at > 0 && (strstr(what, "invalid char in") || (strncmp(what, "parse error", 11) == 0 &&
								  !strstr(what, "EOF") && !strstr(what, "trailing"))))
		at--;
	report_at(r, len, at, what);
}

static void parse(struct json_reader *r, size_t len)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = json_on_null,
		.yajl_boolean = json_on_boolean,
		.yajl_number = json_on_number,
		.yajl_string = json_on_string,
		.yajl_start_map = on_start_map,
		.yajl_map_key = on_key,
		.yajl_end_map = on_end,
		.yajl_start_array = on_start_array,
		.yajl_end_array = on_end,
	};
	yajl_alloc_funcs memory = {.malloc = yajl_new, .realloc = yajl_memory, .free = yajl_release};
	yajl_status status;

	r->yajl = yajl_alloc(&callbacks, &memory, r);
	yajl_config(r->yajl, yajl_dont_validate_strings, 1);
	status = yajl_parse(r->yajl, (const unsigned char *)r->buf, len);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(r->yajl);
	if (status == yajl_status_client_canceled)
		report_at(r, len, yajl_get_bytes_consumed(r->yajl), r->fatal);
	else if (status != yajl_status_ok)
		report_syntax(r, len);
	yajl_free(r->yajl);
}

int json_read_field(const struct json_field *root, const char *buf, size_t len, struct arena *a, void *dest,
	struct json_errors *errors)
{
	struct json_reader r = {.arena = a, .errors = errors, .root = root, .buf = buf, .dest = dest};
	size_t before = errors->count + errors->dropped, at;
	const char *what;

	if (len > JSON_MAX_INPUT) {
		json_errors_add(errors, a, "", "the document has %zu bytes: the limit is %u", len, JSON_MAX_INPUT);
		return -EINVAL;
	}
	what = json_text_check(buf, len, &at);
	if (what)
		report_at(&r, len, at, what);
	else
		parse(&r, len);
	return errors->count + errors->dropped == before ? 0 : -EINVAL;
}

int json_read(const struct json_object *root, const char *buf, size_t len, struct arena *a, void *dest,
	struct json_errors *errors)
{
	struct json_field field = {.name = "", .kind = JSON_OBJECT, .object = root};

	return json_read_field(&field, buf, len, a, dest, errors);
}
