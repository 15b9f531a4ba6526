/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: three bytes are four digits of six bits.  Decoding is strict:
 * what another decoder might read differently is no base64.
 */
#include <stdint.h>
#include <string.h>

#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(struct arena *a, const void *data, size_t len)
{
	const uint8_t *p = data;
	char *out = arena_alloc(a, (len + 2) / 3 * 4 + 1), *q = out;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);

		*q++ = digits[v >> 18];
		*q++ = digits[v >> 12 & 63];
		*q++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
		*q++ = i + 2 < len ? digits[v & 63] : '=';
	}
	*q = '\0';
	return out;
}

void *base64_decode(struct arena *a, const char *text, size_t *len)
{
	size_t length = strlen(text), n = 0, padding = 0;
	uint8_t *out;
	uint32_t v = 0;

	if (length % 4)
		return NULL;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	out = arena_alloc(a, length / 4 * 3 + 1);
	for (size_t i = 0; i < length; i++) {
		const char *digit = i < length - padding ? strchr(digits, text[i]) : digits;

		if (!digit)
			return NULL;
		v = v << 6 | (uint32_t)(digit - digits);
		if (i % 4 != 3)
			continue;
		out[n++] = (uint8_t)(v >> 16);
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
	}
	*len = n - padding;
	out[*len] = '\0';
	return out;
}
