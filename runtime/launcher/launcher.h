/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_LAUNCHER_LAUNCHER_H
#define OCI_RT_RUNTIME_LAUNCHER_LAUNCHER_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * The program between the runtime and the container's own (launcher.c): with it
 * a process that nobody can look into before needs no sealed copy of the whole
 * runtime (runtime/protect.h).
 */

/* Is it there for this architecture? */
bool launcher_available(void);

/* A sealed memory file that holds it, O_CLOEXEC; or a negative errno with err filled. */
int launcher_open(struct error *err);

/* The argument list that makes it execute `path` with argv (NULL-terminated). */
const char **launcher_arguments(struct arena *a, const char *const *argv);

/* Become the launcher.  proof_fd outlives this execve and is closed by the next.  Returns -errno when it fails. */
int launcher_exec(int launcher_fd, int proof_fd, const char *path, const char **arguments, const char *const *envp);

#endif
