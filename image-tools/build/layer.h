/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_LAYER_H
#define OCI_RT_IMAGE_TOOLS_BUILD_LAYER_H

#include "image-tools/build/cache.h"

/* What a step wrote becomes a layer: a directory below layers/ at once, a blob only when an image needs it. */

/* A layer in the making: <run>/<name>/fs.  work: beside it, for overlayfs. */
struct scratch {
	char name[32];
	int dir, fs, work;
};
int scratch_begin(struct scratch *x, const struct store *s, struct error *err);
/* Close and remove.  After scratch_publish() there is nothing left to remove. */
void scratch_end(struct scratch *x, const struct store *s);

/* Nothing may be newer than epoch, times are whole seconds, the content is hashed as a layer, and the directory gets
 * its name below layers/.  It is not synced yet: layers_sync().  Nothing may have it mounted. */
int scratch_publish(struct scratch *x, const struct store *s, struct arena *a, int64_t epoch, struct build_layer *layer,
	struct error *err);

/* Make everything published by this process durable: one syncfs for all. */
int layers_sync(const struct store *s, struct error *err);

/* The blob of a layer that has none. */
int layer_compress(const struct store *s, struct arena *a, enum codec codec, int level, const struct build_layer *layer,
	struct descriptor *d, struct error *err);

#endif
