/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: from a bundle to a plan; nothing is done to the host. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/config/load.h"
#include "runtime/launcher/launcher.h"
#include "runtime/plan/build.h"
#include "runtime/plan/create.h"
#include "runtime/protect.h"

static int load(struct container *c, struct error *err)
{
	const char *name = c->options.config_file ? c->options.config_file : "config.json";
	struct config_document doc = { 0 };
	int r;

	c->bundle_fd = open(c->options.bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->bundle_fd < 0)
		return error_sys(err, errno, "open bundle %s", c->options.bundle);
	r = config_load(c->bundle_fd, name, c->options.bundle, c->arena, &doc, err);
	if (r < 0) {
		/* "run NAME" in the directory above the bundle. */
		if (err->errnum == ENOENT && faccessat(c->bundle_fd, arena_printf(c->arena, "%s/%s", c->id, name), F_OK, 0) == 0)
			error_hint(err, "the directory %s is a bundle: give it as \"%s/\" or with --bundle", c->id, c->id);
		return r;
	}
	c->config = doc.config;
	c->process = doc.config->process;
	c->config_raw = doc.text;
	c->config_raw_len = doc.len;
	for (size_t i = 0; i < doc.warnings.count && c->mode != CONTAINER_EXPLAIN; i++)
		log_info("%s: %s", doc.warnings.items[i].path, doc.warnings.items[i].msg);
	return 0;
}

/* Does the filter allow the few calls of the launcher without conditions? */
static bool filter_allows_launcher(const struct config_seccomp *s)
{
	static const char *const calls[] = { "execveat", "execve", "fcntl", "write", "exit_group" };

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		bool allowed = s->default_action == CONFIG_SCMP_ACT_ALLOW;

		for (size_t k = 0; k < s->syscalls_count; k++) {
			const struct config_seccomp_rule *rule = &s->syscalls[k];

			for (size_t n = 0; n < rule->names_count; n++) {
				if (strcmp(rule->names[n], calls[i]) != 0)
					continue;
				if (rule->action != CONFIG_SCMP_ACT_ALLOW || rule->args_count)
					return false;
				allowed = true;
			}
		}
		if (!allowed)
			return false;
	}
	return true;
}

/*
 * Is the launcher enough to keep the runtime's binary out of reach?  Yes when nobody but the runtime's own hooks can look
 * at the process before it is the launcher: in a pid namespace of its own.  An LSM label is for the next execve only,
 * and a filter or a hook of the container's may stand between the two.
 */
static bool launcher_suffices(const struct container *c)
{
	const struct config_linux *l = c->config->linux;
	const struct config_process *p = c->process;
	bool own_pids = false;

	for (size_t i = 0; i < l->namespaces_count; i++)
		own_pids |= l->namespaces[i].type == CONFIG_NS_PID && !l->namespaces[i].path;
	if (!launcher_available() || !own_pids || !p || p->apparmor_profile || p->selinux_label)
		return false;
	if (c->config->hooks && c->config->hooks->start_container.count)
		return false;
	return !l->seccomp || filter_allows_launcher(l->seccomp);
}

static int protect(struct container *c, struct error *err)
{
	if (c->mode == CONTAINER_EXPLAIN)
		return 0;
	if (!launcher_suffices(c))
		return protect_self(c->rt->argv, err);
	c->launcher_fd = launcher_open(err);
	return c->launcher_fd < 0 ? c->launcher_fd : 0;
}

int container_prepare(struct container *c, struct error *err)
{
	struct cgroup_request request;
	int r;

	c->proc_fd = proc_open_host(err);
	if (c->proc_fd < 0)
		return c->proc_fd;
	r = load(c, err);
	if (r < 0)
		return r;
	r = protect(c, err);
	if (r < 0)
		return r;
	if (!c->config->root) {
		error_path(err, "root");
		return error_set(err, ERR_CONFIG, EINVAL, "is required on Linux");
	}
	request = (struct cgroup_request){
		.cgroups_path = c->config->linux->cgroups_path,
		.id = c->id,
		.manager = c->rt->cgroup_manager,
		.rootless = c->rt->rootless,
		.annotations = &c->config->annotations,
		.proc_fd = c->proc_fd,
	};
	r = cgroup_locate(c->arena, &request, &c->cgroup, err);
	if (r < 0)
		return r;
	c->plan.arena = c->arena;
	c->plan.explain = c->mode == CONTAINER_EXPLAIN;
	return plan_build(c, err);
}
