/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_TAR_H
#define OCI_RT_IMAGE_TOOLS_LAYER_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "image-tools/layer/codec.h"

/* A writer of tar streams whose bytes depend on the entries alone: ustar headers, pax records (sorted) only for what
 * does not fit, no names of users, no access times. */
struct tar_attribute {
	const char *name;
	const void *value;
	size_t size;
};

struct tar_entry {
	const char *path, *link; /* link: target of a symbolic ('2') or hard ('1') link */
	char type;		 /* '0' file, '1' hard link, '2' symbolic link, '3' '4' device, '5' directory, '6' fifo */
	uint32_t mode, uid, gid, major, minor;
	uint64_t size;
	int64_t mtime;
	uint32_t mtime_nsec;
	const struct tar_attribute *attributes;
	size_t attributes_count;
};

struct id_map;

struct tar_writer {
	codec_sink *sink;
	void *opaque;
	const struct id_map *uids, *gids; /* for the writers of diff.h: the ids of the tree, outside, and those to write; or NULL */
	uint64_t left; /* bytes of the current entry still to come */
	unsigned int padding;
};

int tar_begin(struct tar_writer *w, const struct tar_entry *e, struct error *err);
int tar_data(struct tar_writer *w, const void *buf, size_t size, struct error *err);
int tar_file(struct tar_writer *w, int fd, struct error *err); /* the whole rest of the entry from a descriptor */
int tar_finish(struct tar_writer *w, struct error *err);

/* Can it be the first block of a tar: a header whose checksum fits?  The end of an empty one is not. */
bool tar_is_header(const uint8_t block[static 512]);

#endif
