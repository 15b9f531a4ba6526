/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_EVENTS_H
#define OCI_RT_SHIM_EVENTS_H

#include "shim/container.h"
#include "specs/task/task.pb-c.h"

/* What happened, told to containerd in exactly the order of these calls (see publisher.h). */
void event_create(struct container *c, Task__Mount **rootfs, size_t n_rootfs);
void event_start(struct container *c);
void event_exit(struct proc *p);
void event_delete(struct container *c);
void event_exec_added(struct proc *p);
void event_exec_started(struct proc *p);

/* Topics with the container id alone: "/tasks/oom", "/tasks/paused", "/tasks/resumed", with the message's name. */
void event_note(struct container *c, const char *topic, const char *name);

#endif
