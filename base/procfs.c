/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see procfs.h. */
#include "base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define PROC_ROOT_INO 1

static int verify(int fd, struct error *err)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "stat /proc");
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INO) {
		error_hint(err, "mount a procfs on /proc before starting the runtime");
		return error_set(err, ERR_UNSUPPORTED, ENODEV, "/proc is not a procfs");
	}
	return 0;
}

int proc_open_host(struct error *err)
{
	_cleanup_fd_ int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "open /proc");
	r = verify(fd, err);
	return r < 0 ? r : fd_take(&fd);
}

int proc_open_private(struct error *err)
{
	_cleanup_fd_ int fs = fsopen("proc", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return error_sys(err, errno, "open a private procfs");
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_sys(err, errno, "create a private procfs");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "mount a private procfs");
	return fd;
}

int proc_write(int proc, const char *path, const char *text, struct error *err)
{
	_cleanup_fd_ int fd = path_open_beneath(proc, path, O_WRONLY | O_NOFOLLOW);
	ssize_t done;

	if (fd < 0)
		return error_sys(err, -fd, "open /proc/%s for writing", path);
	do
		done = write(fd, text, strlen(text));
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return error_sys(err, errno, "write \"%.64s\" to /proc/%s", text, path);
	if ((size_t)done != strlen(text))
		return error_set(err, ERR_SYSTEM, EIO, "write \"%.64s\" to /proc/%s: only %zd bytes taken", text, path, done);
	return 0;
}

int proc_read(int proc, const char *path, struct arena *a, size_t max, char **buf, size_t *len, struct error *err)
{
	_cleanup_fd_ int fd = path_open_beneath(proc, path, O_RDONLY | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return error_sys(err, -fd, "open /proc/%s", path);
	r = fd_read_all(fd, a, max, buf, len);
	if (r < 0)
		return error_sys(err, -r, "read /proc/%s", path);
	return 0;
}

/* Read PID/stat; the command name (field 2) may hold anything, the last ')' ends it.  Returns what follows. */
static char *read_stat(int proc, pid_t pid, char buf[static 1024], int *r)
{
	_cleanup_fd_ int fd = -1;
	char path[32], *p;
	ssize_t n;

	snprintf(path, sizeof path, "%d/stat", pid);
	fd = path_open_beneath(proc, path, O_RDONLY);
	if (fd < 0) {
		*r = fd == -ENOENT ? -ESRCH : fd;
		return NULL;
	}
	n = fd_read_full(fd, buf, 1023);
	if (n < 0) {
		*r = (int)n;
		return NULL;
	}
	buf[n] = '\0';
	p = strrchr(buf, ')');
	*r = p && p[1] == ' ' ? 0 : -EPROTO;
	return *r < 0 ? NULL : p + 2;
}

int proc_start_time(int proc, pid_t pid, uint64_t *ticks, char *state)
{
	char buf[1024];
	int r;
	char *p = read_stat(proc, pid, buf, &r);

	if (!p)
		return r;
	if (state)
		*state = *p;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EPROTO;
		p++;
	}
	*ticks = strtoull(p, NULL, 10);
	return 0;
}

int proc_name(int proc, pid_t pid, char name[static 64], char *state)
{
	char buf[1024], *open;
	int r;
	char *p = read_stat(proc, pid, buf, &r);

	if (!p)
		return r;
	*state = *p;
	p[-2] = '\0';
	open = strchr(buf, '(');
	snprintf(name, 64, "%s", open ? open + 1 : "");
	return 0;
}

/* "\040" in mountinfo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
			s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

char *proc_next_mount(char **text, char **type)
{
	char *line;

	while ((line = strsep(text, "\n"))) {
		char *point = line, *end = strstr(line, " - ");

		/* 36 35 98:0 /root /mountpoint options - type source options */
		for (int i = 0; end && point && i < 4; i++)
			point = strchr(point, ' ') ? strchr(point, ' ') + 1 : NULL;
		if (!end || !point || point > end)
			continue;
		*type = end + 3;
		(*type)[strcspn(*type, " ")] = '\0';
		point[strcspn(point, " ")] = '\0';
		unescape(point);
		return point;
	}
	return NULL;
}
