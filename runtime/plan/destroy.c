/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: delete.  Kill what is left, replay the journal, poststop
 * hooks, and last of all the state directory: as long as anything could not be
 * undone the directory stays and the error says what is left, so that the next
 * attempt finds it again.  It works on a directory in any condition: complete,
 * left by a killed create, or corrupt.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/plan/create.h"
#include "runtime/plan/hooks.h"
#include "runtime/plan/undo.h"
#include "specs/config_parse.h"

#define GONE_TIMEOUT_MS 10000

static int kill_first_process(const struct state *s, struct error *err)
{
	_cleanup_fd_ int proc = proc_open_host(err);
	_cleanup_fd_ int pidfd = -1;
	int r;

	if (proc < 0)
		return proc;
	pidfd = state_pidfd(s, proc);
	if (pidfd == -ESRCH)
		return 0;
	if (pidfd < 0)
		return error_sys(err, -pidfd, "open process %d", s->pid);
	r = fd_pidfd_signal(pidfd, SIGKILL);
	if (r < 0 && r != -ESRCH)
		return error_sys(err, -r, "kill process %d", s->pid);
	r = fd_wait_readable(pidfd, GONE_TIMEOUT_MS);
	if (r < 0)
		return error_sys(err, -r, "wait for process %d to end", s->pid);
	if (r == 0)
		return error_set(err, ERR_TIMEOUT, ETIMEDOUT, "process %d did not end within %d seconds after SIGKILL", s->pid,
			GONE_TIMEOUT_MS / 1000);
	return 0;
}

/* The record names the cgroups too: a damaged journal does not lose them. */
static int undo_recorded(const struct state *s, struct arena *a, struct error *err)
{
	bool left = false;

	for (size_t i = 0; i < s->cgroup.paths.count; i++) {
		const char *path = s->cgroup.paths.items[i].value;
		int r;

		/* The usual case: the journal's undo removed it. */
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			continue;
		left = true;
		r = cgroup_undo(path, err);
		if (r < 0)
			return r;
	}
	/* systemd does not see the end of a cgroup that somebody else removed. */
	if (!left || !s->cgroup.scope)
		return 0;
	return cgroup_undo_scope(arena_printf(a, "%s %s", s->cgroup.user_bus ? "user" : "system", s->cgroup.scope), err);
}

static void poststop(int state_fd, const struct state *s, struct arena *a)
{
	struct json_errors errors = { 0 };
	struct config *config;
	char *buf;
	size_t len;

	if (fd_read_file(state_fd, STATE_CONFIG_FILE, a, JSON_MAX_INPUT, &buf, &len) < 0 ||
		config_parse(buf, len, a, &config, &errors) < 0) {
		log_warning("poststop hooks: the copy of the configuration cannot be read, so they do not run");
		return;
	}
	hooks_run_poststop(config, state_json(a, s, STATUS_STOPPED, 0, false, false), a);
}

int container_destroy(const struct runtime *rt, const char *id, int state_fd, bool force, struct arena *a,
	struct error *err)
{
	struct error record = { 0 };
	struct state s = { 0 };
	bool known = state_read(state_fd, a, &s, &record) == 0;
	int r = 0;

	if (known) {
		struct cgroup *cg = NULL;

		/* A frozen process cannot die. */
		if (cgroup_open_saved(a, &s.cgroup, &cg, &record) == 0 && cgroup_exists(cg)) {
			if (cgroup_is_frozen(cg, &record) > 0) {
				cgroup_kill(cg, SIGKILL, &record);
				cgroup_thaw(cg, &record);
			}
			cgroup_close(cg);
		}
		r = kill_first_process(&s, err);
	}
	if (r == 0)
		r = undo_replay(state_fd, a, err);
	if (r < 0 && err->code == ERR_CORRUPT && force) {
		log_warning("delete container \"%s\": %s; what the record names is undone", id, err->msg);
		error_clear(err);
		r = 0;
	}
	if (r == 0 && known)
		r = undo_recorded(&s, a, err);
	if (r < 0)
		return error_wrap(err, "delete container \"%s\"", id);
	if (known && s.poststop)
		poststop(state_fd, &s, a);
	return state_remove(rt, id, state_fd, err);
}
