/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: Create goes through stages, each ending in the loop:
 * streams opened -> root filesystem mounted (in a helper process) -> logger
 * ready -> runtime `create` -> init adopted, event sent, request answered.
 * A failure at any stage undoes what was done, in the helper again, and only
 * then answers.  When the client goes away meanwhile, the work is finished all
 * the same: containerd will find the container or delete it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/console.h"
#include "shim/events.h"
#include "shim/logger.h"
#include "shim/mount.h"
#include "shim/oom.h"
#include "shim/runtime.h"
#include "shim/slog.h"
#include "shim/spec.h"
#include "shim/task.h"

struct create {
	struct container *c;
	struct call *call;
	struct console console;
	bool has_console;
	off_t log_at;
	enum rpc_code code;
	char text[4096]; /* why it failed */
};

static const char *rootfs_of(struct container *c, struct arena *a)
{
	return arena_printf(a, "%s/rootfs", c->bundle);
}

static void create_free(struct create *cr)
{
	if (cr->has_console)
		console_close(&cr->console);
	free(cr);
}

static void create_answer_failure(struct create *cr)
{
	struct container *c = cr->c;

	call_fail(cr->call, cr->code, "%s", cr->text);
	create_free(cr);
	container_remove(c);
	server_container_gone();
}

static void on_undone(struct job *job, unsigned int status)
{
	struct create *cr = job->context;

	if (status != 0)
		slog_error("container %s: clean up after a failed create: %s", cr->c->id, job->output);
	create_answer_failure(cr);
}

static int undo_mounts(void *arg, struct error *err)
{
	struct create *cr = arg;

	return rootfs_unmount(rootfs_of(cr->c, &cr->call->arena), err);
}

/* Close and unmount, then answer with cr->code and cr->text. */
static void create_undo(struct create *cr)
{
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};

	if (cr->c->init->has_io)
		stdio_close(&cr->c->init->io);
	if (cr->c->has_rootfs) {
		cr->c->has_rootfs = false;
		spec.function = undo_mounts;
		spec.arg = cr;
		spec.capture = true;
		if (job_start(&spec, on_undone, cr, &err))
			return;
	}
	create_answer_failure(cr);
}

static void __attribute__((format(printf, 3, 4)))
create_fail(struct create *cr, enum rpc_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cr->text, sizeof cr->text, fmt, ap);
	va_end(ap);
	cr->code = code;
	create_undo(cr);
}

/* What /proc says about the cgroups of a new process; kept, because later the process may be gone. */
static void remember_cgroup(struct container *c)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	char *text;

	if (fd_read_file(AT_FDCWD, arena_printf(&a, "/proc/%d/cgroup", c->init->pid), &a, 65536, &text, NULL) == 0)
		c->cgroup = arena_strdup(&c->arena, text);
}

static void create_done(struct create *cr)
{
	struct container *c = cr->c;
	const Task__CreateRequest *r = cr->call->request;
	Task__CreateResponse reply = TASK__CREATE_RESPONSE__INIT;

	c->creating = false;
	event_create(c, r->rootfs, r->n_rootfs);
	reply.pid = (uint32_t)c->init->pid;
	call_reply(cr->call, &reply.base);
	create_free(cr);
	proc_announce(c->init); /* it may have died already */
}

/* The runtime created a container that we cannot keep. */
static void on_force_deleted(struct job *job, unsigned int status)
{
	struct create *cr = job->context;

	(void)status;
	create_undo(cr);
}

static void create_revoke(struct create *cr, const struct error *why)
{
	const char *args[] = {"delete", "--force", cr->c->id, NULL};
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};

	snprintf(cr->text, sizeof cr->text, "OCI runtime create failed: %s", why->msg);
	spec.capture = true;
	cr->code = RPC_UNKNOWN;
	if (!runtime_start(cr->c, NULL, args, &spec, on_force_deleted, cr, &err))
		create_undo(cr);
}

static void on_created(struct job *job, unsigned int status)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct create *cr = job->context;
	struct container *c = cr->c;
	struct error err = {0};
	char text[3500];
	pid_t pid = 0;
	int r;

	if (status != 0) {
		runtime_error(c, NULL, cr->log_at, NULL, status, text, sizeof text);
		create_fail(cr, RPC_UNKNOWN, "OCI runtime create failed: %s", text);
		return;
	}
	r = read_pid_file(arena_printf(&a, "%s/init.pid", c->bundle), &pid);
	if (r < 0)
		error_sys(&err, -r, "read the pid file of container %s", c->id);
	if (r == 0)
		r = proc_adopt(c->init, pid, &err);
	if (r == 0) {
		remember_cgroup(c);
		oom_start(c);
		r = stdio_started(&c->init->io, &err);
	}
	if (r == 0 && cr->has_console) {
		int master = console_take(&cr->console, &err);

		r = master < 0 ? master : stdio_set_console(&c->init->io, master, &err);
	}
	if (r < 0)
		create_revoke(cr, &err);
	else
		create_done(cr);
}

static void create_run(struct create *cr)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct container *c = cr->c;
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};
	const char *args[16];
	int n = 0;

	args[n++] = "create";
	args[n++] = "--bundle";
	args[n++] = c->bundle;
	args[n++] = "--pid-file";
	args[n++] = arena_printf(&a, "%s/init.pid", c->bundle);
	if (c->init->io.terminal) {
		cr->has_console = true;
		if (console_listen(&cr->console, shim.socket_dir, &err) < 0) {
			create_fail(cr, RPC_UNKNOWN, "%s", err.msg);
			return;
		}
		args[n++] = "--console-socket";
		args[n++] = cr->console.path;
	}
	if (c->options.no_pivot_root)
		args[n++] = "--no-pivot";
	if (c->options.no_new_keyring)
		args[n++] = "--no-new-keyring";
	args[n++] = c->id;
	args[n] = NULL;
	spec.adopts = true;
	for (int i = 0; i < 3 && !c->init->io.terminal; i++)
		spec.fd[i] = c->init->io.child_fd[i];
	cr->log_at = runtime_log_size(c, NULL);
	unlink(arena_printf(&a, "%s/init.pid", c->bundle));
	if (!runtime_start(c, NULL, args, &spec, on_created, cr, &err))
		create_fail(cr, RPC_UNKNOWN, "OCI runtime create failed: %s", err.msg);
}

static void on_logger(void *context, bool ok)
{
	struct create *cr = context;

	if (!ok)
		create_fail(cr, RPC_UNKNOWN, "the logger %s is not ready", cr->c->init->io.path[1]);
	else if (*cr->c->checkpoint) /* restored by Start */
		create_done(cr);
	else
		create_run(cr);
}

static void create_mounted(struct create *cr)
{
	if (cr->c->init->io.logger)
		logger_await(cr->c->init->io.logger, on_logger, cr);
	else
		on_logger(cr, true);
}

static int do_mounts(void *arg, struct error *err)
{
	struct create *cr = arg;
	const Task__CreateRequest *r = cr->call->request;

	return rootfs_mount(r->rootfs, r->n_rootfs, rootfs_of(cr->c, &cr->call->arena), err);
}

static void on_mounted(struct job *job, unsigned int status)
{
	struct create *cr = job->context;

	if (status != 0) {
		cr->c->has_rootfs = false;
		create_fail(cr, RPC_UNKNOWN, "failed to mount rootfs component: %s",
			job->output_len ? job->output : "the helper process was killed");
		return;
	}
	create_mounted(cr);
}

/* Everything that is known before anything is done. */
static int create_prepare(struct container *c, const Task__CreateRequest *r, struct error *err)
{
	struct spec spec;
	int e = 0;

	if (r->options)
		e = options_from_any(&c->options, r->options->type_url, r->options->value.data, r->options->value.len,
			&c->arena, err);
	if (e == 0)
		e = options_runtime(&c->options, &c->arena, &c->runtime, err);
	if (e < 0)
		return e;
	c->root = options_root(&c->options, shim.namespace_name, &c->arena);
	/* An unreadable config is the runtime's to complain about. */
	if (spec_read(c->bundle, &c->arena, &spec, NULL) == 0) {
		c->private_pidns = spec.private_pidns;
		if (spec.systemd_cgroup &&
			(!r->options || !type_url_is(r->options->type_url, "containerd.runc.v1.Options")))
			c->options.systemd_cgroup = true;
	}
	c->checkpoint = arena_strdup(&c->arena, r->checkpoint);
	c->parent_checkpoint = arena_strdup(&c->arena, r->parent_checkpoint);
	return options_save(&c->options, c->bundle, err);
}

void task_create(struct call *call)
{
	const Task__CreateRequest *r = call->request;
	struct stdio_params params = {.container_id = r->id, .namespace_name = shim.namespace_name};
	struct job_spec spec = JOB_SPEC_INIT;
	struct error err = {0};
	struct container *c;
	struct create *cr;

	if (!id_valid(r->id) || r->bundle[0] != '/') {
		call_fail(call, RPC_INVALID_ARGUMENT, "container id or bundle path is invalid: invalid argument");
		return;
	}
	if (container_find(r->id, true)) {
		call_fail(call, RPC_ALREADY_EXISTS, "container %s: already exists", r->id);
		return;
	}
	c = container_new(r->id, r->bundle);
	cr = c ? calloc(1, sizeof *cr) : NULL;
	if (!cr) {
		if (c)
			container_remove(c);
		call_fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	cr->c = c;
	cr->call = call;
	if (create_prepare(c, r, &err) < 0) {
		create_fail(cr, err.code == ERR_USAGE ? RPC_INVALID_ARGUMENT : RPC_UNKNOWN, "%s", err.msg);
		return;
	}
	params.uid = c->options.io_uid;
	params.gid = c->options.io_gid;
	c->init->has_io = true;
	if (stdio_open(&c->init->io, r->stdin_path, r->stdout_path, r->stderr_path, r->terminal, &params, &err) < 0) {
		create_fail(cr, RPC_UNKNOWN, "%s", err.msg);
		return;
	}
	if (r->n_rootfs == 0) {
		create_mounted(cr);
		return;
	}
	c->has_rootfs = true;
	spec.function = do_mounts;
	spec.arg = cr;
	spec.capture = true;
	if (!job_start(&spec, on_mounted, cr, &err))
		create_fail(cr, RPC_UNKNOWN, "%s", err.msg);
}
