/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see state.h.  The record is written once, with a rename,
 * when create has come to its end; `start` and a death change nothing in it:
 * created or running is told by the start FIFO, stopped by the process.
 */
#include "runtime/state/state.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/procfs.h"
#include "runtime/state/record.h"

#define ID_MAX 255

const char *status_name(enum status status)
{
	static const char *const names[] = { "creating", "created", "running", "paused", "stopped" };

	return names[status];
}

int state_check_id(const char *id, struct error *err)
{
	size_t n = strlen(id);

	if (n == 0)
		return error_set(err, ERR_USAGE, EINVAL, "container id cannot be empty");
	if (n > ID_MAX)
		return error_set(err, ERR_USAGE, EINVAL, "container id is longer than %d characters", ID_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)id[i]) && !strchr("_+-.", id[i])) {
			error_hint(err, "allowed are letters, digits and _ + - .");
			return error_set(err, ERR_USAGE, EINVAL, "invalid container id \"%s\": character %zu is not allowed",
				id, i + 1);
		}
	}
	if (id[0] == '.')
		return error_set(err, ERR_USAGE, EINVAL, "invalid container id \"%s\": it starts with a dot", id);
	return 0;
}

/* The state root, made when missing. */
static int open_root(const struct runtime *rt, bool make, struct error *err)
{
	char path[4096];
	int fd;

	fd = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT || !make)
		return fd >= 0 ? fd : -errno;
	if (snprintf(path, sizeof path, "%s", rt->root) >= (int)sizeof path)
		return error_set(err, ERR_USAGE, ENAMETOOLONG, "--root %.64s...: path is too long", rt->root);
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return error_sys(err, errno, "make the state root %s", path);
		*p = c;
		if (!c)
			break;
	}
	fd = open(rt->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : error_sys(err, errno, "open the state root %s", rt->root);
}

int state_lock(int state_fd, bool try, struct error *err)
{
	while (flock(state_fd, LOCK_EX | (try ? LOCK_NB : 0)) < 0) {
		if (errno == EWOULDBLOCK)
			return -EAGAIN;
		if (errno != EINTR)
			return error_sys(err, errno, "lock the state directory");
	}
	return 0;
}

void state_unlock(int state_fd)
{
	flock(state_fd, LOCK_UN);
}

int state_make(const struct runtime *rt, const char *id, int *state_fd, struct error *err)
{
	_cleanup_fd_ int root = -1, fd = -1;
	struct stat st;
	int r;

	root = open_root(rt, true, err);
	if (root < 0)
		return err->msg[0] ? root : error_sys(err, -root, "open the state root %s", rt->root);
	if (mkdirat(root, id, 0700) < 0) {
		if (errno == EEXIST) {
			error_hint(err, "delete it first, or choose another id");
			return error_set(err, ERR_EXISTS, EEXIST, "container with id exists: \"%s\"", id);
		}
		return error_sys(err, errno, "make the state directory %s/%s", rt->root, id);
	}
	fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		r = error_sys(err, errno, "open the state directory %s/%s", rt->root, id);
		unlinkat(root, id, AT_REMOVEDIR);
		return r;
	}
	r = state_lock(fd, true, err);
	/* A `delete --force` may have taken the empty directory in between. */
	if (r == 0 && (fstat(fd, &st) < 0 || st.st_nlink == 0))
		r = -EAGAIN;
	if (r == -EAGAIN)
		return error_set(err, ERR_STATE, EAGAIN, "container \"%s\" is being deleted", id);
	if (r < 0) {
		unlinkat(root, id, AT_REMOVEDIR);
		return r;
	}
	*state_fd = fd_take(&fd);
	return 0;
}

int state_open(const struct runtime *rt, const char *id, int *state_fd, struct error *err)
{
	_cleanup_fd_ int root = open_root(rt, false, err);

	if (root < 0 && root != -ENOENT)
		return error_sys(err, -root, "open the state root %s", rt->root);
	*state_fd = root < 0 ? -1 : openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*state_fd >= 0)
		return 0;
	if (root >= 0 && errno != ENOENT && errno != ENOTDIR)
		return error_sys(err, errno, "open the state directory %s/%s", rt->root, id);
	return error_set(err, ERR_NOT_FOUND, ENOENT, "container \"%s\" does not exist", id);
}

int state_write(int state_fd, const struct state *s, struct arena *a, struct error *err)
{
	size_t len;
	const char *text = record_format(a, s, &len);
	int r = fd_replace_file(state_fd, STATE_FILE, text, len, 0600);

	return r < 0 ? error_sys(err, -r, "write the container's record") : 0;
}

int state_read(int state_fd, struct arena *a, struct state *s, struct error *err)
{
	char *buf;
	size_t len;
	int r = fd_read_file(state_fd, STATE_FILE, a, JSON_MAX_INPUT, &buf, &len);

	if (r == -ENOENT)
		return error_set(err, ERR_STATE, ENOENT, "the container has no record: it is being created, or its creation did not come to its end");
	if (r < 0)
		return error_sys(err, -r, "read the container's record");
	r = record_parse(buf, len, a, s, err);
	if (r < 0) {
		error_hint(err, "delete --force removes the container all the same");
		return error_wrap(err, "the container's record is corrupt");
	}
	return 0;
}

int state_pidfd(const struct state *s, int proc_fd)
{
	_cleanup_fd_ int fd = fd_pidfd_open(s->pid);
	uint64_t start;
	char letter;
	int r;

	if (fd < 0)
		return fd == -EINVAL ? -ESRCH : fd;
	r = proc_start_time(proc_fd, s->pid, &start, &letter);
	if (r < 0)
		return r;
	if (start != s->pid_start || letter == 'Z' || letter == 'X')
		return -ESRCH;
	return fd_take(&fd);
}

int state_status(int state_fd, const struct state *s, const struct cgroup *cg, int proc_fd, enum status *status,
	struct error *err)
{
	uint64_t start;
	char letter;
	int r = proc_start_time(proc_fd, s->pid, &start, &letter);

	if (r == -ESRCH || (r == 0 && (start != s->pid_start || letter == 'Z' || letter == 'X'))) {
		*status = STATUS_STOPPED;
		return 0;
	}
	if (r < 0)
		return error_sys(err, -r, "look at process %d", s->pid);
	if (faccessat(state_fd, STATE_START_FIFO, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		*status = STATUS_CREATED;
		return 0;
	}
	if (errno != ENOENT)
		return error_sys(err, errno, "look for the start FIFO");
	r = cg && cgroup_exists(cg) ? cgroup_is_frozen(cg, err) : 0;
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		return r;
	*status = r > 0 ? STATUS_PAUSED : STATUS_RUNNING;
	error_clear(err);
	return 0;
}

/* Device nodes made for a container in a user namespace: from the last one down, so that what is left when this is
 * interrupted is still without a gap. */
static int remove_devices(int state_fd, struct error *err)
{
	char name[32];
	struct stat st;
	unsigned int n = 0;

	while (snprintf(name, sizeof name, STATE_DEVICE "%u", n) > 0 &&
		fstatat(state_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		n++;
	while (n-- > 0) {
		snprintf(name, sizeof name, STATE_DEVICE "%u", n);
		if (unlinkat(state_fd, name, 0) < 0 && errno != ENOENT)
			return error_sys(err, errno, "remove %s from the state directory", name);
	}
	return 0;
}

int state_remove(const struct runtime *rt, const char *id, int state_fd, struct error *err)
{
	/* The record goes last among the files: as long as it is there the container exists. */
	static const char *const files[] = { STATE_START_FIFO, STATE_PROOF_FIFO, "notify", ".config.json.new",
		".state.json.new", ".resources.json.new", STATE_RESOURCES_FILE, STATE_CONFIG_FILE, STATE_FILE, "journal" };
	_cleanup_fd_ int root = open_root(rt, false, err);
	int r;

	if (root < 0)
		return error_sys(err, -root, "open the state root %s", rt->root);
	r = remove_devices(state_fd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (unlinkat(state_fd, files[i], 0) < 0 && errno != ENOENT)
			return error_sys(err, errno, "remove %s from the state directory", files[i]);
	if (unlinkat(root, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_sys(err, errno, "remove the state directory %s/%s", rt->root, id);
	return 0;
}

const char *state_timestamp(struct arena *a)
{
	return clock_rfc3339(arena_alloc(a, CLOCK_RFC3339_SIZE));
}
