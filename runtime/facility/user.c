/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a new user namespace.  The host side writes its maps
 * while the container side waits; then the container side becomes root inside.
 *
 * A privileged runtime writes the maps itself.  An unprivileged one may map
 * only its own id; for more it needs newuidmap and newgidmap, which check
 * /etc/subuid and /etc/subgid.  setgroups must be denied before an unprivileged
 * process may write a gid map (user_namespaces(7)).
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/procfs.h"
#include "base/spawn.h"
#include "runtime/facility/facility.h"

struct maps {
	const struct config_id_mapping *items;
	size_t count;
	const char *file;   /* "uid_map" */
	const char *helper; /* "newuidmap" */
	const char *subids; /* "/etc/subuid" */
	uint32_t own;	    /* the caller's id */
	const char *text;
};

static int own_id_only(const struct maps *m)
{
	return m->count == 1 && m->items[0].size == 1 && m->items[0].host_id == m->own;
}

static int run_helper(struct container *c, const struct maps *m, struct error *err)
{
	static const char *const dirs[] = { "/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin" };
	const char **argv = arena_array(c->arena, const char *, 3 + m->count * 3);
	struct spawn s = { .argv = argv, .capture = true, .timeout_ms = 10000, .stdout_fd = -1, .stderr_fd = -1 };
	size_t n = 0;
	int status, r;

	for (size_t i = 0; i < sizeof dirs / sizeof *dirs && !s.path; i++) {
		const char *path = arena_printf(c->arena, "%s/%s", dirs[i], m->helper);

		if (access(path, X_OK) == 0)
			s.path = path;
	}
	if (!s.path) {
		error_hint(err, "install %s (package uidmap), or map only your own id with size 1", m->helper);
		return error_set(err, ERR_UNSUPPORTED, ENOENT, "%s is not installed and an unprivileged user cannot write "
			"a %s of more than one id", m->helper, m->file);
	}
	argv[n++] = m->helper;
	argv[n++] = arena_printf(c->arena, "%d", c->pid);
	for (size_t i = 0; i < m->count; i++) {
		argv[n++] = arena_printf(c->arena, "%u", m->items[i].container_id);
		argv[n++] = arena_printf(c->arena, "%u", m->items[i].host_id);
		argv[n++] = arena_printf(c->arena, "%u", m->items[i].size);
	}
	r = spawn_run(&s, c->arena, &status, err);
	if (r < 0)
		return r;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	s.output[strcspn(s.output, "\n")] = '\0';
	error_hint(err, "give the user a range in %s that covers the mappings, and check that %s is setuid root or has the "
			"file capability", m->subids, s.path);
	return error_set(err, ERR_PERMISSION, EPERM, "%s refused: %s", m->helper, s.output);
}

static int write_map(struct container *c, const struct step *s, struct error *err)
{
	const struct maps *m = s->data;
	char path[40];
	int r;

	if (c->rt->rootless) {
		if (!own_id_only(m))
			return run_helper(c, m, err);
		if (m->file[0] == 'g') {
			snprintf(path, sizeof path, "%d/setgroups", c->pid);
			r = proc_write(c->proc_fd, path, "deny", err);
			if (r < 0)
				return r;
		}
	}
	snprintf(path, sizeof path, "%d/%s", c->pid, m->file);
	r = proc_write(c->proc_fd, path, m->text, err);
	if (r == -EINVAL)
		error_hint(err, "the kernel takes at most 340 mappings that neither overlap nor fill a page (4096 bytes) of text");
	else if (r < 0)
		error_hint(err, "the caller must hold every host id of the mapping");
	return r;
}

static int become_root(struct container *c, const struct step *s, struct error *err)
{
	(void)c;
	(void)s;
	if (setresgid(0, 0, 0) < 0)
		return error_sys(err, errno, "become group 0 of the user namespace");
	if (setresuid(0, 0, 0) < 0) {
		error_hint(err, "map container id 0, which sets the container up");
		return error_sys(err, errno, "become user 0 of the user namespace");
	}
	return 0;
}

static struct maps *make(struct container *c, const struct config_id_mapping *items, size_t count, bool uid)
{
	struct maps *m = arena_new(c->arena, struct maps);
	char *p;

	m->items = items;
	m->count = count;
	m->file = uid ? "uid_map" : "gid_map";
	m->helper = uid ? "newuidmap" : "newgidmap";
	m->subids = uid ? "/etc/subuid" : "/etc/subgid";
	m->own = uid ? geteuid() : getegid();
	m->text = p = arena_alloc(c->arena, count * 34 + 1);
	for (size_t i = 0; i < count; i++)
		p += sprintf(p, "%u %u %u\n", items[i].container_id, items[i].host_id, items[i].size);
	return m;
}

int user_plan(struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	struct plan *p = &c->plan;
	struct step *s;

	(void)err;
	if (!c->userns)
		return 0;
	if (c->namespaces & CLONE_NEWUSER) {
		s = plan_add(p, STAGE_MAP, "user", "linux.uidMappings", write_map,
			make(c, l->uid_mappings, l->uid_mappings_count, true));
		step_text(p, s, "map %zu uid range%s", l->uid_mappings_count, l->uid_mappings_count == 1 ? "" : "s");
		s = plan_add(p, STAGE_MAP, "user", "linux.gidMappings", write_map,
			make(c, l->gid_mappings, l->gid_mappings_count, false));
		step_text(p, s, "map %zu gid range%s", l->gid_mappings_count, l->gid_mappings_count == 1 ? "" : "s");
	}
	s = plan_add(p, STAGE_JOIN, "user", NULL, become_root, NULL);
	step_text(p, s, "become user and group 0 of the user namespace");
	return 0;
}
