/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_MOUNT_CGROUP_H
#define OCI_RT_RUNTIME_MOUNT_CGROUP_H

#include "base/error.h"
#include "runtime/mount/options.h"
#include "runtime/plan/container.h"

/* A mount of type cgroup: the container's own cgroups, and no others. */
int mount_cgroup(struct container *c, const struct config_mount *m, const struct mount_options *o, struct error *err);

#endif
