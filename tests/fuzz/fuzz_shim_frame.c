/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the input is a byte stream as a client may send it, cut
 * into pieces whose lengths come from its first bytes.  Every frame that the
 * reader finds is decoded as a request, its payload as the message of every
 * method, and what was decoded is packed into a response and taken apart again.
 */
#include <stdlib.h>
#include <string.h>

#include "shim/frame.h"
#include "specs/task/events.pb-c.h"
#include "specs/task/options.pb-c.h"
#include "specs/task/task.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const messages[] = {
	&task__create_request__descriptor,
	&task__process_request__descriptor,
	&task__container_request__descriptor,
	&task__kill_request__descriptor,
	&task__exec_request__descriptor,
	&task__resize_request__descriptor,
	&task__close_io_request__descriptor,
	&task__update_request__descriptor,
	&task__checkpoint_request__descriptor,
	&task__shutdown_request__descriptor,
	&options__checkpoint__descriptor,
	&ttrpc__response__descriptor,
	&events__forward_request__descriptor,
};

static void check_response(const ProtobufCMessage *m)
{
	size_t len = 0;
	uint8_t *out = frame_response(1, RPC_OK, NULL, m, &len);
	Ttrpc__Response *r = out ? ttrpc__response__unpack(NULL, len - FRAME_HEADER, out + FRAME_HEADER) : NULL;

	if (!r || r->payload.len != protobuf_c_message_get_packed_size(m))
		abort();
	ttrpc__response__free_unpacked(r, NULL);
	free(out);
}

static void on_frame(void *context, const struct frame *f, const uint8_t *payload)
{
	struct arena a = ARENA_INIT;
	ProtobufCAllocator allocator = arena_allocator(&a);
	Ttrpc__Request *request = ttrpc__request__unpack(&allocator, f->length, payload);

	(void)context;
	for (size_t i = 0; request && i < sizeof messages / sizeof messages[0]; i++) {
		ProtobufCMessage *m =
			protobuf_c_message_unpack(messages[i], &allocator, request->payload.len, request->payload.data);

		if (m)
			check_response(m);
	}
	arena_free(&a);
}

static void on_oversize(void *context, const struct frame *f)
{
	(void)context;
	if (f->length <= FRAME_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader r = {.on_frame = on_frame, .on_oversize = on_oversize};
	const uint8_t *cuts = data;
	int gone = 0;
	size_t at = 4;

	for (int i = 0; at < size; i = (i + 1) % 4) {
		size_t n = cuts[i] + 1u;

		if (n > size - at)
			n = size - at;
		if (frame_feed(&r, data + at, n, &gone) < 0)
			abort();
		at += n;
	}
	frame_reader_free(&r);
	return 0;
}
