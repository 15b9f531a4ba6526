/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what ".wh." entries mean (layer.md, "Whiteouts").  In a flat
 * tree they delete what lower layers left; in an overlay layer ".wh.NAME" becomes a
 * character device 0:0 named NAME and ".wh..wh..opq" an attribute of its directory.
 * Either way nothing is touched that the same layer has made.  Also the set of names
 * made.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/layer/apply_internal.h"
#include "image-tools/store/store.h"

void apply_set_init(struct apply_set *s)
{
	*s = (struct apply_set){ 0 };
	if (getrandom(&s->key, sizeof s->key, 0) != sizeof s->key)
		s->key = (uint64_t)(uintptr_t)s * 0x9e3779b97f4a7c15u;
}

void apply_set_free(struct apply_set *s)
{
	free(s->slots);
}

static uint64_t hash_name(const struct apply_set *s, const char *path)
{
	uint64_t h = s->key ^ 0xcbf29ce484222325u;

	for (; *path; path++) {
		h = (h ^ (uint8_t)*path) * 0x100000001b3u;
		h ^= h >> 29;
	}
	h = (h ^ (h >> 32) ^ s->key) * 0x9e3779b97f4a7c15u;
	h ^= h >> 31;
	return h ? h : 1;
}

static void insert(struct apply_set *s, uint64_t h)
{
	size_t i = h & (s->capacity - 1);

	while (s->slots[i] && s->slots[i] != h)
		i = (i + 1) & (s->capacity - 1);
	if (!s->slots[i])
		s->count++;
	s->slots[i] = h;
}

void apply_set_add(struct apply_set *s, const char *path)
{
	if (s->count * 2 >= s->capacity) {
		struct apply_set bigger = { .capacity = s->capacity ? s->capacity * 2 : 1024 };

		bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
		if (!bigger.slots)
			abort();
		for (size_t i = 0; i < s->capacity; i++)
			if (s->slots[i])
				insert(&bigger, s->slots[i]);
		free(s->slots);
		s->slots = bigger.slots;
		s->capacity = bigger.capacity;
		s->count = bigger.count;
	}
	insert(s, hash_name(s, path));
}

bool apply_set_has(const struct apply_set *s, const char *path)
{
	uint64_t h = hash_name(s, path);

	if (!s->capacity)
		return false;
	for (size_t i = h & (s->capacity - 1); s->slots[i]; i = (i + 1) & (s->capacity - 1))
		if (s->slots[i] == h)
			return true;
	return false;
}

bool apply_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Children of an opaque directory need no whiteouts of their own, and overlayfs would list them. */
static int drop_whiteouts(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	struct stat st;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return -errno;
	}
	while ((e = readdir(d)))
		if ((e->d_type == DT_CHR || e->d_type == DT_UNKNOWN) &&
			fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && apply_is_whiteout(&st))
			unlinkat(fd, e->d_name, 0);
	closedir(d);
	return 0;
}

static const char *opaque_name(const struct apply *c)
{
	return c->options->userns ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

int apply_set_opaque(struct apply *c, int fd)
{
	if (fsetxattr(fd, opaque_name(c), "y", 1, 0) < 0)
		return -errno;
	return drop_whiteouts(fd);
}

/* Remove what lower layers left in a directory; what this layer made stays, its directories are descended into. */
static int clear_lower(struct apply *c, int fd, const char *path)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return -errno;
	}
	while (r == 0 && (e = readdir(d))) {
		char child[APPLY_PATH_MAX];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(child, sizeof child, "%s%s%s", path, *path ? "/" : "", e->d_name) >= (int)sizeof child) {
			r = -ENAMETOOLONG;
		} else if (!apply_set_has(&c->made, child)) {
			r = store_remove_tree(copy, e->d_name);
		} else {
			_cleanup_fd_ int sub = openat(copy, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				r = clear_lower(c, sub, child);
		}
	}
	closedir(d);
	return r;
}

static int opaque_marker(struct apply *c, struct error *err)
{
	_cleanup_fd_ int fd = path_open_in_root(c->options->root, *c->parent_path ? c->parent_path : ".",
		O_RDONLY | O_DIRECTORY);
	int r = fd;

	if (fd >= 0)
		r = c->options->overlay ? apply_set_opaque(c, fd) : clear_lower(c, fd, c->parent_path);
	return r < 0 ? error_sys(err, -r, "layer entry \"%.200s\": hide what is below", c->raw) : 0;
}

static int overlay_whiteout(struct apply *c, const char *name, const char *path)
{
	_cleanup_fd_ int parent = openat(c->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char value[4];

	/* Made by this layer: a directory hides the one below it, anything else does so by being there. */
	if (apply_set_has(&c->made, path)) {
		_cleanup_fd_ int fd = openat(c->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		return fd < 0 ? 0 : apply_set_opaque(c, fd);
	}
	if (parent >= 0 && fgetxattr(parent, opaque_name(c), value, sizeof value) == 1 && value[0] == 'y')
		return 0;
	if (mknodat(c->parent, name, S_IFCHR | 0000, makedev(0, 0)) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int apply_whiteout(struct apply *c, const char *name, struct error *err)
{
	char path[APPLY_PATH_MAX];
	const char *hidden = name + 4;
	int r;

	if (strcmp(hidden, ".wh..opq") == 0)
		return opaque_marker(c, err);
	if (strncmp(hidden, ".wh.", 4) == 0)
		return 0; /* aufs' own files */
	if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return error_set(err, ERR_CONFIG, EINVAL, "layer entry \"%.200s\": hides nothing that can be named", c->raw);
	snprintf(path, sizeof path, "%s%s%s", c->parent_path, *c->parent_path ? "/" : "", hidden);
	if (c->options->overlay) {
		r = overlay_whiteout(c, hidden, path);
	} else if (apply_set_has(&c->made, path)) {
		_cleanup_fd_ int fd = openat(c->parent, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		r = fd < 0 ? 0 : clear_lower(c, fd, path);
	} else {
		r = store_remove_tree(c->parent, hidden);
		if (r == -ENOENT)
			r = 0;
	}
	return r < 0 ? error_sys(err, -r, "layer entry \"%.200s\": hide \"%.100s\"", c->raw, hidden) : 0;
}
