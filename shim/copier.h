/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_COPIER_H
#define OCI_RT_SHIM_COPIER_H

#include <stdbool.h>
#include <stddef.h>

#include "shim/loop.h"

/*
 * Bytes from one descriptor to another inside the loop, with back-pressure:
 * a destination that is full stops the reading.  Both descriptors must be
 * non-blocking.  By splice where both ends allow it, so pipe to pipe no byte
 * is copied; otherwise through a shared buffer, and only what a full
 * destination refused is kept in memory.
 */
struct copier {
	struct watch src, dst;	/* descriptors are owned; dst.fd -1: read and discard */
	unsigned char *pending; /* read but not written yet */
	size_t pending_len, pending_done;
	bool no_splice;
	bool bulk;		     /* the last read filled the buffer */
	bool keep_draining;	     /* a destination that fails (disk full) must not stop the source */
	bool src_always, dst_always; /* regular files and /dev/null are always ready */
	bool running;
	void (*ended)(struct copier *c); /* source at its end, or the destination gone */
	void *context;
};

/* Begin; c->src.fd and c->dst.fd are set.  c->ended is called once, later than this call or not at all when
 * copier_stop() comes first. */
int copier_start(struct copier *c);

/* Close both descriptors and forget pending bytes. */
void copier_stop(struct copier *c);

#endif
