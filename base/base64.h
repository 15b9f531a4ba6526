/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>

#include "base/arena.h"

/* Base64 of RFC 4648, section 4: the alphabet with "+" and "/", padded to whole groups of four, nothing in between.
 * Both answers belong to the arena and end with a NUL that their length does not count. */
char *base64_encode(struct arena *a, const void *data, size_t len);
/* NULL when the text is no base64; *len: the number of bytes decoded. */
void *base64_decode(struct arena *a, const char *text, size_t *len);

#endif
