/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_LOOP_H
#define OCI_RT_SHIM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The event loop of the shim: one epoll instance, one timerfd, one thread.
 *
 * A struct watch is a member of the object that owns the descriptor; a struct
 * timer likewise.  Callbacks may remove any watch or timer, their own too; the
 * memory of a removed one must stay valid until the callback returns, which
 * loop_defer_free() arranges.
 */
struct watch {
	int fd;		 /* not owned */
	uint32_t events; /* EPOLLIN | ... as registered; 0: not registered */
	void (*cb)(struct watch *w, uint32_t events);
};

struct timer {
	int64_t due; /* CLOCK_MONOTONIC, milliseconds; 0: not set */
	void (*cb)(struct timer *t);
	struct timer *next;
};

/* Create the loop.  0 or a negative errno. */
int loop_init(void);

/* Run until loop_stop(). */
void loop_run(void);
void loop_stop(void);

/* After loop_run(): free what is waiting to be freed. */
void loop_finish(void);

/* Register or change the events of interest.  events == 0 removes the watch.  0 or a negative errno
 * (-EPERM: the file is always ready, as a regular file is). */
int watch_set(struct watch *w, uint32_t events);

/* Forget the watch; its events still pending in this round are dropped.  Does not close the descriptor. */
void watch_remove(struct watch *w);

/* Call t->cb once, ms milliseconds from now; setting it again moves it. */
void timer_set(struct timer *t, int64_t ms);
void timer_cancel(struct timer *t);

int64_t loop_now_ms(void);

/* free(p) when the current round of callbacks is over. */
void loop_defer_free(void *p);

/* Called when a round of events has been handled, before waiting again. */
extern void (*loop_idle)(void);

#endif
