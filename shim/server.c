/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: set up once (subreaper, signals, log, socket, events),
 * then everything happens in the loop's callbacks.
 *
 * End: Shutdown is asked for after every container of a group; it takes effect
 * at once when none is left, else EMPTY_MS after the last one has gone (nobody
 * may ask again), in both cases when no event is waiting (at most FLUSH_MS).  Nobody asks at all when
 * containerd was killed between Delete and Shutdown and has found us again before Delete had its effect:
 * FORGOTTEN_MS after the last container has gone the server ends all the same.  A server that
 * has neither containers nor connections for ORPHAN_MS ends by itself: its
 * containerd died between `start` and Create, or forgot it.  When the start
 * command dies before it has printed the address it ends at once.
 *
 * Memory: what a burst of requests used goes back to the kernel when it is
 * quiet again.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/bootstrap.h"
#include "shim/child.h"
#include "shim/loop.h"
#include "shim/publisher.h"
#include "shim/slog.h"
#include "shim/task.h"

#define FLUSH_MS 3000
#define ORPHAN_MS 20000
#define QUIET_MS 200
#define EMPTY_MS 2000
#define FORGOTTEN_MS 10000
#define SUN_PATH (sizeof((struct sockaddr_un *)0)->sun_path)
#define STACK_DEPTH (64 * 1024)

static struct {
	struct timer flush, orphan, quiet, empty;
	bool ending, overdue, trimmed, settled;
	struct watch starter;
	bool asked; /* Shutdown was asked for, and only a job (a logger) is still running */
	char socket_path[SUN_PATH + 1], socket_dir[SUN_PATH + 1];
} server;

static bool may_end(void)
{
	return !shim.containers && job_count() == 0;
}

static void end_now(void)
{
	loop_stop();
}

struct segments {
	size_t count;
	struct iovec part[8];
};

/* What is never written; the program itself is the first object. */
static int find_segments(struct dl_phdr_info *info, size_t size, void *data)
{
	struct segments *to = data;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)size;
	for (int i = 0; i < info->dlpi_phnum && to->count < sizeof to->part / sizeof *to->part; i++) {
		const ElfW(Phdr) *s = &info->dlpi_phdr[i];
		size_t at = (size_t)(info->dlpi_addr + s->p_vaddr), from = at & ~(page - 1);

		if (s->p_type == PT_LOAD && !(s->p_flags & PF_W))
			to->part[to->count++] = (struct iovec){(void *)from, at + s->p_memsz - from};
	}
	return 1;
}

/* The code that relocates, parses arguments and sets up is not needed again; what is needed is mapped again when it is
 * touched.  See used.ld. */
static void forget_setup(void)
{
	struct segments found = {0};

	dl_iterate_phdr(find_segments, &found);
	for (size_t i = 0; i < found.count; i++)
		madvise(found.part[i].iov_base, found.part[i].iov_len, MADV_DONTNEED);
}

/* What once was below this function on the stack.  A request goes some 20 KiB deep, the loop some 2. */
static void __attribute__((noinline)) trim_stack(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t end = ((size_t)__builtin_frame_address(0) - 1024) & ~(page - 1);

	madvise((void *)(end - STACK_DEPTH), STACK_DEPTH, MADV_DONTNEED);
}

static void on_quiet(struct timer *t)
{
	(void)t;
	server.trimmed = true;
	if (!server.settled)
		forget_setup();
	server.settled = true;
	malloc_trim(0);
	trim_stack();
}

static void on_overdue(struct timer *t)
{
	(void)t;
	server.overdue = true;
}

static void begin_end(void)
{
	if (server.ending)
		return;
	server.ending = true;
	/* From here on a new `start` makes a new server. */
	if (*shim.socket_path)
		unlink(shim.socket_path);
	ttrpc_stop();
	timer_set(&server.flush, FLUSH_MS);
}

/* Called whenever something that the end waits for may have happened. */
static void progress(void)
{
	if (shim.containers)
		server.asked = false;
	else if (server.asked && may_end())
		begin_end();
	if (server.ending && (server.overdue || (publisher_idle() && ttrpc_flushed())))
		end_now();
	if (!server.orphan.due && !shim.containers && ttrpc_connections() == 0)
		timer_set(&server.orphan, ORPHAN_MS);
	else if (server.orphan.due && (shim.containers || ttrpc_connections() > 0))
		timer_cancel(&server.orphan);
	/* The round of the quiet timer itself is no activity: an idle shim sleeps. */
	if (server.trimmed)
		server.trimmed = false;
	else if (!server.quiet.due)
		timer_set(&server.quiet, QUIET_MS);
}

void server_shutdown(void)
{
	shim.shutdown_wanted = true;
	server.asked = !shim.containers;
	if (may_end())
		begin_end();
}

static void on_empty(struct timer *t)
{
	(void)t;
	server.asked = !shim.containers;
	if (may_end())
		begin_end();
}

void server_container_gone(void)
{
	if (!shim.containers)
		timer_set(&server.empty, shim.shutdown_wanted ? EMPTY_MS : FORGOTTEN_MS);
}

static void on_orphan(struct timer *t)
{
	(void)t;
	if (may_end() && ttrpc_connections() == 0) {
		slog_info("no container and no connection: the shim ends");
		begin_end();
	}
}

/* The command that started us: it has printed our address, or died before. */
static void on_starter(struct watch *w, uint32_t events)
{
	char byte;
	ssize_t n = read(w->fd, &byte, 1);

	(void)events;
	if (n < 0)
		return;
	watch_remove(w);
	close(w->fd);
	w->fd = -1;
	if (n == 0 && may_end() && ttrpc_connections() == 0) {
		slog_info("the start command died: the shim ends");
		begin_end();
	}
}

static void watch_starter(void)
{
	if (!getenv(SERVER_STARTER_ENV))
		return;
	unsetenv(SERVER_STARTER_ENV);
	fcntl(SERVER_STARTER_FD, F_SETFD, FD_CLOEXEC);
	fcntl(SERVER_STARTER_FD, F_SETFL, O_NONBLOCK);
	server.starter = (struct watch){.fd = SERVER_STARTER_FD, .cb = on_starter};
	watch_set(&server.starter, EPOLLIN);
}

static void on_terminate(void)
{
	slog_info("terminated by a signal");
	begin_end();
	server.overdue = true;
}

/* Where are we listening?  Needed to unlink it, and for console sockets beside it. */
static void find_socket(int fd)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof addr;

	shim.socket_path = server.socket_path;
	if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.sun_family == AF_UNIX &&
		len > offsetof(struct sockaddr_un, sun_path) && addr.sun_path[0] == '/')
		memcpy(server.socket_path, addr.sun_path, SUN_PATH);
	strcpy(server.socket_dir, *server.socket_path ? server.socket_path : "/run/x");
	shim.socket_dir = dirname(server.socket_dir);
}

static int listen_on(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strncmp(path, "unix://", 7) == 0)
		path += 7;
	if (strlen(path) >= sizeof addr.sun_path)
		return error_set(err, ERR_USAGE, ENAMETOOLONG, "socket path %s is too long", path);
	strcpy(addr.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || listen(fd, 128) < 0)
		return error_sys(err, errno, "listen on %s", path);
	return fd_take(&fd);
}

int server_run(const struct flags *f, struct error *err)
{
	int fd = SERVER_LISTEN_FD, r;

	if (*f->socket) {
		fd = listen_on(f->socket, err);
		if (fd < 0)
			return fd;
	} else if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		return error_sys(err, errno, "descriptor 3 is not a listening socket");
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	/* Big buffers come and go by mmap and leave nothing behind.  The heap is not trimmed after every request:
	 * what it costs to fault the pages in again is most of a request's CPU time.  on_quiet() trims it. */
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_TRIM_THRESHOLD, 512 * 1024);
	mallopt(M_TOP_PAD, 64 * 1024);
	prctl(PR_SET_NAME, "containerd-shim");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	slog_open(f->debug);
	shim.namespace_name = f->namespace_name;
	find_socket(fd);
	r = loop_init();
	if (r == 0)
		r = child_init(on_terminate);
	if (r < 0)
		return error_sys(err, -r, "set up the event loop");
	publisher_init(getenv("TTRPC_ADDRESS"), f->address, f->publish_binary, f->namespace_name);
	r = ttrpc_serve(fd, task_services, task_methods, err);
	if (r < 0)
		return r;
	server.flush.cb = on_overdue;
	server.orphan.cb = on_orphan;
	server.quiet.cb = on_quiet;
	server.empty.cb = on_empty;
	loop_idle = progress;
	watch_starter();
	progress();
	loop_run();
	ttrpc_close();
	loop_finish();
	return 0;
}
