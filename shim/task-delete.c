/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: Delete of an init runs the runtime's `delete`, lets the
 * streams drain for a bounded time, unmounts the root filesystem in a helper
 * process, and only then says so in the event and the answer.  A container that
 * was created and never started is deleted with --force, and its end is awaited
 * so that the answer carries it.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/events.h"
#include "shim/mount.h"
#include "shim/runtime.h"
#include "shim/slog.h"
#include "shim/task.h"

#define DRAIN_MS 2000
#define KILLED_MS 3000

struct delete
{
	struct proc *p;
	struct call *call;
	off_t log_at;
	struct timer timer;
};

static void reply(struct call *call, const struct proc *p)
{
	Task__DeleteResponse m = TASK__DELETE_RESPONSE__INIT;
	Task__Timestamp at = TASK__TIMESTAMP__INIT;

	m.pid = (uint32_t)p->pid;
	m.exit_status = p->exit_status;
	if (p->exited_at.tv_sec) {
		at.seconds = p->exited_at.tv_sec;
		at.nanos = (int32_t)p->exited_at.tv_nsec;
		m.exited_at = &at;
	}
	call_reply(call, &m.base);
}

static void delete_free(struct delete *d)
{
	struct container *c = d->p->container;
	bool init = !d->p->exec_id;

	timer_cancel(&d->timer);
	d->p->busy = false;
	proc_unref(d->p);
	loop_defer_free(d);
	if (init)
		container_leave(c);
	container_unref(c);
}

static void delete_fail(struct delete *d, const char *text)
{
	call_fail(d->call, RPC_UNKNOWN, "%s", text);
	delete_free(d);
}

/* --- exec --- */

static void on_exec_drained(struct stdio *io, void *context)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct delete *d = context;
	struct proc *p = d->p;
	struct container *c = p->container;

	stdio_close(io);
	unlink(arena_printf(&a, "%s/%s.pid", c->bundle, p->exec_id));
	for (struct proc **at = &c->execs; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			proc_unref(p);
			break;
		}
	}
	p->state = PROC_DELETED;
	reply(d->call, p);
	delete_free(d);
}

/* --- init --- */

static void on_unmounted(struct job *job, unsigned int status)
{
	struct delete *d = job->context;
	struct container *c = d->p->container;

	if (status != 0) {
		delete_fail(d, job->output_len ? job->output : "failed to unmount the root filesystem");
		return;
	}
	d->p->state = PROC_DELETED;
	event_delete(c);
	reply(d->call, d->p);
	container_remove(c);
	delete_free(d);
	server_container_gone();
}

static int unmount(void *arg, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct container *c = arg;

	return rootfs_unmount(arena_printf(&a, "%s/rootfs", c->bundle), err);
}

static void on_drained(struct stdio *io, void *context)
{
	struct delete *d = context;
	struct container *c = d->p->container;
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};
	struct job none = {.context = d};

	stdio_close(io);
	if (!c->has_rootfs) {
		on_unmounted(&none, 0);
		return;
	}
	spec.function = unmount;
	spec.arg = c;
	spec.capture = true;
	if (!job_start(&spec, on_unmounted, d, &err))
		delete_fail(d, err.msg);
}

/* The process has been announced as stopped (or will not be). */
static void on_dead(void *context)
{
	struct delete *d = context;

	timer_cancel(&d->timer);
	d->p->on_stopped = NULL;
	stdio_drain(&d->p->io, DRAIN_MS, on_drained, d);
}

static void on_dead_timeout(struct timer *t)
{
	on_dead((char *)t - offsetof(struct delete, timer));
}

static void on_deleted(struct job *job, unsigned int status)
{
	struct delete *d = job->context;
	struct proc *p = d->p;
	char text[3500];

	if (status != 0) {
		runtime_error(p->container, NULL, d->log_at, job->output, status, text, sizeof text);
		if (!strstr(text, "does not exist") && !strstr(text, "not exist")) {
			delete_fail(d, text);
			return;
		}
	}
	p->busy = false; /* the exit of a killed init may be announced now */
	proc_announce(p);
	if (!p->pid || p->state == PROC_STOPPED) {
		on_dead(d);
		return;
	}
	p->on_stopped = on_dead;
	p->on_stopped_context = d;
	d->timer.cb = on_dead_timeout;
	timer_set(&d->timer, KILLED_MS);
}

static void delete_init(struct delete *d)
{
	struct container *c = d->p->container;
	bool alive = d->p->state == PROC_CREATED && d->p->pid;
	const char *args[] = {"delete", alive ? "--force" : c->id, alive ? c->id : NULL, NULL};
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};

	spec.capture = true;
	d->log_at = runtime_log_size(c, NULL);
	if (!runtime_start(c, NULL, args, &spec, on_deleted, d, &err))
		delete_fail(d, err.msg);
}

static struct delete *delete_new(struct proc *p, struct call *call)
{
	struct delete *d = calloc(1, sizeof *d);

	if (!d) {
		call_fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return NULL;
	}
	d->p = p;
	d->call = call;
	p->busy = true;
	proc_ref(p);
	container_ref(p->container);
	return d;
}

void task_delete(struct call *call)
{
	const Task__ProcessRequest *r = call->request;
	struct proc *p = call_proc(call, r->id, r->exec_id);
	struct delete *d;

	if (!p)
		return;
	if (p->exec_id && p->busy) {
		call_fail(
			call, RPC_FAILED_PRECONDITION, "the process is being started or deleted: failed precondition");
		return;
	}
	if (!p->exec_id && !container_enter(p->container, call, task_delete))
		return;
	if (p->state == PROC_RUNNING) {
		call_fail(call, RPC_FAILED_PRECONDITION, "cannot delete a running process: failed precondition");
		if (!p->exec_id)
			container_leave(p->container);
		return;
	}
	d = delete_new(p, call);
	if (!d) {
		if (!p->exec_id)
			container_leave(p->container);
		return;
	}
	if (p->exec_id)
		stdio_drain(&p->io, DRAIN_MS, on_exec_drained, d);
	else
		delete_init(d);
}
