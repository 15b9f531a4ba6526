/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_CODEC_H
#define OCI_RT_IMAGE_TOOLS_LAYER_CODEC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Compression of layers, in this process (no helper program is ever looked up).
 * The reader sniffs gzip (several members), zstd (several and skippable frames)
 * or nothing; media types are not believed.
 */

/* Where compressed bytes come from: up to size bytes into buf; 0 at the end; negative errno with err filled. */
typedef ssize_t codec_source(void *opaque, void *buf, size_t size, struct error *err);

struct decoder;

/* Limits against bombs: expansion beyond 1000:1 after 64 MiB, and more than max_output bytes. */
#define CODEC_RATIO_MAX 1000u
#define CODEC_RATIO_GRACE (64u * 1024 * 1024)
#define CODEC_ZSTD_WINDOW_LOG 27

int decoder_open(struct decoder **d, codec_source *source, void *opaque, uint64_t max_output, struct error *err);
/* Up to size bytes of plain data; 0 at the end (input complete and checked). */
ssize_t decoder_read(struct decoder *d, void *buf, size_t size, struct error *err);
/* Read what is left of the input without looking at it, so that its digest is complete. */
int decoder_drain(struct decoder *d, struct error *err);
void decoder_close(struct decoder *d);
const char *decoder_format(const struct decoder *d); /* "gzip", "zstd", "tar" */

/* Source that reads a descriptor from its current position. */
ssize_t codec_source_fd(void *fd, void *buf, size_t size, struct error *err);

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_ZSTD };

/* Compressor: deterministic (no time, no name, fixed level by default), output through a callback. */
typedef int codec_sink(void *opaque, const void *buf, size_t size, struct error *err);
struct encoder;
int encoder_open(struct encoder **e, enum codec codec, int level, codec_sink *sink, void *opaque, struct error *err);
int encoder_write(struct encoder *e, const void *buf, size_t size, struct error *err);
int encoder_finish(struct encoder *e, struct error *err);
void encoder_close(struct encoder *e);
/* "gzip", "zstd", "zstd:9", "none". */
int codec_parse(const char *text, enum codec *codec, int *level, struct error *err);

#endif
