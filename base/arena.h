/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_ARENA_H
#define OCI_RT_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Memory that is given back all at once.  A short-lived program has one arena
 * per run; the shim has one per container and one per request.
 *
 * Allocations never fail from the caller's point of view: when the kernel has
 * no memory left the process says so on stderr and exits with status 1, which
 * is safe at any point because side effects are journalled before they happen.
 * Readers of foreign input bound what they allocate.
 */
struct arena_block;

struct arena {
	struct arena_block *blocks;
	char *next, *end;   /* free space of the newest block */
	size_t total;	    /* bytes handed out */
};

#define ARENA_INIT ((struct arena){ 0 })

/* Zeroed memory, aligned for any type.  n == 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull, malloc, alloc_size(2)));

/* count × size with the multiplication checked. */
void *arena_calloc(struct arena *a, size_t count, size_t size) __attribute__((returns_nonnull, malloc));

/* Copy of the old_n bytes at p in a larger, zero-filled area (p may be NULL when old_n is 0).
 * Grows in place when p was the last allocation. */
void *arena_grow(struct arena *a, void *p, size_t old_n, size_t new_n) __attribute__((returns_nonnull));

char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((returns_nonnull, format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
	__attribute__((returns_nonnull, format(printf, 2, 0)));

/* Give everything back; the arena is empty and usable again. */
void arena_free(struct arena *a);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_calloc((a), (count), sizeof(type)))

static inline void cleanup_arena(struct arena *a)
{
	arena_free(a);
}

#endif
