/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_HOOKS_H
#define OCI_RT_RUNTIME_PLAN_HOOKS_H

#include "base/arena.h"
#include "base/error.h"
#include "specs/config.h"

/* Where hooks write: the files of the annotations run.oci.hooks.stdout and run.oci.hooks.stderr (crun), appended to and
 * made when missing; -1: what they write is kept for the error message. */
struct hook_output {
	int out, err;
};
#define HOOK_OUTPUT_NONE ((struct hook_output){ -1, -1 })

int hooks_output_open(const struct config *config, struct hook_output *output, struct error *err);
void hooks_output_close(struct hook_output *output);

/* Which hook, and what it is run with. */
struct hook_run {
	const char *name; /* "createRuntime" */
	size_t index;
	const char *state_json;
	const char *const *env; /* what an absent `env` means, NULL: empty */
	int dir_fd;		/* its working directory; ≤ 0: ours */
	struct hook_output output;
};

/* Run one hook (runtime-spec, "POSIX-platform Hooks"): the state on stdin, only its own environment, killed with its
 * process group when its timeout is over.  A non-zero exit status is an error with the end of the hook's output. */
int hooks_run_one(const struct config_hook *hook, const struct hook_run *how, struct arena *a, struct error *err);

/* poststop hooks: failures are warnings and the next one runs all the same. */
void hooks_run_poststop(const struct config *config, const char *state_json, struct arena *a);

#endif
