/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_HOOKS_H
#define OCI_RT_RUNTIME_PLAN_HOOKS_H

#include "base/arena.h"
#include "base/error.h"
#include "specs/config.h"

/* Run one hook (runtime-spec, "POSIX-platform Hooks"): the state on stdin, only its own environment, killed with its
 * process group when its timeout is over.  name: "createRuntime".  env: what an absent `env` means, NULL: empty.
 * A non-zero exit status is an error with the end of the hook's output. */
int hooks_run_one(const struct config_hook *hook, const char *name, const char *state_json, const char *const *env,
	struct arena *a, struct error *err);

/* poststop hooks: failures are warnings and the next one runs all the same. */
void hooks_run_poststop(const struct config *config, const char *state_json, struct arena *a);

#endif
