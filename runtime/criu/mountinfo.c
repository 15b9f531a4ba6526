/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS TAGS - …", with space, tab, newline and backslash as
 * three octal digits. */
#include "runtime/criu/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/procfs.h"

#define MOUNTINFO_MAX (64 * 1024 * 1024)

static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static bool parse_line(char *line, struct mountinfo *m)
{
	char *save, *field, *end;

	*m = (struct mountinfo){ 0 };
	for (int i = 0; (field = strtok_r(i ? NULL : line, " ", &save)); i++) {
		if (strcmp(field, "-") == 0)
			break;
		if (i == 0)
			m->id = strtoull(field, &end, 10);
		else if (i == 1)
			m->parent = strtoull(field, &end, 10);
		else if (i == 4) {
			unescape(field);
			m->point = field;
		} else if (i > 5 && strncmp(field, "master:", 7) == 0)
			m->slave = true;
	}
	return m->point != NULL;
}

int mountinfo_read(int proc_fd, pid_t pid, struct arena *a, struct mountinfo **mounts, size_t *count, struct error *err)
{
	size_t len, lines = 0;
	char path[32], *text, *save;
	int r;

	snprintf(path, sizeof path, "%d/mountinfo", pid);
	r = proc_read(proc_fd, path, a, MOUNTINFO_MAX, &text, &len, err);
	if (r < 0)
		return r;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	*mounts = arena_array(a, struct mountinfo, lines + 1);
	*count = 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (*count <= lines && parse_line(line, &(*mounts)[*count]))
			++*count;
	return 0;
}

const struct mountinfo *mountinfo_of_fd(const struct mountinfo *mounts, size_t count, int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (mounts[i].id == st.stx_mnt_id)
			return &mounts[i];
	return NULL;
}

const char *mountinfo_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	if (n == 1 && dir[0] == '/')
		return path;
	if (strncmp(path, dir, n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	return path + n;
}
