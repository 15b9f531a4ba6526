/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_RUNTIME_H
#define OCI_RT_SHIM_RUNTIME_H

#include "shim/child.h"
#include "shim/container.h"

/*
 * Commands of the runtime.  The shim knows the runtime only as a program with
 * runc's command line.
 */

/* Start `<runtime> --root R --log LOG --log-format json [--systemd-cgroup] args...`.  log: file in the bundle,
 * NULL for log.json. */
struct job *runtime_start(struct container *c, const char *log, const char *const *args, const struct job_spec *spec,
	void (*done)(struct job *, unsigned int), void *context, struct error *err);

/* Size of a log now: errors logged later stand behind it. */
off_t runtime_log_size(struct container *c, const char *log);

/* Why a command failed: the last error in the log behind `since`, else what it printed, else its status. */
void runtime_error(struct container *c, const char *log, off_t since, const char *output, unsigned int status,
	char *text, size_t size);

/* Does the text say that there is nothing there any more? */
bool runtime_says_gone(const char *text);

#endif
