/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: restore = prepare as run does, and let criu make the processes (runtime/criu/restore.c). */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/command/checkpoint_options.h"
#include "runtime/command/foreground.h"
#include "runtime/plan/create.h"

static int finish(struct container *c, int status, struct error *err)
{
	int r;

	if (status < 0 || c->options.keep)
		return status;
	r = state_lock(c->state_fd, false, err);
	if (r == 0)
		r = container_destroy(c->rt, c->id, c->state_fd, false, c->arena, err);
	return r < 0 ? r : status;
}

static int read_options(struct runtime *rt, const struct arguments *args, struct criu_job *job, struct container *c,
	struct error *err)
{
	int r = checkpoint_options(rt, args, job, err);

	if (r < 0)
		return r;
	job->opts.tcp_close = argument_switch(args, "tcp-close");
	job->opts.lsm_profile = argument(args, "lsm-profile");
	job->opts.lsm_mount_context = argument(args, "lsm-mount-context");
	if (job->opts.lsm_profile && !strchr(job->opts.lsm_profile, ':'))
		return error_set(err, ERR_USAGE, EINVAL, "--lsm-profile %s: expected TYPE:NAME", job->opts.lsm_profile);
	c->rt = rt;
	c->arena = rt->arena;
	c->mode = CONTAINER_RESTORE;
	r = create_options(rt, args, c, err);
	/* The image says how the root came about. */
	c->options.no_pivot = false;
	return r;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct criu_job job = CRIU_JOB_INIT;
	struct container c = CONTAINER_INIT;
	struct foreground f;
	int r = read_options(rt, args, &job, &c, err);

	if (r == 0)
		r = container_prepare(&c, err);
	if (r == 0 && !c.options.detach)
		r = foreground_begin(&f, err);
	if (r == 0) {
		r = criu_restore(&job, &c, err);
		if (r < 0)
			error_wrap(err, "restore container \"%s\"", c.id);
	}
	if (r < 0 || c.options.detach)
		return r;
	/* Others may work with the container from now on. */
	state_unlock(c.state_fd);
	return finish(&c, foreground_wait(&f, c.pid, c.pidfd, c.terminal_master_fd, err), err);
}

static const struct command_option options[] = {
	CHECKPOINT_OPTIONS,
	{ .name = "bundle", .letter = 'b', .value = "DIR", .help = "the bundle (the working directory)" },
	{ .name = "config", .letter = 'f', .value = "FILE", .help = "configuration file (config.json in the bundle)" },
	{ .name = "detach", .letter = 'd', .help = "return when the program runs" },
	{ .name = "keep", .help = "do not delete the container when its program has ended" },
	{ .name = "pid-file", .value = "FILE", .help = "write the process id there" },
	{ .name = "pidfd-socket", .value = "PATH", .help = "socket that receives a pidfd of the process" },
	{ .name = "console-socket", .value = "PATH", .help = "socket that receives the terminal" },
	{ .name = "tcp-close", .help = "close open TCP connections" },
	{ .name = "lsm-profile", .value = "TYPE:NAME", .help = "another LSM profile (apparmor:NAME, selinux:LABEL)" },
	{ .name = "lsm-mount-context", .value = "CONTEXT", .help = "another SELinux context for mounts" },
	{ .name = "no-subreaper" },
	{ .name = "no-pivot" },
	{ .name = "parent-path", .value = "DIR" },
	{ 0 },
};

const struct command command_restore = {
	.name = "restore",
	.usage = "[options] ID",
	.summary = "make a container from the image of a checkpoint; it runs on",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
