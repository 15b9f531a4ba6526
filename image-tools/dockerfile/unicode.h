/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_UNICODE_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID 0xffffffffu

/* The character at text (len > 0 bytes); returns its bytes.  A byte that is no UTF-8 is one UTF8_INVALID. */
size_t utf8_next(const char *text, size_t len, uint32_t *c);

bool unicode_is_space(uint32_t c);
bool unicode_is_digit(uint32_t c);
bool unicode_is_letter(uint32_t c);

/* Leave out white space at both ends, or in front. */
void unicode_trim(const char **text, size_t *len);
void unicode_trim_left(const char **text, size_t *len);

#endif
