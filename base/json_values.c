/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the reader's values that are no containers: null, true
 * and false, numbers, strings.  Each is looked up (what belongs here?),
 * compared with what is expected, checked and stored.
 */
#include "base/json_reader.h"
#include "base/json_text.h"

#include <stdio.h>
#include <string.h>

int json_on_null(void *ctx)
{
	struct json_reader *r = ctx;
	struct json_place p;

	if (r->skip)
		return 1;
	p = json_next_place(r);
	/* Absent: a required member will be missed at the end of its object. */
	if (!p.field || (p.frame && (p.frame->object || p.frame->key)))
		return 1;
	return json_wrong_type(r, &p, "null");
}

int json_on_boolean(void *ctx, int value)
{
	struct json_reader *r = ctx;
	struct json_place p;

	if (r->skip)
		return 1;
	p = json_next_place(r);
	if (!p.field)
		return 1;
	if (p.slot && p.kind == JSON_BOOL)
		*(bool *)p.slot = value != 0;
	else if (p.slot && p.kind == JSON_OPT_BOOL)
		*(struct opt_bool *)(void *)p.slot = (struct opt_bool){true, value != 0};
	else
		return json_wrong_type(r, &p, value ? "true" : "false");
	json_mark_present(&p);
	return 1;
}

typedef __int128 wide;

static void type_range(const struct json_place *p, unsigned size, wide *min, wide *max)
{
	const struct json_field *field = p->field;
	bool is_signed = p->kind == JSON_INT || p->kind == JSON_OPT_I64;

	if (p->kind == JSON_OPT_I64 || p->kind == JSON_OPT_U64)
		size = 8;
	*min = is_signed ? -((wide)1 << (size * 8 - 1)) : 0;
	*max = is_signed ? ((wide)1 << (size * 8 - 1)) - 1 : ((wide)1 << (size * 8)) - 1;
	if (field->ranged) {
		*min = field->min;
		*max = (wide)field->max;
	}
}

static void store_integer(const struct json_place *p, unsigned size, wide v)
{
	uint64_t u = (uint64_t)v;

	if (p->kind == JSON_OPT_I64)
		*(struct opt_i64 *)(void *)p->slot = (struct opt_i64){true, (int64_t)v};
	else if (p->kind == JSON_OPT_U64)
		*(struct opt_u64 *)(void *)p->slot = (struct opt_u64){true, u};
	else if (size == 1)
		*(uint8_t *)p->slot = (uint8_t)u;
	else if (size == 2)
		*(uint16_t *)(void *)p->slot = (uint16_t)u;
	else if (size == 4)
		*(uint32_t *)(void *)p->slot = (uint32_t)u;
	else
		*(uint64_t *)(void *)p->slot = u;
}

static int wide_text(char *out, size_t n, wide v)
{
	if (v < 0)
		return snprintf(out, n, "%lld", (long long)v);
	return snprintf(out, n, "%llu", (unsigned long long)v);
}

int json_on_number(void *ctx, const char *text, size_t len)
{
	struct json_reader *r = ctx;
	unsigned size;
	enum json_integer kind;
	uint64_t magnitude;
	bool negative;
	wide v, min, max;
	struct json_place p;
	char lo[24], hi[24];
	int shown = len < 40 ? (int)len : 40;

	if (r->skip)
		return 1;
	p = json_next_place(r);
	if (!p.field)
		return 1;
	if (p.kind != JSON_INT && p.kind != JSON_UINT && p.kind != JSON_OPT_I64 && p.kind != JSON_OPT_U64)
		return json_wrong_type(r, &p, "a number");
	size = p.field->kind == JSON_U32S ? 4 : p.field->size;
	type_range(&p, size, &min, &max);
	kind = json_parse_integer(text, len, &negative, &magnitude);
	v = negative ? -(wide)magnitude : (wide)magnitude;
	if (kind != JSON_INTEGER_OK || v < min || v > max) {
		wide_text(lo, sizeof lo, min);
		wide_text(hi, sizeof hi, max);
		if (p.frame && p.frame->object)
			json_mark_present(&p);
		json_report(r, "expected an integer from %s to %s, found %.*s%s", lo, hi, shown, text,
			(size_t)shown < len ? "..." : "");
		return 1;
	}
	if (!json_make_element(r, &p))
		return 1;
	store_integer(&p, size, v);
	json_mark_present(&p);
	return 1;
}

static void unknown_name(struct json_reader *r, const struct json_enum *e, const char *s, size_t len)
{
	enum { LISTED = 16 };
	char list[512] = "";
	size_t n = 0, used = 0;

	while (e->names[n].name)
		n++;
	for (size_t i = 0; n <= LISTED && i < n && used < sizeof list; i++)
		used += (size_t)snprintf(
			list + used, sizeof list - used, "%s%s", i ? ", " : " (known: ", e->names[i].name);
	json_report(r, "unknown %s %s%s%s", e->what, json_quote_n(r->arena, s, len), list, used ? ")" : "");
}

/* NUL and length, the rules for every string; false when reported. */
bool json_string_allowed(struct json_reader *r, const char *s, size_t len, const char *what)
{
	if (len > JSON_MAX_STRING) {
		json_report(r, "%s of %zu bytes: the limit is %u", what, len, JSON_MAX_STRING);
		return false;
	}
	if (memchr(s, '\0', len)) {
		json_report(r, "%s contains a NUL character (\\u0000)", what);
		return false;
	}
	return true;
}

void json_take_flag(struct json_reader *r, const struct json_field *field, void *object, const char *s)
{
	char *slot = (char *)object + field->offset;
	int64_t value;

	if (!json_enum_find(field->names, s, strlen(s), &value))
		unknown_name(r, field->names, s, strlen(s));
	else if (field->size == 4)
		*(uint32_t *)(void *)slot |= (uint32_t)value;
	else
		*(uint64_t *)(void *)slot |= (uint64_t)value;
}

/* Nobody writes to strings of a document, so the empty one needs no memory. */
static const char *copy_string(struct json_reader *r, const char *s, size_t len)
{
	return len ? arena_strndup(r->arena, s, len) : "";
}

static void store_string(struct json_reader *r, struct json_place *p, const char *s, size_t len)
{
	const struct json_field *field = p->field;
	bool takes = field->kind == JSON_STRING_TAKE || field->kind == JSON_STRINGS_TAKE;
	bool absent = len == 0 && field->empty_is_absent, known = false;
	int64_t value = 0;

	if (field->names && !takes && !absent) {
		known = json_enum_find(field->names, s, len, &value);
		if (!known)
			unknown_name(r, field->names, s, len);
	}
	switch (field->kind) {
	case JSON_STRING:
	case JSON_STRINGS:
		if (!absent)
			*(const char **)(void *)p->slot = copy_string(r, s, len);
		break;
	case JSON_STRING_TAKE:
	case JSON_STRINGS_TAKE:
		field->take(r, field, p->base, copy_string(r, s, len));
		break;
	case JSON_MAP:
		((struct json_key_value *)(void *)p->slot)->key = p->frame->key;
		((struct json_key_value *)(void *)p->slot)->value = copy_string(r, s, len);
		break;
	default: /* JSON_ENUM */
		if (known)
			store_integer(p, field->size, value);
		break;
	}
}

int json_on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct json_reader *r = ctx;
	const char *s = (const char *)text;
	struct json_place p;

	if (r->skip)
		return 1;
	p = json_next_place(r);
	if (!p.field)
		return 1;
	if (p.kind != JSON_STRING && p.kind != JSON_STRING_TAKE && p.kind != JSON_ENUM)
		return json_wrong_type(r, &p, "a string");
	json_mark_present(&p);
	if (!json_string_allowed(r, s, len, "a string") || !json_make_element(r, &p))
		return 1;
	store_string(r, &p, s, len);
	return 1;
}
