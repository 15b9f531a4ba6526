/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a user who is not root builds as root of a user namespace.  With
 * ranges in /etc/subuid and /etc/subgid and the set-uid tools newuidmap and newgidmap, ids
 * 1.. of the namespace are the ranges'; without them there is one id only: then everything
 * an image holds belongs to root of the namespace, and programs that change ids fail.  A
 * helper process outside runs the tools, because the maps must be written from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "image-tools/build/internal.h"

/* "name:start:count" of a user in /etc/subuid; false when there is none. */
static bool find_range(struct arena *a, const char *file, const char **start, const char **count)
{
	struct passwd *pw = getpwuid(getuid());
	const char *number = arena_printf(a, "%u", (unsigned int)getuid());
	_cleanup_fd_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	char *text, *save = NULL;

	if (fd < 0 || fd_read_all(fd, a, 1 << 20, &text, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;

		if (!second)
			continue;
		*first = *second = '\0';
		if (strcmp(line, number) != 0 && !(pw && strcmp(line, pw->pw_name) == 0))
			continue;
		*start = first + 1;
		*count = second + 1;
		return true;
	}
	return false;
}

static int run_tool(
	struct arena *a, const char *path, const char *pid, unsigned int own, const char *start, const char *count)
{
	const char *argv[] = {path, pid, "0", arena_printf(a, "%u", own), "1", "1", start, count, NULL};
	struct spawn s = {.path = path, .argv = argv, .stdout_fd = -1, .stderr_fd = -1};
	int status, r = spawn_run(&s, a, &status, NULL);

	return r < 0 ? r : WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* In the helper: wait for the word, write both maps, say how it went by the exit status. */
static void __attribute__((noreturn)) helper(int go, pid_t parent, const char *const ranges[4])
{
	struct arena a = ARENA_INIT;
	const char *pid = arena_printf(&a, "%d", (int)parent);
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(1);
	if (run_tool(&a, "/usr/bin/newuidmap", pid, getuid(), ranges[0], ranges[1]) < 0 ||
		run_tool(&a, "/usr/bin/newgidmap", pid, getgid(), ranges[2], ranges[3]) < 0)
		_exit(1);
	_exit(0);
}

static int map_one(unsigned int uid, unsigned int gid)
{
	char text[64];
	int r = fd_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");

	snprintf(text, sizeof text, "0 %u 1\n", uid);
	if (r == 0)
		r = fd_write_file(AT_FDCWD, "/proc/self/uid_map", text);
	snprintf(text, sizeof text, "0 %u 1\n", gid);
	return r < 0 ? r : fd_write_file(AT_FDCWD, "/proc/self/gid_map", text);
}

int userns_enter(struct builder *b, bool *single, struct error *err)
{
	const char *ranges[4];
	unsigned int uid = getuid(), gid = getgid();
	int go[2] = {-1, -1}, status = 0, r = 0;
	pid_t pid = -1;

	if (!b->p->store_path)
		b->p->store_path = store_default_path(b->arena);
	*single = !find_range(b->arena, "/etc/subuid", &ranges[0], &ranges[1]) ||
		  !find_range(b->arena, "/etc/subgid", &ranges[2], &ranges[3]) ||
		  access("/usr/bin/newuidmap", X_OK) < 0 || access("/usr/bin/newgidmap", X_OK) < 0;
	if (!*single) {
		if (pipe2(go, O_CLOEXEC) < 0)
			return error_sys(err, errno, "create a pipe");
		pid = fork();
		if (pid == 0) {
			close(go[1]);
			helper(go[0], getppid(), ranges);
		}
		close(go[0]);
	}
	if (unshare(CLONE_NEWUSER) < 0) {
		r = error_sys(err, errno, "make a user namespace");
		error_hint(err, "this host does not let users do that: build as root");
	}
	if (r == 0 && *single)
		r = map_one(uid, gid) < 0 ? error_sys(err, EPERM, "map our own id into the user namespace") : 0;
	if (pid > 0) {
		if (r == 0)
			(void)!write(go[1], "", 1);
		close(go[1]);
		waitpid(pid, &status, 0);
		if (r == 0 && status != 0) {
			r = error_set(err, ERR_PERMISSION, EPERM,
				"newuidmap and newgidmap could not map the ranges of /etc/subuid and /etc/subgid");
		}
	}
	if (r == 0 && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		r = error_sys(err, errno, "become root of the user namespace");
	if (r == 0 && *single)
		build_progress_note(b->progress, 0,
			"one id only (no range in /etc/subuid): all files belong to root, programs cannot change their user");
	return r;
}
