/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_EXPAND_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_EXPAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "image-tools/manifest.h"

/*
 * Words with quotes, escapes and variables, as Dockerfiles have them: a subset of the shell's with differences that
 * are kept on purpose (image-tools/README.md).
 */
#define EXPAND_MAX_RESULT 1048576u /* bytes of one expanded word */
#define EXPAND_MAX_DEPTH 64u	   /* ${a:-${b:-${c...}}} */

/* The value of a variable, or NULL when it is not set. */
typedef const char *expand_lookup(void *opaque, const char *name);

struct expand_options {
	char escape; /* '\\' or '`'; 0 means '\\' */
	expand_lookup *lookup;
	void *opaque;
	bool raw_quotes;	   /* quotes stay in the result */
	bool raw_escapes;	   /* escape characters stay in the result */
	bool skip_quotes;	   /* quotes mean nothing */
	bool skip_unset;	   /* $name and ${name} of an unset variable stay as they are */
	struct string_list *unset; /* may be NULL: gets each name asked for and not found, once */
	struct string_list *used;  /* may be NULL: gets each name found, once */
};

/* One word to one word. */
int expand_word(
	struct arena *a, const char *word, const struct expand_options *o, const char **result, struct error *err);
/* One word to any number of words: split at blanks that are not quoted, after expansion.  *words is overwritten. */
int expand_words(struct arena *a, const char *word, const struct expand_options *o, struct string_list *words,
	struct error *err);

/* A lookup in an array of "NAME=value" (ends with NULL); opaque is the array.  The last one wins. */
expand_lookup expand_lookup_environ;

#endif
