/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_SPAWN_H
#define OCI_RT_BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/* A helper program (hook, newuidmap, criu): run, feed, wait, kill when it takes too long. */
struct spawn {
	const char *path;	  /* absolute */
	const char *const *argv;  /* NULL-terminated; NULL: only path */
	const char *const *envp;  /* NULL-terminated; NULL: empty environment, never the caller's */
	const void *input;	  /* bytes for stdin, or NULL for /dev/null; a program that does not read them is fine */
	size_t input_len;
	int timeout_ms;		  /* ≤ 0: none; then the process group is killed */
	int stdout_fd, stderr_fd; /* -1: captured, or the caller's */
	int dir_fd;		  /* working directory; ≤ 0: the caller's */
	bool capture;		  /* keep the first 4 KiB of what goes nowhere else in `output` */
	char *output;		  /* set when capture: arena memory */
};

/* Run to the end.  *status is the wait status.  -ETIMEDOUT after a timeout; other errors mean that
 * it could not be started.  The program gets its own process group, default signal handling, an empty
 * signal mask, only descriptors 0-2, and dies with the caller. */
int spawn_run(struct spawn *s, struct arena *a, int *status, struct error *err);

/* "exit status 3", "signal 9 (Killed)". */
const char *spawn_status_text(int status, char buf[static 64]);

#endif
