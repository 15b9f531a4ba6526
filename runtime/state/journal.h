/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_STATE_JOURNAL_H
#define OCI_RT_RUNTIME_STATE_JOURNAL_H

#include "base/arena.h"
#include "base/error.h"

/*
 * The journal: file "journal" in the state directory, one line for each side
 * effect outside the container, "KIND ARGUMENT\n", written before the side
 * effect happens.  Whoever cleans up (the failing create, run at its end,
 * delete) replays it backwards; every undo is idempotent and does not mind that
 * its side effect never happened.  A last line without newline was never acted
 * on and is ignored.
 *
 * Kinds: cgroup, scope (runtime/cgroup/cgroup.h); resctrl (runtime/plan/undo.c).
 */
#define JOURNAL_FILE "journal"
#define JOURNAL_MAX (1024 * 1024)

/* Append records ("KIND ARG\n" each) in one write(). */
int journal_append(int state_fd, const char *text, size_t len, struct error *err);

/* Call undo for every record, newest first, and go on after a failure.  Returns 0, or the first failure. */
typedef int journal_undo_fn(const char *kind, const char *arg, struct error *err);
int journal_replay(int state_fd, struct arena *a, journal_undo_fn *undo, struct error *err);

#endif
