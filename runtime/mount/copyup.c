/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a recursive copy from descriptor to descriptor.  The
 * source belongs to the image, so no link of it is ever followed: names are
 * opened with O_NOFOLLOW relative to their directory.  Mounts below the source
 * are not entered.
 */
#include "runtime/mount/copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"

#define DEPTH_MAX 128

static void copy_xattrs(int from, int to)
{
	char names[4096], value[4096], src[40], dst[40];
	ssize_t n;

	snprintf(src, sizeof src, "/proc/self/fd/%d", from);
	snprintf(dst, sizeof dst, "/proc/self/fd/%d", to);
	n = listxattr(src, names, sizeof names);
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		ssize_t len = getxattr(src, names + i, value, sizeof value);

		/* A tmpfs has no room for every kind; what it refuses was not the mount's to keep. */
		if (len >= 0)
			(void)setxattr(dst, names + i, value, (size_t)len, 0);
	}
}

static int copy_meta(int to, const struct stat *st, const char *name, struct error *err)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return error_sys(err, errno, "set the owner of \"%s\"", name);
	if (!S_ISLNK(st->st_mode)) {
		char path[40];

		snprintf(path, sizeof path, "/proc/self/fd/%d", to);
		if (*name ? fchmodat(to, name, st->st_mode & 07777, 0) : chmod(path, st->st_mode & 07777))
			return error_sys(err, errno, "set the mode of \"%s\"", name);
	}
	if (*name)
		(void)utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, struct error *err)
{
	_cleanup_fd_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_fd_ int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return error_sys(err, errno, "copy \"%s\"", name);
	do
		n = sendfile(out, in, NULL, 1 << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return error_sys(err, errno, "copy \"%s\"", name);
	copy_xattrs(in, out);
	(void)st;
	return 0;
}

static int copy_dir(int from, int to, dev_t dev, int depth, struct error *err);

static int copy_entry(int from, int to, const char *name, dev_t dev, int depth, struct error *err)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(err, errno, "look at \"%s\"", name);
	if (S_ISDIR(st.st_mode)) {
		_cleanup_fd_ int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		_cleanup_fd_ int out = -1;

		if (in < 0 || mkdirat(to, name, 0700) < 0)
			return error_sys(err, errno, "copy directory \"%s\"", name);
		out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (out < 0)
			return error_sys(err, errno, "open directory \"%s\"", name);
		if (st.st_dev == dev)
			r = copy_dir(in, out, dev, depth + 1, err);
		copy_xattrs(in, out);
	} else if (S_ISREG(st.st_mode)) {
		r = copy_file(from, to, name, &st, err);
	} else if (S_ISLNK(st.st_mode)) {
		n = readlinkat(from, name, target, sizeof target - 1);
		if (n < 0)
			return error_sys(err, errno, "read link \"%s\"", name);
		target[n] = '\0';
		if (symlinkat(target, to, name) < 0)
			return error_sys(err, errno, "make link \"%s\"", name);
	} else if (mknodat(to, name, st.st_mode, st.st_rdev) < 0) {
		return error_sys(err, errno, "make special file \"%s\"", name);
	}
	return r < 0 ? r : copy_meta(to, &st, name, err);
}

static int copy_dir(int from, int to, dev_t dev, int depth, struct error *err)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *entry;
	DIR *dir;

	if (depth > DEPTH_MAX) {
		cleanup_fd(&fd);
		return error_set(err, ERR_CONFIG, ELOOP, "directories are nested deeper than %d", DEPTH_MAX);
	}
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = error_sys(err, errno, "read a directory");
		cleanup_fd(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = copy_entry(from, to, entry->d_name, dev, depth, err);
	}
	if (r == 0 && errno != 0)
		r = error_sys(err, errno, "read a directory");
	closedir(dir);
	return r;
}

int mount_copy_up(int from, int to, struct error *err)
{
	struct stat st;
	int r;

	if (fstat(from, &st) < 0)
		return error_sys(err, errno, "look at the directory to copy");
	r = copy_dir(from, to, st.st_dev, 0, err);
	if (r == 0) {
		copy_xattrs(from, to);
		if (fchownat(to, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0)
			r = error_sys(err, errno, "set the owner of the copy");
	}
	return r < 0 ? error_wrap(err, "tmpcopyup") : 0;
}

int mount_inherit_mode(struct mount_options *o, int target, struct arena *a, struct error *err)
{
	struct stat st;

	for (size_t i = 0; i < o->data_count; i++)
		if (strncmp(o->data[i], "mode=", 5) == 0)
			return 0;
	if (fstat(target, &st) < 0)
		return error_sys(err, errno, "read the mode of the directory to cover");
	o->data = arena_grow(a, o->data, o->data_count * sizeof *o->data, (o->data_count + 1) * sizeof *o->data);
	o->data[o->data_count++] = arena_printf(a, "mode=%o", st.st_mode & 07777);
	return 0;
}
