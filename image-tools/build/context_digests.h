/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_CONTEXT_DIGESTS_H
#define OCI_RT_IMAGE_TOOLS_BUILD_CONTEXT_DIGESTS_H

#include "image-tools/build/context_tree.h"

/* The table of file digests, from inside. */
bool file_digests_find(struct file_digests *f, const struct file_key *k, uint8_t out[static 32]);
/* A file was read; remember it when its key is settled. */
void file_digests_add(struct file_digests *f, const struct file_key *k, const uint8_t digest[static 32], bool settled);

#endif
