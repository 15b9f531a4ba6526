/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: delete a stopped container.  One in another state is an
 * error without effect (runtime-spec, "Delete"); --force kills it first, cleans
 * what a killed create has left, and does not mind an id that does not exist.
 */
#include <errno.h>
#include <signal.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/command/command.h"
#include "runtime/plan/create.h"

static int check_stopped(const struct runtime *rt, const char *id, struct error *err)
{
	struct opened o;
	int r = container_open(rt, id, false, &o, err);

	if (r == 0 && o.status != STATUS_STOPPED) {
		error_hint(err, "kill it first, or use delete --force");
		r = error_set(err, ERR_STATE, EBUSY, "cannot delete container \"%s\" that is not stopped: it is %s", id,
			status_name(o.status));
	}
	if (r < 0 && err->code == ERR_STATE && r == -ENOENT)
		error_hint(err, "delete --force removes what a killed create has left");
	container_close(&o);
	return r;
}

/* With --force: a start that hangs in a hook holds the lock, and only its death lets go of it. */
static void kill_if_locked(const struct runtime *rt, int state_fd)
{
	struct state s = { 0 };
	struct error err = { 0 };
	_cleanup_fd_ int proc = -1, pidfd = -1;

	if (state_lock(state_fd, true, &err) == 0 || state_read(state_fd, rt->arena, &s, &err) < 0)
		return;
	proc = proc_open_host(&err);
	pidfd = proc < 0 ? -1 : state_pidfd(&s, proc);
	if (pidfd >= 0)
		fd_pidfd_signal(pidfd, SIGKILL);
}

static int delete_one(struct runtime *rt, const char *id, const struct arguments *args, struct error *err)
{
	bool force = argument_switch(args, "force");
	_cleanup_fd_ int state_fd = -1;
	int r = state_check_id(id, err);

	if (r < 0)
		return r;
	r = state_open(rt, id, &state_fd, err);
	if (r < 0) {
		if (!force || err->code != ERR_NOT_FOUND)
			return r;
		error_clear(err);
		return 0;
	}
	if (force)
		kill_if_locked(rt, state_fd);
	r = state_lock(state_fd, false, err);
	if (r == 0 && !force)
		r = check_stopped(rt, id, err);
	return r < 0 ? r : container_destroy(rt, id, state_fd, force, rt->arena, err);
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	if (argument_switch(args, "regex"))
		return containers_matching(rt, args, delete_one, err);
	return delete_one(rt, args->operands[0], args, err);
}

static const struct command_option options[] = {
	{ .name = "force", .letter = 'f', .help = "kill a running container; clean up one whose creation was cut short" },
	{ .name = "regex", .letter = 'r', .help = "ID is a regular expression: every container that it matches" },
	{ 0 },
};

const struct command command_delete = {
	.name = "delete",
	.usage = "[--force] ID",
	.summary = "delete a stopped container and all that belongs to it",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
