/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_STATE_STATE_H
#define OCI_RT_RUNTIME_STATE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/plan/container.h"

/*
 * What is known about a container between commands: the directory
 * <root>/<id>/, mode 0700, with
 *
 *   journal      undo of every side effect, written before the first (journal.h)
 *   config.json  the configuration as it was at create; later edits of the bundle have no effect
 *   start        FIFO; `start` writes one byte, the container's process reads it.  It exists from
 *                create until the program was started: the difference between created and running
 *   proof        FIFO; end of file says that the program really runs, a struct error why it does not
 *   state.json   the record below; its presence says that create came to its end
 *   resources.json  limits after `update`, merged; absent until then
 *
 * The directory itself is the lock (flock).  A directory without a record and
 * without a lock was left by a killed create: `delete --force` cleans it.
 * Formats: specs/state.md.
 */
#define STATE_FILE "state.json"
#define STATE_CONFIG_FILE "config.json"
#define STATE_RESOURCES_FILE "resources.json"
#define STATE_START_FIFO "start"
#define STATE_PROOF_FIFO "proof"
#define STATE_DEVICE	 "device." /* and a number: nodes for a container in a user namespace (facility/device.c) */

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };
const char *status_name(enum status status);

struct state {
	const char *oci_version; /* of the configuration */
	const char *id;
	int32_t pid;
	uint64_t pid_start; /* clock ticks since boot */
	const char *bundle, *rootfs;
	const char *created; /* RFC 3339, nanoseconds, UTC */
	uint32_t owner;	     /* uid that made it; shown by name, see state_owner() */
	struct config_map annotations;
	bool poststart, poststop; /* the configuration has such hooks */
	struct cgroup_record cgroup;
};

/* "" or "." or "../x" are not ids: [A-Za-z0-9_+-.]{1,255}, not starting with a dot. */
int state_check_id(const char *id, struct error *err);

/* Make the state root (0700) and the container's directory, locked.  -EEXIST with a clear error when the id is taken. */
int state_make(const struct runtime *rt, const char *id, int *state_fd, struct error *err);

/* Open an existing container's directory.  -ENOENT: container "X" does not exist. */
int state_open(const struct runtime *rt, const char *id, int *state_fd, struct error *err);

/* Lock: waits for another command on the same container unless try; -EAGAIN then. */
int state_lock(int state_fd, bool try, struct error *err);
void state_unlock(int state_fd);

int state_write(int state_fd, const struct state *s, struct arena *a, struct error *err);

/* Read and check the record.  -ENOENT: none (create did not finish); ERR_CORRUPT when it does not parse. */
int state_read(int state_fd, struct arena *a, struct state *s, struct error *err);

/* Where the container is in its life.  Looks at the process, the start FIFO and the freezer. */
int state_status(int state_fd, const struct state *s, const struct cgroup *cg, int proc_fd, enum status *status,
	struct error *err);

/* A pidfd of the container's first process, verified by its start time.  -ESRCH when it is gone. */
int state_pidfd(const struct state *s, int proc_fd);

/* Remove the directory and all it holds; the last thing done to a container. */
int state_remove(const struct runtime *rt, const char *id, int state_fd, struct error *err);

/* Now, as in state.created. */
const char *state_timestamp(struct arena *a);

/* The state as the specification defines it (runtime-spec, "State"): JSON for hooks, `state` and `list`.
 * pid 0 when status is stopped.  extended: also rootfs, created, owner. */
const char *state_json(struct arena *a, const struct state *s, enum status status, pid_t pid, bool extended, bool pretty);
/* The name of the user who made the container in /etc/passwd, else "#" and the uid. */
const char *state_owner(const struct state *s, struct arena *a);

#endif
