/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: epoll carries a pointer to the watch.  One round takes up
 * to 32 events; a watch removed by an earlier callback of the same round is
 * struck out of the rest of the round, so no stale pointer is followed.  Timers
 * are a sorted list: there are few, and mostly the last one is added.
 */
#include "shim/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ROUND 32

static struct {
	int epoll;
	struct watch timer;
	struct timer *timers;
	int64_t armed; /* what the timerfd is set to */
	struct epoll_event round[ROUND];
	int at, count;
	bool stop;
	void **garbage;
	size_t garbage_len, garbage_room;
} loop = {.epoll = -1};

void (*loop_idle)(void);

int64_t loop_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void arm(void)
{
	int64_t due = loop.timers ? loop.timers->due : 0;
	struct itimerspec spec = {.it_value = {.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000}};

	if (due == loop.armed)
		return;
	timerfd_settime(loop.timer.fd, TFD_TIMER_ABSTIME, &spec, NULL);
	loop.armed = due;
}

static void run_timers(struct watch *w, uint32_t events)
{
	int64_t now = loop_now_ms();
	uint64_t count;

	(void)events;
	(void)!read(w->fd, &count, sizeof count);
	loop.armed = -1;
	while (loop.timers && loop.timers->due <= now) {
		struct timer *t = loop.timers;

		loop.timers = t->next;
		t->due = 0;
		t->cb(t);
	}
	arm();
}

int loop_init(void)
{
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop.epoll < 0)
		return -errno;
	loop.timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop.timer.fd < 0)
		return -errno;
	loop.timer.cb = run_timers;
	return watch_set(&loop.timer, EPOLLIN);
}

void loop_stop(void)
{
	loop.stop = true;
}

static void free_garbage(void)
{
	for (size_t i = 0; i < loop.garbage_len; i++)
		free(loop.garbage[i]);
	loop.garbage_len = 0;
	if (loop.garbage_room > 64) {
		free(loop.garbage);
		loop.garbage = NULL;
		loop.garbage_room = 0;
	}
}

void loop_finish(void)
{
	free_garbage();
	free(loop.garbage);
	loop.garbage = NULL;
	loop.garbage_room = 0;
}

void loop_run(void)
{
	while (!loop.stop) {
		loop.count = epoll_wait(loop.epoll, loop.round, ROUND, -1);
		for (loop.at = 0; loop.at < loop.count; loop.at++) {
			struct watch *w = loop.round[loop.at].data.ptr;

			if (w)
				w->cb(w, loop.round[loop.at].events);
		}
		loop.count = 0;
		free_garbage();
		if (loop_idle)
			loop_idle();
	}
}

int watch_set(struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};
	int op = w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == w->events)
		return 0;
	if (!events) {
		watch_remove(w);
		return 0;
	}
	if (epoll_ctl(loop.epoll, op, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void watch_remove(struct watch *w)
{
	if (!w->events)
		return;
	epoll_ctl(loop.epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->events = 0;
	for (int i = loop.at + 1; i < loop.count; i++) {
		if (loop.round[i].data.ptr == w)
			loop.round[i].data.ptr = NULL;
	}
}

void timer_cancel(struct timer *t)
{
	if (!t->due)
		return;
	for (struct timer **p = &loop.timers; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			break;
		}
	}
	t->due = 0;
	arm();
}

void timer_set(struct timer *t, int64_t ms)
{
	struct timer **p;

	timer_cancel(t);
	t->due = loop_now_ms() + (ms > 0 ? ms : 1);
	for (p = &loop.timers; *p && (*p)->due <= t->due; p = &(*p)->next)
		;
	t->next = *p;
	*p = t;
	arm();
}

void loop_defer_free(void *p)
{
	if (!p)
		return;
	if (loop.garbage_len == loop.garbage_room) {
		size_t room = loop.garbage_room ? loop.garbage_room * 2 : 16;
		void **grown = realloc(loop.garbage, room * sizeof *grown);

		if (!grown)
			return; /* a leak is better than a use after free */
		loop.garbage = grown;
		loop.garbage_room = room;
	}
	loop.garbage[loop.garbage_len++] = p;
}
