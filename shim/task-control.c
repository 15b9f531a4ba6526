/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: methods that act on a container or process that exists:
 * Kill, Pause, Resume, Update, Checkpoint, CloseIO, ResizePty.  All but the
 * last two and Kill of an exec are one command of the runtime; struct op
 * carries the request over it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/events.h"
#include "shim/runtime.h"
#include "shim/task.h"
#include "specs/task/options.pb-c.h"

struct op {
	struct container *c;
	struct call *call;
	bool entered; /* container_leave() at the end */
	off_t log_at;
	void (*done)(struct op *op, const char *failure); /* failure NULL: success; must answer the call */
};

static void on_op(struct job *job, unsigned int status)
{
	struct op *op = job->context;
	struct container *c = op->c;
	char text[3500];

	if (status != 0)
		runtime_error(c, NULL, op->log_at, job->output, status, text, sizeof text);
	op->done(op, status != 0 ? text : NULL);
	if (op->entered)
		container_leave(c);
	container_unref(c);
	free(op);
}

/* Run one runtime command for a call.  The container has been entered when `entered`. */
static void op_run(struct container *c, struct call *call, bool entered, const char *const *args, int input,
	void (*done)(struct op *, const char *))
{
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};
	struct op *op = calloc(1, sizeof *op);

	if (!op) {
		call_fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		if (entered)
			container_leave(c);
		return;
	}
	*op = (struct op){.c = c, .call = call, .entered = entered, .done = done};
	op->log_at = runtime_log_size(c, NULL);
	spec.capture = true;
	spec.fd[0] = input;
	container_ref(c);
	if (!runtime_start(c, NULL, args, &spec, on_op, op, &err)) {
		done(op, err.msg);
		if (entered)
			container_leave(c);
		container_unref(c);
		free(op);
	}
}

/* --- Kill --- */

static void kill_done(struct op *op, const char *failure)
{
	if (!failure)
		task_reply_empty(op->call);
	else if (runtime_says_gone(failure))
		call_fail(op->call, RPC_NOT_FOUND, "process already finished: not found");
	else
		call_fail(op->call, RPC_UNKNOWN, "%s", failure);
}

static void kill_exec(struct call *call, struct proc *p, int sig)
{
	int r;

	if (p->exited || p->state == PROC_STOPPED || p->failed) {
		call_fail(call, RPC_NOT_FOUND, "process already finished: not found");
		return;
	}
	if (!p->pid) {
		call_fail(call, RPC_FAILED_PRECONDITION, "process not created: failed precondition");
		return;
	}
	r = fd_pidfd_signal(p->child.watch.fd, sig);
	if (r == 0)
		task_reply_empty(call);
	else if (r == -ESRCH)
		call_fail(call, RPC_NOT_FOUND, "process already finished: not found");
	else
		call_fail(call, r == -EINVAL ? RPC_INVALID_ARGUMENT : RPC_UNKNOWN, "kill: %s", strerror(-r));
}

void task_kill(struct call *call)
{
	const Task__KillRequest *r = call->request;
	struct proc *p = call_proc(call, r->id, r->exec_id);
	char sig[16];

	if (!p)
		return;
	if (p->exec_id) {
		kill_exec(call, p, (int)r->signal);
		return;
	}
	if (p->state == PROC_STOPPED || (p->exited && !r->all)) {
		call_fail(call, RPC_NOT_FOUND, "process already finished: not found");
		return;
	}
	if (!p->pid) {
		call_fail(call, RPC_FAILED_PRECONDITION, "process not created: failed precondition");
		return;
	}
	snprintf(sig, sizeof sig, "%u", r->signal);
	if (r->all) {
		const char *args[] = {"kill", "--all", r->id, sig, NULL};

		op_run(p->container, call, false, args, -1, kill_done);
	} else {
		const char *args[] = {"kill", r->id, sig, NULL};

		op_run(p->container, call, false, args, -1, kill_done);
	}
}

/* --- Pause, Resume --- */

static void pause_done(struct op *op, const char *failure)
{
	op->c->pausing = false;
	if (failure) {
		call_fail(op->call, RPC_UNKNOWN, "OCI runtime pause failed: %s", failure);
		return;
	}
	op->c->paused = true;
	event_note(op->c, "/tasks/paused", "TaskPaused");
	task_reply_empty(op->call);
}

static void resume_done(struct op *op, const char *failure)
{
	if (failure) {
		call_fail(op->call, RPC_UNKNOWN, "OCI runtime resume failed: %s", failure);
		return;
	}
	op->c->paused = false;
	event_note(op->c, "/tasks/resumed", "TaskResumed");
	task_reply_empty(op->call);
}

void task_pause(struct call *call)
{
	const Task__ContainerRequest *r = call->request;
	struct container *c = call_container(call, r->id);
	const char *args[] = {"pause", NULL, NULL};

	if (!c || !container_enter(c, call, task_pause))
		return;
	args[1] = c->id;
	if (c->init->state != PROC_RUNNING || c->init->exited || c->paused) {
		call_fail(call, RPC_FAILED_PRECONDITION,
			"cannot pause a container that is not running: failed precondition");
		container_leave(c);
		return;
	}
	c->pausing = true;
	op_run(c, call, true, args, -1, pause_done);
}

void task_resume(struct call *call)
{
	const Task__ContainerRequest *r = call->request;
	struct container *c = call_container(call, r->id);
	const char *args[] = {"resume", NULL, NULL};

	if (!c || !container_enter(c, call, task_resume))
		return;
	args[1] = c->id;
	if (!c->paused) {
		call_fail(call, RPC_FAILED_PRECONDITION,
			"cannot resume a container that is not paused: failed precondition");
		container_leave(c);
		return;
	}
	op_run(c, call, true, args, -1, resume_done);
}

/* --- Update --- */

static void update_done(struct op *op, const char *failure)
{
	if (failure)
		call_fail(op->call, RPC_UNKNOWN, "OCI runtime update failed: %s", failure);
	else
		task_reply_empty(op->call);
}

void task_update(struct call *call)
{
	const Task__UpdateRequest *r = call->request;
	struct container *c = call_container(call, r->id);
	const char *args[] = {"update", "--resources", "-", NULL, NULL};
	_cleanup_fd_ int fd = -1;

	if (!c || !container_enter(c, call, task_update))
		return;
	args[3] = c->id;
	if (c->init->state == PROC_STOPPED || c->init->exited) {
		call_fail(call, RPC_FAILED_PRECONDITION, "cannot update a stopped container: failed precondition");
		container_leave(c);
		return;
	}
	if (!r->resources || !r->resources->value.len) {
		call_fail(call, RPC_INVALID_ARGUMENT, "no resources: invalid argument");
		container_leave(c);
		return;
	}
	fd = memfd_create("resources", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, r->resources->value.data, r->resources->value.len) < 0 ||
		lseek(fd, 0, SEEK_SET) < 0) {
		call_fail(call, RPC_RESOURCE_EXHAUSTED, "keep the resources: %s", strerror(errno));
		container_leave(c);
		return;
	}
	op_run(c, call, true, args, fd, update_done);
}

/* --- Checkpoint --- */

/* criu's files besides the image, when nobody said where: in a directory of ours that goes away again.  What a
 * failed dump has logged stays in the bundle. */
static void checkpoint_tidy(struct container *c, const char *work, bool failed, struct arena *a)
{
	_cleanup_fd_ int dir = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_fd_ int bundle = open(c->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *entries;
	char *text;
	size_t len;

	if (dir < 0)
		return;
	if (failed && bundle >= 0 && fd_read_file(dir, "dump.log", a, 16 << 20, &text, &len) == 0)
		(void)fd_replace_file(bundle, "criu-dump.log", text, len, 0600);
	entries = fdopendir(dir);
	if (!entries)
		return;
	dir = -1;
	while ((e = readdir(entries)))
		(void)unlinkat(dirfd(entries), e->d_name, 0);
	closedir(entries);
	rmdir(work);
}

static const char *checkpoint_work(struct container *c, struct arena *a)
{
	return arena_printf(a, "%s/%s", c->bundle, "work/criu-work");
}

static void checkpoint_done(struct op *op, const char *failure)
{
	checkpoint_tidy(op->c, checkpoint_work(op->c, &op->call->arena), failure, &op->call->arena);
	if (failure)
		call_fail(op->call, RPC_UNKNOWN, "OCI runtime checkpoint failed: %s", failure);
	else
		task_reply_empty(op->call);
}

void task_checkpoint(struct call *call)
{
	const Task__CheckpointRequest *r = call->request;
	struct container *c = call_container(call, r->id);
	ProtobufCAllocator allocator = arena_allocator(&call->arena);
	Options__Checkpoint none = OPTIONS__CHECKPOINT__INIT, *o = &none;
	const char *args[56];
	int n = 0;

	if (!c || !container_enter(c, call, task_checkpoint))
		return;
	if (c->init->state != PROC_RUNNING || c->init->exited) {
		call_fail(call, RPC_FAILED_PRECONDITION,
			"cannot checkpoint a container that is not running: failed precondition");
		container_leave(c);
		return;
	}
	if (r->options && r->options->value.len)
		o = options__checkpoint__unpack(&allocator, r->options->value.len, r->options->value.data);
	if (!o || o->n_empty_namespaces > 16) {
		call_fail(call, RPC_INVALID_ARGUMENT, "the checkpoint options do not parse: invalid argument");
		container_leave(c);
		return;
	}
	args[n++] = "checkpoint";
	args[n++] = "--image-path";
	args[n++] = *o->image_path ? o->image_path : r->path;
	args[n++] = "--work-path";
	args[n++] = *o->work_path ? o->work_path : checkpoint_work(c, &call->arena);
	if (!*o->work_path)
		(void)mkdir(arena_printf(&call->arena, "%s/work", c->bundle), 0700);
	if (o->open_tcp)
		args[n++] = "--tcp-established";
	if (o->external_unix_sockets)
		args[n++] = "--ext-unix-sk";
	if (o->terminal)
		args[n++] = "--shell-job";
	if (o->file_locks)
		args[n++] = "--file-locks";
	if (*o->cgroups_mode) {
		args[n++] = "--manage-cgroups-mode";
		args[n++] = o->cgroups_mode;
	}
	for (size_t i = 0; i < o->n_empty_namespaces; i++) {
		args[n++] = "--empty-ns";
		args[n++] = o->empty_namespaces[i];
	}
	if (!o->exit)
		args[n++] = "--leave-running";
	args[n++] = c->id;
	args[n] = NULL;
	op_run(c, call, true, args, -1, checkpoint_done);
}

/* --- streams --- */

void task_close_io(struct call *call)
{
	const Task__CloseIoRequest *r = call->request;
	struct proc *p = call_proc(call, r->id, r->exec_id);

	if (!p)
		return;
	if (r->close_stdin && p->has_io)
		stdio_close_stdin(&p->io);
	task_reply_empty(call);
}

void task_resize_pty(struct call *call)
{
	const Task__ResizeRequest *r = call->request;
	struct proc *p = call_proc(call, r->id, r->exec_id);
	struct winsize size = {0};

	if (!p)
		return;
	size.ws_col = (unsigned short)r->width;
	size.ws_row = (unsigned short)r->height;
	if (p->exec_id && (p->state == PROC_STOPPED || p->exited)) {
		call_fail(call, RPC_FAILED_PRECONDITION, "cannot resize a stopped process: failed precondition");
		return;
	}
	if (p->io.console >= 0 && ioctl(p->io.console, TIOCSWINSZ, &size) < 0) {
		call_fail(call, RPC_UNKNOWN, "resize the terminal: %s", strerror(errno));
		return;
	}
	task_reply_empty(call);
}
