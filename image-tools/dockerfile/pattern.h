/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_PATTERN_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "image-tools/dockerfile/text.h"

/* The patterns of ${name#pattern}, ${name%pattern} and ${name/pattern/text}.  Internal to expand.c. */
enum pattern_end { PATTERN_PREFIX, PATTERN_SUFFIX };

/* Append value to out without the shortest (or longest) match of the pattern at one end.  *steps bounds the work and
 * is counted down. */
int pattern_trim(const char *pattern, size_t pattern_len, const char *value, enum pattern_end end, bool longest,
	struct text *out, uint64_t *steps, struct error *err);
/* Append value to out with the first match (or every match) replaced. */
int pattern_replace(const char *pattern, size_t pattern_len, const char *value, const char *by, size_t by_len, bool all,
	size_t limit, struct text *out, uint64_t *steps, struct error *err);

#endif
