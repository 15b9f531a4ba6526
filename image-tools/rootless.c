/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a child unshares a user and a mount namespace, the parent has
 * newuidmap and newgidmap map the caller's own id to 0 and the subordinate ids behind
 * it, then the child goes on as root there and the parent waits for it.  So owners,
 * modes and capabilities of files in layers are kept, in ids that belong to the user.
 * Ranges come from /etc/subuid and /etc/subgid by name or number (subuid(5)); the
 * helpers check them again.
 */
#include "image-tools/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"

static struct {
	bool active;
	uid_t uid;
	struct id_map uids, gids;
} state;

bool rootless_active(void)
{
	return state.active;
}

uid_t rootless_uid(void)
{
	return state.active ? state.uid : getuid();
}

const struct id_map *rootless_uid_map(void)
{
	return &state.uids;
}

const struct id_map *rootless_gid_map(void)
{
	return &state.gids;
}

/* One line "who:first:count". */
static bool parse_range(const char *line, const char *name, uid_t uid, struct id_range *range)
{
	size_t n = strcspn(line, ":");
	unsigned long first, count;
	char number[16], *end;

	snprintf(number, sizeof number, "%u", (unsigned int)uid);
	if (!line[n] || !((name && strlen(name) == n && memcmp(line, name, n) == 0) ||
				(strlen(number) == n && memcmp(line, number, n) == 0)))
		return false;
	first = strtoul(line + n + 1, &end, 10);
	if (*end != ':')
		return false;
	count = strtoul(end + 1, &end, 10);
	if (*end || count == 0 || first == 0 || first > UINT32_MAX || count > UINT32_MAX - first)
		return false;
	*range = (struct id_range){ .outside = (uint32_t)first, .count = (uint32_t)count };
	return true;
}

static void read_ranges(const char *file, unsigned int own, struct id_map *map)
{
	struct passwd *pw = getpwuid(getuid());
	struct arena a = ARENA_INIT;
	char *text, *save = NULL;
	uint32_t inside = 1;

	*map = (struct id_map){ .ranges = { { 0, own, 1 } }, .count = 1 };
	if (fd_read_file(AT_FDCWD, file, &a, 1 << 20, &text, NULL) == 0) {
		for (char *line = strtok_r(text, "\n", &save); line && map->count < ID_RANGES_MAX;
			line = strtok_r(NULL, "\n", &save)) {
			struct id_range r;

			if (!parse_range(line, pw ? pw->pw_name : NULL, getuid(), &r) || r.count > UINT32_MAX - inside)
				continue;
			r.inside = inside;
			inside += r.count;
			map->ranges[map->count++] = r;
		}
	}
	arena_free(&a);
}

static int run_helper(const char *program, pid_t pid, const struct id_map *map, struct error *err)
{
	struct arena a = ARENA_INIT;
	const char **argv = arena_array(&a, const char *, 3 + 3 * map->count);
	struct spawn s = { .path = arena_printf(&a, "/usr/bin/%s", program), .argv = argv, .stdout_fd = -1, .stderr_fd = -1,
		.capture = true, .timeout_ms = 20000 };
	size_t n = 0;
	int status, r;

	argv[n++] = program;
	argv[n++] = arena_printf(&a, "%d", (int)pid);
	for (size_t i = 0; i < map->count; i++) {
		argv[n++] = arena_printf(&a, "%u", map->ranges[i].inside);
		argv[n++] = arena_printf(&a, "%u", map->ranges[i].outside);
		argv[n++] = arena_printf(&a, "%u", map->ranges[i].count);
	}
	argv[n] = NULL;
	r = spawn_run(&s, &a, &status, err);
	if (r == 0 && status != 0)
		r = error_set(err, ERR_PERMISSION, EPERM, "%s: %.300s", program, s.output ? s.output : "failed");
	arena_free(&a);
	return r;
}

static void __attribute__((noreturn)) wait_and_exit(pid_t pid)
{
	int status = 0;

	/* The terminal sends them to both; the child decides. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* 1: done; 0: this machine gives users no namespaces, so there is one id as without subordinate ones. */
static int become_root(int ready, int go, struct error *err)
{
	char byte = 0;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		log_info("no user namespace (%s): everything will belong to one id", error_text(errno));
		return 0;
	}
	if (fd_write_all(ready, "", 1) < 0 || fd_read_full(go, &byte, 1) != 1)
		return error_set(err, ERR_SYSTEM, ECANCELED, "make a user namespace: no ids");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_sys(err, errno, "become root of a user namespace");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 1;
}

int rootless_enter(struct error *err)
{
	int ready[2], go[2], r;
	char byte;
	pid_t pid;

	state.uid = getuid();
	if (geteuid() == 0 || access("/usr/bin/newuidmap", X_OK) < 0)
		return 0;
	read_ranges("/etc/subuid", getuid(), &state.uids);
	read_ranges("/etc/subgid", getgid(), &state.gids);
	if (state.uids.count < 2 || state.gids.count < 2) {
		state.uids.count = state.gids.count = 0;
		return 0;
	}
	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return error_sys(err, errno, "start a process for a user namespace");
	if (pid == 0) {
		close(ready[0]);
		close(go[1]);
		r = become_root(ready[1], go[0], err);
		close(ready[1]);
		close(go[0]);
		state.active = r > 0;
		if (!state.active)
			state.uids.count = state.gids.count = 0;
		return r < 0 ? r : 0;
	}
	close(ready[1]);
	close(go[0]);
	if (fd_read_full(ready[0], &byte, 1) == 1) {
		r = run_helper("newuidmap", pid, &state.uids, err);
		if (r == 0)
			r = run_helper("newgidmap", pid, &state.gids, err);
		if (r < 0) {
			error_hint(err, "are the ranges of /etc/subuid and /etc/subgid your own?");
			log_error(err);
		} else {
			fd_write_all(go[1], "", 1);
		}
	}
	close(ready[0]);
	close(go[1]);
	wait_and_exit(pid);
}
