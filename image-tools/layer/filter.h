/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_FILTER_H
#define OCI_RT_IMAGE_TOOLS_LAYER_FILTER_H

#include "image-tools/layer/codec.h"

/*
 * bzip2 and xz in front of a decoder, for archives that are no layers: what is neither goes through unchanged.
 */
struct filter;
int filter_open(struct filter **f, codec_source *source, void *opaque, struct error *err);
/* A codec_source; opaque is the filter. */
ssize_t filter_read(void *filter, void *buf, size_t size, struct error *err);
void filter_close(struct filter *f);

#endif
