/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: Start of an init is the runtime's `start` (or `restore`,
 * when Create named a checkpoint); Exec only keeps the process, Start of an
 * exec runs the runtime's `exec`.  The started event is queued before the
 * answer and before the exit, which waits for proc->busy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/console.h"
#include "shim/events.h"
#include "shim/json.h"
#include "shim/logger.h"
#include "shim/oom.h"
#include "shim/runtime.h"
#include "shim/task.h"

struct start {
	struct proc *p;
	struct call *call;
	struct console console;
	bool has_console;
	off_t log_at;
	char log[224]; /* exec: file name of its own log */
};

static struct start *start_new(struct proc *p, struct call *call)
{
	struct start *s = calloc(1, sizeof *s);

	if (s) {
		s->p = p;
		s->call = call;
		proc_ref(p);
		container_ref(p->container);
		p->busy = true;
	}
	return s;
}

static void start_free(struct start *s)
{
	struct container *c = s->p->container;
	bool init = !s->p->exec_id;

	if (s->has_console)
		console_close(&s->console);
	s->p->busy = false;
	proc_announce(s->p);
	proc_unref(s->p);
	free(s);
	if (init)
		container_leave(c);
	container_unref(c);
}

static void start_reply(struct start *s)
{
	Task__StartResponse reply = TASK__START_RESPONSE__INIT;

	s->p->state = PROC_RUNNING;
	if (s->p->exec_id)
		event_exec_started(s->p);
	else
		event_start(s->p->container);
	reply.pid = (uint32_t)s->p->pid;
	call_reply(s->call, &reply.base);
	start_free(s);
}

/* --- init --- */

static void on_started(struct job *job, unsigned int status)
{
	struct start *s = job->context;
	char text[3500];

	if (status == 0) {
		start_reply(s);
		return;
	}
	runtime_error(s->p->container, NULL, s->log_at, job->output, status, text, sizeof text);
	call_fail(s->call, RPC_UNKNOWN, "OCI runtime start failed: %s", text);
	start_free(s);
}

static void on_restored(struct job *job, unsigned int status)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct start *s = job->context;
	struct container *c = s->p->container;
	struct error err = {0};
	char text[3500];
	pid_t pid = 0;
	char *cgroup;
	int r;

	if (status != 0) {
		runtime_error(c, NULL, s->log_at, NULL, status, text, sizeof text);
		call_fail(s->call, RPC_UNKNOWN, "OCI runtime restore failed: %s", text);
		start_free(s);
		return;
	}
	r = read_pid_file(arena_printf(&a, "%s/init.pid", c->bundle), &pid);
	if (r < 0)
		error_sys(&err, -r, "read the pid file of container %s", c->id);
	if (r == 0)
		r = proc_adopt(s->p, pid, &err);
	if (r == 0 && fd_read_file(AT_FDCWD, arena_printf(&a, "/proc/%d/cgroup", pid), &a, 65536, &cgroup, NULL) == 0) {
		c->cgroup = arena_strdup(&c->arena, cgroup);
		oom_start(c);
	}
	if (r == 0)
		r = stdio_started(&s->p->io, &err);
	if (r == 0 && s->has_console) {
		int master = console_take(&s->console, &err);

		r = master < 0 ? master : stdio_set_console(&s->p->io, master, &err);
	}
	if (r < 0) {
		call_fail(s->call, RPC_UNKNOWN, "OCI runtime restore failed: %s", err.msg);
		start_free(s);
		return;
	}
	start_reply(s);
}

static struct job *run_restore(struct start *s, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct container *c = s->p->container;
	struct job_spec spec = JOB_SPEC_INIT;
	const char *args[24];
	int n = 0;

	args[n++] = "restore";
	args[n++] = "--image-path";
	args[n++] = c->checkpoint;
	args[n++] = "--work-path";
	args[n++] = *c->options.criu_work_path ? c->options.criu_work_path : arena_printf(&a, "%s/work", c->bundle);
	if (*c->parent_checkpoint) {
		args[n++] = "--parent-path";
		args[n++] = c->parent_checkpoint;
	}
	args[n++] = "--detach";
	args[n++] = "--no-subreaper";
	args[n++] = "--bundle";
	args[n++] = c->bundle;
	args[n++] = "--pid-file";
	args[n++] = arena_printf(&a, "%s/init.pid", c->bundle);
	if (c->options.no_pivot_root)
		args[n++] = "--no-pivot";
	if (s->p->io.terminal) {
		s->has_console = true;
		if (console_listen(&s->console, shim.socket_dir, err) < 0)
			return NULL;
		args[n++] = "--console-socket";
		args[n++] = s->console.path;
	}
	args[n++] = c->id;
	args[n] = NULL;
	spec.adopts = true;
	for (int i = 0; i < 3 && !s->p->io.terminal; i++)
		spec.fd[i] = s->p->io.child_fd[i];
	return runtime_start(c, NULL, args, &spec, on_restored, s, err);
}

static void start_init(struct call *call, struct container *c)
{
	const char *args[] = {"start", c->id, NULL};
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};
	struct start *s;
	struct job *job;

	if (!container_enter(c, call, task_start))
		return;
	if (c->init->state != PROC_CREATED || c->init->exited) {
		call_fail(call, RPC_FAILED_PRECONDITION, "cannot start a %s container: failed precondition",
			c->init->state == PROC_RUNNING ? "running" : "stopped");
		container_leave(c);
		return;
	}
	s = start_new(c->init, call);
	if (!s) {
		call_fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		container_leave(c);
		return;
	}
	s->log_at = runtime_log_size(c, NULL);
	spec.capture = true;
	job = *c->checkpoint ? run_restore(s, &err) : runtime_start(c, NULL, args, &spec, on_started, s, &err);
	if (!job) {
		call_fail(call, RPC_UNKNOWN, "OCI runtime start failed: %s", err.msg);
		start_free(s);
	}
}

/* --- exec --- */

static void remove_files(struct start *s, bool pid_file)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	const char *bundle = s->p->container->bundle;

	unlink(arena_printf(&a, "%s/%s.json", bundle, s->p->exec_id));
	unlink(arena_printf(&a, "%s/%s", bundle, s->log));
	if (pid_file)
		unlink(arena_printf(&a, "%s/%s.pid", bundle, s->p->exec_id));
}

static void exec_fail(struct start *s, const char *text)
{
	struct proc *p = s->p;

	remove_files(s, true);
	if (p->has_io)
		stdio_close(&p->io);
	call_fail(s->call, RPC_UNKNOWN, "OCI runtime exec failed: %s", text);
	p->busy = false;
	if (!p->pid)
		proc_failed(p, 255);
	start_free(s);
}

static void on_exec_done(struct job *job, unsigned int status)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct start *s = job->context;
	struct container *c = s->p->container;
	struct error err = {0};
	char text[3500];
	pid_t pid = 0;
	int r;

	if (status != 0) {
		runtime_error(c, s->log, 0, NULL, status, text, sizeof text);
		exec_fail(s, text);
		return;
	}
	r = read_pid_file(arena_printf(&a, "%s/%s.pid", c->bundle, s->p->exec_id), &pid);
	if (r < 0)
		error_sys(&err, -r, "read the pid file of exec %s", s->p->exec_id);
	if (r == 0)
		r = proc_adopt(s->p, pid, &err);
	if (r == 0)
		r = stdio_started(&s->p->io, &err);
	if (r == 0 && s->has_console) {
		int master = console_take(&s->console, &err);

		r = master < 0 ? master : stdio_set_console(&s->p->io, master, &err);
	}
	if (r < 0) {
		if (s->p->child.pid)
			fd_pidfd_signal(s->p->child.watch.fd, 9);
		exec_fail(s, err.msg);
		return;
	}
	remove_files(s, false);
	free(s->p->spec);
	s->p->spec = NULL;
	start_reply(s);
}

static int write_process(struct start *s, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	const char *path = arena_printf(&a, "%s/%s.json", s->p->container->bundle, s->p->exec_id);
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, s->p->spec, s->p->spec_len);

	return r < 0 ? error_sys(err, -r, "write %s", path) : 0;
}

static void exec_run(struct start *s)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct proc *p = s->p;
	struct container *c = p->container;
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};
	const char *args[16];
	int n = 0;

	if (write_process(s, &err) < 0) {
		exec_fail(s, err.msg);
		return;
	}
	args[n++] = "exec";
	args[n++] = "--process";
	args[n++] = arena_printf(&a, "%s/%s.json", c->bundle, p->exec_id);
	if (p->io.terminal) {
		s->has_console = true;
		if (console_listen(&s->console, shim.socket_dir, &err) < 0) {
			exec_fail(s, err.msg);
			return;
		}
		args[n++] = "--console-socket";
		args[n++] = s->console.path;
	}
	args[n++] = "--detach";
	args[n++] = "--pid-file";
	args[n++] = arena_printf(&a, "%s/%s.pid", c->bundle, p->exec_id);
	args[n++] = c->id;
	args[n] = NULL;
	spec.adopts = true;
	for (int i = 0; i < 3 && !p->io.terminal; i++)
		spec.fd[i] = p->io.child_fd[i];
	if (!runtime_start(c, s->log, args, &spec, on_exec_done, s, &err))
		exec_fail(s, err.msg);
}

static void on_logger(void *context, bool ok)
{
	struct start *s = context;

	if (ok)
		exec_run(s);
	else
		exec_fail(s, "the logger is not ready");
}

static void start_exec(struct call *call, struct proc *p)
{
	struct container *c = p->container;
	struct stdio_params params = {.container_id = c->id,
		.namespace_name = shim.namespace_name,
		.uid = c->options.io_uid,
		.gid = c->options.io_gid};
	struct error err = {0};
	struct stdio io = p->io;
	struct start *s;
	int r;

	if (p->busy || p->state != PROC_CREATED || p->failed) {
		call_fail(
			call, RPC_FAILED_PRECONDITION, "cannot start a process that was started: failed precondition");
		return;
	}
	if (c->init->exited || c->init->state == PROC_STOPPED) {
		call_fail(call, RPC_FAILED_PRECONDITION,
			"container %s init process is not running: failed precondition", c->id);
		proc_failed(p, 255);
		return;
	}
	s = start_new(p, call);
	if (!s) {
		call_fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	snprintf(s->log, sizeof s->log, "%s.log", p->exec_id);
	/* The names were kept by Exec. */
	r = stdio_open(&p->io, io.path[0], io.path[1], io.path[2], io.terminal, &params, &err);
	for (int i = 0; i < 3; i++)
		free(io.path[i]);
	if (r < 0)
		exec_fail(s, err.msg);
	else if (p->io.logger)
		logger_await(p->io.logger, on_logger, s);
	else
		exec_run(s);
}

void task_start(struct call *call)
{
	const Task__ProcessRequest *r = call->request;
	struct proc *p = call_proc(call, r->id, r->exec_id);

	if (!p)
		return;
	if (p->exec_id)
		start_exec(call, p);
	else
		start_init(call, p->container);
}

/* --- Exec --- */

static const char *exec_forbidden(const struct container *c)
{
	if (c->init->exited || c->init->state == PROC_STOPPED)
		return "cannot exec in a stopped container";
	if (c->paused || c->pausing)
		return "cannot exec in a paused container";
	return NULL;
}

void task_exec(struct call *call)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	const Task__ExecRequest *r = call->request;
	struct container *c = call_container(call, r->id);
	const char *why, *path[3];
	struct error err = {0};
	struct proc *p;
	char *spec;
	size_t len;

	if (!c)
		return;
	why = exec_forbidden(c);
	if (why) {
		call_fail(call, RPC_FAILED_PRECONDITION, "%s: failed precondition", why);
		return;
	}
	if (!id_valid(r->exec_id)) {
		call_fail(call, RPC_INVALID_ARGUMENT, "the exec id is invalid: invalid argument");
		return;
	}
	if (proc_find(c, r->exec_id)) {
		call_fail(call, RPC_ALREADY_EXISTS, "id %s: already exists", r->exec_id);
		return;
	}
	if (!r->spec || json_set_bool((const char *)r->spec->value.data, r->spec->value.len, "terminal", r->terminal,
				&a, &spec, &len, &err) < 0) {
		call_fail(call, RPC_INVALID_ARGUMENT, "exec: %s: invalid argument", r->spec ? err.msg : "no process");
		return;
	}
	p = proc_new(c, r->exec_id);
	if (!p) {
		call_fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	path[0] = r->stdin_path;
	path[1] = r->stdout_path;
	path[2] = r->stderr_path;
	p->spec = strdup(spec);
	p->spec_len = len;
	p->io.terminal = r->terminal;
	for (int i = 0; i < 3; i++) {
		p->io.path[i] = strdup(path[i]);
		p->io.child_fd[i] = p->io.copier[i].src.fd = p->io.copier[i].dst.fd = -1;
	}
	p->has_io = true;
	p->next = c->execs;
	c->execs = p;
	event_exec_added(p);
	task_reply_empty(call);
}
