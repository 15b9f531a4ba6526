/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the first byte is options, the first line the value of V, the rest a word.  Text without quotes,
 * escapes and variables must come out as it is, and what is left as it is must expand to itself. */
#include <stdlib.h>
#include <string.h>

#include "image-tools/dockerfile/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(void *opaque, const char *name)
{
	return strcmp(name, "V") == 0 ? opaque : strcmp(name, "E") == 0 ? "" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct error err = { 0 };
	struct expand_options o = { .lookup = lookup };
	struct string_list words, unset = { 0 }, used = { 0 };
	const char *result;
	char *text, *newline;
	int r;

	if (size < 1)
		return 0;
	text = arena_strndup(&a, (const char *)data + 1, size - 1);
	newline = strchr(text, '\n');
	o.escape = data[0] & 1 ? '`' : '\\';
	o.raw_quotes = data[0] & 2;
	o.raw_escapes = data[0] & 4;
	o.skip_quotes = data[0] & 8;
	o.skip_unset = data[0] & 16;
	o.unset = &unset;
	o.used = &used;
	o.opaque = text;
	if (newline) {
		*newline = 0;
		text = newline + 1;
	}
	r = expand_word(&a, text, &o, &result, &err);
	if (r < 0 && !err.msg[0])
		abort();
	if (expand_words(&a, text, &o, &words, &err) != r)
		abort();
	if (!strpbrk(text, "$'\"\\`") && strncmp(text, "\xef\xbb\xbf", 3) != 0 && (r < 0 || strcmp(result, text) != 0))
		abort();
	for (size_t i = 0; r == 0 && i < words.count; i++)
		if (!*words.items[i])
			abort();
	arena_free(&a);
	return 0;
}
