/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one queue, one event on the way at a time.  containerd
 * handles requests of a connection in parallel, so only waiting for each answer
 * keeps the order.  An event leaves the queue when it has been acknowledged (or
 * refused as invalid); until then it is sent again over a new connection, so
 * none is lost while containerd restarts.  The queue is bounded: beyond
 * QUEUE_MAX the oldest notes (OOM, paused, resumed) go first, then the oldest
 * of all; containerd recovers those from State and Wait.
 *
 * The protobuf envelope is packed when the event is queued, so what waits is
 * one block of memory per event.
 */
#include "shim/publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/child.h"
#include "shim/frame.h"
#include "shim/loop.h"
#include "shim/slog.h"
#include "specs/task/events.pb-c.h"

#define QUEUE_MAX 2048
#define CALL_MS 5000
#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS 2000

struct event {
	struct event *next;
	char topic[24];
	bool note;
	size_t len;
	uint8_t envelope[]; /* packed Envelope; for the program: packed Any */
};

static struct {
	const char *ttrpc, *grpc, *binary, *namespace_name;
	struct event *first, **last;
	unsigned int count;
	struct watch conn; /* fd -1: none */
	bool in_flight;
	struct frame_reader reader;
	uint32_t stream;
	uint8_t *out;
	size_t out_len, out_done;
	struct timer timer; /* answer overdue, or pause before the next attempt */
	int64_t pause_ms;
	struct job *job;
	int gone;
} pub = {.conn.fd = -1, .last = &pub.first};

static void kick(void);

static void disconnect(bool retry)
{
	pub.gone = 1;
	watch_remove(&pub.conn);
	cleanup_fd(&pub.conn.fd);
	pub.conn.fd = -1;
	pub.in_flight = false;
	free(pub.out);
	pub.out = NULL;
	frame_reader_free(&pub.reader);
	timer_cancel(&pub.timer);
	if (retry && pub.first) {
		timer_set(&pub.timer, pub.pause_ms);
		if (pub.pause_ms < PAUSE_MAX_MS)
			pub.pause_ms *= 2;
	}
}

static void drop_first(void)
{
	struct event *e = pub.first;

	pub.first = e->next;
	if (!pub.first)
		pub.last = &pub.first;
	pub.count--;
	free(e);
}

static void on_response(void *context, const struct frame *f, const uint8_t *payload)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	ProtobufCAllocator allocator = arena_allocator(&a);
	Ttrpc__Response *response;

	(void)context;
	if (f->type != FRAME_RESPONSE || !pub.in_flight || f->stream != pub.stream)
		return;
	response = ttrpc__response__unpack(&allocator, f->length, payload);
	if (!response) {
		disconnect(true);
		return;
	}
	if (response->status && response->status->code != RPC_OK) {
		slog_error("event %s was refused: %s", pub.first->topic, response->status->message);
		if (response->status->code == RPC_UNAVAILABLE || response->status->code == RPC_CANCELED ||
			response->status->code == RPC_DEADLINE_EXCEEDED) {
			disconnect(true);
			return;
		}
	}
	pub.in_flight = false;
	pub.pause_ms = PAUSE_FIRST_MS;
	timer_cancel(&pub.timer);
	drop_first();
	kick();
}

static void on_oversize(void *context, const struct frame *f)
{
	(void)context;
	(void)f;
}

static void flush(void)
{
	while (pub.out_done < pub.out_len) {
		ssize_t n = send(
			pub.conn.fd, pub.out + pub.out_done, pub.out_len - pub.out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_set(&pub.conn, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			disconnect(true);
			return;
		}
		pub.out_done += (size_t)n;
	}
	free(pub.out);
	pub.out = NULL;
	watch_set(&pub.conn, EPOLLIN);
}

/* The envelope is packed already: ForwardRequest is its field 1 around it. */
static void send_first(void)
{
	struct event *e = pub.first;
	Events__ForwardRequest request = EVENTS__FORWARD_REQUEST__INIT;
	Events__Envelope *envelope = events__envelope__unpack(NULL, e->len, e->envelope);

	if (!envelope) {
		drop_first();
		kick();
		return;
	}
	request.envelope = envelope;
	pub.stream = pub.stream ? pub.stream + 2 : 1;
	pub.out = frame_request(pub.stream, "containerd.services.events.ttrpc.v1.Events", "Forward", &request.base,
		CALL_MS * 1000000LL, pub.namespace_name, &pub.out_len);
	events__envelope__free_unpacked(envelope, NULL);
	pub.out_done = 0;
	if (!pub.out) {
		disconnect(true);
		return;
	}
	pub.in_flight = true;
	timer_set(&pub.timer, CALL_MS);
	flush();
}

static void on_conn(struct watch *w, uint32_t events)
{
	uint8_t buf[4096];
	ssize_t n;

	if ((events & EPOLLOUT) && pub.out)
		flush();
	if (pub.conn.fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(w->fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || frame_feed(&pub.reader, buf, (size_t)n, &pub.gone) < 0)
		disconnect(true);
}

static void connect_now(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *path = pub.ttrpc;

	if (strncmp(path, "unix://", 7) == 0)
		path += 7;
	pub.gone = 0;
	pub.stream = 0;
	pub.reader = (struct frame_reader){.on_frame = on_response, .on_oversize = on_oversize};
	if (strlen(path) >= sizeof addr.sun_path) {
		slog_error("the address of containerd's event service is too long: %s", path);
		return;
	}
	strcpy(addr.sun_path, path);
	pub.conn = (struct watch){.cb = on_conn};
	pub.conn.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (pub.conn.fd < 0 || connect(pub.conn.fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
		watch_set(&pub.conn, EPOLLIN) < 0) {
		disconnect(true);
		return;
	}
}

static void on_published(struct job *job, unsigned int status)
{
	pub.job = NULL;
	if (status != 0)
		slog_error("publish of %s failed: %s", pub.first->topic, job->output);
	drop_first();
	kick();
}

static void run_publish(void)
{
	const char *argv[] = {pub.binary, "--address", pub.grpc, "publish", "--topic", pub.first->topic, "--namespace",
		pub.namespace_name, NULL};
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};
	int fd = memfd_create("event", MFD_CLOEXEC);

	if (fd >= 0 && fd_write_all(fd, pub.first->envelope, pub.first->len) == 0 && lseek(fd, 0, SEEK_SET) == 0) {
		spec.argv = argv;
		spec.fd[0] = fd;
		spec.capture = true;
		pub.job = job_start(&spec, on_published, NULL, &err);
	}
	cleanup_fd(&fd);
	if (!pub.job) {
		slog_error("publish of %s failed: %s", pub.first->topic, err.msg);
		timer_set(&pub.timer, PAUSE_MAX_MS);
	}
}

/* Do the next thing there is to do. */
static void kick(void)
{
	if (!pub.first || pub.in_flight || pub.job || pub.timer.due)
		return;
	if (!*pub.ttrpc)
		run_publish();
	else if (pub.conn.fd < 0)
		connect_now();
	if (pub.conn.fd >= 0 && !pub.in_flight && pub.first)
		send_first();
}

static void on_timer(struct timer *t)
{
	(void)t;
	if (pub.in_flight)
		disconnect(true);
	else
		kick();
}

void publisher_init(const char *ttrpc_address, const char *grpc_address, const char *binary, const char *namespace_name)
{
	pub.ttrpc = ttrpc_address ? ttrpc_address : "";
	pub.grpc = grpc_address ? grpc_address : "";
	pub.binary = binary ? binary : "";
	pub.namespace_name = namespace_name;
	pub.timer.cb = on_timer;
	pub.pause_ms = PAUSE_FIRST_MS;
}

/* Make room: the oldest note, else the oldest event; never the one on the way. */
static void make_room(void)
{
	struct event **p = &pub.first, **victim = NULL, *e;
	bool busy = pub.in_flight || pub.job;

	if (busy)
		p = &pub.first->next;
	victim = p;
	for (; *p; p = &(*p)->next) {
		if ((*p)->note) {
			victim = p;
			break;
		}
	}
	e = *victim;
	if (!e)
		return;
	slog_error("the event queue is full: %s is dropped", e->topic);
	*victim = e->next;
	if (!e->next)
		pub.last = victim;
	pub.count--;
	free(e);
}

void publisher_send(const char *topic, const char *type_url, const ProtobufCMessage *msg)
{
	Events__Envelope envelope = EVENTS__ENVELOPE__INIT;
	Task__Timestamp at = TASK__TIMESTAMP__INIT;
	Task__Any any = TASK__ANY__INIT;
	struct timespec now;
	struct event *e;
	bool program = !*pub.ttrpc;
	size_t len;

	if (program && (!*pub.grpc || !*pub.binary))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	any.type_url = (char *)type_url;
	any.value.len = protobuf_c_message_get_packed_size(msg);
	any.value.data = malloc(any.value.len ? any.value.len : 1);
	envelope.timestamp = &at;
	envelope.namespace_name = (char *)pub.namespace_name;
	envelope.topic = (char *)topic;
	envelope.event = &any;
	if (!any.value.data)
		return;
	protobuf_c_message_pack(msg, any.value.data);
	len = program ? task__any__get_packed_size(&any) : events__envelope__get_packed_size(&envelope);
	e = malloc(sizeof *e + len);
	if (e) {
		*e = (struct event){.len = len};
		strncpy(e->topic, topic, sizeof e->topic - 1);
		e->note = strcmp(topic, "/tasks/oom") == 0 || strcmp(topic, "/tasks/paused") == 0 ||
			  strcmp(topic, "/tasks/resumed") == 0;
		if (program)
			task__any__pack(&any, e->envelope);
		else
			events__envelope__pack(&envelope, e->envelope);
		if (pub.count >= QUEUE_MAX)
			make_room();
		*pub.last = e;
		pub.last = &e->next;
		pub.count++;
	}
	free(any.value.data);
	kick();
}

bool publisher_idle(void)
{
	return !pub.first;
}
