/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_APPLY_H
#define OCI_RT_IMAGE_TOOLS_LAYER_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "image-tools/digest.h"
#include "image-tools/layer/codec.h"

/*
 * Apply one layer (image-spec, layer.md) to a directory, through descriptors
 * only.  Two ways:
 *  - overlay: the directory holds this layer alone; whiteouts become what
 *    overlayfs understands (character device 0:0, opaque attribute);
 *  - flat: the directory holds the layers below; whiteouts delete.
 */
#define APPLY_ENTRIES_MAX 10000000u
#define APPLY_PATH_MAX 4096u
#define APPLY_DEPTH_MAX 512u
#define APPLY_XATTR_MAX (64u * 1024)
#define APPLY_BYTES_MAX (64ull << 30)

/* Ids in the layer → ids on disk; count 0: the same.  What is in no range cannot be stored. */
#define ID_RANGES_MAX 8
struct id_range {
	uint32_t inside, outside, count;
};
struct id_map {
	struct id_range ranges[ID_RANGES_MAX];
	size_t count;
};
/* The other way round; map may be NULL.  False: the id is in no range. */
bool apply_map_back(const struct id_map *map, uint32_t id, uint32_t *mapped);

struct apply_options {
	int root;	/* directory to apply to; freshly made and private to us */
	bool overlay;
	bool userns;	/* root of a user namespace: user.overlay.*, no devices */
	bool squash;	/* one id only: do not chown */
	bool filters;	/* for worker_apply(): bzip2 and xz are welcome too */
	const uint32_t *owner; /* uid and gid of everything, instead of the archive's; or NULL */
	uint64_t max_bytes; /* 0: APPLY_BYTES_MAX */
	struct id_map uids, gids;
};

struct apply_result {
	uint64_t entries, bytes;
	uint64_t devices_skipped, xattrs_skipped;
	bool dependent; /* overlay: refers to things below it (a parent it does not list, a link target): apply it
			 * again upon the layers below */
	struct digest diff_id;
};

/* Read the whole stream to its end; result->diff_id is the digest of the plain tar.  With -EXDEV and
 * result->dependent in overlay mode, the layer needs those below it before anything can be said. */
int apply_layer(struct decoder *d, enum digest_algorithm algorithm, const struct apply_options *options,
	struct apply_result *result, struct error *err);

#endif
