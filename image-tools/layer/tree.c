/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see tree.h.  The file is one line with the version, then for each
 * entry a head of fixed size, its name, target and attributes.  Lengths are checked
 * against what is left although the digest fits: a wrong file must not become a wrong read.
 */
#include "image-tools/layer/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static const char version[] = "oci-image tree 2\n";

struct head {
	uint32_t depth, mode, uid, gid;
	uint64_t rdev, size;
	int64_t mtime, ctime;
	uint32_t name, target, attributes; /* lengths; name and target with their NUL */
	uint32_t unused;
};

static void put(struct tree_writer *w, const void *bytes, size_t n)
{
	while (n > 0 && w->failed == 0) {
		size_t part = TREE_BUFFER - w->used < n ? TREE_BUFFER - w->used : n;

		memcpy(w->buffer + w->used, bytes, part);
		w->used += part;
		bytes = (const char *)bytes + part;
		n -= part;
		if (w->used < TREE_BUFFER)
			continue;
		digest_feed(&w->stream, w->buffer, w->used);
		w->failed = fd_write_all(w->fd, w->buffer, w->used);
		w->used = 0;
	}
}

int tree_write_begin(struct tree_writer *w, int dir, const char *name)
{
	w->failed = 0;
	w->used = 0;
	w->fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (w->fd < 0)
		return -errno;
	if (digest_begin(&w->stream, DIGEST_SHA256) < 0) {
		close(w->fd);
		return -ENOMEM;
	}
	put(w, version, sizeof version - 1);
	return 0;
}

int tree_write(struct tree_writer *w, const struct tree_entry *e)
{
	struct head h = { .depth = e->depth, .mode = e->mode, .uid = e->uid, .gid = e->gid, .rdev = e->rdev, .size = e->size,
		.mtime = e->mtime, .ctime = e->ctime, .name = (uint32_t)strlen(e->name) + 1, .target = (uint32_t)strlen(e->target) + 1,
		.attributes = (uint32_t)e->attributes_size };

	put(w, &h, sizeof h);
	put(w, e->name, h.name);
	put(w, e->target, h.target);
	put(w, e->attributes, h.attributes);
	return w->failed;
}

void tree_write_abort(struct tree_writer *w)
{
	close(w->fd);
	digest_abort(&w->stream);
}

int tree_write_end(struct tree_writer *w, struct digest *d)
{
	if (w->failed == 0) {
		digest_feed(&w->stream, w->buffer, w->used);
		w->failed = fd_write_all(w->fd, w->buffer, w->used);
	}
	if (w->failed == 0)
		digest_end(&w->stream, d);
	tree_write_abort(w);
	return w->failed;
}

int tree_read_begin(struct tree_reader *r, int dir, const char *name, const struct digest *expected, struct arena *a)
{
	struct digest found;
	char *data;
	int rc;

	*r = (struct tree_reader){ .at = sizeof version - 1 };
	rc = fd_read_file(dir, name, a, TREE_SIZE_MAX, &data, &r->size);
	if (rc < 0)
		return rc;
	r->data = data;
	rc = digest_of(expected->algorithm, data, r->size, &found);
	if (rc < 0)
		return rc;
	if (!digest_equal(expected, &found) || r->size < r->at || memcmp(data, version, r->at) != 0)
		return -EBADMSG;
	tree_read_next(r);
	return 0;
}

/* A string of n bytes, the last of them NUL. */
static bool is_text(const char *p, size_t n)
{
	return n > 0 && memchr(p, '\0', n) == p + n - 1;
}

void tree_read_next(struct tree_reader *r)
{
	size_t left = r->size - r->at;
	const char *p = r->data + r->at;
	struct head h;

	r->present = false;
	if (left < sizeof h)
		return;
	memcpy(&h, p, sizeof h);
	p += sizeof h;
	left -= sizeof h;
	if (h.name > left || h.target > left - h.name || h.attributes > left - h.name - h.target || !is_text(p, h.name) ||
		!is_text(p + h.name, h.target))
		return;
	r->entry = (struct tree_entry){ .depth = h.depth, .name = p, .target = p + h.name, .mode = h.mode, .uid = h.uid,
		.gid = h.gid, .rdev = h.rdev, .mtime = h.mtime, .ctime = h.ctime, .size = h.size, .attributes = p + h.name + h.target,
		.attributes_size = h.attributes };
	r->at += sizeof h + h.name + h.target + h.attributes;
	r->present = true;
}
