/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_CONTAINER_H
#define OCI_RT_SHIM_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/arena.h"
#include "shim/child.h"
#include "shim/options.h"
#include "shim/stdio.h"
#include "shim/ttrpc.h"

/*
 * The containers of this shim and their processes.
 *
 * A container has one init process and any number of execs.  Requests that need
 * the runtime take time; those of one container that change its state run one
 * after the other (container_enter, container_leave), everything else at once.
 * State, Wait, Connect and Pids never wait for anything.
 */
enum proc_state { PROC_CREATED, PROC_RUNNING, PROC_STOPPED, PROC_DELETED };

struct container;

struct proc {
	unsigned int refs;
	struct container *container; /* an exec holds a reference, the init does not */
	struct proc *next;
	char *exec_id; /* NULL: the container's init */
	enum proc_state state;
	bool busy;   /* start or delete is being done */
	bool exited; /* reaped; announced when state is PROC_STOPPED */
	bool has_io; /* io was opened */
	struct child child;
	pid_t pid; /* 0 until known; kept after the end */
	unsigned int exit_status;
	struct timespec exited_at;
	struct stdio io;
	bool failed;			   /* exec: could not be started */
	struct call *waiters;		   /* of Wait */
	void (*on_stopped)(void *context); /* called once after the exit was announced */
	void *on_stopped_context;
	char *spec; /* exec: the process as JSON, until it has been started */
	size_t spec_len;
};

/* OOM watch, see oom.h */
struct oom {
	struct watch watch; /* eventfd (v1) or inotify (v2); fd -1: none */
	struct timer again;
	uint64_t kills;	      /* last count */
	uint64_t kills_above; /* of the cgroup above, then */
	bool counter;	      /* the kernel counts kills */
	bool noticed;	      /* version 2: something was counted that has not been told */
};

struct container {
	unsigned int refs;
	struct container *next;
	struct arena arena; /* everything below that is a string */
	const char *id, *bundle;
	const char *runtime, *root; /* path of the binary, its --root */
	struct options options;
	const char *cgroup; /* text of /proc/PID/cgroup, "" when unknown */
	struct proc *init;
	struct proc *execs;
	struct oom oom;
	bool creating;	    /* Create has not answered yet: invisible */
	bool private_pidns; /* the kernel kills the rest when init ends */
	bool has_rootfs;    /* mounts of ours on bundle/rootfs */
	bool paused, pausing;
	bool kill_all_done;
	bool gave_up;	     /* stopped waiting for execs to end before init's exit is announced */
	struct timer linger; /* for gave_up */
	const char *checkpoint, *parent_checkpoint; /* restore: staged by Create, done by Start */
	bool busy;
	struct call *queue; /* calls waiting for container_leave() */
};

/* The shim as a whole. */
struct shim {
	const char *namespace_name;
	const char *socket_path; /* our listening socket, "" when unknown */
	const char *socket_dir;
	struct container *containers;
	bool shutdown_wanted;
};
extern struct shim shim;

/* The container, or NULL; one that is being created only with creating. */
struct container *container_find(const char *id, bool creating);

/* A new container in the table, with one reference held by it, and its init. */
struct container *container_new(const char *id, const char *bundle);
void container_ref(struct container *c);
void container_unref(struct container *c);

/* Take it out of the table and drop the table's reference. */
void container_remove(struct container *c);

/* Serialise: true when the call may go on; else it is kept and call->resume(call) is called later. */
bool container_enter(struct container *c, struct call *call, void (*resume)(struct call *));
void container_leave(struct container *c);

struct proc *proc_new(struct container *c, const char *exec_id);
struct proc *proc_find(struct container *c, const char *exec_id);
void proc_ref(struct proc *p);
void proc_unref(struct proc *p);

/* Watch the process with this pid, which a runtime command has made. */
int proc_adopt(struct proc *p, pid_t pid, struct error *err);

/* The exit is known: announce it as soon as the order of events allows.  Also to be called when whatever it had to
 * wait for has passed. */
void proc_announce(struct proc *p);

/* Never started, or failed to: wake the waiters and make it deletable. */
void proc_failed(struct proc *p, unsigned int status);

/* Read a pid file.  0 and *pid, or a negative errno. */
int read_pid_file(const char *path, pid_t *pid);

/* Find the container (and process) of a request; answers NotFound itself and returns NULL. */
struct container *call_container(struct call *call, const char *id);
struct proc *call_proc(struct call *call, const char *id, const char *exec_id);

/* May this id be a file name and an argument? */
bool id_valid(const char *id);

#endif
