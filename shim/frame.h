/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_FRAME_H
#define OCI_RT_SHIM_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "specs/task/ttrpc.pb-c.h"

/*
 * The ttrpc frame: ten bytes of header (big endian: length, stream id, type,
 * flags), then the payload, at most 4 MiB.
 */
#define FRAME_HEADER 10
#define FRAME_MAX (4u << 20)

enum frame_type { FRAME_REQUEST = 1, FRAME_RESPONSE = 2, FRAME_DATA = 3 };

struct frame {
	uint32_t length;
	uint32_t stream;
	uint8_t type;
	uint8_t flags;
};

/* google.rpc.Code */
enum rpc_code {
	RPC_OK = 0,
	RPC_CANCELED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_ALREADY_EXISTS = 6,
	RPC_PERMISSION_DENIED = 7,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_FAILED_PRECONDITION = 9,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
};

void frame_decode(const uint8_t header[static FRAME_HEADER], struct frame *f);
void frame_encode(uint8_t header[static FRAME_HEADER], const struct frame *f);

/*
 * What arrives on a connection, cut into frames.  Feed it bytes; it calls back
 * for every complete frame, and once for the header of a frame that is too
 * large, whose payload is then skipped.  It holds memory only while a frame is
 * incomplete.
 */
struct frame_reader {
	void (*on_frame)(void *context, const struct frame *f, const uint8_t *payload);
	void (*on_oversize)(void *context, const struct frame *f);
	void *context;
	uint8_t *part; /* the frame being assembled, header first */
	size_t have, room;
	size_t skip; /* payload bytes of an oversize frame still to come */
};

/* 0, or -ENOMEM.  The callbacks must not free the reader; they may set *gone, after which feeding stops. */
int frame_feed(struct frame_reader *r, const uint8_t *data, size_t len, const int *gone);
void frame_reader_free(struct frame_reader *r);

/* Let protobuf-c allocate from an arena: nothing is freed piecemeal. */
ProtobufCAllocator arena_allocator(struct arena *a);

/* A whole response frame from malloc: header, status (when code is not RPC_OK) and payload (when it is).
 * NULL when there is no memory. */
uint8_t *frame_response(
	uint32_t stream, enum rpc_code code, const char *message, const ProtobufCMessage *reply, size_t *len);

/* A whole request frame from malloc. */
uint8_t *frame_request(uint32_t stream, const char *service, const char *method, const ProtobufCMessage *msg,
	int64_t timeout_ns, const char *namespace_name, size_t *len);

#endif
