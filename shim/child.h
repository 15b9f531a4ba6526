/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_CHILD_H
#define OCI_RT_SHIM_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "shim/loop.h"

/*
 * Processes whose end matters: runtime commands, loggers, and the containers'
 * own processes, which fall to the shim as child subreaper when the runtime
 * command that made them ends.
 */
struct child {
	struct watch watch; /* its pidfd */
	pid_t pid;	    /* 0: none */
	struct child *next;
	void (*exited)(struct child *c, unsigned int status); /* exit code, or 128 + signal */
};

/* Block the signals the shim handles and take them over a signalfd.  on_terminate is called on SIGTERM and
 * SIGINT.  0 or a negative errno. */
int child_init(void (*on_terminate)(void));

/* Watch pid, a child of ours or soon to be one: c->exited is called once when it has been reaped. */
int child_watch(struct child *c, pid_t pid, struct error *err);

/* Stop watching; the process is reaped as an orphan. */
void child_forget(struct child *c);

/* While a runtime command that will hand a process over is running, no unknown zombie is reaped: its pid could
 * be the one the command is about to report. */
void child_adoption_begin(void);
void child_adoption_end(void);

/* In a child before execve: default signals, empty mask. */
void child_reset_signals(void);

/*
 * A job: a program (or a function in a forked child) run beside the loop.
 */
struct job_spec {
	const char *const *argv; /* argv[0] is the path; NULL: run function */
	int (*function)(void *arg, struct error *err);
	void *arg;
	int fd[3];		 /* stdin, stdout, stderr; -1: /dev/null */
	int extra[3];		 /* become descriptors 3, 4, 5; -1: none */
	const char *const *envp; /* NULL: the shim's own without NOTIFY_SOCKET */
	bool capture;		 /* stdout and stderr that are -1 are kept in job->output */
	bool adopts;		 /* hands a process over, see child_adoption_begin() */
	bool survives;		 /* is not killed when the shim dies */
};

#define JOB_SPEC_INIT                                                                                                  \
	{                                                                                                              \
		.fd = {-1, -1, -1}, .extra = { -1, -1, -1 }                                                            \
	}

struct job {
	struct child child;
	struct watch out;
	char *output; /* NUL-terminated, at most 16 KiB of it; "" when nothing came */
	size_t output_len;
	bool adopts;
	void (*done)(struct job *job, unsigned int status);
	void *context;
};

/* Start a job; job->done is called once, after which the job is freed.  NULL with err filled. */
struct job *job_start(
	const struct job_spec *spec, void (*done)(struct job *, unsigned int), void *context, struct error *err);

/* Kill a job's process; done is still called. */
void job_kill(struct job *job);

/* Jobs that are running. */
unsigned int job_count(void);

#endif
