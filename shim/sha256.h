/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_SHA256_H
#define OCI_RT_SHIM_SHA256_H

#include <stddef.h>

/* SHA-256 (FIPS 180-4) of a short text, in lower-case hexadecimal. */
void sha256_hex(const void *data, size_t len, char out[static 65]);

#endif
