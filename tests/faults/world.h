/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_FAULTS_WORLD_H
#define OCI_RT_TESTS_FAULTS_WORLD_H

#include <stdbool.h>

#define WORLD_DIR "/run/yard" /* tmpfs inside the world: binaries, bundle, state */
#define WORLD_HARNESS "/mnt"  /* tmpfs inside an isolated world, not looked at by leakcheck */

/* Which of the host's things the world replaces by its own. */
struct world_options {
	bool isolate;	  /* also process, network, IPC and cgroup namespaces, empty /tmp, /run, /dev/shm, /var/tmp */
	bool without_cpu; /* leave out the cpu and cpuacct hierarchies (SCHED_FIFO cannot enter them) */
	bool hybrid;	  /* keep the host's cgroup2 mount of a hybrid host */
};

/*
 * Enter the world; the caller goes on inside it.  With isolate the caller is a
 * child process, process 1 of its namespace; the original process waits for it,
 * removes the world's cgroups and ends with the same status.
 */
void world_enter(const struct world_options *o);

/* Is /sys/fs/cgroup of this world a pure cgroup2 tree? */
bool world_is_v2(void);

/* Mount points of the cgroup hierarchies, NULL-terminated. */
const char *const *world_hierarchies(void);

#endif
