/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_PLAN_H
#define OCI_RT_RUNTIME_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * A container is a plan: an ordered list of small steps, each one kernel
 * operation or one tight group of them.  Facilities add steps and say in which
 * stage each belongs; the stage alone decides the order (steps of one stage
 * keep the order in which they were added).
 *
 * Adding a step must be cheap: no system call, no formatting.  Text for people
 * is made only when the plan is going to be printed (plan->explain).
 */
struct container;
struct step;

enum stage {
	/* The runtime's side, before the clone.  The state directory exists and the journal holds every undo. */
	STAGE_HOST,		/* cgroup made and limited, sources opened, filter compiled, … */
	STAGE_CLONE,		/* the container's process comes into being */
	/* The runtime's side, while the container's side waits. */
	STAGE_MAP,		/* id mappings, out-of-memory score, network devices */
	/* The container's side. */
	STAGE_JOIN,		/* namespaces joined by path, credentials in the user namespace, session, keyring */
	STAGE_CGROUP_NAMESPACE,	/* v2 only: the process is already in its cgroup */
	STAGE_NETWORK,		/* loopback up */
	STAGE_ROOT,		/* the root filesystem becomes a mount of its own */
	STAGE_MOUNT,		/* mounts, in the order of the configuration */
	STAGE_DEVICE,		/* device nodes and links in /dev, console */
	STAGE_RUNTIME_HOOK,	/* on the runtime's side: prestart, createRuntime */
	STAGE_CGROUP,		/* v1: the process writes itself into its cgroups; then the cgroup namespace.  Without
				 * createContainer hooks this happens only after STAGE_SETTLE (runtime/plan/init.c) */
	STAGE_CONTAINER_HOOK,	/* createContainer */
	STAGE_MASK,		/* read-only and masked paths; the host's /dev/null is still within reach */
	STAGE_PIVOT,		/* the old root is gone */
	STAGE_SETTLE,		/* sysctl, names, propagation of the root, read-only root */
	STAGE_LIMIT,		/* rlimits, scheduler, I/O priority, personality, memory policy, umask */
	STAGE_IDENTITY,		/* bounding set, ids, capabilities, no_new_privs, working directory, program found */
	STAGE_SECCOMP,		/* without no_new_privs: needs CAP_SYS_ADMIN, so just before the last capset */
	STAGE_VERIFY,		/* on the runtime's side: what the process really has, against the configuration */
	STAGE_WAIT,		/* created; wait for start */
	STAGE_LAUNCH,		/* startContainer hooks, seccomp with no_new_privs, execve */
	/* The runtime's side again. */
	STAGE_POSTSTART,	/* the program runs: poststart hooks */
	STAGE_COUNT
};

/* Name as printed by `oci-rt plan`, and whether the container's process executes the stage. */
const char *stage_name(enum stage stage);
bool stage_is_container_side(enum stage stage);

typedef int step_fn(struct container *c, const struct step *s, struct error *err);

struct step {
	enum stage stage;
	const char *facility; /* name of the file in runtime/facility that added it */
	const char *property; /* JSON path it came from ("mounts", "linux.sysctl"), or NULL: our own doing */
	int index;	      /* ≥ 0: element of the array `property` */
	step_fn *run;
	const void *data;     /* whatever run needs; arena memory of the plan */
	const char *text;     /* for people, only when plan->explain */
	const char *undo;     /* journal kind of the side effect outside the container, or NULL */
	const char *undo_arg; /* its argument: one line, no newline */
	struct step *next;    /* next of the same stage */
};

struct plan {
	struct arena *arena;
	bool explain;
	struct step *first[STAGE_COUNT], *last[STAGE_COUNT];
	size_t count;
};

/* Add a step; the returned step may be filled further (index, undo, undo_arg, text). */
struct step *plan_add(struct plan *p, enum stage stage, const char *facility, const char *property, step_fn *run,
	const void *data);

/* Give the step its text, formatted only when somebody will read it. */
#define step_text(plan, step, ...)                                                                                     \
	do {                                                                                                           \
		if ((plan)->explain)                                                                                   \
			(step)->text = arena_printf((plan)->arena, __VA_ARGS__);                                       \
	} while (0)

/* Does any step of the stage exist? */
static inline bool plan_has(const struct plan *p, enum stage stage)
{
	return p->first[stage] != NULL;
}

/* Run the steps of one stage in order.  An error is completed with the step's facility and JSON path. */
int plan_run_stage(struct container *c, enum stage stage, struct error *err);

/* Run all stages from first to last (inclusive). */
int plan_run(struct container *c, enum stage first, enum stage last, struct error *err);

#endif
