/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the build cache in pieces (a step with its layer, a compressed
 * layer, a cache mount, a download), the most recently used first.  A piece costs what
 * would be free without it: a layer that an image or bundle needs costs nothing, one
 * that several steps name costs once.  A build gives all steps that it uses its own
 * time, in their order; so of one build's steps the later ones, which are of no use
 * without the earlier ones, go first.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/store/gc_internal.h"

struct piece {
	const char *directory, *name; /* below the store */
	const char *layer, *blob;     /* what it keeps, or NULL */
	struct timespec used, changed;
	uint64_t bytes; /* of its own */
};

struct pieces {
	struct store *s;
	struct piece *items;
	size_t count, capacity;
};

static struct piece *add_piece(struct pieces *p, const char *directory, const char *name, const struct stat *st)
{
	if (p->count == p->capacity) {
		size_t bigger = p->capacity ? p->capacity * 2 : 256;

		p->items = arena_grow(p->s->arena, p->items, p->capacity * sizeof *p->items, bigger * sizeof *p->items);
		p->capacity = bigger;
	}
	p->items[p->count] = (struct piece){ .directory = directory, .name = arena_strdup(p->s->arena, name),
		.used = st->st_mtim, .changed = st->st_ctim, .bytes = (uint64_t)st->st_blocks * 512 };
	return &p->items[p->count++];
}

/* Word number n of a small file, or NULL. */
static const char *word_of(struct pieces *p, int dir, const char *name, int n)
{
	char *text, *save = NULL, *word;
	size_t len;

	if (fd_read_file(dir, name, p->s->arena, 4096, &text, &len) < 0)
		return NULL;
	word = strtok_r(text, " \n", &save);
	while (word && n-- > 0)
		word = strtok_r(NULL, " \n", &save);
	return word;
}

enum piece_kind { PIECE_STEP, PIECE_BLOB, PIECE_TREE };

static void collect(struct pieces *p, const char *directory, enum piece_kind kind)
{
	int fd = openat(p->s->layout.dir, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct piece *one;
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (kind == PIECE_STEP && S_ISDIR(st.st_mode)) {
			collect(p, arena_printf(p->s->arena, "%s/%s", directory, e->d_name), kind);
			continue;
		}
		one = add_piece(p, directory, e->d_name, &st);
		if (kind == PIECE_STEP)
			one->layer = word_of(p, dirfd(d), e->d_name, 3);
		else if (kind == PIECE_BLOB)
			one->blob = word_of(p, dirfd(d), e->d_name, 2);
		else if (S_ISDIR(st.st_mode))
			one->bytes = gc_tree_size(dirfd(d), e->d_name, &one->used);
	}
	if (d)
		closedir(d);
}

static int later(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	int order = later(&y->used, &x->used);

	return order ? order : later(&x->changed, &y->changed);
}

static bool listed(const struct marks *m, size_t from, const char *name)
{
	for (size_t i = from; i < m->count; i++)
		if (strcmp(m->names[i], name) == 0)
			return true;
	return false;
}

/* What it would free beyond its own bytes; `from`: what was marked for pieces is not sorted. */
static uint64_t cost_of(struct store *s, const struct piece *p, const char *blob, const struct marks *sorted_blobs,
	const struct marks *sorted_layers, const struct marks *blobs, const struct marks *layers)
{
	uint64_t bytes = p->bytes;
	struct stat st;

	if (p->layer && !gc_marked(sorted_layers, p->layer) && !listed(layers, sorted_layers->count, p->layer))
		bytes += gc_tree_size(s->layers, p->layer, NULL);
	if (blob && !gc_marked(sorted_blobs, blob) && !listed(blobs, sorted_blobs->count, blob) &&
		fstatat(s->layout.dir, arena_printf(s->arena, "blobs/sha256/%s", blob), &st, AT_SYMLINK_NOFOLLOW) == 0)
		bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}

static void drop(struct store *s, const struct piece *p, const struct gc_options *o, struct gc_result *result)
{
	_cleanup_fd_ int dir = openat(s->layout.dir, p->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	log_debug("gc: %s/%s", p->directory, p->name);
	if (!o->dry_run && (dir < 0 || store_remove_tree(dir, p->name) < 0)) {
		log_warning("gc: %s/%s/%s cannot be removed", s->path, p->directory, p->name);
		return;
	}
	result->bytes += p->bytes;
	result->leftovers++;
}

int gc_limit_cache(struct store *s, struct marks *blobs, struct marks *layers, const struct gc_options *o, time_t before,
	struct gc_result *result, struct error *err)
{
	struct pieces p = { .s = s };
	struct marks sorted_blobs, sorted_layers;
	uint64_t left = o->cache_max;
	bool full = false;

	(void)err;
	collect(&p, "cache/steps", PIECE_STEP);
	collect(&p, "cache/blobs", PIECE_BLOB);
	collect(&p, "cache/mounts", PIECE_TREE);
	collect(&p, "cache/http", PIECE_TREE);
	if (p.count)
		qsort(p.items, p.count, sizeof *p.items, compare_pieces);
	gc_marks_sort(blobs);
	gc_marks_sort(layers);
	sorted_blobs = *blobs;
	sorted_layers = *layers;
	for (size_t i = 0; i < p.count; i++) {
		const struct piece *one = &p.items[i];
		const char *blob = one->blob && strncmp(one->blob, "sha256:", 7) == 0 ? one->blob + 7 : NULL;
		uint64_t cost = cost_of(s, one, blob, &sorted_blobs, &sorted_layers, blobs, layers);

		/* Once something did not fit, nothing older does: a step is no use without those before it. */
		full |= cost > left;
		if (full && !(o->older && one->used.tv_sec > before)) {
			drop(s, one, o, result);
			continue;
		}
		left -= cost < left ? cost : left;
		if (one->layer)
			gc_mark(layers, one->layer);
		if (blob)
			gc_mark(blobs, blob);
	}
	return 0;
}
