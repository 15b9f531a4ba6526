/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: any text as a reference (what is accepted must survive a round trip), a location, a digest, a
 * platform, an authentication challenge, base64 and a configuration in TOML. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "image-tools/platform.h"
#include "image-tools/reference.h"
#include "image-tools/registry/auth.h"
#include "image-tools/registry/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	char *text = arena_strndup(&a, (const char *)data, size);
	struct reference ref, again;
	struct location loc;
	struct platform p;
	struct digest d;
	struct challenge c[8];
	struct toml t;
	void *plain;
	size_t n;

	if (reference_parse(&a, text, &ref, NULL) == 0) {
		const char *canonical = reference_canonical(&a, &ref);

		if (reference_parse(&a, canonical, &again, NULL) < 0 || strcmp(canonical, reference_canonical(&a, &again)) != 0)
			abort();
		if (reference_parse(&a, reference_familiar(&a, &ref), &again, NULL) < 0 ||
			strcmp(canonical, reference_canonical(&a, &again)) != 0)
			abort();
	}
	location_parse(&a, text, &loc, NULL);
	platform_parse(&a, text, &p, NULL);
	if (digest_parse(text, &d, NULL) == 0) {
		char buf[DIGEST_TEXT_MAX];

		if (strcmp(digest_format(&d, buf), text) != 0)
			abort();
	}
	challenge_parse(&a, text, c, 8);
	plain = base64_decode(&a, text, &n);
	/* bits behind the last byte may be anything: the second text is the canonical one, of the same length */
	if (plain && strlen(base64_encode(&a, plain, n)) != strlen(text))
		abort();
	toml_parse(&a, text, strlen(text), "fuzz", &t, NULL);
	arena_free(&a);
	return 0;
}
