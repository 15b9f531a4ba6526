/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_UNDO_H
#define OCI_RT_RUNTIME_PLAN_UNDO_H

#include "runtime/plan/container.h"

/* Write the undo of every step of the plan to the journal, before the first of them runs. */
int undo_record(struct container *c, struct error *err);

/* Replay the journal of a state directory backwards.  Goes on after a failure and returns the first. */
int undo_replay(int state_fd, struct arena *a, struct error *err);

#endif
