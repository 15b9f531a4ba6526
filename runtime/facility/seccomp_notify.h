/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_FACILITY_SECCOMP_NOTIFY_H
#define OCI_RT_RUNTIME_FACILITY_SECCOMP_NOTIFY_H

#include "runtime/plan/container.h"

/*
 * Handing the listener of a filter with SCMP_ACT_NOTIFY to the agent
 * (runtime-spec config-linux.md, "Seccomp", "The Container Process State").
 */
struct seccomp_notify {
	const char *path;     /* the agent's socket */
	const char *metadata; /* NULL: none */
	int sock;	      /* connected, -1 before and after */
};

/* Host side: connect to the agent, a fresh connection for each process. */
int seccomp_notify_connect(struct seccomp_notify *n, struct error *err);

/* Container side: get ready to hand a listener over, call load(), which loads the filter and returns the listener or a
 * negative errno, and return when the agent has the listener. */
int seccomp_notify_load(struct container *c, struct seccomp_notify *n, int (*load)(const void *data, struct error *err),
	const void *data, struct error *err);

#endif
