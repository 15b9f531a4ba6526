/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_STDIO_H
#define OCI_RT_SHIM_STDIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "shim/copier.h"

/*
 * Standard streams of one process of a container.
 *
 * containerd names them by strings: "" (nothing), an absolute path (FIFO or
 * regular file), file:///path (appended to) or binary:///logger?key=value.  The
 * scheme of stdout decides for both outputs.
 *
 * Each output FIFO is held open for reading and writing, so a container never
 * sees SIGPIPE or a lost reader while containerd restarts.  The stdin FIFO is
 * held open for writing until CloseIO.
 */
struct logger;

struct stdio {
	char *path[3]; /* stdin, stdout, stderr as requested; "" when none */
	bool terminal;
	int child_fd[3]; /* what the runtime command gets; -1: /dev/null */
	struct copier copier[3];
	bool copying[3];
	int stdin_hold; /* our writing end of the stdin FIFO; -1: none */
	int console;	/* pty master, -1: none */
	struct logger *logger;
	void (*drained)(struct stdio *io, void *context); /* see stdio_drain() */
	void *drained_context;
	struct timer drain_timer;
	int64_t drain_limit;
	bool lingering[3]; /* copied to its end, but not all of it has been read */
	struct timer linger;
	int linger_ms;
	int64_t linger_limit;
};

/* What a logger is told, and who owns the pipes of a container in a user namespace. */
struct stdio_params {
	const char *container_id, *namespace_name;
	uid_t uid;
	gid_t gid;
};

/* Take the strings and open everything.  After an error stdio_free() cleans up.  When io->logger is set the
 * process must not start before logger_await() said so. */
int stdio_open(struct stdio *io, const char *in, const char *out, const char *errout, bool terminal,
	const struct stdio_params *params, struct error *err);

/* The runtime command has its ends: close ours of them and start copying. */
int stdio_started(struct stdio *io, struct error *err);

/* The terminal's master has arrived; owned from here on. */
int stdio_set_console(struct stdio *io, int fd, struct error *err);

/* CloseIO. */
void stdio_close_stdin(struct stdio *io);

/* Call drained() when both outputs have been copied to their end, at most timeout_ms from now,
 * or four times that while a slow reader still has bytes to take.  May call at once. */
void stdio_drain(struct stdio *io, int timeout_ms, void (*drained)(struct stdio *, void *), void *context);

/* Close everything; the strings stay until stdio_free(). */
void stdio_close(struct stdio *io);
void stdio_free(struct stdio *io);

#endif
