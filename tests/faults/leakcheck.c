/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a snapshot lists, one line each, everything a runtime can
 * leave behind:
 *
 *	process	visible processes: id, name, state
 *	fd	descriptors of those processes
 *	mount	lines of our mountinfo without the volatile ids
 *	cgroup	directories of every mounted hierarchy
 *	file	state directories and temporary files, with type, mode and size
 *	key	keyrings and keys we may see
 *	netns	network namespaces: those of processes and those bound to a file
 *	link	network devices
 *	bpf	loaded device-filter programs
 *
 * Two snapshots are compared as sets.  Kernel clean-up is asynchronous (network
 * namespaces, keys, BPF programs), hence leak_settle.  The caller and its parent
 * chain are not listed; in a world (world.c) everything listed is the runtime's.
 */
#include "tests/faults/leakcheck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/support.h"

#define SOLID_NS 600000000 /* files, mounts and cgroups have no business to be there after this long */

static const char *const default_dirs[] = {"/run", "/tmp", "/var/tmp", "/dev/shm", NULL};

static bool wants(const struct leak_scope *s, const char *class)
{
	size_t n = strlen(class);

	for (const char *p = s->class; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (!strncmp(p, class, n) && (p[n] == ',' || !p[n]))
			return true;
	return !s->class;
}

static void add(struct leak_set *set, char *line)
{
	if (set->count == set->size) {
		set->size = set->size ? set->size * 2 : 128;
		set->line = realloc(set->line, set->size * sizeof *set->line);
		if (!set->line)
			die("out of memory");
	}
	set->line[set->count++] = line;
}

/* Add unless the scope's text is asked for and missing. */
static void add_matching(struct leak_set *set, const struct leak_scope *s, char *line)
{
	if (s->match && !strstr(line, s->match))
		free(line);
	else
		add(set, line);
}

/* ------------------------------------------------------------ processes */

static bool is_ancestor(pid_t pid)
{
	static pid_t chain[32];
	static int n;

	if (n == 0) {
		pid_t p = getpid();

		while (p > 0 && n < 32) {
			char *path = fmt_text("/proc/%d/stat", (int)p), *text = read_text(path), *end;

			chain[n++] = p;
			p = text && (end = strrchr(text, ')')) ? atoi(end + 4) : 0;
			free(path);
			free(text);
		}
	}
	for (int i = 0; i < n; i++)
		if (chain[i] == pid)
			return true;
	return false;
}

static void add_descriptors(struct leak_set *set, const struct leak_scope *s, const char *pid, const char *name)
{
	char *dir = fmt_text("/proc/%s/fd", pid);
	DIR *d = opendir(dir);
	struct dirent *e;
	char target[512];
	ssize_t n;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		add_matching(set, s, fmt_text("fd %s %s %s %s", pid, name, e->d_name, target));
	}
	if (d)
		closedir(d);
	free(dir);
}

static void add_network_namespace(struct leak_set *set, const char *pid)
{
	char *path = fmt_text("/proc/%s/ns/net", pid), target[64];
	ssize_t n = readlink(path, target, sizeof target - 1);

	free(path);
	if (n < 0)
		return;
	target[n] = '\0';
	for (size_t i = 0; i < set->count; i++)
		if (!strncmp(set->line[i], "netns ", 6) && !strcmp(set->line[i] + 6, target))
			return;
	add(set, fmt_text("netns %s", target));
}

static void add_process(struct leak_set *set, const struct leak_scope *s, const char *pid)
{
	char *path = fmt_text("/proc/%s/stat", pid), *stat = read_text(path), *name, *end;
	char *cmd_path = fmt_text("/proc/%s/cmdline", pid), *cmd = read_text(cmd_path);

	free(path);
	free(cmd_path);
	if (stat && (name = strchr(stat, '(')) && (end = strrchr(stat, ')'))) {
		*end = '\0';
		/* A kernel thread has no command line and is nobody's leak; a zombie is. */
		if ((cmd && *cmd) || end[2] == 'Z') {
			if (wants(s, "process"))
				add_matching(set, s,
					fmt_text("process %s %s%s %s", pid, name + 1, end[2] == 'Z' ? " zombie" : "",
						cmd ? cmd : ""));
			if (wants(s, "fd"))
				add_descriptors(set, s, pid, name + 1);
			if (wants(s, "netns"))
				add_network_namespace(set, pid);
		}
	}
	free(stat);
	free(cmd);
}

static void add_processes(struct leak_set *set, const struct leak_scope *s)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && !is_ancestor(atoi(e->d_name)))
			add_process(set, s, e->d_name);
	if (d)
		closedir(d);
}

/* ------------------------------------------------------- mounts, cgroups */

/* "36 35 98:0 /root /point options optional - type source super": drop ids and optional fields. */
static void add_mounts(struct leak_set *set)
{
	char *text = read_text("/proc/self/mountinfo"), *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char root[1024], point[1024], options[256], *tail = strstr(l, " - ");

		if (tail && sscanf(l, "%*d %*d %*s %1023s %1023s %255s", root, point, options) == 3)
			add(set, fmt_text("mount %s %s %s%s", point, root, options, tail + 2));
	}
	free(text);
}

static void add_tree(struct leak_set *set, const struct leak_scope *s, const char *class, const char *dir, bool cgroup)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d))) {
		char *path;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || (cgroup && e->d_type != DT_DIR))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		path = fmt_text("%s/%s", dir, e->d_name);
		if (cgroup)
			add_matching(set, s, fmt_text("%s %s", class, path));
		else
			add_matching(set, s,
				fmt_text("%s %s %o %lld", class, path, st.st_mode,
					S_ISREG(st.st_mode) ? (long long)st.st_size : 0));
		if (S_ISDIR(st.st_mode))
			add_tree(set, s, class, path, cgroup);
		free(path);
	}
	if (d)
		closedir(d);
}

static void add_cgroups(struct leak_set *set, const struct leak_scope *s)
{
	char *text, *save = NULL;

	if (s->hierarchies) {
		for (int i = 0; s->hierarchies[i]; i++)
			add_tree(set, s, "cgroup", s->hierarchies[i], true);
		return;
	}
	text = read_text("/proc/self/mountinfo");
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char point[1024], *tail = strstr(l, " - cgroup");

		if (tail && sscanf(l, "%*d %*d %*s %*s %1023s", point) == 1)
			add_tree(set, s, "cgroup", point, true);
	}
	free(text);
}

/* ------------------------------------------------------ keys, links, BPF */

/* "01db4e62 I--Q--- 2 perm 1f3f0000 0 65534 keyring _uid.0: empty": serial, type and description count. */
static void add_keys(struct leak_set *set, const struct leak_scope *s)
{
	const char *match = s->key_match ? s->key_match : s->match;
	char *text = read_text("/proc/keys"), *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char serial[16], flags[16], rest[512];

		if (sscanf(l, "%15s %15s %*s %*s %*s %*s %*s %511[^\n]", serial, flags, rest) != 3)
			continue;
		rest[strcspn(rest, ":")] = '\0';
		/* Revoked keys wait for collection; per-user and anonymous keyrings come and go with every login. */
		if (flags[1] == 'R' || strstr(rest, " _uid") || !strcmp(rest + strcspn(rest, " "), "   _ses"))
			continue;
		if (!match || strstr(rest, match))
			add(set, fmt_text("key %s %s", serial, rest));
	}
	free(text);
}

static void add_links(struct leak_set *set)
{
	char *text = read_text("/proc/self/net/dev"), *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(l, ':');

		if (!colon)
			continue;
		*colon = '\0';
		add(set, fmt_text("link %s", l + strspn(l, " ")));
	}
	free(text);
}

static void add_programs(struct leak_set *set)
{
	union bpf_attr attr;
	uint32_t id = 0;

	for (;;) {
		struct bpf_prog_info info = {0};
		int fd;

		memset(&attr, 0, sizeof attr);
		attr.start_id = id;
		if (syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof attr) < 0)
			return;
		id = attr.next_id;
		memset(&attr, 0, sizeof attr);
		attr.prog_id = id;
		fd = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof attr);
		if (fd < 0)
			continue;
		memset(&attr, 0, sizeof attr);
		attr.info.bpf_fd = (uint32_t)fd;
		attr.info.info_len = sizeof info;
		attr.info.info = (uint64_t)(uintptr_t)&info;
		if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) == 0 &&
			info.type == BPF_PROG_TYPE_CGROUP_DEVICE)
			add(set, fmt_text("bpf device filter %u %s", id, info.name));
		close(fd);
	}
}

/* --------------------------------------------------------------- the set */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void leak_snapshot(struct leak_set *set, const struct leak_scope *scope)
{
	const char *const *dirs = scope->dirs ? scope->dirs : default_dirs;

	*set = (struct leak_set){0};
	if (wants(scope, "process") || wants(scope, "fd") || wants(scope, "netns"))
		add_processes(set, scope);
	if (wants(scope, "mount"))
		add_mounts(set);
	if (wants(scope, "cgroup"))
		add_cgroups(set, scope);
	for (int i = 0; wants(scope, "file") && dirs[i]; i++)
		add_tree(set, scope, "file", dirs[i], false);
	if (wants(scope, "key"))
		add_keys(set, scope);
	if (wants(scope, "link"))
		add_links(set);
	if (wants(scope, "bpf"))
		add_programs(set);
	qsort(set->line, set->count, sizeof *set->line, by_text);
}

void leak_free(struct leak_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->line[i]);
	free(set->line);
	*set = (struct leak_set){0};
}

int leak_diff(const struct leak_set *before, const struct leak_set *after, FILE *out)
{
	size_t i = 0, j = 0;
	int n = 0;

	while (i < before->count || j < after->count) {
		int c = i == before->count ? 1 : j == after->count ? -1 : strcmp(before->line[i], after->line[j]);

		if (c != 0) {
			n++;
			if (out)
				fprintf(out, "%c %s\n", c < 0 ? '-' : '+', c < 0 ? before->line[i] : after->line[j]);
		}
		i += c <= 0;
		j += c >= 0;
	}
	return n;
}

/* Differences that no late clean-up of the kernel explains. */
static int solid_differences(const struct leak_set *before, const struct leak_set *after)
{
	static const char *const late[] = {"key ", "netns ", "link ", "bpf ", "process ", "fd "};
	char *text = NULL, *save = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int n = 0;

	leak_diff(before, after, f);
	fclose(f);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		n++;
		for (size_t i = 0; i < ARRAY_SIZE(late); i++)
			n -= !strncmp(l + 2, late[i], strlen(late[i]));
	}
	free(text);
	return n;
}

int leak_settle(const struct leak_set *before, const struct leak_scope *scope, int limit_ms, FILE *out)
{
	int64_t start = now_ns(), end = start + (int64_t)limit_ms * 1000000;
	struct leak_set after;
	int wait = 1, n;

	for (;;) {
		bool last = now_ns() >= end;

		reap_orphans();
		leak_snapshot(&after, scope);
		n = leak_diff(before, &after, NULL);
		last = last || (n > 0 && now_ns() - start > SOLID_NS && solid_differences(before, &after) > 0);
		if (n > 0 && last)
			leak_diff(before, &after, out);
		leak_free(&after);
		if (n == 0 || last)
			return n;
		sleep_ms(wait);
		wait = wait < 64 ? wait * 2 : 64;
	}
}

void leak_save(const struct leak_set *set, const char *path)
{
	FILE *f = fopen(path, "we");

	for (size_t i = 0; f && i < set->count; i++)
		fprintf(f, "%s\n", set->line[i]);
	if (!f || fclose(f))
		die("cannot write %s", path);
}

int leak_load(struct leak_set *set, const char *path)
{
	char *text = read_text(path), *save = NULL;

	*set = (struct leak_set){0};
	if (!text)
		return -errno;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		add(set, strdup(l));
	free(text);
	qsort(set->line, set->count, sizeof *set->line, by_text);
	return 0;
}
