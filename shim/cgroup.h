/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_CGROUP_H
#define OCI_RT_SHIM_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/* Is the host in unified mode (version 2 on /sys/fs/cgroup)?  Hybrid hosts count as version 1. */
bool cgroup_is_v2(void);

/* Open the directory of a controller (version 2: the one directory) for the membership text of
 * /proc/PID/cgroup.  -ENOENT when there is none; the root cgroup is never meant. */
int cgroup_open(const char *membership, const char *controller);

/* All processes of a container, sub-groups included. */
int cgroup_pids(const char *membership, struct arena *a, pid_t **pids, size_t *count);

/* Move a process into an existing cgroup (the ShimCgroup option). */
int cgroup_join(const char *path, pid_t pid, struct error *err);

#endif
