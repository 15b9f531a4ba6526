/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: --lock=update writes what every name from outside stood for:
 * images, URLs and git references, with their digests.  --lock reads it and uses nothing
 * else: a name that is not in the file is an error.  One line each, sorted, so that the
 * file can be reviewed and merged like any other text.
 *
 *     # oci-image build lock 1
 *     image debian:12 sha256:...
 *     source https://example.org/a.tar.gz sha256:...
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "image-tools/build/internal.h"

#define HEADER "# oci-image build lock 1\n"

struct pin {
	const char *kind, *name, *value;
};
struct lock_table {
	pthread_mutex_t lock;
	struct arena arena;
	const char *path;
	struct pin *pins;
	size_t count;
};

static struct pin *find(struct lock_table *t, const char *kind, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->pins[i].kind, kind) == 0 && strcmp(t->pins[i].name, name) == 0)
			return &t->pins[i];
	return NULL;
}

static void put(struct lock_table *t, const char *kind, const char *name, const char *value)
{
	struct pin *p = find(t, kind, name);

	if (!p) {
		t->pins = arena_grow(&t->arena, t->pins, t->count * sizeof *p, (t->count + 1) * sizeof *p);
		p = &t->pins[t->count++];
	}
	*p = (struct pin){arena_strdup(&t->arena, kind), arena_strdup(&t->arena, name), arena_strdup(&t->arena, value)};
}

static int read_file(struct lock_table *t, struct error *err)
{
	_cleanup_fd_ int fd = open(t->path, O_RDONLY | O_CLOEXEC);
	char *text, *save = NULL;
	int r = fd < 0 ? -errno : fd_read_all(fd, &t->arena, 1 << 22, &text, NULL);

	if (r < 0) {
		error_sys(err, -r, "read the lock file %s", t->path);
		error_hint(err, "--lock=update writes it");
		return r;
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(line, ' '), *value = name ? strrchr(name + 1, ' ') : NULL;

		if (*line == '#')
			continue;
		if (!value)
			return error_set(
				err, ERR_CORRUPT, EINVAL, "lock file %s: \"%.80s\" is no entry", t->path, line);
		*name++ = *value++ = '\0';
		put(t, line, name, value);
	}
	return 0;
}

int pins_open(struct builder *b, struct error *err)
{
	struct lock_table *t;

	if (b->o->lock == BUILD_LOCK_NO)
		return 0;
	t = arena_new(b->arena, struct lock_table);
	pthread_mutex_init(&t->lock, NULL);
	t->path = b->o->lock_file;
	b->pins = t;
	return b->o->lock == BUILD_LOCK_USE ? read_file(t, err) : 0;
}

int pins_get(struct builder *b, const char *kind, const char *name, const char **value, struct error *err)
{
	struct lock_table *t = b->pins;
	struct pin *p;

	*value = NULL;
	if (!t || b->o->lock != BUILD_LOCK_USE)
		return 0;
	pthread_mutex_lock(&t->lock);
	p = find(t, kind, name);
	*value = p ? p->value : NULL;
	pthread_mutex_unlock(&t->lock);
	if (p)
		return 0;
	error_set(err, ERR_CONFIG, ENOKEY, "%s %s is not in the lock file %s", kind, name, t->path);
	error_hint(err, "--lock=update adds it");
	return -ENOKEY;
}

void pins_set(struct builder *b, const char *kind, const char *name, const char *value)
{
	struct lock_table *t = b->pins;

	if (!t || !value)
		return;
	pthread_mutex_lock(&t->lock);
	put(t, kind, name, value);
	pthread_mutex_unlock(&t->lock);
}

static int compare(const void *x, const void *y)
{
	const struct pin *a = x, *b = y;
	int order = strcmp(a->kind, b->kind);

	return order ? order : strcmp(a->name, b->name);
}

int pins_save(struct builder *b, struct error *err)
{
	struct lock_table *t = b->pins;
	const char *text = HEADER;
	int r;

	if (!t || b->o->lock != BUILD_LOCK_UPDATE)
		return 0;
	if (t->count)
		qsort(t->pins, t->count, sizeof *t->pins, compare);
	for (size_t i = 0; i < t->count; i++)
		text = arena_printf(
			&t->arena, "%s%s %s %s\n", text, t->pins[i].kind, t->pins[i].name, t->pins[i].value);
	r = fd_replace_file(AT_FDCWD, t->path, text, strlen(text), 0644);
	return r < 0 ? error_sys(err, -r, "write the lock file %s", t->path) : 0;
}

void pins_close(struct builder *b)
{
	if (b->pins)
		arena_free(&b->pins->arena);
	b->pins = NULL;
}
