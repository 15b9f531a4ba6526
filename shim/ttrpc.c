/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: per connection a frame reader, a queue of bytes that did
 * not fit into the socket, and the list of calls that are not answered yet.
 * Replies are written at once; what the socket does not take is kept up to
 * OUT_MAX, then the client, which evidently never reads, is disconnected.
 *
 * Rules of the protocol: client streams are odd and strictly increasing
 * (violation: InvalidArgument on that stream), a frame above 4 MiB is skipped
 * and answered with ResourceExhausted, frames of unknown type are ignored.
 */
#include "shim/ttrpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/loop.h"
#include "shim/slog.h"

#define OUT_MAX (8u << 20)
#define CALLS_MAX 16384

struct conn {
	struct watch watch;
	struct conn *next, **prev; /* all that are open */
	struct frame_reader reader;
	uint8_t *out;
	size_t out_len, out_done;
	uint32_t last_stream;
	unsigned int calls_count;
	struct call *calls;
	int gone;
};

static struct {
	struct watch listener;
	struct timer accept_again;
	const char *const *services;
	const struct method *methods;
	struct conn *conns;
	unsigned int connections;
	size_t unsent;
} server = {.listener.fd = -1};

static uint8_t scratch[16384];

static void conn_close(struct conn *c)
{
	if (c->gone)
		return;
	c->gone = 1;
	watch_remove(&c->watch);
	close(c->watch.fd);
	for (struct call *call = c->calls; call; call = call->conn_next)
		call->conn = NULL;
	server.unsent -= c->out_len - c->out_done;
	server.connections--;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c->out);
	c->out = NULL;
	frame_reader_free(&c->reader);
	loop_defer_free(c);
}

/* Write what is queued.  Returns false when the connection died. */
static bool conn_flush(struct conn *c)
{
	while (c->out_done < c->out_len) {
		ssize_t n =
			send(c->watch.fd, c->out + c->out_done, c->out_len - c->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_set(&c->watch, EPOLLIN | EPOLLOUT);
			return true;
		}
		if (n < 0) {
			conn_close(c);
			return false;
		}
		c->out_done += (size_t)n;
		server.unsent -= (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_done = 0;
	watch_set(&c->watch, EPOLLIN);
	return true;
}

/* Send a frame from malloc (NULL: there was no memory). */
static void conn_send(struct conn *c, uint8_t *frame, size_t len)
{
	uint8_t *grown;

	if (!frame) {
		conn_close(c);
		return;
	}
	if (!c->out) {
		c->out = frame;
		c->out_len = len;
		c->out_done = 0;
		server.unsent += len;
		conn_flush(c);
		return;
	}
	if (c->out_len - c->out_done + len > OUT_MAX) {
		slog_error("a client does not read its answers: disconnected");
		free(frame);
		conn_close(c);
		return;
	}
	memmove(c->out, c->out + c->out_done, c->out_len - c->out_done);
	c->out_len -= c->out_done;
	c->out_done = 0;
	grown = realloc(c->out, c->out_len + len);
	if (!grown) {
		free(frame);
		conn_close(c);
		return;
	}
	memcpy(grown + c->out_len, frame, len);
	c->out = grown;
	c->out_len += len;
	server.unsent += len;
	free(frame);
}

static void conn_status(struct conn *c, uint32_t stream, enum rpc_code code, const char *text)
{
	size_t len = 0;
	uint8_t *frame = frame_response(stream, code, text, NULL, &len);

	conn_send(c, frame, len);
}

static void call_free(struct call *call)
{
	if (call->conn) {
		*call->conn_prev = call->conn_next;
		if (call->conn_next)
			call->conn_next->conn_prev = call->conn_prev;
		call->conn->calls_count--;
	}
	arena_free(&call->arena);
	free(call);
}

void call_release_request(struct call *call)
{
	call->request = NULL;
	arena_free(&call->arena);
}

void call_reply(struct call *call, const ProtobufCMessage *reply)
{
	struct conn *c = call->conn;
	uint32_t stream = call->stream;
	uint8_t *frame = NULL;
	size_t len = 0;

	if (c)
		frame = frame_response(stream, RPC_OK, NULL, reply, &len);
	call_free(call);
	if (!c)
		return;
	if (len > FRAME_HEADER + FRAME_MAX) {
		free(frame);
		conn_status(c, stream, RPC_RESOURCE_EXHAUSTED, "the answer is larger than a frame may be");
		return;
	}
	conn_send(c, frame, len);
}

void call_fail(struct call *call, enum rpc_code code, const char *fmt, ...)
{
	struct conn *c = call->conn;
	uint32_t stream = call->stream;
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	slog_debug("%s: code %d: %s", call->method->name, code, text);
	call_free(call);
	if (c)
		conn_status(c, stream, code, text);
}

static const struct method *find_method(const Ttrpc__Request *request, char *text, size_t size)
{
	const struct method *m = server.methods;

	for (const char *const *s = server.services; *s; s++) {
		if (strcmp(*s, request->service) != 0)
			continue;
		for (; m->name; m++) {
			if (strcmp(m->name, request->method) == 0)
				return m;
		}
		snprintf(text, size, "method %.100s", request->method);
		return NULL;
	}
	snprintf(text, size, "service %.100s", request->service);
	return NULL;
}

static void start_call(struct conn *c, uint32_t stream, const uint8_t *payload, size_t len)
{
	struct call *call = calloc(1, sizeof *call);
	ProtobufCAllocator allocator;
	Ttrpc__Request *request;
	char text[256];

	if (!call) {
		conn_close(c);
		return;
	}
	allocator = arena_allocator(&call->arena);
	request = ttrpc__request__unpack(&allocator, len, payload);
	if (!request) {
		conn_status(c, stream, RPC_INVALID_ARGUMENT, "the request does not parse");
		goto out;
	}
	call->method = find_method(request, text, sizeof text);
	if (!call->method) {
		conn_status(c, stream, RPC_UNIMPLEMENTED, text);
		goto out;
	}
	call->request = protobuf_c_message_unpack(
		call->method->request, &allocator, request->payload.len, request->payload.data);
	if (!call->request) {
		conn_status(c, stream, RPC_INVALID_ARGUMENT, "the request's payload does not parse");
		goto out;
	}
	if (c->calls_count >= CALLS_MAX) {
		conn_status(c, stream, RPC_RESOURCE_EXHAUSTED, "too many calls are waiting on this connection");
		goto out;
	}
	call->stream = stream;
	call->conn = c;
	call->conn_next = c->calls;
	call->conn_prev = &c->calls;
	if (c->calls)
		c->calls->conn_prev = &call->conn_next;
	c->calls = call;
	c->calls_count++;
	call->method->handler(call);
	return;
out:
	arena_free(&call->arena);
	free(call);
}

/* Odd and above all that came before? */
static bool stream_ok(struct conn *c, uint32_t stream)
{
	if (stream % 2 == 0) {
		conn_status(c, stream, RPC_INVALID_ARGUMENT, "StreamID must be odd for client initiated streams");
		return false;
	}
	if (stream <= c->last_stream) {
		conn_status(c, stream, RPC_INVALID_ARGUMENT, "StreamID cannot be re-used and must increment");
		return false;
	}
	c->last_stream = stream;
	return true;
}

static void on_frame(void *context, const struct frame *f, const uint8_t *payload)
{
	struct conn *c = context;

	if (f->type == FRAME_REQUEST && stream_ok(c, f->stream))
		start_call(c, f->stream, payload, f->length);
}

static void on_oversize(void *context, const struct frame *f)
{
	struct conn *c = context;

	if (f->type == FRAME_REQUEST && stream_ok(c, f->stream))
		conn_status(
			c, f->stream, RPC_RESOURCE_EXHAUSTED, "message length exceeds the maximum of 4194304 bytes");
}

static void on_conn(struct watch *w, uint32_t events)
{
	struct conn *c = (struct conn *)w;
	ssize_t n;

	if ((events & EPOLLOUT) && !conn_flush(c))
		return;
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(c->watch.fd, scratch, sizeof scratch, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || frame_feed(&c->reader, scratch, (size_t)n, &c->gone) < 0)
		conn_close(c);
}

static void on_accept_again(struct timer *t)
{
	(void)t;
	watch_set(&server.listener, EPOLLIN);
}

static void on_accept(struct watch *w, uint32_t events)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	struct conn *c;
	int fd;

	(void)events;
	fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* Out of descriptors: the connection stays in the backlog; do not spin on it. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			watch_remove(w);
			timer_set(&server.accept_again, 100);
		}
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != geteuid() ||
		peer.gid != getegid()) {
		slog_error("a connection of another user was refused");
		close(fd);
		return;
	}
	c = calloc(1, sizeof *c);
	if (!c) {
		close(fd);
		return;
	}
	c->watch = (struct watch){.fd = fd, .cb = on_conn};
	c->reader = (struct frame_reader){.on_frame = on_frame, .on_oversize = on_oversize, .context = c};
	if (watch_set(&c->watch, EPOLLIN) < 0) {
		close(fd);
		free(c);
		return;
	}
	c->next = server.conns;
	c->prev = &server.conns;
	if (c->next)
		c->next->prev = &c->next;
	server.conns = c;
	server.connections++;
}

int ttrpc_serve(int listen_fd, const char *const *services, const struct method *methods, struct error *err)
{
	int r;

	server.services = services;
	server.methods = methods;
	server.accept_again.cb = on_accept_again;
	server.listener = (struct watch){.fd = listen_fd, .cb = on_accept};
	r = watch_set(&server.listener, EPOLLIN);
	return r < 0 ? error_sys(err, -r, "watch the listening socket") : 0;
}

void ttrpc_stop(void)
{
	timer_cancel(&server.accept_again);
	watch_remove(&server.listener);
}

void ttrpc_close(void)
{
	ttrpc_stop();
	while (server.conns)
		conn_close(server.conns);
}

unsigned int ttrpc_connections(void)
{
	return server.connections;
}

bool ttrpc_flushed(void)
{
	return server.unsent == 0;
}
