/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_CONSOLE_H
#define OCI_RT_SHIM_CONSOLE_H

#include "base/error.h"
#include "shim/loop.h"

/* The socket on which a runtime hands over the master of a new terminal. */
struct console {
	struct watch listener, conn; /* fd -1: none */
	int master;		     /* -1 until it has come */
	char path[108];
};

/* Make the socket in directory dir (0700, ours). */
int console_listen(struct console *con, const char *dir, struct error *err);

/* The master, owned by the caller, once the runtime command has succeeded.  Negative errno when none came. */
int console_take(struct console *con, struct error *err);

/* Close and unlink. */
void console_close(struct console *con);

#endif
