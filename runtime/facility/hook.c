/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: hooks as steps (runtime-spec, "Lifecycle").
 *
 *   prestart, createRuntime   host side, after the mounts, before the pivot   "creating", host pid
 *   createContainer           container side, before the pivot                "creating", pid in the container
 *   startContainer            container side, after start                     "created"
 *   poststart                 host side, the program runs                     "running"
 *   poststop                  by delete (runtime/plan/destroy.c)              "stopped"
 *
 * The working directory is, as in runc, the bundle on the host side and the root
 * filesystem for createContainer.  A hook without `env` gets none of the runtime's environment; startContainer
 * hooks, which run inside, get the container's.
 */
#include <string.h>
#include <unistd.h>

#include "runtime/facility/facility.h"
#include "runtime/plan/create.h"
#include "runtime/plan/hooks.h"

struct hook_step {
	const struct config_hook *hook;
	const char *name;
	enum status status;
};

static int run(struct container *c, const struct step *s, struct error *err)
{
	const struct hook_step *h = s->data;
	bool inside = stage_is_container_side(s->stage);
	const struct hook_run how = {
		.name = h->name,
		.index = (size_t)s->index,
		.state_json = container_state_json(c, h->status, inside ? getpid() : c->pid),
		.env = s->stage == STAGE_LAUNCH ? c->envp : NULL,
		.dir_fd = !inside ? c->bundle_fd : s->stage == STAGE_CONTAINER_HOOK ? c->root_fd : -1,
		.output = { c->hook_stdout_fd, c->hook_stderr_fd },
	};

	if (!inside)
		c->hooks_ran = true;
	return hooks_run_one(h->hook, &how, c->arena, err);
}

/* On the host side for all of them: neither the path nor the right to write there need exist in the container. */
static int open_output(struct container *c, const struct step *s, struct error *err)
{
	struct hook_output output;
	int r = hooks_output_open(c->config, &output, err);

	(void)s;
	c->hook_stdout_fd = output.out;
	c->hook_stderr_fd = output.err;
	return r;
}

static void add(struct container *c, const struct config_hook_list *list, enum stage stage, const char *name,
	enum status status)
{
	for (size_t i = 0; i < list->count; i++) {
		struct hook_step *h = arena_new(c->arena, struct hook_step);
		struct step *s = plan_add(&c->plan, stage, "hook", arena_printf(c->arena, "hooks.%s", name), run, h);

		*h = (struct hook_step){ &list->items[i], name, status };
		s->index = (int)i;
		step_text(&c->plan, s, "run the %s hook %s", name, list->items[i].path);
	}
}

int hook_plan(struct container *c, struct error *err)
{
	const struct config_hooks *hooks = c->config->hooks;

	(void)err;
	if (!hooks)
		return 0;
	if (config_map_get(&c->config->annotations, "run.oci.hooks.stdout") ||
		config_map_get(&c->config->annotations, "run.oci.hooks.stderr"))
		plan_add(&c->plan, STAGE_HOST, "hook", NULL, open_output, NULL)->text = "open the files that hooks write to";
	add(c, &hooks->prestart, STAGE_RUNTIME_HOOK, "prestart", STATUS_CREATING);
	add(c, &hooks->create_runtime, STAGE_RUNTIME_HOOK, "createRuntime", STATUS_CREATING);
	add(c, &hooks->create_container, STAGE_CONTAINER_HOOK, "createContainer", STATUS_CREATING);
	add(c, &hooks->start_container, STAGE_LAUNCH, "startContainer", STATUS_CREATED);
	add(c, &hooks->poststart, STAGE_POSTSTART, "poststart", STATUS_RUNNING);
	return 0;
}
