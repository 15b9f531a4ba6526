/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_STORE_UNPACKED_H
#define OCI_RT_IMAGE_TOOLS_STORE_UNPACKED_H

#include "image-tools/layer/worker.h"
#include "image-tools/store/store.h"

/*
 * Unpacked layers below layers/: immutable once they have their name.  A layer is
 * applied on its own, so it is shared by diff-id and several go on in parallel.
 * One that only makes sense upon others (it links into them, or leaves out its
 * parent directories) is applied again on an overlay of those, kept by chain-id.
 */

/* A name for a scratch directory, unique in this process; thread-safe. */
void unpacked_scratch_name(char name[static 32]);

/* Apply a stream as the layer diff_id.  first: nothing is below it.  Thread-safe; store_run_dir() must have been
 * called.  -EEXIST counts as success.  *dependent: it has to be applied again upon the layers below. */
int unpacked_from_stream(const struct store *s, const struct digest *diff_id, bool first,
	const struct layer_source *source, bool *dependent, struct error *err);

/* A layer is on disk before it has its name; the name is after this. */
int unpacked_sync_names(const struct store *s, struct error *err);

/* Make sure that all layers of the image are unpacked, and stay so; names (top last) into the arena. */
int unpacked_ensure(struct store *s, const struct image *image, const char ***names, struct error *err);

/* Layer names if all are unpacked already: true. */
bool unpacked_present(const struct store *s, struct arena *a, const struct image *image, const char **names);

/* An overlay of layers (bottom first) that is mounted nowhere: its descriptor.  upper and work: NULL for read-only.
 * Needs Linux 6.5 for more than fits 255 bytes, any with fsopen() for less. */
int unpacked_overlay(const struct store *s, const char *const *names, size_t n, int upper, int work, struct error *err);
/* The same for an upper layer that nobody needs after a crash: unmounting does not sync the file system. */
int unpacked_overlay_volatile(const struct store *s, const char *const *names, size_t n, int upper, int work,
	struct error *err);

/* Apply all layers of the image to the directory root, bottom first.  squash: no owner but the caller. */
int unpacked_flat(const struct store *s, const struct image *image, int root, bool squash, struct error *err);
/* The same with ids translated; NULL: as they are. */
int unpacked_flat_mapped(const struct store *s, const struct image *image, int root, bool squash,
	const struct id_map *uids, const struct id_map *gids, struct error *err);

#endif
