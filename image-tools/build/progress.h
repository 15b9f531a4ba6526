/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_PROGRESS_H
#define OCI_RT_IMAGE_TOOLS_BUILD_PROGRESS_H

#include <stddef.h>

#include "image-tools/build/build.h"

/* What a build shows on stderr while it runs.  Thread-safe. */
struct build_progress;

struct build_progress *build_progress_open(enum build_progress_mode mode);
void build_progress_close(struct build_progress *p);

/* A step begins: label "[build 2/5]", text "RUN make".  Returns its number, from 1. */
int build_progress_begin(struct build_progress *p, const char *label, const char *text);
/* Output of the step's program, as it comes. */
void build_progress_output(struct build_progress *p, int step, const char *text, size_t len);
/* result: "DONE", "CACHED", "ERROR", "CANCELED". */
void build_progress_end(struct build_progress *p, int step, const char *result);
/* A line that belongs to a step (why it missed the cache), or to none (step 0). */
void build_progress_note(struct build_progress *p, int step, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The last lines of a failed step, where they are not on the screen already. */
void build_progress_failure(struct build_progress *p, int step);

#endif
