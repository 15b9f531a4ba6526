/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_STORE_GC_INTERNAL_H
#define OCI_RT_IMAGE_TOOLS_STORE_GC_INTERNAL_H

#include <time.h>

#include "image-tools/store/store.h"

/* Names that stay; sorted before they are looked up. */
struct marks {
	struct arena *a;
	const char **names;
	size_t count, capacity;
};
void gc_mark(struct marks *m, const char *name);
void gc_marks_sort(struct marks *m);
bool gc_marked(const struct marks *m, const char *name);

/* Bytes on disk below a directory; *newest, unless NULL, becomes the latest time of modification in it if that is later. */
uint64_t gc_tree_size(int dir, const char *name, struct timespec *newest);

/* Of the build cache the most recently used part that takes at most o->cache_max bytes beyond what is marked already
 * stays, and is marked; the rest goes. */
int gc_limit_cache(struct store *s, struct marks *blobs, struct marks *layers, const struct gc_options *o, time_t before,
	struct gc_result *result, struct error *err);

#endif
