/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_FACILITY_SECCOMP_NOTIFY_H
#define OCI_RT_RUNTIME_FACILITY_SECCOMP_NOTIFY_H

#include "runtime/plan/container.h"

/*
 * Handing the listener of a filter with SCMP_ACT_NOTIFY to the agent
 * (runtime-spec config-linux.md, "Seccomp", "The Container Process State").
 */
struct seccomp_notify_page; /* memory that both sides see */

struct seccomp_notify {
	const char *path;     /* the agent's socket */
	const char *metadata; /* NULL: none */
	struct seccomp_notify_page *page;
};

/* Host side: connect to the agent (c->agent_fd), a fresh connection for each process. */
int seccomp_notify_connect(struct container *c, struct seccomp_notify *n, struct error *err);

/* Host side, the process is there: tell it what the host calls it, and leave the connection to it alone, so that the
 * agent sees its end. */
void seccomp_notify_leave(struct container *c, struct seccomp_notify *n);

/* Container side: get ready to hand a listener over, call load(), which loads the filter and returns the listener or a
 * negative errno, and return when the agent has the listener. */
int seccomp_notify_load(struct container *c, struct seccomp_notify *n, int (*load)(const void *data, struct error *err),
	const void *data, struct error *err);

#endif
