/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: names are looked up in the image's own /etc/passwd and
 * /etc/group, parsed here (never through the host's name service), opened below the
 * root and only when they are regular files of at most 10 MiB.  Digits are an id and
 * nothing else: they never fall back to a name (CVE-2016-3697, CVE-2024-40635).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/bundle/bundle.h"

#define DATABASE_MAX (10u << 20)
#define ID_MAX 2147483647u
#define GROUPS_MAX 65536u

static int read_database(int root, const char *path, struct arena *a, char **text, struct error *err)
{
	_cleanup_fd_ int fd = path_open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t len;
	int r;

	*text = arena_strdup(a, "");
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return error_sys(err, -fd, "open %s of the image", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, ERR_CONFIG, EINVAL, "%s of the image is not a regular file", path);
	r = fd_read_all(fd, a, DATABASE_MAX, text, &len);
	return r < 0 ? error_sys(err, -r, "read %s of the image", path) : 0;
}

/* Whole-string decimal number.  1: it is one; 0: not digits only; -ERANGE: too large. */
static int parse_id(const char *s, uint32_t *id)
{
	uint64_t v = 0;

	if (!*s || strspn(s, "0123456789") != strlen(s))
		return 0;
	for (; *s; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > ID_MAX)
			return -ERANGE;
	}
	*id = (uint32_t)v;
	return 1;
}

/* Split a line at colons; the number of fields. */
static int split(char *line, char *fields[], int max)
{
	int n = 0;

	while (n < max) {
		fields[n++] = line;
		line = strchr(line, ':');
		if (!line)
			break;
		*line++ = '\0';
	}
	return n;
}

struct passwd_line {
	const char *name, *home;
	uint32_t uid, gid;
};

static bool find_passwd(const char *text, struct arena *a, const char *name, const uint32_t *uid, struct passwd_line *out)
{
	char *work = arena_strdup(a, text), *save = NULL;

	for (char *line = strtok_r(work, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *f[7];
		struct passwd_line p = { 0 };

		if (split(line, f, 7) < 4 || parse_id(f[2], &p.uid) != 1 || parse_id(f[3], &p.gid) != 1)
			continue;
		if (name ? strcmp(f[0], name) != 0 : p.uid != *uid)
			continue;
		p.name = f[0];
		p.home = NULL;
		*out = p;
		/* fields 5 and 6 are only there when the line is complete */
		char *again = arena_strdup(a, text), *save2 = NULL;

		for (char *l = strtok_r(again, "\n", &save2); l; l = strtok_r(NULL, "\n", &save2)) {
			char *g[7];

			if (split(l, g, 7) >= 6 && strcmp(g[0], out->name) == 0) {
				out->home = g[5];
				break;
			}
		}
		return true;
	}
	return false;
}

static bool find_group(const char *text, struct arena *a, const char *name, uint32_t *gid)
{
	char *work = arena_strdup(a, text), *save = NULL;

	for (char *line = strtok_r(work, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *f[4];

		if (split(line, f, 4) >= 3 && strcmp(f[0], name) == 0 && parse_id(f[2], gid) == 1)
			return true;
	}
	return false;
}

static bool lists_member(char *members, const char *name)
{
	char *save = NULL;

	for (char *m = strtok_r(members, ",", &save); m; m = strtok_r(NULL, ",", &save))
		if (strcmp(m, name) == 0)
			return true;
	return false;
}

static void add_groups(const char *text, struct arena *a, const char *name, struct bundle_user *u)
{
	char *work = arena_strdup(a, text), *save = NULL;
	size_t capacity = 0;

	for (char *line = strtok_r(work, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint32_t gid;
		char *f[4];

		if (split(line, f, 4) < 4 || parse_id(f[2], &gid) != 1 || gid == u->gid || !lists_member(f[3], name) ||
			u->groups_count >= GROUPS_MAX)
			continue;
		if (u->groups_count == capacity) {
			size_t bigger = capacity ? capacity * 2 : 16;

			u->groups = arena_grow(a, u->groups, capacity * sizeof *u->groups, bigger * sizeof *u->groups);
			capacity = bigger;
		}
		u->groups[u->groups_count++] = gid;
	}
}

int bundle_find_user(int root, const char *text, bool strict, struct arena *a, struct bundle_user *u, struct error *err)
{
	char *user = arena_strdup(a, text ? text : ""), *group = strchr(user, ':'), *passwd, *groups;
	struct passwd_line line = { 0 };
	bool known;
	int r, numeric;

	*u = (struct bundle_user){ 0 };
	if (group)
		*group++ = '\0';
	r = read_database(root, "/etc/passwd", a, &passwd, err);
	if (r == 0)
		r = read_database(root, "/etc/group", a, &groups, err);
	if (r < 0)
		return r;
	numeric = *user ? parse_id(user, &u->uid) : 1;
	if (numeric < 0)
		return error_set(err, ERR_CONFIG, EINVAL, "user \"%.80s\": ids end at %u", text, ID_MAX);
	known = numeric ? find_passwd(passwd, a, NULL, &u->uid, &line) : find_passwd(passwd, a, user, NULL, &line);
	if (!numeric && !known)
		return error_set(err, ERR_CONFIG, EINVAL, "user \"%.80s\" is not in the image's /etc/passwd", user);
	if (known) {
		u->uid = line.uid;
		u->gid = line.gid;
		u->home = line.home && *line.home ? line.home : NULL;
	}
	if (group && *group) {
		r = parse_id(group, &u->gid);
		if (r < 0)
			return error_set(err, ERR_CONFIG, EINVAL, "group \"%.80s\": ids end at %u", group, ID_MAX);
		if (r == 0 && !find_group(groups, a, group, &u->gid))
			return error_set(err, ERR_CONFIG, EINVAL, "group \"%.80s\" is not in the image's /etc/group", group);
	} else if (known && !(strict && numeric)) {
		add_groups(groups, a, line.name, u);
	}
	return 0;
}
