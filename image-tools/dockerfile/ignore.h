/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_IGNORE_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "image-tools/manifest.h"

/*
 * .dockerignore, COPY --exclude and file name patterns.  Paths are relative, with "/" between components, without
 * "./" in front and without "/" at the end.
 */
#define IGNORE_MAX_SIZE 4194304u /* bytes of a .dockerignore */
#define IGNORE_MAX_PATTERNS 65536u
#define IGNORE_MAX_PATTERN 8192u /* bytes of one */

struct ignore_pattern;

struct ignore {
	struct ignore_pattern *patterns;
	size_t count;
	bool has_exceptions; /* some "!pattern" */
};

/* Read the text of a .dockerignore: comments and blank lines dropped, patterns cleaned.  name is for messages.  The
 * result goes to ignore_compile(). */
int ignore_read(struct arena *a, const char *name, const char *text, size_t len, struct string_list *patterns,
	struct error *err);

/* Make patterns ready; they may also come from --exclude (which are not files: nothing is a comment). */
int ignore_compile(struct arena *a, const struct string_list *patterns, struct ignore *ig, struct error *err);

/* Is the path excluded?  True when the last pattern that matches it or one of its parent directories is no exception.
 */
bool ignore_matches(const struct ignore *ig, const char *path);

/* An excluded directory: may something below it still be included, so that it must be read?  False is certain. */
bool ignore_must_descend(const struct ignore *ig, const char *directory);

/* The same incrementally, for a walk from the top: state[i] (ig->count bytes, the caller's) says whether pattern i
 * matched a parent.  Start with zeroes at the root; the child's state is written to out (may not be parent's). */
bool ignore_matches_below(const struct ignore *ig, const char *path, const bool *parent, bool *out);

/* Go's filepath.Match on Linux: "*" and "?" do not match "/", [a-z], [^a], "\x".  Returns 1, 0, or -EINVAL for a
 * pattern that is no pattern ("[", "a\"), also when that part is not reached. */
int glob_match(const char *pattern, const char *name);
/* Does the text contain any of * ? [ \ ? */
bool glob_has_meta(const char *pattern);
/* With "**" for any number of components, as in .dockerignore but without matching parents: for --exclude of COPY and
 * sources of --parents.  Returns like glob_match. */
int glob_match_deep(struct arena *a, const char *pattern, const char *name);
/* Go's path.Clean: "a/./b/../c//" -> "a/c", "" -> ".". */
const char *path_clean(struct arena *a, const char *path);

#endif
