/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_PROGRESS_H
#define OCI_RT_IMAGE_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Progress of transfers on stderr: one line per blob that is redrawn on a terminal, one line per finished blob
 * otherwise, nothing when quiet.  Thread-safe. */
void progress_init(bool quiet);
/* A line for a blob of `total` bytes; returns its number. */
int progress_add(const char *label, uint64_t total);
void progress_update(int line, uint64_t done);
void progress_end(int line, const char *result);
void progress_finish(void);

#endif
