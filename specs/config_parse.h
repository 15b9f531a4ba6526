/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SPECS_CONFIG_PARSE_H
#define OCI_RT_SPECS_CONFIG_PARSE_H

#include "base/json.h"
#include "specs/config.h"

/*
 * From text to structs.  These check types, ranges and names (see base/json.h);
 * the rules between members are config_check()'s (runtime/config/check.h).
 *
 * buf (len bytes) may be thrown away afterwards; all memory is in the arena.
 * Errors are appended to the list.  Returns 0, or -EINVAL when there were any;
 * *out then holds what could be read, so that the checks can go on.
 */

/* config.json.  (*out)->linux is never NULL. */
int config_parse(const char *buf, size_t len, struct arena *a, struct config **out, struct json_errors *errors);

/* The `process` object alone (exec --process). */
int process_parse(
	const char *buf, size_t len, struct arena *a, struct config_process **out, struct json_errors *errors);

/* The `linux.resources` object alone (update --resources). */
int resources_parse(
	const char *buf, size_t len, struct arena *a, struct config_resources **out, struct json_errors *errors);

#endif
