/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_TEXT_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_TEXT_H

#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "image-tools/manifest.h"

/* A string that grows in an arena. */
struct text {
	struct arena *arena;
	char *data;
	size_t len, capacity;
};

static inline void text_add(struct text *t, const char *s, size_t n)
{
	if (t->capacity - t->len <= n) {
		size_t more = t->capacity * 2 + n + 32;

		t->data = arena_grow(t->arena, t->data, t->capacity, more);
		t->capacity = more;
	}
	if (n)
		memcpy(t->data + t->len, s, n);
	t->len += n;
}

static inline void text_add_char(struct text *t, char c)
{
	text_add(t, &c, 1);
}

/* NUL-terminated; t may go on growing (elsewhere). */
static inline char *text_finish(struct text *t)
{
	text_add(t, "", 1);
	t->len--;
	return t->data;
}

/* Add to a list that only list_add() has filled: it knows the room from the number (8, 16, 32, ...). */
static inline void list_add(struct arena *a, struct string_list *l, const char *s)
{
	if (l->count == 0)
		l->items = arena_array(a, const char *, 8);
	else if (l->count >= 8 && (l->count & (l->count - 1)) == 0)
		l->items = arena_grow(a, l->items, l->count * sizeof *l->items, 2 * l->count * sizeof *l->items);
	l->items[l->count++] = s;
}

#endif
