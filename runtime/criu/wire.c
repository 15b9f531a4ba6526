/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a field is a key (number and wire type) and a value.
 * Numbers are base-128 varints, negative ones as their 64-bit two's complement;
 * strings and messages are preceded by their length.
 */
#include "runtime/criu/wire.h"

#include <errno.h>
#include <string.h>

enum { TYPE_VARINT = 0, TYPE_64 = 1, TYPE_BYTES = 2, TYPE_32 = 5 };

struct buffer {
	struct arena *arena;
	uint8_t *data;
	size_t len, capacity;
};

static void put(struct buffer *b, const void *data, size_t n)
{
	if (b->len + n > b->capacity) {
		size_t wanted = b->capacity * 2 + n + 256;

		b->data = arena_grow(b->arena, b->data, b->len, wanted);
		b->capacity = wanted;
	}
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
}

static void put_varint(struct buffer *b, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;

	do {
		bytes[n] = (uint8_t)(v & 0x7f);
		v >>= 7;
		if (v)
			bytes[n] |= 0x80;
		n++;
	} while (v);
	put(b, bytes, n);
}

static void put_bytes(struct buffer *b, uint32_t number, const void *data, size_t n)
{
	put_varint(b, (uint64_t)number << 3 | TYPE_BYTES);
	put_varint(b, n);
	put(b, data, n);
}

static void put_string(struct buffer *b, uint32_t number, const char *s)
{
	if (s)
		put_bytes(b, number, s, strlen(s));
}

static void put_message(struct buffer *b, uint32_t number, const struct wire_message *m, const void *value)
{
	size_t len;
	const void *data = wire_encode(m, value, b->arena, &len);

	put_bytes(b, number, data, len);
}

static void put_field(struct buffer *b, const struct wire_field *f, const char *base)
{
	const void *p = base + f->offset;
	size_t count = 0;

	if (f->kind == WIRE_STRINGS || f->kind == WIRE_MESSAGES)
		memcpy(&count, base + f->count_offset, sizeof count);
	switch (f->kind) {
	case WIRE_BOOL:
		if (*(const bool *)p) {
			put_varint(b, (uint64_t)f->number << 3 | TYPE_VARINT);
			put_varint(b, 1);
		}
		break;
	case WIRE_INT:
		if (((const struct opt_i64 *)p)->set) {
			put_varint(b, (uint64_t)f->number << 3 | TYPE_VARINT);
			put_varint(b, (uint64_t)((const struct opt_i64 *)p)->value);
		}
		break;
	case WIRE_STRING:
		put_string(b, f->number, *(const char *const *)p);
		break;
	case WIRE_STRINGS:
		for (size_t i = 0; i < count; i++)
			put_string(b, f->number, (*(const char *const *const *)p)[i]);
		break;
	case WIRE_MESSAGE:
		if (*(const void *const *)p)
			put_message(b, f->number, f->message, *(const void *const *)p);
		break;
	case WIRE_MESSAGES:
		for (size_t i = 0; i < count; i++)
			put_message(b, f->number, f->message, *(const char *const *)p + i * f->message->size);
		break;
	}
}

const void *wire_encode(const struct wire_message *m, const void *value, struct arena *a, size_t *len)
{
	struct buffer b = { .arena = a };

	for (size_t i = 0; i < m->count; i++)
		put_field(&b, &m->fields[i], value);
	*len = b.len;
	return b.data ? b.data : arena_alloc(a, 1);
}

struct input {
	const uint8_t *p, *end;
};

static bool get_varint(struct input *in, uint64_t *v)
{
	*v = 0;
	for (unsigned int shift = 0; shift < 64 && in->p < in->end; shift += 7) {
		uint8_t byte = *in->p++;

		*v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static int get_bytes(const struct wire_field *f, const uint8_t *data, size_t n, struct arena *a, char *base)
{
	if (f->kind == WIRE_STRING) {
		const char *s = arena_strndup(a, (const char *)data, n);

		memcpy(base + f->offset, &s, sizeof s);
		return 0;
	}
	if (f->kind == WIRE_MESSAGE) {
		void *sub = arena_alloc(a, f->message->size);

		memcpy(base + f->offset, &sub, sizeof sub);
		return wire_decode(f->message, data, n, a, sub);
	}
	return f->kind == WIRE_STRINGS || f->kind == WIRE_MESSAGES ? 0 : -EBADMSG;
}

static int get_field(const struct wire_message *m, struct input *in, struct arena *a, char *base)
{
	const struct wire_field *f = NULL;
	uint64_t key, v = 0;

	if (!get_varint(in, &key))
		return -EBADMSG;
	for (size_t i = 0; i < m->count && !f; i++)
		if (m->fields[i].number == key >> 3)
			f = &m->fields[i];
	switch (key & 7) {
	case TYPE_VARINT:
		if (!get_varint(in, &v))
			return -EBADMSG;
		if (f && f->kind == WIRE_BOOL)
			*(bool *)(base + f->offset) = v != 0;
		else if (f && f->kind == WIRE_INT)
			*(struct opt_i64 *)(base + f->offset) = (struct opt_i64){ true, (int64_t)v };
		return 0;
	case TYPE_64:
	case TYPE_32:
		v = (key & 7) == TYPE_64 ? 8 : 4;
		if ((uint64_t)(in->end - in->p) < v)
			return -EBADMSG;
		in->p += v;
		return 0;
	case TYPE_BYTES:
		if (!get_varint(in, &v) || (uint64_t)(in->end - in->p) < v)
			return -EBADMSG;
		in->p += v;
		return f ? get_bytes(f, in->p - v, (size_t)v, a, base) : 0;
	default:
		return -EBADMSG;
	}
}

int wire_decode(const struct wire_message *m, const void *data, size_t len, struct arena *a, void *value)
{
	struct input in = { data, (const uint8_t *)data + len };
	int r = 0;

	while (r == 0 && in.p < in.end)
		r = get_field(m, &in, a, value);
	return r;
}
