/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REGISTRY_TRANSFER_H
#define OCI_RT_IMAGE_TOOLS_REGISTRY_TRANSFER_H

#include "image-tools/registry/registry.h"
#include "image-tools/store/store.h"

/* Images between a registry and a layout. */

struct fetch_options {
	const struct platform *platform; /* NULL: this machine */
	bool all_platforms;		 /* keep the index and everything in it */
	const struct platform *several;	 /* keep the index, and of what it names these (count > 0) */
	size_t several_count;
	bool foreign; /* layers that the registry lacks may come from the URLs in their descriptors */
	unsigned int jobs;		 /* blobs at a time; 0: 4 */
	const struct store *unpack;	 /* unpack layers while they come in, or NULL */
};

/* Download one blob into the layout, going on where an earlier try (of this or another process) stopped.  With unpack,
 * the layer diff_id is unpacked from the same pass.  Thread-safe apart from the connection. */
struct blob_job {
	const struct layout *layout;
	const char *path; /* repository */
	struct descriptor descriptor;
	const struct store *unpack;
	struct digest diff_id;
	bool first; /* no layer below */
	bool foreign; /* the registry may lack it: try the descriptor's URLs, without credentials */
};
int blob_download(struct connection *c, const struct blob_job *job, struct error *err);

/* Fetch what a reference names; *d is the descriptor of its manifest or index, as named. */
int registry_fetch(struct registry *r, const struct reference *ref, const struct layout *layout, struct arena *a,
	const struct fetch_options *o, struct descriptor *d, struct error *err);

/* GET a manifest.  *type is the media type that was sent. */
int manifest_fetch(struct connection *c, const char *path, const char *reference, const struct digest *expected,
	char **buf, size_t *len, const char **type, struct digest *digest, struct error *err);

struct push_options {
	uint64_t chunk;		/* bytes per PATCH; 0: 64 MiB */
	const char *mount_from; /* repository on the same registry that may have the blobs, or NULL */
	unsigned int jobs;
};
/* Push a manifest or index with everything it needs from the layout. */
int registry_push(struct registry *r, const struct reference *ref, const struct layout *layout, struct arena *a,
	const struct descriptor *d, const struct push_options *o, struct error *err);

/* Run n jobs with `threads` threads; the first error stops the rest.  fn gets a connection and its own arena. */
typedef int transfer_fn(struct connection *c, void *job, struct error *err);
int transfer_parallel(struct registry *r, transfer_fn *fn, void *jobs, size_t job_size, size_t n, unsigned int threads,
	struct error *err);

#endif
