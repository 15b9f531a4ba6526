/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_LOG_H
#define OCI_RT_RUNTIME_CRIU_LOG_H

#include "base/arena.h"
#include "base/error.h"

/* Complete the error of a failed run with the last errors in criu's log (file `name` in the directory dirfd, whose path
 * is for the hint). */
void criu_log_quote(int dirfd, const char *dir, const char *name, struct arena *a, struct error *err);

/* Before criu writes there: what carries the name of one of its own files must not lead elsewhere. */
int criu_log_clear(int dirfd, const char *dir, const char *const *names, struct error *err);

#endif
