/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: blocks from malloc, the first one 8 KiB, each later one
 * twice the last up to 1 MiB, or as large as one request needs.  Handed-out
 * memory is zero: blocks come from calloc and memory is never reused.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_BLOCK (8u * 1024)
#define LARGEST_BLOCK (1024u * 1024)
#define ALIGN _Alignof(max_align_t)

struct arena_block {
	struct arena_block *older;
	size_t size;
	_Alignas(max_align_t) char data[];
};

static void __attribute__((noreturn, cold)) out_of_memory(void)
{
	static const char text[] = "out of memory\n";

	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(1);
	_exit(1);
}

void *arena_alloc(struct arena *a, size_t n)
{
	char *p;

	if (n > SIZE_MAX / 2)
		out_of_memory();
	n = (n + ALIGN - 1) & ~(ALIGN - 1);
	if (!a->next || n > (size_t)(a->end - a->next)) {
		size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
		struct arena_block *b;

		if (size > LARGEST_BLOCK)
			size = LARGEST_BLOCK;
		if (size < n)
			size = n;
		b = calloc(1, sizeof *b + size);
		if (!b)
			out_of_memory();
		b->size = size;
		b->older = a->blocks;
		a->blocks = b;
		a->next = b->data;
		a->end = b->data + size;
	}
	p = a->next;
	a->next += n;
	a->total += n;
	return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		out_of_memory();
	return arena_alloc(a, n);
}

void *arena_grow(struct arena *a, void *p, size_t old_n, size_t new_n)
{
	size_t old_room = (old_n + ALIGN - 1) & ~(ALIGN - 1);
	size_t new_room = (new_n + ALIGN - 1) & ~(ALIGN - 1);
	void *q;

	if (p && new_room <= old_room)
		return p;
	if (p && (char *)p + old_room == a->next && new_room - old_room <= (size_t)(a->end - a->next)) {
		a->next += new_room - old_room;
		a->total += new_room - old_room;
		return p;
	}
	q = arena_alloc(a, new_n);
	if (old_n)
		memcpy(q, p, old_n);
	return q;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		out_of_memory();
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

void arena_free(struct arena *a)
{
	struct arena_block *b = a->blocks, *older;

	for (; b; b = older) {
		older = b->older;
		free(b);
	}
	*a = ARENA_INIT;
}
