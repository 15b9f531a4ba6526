/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_METRICS_H
#define OCI_RT_SHIM_METRICS_H

#include "base/arena.h"
#include "base/error.h"
#include "specs/task/task.pb-c.h"

/* Statistics of the cgroup of a /proc/PID/cgroup text, as Any of io.containerd.cgroups.v1.Metrics or v2.Metrics.
 * Everything is in the arena. */
int metrics_read(const char *membership, struct arena *a, Task__Any *any, struct error *err);

/* Set uint64 fields of a message from "name value" lines by the fields' names; others are ignored. */
void metrics_fill(ProtobufCMessage *msg, const char *text);

#endif
