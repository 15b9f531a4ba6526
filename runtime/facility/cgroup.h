/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_FACILITY_CGROUP_H
#define OCI_RT_RUNTIME_FACILITY_CGROUP_H

#include "runtime/plan/container.h"

/*
 * Steps that make the container's cgroup, limit it and put the process into it.
 * c->cgroup is located (cgroup_locate()) before; c->namespaces is known.
 *
 *   STAGE_HOST              one step per hierarchy (undo "cgroup"), one per group of limits
 *   STAGE_MAP               systemd: the scope (undo "scope", journalled before the clone)
 *   STAGE_CGROUP_NAMESPACE  v2 or no cgroup: unshare(CLONE_NEWCGROUP) when a new one is asked for
 *   STAGE_CGROUP            v1: the process writes itself into its cgroups, then unshare
 *
 * A cgroup namespace that is joined (c->namespace_fd[CONFIG_NS_CGROUP]) is joined in these two stages, too, never
 * before the clone.
 *
 * Looks at the host for two things: whether a cgroup of that name is already in use (an error: nothing of it is
 * ever touched), and which of its parents are missing (they are removed with it).
 */
int cgroup_plan(struct container *c, struct error *err);

/* For exec: STAGE_HOST opens the container's cgroups (subs: values of --cgroup), STAGE_CGROUP enters on v1; the
 * container's cgroup namespace is joined through c->namespace_fd[CONFIG_NS_CGROUP], which may be a pidfd. */
int cgroup_plan_exec(struct container *c, const char *const *subs, size_t count, struct error *err);

#endif
