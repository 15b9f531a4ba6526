/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_TRACE_H
#define OCI_RT_RUNTIME_PLAN_TRACE_H

#include <stdint.h>

#include "base/error.h"

struct step;

/*
 * --trace FILE: the time of each step, on both sides of the clone, as Chrome
 * trace-event JSON ("complete" events; load it in a trace viewer).  Events are
 * kept in memory shared between the two sides and written once at the end.
 */

/* Start to record; file is remembered and must be writable now. */
int trace_open(const char *file, struct error *err);

/* Monotonic nanoseconds, or 0 when nothing is recorded. */
uint64_t trace_now(void);

/* Record a step that began at `begin` and ends now. */
void trace_step(const struct step *s, uint64_t begin);

/* Record a named span that is not a step. */
void trace_span(const char *name, const char *category, uint64_t begin);

/* Write the file. */
int trace_write(struct error *err);

#endif
