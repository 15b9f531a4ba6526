/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_STORE_LAYOUT_H
#define OCI_RT_IMAGE_TOOLS_STORE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "image-tools/manifest.h"

/*
 * An OCI image layout (image-spec, image-layout.md): our store has one inside,
 * and `oci:DIR` names any other.  Blobs become visible under their digest only
 * when they are complete, checked and on disk.
 */
struct layout {
	int dir;		/* descriptor of the directory that holds oci-layout */
	int parts;		/* descriptor of the directory for partial blobs, or -1 */
	const char *path;	/* for messages */
	const char *parts_name; /* its name below dir */
};

/* Open (create: make it when missing). */
int layout_open(struct layout *l, const char *path, bool create, const char *parts_name, struct error *err);
void layout_close(struct layout *l);

/* Open a blob for reading; -ENOENT when it is not there. */
int layout_blob_open(const struct layout *l, const struct digest *d, uint64_t *size);
bool layout_blob_exists(const struct layout *l, const struct digest *d, int64_t size);
/* Read a small blob and check size and digest. */
int layout_blob_read(const struct layout *l, const struct descriptor *d, size_t max, struct arena *a, char **buf,
	size_t *len, struct error *err);
int layout_blob_remove(const struct layout *l, const struct digest *d);

/* A blob being written: nameless until committed. */
struct blob_writer {
	const struct layout *layout;
	int fd;
	struct digest_stream stream;
};
int blob_begin(struct blob_writer *b, const struct layout *l, enum digest_algorithm algorithm, struct error *err);
int blob_write(struct blob_writer *b, const void *buf, size_t len, struct error *err);
/* Make it visible.  expected: its digest when known (NULL: any); the digest is stored in *d. */
int blob_commit(struct blob_writer *b, const struct digest *expected, struct digest *d, struct error *err);
void blob_abort(struct blob_writer *b);
/* All in one for bytes in memory. */
int layout_blob_put(const struct layout *l, const void *buf, size_t len, struct digest *d, struct error *err);

/* A resumable download: "blob.<algorithm>.<hex>.part", locked against other processes.  *have: bytes already there.
 * Returns the descriptor, -EEXIST when the blob itself is there meanwhile. */
int layout_part_open(const struct layout *l, const struct digest *d, uint64_t *have, struct error *err);
/* Checked by the caller: sync, rename to the blob.  The name is on disk after layout_sync_names(). */
int layout_part_commit(const struct layout *l, const struct digest *d, int fd, struct error *err);
int layout_sync_names(const struct layout *l, struct error *err);
void layout_part_discard(const struct layout *l, const struct digest *d);

/* index.json: read, or replace durably.  The store's lock serialises writers. */
int layout_index_read(const struct layout *l, struct arena *a, struct image_index *x, struct error *err);
int layout_index_write(const struct layout *l, struct arena *a, const struct image_index *x, struct error *err);

/* Change index.json under an exclusive lock: the entry with this name is replaced by d (NULL: removed).  -ENOENT when
 * there is nothing to remove. */
int layout_set_name(const struct layout *l, struct arena *a, const char *name, const struct descriptor *d,
	struct error *err);
/* Take the entry without a name away that has this digest. */
int layout_drop_nameless(const struct layout *l, struct arena *a, const struct digest *digest, struct error *err);
int layout_lock(const struct layout *l, struct error *err);

#endif
