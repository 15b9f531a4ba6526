/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: any bytes as manifest, index and image configuration; what is accepted can be written and read
 * again. */
#include <stdlib.h>
#include <string.h>

#include "image-tools/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	const char *buf = (const char *)data, *text;
	struct platform host = { "linux", "amd64", NULL };
	const struct descriptor *chosen;
	enum media_role role;
	struct manifest m;
	struct image_index x;
	struct image_config c;
	struct error err = { 0 };
	size_t len;

	document_role(buf, size, NULL, &a, &role, &err);
	if (manifest_parse(buf, size, "m", &a, &m, &err) == 0) {
		text = manifest_write(&a, &m, &len);
		if (manifest_parse(text, len, "m", &a, &m, &err) < 0)
			abort();
	}
	if (index_parse(buf, size, "x", &a, &x, &err) == 0) {
		index_select(&x, &host, &a, &chosen, &err);
		text = index_write(&a, &x, &len);
		if (index_parse(text, len, "x", &a, &x, &err) < 0)
			abort();
	}
	if (image_config_parse(buf, size, "c", &a, &c, &err) == 0) {
		text = image_config_write(&a, &c, &len);
		if (image_config_parse(text, len, "c", &a, &c, &err) < 0)
			abort();
	}
	arena_free(&a);
	return 0;
}
