/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: open the reading end of the proof FIFO first, then write
 * the byte the container's process waits for, then read the proof to its end.
 * When the program runs the start FIFO goes: that makes the container "running".
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/command/command.h"
#include "runtime/config/load.h"
#include "runtime/plan/build.h"
#include "runtime/plan/create.h"
#include "runtime/plan/hooks.h"

static int release(const struct opened *o, struct error *err)
{
	_cleanup_fd_ int proof = openat(o->state_fd, STATE_PROOF_FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_fd_ int start = openat(o->state_fd, STATE_START_FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (start < 0 && errno == ENXIO)
		return error_set(err, ERR_NOT_RUNNING, ESRCH, "the container's process is gone");
	if (proof < 0 || start < 0)
		return error_sys(err, errno, "open the start FIFO");
	if (fcntl(proof, F_SETFL, 0) < 0)
		return error_sys(err, errno, "prepare the proof FIFO");
	r = fd_write_all(start, "", 1);
	if (r < 0)
		return error_sys(err, -r, "write to the start FIFO");
	r = container_proof(proof, o->proc_fd, o->state.pid, err);
	if (r < 0)
		return r;
	if (unlinkat(o->state_fd, STATE_START_FIFO, 0) < 0 || unlinkat(o->state_fd, STATE_PROOF_FIFO, 0) < 0)
		return error_sys(err, errno, "remove the start FIFO");
	return 0;
}

static void destroy(struct runtime *rt, const struct opened *o, const char *id)
{
	struct error err = { 0 };

	if (container_destroy(rt, id, o->state_fd, false, rt->arena, &err) < 0)
		log_warning("%s", err.msg);
}

static int poststart(struct runtime *rt, const struct opened *o, const char *id, struct error *err)
{
	struct config_document doc = { 0 };
	struct hook_output output;
	const char *state;
	int r;

	r = config_load_copy(o->state_fd, STATE_CONFIG_FILE, rt->arena, &doc, err);
	if (r == 0)
		r = hooks_output_open(doc.config, &output, err);
	if (r < 0)
		return r;
	state = state_json(rt->arena, &o->state, STATUS_RUNNING, o->state.pid, false, false);
	for (size_t i = 0; r == 0 && i < doc.config->hooks->poststart.count; i++) {
		const struct hook_run how = { "poststart", i, state, NULL, -1, output };

		r = hooks_run_one(&doc.config->hooks->poststart.items[i], &how, rt->arena, err);
		if (r < 0)
			error_path(err, "hooks.poststart[%zu]", i);
	}
	hooks_output_close(&output);
	/* Since 1.3 a failing poststart hook ends the container. */
	if (r < 0)
		destroy(rt, o, id);
	return r;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *id = args->operands[0];
	struct opened o;
	int r = container_open(rt, id, true, &o, err);

	if (r < 0)
		return r;
	if (o.status != STATUS_CREATED) {
		r = error_set(err, ERR_STATE, EBUSY, "cannot start container \"%s\" in state %s: it must be created", id,
			status_name(o.status));
	} else {
		r = release(&o, err);
		/* A failing startContainer hook ends the container, poststop hooks included (runtime-spec, "Lifecycle"). */
		if (r < 0 && strncmp(err->path, "hooks.", 6) == 0)
			destroy(rt, &o, id);
		if (r == 0 && o.state.poststart)
			r = poststart(rt, &o, id, err);
	}
	container_close(&o);
	return r;
}

const struct command command_start = {
	.name = "start",
	.usage = "ID",
	.summary = "run the program of a created container; returns when it really runs",
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
