/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_TREE_H
#define OCI_RT_IMAGE_TOOLS_LAYER_TREE_H

#include <sys/types.h>

#include "base/arena.h"
#include "image-tools/digest.h"

/*
 * What a tree was when it was unpacked, in a file: everything but the content of its files.  So its changes are found
 * without the older tree.  Entries come in the order of a walk: a directory in front of what is in it, names sorted
 * byte by byte.  The file is for the machine that wrote it, and is believed only with the digest it had then.
 */
struct tree_entry {
	unsigned int depth; /* 0: in the root */
	const char *name, *target; /* target: of a symbolic link, else "" */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	dev_t rdev;
	int64_t mtime; /* seconds */
	int64_t ctime; /* nanoseconds: the inode's last change, which nobody can set */
	uint64_t size;
	const void *attributes; /* as one string of bytes, sorted */
	size_t attributes_size;
};

#define TREE_BUFFER (64u * 1024)
#define TREE_SIZE_MAX (256u * 1024 * 1024)

struct tree_writer {
	int fd, failed;
	struct digest_stream stream;
	size_t used;
	char buffer[TREE_BUFFER];
};
/* Make the file; 0 or a negative errno, as all of these. */
int tree_write_begin(struct tree_writer *w, int dir, const char *name);
int tree_write(struct tree_writer *w, const struct tree_entry *e);
/* Nothing is synced: whoever reads it checks the digest. */
int tree_write_end(struct tree_writer *w, struct digest *d);
void tree_write_abort(struct tree_writer *w);

struct tree_reader {
	const char *data;
	size_t size, at;
	bool present; /* there is a present entry */
	struct tree_entry entry;
};
/* -ENOENT: there is none; -EBADMSG: it is not what was written. */
int tree_read_begin(struct tree_reader *r, int dir, const char *name, const struct digest *expected, struct arena *a);
void tree_read_next(struct tree_reader *r);

#endif
