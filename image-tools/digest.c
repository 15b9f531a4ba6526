/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: libcrypto computes, we parse and print.  Only algorithms
 * whose value we can check are accepted; the grammar of others is recognised so
 * that the message can say "not supported" instead of "not a digest".
 */
#define ERR_STATE OPENSSL_ERR_STATE /* both OpenSSL and base/error.h have the name */
#include <openssl/evp.h>
#undef ERR_STATE
#include <errno.h>
#include <string.h>

#include "image-tools/digest.h"

size_t digest_size(enum digest_algorithm algorithm)
{
	switch (algorithm) {
	case DIGEST_SHA256:
		return 32;
	case DIGEST_SHA512:
		return 64;
	case DIGEST_NONE:
		break;
	}
	return 0;
}

const char *digest_algorithm_name(enum digest_algorithm algorithm)
{
	return algorithm == DIGEST_SHA512 ? "sha512" : algorithm == DIGEST_SHA256 ? "sha256" : "none";
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* algorithm = component *(separator component), encoded = 1*[A-Za-z0-9=_-] */
static bool well_formed(const char *text)
{
	const char *colon = strchr(text, ':');
	bool start = true;

	if (!colon || colon == text || !colon[1])
		return false;
	for (const char *p = text; p < colon; p++) {
		if (strchr("+._-", *p)) {
			if (start)
				return false;
			start = true;
		} else if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')) {
			start = false;
		} else {
			return false;
		}
	}
	return !start && strspn(colon + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=_-") ==
				 strlen(colon + 1);
}

int digest_parse(const char *text, struct digest *d, struct error *err)
{
	struct digest out = { 0 };
	const char *hex;
	size_t n;

	if (strncmp(text, "sha256:", 7) == 0) {
		out.algorithm = DIGEST_SHA256;
	} else if (strncmp(text, "sha512:", 7) == 0) {
		out.algorithm = DIGEST_SHA512;
	} else if (well_formed(text)) {
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "digest %.80s: algorithm is not supported", text);
	} else {
		return error_set(err, ERR_CONFIG, EINVAL, "\"%.80s\" is not a digest", text);
	}
	hex = text + 7;
	n = digest_size(out.algorithm);
	if (strlen(hex) != 2 * n)
		return error_set(err, ERR_CONFIG, EINVAL, "digest %.160s: %zu hexadecimal digits expected", text, 2 * n);
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return error_set(err, ERR_CONFIG, EINVAL, "digest %.160s: lower-case hexadecimal digits expected", text);
		out.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*d = out;
	return 0;
}

char *digest_hex(const struct digest *d, char buf[static DIGEST_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = digest_size(d->algorithm);

	for (size_t i = 0; i < n; i++) {
		buf[2 * i] = digits[d->bytes[i] >> 4];
		buf[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	buf[2 * n] = '\0';
	return buf;
}

char *digest_format(const struct digest *d, char buf[static DIGEST_TEXT_MAX])
{
	char hex[DIGEST_TEXT_MAX];
	const char *name = digest_algorithm_name(d->algorithm);
	size_t n = strlen(name);

	digest_hex(d, hex);
	memcpy(buf, name, n);
	buf[n] = ':';
	strcpy(buf + n + 1, hex);
	return buf;
}

const char *digest_string(struct arena *a, const struct digest *d)
{
	char buf[DIGEST_TEXT_MAX];

	return arena_strdup(a, digest_format(d, buf));
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->algorithm == b->algorithm && memcmp(a->bytes, b->bytes, digest_size(a->algorithm)) == 0;
}

int digest_begin(struct digest_stream *s, enum digest_algorithm algorithm)
{
	*s = (struct digest_stream){ .algorithm = algorithm, .context = EVP_MD_CTX_new() };
	if (!s->context)
		return -ENOMEM;
	if (!EVP_DigestInit_ex(s->context, algorithm == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256(), NULL)) {
		digest_abort(s);
		return -ENOMEM;
	}
	return 0;
}

void digest_feed(struct digest_stream *s, const void *buf, size_t len)
{
	EVP_DigestUpdate(s->context, buf, len);
	s->length += len;
}

void digest_end(struct digest_stream *s, struct digest *d)
{
	unsigned int len = 0;

	*d = (struct digest){ .algorithm = s->algorithm };
	EVP_DigestFinal_ex(s->context, d->bytes, &len);
	digest_abort(s);
}

void digest_abort(struct digest_stream *s)
{
	EVP_MD_CTX_free(s->context);
	s->context = NULL;
}

int digest_of(enum digest_algorithm algorithm, const void *buf, size_t len, struct digest *d)
{
	struct digest_stream s;
	int r = digest_begin(&s, algorithm);

	if (r < 0)
		return r;
	digest_feed(&s, buf, len);
	digest_end(&s, d);
	return 0;
}
