/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_CREATE_H
#define OCI_RT_RUNTIME_PLAN_CREATE_H

#include "runtime/plan/container.h"
#include "runtime/state/state.h"

/*
 * The host side of a container's life: everything ARCHITECTURE's picture shows
 * on the left.  create, run, start and delete are thin layers over these.
 */

/* Load and check the bundle, locate the cgroup, build the plan.  c->mode, c->rt, c->options and c->id are set. */
int container_prepare(struct container *c, struct error *err);

/* Carry the plan out up to "created" (mode create: recorded, waiting for start; mode run: the program runs).  After a
 * failure nothing is left. */
int container_create(struct container *c, struct error *err);

/*
 * The proof: the container side writes PROOF_EXECUTING just before execve, which
 * closes the descriptor when it succeeds; otherwise PROOF_ERROR and a struct
 * error (or PROOF_ERRNO) follow.  End of file alone means death.
 */
#define PROOF_EXECUTING 'x'
#define PROOF_ERROR 'e'
/* The launcher (runtime/launcher) reports in its own way: PROOF_ERRNO, an int, the program's name. */
#define PROOF_ERRNO 'E'

/* Word the errno of an execve: texts that engines compare. */
int exec_error(const char *name, int e, struct error *err);
/* The same of a program that was found before. */
int exec_failed(const char *name, int e, struct error *err);

/* The name (proc_pid_comm(5)) of a process of ours before it executed another program. */
#define PROOF_NAME "oci-rt:init"

/* Wait until the program really runs.  Otherwise err says why it does not.  The process pid was killed inside execve
 * when the pipe says nothing more, but it is dead under our name. */
int container_proof(int proof_fd, int proc_fd, pid_t pid, struct error *err);

/* Open what container_publish_pid() needs while paths still mean the host's. */
int container_open_publication(struct container *c, struct error *err);
/* Send the pidfd and write the pid file, as the options say. */
int container_publish_pid(struct container *c, struct error *err);

/* Everything that `delete` does: kill what is left, replay the journal, poststop hooks, remove the state.
 * The state directory must be locked.  force: a damaged journal is a warning, and what the record names is undone. */
int container_destroy(const struct runtime *rt, const char *id, int state_fd, bool force, struct arena *a,
	struct error *err);

/* The parts of container_create() that restore shares.  Write the record of the process c->pid; undo everything after a
 * failure. */
int container_record(struct container *c, struct error *err);
void container_abandon(struct container *c, const struct error *why);

/* The state of c as hooks see it. */
const char *container_state_json(const struct container *c, enum status status, pid_t pid);

/* The container side; never returns. */
void container_init(struct container *c) __attribute__((noreturn));
void container_init_exec(struct container *c) __attribute__((noreturn));

/* exec: a further process in the namespaces of the process that init_pidfd stands for.  c->plan is built for exec.
 * Returns when the program really runs (c->pid, c->pidfd), or with an error and nothing left.  The caller has entered
 * the container's namespaces afterwards: only descriptors lead to the host then. */
int container_exec(struct container *c, int init_pidfd, pid_t init, struct error *err);

#endif
