/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: methods that only look: State, Wait, Pids, Stats, Connect
 * (and Shutdown).  They are answered from memory and from /sys/fs/cgroup, never
 * by the runtime, so they work while a runtime command hangs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/cgroup.h"
#include "shim/metrics.h"
#include "shim/task.h"
#include "specs/task/options.pb-c.h"

const char *const task_services[] = {"containerd.task.v2.Task", "containerd.task.v3.Task", NULL};

const struct method task_methods[] = {
	{"State", &task__process_request__descriptor, task_state},
	{"Create", &task__create_request__descriptor, task_create},
	{"Start", &task__process_request__descriptor, task_start},
	{"Delete", &task__process_request__descriptor, task_delete},
	{"Pids", &task__container_request__descriptor, task_pids},
	{"Pause", &task__container_request__descriptor, task_pause},
	{"Resume", &task__container_request__descriptor, task_resume},
	{"Checkpoint", &task__checkpoint_request__descriptor, task_checkpoint},
	{"Kill", &task__kill_request__descriptor, task_kill},
	{"Exec", &task__exec_request__descriptor, task_exec},
	{"ResizePty", &task__resize_request__descriptor, task_resize_pty},
	{"CloseIO", &task__close_io_request__descriptor, task_close_io},
	{"Update", &task__update_request__descriptor, task_update},
	{"Wait", &task__process_request__descriptor, task_wait},
	{"Stats", &task__container_request__descriptor, task_stats},
	{"Connect", &task__container_request__descriptor, task_connect},
	{"Shutdown", &task__shutdown_request__descriptor, task_shutdown},
	{NULL, NULL, NULL},
};

void task_reply_empty(struct call *call)
{
	Task__Empty empty = TASK__EMPTY__INIT;

	call_reply(call, &empty.base);
}

static Task__ProcessStatus status_of(const struct proc *p)
{
	const struct container *c = p->container;

	switch (p->state) {
	case PROC_CREATED:
		return p->failed ? TASK__PROCESS_STATUS__STOPPED : TASK__PROCESS_STATUS__CREATED;
	case PROC_RUNNING:
		return c->pausing  ? TASK__PROCESS_STATUS__PAUSING
		       : c->paused ? TASK__PROCESS_STATUS__PAUSED
				   : TASK__PROCESS_STATUS__RUNNING;
	default:
		return TASK__PROCESS_STATUS__STOPPED;
	}
}

static Task__Timestamp *exited_at(const struct proc *p, Task__Timestamp *at)
{
	if (p->state != PROC_STOPPED && !p->failed)
		return NULL;
	*at = (Task__Timestamp)TASK__TIMESTAMP__INIT;
	at->seconds = p->exited_at.tv_sec;
	at->nanos = (int32_t)p->exited_at.tv_nsec;
	return at;
}

void task_state(struct call *call)
{
	const Task__ProcessRequest *r = call->request;
	struct proc *p = call_proc(call, r->id, r->exec_id);
	Task__StateResponse m = TASK__STATE_RESPONSE__INIT;
	Task__Timestamp at;

	if (!p)
		return;
	m.id = (char *)p->container->id;
	m.bundle = (char *)p->container->bundle;
	m.pid = (uint32_t)p->pid;
	m.status = status_of(p);
	m.stdin_path = p->io.path[0] ? p->io.path[0] : (char *)"";
	m.stdout_path = p->io.path[1] ? p->io.path[1] : (char *)"";
	m.stderr_path = p->io.path[2] ? p->io.path[2] : (char *)"";
	m.terminal = p->io.terminal;
	m.exit_status = p->state == PROC_STOPPED || p->failed ? p->exit_status : 0;
	m.exited_at = exited_at(p, &at);
	m.exec_id = p->exec_id ? p->exec_id : (char *)"";
	call_reply(call, &m.base);
}

void task_answer_wait(struct call *call, const struct proc *p)
{
	Task__WaitResponse m = TASK__WAIT_RESPONSE__INIT;
	Task__Timestamp at;

	m.exit_status = p->exit_status;
	m.exited_at = exited_at(p, &at);
	call_reply(call, &m.base);
}

void task_wait(struct call *call)
{
	const Task__ProcessRequest *r = call->request;
	struct proc *p = call_proc(call, r->id, r->exec_id);

	if (!p)
		return;
	if (p->state == PROC_STOPPED || p->failed) {
		task_answer_wait(call, p);
		return;
	}
	call_release_request(call);
	call->next = p->waiters;
	p->waiters = call;
}

static Task__ProcessInfo *process_info(struct container *c, pid_t pid, struct arena *a)
{
	Task__ProcessInfo *info = arena_new(a, Task__ProcessInfo);

	*info = (Task__ProcessInfo)TASK__PROCESS_INFO__INIT;
	info->pid = (uint32_t)pid;
	for (struct proc *p = c->execs; p; p = p->next) {
		Options__ProcessDetails details = OPTIONS__PROCESS_DETAILS__INIT;

		if (p->pid != pid || p->exited)
			continue;
		details.exec_id = p->exec_id;
		info->info = arena_new(a, Task__Any);
		*info->info = (Task__Any)TASK__ANY__INIT;
		info->info->type_url = (char *)"containerd.runc.v1.ProcessDetails";
		info->info->value.len = options__process_details__get_packed_size(&details);
		info->info->value.data = arena_alloc(a, info->info->value.len);
		options__process_details__pack(&details, info->info->value.data);
	}
	return info;
}

void task_pids(struct call *call)
{
	const Task__ContainerRequest *r = call->request;
	struct container *c = call_container(call, r->id);
	Task__PidsResponse m = TASK__PIDS_RESPONSE__INIT;
	pid_t *pids = NULL;
	size_t count = 0;

	if (!c)
		return;
	if (cgroup_pids(c->cgroup, &call->arena, &pids, &count) < 0)
		count = 0;
	m.processes = arena_array(&call->arena, Task__ProcessInfo *, count + 1);
	for (size_t i = 0; i < count; i++)
		m.processes[i] = process_info(c, pids[i], &call->arena);
	/* An init that has ended but was not deleted still counts: containerd takes a task without processes for a
	 * leak and removes it, and its exit status with it. */
	if (count == 0 && c->init->pid)
		m.processes[count++] = process_info(c, c->init->pid, &call->arena);
	m.n_processes = count;
	call_reply(call, &m.base);
}

void task_stats(struct call *call)
{
	const Task__ContainerRequest *r = call->request;
	struct container *c = call_container(call, r->id);
	Task__StatsResponse m = TASK__STATS_RESPONSE__INIT;
	Task__Any any = TASK__ANY__INIT;
	struct error err = {0};

	if (!c)
		return;
	if (metrics_read(c->cgroup, &call->arena, &any, &err) < 0) {
		call_fail(call, RPC_NOT_FOUND, "cgroup of container %s: %s: not found", r->id, err.msg);
		return;
	}
	m.stats = &any;
	call_reply(call, &m.base);
}

void task_connect(struct call *call)
{
	const Task__ContainerRequest *r = call->request;
	struct container *c = container_find(r->id, false);
	Task__ConnectResponse m = TASK__CONNECT_RESPONSE__INIT;

	m.shim_pid = (uint32_t)getpid();
	m.task_pid = c ? (uint32_t)c->init->pid : 0;
	call_reply(call, &m.base);
}

void task_shutdown(struct call *call)
{
	task_reply_empty(call);
	server_shutdown();
}
