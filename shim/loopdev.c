/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: loop devices (one LOOP_CONFIGURE, autoclear, so that the
 * device goes away with the mount) and id maps (a short-lived child in a new
 * user namespace carries the maps; mount_setattr takes them from it).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/mount.h"

#define TRIES 64

int loop_attach(const char *file, bool read_only, bool direct_io, char path_out[static 32], struct error *err)
{
	_cleanup_fd_ int backing = open(file, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	_cleanup_fd_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {0};

	if (backing < 0)
		return error_sys(err, errno, "open %s for a loop device", file);
	if (control < 0)
		return error_sys(err, errno, "open /dev/loop-control");
	config.fd = (uint32_t)backing;
	config.info.lo_flags =
		LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0) | (direct_io ? LO_FLAGS_DIRECT_IO : 0);
	snprintf((char *)config.info.lo_file_name, sizeof config.info.lo_file_name, "%s", file);
	for (int i = 0; i < TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE), device;

		if (number < 0)
			return error_sys(err, errno, "find a free loop device");
		snprintf(path_out, 32, "/dev/loop%d", number);
		device = open(path_out, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (device < 0)
			return error_sys(err, errno, "open %s", path_out);
		if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
			return device;
		close(device);
		if (errno != EBUSY) /* EBUSY: somebody else was faster */
			return error_sys(err, errno, "attach %s to %s", file, path_out);
	}
	return error_sys(err, EBUSY, "find a free loop device");
}

/* "0:100000:65536,..." as lines for uid_map. */
static int write_map(pid_t pid, const char *file, const char *map)
{
	char path[64], text[4096];
	_cleanup_fd_ int fd = -1;
	size_t n = strlen(map);

	if (n + 2 > sizeof text)
		return -E2BIG;
	for (size_t i = 0; i <= n; i++)
		text[i] = map[i] == ':' ? ' ' : map[i] == ',' ? '\n' : map[i];
	strcat(text, "\n");
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, n + 1) < 0 ? -errno : 0;
}

int idmap_namespace(const char *uidmap, const char *gidmap, struct error *err)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	char path[64];
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	int r = 0, ns = -1;

	if (pid < 0)
		return error_sys(err, errno, "make a user namespace for an idmapped mount");
	if (pid == 0) {
		for (;;)
			pause();
	}
	if (uidmap)
		r = write_map(pid, "uid_map", uidmap);
	if (r == 0 && gidmap)
		r = write_map(pid, "gid_map", gidmap);
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	if (r == 0) {
		ns = open(path, O_RDONLY | O_CLOEXEC);
		r = ns < 0 ? -errno : 0;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r < 0 ? error_sys(err, -r, "make the id map %s for a mount", uidmap ? uidmap : gidmap) : ns;
}

int idmap_mount(int fd, int userns, struct error *err)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return error_sys(err, errno, "give a mount an id map");
	return 0;
}
