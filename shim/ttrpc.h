/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_TTRPC_H
#define OCI_RT_SHIM_TTRPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "shim/frame.h"

/*
 * The ttrpc server: accepts connections of our own user on a listening socket,
 * finds the method, decodes the request and calls its handler.  A handler
 * answers at once or keeps the call and answers days later; nothing waits.
 */
struct conn;
struct call;

struct method {
	const char *name;
	const ProtobufCMessageDescriptor *request;
	void (*handler)(struct call *call);
};

struct call {
	struct conn *conn; /* NULL when the client has gone; the work goes on */
	struct call *conn_next, **conn_prev;
	uint32_t stream;
	const struct method *method;
	const void *request; /* decoded message, in the arena */
	struct arena arena;
	struct call *next; /* for whoever keeps the call: one list at a time */
	void (*resume)(struct call *call);
};

/* Serve `methods` (ended by an entry without name) under every name of `services` (NULL-terminated) on
 * listen_fd, which stays the caller's. */
int ttrpc_serve(int listen_fd, const char *const *services, const struct method *methods, struct error *err);

/* Stop accepting. */
void ttrpc_stop(void);

/* Close every connection too; their calls stay with whoever keeps them. */
void ttrpc_close(void);

/* Connections that are open now. */
unsigned int ttrpc_connections(void);

/* Bytes answered but not yet taken by clients. */
bool ttrpc_flushed(void);

/* Answer and forget the call. */
void call_reply(struct call *call, const ProtobufCMessage *reply);
void call_fail(struct call *call, enum rpc_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Give the request's memory back before the call is answered: for calls that wait long. */
void call_release_request(struct call *call);

#endif
