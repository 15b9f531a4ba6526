/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see cache.h.  A key names the parent by the chain-id of its
 * layers, so by content: when a step before ran anew and made the same bytes, what
 * follows is still known.  Locks are files of their own, one per key: whoever gets the
 * lock looks into the table again, so two builds (or two stages of one) that need the
 * same step run it once.  A lock file is unlinked by its last holder; whoever locked an
 * unlinked one tries again.
 */
#include "image-tools/build/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define ENTRY_MAX 4096

int cache_open(struct cache *c, struct store *s, struct error *err)
{
	static const char *const dirs[] = {
		"cache", "cache/steps", "cache/seen", "cache/blobs", "cache/mounts", "cache/locks", "cache/http"};

	*c = (struct cache){.dir = -1, .store = s};
	clock_gettime(CLOCK_REALTIME, &c->opened);
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
		if (mkdirat(s->layout.dir, dirs[i], 0700) < 0 && errno != EEXIST)
			return error_sys(err, errno, "create %s/%s", s->path, dirs[i]);
	c->dir = openat(s->layout.dir, "cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return c->dir < 0 ? error_sys(err, errno, "open %s/cache", s->path) : 0;
}

void cache_close(struct cache *c)
{
	cleanup_fd(&c->dir);
	c->dir = -1;
}

void key_add(struct key *k, const char *name, const char *value)
{
	if (!value)
		return;
	k->parts = arena_grow(k->a, k->parts, k->count * sizeof *k->parts, (k->count + 1) * sizeof *k->parts);
	k->parts[k->count++] = (struct key_part){arena_strdup(k->a, name), arena_strdup(k->a, value)};
}

static void feed(struct digest_stream *s, const char *text)
{
	uint64_t n = strlen(text);

	digest_feed(s, &n, sizeof n);
	digest_feed(s, text, n);
}

void key_end(const struct key *k, struct digest *d)
{
	struct digest_stream s;

	*d = (struct digest){0};
	if (digest_begin(&s, DIGEST_SHA256) < 0)
		abort();
	feed(&s, "oci-image step 1");
	for (size_t i = 0; i < k->count; i++) {
		feed(&s, k->parts[i].name);
		feed(&s, k->parts[i].value);
	}
	digest_end(&s, d);
}

static const char *step_path(const struct digest *key, char buf[static 96])
{
	char hex[DIGEST_TEXT_MAX];

	digest_hex(key, hex);
	snprintf(buf, 96, "steps/%.2s/%.62s", hex, hex + 2);
	return buf;
}

bool cache_find(const struct cache *c, struct arena *a, const struct digest *key, struct build_layer *layer)
{
	char path[96], text[ENTRY_MAX], diff_id[160], name[160];
	_cleanup_fd_ int fd = openat(c->dir, step_path(key, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof text - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	*layer = (struct build_layer){0};
	if (sscanf(text, "step 1 %159s %159s", diff_id, name) != 2 || strchr(name, '/') || name[0] == '.' ||
		digest_parse(diff_id, &layer->diff_id, NULL) < 0 || !store_layer_exists(c->store, name)) {
		/* Its layer is gone: so is the entry. */
		unlinkat(c->dir, path, 0);
		return false;
	}
	layer->name = arena_strdup(a, name);
	/* For gc --keep-cache. */
	(void)!futimens(fd, (struct timespec[]){c->opened, c->opened});
	return true;
}

static int replace(int dir, const char *path, const char *text, size_t n)
{
	char temporary[160];
	struct timespec t;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(temporary, sizeof temporary, "%.100s.%d.%ld", path, (int)gettid(), t.tv_nsec);
	r = fd_create_file(dir, temporary, text, n, 0600);
	if (r == 0 && renameat(dir, temporary, dir, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temporary, 0);
	return r;
}

void cache_store(const struct cache *c, const struct digest *key, const struct build_layer *layer)
{
	char path[96], parent[16], text[ENTRY_MAX], diff_id[DIGEST_TEXT_MAX];
	int n = snprintf(text, sizeof text, "step 1 %s %s\n", digest_format(&layer->diff_id, diff_id), layer->name), r;

	step_path(key, path);
	snprintf(parent, sizeof parent, "%.8s", path);
	if (mkdirat(c->dir, parent, 0700) < 0 && errno != EEXIST)
		r = -errno;
	else
		r = replace(c->dir, path, text, (size_t)n);
	if (r == 0)
		(void)!utimensat(c->dir, path, (struct timespec[]){c->opened, c->opened}, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		log_warning("build cache: %s/cache/%s: %s", c->store->path, path, error_text(-r));
}

int cache_lock_name(
	const struct cache *c, const char *name, bool exclusive, bool nonblocking, const atomic_bool *cancel)
{
	char path[200];

	snprintf(path, sizeof path, "locks/%s", name);
	for (;;) {
		_cleanup_fd_ int fd = openat(c->dir, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		struct stat st, now;

		if (fd < 0)
			return -errno;
		if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
			if (fstat(fd, &st) == 0 && fstatat(c->dir, path, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
				st.st_ino == now.st_ino)
				return fd_take(&fd);
			continue; /* its last holder has unlinked it */
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (nonblocking)
			return -EWOULDBLOCK;
		if (cancel && atomic_load(cancel))
			return -ECANCELED;
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
}

int cache_lock(const struct cache *c, const struct digest *key, const atomic_bool *cancel)
{
	char hex[DIGEST_TEXT_MAX];

	return cache_lock_name(c, digest_hex(key, hex), true, false, cancel);
}

void cache_unlock(int lock)
{
	char link[64], path[4096];
	ssize_t n;

	if (lock < 0)
		return;
	snprintf(link, sizeof link, "/proc/self/fd/%d", lock);
	n = readlink(link, path, sizeof path - 1);
	/* Only the last holder of a shared lock can make it exclusive. */
	if (n > 0 && flock(lock, LOCK_EX | LOCK_NB) == 0) {
		path[n] = '\0';
		unlink(path);
	}
	close(lock);
}

static const char *seen_path(const struct digest *slot, char buf[static 64])
{
	char hex[DIGEST_TEXT_MAX];

	snprintf(buf, 64, "seen/%.32s", digest_hex(slot, hex));
	return buf;
}

/* name NUL value NUL ... */
void cache_seen_read(const struct cache *c, const struct digest *slot, struct key *k)
{
	char path[64], *buf;
	size_t len;

	k->count = 0;
	if (fd_read_file(c->dir, seen_path(slot, path), k->a, 1 << 20, &buf, &len) < 0)
		return;
	for (char *p = buf, *end = buf + len; p < end;) {
		char *name = p, *value = name + strlen(name) + 1;

		if (value >= end)
			break;
		key_add(k, name, value);
		p = value + strlen(value) + 1;
	}
}

void cache_seen_write(const struct cache *c, const struct digest *slot, const struct key *k)
{
	char path[64], *text, *p;
	size_t len = 0;

	for (size_t i = 0; i < k->count; i++)
		len += strlen(k->parts[i].name) + strlen(k->parts[i].value) + 2;
	p = text = arena_alloc(k->a, len + 1);
	for (size_t i = 0; i < k->count; i++) {
		p = stpcpy(p, k->parts[i].name) + 1;
		p = stpcpy(p, k->parts[i].value) + 1;
	}
	if (len < 1 << 20)
		(void)!replace(c->dir, seen_path(slot, path), text, len);
}

static const struct key_part *part(const struct key *k, const char *name)
{
	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->parts[i].name, name) == 0)
			return &k->parts[i];
	return NULL;
}

static const char *describe(struct arena *a, const struct key_part *before, const struct key_part *now)
{
	const char *name = now ? now->name : before->name;

	/* Digests and whole scripts say nothing to people. */
	if (strcmp(name, "parent") == 0)
		return "the tree it starts from";
	if (strstr(name, "content of "))
		return name;
	if (!before)
		return arena_printf(a, "%s is new (%.80s)", name, now->value);
	if (!now)
		return arena_printf(a, "%s is gone (was %.80s)", name, before->value);
	return arena_printf(a, "%s: \"%.80s\" was \"%.80s\"", name, now->value, before->value);
}

const char *key_difference(struct arena *a, const struct key *before, const struct key *now)
{
	const char *text = "";

	for (size_t i = 0; i < now->count; i++) {
		const struct key_part *old = part(before, now->parts[i].name);

		if (!old || strcmp(old->value, now->parts[i].value) != 0)
			text = arena_printf(a, "%s%s%s", text, *text ? "; " : "", describe(a, old, &now->parts[i]));
	}
	for (size_t i = 0; i < before->count; i++)
		if (!part(now, before->parts[i].name))
			text = arena_printf(a, "%s%s%s", text, *text ? "; " : "", describe(a, &before->parts[i], NULL));
	return text;
}

static const char *blob_path(struct arena *a, const struct digest *diff_id, const char *codec)
{
	char hex[DIGEST_TEXT_MAX];

	return arena_printf(a, "blobs/%.64s.%.20s", digest_hex(diff_id, hex), codec);
}

bool cache_blob_find(
	const struct cache *c, struct arena *a, const struct digest *diff_id, const char *codec, struct descriptor *d)
{
	char text[512], digest[160], type[160];
	long long size;
	struct digest parsed;
	_cleanup_fd_ int fd = openat(c->dir, blob_path(a, diff_id, codec), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof text - 1);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (sscanf(text, "blob 1 %159s %lld %159s", digest, &size, type) != 3 ||
		digest_parse(digest, &parsed, NULL) < 0 || !layout_blob_exists(&c->store->layout, &parsed, size))
		return false;
	*d = descriptor_make(a, arena_strdup(a, type), &parsed, (uint64_t)size);
	return true;
}

void cache_blob_store(const struct cache *c, struct arena *a, const struct digest *diff_id, const char *codec,
	const struct descriptor *d)
{
	const char *text = arena_printf(a, "blob 1 %s %lld %s\n", d->digest_text, (long long)d->size, d->media_type);

	(void)!replace(c->dir, blob_path(a, diff_id, codec), text, strlen(text));
}
