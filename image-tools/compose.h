/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_COMPOSE_H
#define OCI_RT_IMAGE_TOOLS_COMPOSE_H

#include "image-tools/layer/apply.h"
#include "image-tools/layer/tar.h"
#include "image-tools/store/store.h"

/* Making images: a layer from a tar stream, changes of the configuration, a manifest. */

/* A layer being written: tar bytes go in, the compressed blob and the diff-id come out. */
struct layer_writer {
	struct blob_writer blob;
	struct digest_stream plain;
	struct encoder *encoder;
	enum codec codec;
};
int layer_begin(struct layer_writer *l, const struct layout *layout, enum codec codec, int level, struct error *err);
int layer_write(void *l, const void *buf, size_t size, struct error *err); /* a codec_sink for tar_writer */
int layer_commit(struct layer_writer *l, struct arena *a, struct descriptor *d, struct digest *diff_id, struct error *err);
void layer_abort(struct layer_writer *l);

/* Append a layer to config and manifest (arrays are copied). */
void image_add_layer(struct arena *a, struct image *image, const struct descriptor *d, const struct digest *diff_id,
	const struct history_entry *history);
/* One change in Dockerfile's words: "ENV a=b", "CMD [...]", "USER x", "WORKDIR", "ENTRYPOINT", "EXPOSE", "VOLUME",
 * "LABEL", "STOPSIGNAL", "MAINTAINER". */
int image_change(struct arena *a, struct image_config *c, const char *change, struct error *err);
/* Write config and manifest to the layout; *d names the result. */
int image_store(const struct layout *l, struct arena *a, struct image *image, struct descriptor *d, struct error *err);
/* The image with its layers compressed as `how` says: "gzip", "zstd", "none", each with ":LEVEL", or "keep".  New blobs go
 * to the same layout; *out names the new manifest or index (d itself when nothing changed). */
int image_recompress(const struct layout *l, struct arena *a, const struct descriptor *d, const char *how,
	struct descriptor *out, struct error *err);
/* "2026-01-02T03:04:05Z": $SOURCE_DATE_EPOCH, else now. */
const char *image_now(struct arena *a);

#endif
