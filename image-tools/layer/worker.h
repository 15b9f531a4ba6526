/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_WORKER_H
#define OCI_RT_IMAGE_TOOLS_LAYER_WORKER_H

#include "image-tools/layer/apply.h"

/*
 * A layer is decompressed, parsed and extracted by a process of its own, which is
 * this program again: it holds no credentials, no network and, of the file
 * system, the directory that the layer goes to.
 */

/* How much of a file that still grows can be read.  Blocks until it is more than `known` bytes, or final: 1 when
 * *available is the end, 0 when more will come, a negative errno when it will not be complete. */
typedef int layer_feed(void *opaque, uint64_t known, uint64_t *available, struct error *err);

struct layer_source {
	int fd;		  /* the compressed layer, read from offset 0 */
	layer_feed *feed; /* NULL: the file is complete */
	void *opaque;
};

/* apply_layer() in that process.  options->root is used there through a mount of its own without devices where the
 * caller may make one. */
int worker_apply(const struct layer_source *source, enum digest_algorithm algorithm, const struct apply_options *options,
	struct apply_result *result, struct error *err);

/* The first argument that makes the program a worker, and its main(). */
#define WORKER_ARGUMENT "apply-layer"
int worker_main(void);

/* For other processes of this kind (layer/plain.c): this program again with an argument and n descriptors as 0, 1, ...;
 * what libraries open on first use; and what to make of a result and an error that come from there. */
#define WORKER_FDS_MAX 5
int worker_spawn(const char *argument, const int *fds, int n, pid_t *pid);
void worker_warm_up(enum digest_algorithm algorithm);
int worker_believe(int r, struct error *said, struct error *err);

/* Give up everything but what extraction below root needs; root becomes "/" where that is possible.  Irrevocable. */
struct sandbox_options {
	int root;	    /* -1: no files at all, only the descriptors that are open; writing to the first three */
	bool devices;	    /* keep what mknod needs */
	bool trusted_xattr; /* keep what trusted.* attributes need */
};
int sandbox_self(const struct sandbox_options *o, struct error *err);

#endif
