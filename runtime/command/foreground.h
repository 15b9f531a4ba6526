/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_FOREGROUND_H
#define OCI_RT_RUNTIME_COMMAND_FOREGROUND_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Stay with a process in the foreground: forward signals, relay a terminal,
 * reap, and return its exit status (128 + n when signal n ended it).
 *
 * foreground_begin() goes before the process exists, so that no signal is lost;
 * the process itself resets its signal mask.
 */
struct foreground {
	int signal_fd;
};

int foreground_begin(struct foreground *f, struct error *err);

/* console_socket: the end of a socket pair from which the terminal's master arrives, or -1. */
int foreground_wait(struct foreground *f, pid_t pid, int pidfd, int console_socket, struct error *err);

#endif
