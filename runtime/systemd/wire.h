/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_SYSTEMD_WIRE_H
#define OCI_RT_RUNTIME_SYSTEMD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "runtime/cgroup/property.h"

/*
 * What the runtime and its systemd helper say to each other over a stream socket:
 * messages of a 32-bit length and so many bytes.  Both ends come out of one build
 * and one binary, so numbers are native and there is no version.
 *
 *   request  WIRE_OPEN                user (u64)
 *            WIRE_START, WIRE_SET     unit, properties
 *            WIRE_STOP, WIRE_RESET    unit
 *            WIRE_ATTACH              unit, pid (u64)
 *            WIRE_CONTROL_GROUP       unit
 *   reply    result (u64: the negated errno), text of WIRE_CONTROL_GROUP or NULL, struct error
 */
enum wire_request {
	WIRE_OPEN = 1,
	WIRE_START,
	WIRE_SET,
	WIRE_STOP,
	WIRE_RESET,
	WIRE_ATTACH,
	WIRE_CONTROL_GROUP,
};

#define WIRE_MAX (16U << 20)

/* One message, written or read from front to back.  Reading past the end sets bad and gives 0 or NULL. */
struct wire {
	struct arena *arena;
	char *data;
	size_t len, room, at;
	bool bad;
};

void wire_put_u64(struct wire *w, uint64_t value);
void wire_put_bytes(struct wire *w, const void *data, size_t len);
void wire_put_text(struct wire *w, const char *text); /* may be NULL */
void wire_put_properties(struct wire *w, const struct property_list *list);

uint64_t wire_get_u64(struct wire *w);
/* The bytes stay in the message. */
const void *wire_get_bytes(struct wire *w, size_t *len);
const char *wire_get_text(struct wire *w);
/* Strings and arrays point into the message, the items are the arena's. */
void wire_get_properties(struct wire *w, struct property_list *list);

/* Send a message; 0 or a negative errno. */
int wire_send(int fd, const struct wire *w);
/* Receive one into w, whose arena is set: 1, 0 at the end of the stream, or a negative errno. */
int wire_receive(int fd, struct wire *w);

#endif
