/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the process id for the caller: --pid-file and --pidfd-socket, for which crun has the annotation
 * run.oci.pidfd_receiver (the option wins).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/plan/create.h"

#define RECEIVER "run.oci.pidfd_receiver"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int container_open_publication(struct container *c, struct error *err)
{
	const char *path = c->options.pid_file;

	if (!c->options.pidfd_socket && (c->mode == CONTAINER_CREATE || c->mode == CONTAINER_RUN))
		c->options.pidfd_socket = config_map_get(&c->config->annotations, RECEIVER);
	if (c->options.pidfd_socket) {
		c->pidfd_socket_fd = fd_connect_unix(c->options.pidfd_socket, err);
		if (c->pidfd_socket_fd < 0)
			return c->pidfd_socket_fd;
	}
	if (path) {
		size_t n = (size_t)(base_name(path) - path);
		const char *dir = n == 0 ? "." : arena_strndup(c->arena, path, n);

		c->pid_file_dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (c->pid_file_dir_fd < 0)
			return error_sys(err, errno, "open the directory of the pid file %s", path);
	}
	return 0;
}

int container_publish_pid(struct container *c, struct error *err)
{
	char text[16];
	int r;

	if (c->pidfd_socket_fd >= 0) {
		r = fd_send(c->pidfd_socket_fd, c->pidfd, "pidfd", 5);
		if (r < 0)
			return error_sys(err, -r, "send the pidfd to %s", c->options.pidfd_socket);
	}
	if (c->pid_file_dir_fd < 0)
		return 0;
	/* Callers convert the whole file: no newline. */
	snprintf(text, sizeof text, "%d", c->pid);
	r = fd_replace_file(c->pid_file_dir_fd, base_name(c->options.pid_file), text, strlen(text), 0644);
	return r < 0 ? error_sys(err, -r, "write the pid file %s", c->options.pid_file) : 0;
}
