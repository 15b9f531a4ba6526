/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a copier waits for exactly one thing at a time: for its
 * source to have data, or for its destination to have room.  Each wake-up moves
 * at most BUDGET rounds, so that one busy container cannot starve the others;
 * epoll is level-triggered and comes back.
 *
 * Splice moves whole pages: each piece takes one of the sixteen slots of the
 * destination pipe, however short it is.  Sixteen short lines would fill a FIFO
 * that nobody reads, where written bytes share pages.  So splice is used only
 * while the source has a good deal to give.
 */
#include "shim/copier.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shim/slog.h"

#define BUDGET 16
#define CHUNK 65536

#define BULK 16384 /* spliced when at least this much is waiting */

static unsigned char scratch[BULK];

static void end(struct copier *c)
{
	c->running = false;
	watch_remove(&c->src);
	watch_remove(&c->dst);
	if (c->ended)
		c->ended(c);
}

static void await_src(struct copier *c)
{
	watch_remove(&c->dst);
	if (!c->src_always)
		watch_set(&c->src, EPOLLIN);
	else if (!c->dst_always)
		watch_set(&c->dst, EPOLLOUT);
}

static void await_dst(struct copier *c)
{
	watch_remove(&c->src);
	if (!c->dst_always)
		watch_set(&c->dst, EPOLLOUT);
	else
		watch_set(&c->src, EPOLLIN);
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* The destination failed: forget it and go on reading, or end. */
static bool dst_failed(struct copier *c, int errnum)
{
	free(c->pending);
	c->pending = NULL;
	c->pending_len = c->pending_done = 0;
	if (!c->keep_draining) {
		end(c);
		return false;
	}
	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG || errnum == EIO)
		return true; /* this piece is lost; the next may fit again */
	slog_error("writing a container's output failed: %s; it is discarded from here on", strerror(errnum));
	watch_remove(&c->dst);
	close(c->dst.fd);
	c->dst.fd = -1;
	return true;
}

/* Write pending bytes.  True when none are left. */
static bool flush_pending(struct copier *c)
{
	while (c->pending_done < c->pending_len) {
		ssize_t n = write(c->dst.fd, c->pending + c->pending_done, c->pending_len - c->pending_done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			await_dst(c);
			return false;
		}
		if (n < 0)
			return dst_failed(c, errno);
		c->pending_done += (size_t)n;
	}
	free(c->pending);
	c->pending = NULL;
	c->pending_len = c->pending_done = 0;
	return true;
}

/* Keep what a destination did not take. */
static bool keep(struct copier *c, const unsigned char *data, size_t n)
{
	c->pending = malloc(n);
	if (!c->pending)
		return dst_failed(c, ENOMEM);
	memcpy(c->pending, data, n);
	c->pending_len = n;
	c->pending_done = 0;
	await_dst(c);
	return false;
}

enum outcome { MORE, WAIT };

static bool has_bulk(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) == 0 && n >= BULK;
}

static enum outcome copy_once(struct copier *c)
{
	ssize_t n = read(c->src.fd, scratch, sizeof scratch), done;
	size_t at = 0;

	if (n < 0 && errno == EAGAIN) {
		await_src(c);
		return WAIT;
	}
	if (n < 0 && errno == EINTR)
		return MORE;
	if (n <= 0) { /* EIO: the last slave of a terminal is closed */
		end(c);
		return WAIT;
	}
	c->bulk = (size_t)n == sizeof scratch;
	while (c->dst.fd >= 0 && at < (size_t)n) {
		done = write(c->dst.fd, scratch + at, (size_t)n - at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			return keep(c, scratch + at, (size_t)n - at) ? MORE : WAIT;
		if (done < 0)
			return dst_failed(c, errno) ? MORE : WAIT;
		at += (size_t)done;
	}
	return MORE;
}

static enum outcome splice_once(struct copier *c)
{
	ssize_t n = splice(c->src.fd, NULL, c->dst.fd, NULL, CHUNK, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n > 0 || (n < 0 && errno == EINTR))
		return MORE;
	if (n == 0) {
		end(c);
		return WAIT;
	}
	switch (errno) {
	case EAGAIN:
		/* Which of the two? */
		if (!c->src_always && !readable(c->src.fd))
			await_src(c);
		else
			await_dst(c);
		return WAIT;
	case EINVAL:
	case ENOSYS:
		c->no_splice = true;
		return MORE;
	case EPIPE:
		return dst_failed(c, errno) ? MORE : WAIT;
	default:
		/* EIO may be the end of a terminal or an error of the destination: read tells. */
		c->no_splice = true;
		return MORE;
	}
}

static void pump(struct copier *c)
{
	if (c->pending && !flush_pending(c))
		return;
	for (int i = 0; i < BUDGET || (c->src_always && i < BUDGET * 64); i++) {
		bool by_splice = !c->no_splice && c->bulk && c->dst.fd >= 0 && has_bulk(c->src.fd);

		if ((by_splice ? splice_once(c) : copy_once(c)) == WAIT)
			return;
	}
	await_src(c);
}

static void on_src(struct watch *w, uint32_t events)
{
	(void)events;
	pump((struct copier *)((char *)w - offsetof(struct copier, src)));
}

static void on_dst(struct watch *w, uint32_t events)
{
	struct copier *c = (struct copier *)((char *)w - offsetof(struct copier, dst));

	(void)events;
	watch_remove(w);
	pump(c);
}

int copier_start(struct copier *c)
{
	int r;

	c->src.cb = on_src;
	c->dst.cb = on_dst;
	c->running = true;
	/* What cannot be polled is always ready. */
	if (c->dst.fd >= 0) {
		r = watch_set(&c->dst, EPOLLOUT);
		if (r == -EPERM)
			c->dst_always = true;
		else if (r < 0)
			return r;
		watch_remove(&c->dst);
	} else {
		c->dst_always = true;
	}
	r = watch_set(&c->src, EPOLLIN);
	if (r == -EPERM) {
		c->src_always = true;
		await_src(c);
		return 0;
	}
	return r;
}

void copier_stop(struct copier *c)
{
	c->running = false;
	watch_remove(&c->src);
	watch_remove(&c->dst);
	if (c->src.fd >= 0)
		close(c->src.fd);
	if (c->dst.fd >= 0)
		close(c->dst.fd);
	c->src.fd = c->dst.fd = -1;
	free(c->pending);
	c->pending = NULL;
	c->pending_len = c->pending_done = 0;
}
