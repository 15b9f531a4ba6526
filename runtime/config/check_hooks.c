/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec config.md, "POSIX-platform Hooks".
 */
#include "runtime/config/check_internal.h"

#include <inttypes.h>

static void check_hook_list(struct check *c, const char *name, const struct config_hook_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct config_hook *h = &list->items[i];

		if (h->path && !text_is_absolute(h->path))
			check_error(c, check_at(c, "hooks.%s[%zu].path", name, i),
				"expected an absolute path, found %s", json_quote(c->arena, h->path));
		if (h->timeout.set && h->timeout.value <= 0)
			check_error(c, check_at(c, "hooks.%s[%zu].timeout", name, i),
				"must be greater than 0, found %" PRId64, h->timeout.value);
		check_environment(c, check_at(c, "hooks.%s[%zu].env", name, i), h->env, h->env_count);
	}
}

void check_hooks(struct check *c, const struct config_hooks *hooks)
{
	check_hook_list(c, "prestart", &hooks->prestart);
	check_hook_list(c, "createRuntime", &hooks->create_runtime);
	check_hook_list(c, "createContainer", &hooks->create_container);
	check_hook_list(c, "startContainer", &hooks->start_container);
	check_hook_list(c, "poststart", &hooks->poststart);
	check_hook_list(c, "poststop", &hooks->poststop);
}
