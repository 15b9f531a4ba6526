/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_COMMAND_H
#define OCI_RT_RUNTIME_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "runtime/plan/container.h"
#include "runtime/state/state.h"

/*
 * A command: one file in this directory, one struct.  run() returns the exit
 * status, or a negative errno with err filled: main() then prints the error and
 * exits with status 1 (failure_status).
 */
#define PRESERVE_FDS_MAX 1024
#define LISTEN_FDS_MAX	 1024

struct option_value;

struct command_option {
	const char *name;  /* "bundle" */
	char letter;	   /* 'b', or 0 */
	const char *value; /* name of its value for the help text ("DIR"), NULL: a switch */
	bool repeatable;   /* every value is kept; otherwise the last one counts */
	const char *help;  /* NULL: accepted for compatibility and not listed */
};

struct arguments {
	struct option_value *values; /* parsed options, in their order */
	size_t values_count;
	const char **operands;
	size_t operands_count;
};

struct command {
	const char *name;
	const char *usage; /* behind the name: "[options] ID" */
	const char *summary;
	const struct command_option *options; /* ends with name NULL */
	size_t operands_min, operands_max; /* SIZE_MAX: any */
	bool stop_at_operand; /* options end at the second operand (exec: the program's own) */
	bool enters;	      /* its process becomes a container's: descriptors can be passed on */
	bool protect;	      /* it enters a container that others are in: the binary is protected first */
	int failure_status;   /* 0: 1 */
	int (*run)(struct runtime *rt, const struct arguments *args, struct error *err);
};

/* The value of an option: the last one given, or NULL. */
const char *argument(const struct arguments *args, const char *name);
/* Was a switch given (and not =false)? */
bool argument_switch(const struct arguments *args, const char *name);
/* All values of a repeatable option: calls in a loop with *at = 0 at first; NULL at the end. */
const char *argument_next(const struct arguments *args, const char *name, size_t *at);
/* A number ≥ 0, or def when absent. */
int argument_number(const struct arguments *args, const char *name, unsigned int def, unsigned int max,
	unsigned int *value, struct error *err);

/* Parse what follows the command (or the global options: stops at the first operand then).  Long options take one or
 * two dashes and "=value" or a following argument; letters can be bundled. */
int arguments_parse(struct arena *a, const char *what, const struct command_option *options, int argc, char **argv,
	size_t stop_after, struct arguments *args, int *used, struct error *err);

extern const struct command command_checkpoint, command_check, command_completion, command_create, command_delete,
	command_events, command_exec, command_features, command_kill, command_list, command_mounts, command_pause,
	command_plan, command_ps, command_restore, command_resume, command_run, command_spec, command_start,
	command_state, command_update;

/* An existing container opened for a command. */
struct opened {
	int state_fd, proc_fd;
	struct state state;
	struct cgroup *cgroup;
	enum status status;
};

/* Open container id, read its record, find its status.  lock: take the lock first. */
int container_open(const struct runtime *rt, const char *id, bool lock, struct opened *o, struct error *err);
void container_close(struct opened *o);

/* --regex: act on every container whose id the first operand matches; failures are warnings. */
typedef int container_fn(struct runtime *rt, const char *id, const struct arguments *args, struct error *err);
int containers_matching(struct runtime *rt, const struct arguments *args, container_fn *act, struct error *err);
/* The ids below the state root, sorted. */
int list_ids(struct runtime *rt, const char ***ids, size_t *count, struct error *err);

/* Options shared by create, run and restore, read from the arguments; id from the operand. */
/* How many descriptors from 3 on a service manager passes (LISTEN_FDS, sd_listen_fds(3)).  None when LISTEN_PID names
 * another process: then the variables were only inherited.  Without LISTEN_PID they count when they are open, as in crun. */
unsigned int listen_descriptors(void);

int create_options(const struct runtime *rt, const struct arguments *args, struct container *c, struct error *err);

#endif
