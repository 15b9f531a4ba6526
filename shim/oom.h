/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_OOM_H
#define OCI_RT_SHIM_OOM_H

struct container;

/* Watch a container's cgroup for kills by the OOM killer, and publish /tasks/oom once per growth of the count. */
void oom_start(struct container *c);
void oom_stop(struct container *c);

/* Before init's exit is announced: publish what has not been noticed yet. */
void oom_last_look(struct container *c);

#endif
