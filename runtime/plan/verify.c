/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: before the container is called "created" the host side
 * looks at the finished process through its own /proc and compares with the
 * configuration: ids, capabilities, no_new_privs, seccomp mode, cgroup, and for
 * every mount that was asked for that it is there with its read-only flag.  A
 * fault that the container side did not notice (a write that was cut short, a
 * call that lied) is found here and the container is not created.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/procfs.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/mount/options.h"
#include "runtime/plan/build.h"

#define STATUS_MAX (64 * 1024)
#define MOUNTINFO_MAX (16 * 1024 * 1024)

static const char *status_field(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (strncmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1;
	}
	return NULL;
}

static int expect(const char *status, const char *name, int base, uint64_t want, uint64_t mask, struct error *err)
{
	const char *value = status_field(status, name);
	uint64_t have;

	if (!value)
		return 0; /* this kernel does not show it */
	have = strtoull(value, NULL, base);
	if ((have & mask) == (want & mask))
		return 0;
	return error_set(err, ERR_SYSTEM, EPROTO,
		"self-check: %s of the container's process is %" PRIx64 ", expected %" PRIx64, name, have, want);
}

/* Nothing beyond what was asked for: less is possible where the caller had less. */
static int no_more_than(const char *status, const char *name, uint64_t allowed, struct error *err)
{
	const char *value = status_field(status, name);
	uint64_t have = value ? strtoull(value, NULL, 16) : 0;

	if ((have & ~allowed) == 0)
		return 0;
	return error_set(err, ERR_SYSTEM, EPROTO, "self-check: %s of the container's process is %" PRIx64
		", which is more than %" PRIx64, name, have, allowed);
}

static int verify_credentials(const struct container *c, const char *status, struct error *err)
{
	static const struct config_capabilities none;
	const struct config_process *proc = c->process;
	const struct config_capabilities *caps = proc->capabilities ? proc->capabilities : &none;
	bool filtered = container_has_filter(c) && !proc->no_new_privileges;
	int r;

	/* In another user namespace the ids that we see are mapped ones; the container side's calls returned success. */
	r = c->userns ? 0 : expect(status, "Uid", 10, proc->user.uid, UINT64_MAX, err);
	if (r == 0 && !c->userns)
		r = expect(status, "Gid", 10, proc->user.gid, UINT64_MAX, err);
	if (r == 0)
		r = no_more_than(status, "CapBnd", caps->bounding.bits, err);
	if (r == 0)
		r = no_more_than(status, "CapPrm", caps->permitted.bits, err);
	if (r == 0)
		r = no_more_than(status, "CapEff", caps->effective.bits, err);
	if (r == 0)
		r = no_more_than(status, "CapInh", caps->inheritable.bits, err);
	if (r == 0)
		r = no_more_than(status, "CapAmb", caps->ambient.bits, err);
	if (r == 0)
		r = expect(status, "NoNewPrivs", 10, proc->no_new_privileges, UINT64_MAX, err);
	if (r == 0 && filtered)
		r = expect(status, "Seccomp", 10, 2, UINT64_MAX, err);
	return r;
}

/* One line of mountinfo (proc_pid_mountinfo(5)): mount point and per-mount options. */
struct line {
	const char *point, *options;
	size_t point_len, options_len;
};

static const char *parse_line(const char *p, struct line *l)
{
	const char *end = strchrnul(p, '\n');

	for (int field = 1; field < 5; field++) {
		p = memchr(p, ' ', (size_t)(end - p));
		if (!p)
			return NULL;
		p++;
	}
	l->point = p;
	p = memchr(p, ' ', (size_t)(end - p));
	if (!p)
		return NULL;
	l->point_len = (size_t)(p - l->point);
	l->options = ++p;
	p = memchr(p, ' ', (size_t)(end - p));
	if (!p)
		return NULL;
	l->options_len = (size_t)(p - l->options);
	return *end ? end + 1 : end;
}

static bool is_readonly(const struct line *l)
{
	return l->options_len >= 2 && strncmp(l->options, "ro", 2) == 0 && (l->options_len == 2 || l->options[2] == ',');
}

struct wanted {
	const char *point;
	size_t len;
	const char *property;
	int index;
	bool found, readonly;
};

/* Only plain absolute names can be compared with what the kernel prints; links were followed. */
static bool plain(const char *path)
{
	return path[0] == '/' && !strstr(path, "//") && !strstr(path, "/.") && !strpbrk(path, " \t\n\\") &&
	       (path[1] == '\0' || path[strlen(path) - 1] != '/');
}

static size_t collect(const struct container *c, struct wanted *w)
{
	const struct config *config = c->config;
	size_t n = 0;

	if (config->root->readonly)
		w[n++] = (struct wanted){ "/", 1, "root.readonly", -1, false, false };
	for (size_t i = 0; i < config->linux->readonly_paths_count; i++)
		w[n++] = (struct wanted){ config->linux->readonly_paths[i], 0, "linux.readonlyPaths", (int)i, false, false };
	for (size_t i = 0; i < config->mounts_count; i++) {
		const struct config_mount *m = &config->mounts[i];
		bool ro = false;

		for (size_t k = 0; k < m->options_count; k++) {
			if (strcmp(m->options[k], "ro") == 0 || strcmp(m->options[k], "rro") == 0)
				ro = true;
			else if (strcmp(m->options[k], "rw") == 0 || strcmp(m->options[k], "rrw") == 0)
				ro = false;
		}
		if (ro)
			w[n++] = (struct wanted){ m->destination, 0, "mounts", (int)i, false, false };
	}
	return n;
}

static int verify_mounts(const struct container *c, const char *text, struct error *err)
{
	const struct config *config = c->config;
	struct wanted *w = arena_array(c->arena, struct wanted,
		config->mounts_count + config->linux->readonly_paths_count + 1);
	size_t n = collect(c, w);
	struct line l;

	for (size_t i = 0; i < n; i++)
		w[i].len = plain(w[i].point) ? strlen(w[i].point) : 0;
	/* Later lines cover earlier ones: the last one counts. */
	for (const char *p = text; p && *p;) {
		p = parse_line(p, &l);
		for (size_t i = 0; p && i < n; i++) {
			if (w[i].len == l.point_len && memcmp(w[i].point, l.point, l.point_len) == 0) {
				w[i].found = true;
				w[i].readonly = is_readonly(&l);
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		/* A path that is a link, or is not there, has no line of its name. */
		if (!w[i].found || w[i].readonly)
			continue;
		if (w[i].index >= 0)
			error_path(err, "%s[%d]", w[i].property, w[i].index);
		else
			error_path(err, "%s", w[i].property);
		return error_set(err, ERR_SYSTEM, EPROTO, "self-check: \"%s\" is writable in the container", w[i].point);
	}
	return 0;
}

static int verify(struct container *c, const struct step *s, struct error *err)
{
	char path[40], *text;
	int r;

	(void)s;
	snprintf(path, sizeof path, "%d/status", c->pid);
	r = proc_read(c->proc_fd, path, c->arena, STATUS_MAX, &text, NULL, err);
	if (r == 0 && c->process)
		r = verify_credentials(c, text, err);
	if (r == 0 && c->cgroup && cgroup_exists(c->cgroup))
		r = cgroup_verify(c->cgroup, c->proc_fd, c->pid, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof path, "%d/mountinfo", c->pid);
	r = proc_read(c->proc_fd, path, c->arena, MOUNTINFO_MAX, &text, NULL, err);
	return r < 0 ? r : verify_mounts(c, text, err);
}

int verify_plan(struct container *c, struct error *err)
{
	struct step *s;

	(void)err;
	s = plan_add(&c->plan, STAGE_VERIFY, "verify", NULL, verify, NULL);
	step_text(&c->plan, s, "compare what the process really has with the configuration");
	return 0;
}
