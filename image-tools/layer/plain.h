/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_PLAIN_H
#define OCI_RT_IMAGE_TOOLS_LAYER_PLAIN_H

#include "image-tools/layer/codec.h"

/*
 * Compressed streams and archives of others are decompressed and taken apart by a process of their own, which is
 * this program again: it reads its input, writes to us, and can do nothing else.  gzip, zstd, bzip2 and xz.
 */
struct plain;
enum plain_kind {
	PLAIN_STREAM, /* the plain bytes */
	PLAIN_MEMBERS /* the members of a tar */
};

/* fd: read from its position on, which stays for regular files.  max: more plain bytes are an error. */
int plain_open(struct plain **p, int fd, enum plain_kind kind, uint64_t max, struct error *err);
/* "gzip", "zstd" or "tar": what layer/codec found behind bzip2 and xz.  After the first read. */
const char *plain_format(const struct plain *p);
/* Bytes of the stream, or of the member; 0 at its end, which is complete and checked. */
ssize_t plain_read(struct plain *p, void *buf, size_t size, struct error *err);

/* Strings live until the next call.  Names are as they came. */
struct plain_member {
	char type;	  /* '0' file, '1' hard link, '2' symbolic link, '5' directory, '?' anything else */
	const char *path;
	const char *link; /* of links */
};
/* The next member; what is left of the last one is passed over.  1, 0 at the end, or a negative errno. */
int plain_next(struct plain *p, struct plain_member *m, struct error *err);
void plain_close(struct plain *p);

/* The process: its exit status, or -1 when the argument is not one of ours. */
int plain_main(const char *argument);

#endif
