/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_SESSION_H
#define OCI_RT_RUNTIME_CRIU_SESSION_H

#include <sys/types.h>

#include "base/error.h"
#include "runtime/criu/rpc.h"

/*
 * One run of `criu swrk`, which serves requests on a socket that it inherits.
 * It is found in PATH, then in the usual directories.
 */
struct criu_session {
	struct arena *arena;
	pid_t pid;
	int pidfd, sock;
	struct criu_version version; /* asked when the session begins */
};
#define CRIU_SESSION_INIT                                                                                              \
	{                                                                                                              \
		.pidfd = -1, .sock = -1                                                                                \
	}

struct criu_start {
	bool stdio;		       /* criu gets our stdin, stdout and stderr; otherwise /dev/null */
	int cgroup_fd;		       /* v2: the cgroup it is born in, -1: ours */
	const int *fds;		       /* further descriptors: CRIU_FIRST_FD and up in criu's process */
	size_t fds_count;
	int (*prepare)(void *data, struct error *err); /* runs in criu's process before it becomes criu, or NULL */
	void *data;
};
#define CRIU_FIRST_FD 4

int criu_start(struct criu_session *s, const struct criu_start *start, struct error *err);

/* Called for each notification; fd is the descriptor that came with it (the callee's to close), or -1.  A failure ends
 * the request. */
typedef int criu_notify_fn(void *data, const char *script, pid_t pid, int fd, struct error *err);

/* Send a request and wait for its answer.  A request that criu refuses is an error. */
int criu_call(struct criu_session *s, const struct criu_request *request, criu_notify_fn *notify, void *data,
	struct criu_response *response, struct error *err);

/* Is it at least this version?  31500 is 3.15, as criu itself counts. */
bool criu_at_least(const struct criu_session *s, int version);

/* Let it end and wait for it; kill it when `now`. */
void criu_end(struct criu_session *s, bool now);

#endif
