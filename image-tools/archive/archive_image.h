/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_ARCHIVE_IMAGE_H
#define OCI_RT_IMAGE_TOOLS_ARCHIVE_IMAGE_H

#include "image-tools/command.h"

/*
 * Images in a tar file: Docker's form (manifest.json), the OCI layout in a tar, or
 * both at once, which is what save writes by default.
 */

/* Read the archive into the store.  Every image in it is passed on. */
typedef int archive_image(void *opaque, const struct descriptor *d, const char *const *names, size_t n, struct error *err);
int archive_load(struct program *p, const char *file, archive_image *fn, void *opaque, struct error *err);
/* The one image, or the one with src->name. */
int archive_read_image(struct program *p, const struct location *src, struct descriptor *d, const char **name,
	struct error *err);

/* Write images with their names.  The same images give the same bytes. */
int archive_write_images(struct program *p, const struct layout *from, const struct descriptor *d, const char *const *names,
	size_t n, const struct location *dst, const char *format, struct error *err);

#endif
