/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_FAULTS_BUNDLE_H
#define OCI_RT_TESTS_FAULTS_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

/* What is asked for beside the defaults of `runc spec` (namespaces, mounts, masks, capabilities, device rule). */
struct bundle {
	const char *dir;	     /* made; its rootfs too */
	const char *cgroup;	     /* cgroupsPath, or NULL */
	const char *const *programs; /* pairs: file to copy, name below /bin; NULL-terminated */
	const char *const *args;     /* process.args, NULL-terminated */
	const char *seccomp;	     /* text of the linux.seccomp object, or NULL */
	int64_t memory_limit;	     /* bytes, 0: none */
	bool rich;		     /* pids limit, rlimits, sysctl, devices, tmpfs and bind mount, groups, oom score */
	const char *hook;	     /* program of a createRuntime hook, or NULL */
	bool user_namespace;
	bool terminal;
	bool v2;	    /* the host is pure cgroup2: cgroup namespace instead of v1 details */
	const char *volume; /* rich: source of the bind mount */
};

/* Make the bundle; dies on failure. */
void bundle_write(const struct bundle *b);

#endif
