/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_EXTERNAL_H
#define OCI_RT_RUNTIME_CRIU_EXTERNAL_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "runtime/criu/rpc.h"
#include "specs/config.h"

/*
 * What a container has from outside: it is not in the image, only its name is,
 * and restore finds it again by that name.
 *
 *   bind mounts and bound devices  the mount point in the container
 *   cgroup v1 mounts               the mount point: they show a part of a hierarchy, which is no file system to criu
 *   masked files                   "/dev/null"
 *   net, pid namespaces by path    "extRootNetNS", "extRootPidNS"
 *
 * Names are runc's, so that each can restore what the other dumped.
 */
struct external {
	struct arena *arena;
	const struct config *config;
	const char *bundle; /* for relative sources */
	int proc_fd;
	struct criu_opts *opts; /* to be filled */
	const struct cgroup *cgroup; /* restore: the container's, made already */
};

/* dump: look at the living process pid. */
int external_dump(const struct external *x, pid_t pid, struct error *err);

/* restore: say where each thing is now.  rootfs_fd: the container's future root.  namespace_fd: as opened by the namespace
 * facility, by type.  fds gets what criu must inherit, from CRIU_FIRST_FD. */
#define EXTERNAL_FDS 2
int external_restore(const struct external *x, int rootfs_fd, const int *namespace_fd, int fds[EXTERNAL_FDS],
	size_t *fds_count, struct error *err);

/* Refuse by name what CRIU cannot do; for both. */
int external_check(const struct config *config, struct error *err);

#endif
