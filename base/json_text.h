/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_JSON_TEXT_H
#define OCI_RT_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Internal to base/json_*.c. */

/* Length of the valid UTF-8 sequence at p (1 to 4), or 0: overlong forms, surrogates and values above U+10FFFF are
 * invalid. */
size_t json_utf8_sequence(const unsigned char *p, const unsigned char *end);

/* What the parser does not check itself: the encoding and the pairing of \ud800 escapes.  Returns NULL, or the error
 * with its offset in *at. */
const char *json_text_check(const char *buf, size_t len, size_t *at);

/* Line and column (both from 1, column in bytes) of an offset. */
void json_text_position(const char *buf, size_t len, size_t at, size_t *line, size_t *column);

enum json_integer {
	JSON_INTEGER_OK,
	JSON_INTEGER_FRACTION, /* not a whole number */
	JSON_INTEGER_HUGE,     /* more than 64 bits */
};
/* The exact value of a JSON number's text. */
enum json_integer json_parse_integer(const char *s, size_t len, bool *negative, uint64_t *magnitude);

#endif
