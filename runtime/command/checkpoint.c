/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: checkpoint = dump a running container with criu
 * (runtime/criu/dump.c) and, unless it is to go on, delete it as `delete` does:
 * its processes are in the image now.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/command/checkpoint_options.h"
#include "runtime/config/load.h"
#include "runtime/plan/create.h"

static int page_server(struct arena *a, const struct arguments *args, struct criu_opts *o, struct error *err)
{
	const char *text = argument(args, "page-server"), *colon;
	unsigned long port;
	char *end;

	if (!text || !*text)
		return 0;
	colon = strrchr(text, ':');
	port = colon ? strtoul(colon + 1, &end, 10) : 0;
	if (!colon || colon == text || colon[1] < '0' || colon[1] > '9' || *end || port == 0 || port > 65535)
		return error_set(err, ERR_USAGE, EINVAL, "--page-server %s: expected ADDRESS:PORT", text);
	o->ps = arena_new(a, struct criu_page_server);
	o->ps->address = arena_strndup(a, text, (size_t)(colon - text));
	o->ps->port = (struct opt_i64){ true, (int64_t)port };
	return 0;
}

static int status_fd(const struct arguments *args, struct criu_job *job, struct error *err)
{
	unsigned int fd;
	int r = argument_number(args, "status-fd", 0, 1 << 20, &fd, err), flags;

	if (r < 0 || !argument(args, "status-fd"))
		return r;
	flags = fcntl((int)fd, F_GETFL);
	if (flags < 0)
		return error_sys(err, errno, "--status-fd %u", fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return error_set(err, ERR_USAGE, EBADF, "--status-fd %u: is not open for writing", fd);
	if (!job->opts.lazy_pages)
		return error_set(err, ERR_USAGE, EINVAL, "--status-fd has a meaning only with --lazy-pages");
	/* criu's own descriptors are told from ours by this. */
	if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_sys(err, errno, "--status-fd %u", fd);
	job->status_fd = (int)fd;
	return 0;
}

static int read_options(struct runtime *rt, const struct arguments *args, struct criu_job *job, struct error *err)
{
	int r = checkpoint_options(rt, args, job, err);

	if (r < 0)
		return r;
	job->pre_dump = argument_switch(args, "pre-dump");
	job->parent_path = argument(args, "parent-path");
	if (job->parent_path && !*job->parent_path)
		job->parent_path = NULL;
	job->opts.leave_running = argument_switch(args, "leave-running");
	job->opts.tcp_skip_in_flight = argument_switch(args, "tcp-skip-in-flight");
	job->opts.link_remap = argument_switch(args, "link-remap");
	r = page_server(rt->arena, args, &job->opts, err);
	return r < 0 ? r : status_fd(args, job, err);
}

static int check_status(const struct opened *o, const char *id, struct error *err)
{
	if (o->status == STATUS_RUNNING || o->status == STATUS_PAUSED)
		return 0;
	if (o->status == STATUS_STOPPED)
		return error_set(err, ERR_NOT_RUNNING, ESRCH, "cannot checkpoint container \"%s\": container not running: "
			"no such process", id);
	return error_set(err, ERR_STATE, EBUSY, "cannot checkpoint container \"%s\" in state %s: it must be running", id,
		status_name(o->status));
}

static int dump(struct runtime *rt, struct criu_job *job, const struct opened *o, struct error *err)
{
	struct dump_target target = { &o->state, NULL, o->cgroup, o->proc_fd };
	struct config_document doc = { 0 };
	int r = config_load_copy(o->state_fd, STATE_CONFIG_FILE, rt->arena, &doc, err);

	if (r < 0)
		return r;
	target.config = doc.config;
	return criu_dump(job, &target, err);
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct criu_job job = CRIU_JOB_INIT;
	const char *id = args->operands[0];
	struct opened o;
	int r = read_options(rt, args, &job, err);

	if (r < 0)
		return r;
	r = container_open(rt, id, true, &o, err);
	if (r < 0)
		return r;
	r = check_status(&o, id, err);
	if (r == 0) {
		r = dump(rt, &job, &o, err);
		if (r < 0)
			error_wrap(err, "%s container \"%s\"", job.pre_dump ? "pre-dump" : "checkpoint", id);
	}
	if (r == 0 && !job.pre_dump && !job.opts.leave_running)
		r = container_destroy(rt, id, o.state_fd, false, rt->arena, err);
	container_close(&o);
	return r;
}

static const struct command_option options[] = {
	CHECKPOINT_OPTIONS,
	{ .name = "leave-running", .help = "let the container go on afterwards" },
	{ .name = "pre-dump", .help = "dump memory only, and let the container go on" },
	{ .name = "parent-path", .value = "DIR", .help = "directory of an earlier pre-dump, relative to the image's" },
	{ .name = "tcp-skip-in-flight", .help = "leave out TCP connections that are not established yet" },
	{ .name = "link-remap", .help = "handle files that were removed but have other links" },
	{ .name = "page-server", .value = "ADDRESS:PORT", .help = "send memory to a criu page-server" },
	{ .name = "status-fd", .value = "FD", .help = "write a byte there when lazy pages can be fetched" },
	{ 0 },
};

const struct command command_checkpoint = {
	.name = "checkpoint",
	.usage = "[options] ID",
	.summary = "save a running container as an image with criu, and delete it",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
