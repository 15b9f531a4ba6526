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
#define LINKS_MAX    40 /* as in the kernel */

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

/*
 * name, in the directory dir with the path parent, is a link to something that does not exist: write the path that is
 * meant to path, namely what the link says, then rest (which may lie in path).  -EINVAL when it is no link.
 */
static int put_link(int dir, const char *parent, const char *name, const char *rest, char path[static PATH_MAX])
{
	char link[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t n = readlinkat(dir, name, link, sizeof link - 1);
	int len;

	if (n < 0)
		return -errno;
	link[n] = '\0';
	len = snprintf(joined, sizeof joined, "%s/%s%s", link[0] == '/' ? "" : parent, link, rest);
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, joined, (size_t)len + 1);
	return 0;
}

/* One walk along path.  1: it met a link to nothing, path is now the one that the link stands for. */
static int mkdir_walk(int root, char path[static PATH_MAX], mode_t mode, int *fd)
{
	_cleanup_fd_ int dir = -1;
	char done[PATH_MAX];
	char name[256];
	const char *rest = path;
	size_t len = 0;
	int r;

	dir = path_open_in_root(root, "/", O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	done[0] = '\0';
	while ((r = next_component(&rest, name)) > 0) {
		size_t parent = len;
		int next;

		if (len + strlen(name) + 2 > sizeof done)
			return -ENAMETOOLONG;
		len += (size_t)sprintf(done + len, "/%s", name);
		next = path_open_in_root(root, done, O_PATH | O_DIRECTORY);
		if (next == -ENOENT) {
			if (strcmp(name, "..") == 0 || (mkdirat(dir, name, mode) < 0 && errno != EEXIST))
				return strcmp(name, "..") == 0 ? -ENOENT : -errno;
			next = path_open_in_root(root, done, O_PATH | O_DIRECTORY);
			if (next == -ENOENT) {
				done[parent] = '\0';
				r = put_link(dir, done, name, rest, path);
				return r < 0 ? r : 1;
			}
		}
		if (next < 0)
			return next;
		close(dir);
		dir = next;
	}
	*fd = r < 0 ? -1 : fd_take(&dir);
	return r;
}

int path_mkdir_in_root(int root, const char *path, mode_t mode)
{
	char walked[PATH_MAX];
	int fd = -1;
	int r;

	/* Usually it exists: one call. */
	r = path_open_in_root(root, path, O_PATH | O_DIRECTORY);
	if (r != -ENOENT)
		return r;
	if (strlen(path) >= sizeof walked)
		return -ENAMETOOLONG;
	strcpy(walked, path);
	r = 1;
	for (int links = 0; r == 1 && links <= LINKS_MAX; links++)
		r = mkdir_walk(root, walked, mode, &fd);
	return r == 1 ? -ELOOP : r < 0 ? r : fd;
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
	char walked[PATH_MAX], name[256];
	size_t len = strlen(path);
	char *last;
	int r;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof walked)
		return -ENAMETOOLONG;
	memcpy(walked, path, len);
	walked[len] = '\0';
	for (int links = 0; links <= LINKS_MAX; links++) {
		_cleanup_fd_ int dir = -1;

		r = path_open_in_root(root, walked, O_PATH);
		if (r != -ENOENT)
			return r;
		dir = path_open_parent(root, walked, true, dir_mode, name);
		if (dir < 0)
			return dir;
		r = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode);
		if (r >= 0)
			close(r);
		else if (errno != EEXIST)
			return -errno;
		r = path_open_in_root(root, walked, O_PATH);
		if (r != -ENOENT)
			return r;
		/* A link that points to nothing: what it points to is what shall exist. */
		last = strrchr(walked, '/');
		*(last ? last : walked) = '\0';
		r = put_link(dir, walked, name, "", walked);
		if (r < 0)
			return r;
	}
	return -ELOOP;
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
