/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a blob is written to a nameless file (O_TMPFILE) or, when
 * a later process should be able to go on with it, to a named part file that is
 * locked while somebody works on it.  Only after size and digest were checked and
 * the bytes are on disk does it get its name below blobs/.  index.json is replaced
 * by temporary file, fsync, rename, fsync of the directory, under an exclusive
 * lock of the file "index.lock".  So a crash leaves either nothing or a part.
 */
#include "image-tools/store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define LAYOUT_FILE "{\"imageLayoutVersion\":\"1.0.0\"}"

static int make_dir(int dir, const char *name)
{
	return mkdirat(dir, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* mkdir -p of a path given by the user. */
static int make_path(const char *path)
{
	char work[4096];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof work)
		return -ENAMETOOLONG;
	memcpy(work, path, n + 1);
	for (char *p = work + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(work, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(work, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int create_files(struct layout *l, struct error *err)
{
	static const char *const dirs[] = { "blobs", "blobs/sha256" };
	static const char empty[] = "{\"schemaVersion\":2,\"manifests\":[]}";

	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		int r = make_dir(l->dir, dirs[i]);

		if (r < 0)
			return error_sys(err, -r, "create %s/%s", l->path, dirs[i]);
	}
	if (faccessat(l->dir, "index.json", F_OK, 0) < 0) {
		int r = fd_replace_file_durable(l->dir, "index.json", empty, sizeof empty - 1, 0644);

		if (r < 0)
			return error_sys(err, -r, "create %s/index.json", l->path);
	}
	if (faccessat(l->dir, "oci-layout", F_OK, 0) < 0) {
		int r = fd_replace_file_durable(l->dir, "oci-layout", LAYOUT_FILE, sizeof LAYOUT_FILE - 1, 0644);

		if (r < 0)
			return error_sys(err, -r, "create %s/oci-layout", l->path);
	}
	return 0;
}

int layout_open(struct layout *l, const char *path, bool create, const char *parts_name, struct error *err)
{
	int r;

	*l = (struct layout){ .dir = -1, .parts = -1, .path = path, .parts_name = parts_name };
	if (create) {
		r = make_path(path);
		if (r < 0)
			return error_sys(err, -r, "create directory %s", path);
	}
	l->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir < 0) {
		r = errno;
		error_set(err, r == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, r, "open image layout %s: %s", path, error_text(r));
		return -r;
	}
	if (faccessat(l->dir, "oci-layout", F_OK, 0) < 0 || faccessat(l->dir, "blobs/sha256", F_OK, 0) < 0) {
		if (!create) {
			layout_close(l);
			return error_set(err, ERR_NOT_FOUND, ENOENT, "%s is not an OCI image layout (no oci-layout file)", path);
		}
		r = layout_lock(l, err);
		if (r < 0)
			return r;
		_cleanup_fd_ int lock = r;

		r = create_files(l, err);
		if (r < 0)
			return r;
		(void)lock;
	}
	if (create && parts_name) {
		make_dir(l->dir, parts_name);
		l->parts = openat(l->dir, parts_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	}
	return 0;
}

void layout_close(struct layout *l)
{
	if (l->parts >= 0) {
		close(l->parts);
		if (strcmp(l->parts_name, "tmp") != 0)
			unlinkat(l->dir, l->parts_name, AT_REMOVEDIR);
	}
	if (l->dir >= 0)
		close(l->dir);
	l->dir = l->parts = -1;
}

int layout_lock(const struct layout *l, struct error *err)
{
	int fd = openat(l->dir, "index.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return error_sys(err, errno, "open %s/index.lock", l->path);
	while (flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		int e = errno;

		close(fd);
		return error_sys(err, e, "lock %s/index.lock", l->path);
	}
	return fd;
}

/* "blobs/sha256/<hex>": the name comes from our own encoder. */
#define BLOB_PATH_MAX (DIGEST_TEXT_MAX + 32)
static const char *blob_path(const struct digest *d, char buf[static BLOB_PATH_MAX])
{
	char hex[DIGEST_TEXT_MAX];

	snprintf(buf, BLOB_PATH_MAX, "blobs/%s/%s", digest_algorithm_name(d->algorithm), digest_hex(d, hex));
	return buf;
}

int layout_blob_open(const struct layout *l, const struct digest *d, uint64_t *size)
{
	char path[BLOB_PATH_MAX];
	struct stat st;
	int fd = path_open_beneath(l->dir, blob_path(d, path), O_RDONLY | O_NONBLOCK | O_NOCTTY);

	/* A foreign layout may use links; its directory is the user's choice, so follow them inside. */
	if (fd == -ELOOP)
		fd = path_open_in_root(l->dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	if (size)
		*size = (uint64_t)st.st_size;
	return fd;
}

bool layout_blob_exists(const struct layout *l, const struct digest *d, int64_t size)
{
	uint64_t have = 0;
	_cleanup_fd_ int fd = d->algorithm ? layout_blob_open(l, d, &have) : -1;

	return fd >= 0 && (size < 0 || have == (uint64_t)size);
}

int layout_blob_read(const struct layout *l, const struct descriptor *d, size_t max, struct arena *a, char **buf,
	size_t *len, struct error *err)
{
	struct digest found;
	char text[DIGEST_TEXT_MAX];
	_cleanup_fd_ int fd = -1;
	int r;

	if (!d->digest.algorithm)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "blob %.160s: digest algorithm is not supported",
			d->digest_text);
	digest_format(&d->digest, text);
	fd = layout_blob_open(l, &d->digest, NULL);
	if (fd < 0)
		return error_set(err, ERR_NOT_FOUND, -fd, "blob %s is not in %s", text, l->path);
	r = fd_read_all(fd, a, max, buf, len);
	if (r < 0)
		return error_sys(err, -r, "read blob %s", text);
	r = digest_of(d->digest.algorithm, *buf, *len, &found);
	if (r < 0)
		return error_sys(err, -r, "hash blob %s", text);
	if (!digest_equal(&found, &d->digest) || (d->size >= 0 && (uint64_t)d->size != *len))
		return error_set(err, ERR_CORRUPT, EBADMSG, "blob %s in %s is damaged", text, l->path);
	return 0;
}

int layout_blob_remove(const struct layout *l, const struct digest *d)
{
	char path[BLOB_PATH_MAX];

	return unlinkat(l->dir, blob_path(d, path), 0) < 0 ? -errno : 0;
}

int blob_begin(struct blob_writer *b, const struct layout *l, enum digest_algorithm algorithm, struct error *err)
{
	*b = (struct blob_writer){ .layout = l, .fd = -1 };
	b->fd = openat(l->dir, "blobs/sha256", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	if (b->fd < 0)
		return error_sys(err, errno, "create a blob in %s", l->path);
	if (digest_begin(&b->stream, algorithm) < 0) {
		close(b->fd);
		return error_sys(err, ENOMEM, "hash a blob");
	}
	return 0;
}

int blob_write(struct blob_writer *b, const void *buf, size_t len, struct error *err)
{
	int r = fd_write_all(b->fd, buf, len);

	if (r < 0)
		return error_sys(err, -r, "write a blob in %s", b->layout->path);
	digest_feed(&b->stream, buf, len);
	return 0;
}

void blob_abort(struct blob_writer *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	if (b->stream.context)
		digest_abort(&b->stream);
}

static int sync_blob_dir(const struct layout *l, const struct digest *d)
{
	char path[64];
	_cleanup_fd_ int dir = -1;

	snprintf(path, sizeof path, "blobs/%s", digest_algorithm_name(d->algorithm));
	dir = openat(l->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

int blob_commit(struct blob_writer *b, const struct digest *expected, struct digest *d, struct error *err)
{
	char path[BLOB_PATH_MAX], link[64], text[DIGEST_TEXT_MAX], other[DIGEST_TEXT_MAX];
	struct digest found;
	int r = 0;

	digest_end(&b->stream, &found);
	if (expected && !digest_equal(expected, &found)) {
		blob_abort(b);
		return error_set(err, ERR_CORRUPT, EBADMSG, "blob %s: content has digest %s", digest_format(expected, text),
			digest_format(&found, other));
	}
	if (found.algorithm == DIGEST_SHA512)
		make_dir(b->layout->dir, "blobs/sha512");
	snprintf(link, sizeof link, "/proc/self/fd/%d", b->fd);
	if (fsync(b->fd) < 0 ||
		(linkat(AT_FDCWD, link, b->layout->dir, blob_path(&found, path), AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST))
		r = -errno;
	if (r == 0)
		r = sync_blob_dir(b->layout, &found);
	blob_abort(b);
	if (r < 0)
		return error_sys(err, -r, "store blob %s in %s", digest_format(&found, text), b->layout->path);
	if (d)
		*d = found;
	return 0;
}

int layout_blob_put(const struct layout *l, const void *buf, size_t len, struct digest *d, struct error *err)
{
	struct blob_writer b;
	struct digest found;
	int r;

	if (digest_of(DIGEST_SHA256, buf, len, &found) == 0 && layout_blob_exists(l, &found, (int64_t)len)) {
		if (d)
			*d = found;
		return 0;
	}
	r = blob_begin(&b, l, DIGEST_SHA256, err);
	if (r < 0)
		return r;
	r = blob_write(&b, buf, len, err);
	if (r < 0) {
		blob_abort(&b);
		return r;
	}
	return blob_commit(&b, NULL, d, err);
}

#define PART_NAME_MAX (DIGEST_TEXT_MAX + 32)
static const char *part_name(const struct digest *d, char buf[static PART_NAME_MAX])
{
	char hex[DIGEST_TEXT_MAX];

	snprintf(buf, PART_NAME_MAX, "blob.%s.%s.part", digest_algorithm_name(d->algorithm), digest_hex(d, hex));
	return buf;
}

int layout_part_open(const struct layout *l, const struct digest *d, uint64_t *have, struct error *err)
{
	char name[PART_NAME_MAX];
	struct stat st, now;

	part_name(d, name);
	for (;;) {
		_cleanup_fd_ int fd = openat(l->parts, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return error_sys(err, errno, "create partial download %s/%s/%s", l->path, l->parts_name, name);
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return error_sys(err, errno, "lock partial download %s", name);
		if (layout_blob_exists(l, d, -1)) {
			unlinkat(l->parts, name, 0);
			return -EEXIST;
		}
		/* Somebody may have finished or discarded it while we waited for the lock. */
		if (fstat(fd, &st) < 0 || fstatat(l->parts, name, &now, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != now.st_ino)
			continue;
		*have = (uint64_t)st.st_size;
		return fd_take(&fd);
	}
}

int layout_part_commit(const struct layout *l, const struct digest *d, int fd, struct error *err)
{
	char name[PART_NAME_MAX], path[BLOB_PATH_MAX];

	if (d->algorithm == DIGEST_SHA512)
		make_dir(l->dir, "blobs/sha512");
	if (fchmod(fd, 0644) < 0 || fdatasync(fd) < 0 || renameat(l->parts, part_name(d, name), l->dir, blob_path(d, path)) < 0)
		return error_sys(err, errno, "store blob %s/%s", l->path, blob_path(d, path));
	return 0;
}

int layout_sync_names(const struct layout *l, struct error *err)
{
	static const struct digest any[] = { { .algorithm = DIGEST_SHA256 }, { .algorithm = DIGEST_SHA512 } };

	for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
		int r = sync_blob_dir(l, &any[i]);

		if (r < 0 && r != -ENOENT)
			return error_sys(err, -r, "sync %s/blobs", l->path);
	}
	return 0;
}

void layout_part_discard(const struct layout *l, const struct digest *d)
{
	char name[PART_NAME_MAX];

	unlinkat(l->parts, part_name(d, name), 0);
}

int layout_index_read(const struct layout *l, struct arena *a, struct image_index *x, struct error *err)
{
	char *buf;
	size_t len;
	int r = fd_read_file(l->dir, "index.json", a, JSON_MAX_INPUT, &buf, &len);

	if (r < 0)
		return error_sys(err, -r, "read %s/index.json", l->path);
	return index_parse(buf, len, arena_printf(a, "%s/index.json", l->path), a, x, err);
}

int layout_index_write(const struct layout *l, struct arena *a, const struct image_index *x, struct error *err)
{
	size_t len;
	const char *text = index_write(a, x, &len);
	int r = fd_replace_file_durable(l->dir, "index.json", text, len, 0644);

	return r < 0 ? error_sys(err, -r, "write %s/index.json", l->path) : 0;
}

/* d NULL: take the name away; with the name "", the entry of the digest `nameless` that has none. */
static int change_index(const struct layout *l, struct arena *a, const char *name, const struct descriptor *d,
	const struct digest *nameless, struct error *err)
{
	struct image_index x;
	struct descriptor *items;
	size_t n = 0;
	bool found = false;
	_cleanup_fd_ int lock = layout_lock(l, err);
	int r;

	if (lock < 0)
		return lock;
	r = layout_index_read(l, a, &x, err);
	if (r < 0)
		return r;
	items = arena_array(a, struct descriptor, x.manifests_count + 1);
	for (size_t i = 0; i < x.manifests_count; i++) {
		const char *have = string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);

		if (have ? strcmp(have, name) == 0 : *name == '\0' && nameless && digest_equal(nameless, &x.manifests[i].digest))
			found = true;
		else
			items[n++] = x.manifests[i];
	}
	if (!d && !found)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "%s: no image of that name", name);
	if (d) {
		items[n] = *d;
		if (*name)
			string_map_set(a, &items[n].annotations, ANNOTATION_REF_NAME, name);
		n++;
	}
	x.manifests = items;
	x.manifests_count = n;
	return layout_index_write(l, a, &x, err);
}

int layout_set_name(const struct layout *l, struct arena *a, const char *name, const struct descriptor *d,
	struct error *err)
{
	return change_index(l, a, name, d, d ? &d->digest : NULL, err);
}

int layout_drop_nameless(const struct layout *l, struct arena *a, const struct digest *digest, struct error *err)
{
	return change_index(l, a, "", NULL, digest, err);
}
