/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: `delete` is run by containerd after every end of a shim's
 * connection, so mostly there is nothing left to do; when the shim was killed
 * there is everything.  It must be right in both cases, twice in a row, and
 * with other containers of the same pod alive: it touches only this container.
 * Errors go to stderr, which containerd logs; the exit status stays 0, else the
 * bundle would be kept for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "shim/bootstrap.h"
#include "shim/container.h"
#include "shim/mount.h"
#include "specs/task/task.pb-c.h"

/* containerd gives the command 5 seconds. */
#define RUNTIME_MS 4000

static void complain(const struct error *err)
{
	fprintf(stderr, "%s\n", err->msg);
}

static void delete_container(const struct flags *f, const char *bundle, struct arena *a)
{
	const char *log = arena_printf(a, "%s/log.json", bundle), *runtime;
	struct spawn s = {.timeout_ms = RUNTIME_MS, .stdout_fd = -1, .stderr_fd = -1, .capture = true};
	const char *argv[12];
	struct error err = {0};
	struct options o;
	int n = 0, status = 0;

	if (options_load(&o, bundle, a, &err) < 0 && access(bundle, F_OK) == 0)
		complain(&err);
	if (options_runtime(&o, a, &runtime, &err) < 0) {
		complain(&err);
		return;
	}
	argv[n++] = runtime;
	argv[n++] = "--root";
	argv[n++] = options_root(&o, f->namespace_name, a);
	if (access(bundle, F_OK) == 0) {
		argv[n++] = "--log";
		argv[n++] = log;
		argv[n++] = "--log-format";
		argv[n++] = "json";
	}
	if (o.systemd_cgroup)
		argv[n++] = "--systemd-cgroup";
	argv[n++] = "delete";
	argv[n++] = "--force";
	argv[n++] = f->id;
	argv[n] = NULL;
	s.path = runtime;
	s.argv = argv;
	s.envp = (const char *const *)environ;
	if (spawn_run(&s, a, &status, &err) < 0)
		complain(&err);
	else if (status != 0 && s.output && !strstr(s.output, "does not exist"))
		fprintf(stderr, "%s delete --force %s: %s\n", runtime, f->id, s.output);
}

/* A socket file that nobody listens on any more. */
static void remove_stale_socket(const char *bundle, struct arena *a)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = -1;
	char *address;

	if (fd_read_file(AT_FDCWD, arena_printf(a, "%s/address", bundle), a, 4096, &address, NULL) < 0 ||
		strncmp(address, "unix:///", 8) != 0 || strlen(address + 7) >= sizeof addr.sun_path)
		return;
	strcpy(addr.sun_path, address + 7);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0 && errno == ECONNREFUSED)
		unlink(addr.sun_path);
}

static int print_response(const char *bundle, struct arena *a, struct error *err)
{
	Task__DeleteResponse m = TASK__DELETE_RESPONSE__INIT;
	Task__Timestamp at = TASK__TIMESTAMP__INIT;
	struct timespec now;
	pid_t pid = 0;
	uint8_t *packed;
	size_t len;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	(void)read_pid_file(arena_printf(a, "%s/init.pid", bundle), &pid);
	m.pid = (uint32_t)pid;
	m.exit_status = 128 + 9;
	m.exited_at = &at;
	len = task__delete_response__get_packed_size(&m);
	packed = arena_alloc(a, len);
	task__delete_response__pack(&m, packed);
	r = fd_write_all(STDOUT_FILENO, packed, len);
	return r < 0 ? error_sys(err, -r, "print the response") : 0;
}

int cleanup_delete(const struct flags *f, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct error unmount = {0};
	const char *bundle;
	char cwd[PATH_MAX];

	if (!id_valid(f->id) || !*f->namespace_name)
		return error_set(err, ERR_USAGE, EINVAL, "-namespace and a valid -id are required");
	/* The working directory may be another container's bundle; ours is its neighbour. */
	if (!getcwd(cwd, sizeof cwd))
		return error_sys(err, errno, "find the working directory");
	bundle = arena_printf(&a, "%s/%s", dirname(cwd), f->id);
	if (f->bundle[0] == '/' && access(bundle, F_OK) < 0)
		bundle = f->bundle;
	delete_container(f, bundle, &a);
	if (rootfs_unmount(arena_printf(&a, "%s/rootfs", bundle), &unmount) < 0)
		complain(&unmount);
	remove_stale_socket(bundle, &a);
	return print_response(bundle, &a, err);
}
