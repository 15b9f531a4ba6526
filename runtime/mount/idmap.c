/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see idmap.h; mount_setattr(2), "ID-mapped mounts". */
#include "runtime/mount/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"

static int write_map(const struct container *c, pid_t pid, const char *file, const struct config_id_mapping *m,
	size_t count, struct error *err)
{
	char *text = arena_alloc(c->arena, count * 34 + 1), *p = text;
	char path[40];

	for (size_t i = 0; i < count; i++)
		p += sprintf(p, "%u %u %u\n", m[i].container_id, m[i].host_id, m[i].size);
	snprintf(path, sizeof path, "%d/%s", pid, file);
	return proc_write(c->proc_fd, path, text, err);
}

int userns_for_mapping(const struct config_id_mapping *uids, size_t uids_count, const struct config_id_mapping *gids,
	size_t gids_count, const struct container *c, struct error *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char path[64];
	int fd = -1, r;
	pid_t pid;

	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		return error_sys(err, errno, "make a user namespace for the mapping");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	r = write_map(c, pid, "uid_map", uids, uids_count, err);
	if (r == 0)
		r = write_map(c, pid, "gid_map", gids, gids_count, err);
	if (r == 0) {
		/* A magic link of a process of ours: it cannot be opened by a link-free lookup. */
		snprintf(path, sizeof path, "%d/ns/user", pid);
		fd = openat(c->proc_fd, path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			r = error_sys(err, errno, "open /proc/%s", path);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : fd;
}

int mount_idmap(int tree, bool recursive, int userns, struct error *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
	int e;

	if (mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
		return 0;
	e = errno;
	if (e == EINVAL)
		error_hint(err, "the source's filesystem does not support idmapped mounts, or is idmapped already");
	else if (e == EPERM)
		error_hint(err, "needs CAP_SYS_ADMIN in the user namespace that mounted the source's filesystem");
	return error_sys(err, e, "idmap the mount");
}
