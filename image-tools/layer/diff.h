/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_DIFF_H
#define OCI_RT_IMAGE_TOOLS_LAYER_DIFF_H

#include "image-tools/layer/tar.h"
#include "image-tools/layer/tree.h"

/* What changed in a tree, as a layer or as a list.  Entries come sorted by name, byte by byte. */

/* Write an overlay's upper directory as a layer: whiteout devices and opaque marks become .wh. entries. */
int diff_write_upper(int upper, struct tar_writer *w, struct error *err);
/* Write a whole tree. */
int diff_write_tree(int root, struct tar_writer *w, struct error *err);
/* Write what distinguishes `now` from `before` as a layer. */
int diff_write_changes(int before, int now, struct tar_writer *w, struct error *err);

/* Write down in a file of the directory dir what a tree is, with the digest of that file, and later what has changed
 * since. */
int diff_record(int root, int dir, const char *name, struct digest *d, struct error *err);
/* The older tree itself, a descriptor; asked for once, when an inode was changed and size and time are the same. */
typedef int diff_older(void *opaque, struct error *err);
int diff_write_changes_since(struct tree_reader *before, diff_older *older, void *opaque, int now, struct tar_writer *w,
	struct error *err);

/* List the differences: kind is 'A'dded, 'C'hanged, 'D'eleted.  Content is compared too. */
typedef int diff_found(void *opaque, char kind, const char *path, struct error *err);
int diff_list(int before, int now, diff_found *fn, void *opaque, struct error *err);

#endif
