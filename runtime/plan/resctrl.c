/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec 1.3 config-linux.md, "IntelRdt".
 *
 *   closID      schemata given   the directory
 *   none        -                is named by the container's id and must not exist: made, and removed at delete
 *   given       no               must exist
 *   given       yes              is made, or must already grant what l3CacheSchema and memBwSchema say; stays at delete
 *   "/"         -                is the default class, the mount point itself
 *
 * What is written to `schemata`: l3CacheSchema and memBwSchema together, then
 * `schemata` in a second write, because the kernel refuses one resource twice in
 * one write.  It explains a refusal in info/last_cmd_status.
 *
 * The kernel numbers domains in decimal, writes masks of caches in hexadecimal
 * without leading zeros and bandwidths in decimal, so values are compared as
 * numbers.
 */
#include "runtime/plan/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"

#ifndef RDTGROUP_SUPER_MAGIC
#define RDTGROUP_SUPER_MAGIC 0x7655821
#endif
#define USUAL_ROOT "/sys/fs/resctrl"
#define FILE_MAX ((size_t)256 << 10)
#define MOUNTINFO_MAX ((size_t)16 << 20)

/* --- where --------------------------------------------------------------------- */

static bool is_resctrl(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (uint32_t)fs.f_type == RDTGROUP_SUPER_MAGIC;
}

int resctrl_find(struct arena *a, const char **root, struct error *err)
{
	char *buf, *point, *type;

	*root = USUAL_ROOT;
	if (is_resctrl(USUAL_ROOT))
		return 0;
	if (fd_read_file(AT_FDCWD, "/proc/self/mountinfo", a, MOUNTINFO_MAX, &buf, NULL) == 0) {
		while ((point = proc_next_mount(&buf, &type))) {
			if (strcmp(type, "resctrl") == 0 && is_resctrl(point)) {
				*root = point;
				return 0;
			}
		}
	}
	error_hint(err, "mount -t resctrl resctrl " USUAL_ROOT);
	return error_set(err, ERR_UNSUPPORTED, ENOTSUP, "no resctrl filesystem is mounted");
}

void resctrl_group_of(const char *root, const struct config_intel_rdt *rdt, const char *id, struct arena *a,
	struct resctrl_group *group)
{
	bool is_default = rdt->clos_id && strcmp(rdt->clos_id, "/") == 0;

	*group = (struct resctrl_group){.root = root, .rdt = rdt, .own = !rdt->clos_id};
	group->path = is_default ? root : arena_printf(a, "%s/%s", root, rdt->clos_id ? rdt->clos_id : id);
	if (rdt->enable_monitoring)
		group->monitor = arena_printf(a, "%s/mon_groups/%s", group->path, id);
}

/* --- schemata ------------------------------------------------------------------ */

static bool is_bandwidth(const char *line)
{
	return strncmp(line, "MB:", 3) == 0;
}

const char *resctrl_combine(struct arena *a, const char *l3_cache_schema, const char *mem_bw_schema)
{
	char *out = arena_strdup(a, ""), *copy, *line;

	copy = l3_cache_schema ? arena_strdup(a, l3_cache_schema) : NULL;
	while ((line = strsep(&copy, "\n"))) {
		line += strspn(line, " \t");
		if (*line && !is_bandwidth(line))
			out = arena_printf(a, "%s%s\n", out, line);
	}
	if (mem_bw_schema && *mem_bw_schema)
		out = arena_printf(a, "%s%s\n", out, mem_bw_schema);
	return *out ? out : NULL;
}

/* The resource's name in front of the colon; *values is what follows. */
static char *split_line(char *line, char **values)
{
	char *colon;

	line += strspn(line, " \t");
	colon = strchr(line, ':');
	if (!colon)
		return NULL;
	*colon = '\0';
	*values = colon + 1;
	return line;
}

static bool parse_value(const char *item, int base, unsigned long *domain, unsigned long *value)
{
	char *end;

	item += strspn(item, " \t");
	*domain = strtoul(item, &end, 10);
	if (end == item || *end != '=')
		return false;
	item = end + 1;
	*value = strtoul(item, &end, base);
	return end != item && end[strspn(end, " \t")] == '\0';
}

/* Bandwidths (MB, SMBA) are decimal. */
static int base_of(const char *resource)
{
	return strcmp(resource, "MB") == 0 || strcmp(resource, "SMBA") == 0 ? 10 : 16;
}

static bool grants(struct arena *a, const char *values, int base, unsigned long domain, unsigned long value)
{
	char *copy = arena_strdup(a, values), *item;

	while ((item = strsep(&copy, ";"))) {
		unsigned long d, v;

		if (parse_value(item, base, &d, &v) && d == domain)
			return v == value;
	}
	return false;
}

static bool line_matches(struct arena *a, const char *schemata, const char *wanted)
{
	char *want = arena_strdup(a, wanted), *values, *item, *copy = arena_strdup(a, schemata), *line;
	const char *name = split_line(want, &values), *have = NULL;

	if (!name)
		return false;
	while (!have && (line = strsep(&copy, "\n"))) {
		char *v;
		const char *n = split_line(line, &v);

		if (n && strcmp(n, name) == 0)
			have = v;
	}
	while (have && (item = strsep(&values, ";"))) {
		unsigned long domain, value;

		if (item[strspn(item, " \t")] == '\0')
			continue;
		if (!parse_value(item, base_of(name), &domain, &value) ||
			!grants(a, have, base_of(name), domain, value))
			return false;
	}
	return have;
}

bool resctrl_matches(struct arena *a, const char *schemata, const char *wanted, const char **line)
{
	char *copy = arena_strdup(a, wanted), *one;

	while ((one = strsep(&copy, "\n"))) {
		if (*one && !line_matches(a, schemata, one)) {
			*line = one;
			return false;
		}
	}
	return true;
}

/* The kernel's own words, if it has any. */
static void explain(const struct resctrl_group *g, struct arena *a, struct error *err)
{
	_cleanup_fd_ int fd = open(g->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *buf;
	size_t len;

	if (fd < 0 || fd_read_file(fd, "info/last_cmd_status", a, FILE_MAX, &buf, &len) < 0)
		return;
	buf[strcspn(buf, "\n")] = '\0';
	if (*buf && strcmp(buf, "ok") != 0)
		error_hint(err, "the kernel says: %s", buf);
}

static int write_schemata(const struct resctrl_group *g, const char *text, struct arena *a, struct error *err)
{
	_cleanup_fd_ int dir = open(g->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : fd_write_file(dir, "schemata", text);

	if (r == 0)
		return 0;
	explain(g, a, err);
	return error_sys(err, -r, "write \"%.*s\" to %s/schemata", (int)strcspn(text, "\n"), text, g->path);
}

/* `schemata`: one write for all its lines. */
static const char *join_lines(struct arena *a, const struct config_intel_rdt *rdt)
{
	char *out = arena_strdup(a, "");

	for (size_t i = 0; i < rdt->schemata_count; i++)
		out = arena_printf(a, "%s%s\n", out, rdt->schemata[i]);
	return *out ? out : NULL;
}

/* --- groups -------------------------------------------------------------------- */

static int make_directory(const struct resctrl_group *g, const char *path, struct arena *a, struct error *err)
{
	int errnum;

	if (mkdir(path, 0755) == 0)
		return 0;
	errnum = errno;
	if (errnum == ENOSPC)
		error_hint(err,
			"the processor has no class or monitor left: see info/*/num_closids and num_rmids in %s",
			g->root);
	else
		explain(g, a, err);
	return error_sys(err, errnum, "make the resctrl group %s", path);
}

static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A class that was there before. */
static int check_class(const struct resctrl_group *g, const char *wanted, struct arena *a, struct error *err)
{
	_cleanup_fd_ int dir = -1;
	const char *line;
	char *buf = NULL;
	int r;

	if (!wanted)
		return 0;
	dir = open(g->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? -errno : fd_read_file(dir, "schemata", a, FILE_MAX, &buf, NULL);
	if (r < 0)
		return error_sys(err, -r, "read %s/schemata", g->path);
	if (resctrl_matches(a, buf, wanted, &line))
		return 0;
	error_hint(err, "see %s/schemata", g->path);
	return error_set(
		err, ERR_CONFIG, EINVAL, "the class of service %s exists and does not have \"%s\"", g->path, line);
}

static int make_class(const struct resctrl_group *g, const char *wanted, struct arena *a, resctrl_note *note,
	void *data, bool *made, struct error *err)
{
	bool there = exists(g->path);
	int r;

	if (there && !g->own)
		return check_class(g, wanted, a, err);
	if (there) {
		error_hint(err, "remove it when it is a left-over: rmdir %s", g->path);
		return error_set(err, ERR_EXISTS, EEXIST, "the resctrl group %s exists already", g->path);
	}
	if (!g->own && !wanted && g->rdt->schemata_count == 0) {
		error_hint(err, "make it, or give it schemata");
		return error_set(err, ERR_CONFIG, ENOENT, "the class of service %s does not exist", g->path);
	}
	if (g->own) {
		r = note(data, g->path, err);
		if (r < 0)
			return r;
	}
	r = make_directory(g, g->path, a, err);
	*made = r == 0;
	return r;
}

static int make_monitor(
	const struct resctrl_group *g, struct arena *a, resctrl_note *note, void *data, struct error *err)
{
	int r;

	if (!g->monitor)
		return 0;
	if (exists(g->monitor)) {
		error_hint(err, "remove it when it is a left-over: rmdir %s", g->monitor);
		return error_set(err, ERR_EXISTS, EEXIST, "the monitoring group %s exists already", g->monitor);
	}
	r = note(data, g->monitor, err);
	return r < 0 ? r : make_directory(g, g->monitor, a, err);
}

int resctrl_prepare(const struct resctrl_group *g, struct arena *a, resctrl_note *note, void *data, struct error *err)
{
	const char *wanted = resctrl_combine(a, g->rdt->l3_cache_schema, g->rdt->mem_bw_schema);
	const char *last = join_lines(a, g->rdt);
	bool made = false;
	int r;

	r = make_class(g, wanted, a, note, data, &made, err);
	if (r == 0 && wanted)
		r = write_schemata(g, wanted, a, err);
	if (r == 0 && last)
		r = write_schemata(g, last, a, err);
	if (r == 0)
		r = make_monitor(g, a, note, data, err);
	if (r < 0 && made && !g->own)
		rmdir(g->path);
	return r;
}

static int open_tasks(const char *path, struct error *err)
{
	_cleanup_fd_ int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, "tasks", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? error_sys(err, errno, "open %s/tasks", path) : fd;
}

int resctrl_open_tasks(const struct resctrl_group *g, int fds[2], struct error *err)
{
	fds[0] = fds[1] = -1;
	fds[0] = open_tasks(g->path, err);
	if (fds[0] < 0)
		return fds[0];
	if (!g->monitor)
		return 0;
	fds[1] = open_tasks(g->monitor, err);
	return fds[1] < 0 ? fds[1] : 0;
}

int resctrl_add_task(const int fds[2], pid_t pid, struct error *err)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d", pid);

	for (int i = 0; i < 2 && fds[i] >= 0; i++)
		if (write(fds[i], text, (size_t)n) != n)
			return error_sys(err, errno, "put process %d into the resctrl %s", pid,
				i ? "monitoring group" : "group");
	return 0;
}

int resctrl_update(const struct resctrl_group *g, const char *l3_cache_schema, const char *mem_bw_schema,
	struct arena *a, struct error *err)
{
	const char *text;

	if (mem_bw_schema && *mem_bw_schema && (!is_bandwidth(mem_bw_schema) || strchr(mem_bw_schema, '\n')))
		return error_set(err, ERR_USAGE, EINVAL,
			"the memory bandwidth schema must be one line that starts with \"MB:\"");
	text = resctrl_combine(a, l3_cache_schema, mem_bw_schema);
	if (!text)
		return 0;
	if (!exists(g->path))
		return error_set(err, ERR_STATE, ENOENT, "the container's resctrl group %s does not exist", g->path);
	return write_schemata(g, text, a, err);
}

int resctrl_undo(const char *path, struct error *err)
{
	if (rmdir(path) < 0 && errno != ENOENT)
		return error_sys(err, errno, "remove the resctrl group %s", path);
	return 0;
}
