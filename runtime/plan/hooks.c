/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see hooks.h; base/spawn.h does the work.  Used by the hook facility (as steps) and by delete. */
#include "runtime/plan/hooks.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/spawn.h"

static const char *const *with_null(struct arena *a, const char *const *items, size_t count)
{
	const char **list = arena_array(a, const char *, count + 1);

	if (count)
		memcpy(list, items, count * sizeof *list);
	return list;
}

int hooks_run_one(const struct config_hook *hook, const char *name, const char *state_json, const char *const *env,
	struct arena *a, struct error *err)
{
	struct spawn s = {
		.path = hook->path,
		.argv = hook->args_count ? with_null(a, hook->args, hook->args_count) : NULL,
		.envp = hook->env_set ? with_null(a, hook->env, hook->env_count) : env,
		.input = state_json,
		.input_len = strlen(state_json),
		.capture = true,
		.stdout_fd = -1,
		.stderr_fd = -1,
	};
	char text[64];
	int status, r;

	if (hook->timeout.set)
		s.timeout_ms = hook->timeout.value > INT_MAX / 1000 ? INT_MAX : (int)hook->timeout.value * 1000;
	r = spawn_run(&s, a, &status, err);
	if (r < 0) {
		if (err->code != ERR_TIMEOUT)
			err->code = ERR_HOOK;
		return error_wrap(err, "%s hook", name);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	s.output[strcspn(s.output, "\n")] = '\0';
	return error_set(err, ERR_HOOK, EIO, "%s hook %s failed: %s%s%s", name, hook->path, spawn_status_text(status, text),
		s.output[0] ? ", it said: " : "", s.output);
}

void hooks_run_poststop(const struct config *config, const char *state_json, struct arena *a)
{
	struct error err = { 0 };

	if (!config->hooks)
		return;
	for (size_t i = 0; i < config->hooks->poststop.count; i++) {
		error_clear(&err);
		if (hooks_run_one(&config->hooks->poststop.items[i], "poststop", state_json, NULL, a, &err) < 0)
			log_warning("hooks.poststop[%zu]: %s", i, err.msg);
	}
}
