/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_MANIFEST_H
#define OCI_RT_IMAGE_TOOLS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "base/json_write.h"
#include "image-tools/digest.h"
#include "image-tools/media.h"
#include "image-tools/platform.h"

/*
 * The JSON documents of an image (image-spec: descriptor.md, manifest.md,
 * image-index.md, config.md) as C structs, read through base/json's tables.
 * Foreign bytes are kept as they came; only documents that we make ourselves
 * are written with the functions below.
 */
#define MANIFEST_MAX (4u * 1024 * 1024)
#define IMAGE_CONFIG_MAX (8u * 1024 * 1024)
#define INDEX_ENTRIES_MAX 1000u

#define ANNOTATION_REF_NAME "org.opencontainers.image.ref.name"

struct string_list {
	const char **items;
	size_t count;
};
struct string_map {
	struct json_key_value *items;
	size_t count;
};

struct descriptor {
	const char *media_type;
	const char *digest_text;
	struct digest digest; /* DIGEST_NONE: an algorithm that we keep but cannot use */
	int64_t size;
	struct string_list urls;
	struct string_map annotations;
	const char *data;	   /* base64, or NULL */
	const char *artifact_type; /* or NULL */
	struct platform platform;  /* os NULL: none given */
	const char *platform_raw;  /* the platform object as JSON, or NULL */
};

struct manifest {
	int64_t schema_version;
	const char *media_type; /* of the document: its own member, else what the transport said */
	const char *artifact_type;
	struct descriptor config;
	struct descriptor *layers;
	size_t layers_count;
	struct descriptor subject; /* media_type NULL: none */
	struct string_map annotations;
};

struct image_index {
	int64_t schema_version;
	const char *media_type;
	const char *artifact_type;
	struct descriptor *manifests;
	size_t manifests_count;
	struct string_map annotations;
};

struct history_entry {
	const char *created, *author, *created_by, *comment;
	bool empty_layer;
};

struct image_set_item {
	const char *name;
};

/* The image configuration with Docker's extensions. */
struct image_run_config {
	const char *user, *working_dir, *stop_signal;
	struct string_list env, entrypoint, cmd, onbuild, shell;
	bool entrypoint_set, cmd_set;
	struct {
		struct image_set_item *items;
		size_t count;
	} exposed_ports, volumes;
	struct string_map labels;
	const char *healthcheck; /* JSON text, or NULL */
	bool args_escaped;
	struct opt_i64 stop_timeout;
};

struct image_config {
	const char *created, *author, *architecture, *os, *variant, *os_version;
	struct string_list os_features;
	struct image_run_config config;
	const char *rootfs_type;
	struct string_list diff_id_texts;
	struct digest *diff_ids; /* diff_id_texts parsed */
	struct history_entry *history;
	size_t history_count;
};

/* Is the document an index or a manifest?  By its members: both `manifests` and one of `layers`, `config`, `fsLayers`
 * is an error (CVE-2021-41190), as is a mediaType member that contradicts transport_type (NULL: not known). */
int document_role(const char *buf, size_t len, const char *transport_type, struct arena *a, enum media_role *role,
	struct error *err);

/* Parse; what names the document in messages. */
int manifest_parse(const char *buf, size_t len, const char *what, struct arena *a, struct manifest *m, struct error *err);
int index_parse(const char *buf, size_t len, const char *what, struct arena *a, struct image_index *x, struct error *err);
int image_config_parse(const char *buf, size_t len, const char *what, struct arena *a, struct image_config *c,
	struct error *err);

/* Pick the entry of an index that fits best; first of equals.  -ENOENT with the list of platforms in err. */
int index_select(const struct image_index *x, const struct platform *want, struct arena *a,
	const struct descriptor **chosen, struct error *err);

const char *string_map_get(const struct string_map *m, const char *key);
/* Set (value) or remove (NULL) a key; the map is replaced by a copy in the arena. */
void string_map_set(struct arena *a, struct string_map *m, const char *key, const char *value);
void string_list_add(struct arena *a, struct string_list *l, const char *s);

/* --- writing -------------------------------------------------------------- */
void descriptor_write(struct json_writer *w, const struct descriptor *d);
const char *manifest_write(struct arena *a, const struct manifest *m, size_t *len);
const char *index_write(struct arena *a, const struct image_index *x, size_t *len);
const char *image_config_write(struct arena *a, const struct image_config *c, size_t *len);

/* A descriptor for bytes of ours. */
struct descriptor descriptor_make(struct arena *a, const char *media_type, const struct digest *digest, uint64_t size);

/* chain-id (config.md): the id of the stack diff_ids[0..n-1]. */
int chain_id(const struct digest *diff_ids, size_t n, struct digest *out);

#endif
