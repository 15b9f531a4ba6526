/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_SYNC_H
#define OCI_RT_RUNTIME_PLAN_SYNC_H

#include "base/error.h"

/*
 * The conversation between the host side and the container side of one run,
 * over a socket pair of sequenced packets.  One byte says what; SYNC_ERROR is
 * followed by a struct error.  The container side only reads and writes: the
 * container's seccomp filter may already be in force.
 */
enum sync_message {
	SYNC_MAPPED = 'M',   /* host: ids are mapped, go on */
	SYNC_HOOKS = 'h',    /* container: mounts are there, run the runtime hooks */
	SYNC_HOOKED = 'H',   /* host: they ran, go on */
	SYNC_READY = 'r',    /* container: everything is done, verify me */
	SYNC_CREATED = 'C',  /* host: recorded; wait for start */
	SYNC_START = 'S',    /* host: recorded; execute the program */
	SYNC_ERROR = 'e',    /* container: failed */
};

int sync_send(int fd, enum sync_message what, struct error *err);

/* Send the error and its contents. */
void sync_send_error(int fd, const struct error *err);

/* Wait for one certain message.  SYNC_ERROR fills err and returns its negative errno; end of file is
 * -EPIPE; anything else is -EPROTO. */
int sync_expect(int fd, enum sync_message what, struct error *err);

/* Wait for any message: its byte, or as above. */
int sync_receive(int fd, struct error *err);

#endif
