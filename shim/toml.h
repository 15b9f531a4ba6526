/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_TOML_H
#define OCI_RT_SHIM_TOML_H

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * The part of TOML that option files use: comments, [table] headers, and
 * key = value with basic and literal strings (also of several lines), integers
 * and booleans.  Arrays, inline tables, floats and dates are skipped over, not
 * reported.  Call found() with the last component of each key; values are
 * given as text, integers in decimal, booleans as true and false.
 */
int toml_scan(const char *text, size_t len, void (*found)(void *context, const char *key, const char *value),
	void *context, struct arena *a, struct error *err);

#endif
