/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: fill the message, pack it, queue it. */
#include "shim/events.h"

#include <stdio.h>
#include <stdlib.h>

#include "shim/publisher.h"
#include "specs/task/events.pb-c.h"

static void publish(const char *topic, const char *name, const void *msg)
{
	char type_url[96];

	snprintf(type_url, sizeof type_url, "containerd.events.%s", name);
	publisher_send(topic, type_url, msg);
}

static Task__Timestamp timestamp(const struct timespec *t)
{
	Task__Timestamp ts = TASK__TIMESTAMP__INIT;

	ts.seconds = t->tv_sec;
	ts.nanos = (int32_t)t->tv_nsec;
	return ts;
}

void event_create(struct container *c, Task__Mount **rootfs, size_t n_rootfs)
{
	Events__TaskCreate m = EVENTS__TASK_CREATE__INIT;
	Events__TaskIo io = EVENTS__TASK_IO__INIT;

	io.stdin_path = c->init->io.path[0];
	io.stdout_path = c->init->io.path[1];
	io.stderr_path = c->init->io.path[2];
	io.terminal = c->init->io.terminal;
	m.container_id = (char *)c->id;
	m.bundle = (char *)c->bundle;
	m.rootfs = rootfs;
	m.n_rootfs = n_rootfs;
	m.io = &io;
	m.checkpoint = (char *)c->checkpoint;
	m.pid = (uint32_t)c->init->pid;
	publish("/tasks/create", "TaskCreate", &m);
}

void event_start(struct container *c)
{
	Events__TaskStart m = EVENTS__TASK_START__INIT;

	m.container_id = (char *)c->id;
	m.pid = (uint32_t)c->init->pid;
	publish("/tasks/start", "TaskStart", &m);
}

void event_exit(struct proc *p)
{
	Events__TaskExit m = EVENTS__TASK_EXIT__INIT;
	Task__Timestamp at = timestamp(&p->exited_at);

	m.container_id = (char *)p->container->id;
	m.id = p->exec_id ? p->exec_id : (char *)p->container->id;
	m.pid = (uint32_t)p->pid;
	m.exit_status = p->exit_status;
	m.exited_at = &at;
	publish("/tasks/exit", "TaskExit", &m);
}

void event_delete(struct container *c)
{
	Events__TaskDelete m = EVENTS__TASK_DELETE__INIT;
	Task__Timestamp at = timestamp(&c->init->exited_at);

	m.container_id = (char *)c->id;
	m.pid = (uint32_t)c->init->pid;
	m.exit_status = c->init->exit_status;
	m.exited_at = &at;
	publish("/tasks/delete", "TaskDelete", &m);
}

void event_exec_added(struct proc *p)
{
	Events__TaskExecAdded m = EVENTS__TASK_EXEC_ADDED__INIT;

	m.container_id = (char *)p->container->id;
	m.exec_id = p->exec_id;
	publish("/tasks/exec-added", "TaskExecAdded", &m);
}

void event_exec_started(struct proc *p)
{
	Events__TaskExecStarted m = EVENTS__TASK_EXEC_STARTED__INIT;

	m.container_id = (char *)p->container->id;
	m.exec_id = p->exec_id;
	m.pid = (uint32_t)p->pid;
	publish("/tasks/exec-started", "TaskExecStarted", &m);
}

void event_note(struct container *c, const char *topic, const char *name)
{
	Events__TaskNote m = EVENTS__TASK_NOTE__INIT;

	m.container_id = (char *)c->id;
	publish(topic, name, &m);
}
