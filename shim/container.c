/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: life of processes and the order of their events.
 *
 * A process is reaped when its pidfd says so, but its exit is announced (event,
 * Wait answered, state stopped) only when
 *  - the start that made it has been announced (start before exit),
 *  - for an init: every exec of the container has been announced, and the OOM
 *    counter has been read one last time (OOM before exit).
 * When init ends in a pid namespace shared with others, nobody kills its
 * execs: `kill --all` does.  What does not end within LINGER_MS is not waited
 * for, so that a process stuck in the kernel cannot hide the exit for ever.
 */
#include "shim/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/events.h"
#include "shim/oom.h"
#include "shim/runtime.h"
#include "shim/slog.h"
#include "shim/task.h"

#define LINGER_MS 10000

struct shim shim;

bool id_valid(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > 200 || id[0] == '.' || id[0] == '-')
		return false;
	for (; *id; id++) {
		if (!((*id >= 'a' && *id <= 'z') || (*id >= 'A' && *id <= 'Z') || (*id >= '0' && *id <= '9') ||
			    strchr("_-.", *id)))
			return false;
	}
	return true;
}

struct container *container_find(const char *id, bool creating)
{
	struct container *c = shim.containers;

	while (c && strcmp(c->id, id) != 0)
		c = c->next;
	return c && c->creating && !creating ? NULL : c;
}

static void on_linger(struct timer *t)
{
	struct container *c = (struct container *)((char *)t - offsetof(struct container, linger));

	slog_error("container %s: its execs do not end; its own end is announced without them", c->id);
	c->gave_up = true;
	proc_announce(c->init);
}

struct container *container_new(const char *id, const char *bundle)
{
	struct container *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->refs = 1;
	c->id = arena_strdup(&c->arena, id);
	c->bundle = arena_strdup(&c->arena, bundle);
	c->cgroup = c->runtime = c->root = c->checkpoint = c->parent_checkpoint = "";
	c->oom.watch.fd = -1;
	c->linger.cb = on_linger;
	options_init(&c->options);
	c->init = proc_new(c, NULL);
	if (!c->init) {
		arena_free(&c->arena);
		free(c);
		return NULL;
	}
	c->creating = true;
	c->next = shim.containers;
	shim.containers = c;
	return c;
}

void container_ref(struct container *c)
{
	c->refs++;
}

void container_unref(struct container *c)
{
	if (--c->refs > 0)
		return;
	timer_cancel(&c->linger);
	oom_stop(c);
	proc_unref(c->init);
	arena_free(&c->arena);
	loop_defer_free(c);
}

void container_remove(struct container *c)
{
	for (struct container **p = &shim.containers; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	/* Execs that nobody deleted go with it. */
	while (c->execs) {
		struct proc *p = c->execs;

		c->execs = p->next;
		if (p->has_io && !p->busy)
			stdio_close(&p->io);
		proc_unref(p);
	}
	container_unref(c);
}

bool container_enter(struct container *c, struct call *call, void (*resume)(struct call *))
{
	struct call **p = &c->queue;

	if (!c->busy) {
		c->busy = true;
		return true;
	}
	call->resume = resume;
	call->next = NULL;
	while (*p)
		p = &(*p)->next;
	*p = call;
	return false;
}

void container_leave(struct container *c)
{
	c->busy = false;
	container_ref(c);
	while (c->queue && !c->busy) {
		struct call *call = c->queue;

		c->queue = call->next;
		call->next = NULL;
		call->resume(call);
	}
	container_unref(c);
}

struct proc *proc_new(struct container *c, const char *exec_id)
{
	struct proc *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->refs = 1;
	p->container = c;
	p->io.console = p->io.stdin_hold = -1;
	if (exec_id) {
		p->exec_id = strdup(exec_id);
		if (!p->exec_id) {
			free(p);
			return NULL;
		}
		container_ref(c);
	}
	return p;
}

struct proc *proc_find(struct container *c, const char *exec_id)
{
	struct proc *p = c->execs;

	if (!exec_id || !*exec_id)
		return c->init;
	while (p && strcmp(p->exec_id, exec_id) != 0)
		p = p->next;
	return p;
}

void proc_ref(struct proc *p)
{
	p->refs++;
}

void proc_unref(struct proc *p)
{
	if (--p->refs > 0)
		return;
	child_forget(&p->child);
	if (p->has_io)
		stdio_free(&p->io);
	free(p->spec);
	if (p->exec_id) {
		free(p->exec_id);
		container_unref(p->container);
	}
	loop_defer_free(p);
}

static void answer_waiters(struct proc *p)
{
	struct call *call = p->waiters, *next;

	p->waiters = NULL;
	for (; call; call = next) {
		next = call->next;
		task_answer_wait(call, p);
	}
}

/* Does an exec still have to be announced before its init? */
static bool execs_pending(const struct container *c)
{
	for (const struct proc *p = c->execs; p; p = p->next) {
		if (p->busy || p->state == PROC_RUNNING)
			return true;
	}
	return false;
}

static void on_kill_all(struct job *job, unsigned int status)
{
	struct container *c = job->context;

	if (status != 0)
		slog_debug("container %s: kill --all: %s", c->id, job->output);
	container_unref(c);
}

/* The init has been reaped: what else is in the container must go too. */
static void init_gone(struct container *c)
{
	const char *kill_all[] = {"kill", "--all", c->id, "9", NULL};
	const char *resume[] = {"resume", c->id, NULL};
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};

	spec.capture = true;
	if (c->paused) {
		c->paused = false;
		container_ref(c);
		if (!runtime_start(c, NULL, resume, &spec, on_kill_all, c, &err))
			container_unref(c);
	}
	if (!c->private_pidns) {
		container_ref(c);
		if (!runtime_start(c, NULL, kill_all, &spec, on_kill_all, c, &err))
			container_unref(c);
	}
}

void proc_announce(struct proc *p)
{
	struct container *c = p->container;

	if (!p->exited || p->busy || p->state == PROC_STOPPED || p->state == PROC_DELETED)
		return;
	if (!p->exec_id) {
		if (!c->kill_all_done) {
			c->kill_all_done = true;
			init_gone(c);
		}
		if (execs_pending(c) && !c->gave_up) {
			if (!c->linger.due)
				timer_set(&c->linger, LINGER_MS);
			return;
		}
		timer_cancel(&c->linger);
		oom_last_look(c);
	}
	p->state = PROC_STOPPED;
	event_exit(p);
	proc_ref(p);
	answer_waiters(p);
	if (p->exec_id)
		proc_announce(c->init);
	if (p->on_stopped) {
		void (*on_stopped)(void *) = p->on_stopped;

		p->on_stopped = NULL;
		on_stopped(p->on_stopped_context);
	}
	proc_unref(p);
}

void proc_failed(struct proc *p, unsigned int status)
{
	p->failed = true;
	p->exit_status = status;
	clock_gettime(CLOCK_REALTIME, &p->exited_at);
	answer_waiters(p);
	if (p->exec_id)
		proc_announce(p->container->init);
}

static void on_exited(struct child *child, unsigned int status)
{
	struct proc *p = (struct proc *)((char *)child - offsetof(struct proc, child));

	p->exited = true;
	p->exit_status = status;
	clock_gettime(CLOCK_REALTIME, &p->exited_at);
	proc_announce(p);
}

int proc_adopt(struct proc *p, pid_t pid, struct error *err)
{
	int r;

	p->child.exited = on_exited;
	r = child_watch(&p->child, pid, err);
	if (r == 0)
		p->pid = pid;
	return r;
}

int read_pid_file(const char *path, pid_t *pid)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[32], *end;
	ssize_t n;
	long value;

	if (fd < 0)
		return -errno;
	n = fd_read_full(fd, buf, sizeof buf - 1);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	value = strtol(buf, &end, 10);
	if (end == buf || value <= 0 || value > 0x7fffffff)
		return -EINVAL;
	*pid = (pid_t)value;
	return 0;
}

struct container *call_container(struct call *call, const char *id)
{
	struct container *c = container_find(id, false);

	if (!c)
		call_fail(call, RPC_NOT_FOUND, "container not created: %.200s: not found", id);
	return c;
}

struct proc *call_proc(struct call *call, const char *id, const char *exec_id)
{
	struct container *c = call_container(call, id);
	struct proc *p = c ? proc_find(c, exec_id) : NULL;

	if (c && !p)
		call_fail(call, RPC_NOT_FOUND, "process does not exist %.200s: not found", exec_id);
	return p;
}
