/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_JSON_H
#define OCI_RT_SHIM_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * The few things the shim reads from JSON, as a stream: no tree is built, so a
 * large config.json costs the long-lived process no memory.
 */
#define JSON_DEPTH 6

enum json_kind { JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL, JSON_OBJECT_END };

struct json_value {
	enum json_kind kind;
	const char *text; /* string or number, NUL-terminated; "true" or "false" */
	size_t len;
	int depth;		     /* keys above the value; those beyond JSON_DEPTH are not kept */
	const char *key[JSON_DEPTH]; /* "[]" for an element of an array */
};

/* Call found() for every value.  Invalid JSON is -EINVAL; what was found before it has been reported. */
int json_scan(const char *text, size_t len, void (*found)(void *context, const struct json_value *v), void *context);

/* Is the value at exactly this path?  json_at(v, "linux", "namespaces", "[]", NULL) */
bool json_at(const struct json_value *v, ...) __attribute__((sentinel));

/* Copy an object, replacing (or adding) the top-level boolean member `name`. */
int json_set_bool(const char *text, size_t len, const char *name, bool value, struct arena *a, char **out,
	size_t *out_len, struct error *err);

/* Write a JSON string literal for s into the arena. */
const char *json_quote(struct arena *a, const char *s);

#endif
