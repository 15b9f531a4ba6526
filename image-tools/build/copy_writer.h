/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_COPY_WRITER_H
#define OCI_RT_IMAGE_TOOLS_BUILD_COPY_WRITER_H

#include "image-tools/build/copy_internal.h"

/* Between copy_items.c (where each item goes) and copy_write.c (how an entry is written). */
#define WRITER_TOUCHED_MAX 64

struct level {
	int fd;
	bool created, overwrite; /* made by us; gets the source's attributes */
	struct timespec times[2]; /* as it was */
	char *path;		  /* below the root */
};

struct writer {
	struct copy *c; /* NULL: copy_tree() */
	const struct copy_item *item;
	const char *from; /* in messages */
	int root;
	bool keep_owner, userns;
	const uint32_t *owner; /* of --chown, or NULL */
	const struct copy_mode *mode;
	const struct timespec *time; /* of all files (git), or NULL */
	struct timespec now;
	struct copy_result *result;
	size_t seen; /* next in c->seen */
	bool check;
	struct copy_inodes inodes;
	struct arena arena; /* of the inodes' paths */
	struct level levels[TREE_DEPTH_MAX + 2];
	const char *name; /* of a top that is no directory */
	struct {
		int fd;
		struct timespec times[2];
	} touched[WRITER_TOUCHED_MAX];
	size_t touched_count;
	char *buffer;
	bool attributes_warned;
};

struct writer *writer_new(struct writer init);
void writer_free(struct writer *w); /* also sets the times that directories had */
void writer_close_levels(struct writer *w);

/* A tree_visit: writes the entry below levels[0]. */
int writer_visit(void *opaque, const struct tree_entry *e, struct error *err);
/* Open a directory of the root (clean, without links) in which something is about to change, making what is missing. */
int writer_open_place(struct writer *w, const char *path, struct error *err);
/* Remove what stands where something other than a directory goes; to: its path, for messages. */
int writer_clear(int dir, const char *name, const char *to, struct error *err);
/* Owner, mode, attributes (of the descriptor from, or -1: none) and times. */
int writer_finish(struct writer *w, int fd, int from, const struct stat *st, const char *to, struct error *err);
int writer_copy_data(struct writer *w, int in, int out, const char *path, struct digest_stream *s, uint64_t *done,
	struct error *err);
/* Take the next of what copy_digest() saw and compare.  *content: what a file must hold when its key does not say so. */
int writer_compare(struct writer *w, const struct tree_entry *e, const uint8_t **content, struct error *err);
int writer_changed(const char *path, struct error *err);
int writer_failed(const char *to, int errnum, const char *doing, struct error *err);

#endif
