/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_STDIO_H
#define OCI_RT_RUNTIME_CRIU_STDIO_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "runtime/criu/rpc.h"

/*
 * The container's stdin, stdout and stderr, which lead outside.  Their names at
 * dump are kept beside the image in descriptors.json (an array of three strings,
 * as runc and crun write it); restore puts its caller's in their place.
 */
#define STDIO_FILE "descriptors.json"

struct stdio_process {
	int proc_fd;
	pid_t pid;	       /* the container's first process */
	const pid_t *all;      /* every process of the container */
	size_t all_count;
};

/* dump: name the descriptors of the first process, declare those that CRIU must not dump, write the file. */
int stdio_dump(const struct stdio_process *p, int image_fd, struct arena *a, struct criu_opts *opts, struct error *err);

/* restore: read the file and let criu's own 0, 1 and 2 stand for them, and its null_fd for the null device.
 * opts->inherit_fd has room for STDIO_MAX more. */
#define STDIO_MAX 4
int stdio_restore(int image_fd, struct arena *a, struct criu_opts *opts, int null_fd, struct error *err);

#endif
