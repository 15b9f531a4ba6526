/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_MOUNTINFO_H
#define OCI_RT_RUNTIME_CRIU_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/* The mounts of a process, as its own root directory shows them (proc_pid_mountinfo(5)). */
struct mountinfo {
	uint64_t id, parent;
	const char *point; /* unescaped */
	bool slave;	   /* receives from a peer group */
};

int mountinfo_read(int proc_fd, pid_t pid, struct arena *a, struct mountinfo **mounts, size_t *count, struct error *err);

/* The mount that fd is in, or NULL when the process does not have it. */
const struct mountinfo *mountinfo_of_fd(const struct mountinfo *mounts, size_t count, int fd);

/* Is `path` below `dir` ("/" holds everything), or dir itself?  Then what follows dir: "" or "/…"; otherwise NULL. */
const char *mountinfo_below(const char *path, const char *dir);

#endif
