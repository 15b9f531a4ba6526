/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: "ID PATH": the mount that PATH is on before ours covers
 * it, and the path.  As long as another mount is there it is ours, or one that
 * was made on top of ours; when the old one is back, or the directory is gone,
 * nothing is left to do.  An id names the same mount as long as that is covered.
 */
#include "runtime/plan/root_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define DEEPEST 64

static int mount_id(int fd, uint64_t *id)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return -errno;
	*id = st.stx_mnt_id;
	return 0;
}

int root_mount_undo_arg(int fd, const char *path, struct arena *a, const char **arg, struct error *err)
{
	uint64_t id;
	int r = mount_id(fd, &id);

	if (r < 0)
		return error_sys(err, -r, "find the mount of %s", path);
	*arg = arena_printf(a, "%" PRIu64 " %s", id, path);
	return 0;
}

int root_mount_undo(const char *arg, struct error *err)
{
	uint64_t before, now;
	char name[32], *path;

	before = strtoull(arg, &path, 10);
	if (*path++ != ' ')
		return error_set(err, ERR_CORRUPT, EINVAL, "\"%s\" is no mount and path", arg);
	for (int i = 0; i < DEEPEST; i++) {
		_cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		int r;

		if (fd < 0)
			return errno == ENOENT ? 0 : error_sys(err, errno, "open %s", path);
		r = mount_id(fd, &now);
		if (r < 0)
			return error_sys(err, -r, "find the mount of %s", path);
		if (now == before)
			return 0;
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		if (umount2(name, MNT_DETACH) < 0)
			return error_sys(err, errno, "detach the root filesystem %s", path);
	}
	return error_set(err, ERR_SYSTEM, EBUSY, "%s is covered again and again", path);
}
