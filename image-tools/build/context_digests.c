/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a table in memory, open addressing, from what stat(2) says
 * of a file to the digest of its content.  On disk: a magic line, fixed records, and
 * a SHA-256 of all that; a file that does not check is as none.  It is written again
 * only when something was added, merged with what another build has written since,
 * and records that nobody asked for in 30 days are dropped.
 *
 * Why a stat can be believed: any change of data, mode, owner or attributes moves the
 * change time.  Unless it happens within one tick of the clock after we have read the
 * file; therefore a file whose times are less than two seconds old when reading begins
 * is digested but not remembered (the rule of git's index).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/build/context_digests.h"

#define MAGIC "oci-image file digests 1\n"
#define MAGIC_SIZE (sizeof MAGIC - 1)
#define RECORDS_MAX (1u << 22)
#define KEEP_DAYS 30u
#define RACY_SECONDS 2

struct record {
	struct file_key key;
	uint32_t day; /* of last use, since 1970 */
	uint8_t digest[32];
};
_Static_assert(sizeof(struct record) == 96, "records are written as they are");

struct file_digests {
	pthread_mutex_t lock;
	int dir;
	char name[64];
	struct record *slots; /* day 0: free */
	size_t capacity, count;
	bool changed;
	uint32_t today;
	struct file_digests_stats stats;
};

static size_t slot_of(const struct file_digests *f, const struct file_key *k)
{
	uint64_t h = k->ino * 0x9e3779b97f4a7c15u ^ k->dev * 0xc2b2ae3d27d4eb4fu ^ (uint64_t)k->mtime_nsec << 20;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	h ^= h >> 32;
	return (size_t)h & (f->capacity - 1);
}

static struct record *find(struct file_digests *f, const struct file_key *k)
{
	size_t i = slot_of(f, k);

	while (f->slots[i].day && !file_key_equal(&f->slots[i].key, k))
		i = (i + 1) & (f->capacity - 1);
	return &f->slots[i];
}

static int reserve(struct file_digests *f, size_t count)
{
	struct record *old = f->slots;
	size_t n = f->capacity, bigger = n ? n : 1024;

	while (bigger / 2 < count)
		bigger *= 2;
	if (bigger == n)
		return 0;
	f->slots = calloc(bigger, sizeof *f->slots);
	if (!f->slots) {
		f->slots = old;
		return -ENOMEM;
	}
	f->capacity = bigger;
	for (size_t i = 0; i < n; i++)
		if (old[i].day)
			*find(f, &old[i].key) = old[i];
	free(old);
	return 0;
}

static void add(struct file_digests *f, const struct record *r)
{
	struct record *slot;

	if (f->count >= RECORDS_MAX || reserve(f, f->count + 1) < 0)
		return;
	slot = find(f, &r->key);
	f->count += slot->day == 0;
	if (slot->day < r->day)
		*slot = *r;
}

static void load(struct file_digests *f)
{
	_cleanup_fd_ int fd = openat(f->dir, f->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct digest sum;
	struct stat st;
	char *buf;
	size_t size, n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)(MAGIC_SIZE + 32) ||
		st.st_size > (off_t)(MAGIC_SIZE + 32 + sizeof(struct record) * (size_t)RECORDS_MAX))
		return;
	size = (size_t)st.st_size;
	buf = malloc(size);
	if (!buf)
		return;
	n = (size - MAGIC_SIZE - 32) / sizeof(struct record);
	if (fd_read_full(fd, buf, size) == (ssize_t)size && memcmp(buf, MAGIC, MAGIC_SIZE) == 0 &&
		n * sizeof(struct record) + MAGIC_SIZE + 32 == size &&
		digest_of(DIGEST_SHA256, buf, size - 32, &sum) == 0 && memcmp(sum.bytes, buf + size - 32, 32) == 0 &&
		reserve(f, f->count + n) == 0) {
		for (size_t i = 0; i < n; i++) {
			struct record r;

			memcpy(&r, buf + MAGIC_SIZE + i * sizeof r, sizeof r);
			if (r.day && r.day + KEEP_DAYS >= f->today)
				add(f, &r);
		}
	}
	free(buf);
}

int file_digests_open(struct file_digests **out, int dir, const char *name, struct error *err)
{
	struct file_digests *f = calloc(1, sizeof *f);

	if (!f || reserve(f, 1) < 0) {
		free(f);
		return error_sys(err, ENOMEM, "open the table of file digests");
	}
	pthread_mutex_init(&f->lock, NULL);
	f->dir = dir < 0 ? -1 : fcntl(dir, F_DUPFD_CLOEXEC, 3);
	f->today = (uint32_t)(time(NULL) / 86400);
	strncpy(f->name, name, sizeof f->name - 1);
	if (f->dir >= 0)
		load(f);
	*out = f;
	return 0;
}

static int write_table(struct file_digests *f)
{
	size_t size = MAGIC_SIZE + 32, at = MAGIC_SIZE;
	struct digest sum;
	char *buf;
	int r;

	for (size_t i = 0; i < f->capacity; i++)
		size += f->slots[i].day ? sizeof(struct record) : 0;
	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, MAGIC, MAGIC_SIZE);
	for (size_t i = 0; i < f->capacity; i++) {
		if (!f->slots[i].day)
			continue;
		memcpy(buf + at, &f->slots[i], sizeof(struct record));
		at += sizeof(struct record);
	}
	r = digest_of(DIGEST_SHA256, buf, at, &sum);
	memcpy(buf + at, sum.bytes, 32);
	if (r == 0)
		r = fd_replace_file(f->dir, f->name, buf, size, 0600);
	free(buf);
	return r;
}

void file_digests_save(struct file_digests *f)
{
	_cleanup_fd_ int lock = -1;
	int r = 0;

	if (!f || f->dir < 0)
		return;
	pthread_mutex_lock(&f->lock);
	if (f->changed) {
		/* A descriptor of its own: locks of other threads' duplicates would be ours too. */
		lock = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (lock < 0 || flock(lock, LOCK_EX) < 0)
			r = -errno;
		if (r == 0) {
			load(f);
			r = write_table(f);
		}
		f->changed = r < 0;
	}
	pthread_mutex_unlock(&f->lock);
	if (r < 0)
		log_warning("the table of file digests could not be written: %s; the next build reads more files",
			error_text(-r));
}

void file_digests_free(struct file_digests *f)
{
	if (!f)
		return;
	cleanup_fd(&f->dir);
	pthread_mutex_destroy(&f->lock);
	free(f->slots);
	free(f);
}

struct file_digests_stats file_digests_count(struct file_digests *f)
{
	struct file_digests_stats s;

	pthread_mutex_lock(&f->lock);
	s = f->stats;
	pthread_mutex_unlock(&f->lock);
	return s;
}

struct file_key file_key_of(const struct stat *st)
{
	return (struct file_key){ .dev = st->st_dev, .ino = st->st_ino, .size = (uint64_t)st->st_size,
		.mtime_sec = st->st_mtim.tv_sec, .ctime_sec = st->st_ctim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec, .ctime_nsec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode };
}

bool file_key_equal(const struct file_key *a, const struct file_key *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_sec == b->mtime_sec &&
		a->ctime_sec == b->ctime_sec && a->mtime_nsec == b->mtime_nsec && a->ctime_nsec == b->ctime_nsec &&
		a->mode == b->mode;
}

bool file_key_racy(const struct file_key *k, const struct timespec *now)
{
	/* The change time is the kernel's own; the modification time anybody can set, also into the future. */
	return k->ctime_sec + RACY_SECONDS >= now->tv_sec;
}

bool file_digests_find(struct file_digests *f, const struct file_key *k, uint8_t out[static 32])
{
	struct record *r;
	bool found;

	pthread_mutex_lock(&f->lock);
	r = find(f, k);
	found = r->day != 0;
	if (found) {
		memcpy(out, r->digest, 32);
		f->stats.known++;
		/* Written at most once a day for this reason. */
		f->changed = f->changed || r->day < f->today;
		r->day = f->today;
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

void file_digests_add(struct file_digests *f, const struct file_key *k, const uint8_t digest[static 32], bool settled)
{
	struct record r = { .key = *k, .day = f->today };

	memcpy(r.digest, digest, 32);
	pthread_mutex_lock(&f->lock);
	f->stats.read++;
	f->stats.bytes += k->size;
	if (settled) {
		add(f, &r);
		f->changed = true;
	}
	pthread_mutex_unlock(&f->lock);
}
