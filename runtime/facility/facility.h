/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_FACILITY_FACILITY_H
#define OCI_RT_RUNTIME_FACILITY_FACILITY_H

#include "runtime/plan/container.h"

/*
 * A facility turns its part of the configuration into steps.  Each function
 * below is the only thing its file exports: it looks at c->config, adds steps
 * to c->plan and touches nothing else.  It returns 0, or a negative errno with
 * err filled when the configuration asks for something that cannot be planned.
 *
 * Facilities never call one another; what two need is in plan/, cgroup/ or base/.
 */
typedef int facility_fn(struct container *c, struct error *err);

facility_fn namespace_plan;	/* linux.namespaces, linux.timeOffsets */
facility_fn user_plan;		/* linux.uidMappings, linux.gidMappings */
facility_fn lsm_key_plan;	/* SELinux label of the session keyring */
facility_fn keyring_plan;	/* session keyring */
/* exec: enter the container's cgroups; subs are the values of --cgroup. */
int cgroup_plan_exec(struct container *c, const char *const *subs, size_t count, struct error *err);
facility_fn cgroup_plan;	/* linux.cgroupsPath, linux.resources */
facility_fn network_plan;	/* loopback of a new network namespace */
facility_fn net_device_plan;	/* linux.netDevices */
facility_fn rootfs_plan;	/* root, linux.rootfsPropagation, pivot */
facility_fn mount_plan;		/* mounts, linux.mountLabel */
facility_fn device_plan;	/* linux.devices, default devices, links in /dev */
facility_fn terminal_plan;	/* process.terminal, process.consoleSize */
facility_fn notify_plan;	/* NOTIFY_SOCKET */
facility_fn hook_plan;		/* hooks */
facility_fn mask_plan;		/* linux.maskedPaths, linux.readonlyPaths */
facility_fn sysctl_plan;	/* linux.sysctl */
facility_fn hostname_plan;	/* hostname, domainname */
facility_fn oom_plan;		/* process.oomScoreAdj */
facility_fn intel_rdt_plan;	/* linux.intelRdt */
facility_fn rlimit_plan;	/* process.rlimits */
facility_fn scheduler_plan;	/* process.scheduler, process.ioPriority, linux.memoryPolicy, process.execCPUAffinity */
facility_fn personality_plan;	/* linux.personality */
facility_fn lsm_plan;		/* process.apparmorProfile, process.selinuxLabel */
facility_fn credential_plan;	/* process.user, process.capabilities, process.noNewPrivileges */
facility_fn credential_final_plan;	/* the last change of capabilities, after the filter is loaded */
facility_fn seccomp_plan;	/* linux.seccomp */
facility_fn process_plan;	/* process.args, env, cwd; descriptors; execve */

#endif
