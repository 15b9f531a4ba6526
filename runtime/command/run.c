/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: run = create and start in one process.  In the
 * foreground it stays with the container, forwards signals, returns its exit
 * status and deletes it (unless --keep); detached it returns when the program
 * runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/command/command.h"
#include "runtime/command/create_options.h"
#include "runtime/command/foreground.h"
#include "runtime/plan/create.h"

static int finish(struct container *c, int status, struct error *err)
{
	int r;

	if (c->options.keep)
		return status;
	r = container_destroy(c->rt, c->id, c->state_fd, false, c->arena, err);
	return r < 0 ? r : status;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct container c = CONTAINER_INIT;
	struct foreground f;
	int r, status;

	c.rt = rt;
	c.arena = rt->arena;
	c.mode = CONTAINER_RUN;
	r = create_options(rt, args, &c, err);
	if (r == 0)
		r = container_prepare(&c, err);
	if (r == 0 && !c.options.detach)
		r = foreground_begin(&f, err);
	if (r == 0)
		r = container_create(&c, err);
	if (r < 0 || c.options.detach)
		return r;
	/* Others may work with the container from now on. */
	state_unlock(c.state_fd);
	status = foreground_wait(&f, c.pid, c.pidfd, c.terminal_master_fd, err);
	if (status < 0)
		return status;
	if (c.notify_listens)
		pthread_join(c.notify_thread, NULL);
	r = state_lock(c.state_fd, false, err);
	return r < 0 ? r : finish(&c, status, err);
}

static const struct command_option options[] = {
	CREATE_OPTIONS,
	{ .name = "detach", .letter = 'd', .help = "return when the program runs" },
	{ .name = "keep", .help = "do not delete the container when its program has ended" },
	{ 0 },
};

const struct command command_run = {
	.name = "run",
	.usage = "[options] ID | BUNDLE/",
	.summary = "create a container from a bundle and run its program",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.enters = true,
	.run = run,
};
