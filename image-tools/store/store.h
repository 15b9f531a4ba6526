/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_STORE_STORE_H
#define OCI_RT_IMAGE_TOOLS_STORE_STORE_H

#include "image-tools/reference.h"
#include "image-tools/store/layout.h"

/*
 * The store: an OCI image layout with, beside it, what can be made again.
 *
 *     oci-layout index.json blobs/   the images; skopeo, umoci, buildah read them as they are
 *     layers/sha256-<diff id>/       a layer unpacked once for all images: fs/ and meta.json
 *     layers/chain-<chain id>/       the same for a layer that only makes sense upon those below it
 *     bundles/<hash of path>.json    which bundle uses which layers
 *     volumes/<name>/                named volumes
 *     tmp/                           partial downloads, one directory per running process
 *     gc.lock                        held shared by everybody, exclusively by gc
 *
 * Every process that uses the store holds gc.lock shared until it exits, so what
 * it has just written but not yet named is safe from gc.
 */
struct store {
	struct arena *arena;
	const char *path;
	struct layout layout;
	int gc_lock;
	int layers; /* descriptor of layers/ */
	int run;    /* descriptor of this process's directory below tmp/, -1 until needed */
	char run_name[48];
	bool userns;	/* unprivileged: we are root of a user namespace */
	bool single_id; /* that has no other id: files cannot be given to anybody else */
};

/* $OCI_IMAGE_STORE, else /var/lib/oci-image for root, else $XDG_DATA_HOME/oci-image. */
const char *store_default_path(struct arena *a);
int store_open(struct store *s, struct arena *a, const char *path, struct error *err);
void store_close(struct store *s);

/* A directory below tmp/ that gc leaves alone while this process lives; removed by store_close(). */
int store_run_dir(struct store *s, struct error *err);

/* Find an image by name, or by id (digest of manifest or config, or at least 6 hex digits of it). */
struct store_image {
	const char *name; /* canonical, or NULL */
	struct descriptor descriptor;
};
int store_find(struct store *s, const char *text, struct store_image *image, struct error *err);
int store_find_reference(struct store *s, const struct reference *ref, struct store_image *image, struct error *err);
int store_name(struct store *s, const char *canonical, const struct descriptor *d, struct error *err);

/* An image resolved to one platform's manifest and its configuration. */
struct image {
	struct descriptor manifest_descriptor, top;
	struct manifest manifest;
	struct image_config config;
	char *manifest_json, *config_json;
	size_t manifest_length, config_length;
};
/* want NULL: this machine. */
int image_load(const struct layout *l, struct arena *a, const struct descriptor *d, const struct platform *want,
	struct image *image, struct error *err);

/* Remove a tree below dirfd: no links followed, no mount crossed. */
int store_remove_tree(int dirfd, const char *name);

/* Is the layer unpacked?  name: "sha256-<hex>" or "chain-<hex>".  One that a build has not synced before the machine
 * went down counts as missing and is removed: it has this file, with the id of the boot that made it. */
#define STORE_UNSYNCED "unsynced"
bool store_layer_exists(const struct store *s, const char *name);
const char *store_layer_name(struct arena *a, const struct digest *diff_id);
const char *store_layer_chain_name(struct arena *a, const struct digest *chain);

/* Which layer directories do a bundle's mounts use? */
int store_bundle_record(struct store *s, const char *bundle, const char *image, const char *const *layers, size_t n,
	struct error *err);
int store_bundle_forget(struct store *s, const char *bundle);
/* A bundle that has the named volume, or NULL. */
const char *store_volume_user(struct store *s, const char *volume);

/* Free what no image, no bundle and no build needs.  Counts go to *freed (bytes) and *removed. */
struct gc_options {
	bool dry_run, layers_only;
	bool build_cache; /* forget it; otherwise what it needs stays */
	bool dangling;	  /* also images without a name */
	bool limit_cache; /* only its latest part, up to cache_max bytes */
	uint64_t cache_max;
	const char *older; /* only what has been there longer: "90s", "30m", "12h", "7d"; or NULL */
};
struct gc_result {
	uint64_t bytes;
	size_t blobs, layers, leftovers;
};
int store_gc(struct store *s, const struct gc_options *o, struct gc_result *result, struct error *err);

/* Read back every blob of an image: sizes, digests, diff-ids, media types. */
struct verify_result {
	size_t blobs, layers, trees;
	uint64_t bytes;
};
int store_verify(struct store *s, const struct store_image *image, bool trees, struct verify_result *result,
	struct error *err);

#endif
