/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_FAULTS_TRACER_H
#define OCI_RT_TESTS_FAULTS_TRACER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "tests/faults/support.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_ERRNO,	   /* the call is not made and returns -error (close: made, then returns it) */
	FAULT_SHORT,	   /* read or write is asked for half as much */
	FAULT_KILL_CALLER, /* SIGKILL to the process that is about to make the call */
	FAULT_KILL_MAIN,   /* SIGKILL to the runtime's first process at that moment */
};

struct fault {
	enum fault_kind kind;
	int error;
	unsigned k; /* 1, 2, …: the k-th call, of those the fault can apply to, of the whole tree */
};

struct trace_options {
	struct fault fault;
	const struct stat *payload; /* a process that executes this file is the container's: no longer followed */
	pid_t attach;		    /* also follow this process (the container's init), or 0 */
	unsigned *histogram;	    /* counts by system call number, TRACE_MAX_NR entries, or NULL */
	FILE *log;		    /* one line per call: k, process, index, name, first path argument; or NULL */
};

#define TRACE_MAX_NR 512

struct trace_result {
	struct outcome outcome;
	unsigned calls; /* calls the fault can apply to, up to the moment it fired */
	bool fired;
	int process;	/* of the caller: order of creation, 0 the command itself */
	unsigned index; /* of the call within its process */
	long nr;
	bool in_loader; /* made by the dynamic loader, before the program itself */
	char what[160]; /* "openat(/sys/fs/cgroup/…)" */
};

/* Run the command under the tracer. */
struct trace_result trace_run(const struct command *c, const struct trace_options *o);

/* Name of a system call, or "syscall_N". */
const char *syscall_name(long nr);

#endif
