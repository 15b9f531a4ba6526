/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: exec = the container's own configuration (as it was at
 * create) with a process of its own, from a file or from flags, carried out by
 * runtime/plan/exec.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "runtime/command/command.h"
#include "runtime/command/foreground.h"
#include "runtime/config/check.h"
#include "runtime/config/load.h"
#include "runtime/facility/facility.h"
#include "runtime/plan/build.h"
#include "runtime/plan/create.h"
#include "specs/enums.h"

/* Whole string, decimal, below the invalid id: never a name, never a wrapped number. */
static int parse_id(const char *text, size_t n, uint32_t *id)
{
	uint64_t value = 0;

	if (n == 0 || n > 10)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	if (value >= UINT32_MAX)
		return -EINVAL;
	*id = (uint32_t)value;
	return 0;
}

static int apply_user(struct config_process *p, const char *user, struct error *err)
{
	const char *colon = strchr(user, ':');
	size_t n = colon ? (size_t)(colon - user) : strlen(user);

	if (parse_id(user, n, &p->user.uid) < 0 || (colon && parse_id(colon + 1, strlen(colon + 1), &p->user.gid) < 0))
		return error_set(err, ERR_USAGE, EINVAL, "--user %s: expected UID or UID:GID, as numbers", user);
	return 0;
}

static int apply_groups(struct arena *a, struct config_process *p, const struct arguments *args, struct error *err)
{
	const char *text;
	size_t at = 0;

	while ((text = argument_next(args, "additional-gids", &at))) {
		size_t n = p->user.additional_gids_count;
		uint32_t gid, *list;

		if (parse_id(text, strlen(text), &gid) < 0)
			return error_set(err, ERR_USAGE, EINVAL, "--additional-gids %s: expected a number", text);
		list = arena_array(a, uint32_t, n + 1);
		if (n)
			memcpy(list, p->user.additional_gids, n * sizeof *list);
		list[n] = gid;
		p->user.additional_gids = list;
		p->user.additional_gids_count = n + 1;
	}
	return 0;
}

static int apply_capabilities(struct arena *a, struct config_process *p, const struct arguments *args, struct error *err)
{
	const char *name;
	size_t at = 0;

	while ((name = argument_next(args, "cap", &at))) {
		struct config_capabilities *caps = arena_new(a, struct config_capabilities);
		int64_t number;

		if (p->capabilities)
			*caps = *p->capabilities;
		if (!json_enum_find(&config_capability_names, name, strlen(name), &number))
			return error_set(err, ERR_USAGE, EINVAL, "--cap %s: unknown capability", name);
		caps->bounding.bits |= 1ull << number;
		caps->effective.bits |= 1ull << number;
		caps->permitted.bits |= 1ull << number;
		/* As in runc: without it the program of an ordinary user would not have the capability. */
		caps->ambient.bits |= caps->inheritable.bits & 1ull << number;
		p->capabilities = caps;
	}
	return 0;
}

static void apply_env(struct arena *a, struct config_process *p, const struct arguments *args)
{
	const char *entry;
	size_t at = 0;

	while ((entry = argument_next(args, "env", &at))) {
		const char **list = arena_array(a, const char *, p->env_count + 1);

		if (p->env_count)
			memcpy(list, p->env, p->env_count * sizeof *list);
		list[p->env_count++] = entry;
		p->env = list;
	}
}

/* The container's process with what the flags change. */
static int process_from_flags(struct arena *a, const struct config *config, const struct arguments *args,
	struct config_process **out, struct error *err)
{
	struct config_process *p = arena_new(a, struct config_process);
	int r = 0;

	if (args->operands_count < 2)
		return error_set(err, ERR_USAGE, EINVAL, "exec needs a program to execute, or --process FILE");
	*p = *config->process;
	p->args = (const char **)args->operands + 1;
	p->args_count = args->operands_count - 1;
	p->terminal = argument_switch(args, "tty");
	p->console_size.set = false;
	if (argument(args, "cwd"))
		p->cwd = argument(args, "cwd");
	if (p->cwd[0] != '/')
		return error_set(err, ERR_USAGE, EINVAL, "--cwd %s: expected an absolute path", p->cwd);
	if (argument(args, "user"))
		r = apply_user(p, argument(args, "user"), err);
	if (r == 0)
		r = apply_groups(a, p, args, err);
	if (r == 0)
		r = apply_capabilities(a, p, args, err);
	if (r < 0)
		return r;
	apply_env(a, p, args);
	*out = p;
	return 0;
}

static int read_process(struct container *c, const struct arguments *args, struct error *err)
{
	const char *file = argument(args, "process");
	struct json_errors warnings = { 0 };
	struct config_process *p = NULL;
	int r;

	if (file && args->operands_count > 1)
		return error_set(err, ERR_USAGE, EINVAL, "exec: --process and a program exclude one another");
	if (file)
		r = process_load(AT_FDCWD, file, c->arena, &p, &warnings, err);
	else
		r = process_from_flags(c->arena, c->config, args, &p, err);
	if (r < 0)
		return r;
	if (argument_switch(args, "tty"))
		p->terminal = true;
	if (argument(args, "process-label"))
		p->selinux_label = argument(args, "process-label");
	if (argument(args, "apparmor"))
		p->apparmor_profile = argument(args, "apparmor");
	if (argument_switch(args, "no-new-privs"))
		p->no_new_privileges = true;
	c->process = p;
	return 0;
}

static int check_status(const struct opened *o, const char *id, bool ignore_paused, struct error *err)
{
	switch (o->status) {
	case STATUS_STOPPED:
	case STATUS_CREATING:
		return error_set(err, ERR_NOT_RUNNING, ESRCH, "cannot exec in container \"%s\": container not running: "
			"no such process", id);
	case STATUS_PAUSED:
		if (ignore_paused)
			return 0;
		error_hint(err, "resume it, or use --ignore-paused");
		return error_set(err, ERR_STATE, EBUSY, "cannot exec in a paused container (\"%s\")", id);
	default:
		return 0;
	}
}

static int build(struct container *c, const struct arguments *args, struct error *err)
{
	const char **subs = arena_array(c->arena, const char *, args->values_count + 1);
	size_t n = 0, at = 0;
	int r;

	while ((subs[n] = argument_next(args, "cgroup", &at)))
		n++;
	c->plan.arena = c->arena;
	r = cgroup_plan_exec(c, subs, n, err);
	return r < 0 ? r : plan_build(c, err);
}

static int load(struct container *c, const struct opened *o, const struct arguments *args, struct error *err)
{
	struct config_document doc = { 0 };
	struct create_options *options = &c->options;
	unsigned int preserve;
	int r;

	r = config_load_copy(o->state_fd, STATE_CONFIG_FILE, c->arena, &doc, err);
	if (r < 0)
		return r;
	c->config = doc.config;
	for (size_t i = 0; i < doc.config->linux->namespaces_count; i++)
		c->userns |= doc.config->linux->namespaces[i].type == CONFIG_NS_USER;
	options->bundle = o->state.bundle;
	options->console_socket = argument(args, "console-socket");
	options->pidfd_socket = argument(args, "pidfd-socket");
	options->pid_file = argument(args, "pid-file");
	options->detach = argument_switch(args, "detach");
	r = argument_number(args, "preserve-fds", 0, PRESERVE_FDS_MAX, &preserve, err);
	options->preserve_fds = preserve;
	if (r == 0)
		r = read_process(c, args, err);
	return r < 0 ? r : build(c, args, err);
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct container c = CONTAINER_INIT;
	_cleanup_fd_ int init = -1;
	struct foreground f;
	struct opened o;
	int r;

	r = container_open(rt, args->operands[0], false, &o, err);
	if (r == 0)
		r = check_status(&o, args->operands[0], argument_switch(args, "ignore-paused"), err);
	if (r < 0)
		return r;
	c.rt = rt;
	c.arena = rt->arena;
	c.mode = CONTAINER_EXEC;
	c.id = args->operands[0];
	c.proc_fd = o.proc_fd;
	c.state_fd = o.state_fd;
	c.cgroup = o.cgroup;
	r = load(&c, &o, args, err);
	if (r < 0)
		return r;
	init = state_pidfd(&o.state, o.proc_fd);
	if (init == -ESRCH)
		return error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	if (init < 0)
		return error_sys(err, -init, "open process %d", o.state.pid);
	if (!c.options.detach)
		r = foreground_begin(&f, err);
	if (r == 0)
		r = container_exec(&c, init, o.state.pid, err);
	if (r < 0 || c.options.detach)
		return r;
	return foreground_wait(&f, c.pid, c.pidfd, c.terminal_master_fd, err);
}

static const struct command_option options[] = {
	{ .name = "process", .letter = 'p', .value = "FILE", .help = "the process as JSON, instead of flags and a program" },
	{ .name = "tty", .letter = 't', .help = "give it a terminal" },
	{ .name = "console-socket", .value = "PATH", .help = "socket that receives the terminal" },
	{ .name = "pidfd-socket", .value = "PATH", .help = "socket that receives a pidfd of the process" },
	{ .name = "detach", .letter = 'd', .help = "return when the program runs" },
	{ .name = "pid-file", .value = "FILE", .help = "write the process id there" },
	{ .name = "cwd", .value = "DIR", .help = "working directory in the container" },
	{ .name = "env", .letter = 'e', .value = "NAME=VALUE", .repeatable = true, .help = "add to the environment" },
	{ .name = "user", .letter = 'u', .value = "UID[:GID]", .help = "user and group, as numbers" },
	{ .name = "additional-gids", .letter = 'g', .value = "GID", .repeatable = true, .help = "add a supplementary group" },
	{ .name = "cap", .letter = 'c', .value = "CAP", .repeatable = true, .help = "add a capability" },
	{ .name = "no-new-privs", .help = "set no_new_privs" },
	{ .name = "process-label", .value = "LABEL", .help = "SELinux label" },
	{ .name = "apparmor", .value = "PROFILE", .help = "AppArmor profile" },
	{ .name = "preserve-fds", .value = "N", .help = "pass N descriptors after stderr to the program" },
	{ .name = "cgroup", .value = "[CTRL:]PATH", .repeatable = true, .help = "run in a cgroup below the container's" },
	{ .name = "ignore-paused", .help = "also in a paused container; the program starts when it is resumed" },
	{ .name = "no-subreaper" },
	{ 0 },
};

const struct command command_exec = {
	.name = "exec",
	.usage = "[options] ID PROGRAM [ARGUMENTS] | exec [options] --process FILE ID",
	.summary = "execute a program in a running container",
	.options = options,
	.operands_min = 1,
	.operands_max = SIZE_MAX,
	.stop_at_operand = true,
	.enters = true,
	.protect = true,
	.failure_status = 255,
	.run = run,
};
