/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see hooks.h; base/spawn.h does the work.  Used by the hook facility (as steps) and by delete. */
#include "runtime/plan/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"

static const char *const *with_null(struct arena *a, const char *const *items, size_t count)
{
	const char **list = arena_array(a, const char *, count + 1);

	if (count)
		memcpy(list, items, count * sizeof *list);
	return list;
}

static int open_output(const struct config *config, const char *key, int *fd, struct error *err)
{
	const char *path = config_map_get(&config->annotations, key);

	*fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0600) : -1;
	if (!path || *fd >= 0)
		return 0;
	error_path(err, "annotations[\"%s\"]", key);
	return error_sys(err, errno, "open \"%s\" for the output of hooks", path);
}

int hooks_output_open(const struct config *config, struct hook_output *output, struct error *err)
{
	int r;

	*output = HOOK_OUTPUT_NONE;
	r = open_output(config, "run.oci.hooks.stdout", &output->out, err);
	if (r == 0)
		r = open_output(config, "run.oci.hooks.stderr", &output->err, err);
	if (r < 0)
		hooks_output_close(output);
	return r;
}

void hooks_output_close(struct hook_output *output)
{
	cleanup_fd(&output->out);
	cleanup_fd(&output->err);
	*output = HOOK_OUTPUT_NONE;
}

int hooks_run_one(const struct config_hook *hook, const struct hook_run *how, struct arena *a, struct error *err)
{
	struct spawn s = {
		.path = hook->path,
		.argv = hook->args_count ? with_null(a, hook->args, hook->args_count) : NULL,
		.envp = hook->env_set ? with_null(a, hook->env, hook->env_count) : how->env,
		.input = how->state_json,
		.input_len = strlen(how->state_json),
		.capture = true,
		.stdout_fd = how->output.out,
		.stderr_fd = how->output.err,
		.dir_fd = how->dir_fd,
	};
	char text[64];
	int status, r;

	if (hook->timeout.set)
		s.timeout_ms = hook->timeout.value > INT_MAX / 1000 ? INT_MAX : (int)hook->timeout.value * 1000;
	r = spawn_run(&s, a, &status, err);
	if (r < 0) {
		if (err->code != ERR_TIMEOUT)
			err->code = ERR_HOOK;
		return error_wrap(err, "error running %s hook #%zu", how->name, how->index);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	s.output[strcspn(s.output, "\n")] = '\0';
	return error_set(err, ERR_HOOK, EIO, "error running %s hook #%zu: %s: %s%s%s", how->name, how->index, hook->path,
		spawn_status_text(status, text), s.output[0] ? ", it said: " : "", s.output);
}

void hooks_run_poststop(const struct config *config, const char *state_json, struct arena *a)
{
	struct hook_output output;
	struct error err = { 0 };

	if (!config->hooks || !config->hooks->poststop.count)
		return;
	if (hooks_output_open(config, &output, &err) < 0)
		log_warning("poststop hooks: %s", err.msg);
	for (size_t i = 0; i < config->hooks->poststop.count; i++) {
		const struct hook_run how = { "poststop", i, state_json, NULL, -1, output };

		error_clear(&err);
		if (hooks_run_one(&config->hooks->poststop.items[i], &how, a, &err) < 0)
			log_warning("hooks.poststop[%zu]: %s", i, err.msg);
	}
	hooks_output_close(&output);
}
