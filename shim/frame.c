/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see frame.h.  Nothing here knows about sockets, so that a fuzzer can drive it. */
#include "shim/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void frame_decode(const uint8_t header[static FRAME_HEADER], struct frame *f)
{
	f->length = get32(header);
	f->stream = get32(header + 4);
	f->type = header[8];
	f->flags = header[9];
}

void frame_encode(uint8_t header[static FRAME_HEADER], const struct frame *f)
{
	put32(header, f->length);
	put32(header + 4, f->stream);
	header[8] = f->type;
	header[9] = f->flags;
}

/* Keep n more bytes of an incomplete frame.  Memory grows with what has really arrived, not with what a
 * header announces. */
static int keep(struct frame_reader *r, const uint8_t *data, size_t n)
{
	if (r->have + n > r->room) {
		size_t room = r->room ? r->room : 512;
		uint8_t *grown;

		while (room < r->have + n)
			room *= 2;
		grown = realloc(r->part, room);
		if (!grown)
			return -ENOMEM;
		r->part = grown;
		r->room = room;
	}
	memcpy(r->part + r->have, data, n);
	r->have += n;
	return 0;
}

static void drop_part(struct frame_reader *r)
{
	free(r->part);
	r->part = NULL;
	r->have = r->room = 0;
}

int frame_feed(struct frame_reader *r, const uint8_t *data, size_t len, const int *gone)
{
	while (len > 0 && !*gone) {
		struct frame f;
		size_t n;
		int e;

		if (r->skip) {
			n = len < r->skip ? len : r->skip;
			r->skip -= n;
			data += n;
			len -= n;
			continue;
		}
		if (r->have < FRAME_HEADER && (r->have || len < FRAME_HEADER)) {
			n = FRAME_HEADER - r->have < len ? FRAME_HEADER - r->have : len;
			e = keep(r, data, n);
			if (e < 0)
				return e;
			data += n;
			len -= n;
			if (r->have < FRAME_HEADER)
				return 0;
		}
		frame_decode(r->have ? r->part : data, &f);
		if (f.length > FRAME_MAX) {
			if (!r->have) {
				data += FRAME_HEADER;
				len -= FRAME_HEADER;
			}
			drop_part(r);
			r->skip = f.length;
			r->on_oversize(r->context, &f);
			continue;
		}
		if (!r->have && len >= FRAME_HEADER + (size_t)f.length) {
			n = FRAME_HEADER + (size_t)f.length;
			r->on_frame(r->context, &f, data + FRAME_HEADER);
			data += n;
			len -= n;
			continue;
		}
		n = FRAME_HEADER + (size_t)f.length - r->have;
		if (n > len)
			n = len;
		e = keep(r, data, n);
		if (e < 0)
			return e;
		data += n;
		len -= n;
		if (r->have == FRAME_HEADER + (size_t)f.length) {
			r->on_frame(r->context, &f, r->part + FRAME_HEADER);
			drop_part(r);
		}
	}
	return 0;
}

void frame_reader_free(struct frame_reader *r)
{
	drop_part(r);
}

static void *allocate(void *data, size_t n)
{
	return arena_alloc(data, n);
}

static void release(void *data, void *p)
{
	(void)data;
	(void)p;
}

ProtobufCAllocator arena_allocator(struct arena *a)
{
	return (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = a};
}

/* Message with a placeholder payload; the real one is packed straight behind it. */
uint8_t *frame_response(
	uint32_t stream, enum rpc_code code, const char *message, const ProtobufCMessage *reply, size_t *len)
{
	Ttrpc__Response response = TTRPC__RESPONSE__INIT;
	Ttrpc__Status status = TTRPC__STATUS__INIT;
	struct frame f = {.stream = stream, .type = FRAME_RESPONSE};
	size_t inner = reply ? protobuf_c_message_get_packed_size(reply) : 0;
	uint8_t *payload = NULL, *out;

	if (code != RPC_OK) {
		status.code = code;
		status.message = (char *)message;
		response.status = &status;
	} else if (inner) {
		payload = malloc(inner);
		if (!payload)
			return NULL;
		protobuf_c_message_pack(reply, payload);
		response.payload.data = payload;
		response.payload.len = inner;
	}
	f.length = (uint32_t)ttrpc__response__get_packed_size(&response);
	out = malloc(FRAME_HEADER + (size_t)f.length);
	if (out) {
		frame_encode(out, &f);
		ttrpc__response__pack(&response, out + FRAME_HEADER);
		*len = FRAME_HEADER + (size_t)f.length;
	}
	free(payload);
	return out;
}

uint8_t *frame_request(uint32_t stream, const char *service, const char *method, const ProtobufCMessage *msg,
	int64_t timeout_ns, const char *namespace_name, size_t *len)
{
	Ttrpc__Request request = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue kv = TTRPC__KEY_VALUE__INIT;
	Ttrpc__KeyValue *metadata[] = {&kv};
	struct frame f = {.stream = stream, .type = FRAME_REQUEST};
	uint8_t *out;

	request.service = (char *)service;
	request.method = (char *)method;
	request.timeout_nano = timeout_ns;
	if (namespace_name) {
		kv.key = (char *)"containerd-namespace-ttrpc";
		kv.value = (char *)namespace_name;
		request.metadata = metadata;
		request.n_metadata = 1;
	}
	request.payload.len = protobuf_c_message_get_packed_size(msg);
	request.payload.data = malloc(request.payload.len ? request.payload.len : 1);
	if (!request.payload.data)
		return NULL;
	protobuf_c_message_pack(msg, request.payload.data);
	f.length = (uint32_t)ttrpc__request__get_packed_size(&request);
	out = malloc(FRAME_HEADER + (size_t)f.length);
	if (out) {
		frame_encode(out, &f);
		ttrpc__request__pack(&request, out + FRAME_HEADER);
		*len = FRAME_HEADER + (size_t)f.length;
	}
	free(request.payload.data);
	return out;
}
