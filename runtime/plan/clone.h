/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_CLONE_H
#define OCI_RT_RUNTIME_PLAN_CLONE_H

#include "runtime/plan/container.h"

/*
 * Make the container's process: one clone3 with all new namespaces and, on
 * cgroup v2, into its cgroup.  Where a user, pid, time or mount namespace is
 * joined by path, or anything is joined while a user namespace is made, an
 * intermediate process enters them first and clones with CLONE_PARENT.
 *
 * Returns 0 in the container's process (c->pid == 0) and 0 in the caller
 * (c->pid, c->pidfd set), or a negative errno in the caller.
 */
int container_clone(struct container *c, struct error *err);

/* exec: an intermediate process, cloned into the container's cgroup, runs enter() (namespaces, cgroups of v1, nothing of
 * the host left open) and then clones the process, which inherits all that.  Returns as above. */
typedef int clone_enter_fn(struct container *c, struct error *err);
int container_clone_inside(struct container *c, clone_enter_fn *enter, struct error *err);

/* A new time namespace with its offsets, for the children of the calling process and for what it executes. */
int container_new_time(struct container *c, struct error *err);

/* setns(2) into every namespace opened by the namespace facility, in the order that keeps the needed privileges. */
int container_join(struct container *c, struct error *err);

/* Is the intermediate process needed?  If not, the container side joins by itself. */
bool container_needs_joiner(const struct container *c);

/* The CLONE_NEW* flag and the /proc/PID/ns name of a namespace type. */
uint32_t namespace_flag(enum config_namespace_type type);
const char *namespace_file(enum config_namespace_type type);
/* The name in the specification: "network", "mount", … */
const char *namespace_name(enum config_namespace_type type);

#endif
