/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what every command on an existing container begins with, and the options of create and run. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/command/command.h"

int container_open(const struct runtime *rt, const char *id, bool lock, struct opened *o, struct error *err)
{
	int r;

	*o = (struct opened){ .state_fd = -1, .proc_fd = -1 };
	r = state_check_id(id, err);
	if (r == 0)
		r = state_open(rt, id, &o->state_fd, err);
	if (r == 0 && lock)
		r = state_lock(o->state_fd, false, err);
	if (r < 0)
		return r;
	o->proc_fd = proc_open_host(err);
	if (o->proc_fd < 0)
		return o->proc_fd;
	r = state_read(o->state_fd, rt->arena, &o->state, err);
	if (r == 0)
		r = cgroup_open_saved(rt->arena, &o->state.cgroup, &o->cgroup, err);
	if (r == 0)
		r = state_status(o->state_fd, &o->state, o->cgroup, o->proc_fd, &o->status, err);
	return r < 0 ? error_wrap(err, "container \"%s\"", id) : 0;
}

void container_close(struct opened *o)
{
	if (o->cgroup)
		cgroup_close(o->cgroup);
	cleanup_fd(&o->state_fd);
	cleanup_fd(&o->proc_fd);
}

/* A slash cannot be in an id: it is a bundle directory, and the id is made from its name. */
static int bundle_operand(const struct runtime *rt, const char *operand, struct container *c, struct error *err)
{
	char path[PATH_MAX], *name;

	if (!realpath(operand, path))
		return error_sys(err, errno, "open bundle %s", operand);
	c->options.bundle = arena_strdup(rt->arena, path);
	name = strrchr(path, '/') + 1;
	for (char *p = name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.", *p))
			*p = '-';
	c->id = arena_strdup(rt->arena, *name == '.' ? name + 1 : name);
	return 0;
}

static unsigned int count_listen_descriptors(void)
{
	const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	unsigned long n;
	char *end;

	if (!count || *count < '0' || *count > '9')
		return 0;
	n = strtoul(count, &end, 10);
	if (*end || n > LISTEN_FDS_MAX)
		return 0;
	if (pid)
		return strtol(pid, NULL, 10) == getpid() ? (unsigned int)n : 0;
	for (unsigned long i = 0; i < n; i++)
		if (fcntl(3 + (int)i, F_GETFD) < 0)
			return 0;
	return (unsigned int)n;
}

unsigned int listen_descriptors(void)
{
	/* Once, before this process opens anything itself. */
	static bool known;
	static unsigned int n;

	if (!known)
		n = count_listen_descriptors();
	known = true;
	return n;
}

int create_options(const struct runtime *rt, const struct arguments *args, struct container *c, struct error *err)
{
	const char *bundle = argument(args, "bundle"), *operand = args->operands[0];
	struct create_options *o = &c->options;
	char path[PATH_MAX];
	unsigned int preserve;
	int r = 0;

	if (strchr(operand, '/') && !bundle) {
		r = bundle_operand(rt, operand, c, err);
	} else {
		c->id = operand;
		r = state_check_id(operand, err);
		if (r == 0 && !realpath(bundle ? bundle : ".", path))
			r = error_sys(err, errno, "open bundle %s", bundle ? bundle : ".");
		if (r == 0)
			o->bundle = arena_strdup(rt->arena, path);
	}
	if (r == 0)
		r = argument_number(args, "preserve-fds", 0, PRESERVE_FDS_MAX, &preserve, err);
	if (r < 0)
		return r;
	o->config_file = argument(args, "config");
	o->console_socket = argument(args, "console-socket");
	o->pidfd_socket = argument(args, "pidfd-socket");
	o->pid_file = argument(args, "pid-file");
	o->no_pivot = argument_switch(args, "no-pivot");
	o->no_new_keyring = argument_switch(args, "no-new-keyring");
	o->detach = argument_switch(args, "detach");
	o->keep = argument_switch(args, "keep");
	o->listen_fds = listen_descriptors();
	o->preserve_fds = preserve + o->listen_fds;
	return 0;
}
