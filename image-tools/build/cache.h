/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_CACHE_H
#define OCI_RT_IMAGE_TOOLS_BUILD_CACHE_H

#include <stdatomic.h>
#include <time.h>

#include "image-tools/compose.h"
#include "image-tools/store/store.h"

/*
 * The build cache, below the store:
 *
 *     cache/steps/<2 hex>/<62 hex>  key of a step -> the layer it made.  One open() answers.
 *     cache/seen/<32 hex>           the parts of a step's last key, to explain a miss
 *     cache/blobs/<hex>.<codec>     diff-id -> compressed blob, so that nothing is compressed twice
 *     cache/mounts/<32 hex>/        RUN --mount=type=cache
 *     cache/locks/                  who is making what at the moment
 *     cache/http/ cache/files       downloads; digests of files (context.h)
 *
 * Entries appear by rename and are only hints: what they name is looked at before it is believed.
 */
struct cache {
	int dir;
	struct store *store;
	struct timespec opened; /* all that this build uses has been used then */
};
int cache_open(struct cache *c, struct store *s, struct error *err);
void cache_close(struct cache *c);

/* A key in the making: named parts, each hashed with its length. */
struct key_part {
	const char *name, *value;
};
struct key {
	struct arena *a;
	struct key_part *parts;
	size_t count;
};
void key_add(struct key *k, const char *name, const char *value); /* value NULL: as if it were not there */
void key_end(const struct key *k, struct digest *d);

/* A layer that exists unpacked below layers/. */
struct build_layer {
	struct digest diff_id;
	const char *name;	/* below layers/ */
	struct descriptor blob; /* of a base image, else digest.algorithm DIGEST_NONE until it is compressed */
};

/* True, and *layer, when the step is known and its layer is there. */
bool cache_find(const struct cache *c, struct arena *a, const struct digest *key, struct build_layer *layer);
/* Losing an entry only costs time: a failure is a warning. */
void cache_store(const struct cache *c, const struct digest *key, const struct build_layer *layer);

/* Wait until nobody else makes the step `key`; negative errno, -ECANCELED when *cancel became true. */
int cache_lock(const struct cache *c, const struct digest *key, const atomic_bool *cancel);
void cache_unlock(int lock);
/* The same for the directory of a cache mount: exclusive or shared.  nonblocking: -EWOULDBLOCK. */
int cache_lock_name(
	const struct cache *c, const char *name, bool exclusive, bool nonblocking, const atomic_bool *cancel);

/* Parts of the key that the step `slot` had last time; *k has count 0 when there was none. */
void cache_seen_read(const struct cache *c, const struct digest *slot, struct key *k);
void cache_seen_write(const struct cache *c, const struct digest *slot, const struct key *k);
/* What differs, as a text for people. */
const char *key_difference(struct arena *a, const struct key *before, const struct key *now);

bool cache_blob_find(
	const struct cache *c, struct arena *a, const struct digest *diff_id, const char *codec, struct descriptor *d);
void cache_blob_store(const struct cache *c, struct arena *a, const struct digest *diff_id, const char *codec,
	const struct descriptor *d);

#endif
