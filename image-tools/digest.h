/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DIGEST_H
#define OCI_RT_IMAGE_TOOLS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * Content digests (image-spec, descriptor.md).  A digest from outside becomes a
 * struct digest or an error; file names are made from the struct by our own hex
 * encoder, never from the text (CVE-2024-3727).
 */
enum digest_algorithm { DIGEST_NONE, DIGEST_SHA256, DIGEST_SHA512 };

#define DIGEST_TEXT_MAX (sizeof "sha512:" + 128)

struct digest {
	enum digest_algorithm algorithm;
	uint8_t bytes[64]; /* the first digest_size() count */
};

size_t digest_size(enum digest_algorithm algorithm);
const char *digest_algorithm_name(enum digest_algorithm algorithm);

/* Parse "sha256:<64 hex>" or "sha512:<128 hex>", lower case only.  -EINVAL for no digest, -EOPNOTSUPP for a well
 * formed one of another algorithm. */
int digest_parse(const char *text, struct digest *d, struct error *err);

/* "sha256:..." into buf; returns buf. */
char *digest_format(const struct digest *d, char buf[static DIGEST_TEXT_MAX]);
/* The hex part alone. */
char *digest_hex(const struct digest *d, char buf[static DIGEST_TEXT_MAX]);
const char *digest_string(struct arena *a, const struct digest *d);

bool digest_equal(const struct digest *a, const struct digest *b);

/* Digest of a buffer. */
int digest_of(enum digest_algorithm algorithm, const void *buf, size_t len, struct digest *d);

/* A digest in the making.  digest_begin() fails only without memory. */
struct digest_stream {
	void *context; /* EVP_MD_CTX */
	enum digest_algorithm algorithm;
	uint64_t length; /* bytes fed */
};
int digest_begin(struct digest_stream *s, enum digest_algorithm algorithm);
void digest_feed(struct digest_stream *s, const void *buf, size_t len);
void digest_end(struct digest_stream *s, struct digest *d);
void digest_abort(struct digest_stream *s);

#endif
