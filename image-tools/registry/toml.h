/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REGISTRY_TOML_H
#define OCI_RT_IMAGE_TOOLS_REGISTRY_TOML_H

#include "base/arena.h"
#include "base/error.h"
#include "image-tools/manifest.h"

/*
 * As much of TOML 1.0 as registries.conf and hosts.toml use: tables, arrays of tables, dotted and quoted keys,
 * strings of all four kinds, booleans, integers, arrays of strings and of such arrays.  Dates, floats and inline tables are read over.
 */
enum toml_kind { TOML_STRING, TOML_BOOL, TOML_NUMBER, TOML_STRINGS, TOML_LISTS, TOML_OTHER };

/* "key = value" with the header it stands under: for [[registry.mirror]] the parts "registry", "mirror". */
struct toml_item {
	const char *const *table; /* parts, NULL-terminated */
	size_t section;		  /* number of the header in the file, 0 before the first */
	bool array;		  /* the header was [[...]] */
	const char *key;	  /* NULL: only the header, nothing below it yet */
	enum toml_kind kind;
	const char *string;
	bool boolean;
	struct string_list strings; /* of TOML_LISTS the first one */
	size_t lists_count;
};

struct toml {
	struct toml_item *items;
	size_t count;
};

/* -EINVAL with the line in err. */
int toml_parse(struct arena *a, const char *text, size_t len, const char *name, struct toml *t, struct error *err);

#endif
