/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_FAULTS_STAND_H
#define OCI_RT_TESTS_FAULTS_STAND_H

#include <stdbool.h>
#include <sys/stat.h>

#include "tests/faults/leakcheck.h"
#include "tests/faults/support.h"

#define HANG_MS 5000	  /* no command may take longer */
#define SETTLE_MS 8000 /* what the kernel may take, on a busy machine, to collect keyrings and namespaces */

enum operation {
	OP_CREATE,
	OP_START,
	OP_EXEC,
	OP_KILL,
	OP_UPDATE,
	OP_DELETE,	 /* of a stopped container */
	OP_DELETE_FORCE, /* of a running one */
	OP_RUN,
	OP_COUNT
};

struct stand_options {
	const char *runtime; /* program under test */
	const char *golden;  /* program that makes the expected views; NULL: the same */
	const char *tools;   /* directory with view and noop */
	const char *seccomp; /* file with the linux.seccomp object */
	bool user_namespace, terminal, hybrid;
	unsigned ops; /* set of the operations that will be walked */
};

/* Enter the world and lay everything out; dies when the fault-free run does not work. */
void stand_open(const struct stand_options *o);

/* The payload's identity, for the tracer. */
const struct stat *stand_payload(void);

const char *operation_name(enum operation op);
int operation_by_name(const char *name);

/* Bring the container into the state from which op starts; 0, or the failing command's status. */
int stand_setup(enum operation op);

/* The command line of the operation; valid until the next call. */
struct command stand_command(enum operation op);

/* Process id of the container's init after create, or 0. */
pid_t stand_init_pid(void);

/*
 * After op said success: is its effect there, and is the container's view the expected one?
 * false: *effect set; true: number of differing lines in *weaker, described in out.
 */
bool stand_judge_success(enum operation op, int *weaker, FILE *out);

/* delete --force, once. */
struct outcome stand_delete(void);

/* Differences from the snapshot taken before everything; described in out. */
int stand_left(FILE *out);
int stand_left_now(FILE *out);

/* A fault-free run with the same name: does it work and leave nothing? */
bool stand_reusable(FILE *out);

/* Remove by hand what a runtime left, so that the walk can go on. */
void stand_restore(void);

/* The last command's messages. */
char *stand_messages(void);

#endif
