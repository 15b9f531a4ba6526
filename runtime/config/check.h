/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CONFIG_CHECK_H
#define OCI_RT_RUNTIME_CONFIG_CHECK_H

#include "base/json.h"
#include "specs/config.h"

/*
 * The rules of runtime-spec 1.3 that go beyond types: relations between
 * members, formats of strings, numbers the kernel refuses.  Nothing here looks
 * at the host: what needs its kernel, cgroups or files is found out when the
 * plan is made.
 *
 * Every violation is appended to errors, everything that will be ignored or is
 * deprecated to warnings.  The struct may be the rest of a document in which
 * the parser found errors: what it has reported is not reported again.
 */
void config_check(
	const struct config *config, struct arena *a, struct json_errors *errors, struct json_errors *warnings);

/* The same for a process (exec) and for resources (update) as documents of their own. */
void process_check(const struct config_process *process, struct arena *a, struct json_errors *errors,
	struct json_errors *warnings);
void resources_check(const struct config_resources *resources, struct arena *a, struct json_errors *errors,
	struct json_errors *warnings);

#endif
