/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see path.h.  openat2 needs Linux 5.6; on an older kernel
 * every call fails with ENOSYS and the runtime refuses to work, because no
 * emulation is equally strict.
 */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define RACE_RETRIES 128

static int openat2_retry(int dir, const char *path, const struct open_how *how)
{
	for (int i = 0;; i++) {
		int fd = (int)syscall(SYS_openat2, dir, path, how, sizeof *how);

		if (fd >= 0)
			return fd;
		/* EAGAIN: something on the way was renamed and the kernel could not prove that we stayed inside. */
		if ((errno != EAGAIN && errno != EINTR) || i >= RACE_RETRIES)
			return -errno;
	}
}

int path_open_in_root_how(int root, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};

	return openat2_retry(root, *path ? path : ".", &how);
}

int path_open_in_root(int root, const char *path, int flags)
{
	return path_open_in_root_how(root, path, flags, 0, 0);
}

int path_open_beneath(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return openat2_retry(dir, path, &how);
}

/* The next component of *path into name, *path moved behind it.  0 at the end. */
static int next_component(const char **path, char name[static 256])
{
	const char *p = *path, *end;
	size_t n;

	while (*p == '/')
		p++;
	end = strchrnul(p, '/');
	n = (size_t)(end - p);
	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, p, n);
	name[n] = '\0';
	*path = end;
	return n > 0;
}

int path_mkdir_in_root(int root, const char *path, mode_t mode)
{
	_cleanup_fd_ int dir = -1;
	char done[PATH_MAX];
	char name[256];
	const char *rest = path;
	size_t len = 0;
	int r;

	/* Usually it exists: one call. */
	r = path_open_in_root(root, path, O_PATH | O_DIRECTORY);
	if (r != -ENOENT)
		return r;
	dir = path_open_in_root(root, "/", O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	done[0] = '\0';
	while ((r = next_component(&rest, name)) > 0) {
		int next;

		if (len + strlen(name) + 2 > sizeof done)
			return -ENAMETOOLONG;
		len += (size_t)sprintf(done + len, "/%s", name);
		next = path_open_in_root(root, done, O_PATH | O_DIRECTORY);
		if (next == -ENOENT) {
			/* A dangling link is not something to create through. */
			if (strcmp(name, "..") == 0 || (mkdirat(dir, name, mode) < 0 && errno != EEXIST))
				return strcmp(name, "..") == 0 ? -ENOENT : -errno;
			next = path_open_in_root(root, done, O_PATH | O_DIRECTORY);
		}
		if (next < 0)
			return next;
		close(dir);
		dir = next;
	}
	return r < 0 ? r : fd_take(&dir);
}

int path_open_parent(int root, const char *path, bool create, mode_t dir_mode, char name[static 256])
{
	char parent[PATH_MAX];
	const char *last;
	size_t n = strlen(path);

	while (n > 0 && path[n - 1] == '/')
		n--;
	if (n >= sizeof parent)
		return -ENAMETOOLONG;
	memcpy(parent, path, n);
	parent[n] = '\0';
	last = strrchr(parent, '/');
	last = last ? last + 1 : parent;
	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return -EINVAL;
	if (strlen(last) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(name, last);
	parent[last - parent] = '\0';
	if (create)
		return path_mkdir_in_root(root, parent, dir_mode);
	return path_open_in_root(root, parent, O_PATH | O_DIRECTORY);
}

int path_mkfile_in_root(int root, const char *path, mode_t mode, mode_t dir_mode)
{
	_cleanup_fd_ int dir = -1;
	char name[256];
	int r;

	r = path_open_in_root(root, path, O_PATH);
	if (r != -ENOENT)
		return r;
	dir = path_open_parent(root, path, true, dir_mode, name);
	if (dir < 0)
		return dir;
	r = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode);
	if (r >= 0)
		close(r);
	else if (errno != EEXIST)
		return -errno;
	return path_open_in_root(root, path, O_PATH);
}

const char *path_of_fd(int fd, char *buf, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size - 1);
	if (n < 0)
		snprintf(buf, size, "descriptor %d", fd);
	else
		buf[n] = '\0';
	return buf;
}
