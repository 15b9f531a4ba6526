/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: a path, a newline, and a .dockerignore.  The three ways to ask must agree: the whole path, the walk from
 * the top, and the decision not to read an excluded directory. */
#include <stdlib.h>
#include <string.h>

#include "image-tools/dockerfile/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct arena *a, const struct ignore *ig, char *path)
{
	bool *state = arena_array(a, bool, ig->count + 1), *next = arena_array(a, bool, ig->count + 1), *t;
	bool excluded = ignore_matches(ig, path), walked = false, pruned = false;

	for (char *s = path;; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		walked = ignore_matches_below(ig, path, state, next);
		if (walked != ignore_matches(ig, path) || (pruned && !walked))
			abort();
		pruned |= c && walked && !ignore_must_descend(ig, path);
		t = state;
		state = next;
		next = t;
		*s = c;
		if (!c)
			break;
	}
	if (walked != excluded)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	const uint8_t *newline = memchr(data, '\n', size);
	struct string_list patterns;
	struct error err = { 0 };
	struct ignore ig;

	if (!newline || memchr(data, 0, size) || size > 4096)
		return 0;
	if (ignore_read(&a, ".dockerignore", (const char *)newline + 1, size - (size_t)(newline + 1 - data), &patterns, &err) == 0) {
		const char *path = path_clean(&a, arena_strndup(&a, (const char *)data, (size_t)(newline - data)));
		char *relative = arena_strdup(&a, path + (*path == '/'));

		if (strcmp(path_clean(&a, path), path) != 0)
			abort();
		/* it trims once more, which can leave a backslash at the end */
		if (ignore_compile(&a, &patterns, &ig, &err) < 0)
			patterns.count = ig.count = 0;
		if (*relative && strcmp(relative, ".") != 0)
			check_path(&a, &ig, relative);
		for (size_t i = 0; i < patterns.count && i < 8; i++) {
			const char *p = patterns.items[i] + (patterns.items[i][0] == '!');
			bool ascii = true;

			for (const char *s = data == newline ? "" : relative; *s; s++)
				ascii &= (unsigned char)*s < 0x80;
			for (const char *s = p; *s; s++)
				ascii &= (unsigned char)*s < 0x80;
			/* without "**" and outside classes both kinds of pattern are the same */
			if (ascii && !strstr(p, "**") && !strchr(p, '[') && glob_match(p, relative) != glob_match_deep(&a, p, relative))
				abort();
		}
	} else if (!err.msg[0]) {
		abort();
	}
	arena_free(&a);
	return 0;
}
