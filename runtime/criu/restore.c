/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: restore = the host side of create, with criu in the place
 * of the clone.
 *
 *   state directory made and locked, every undo journalled
 *   STAGE_HOST; criu starts in the container's cgroup, in a mount namespace of its own (root.c)
 *   STAGE_MAP with criu's process: the restored ones are born where it is
 *   "setup-namespaces": prestart and createRuntime hooks
 *   "orphan-pts-master": the terminal goes to whoever asked for it
 *   "post-restore": everything is back but does not run yet: the record is written
 *   then it runs: pid file, poststart hooks
 *
 * The restored first process is our child, as a created one is.  createContainer and
 * startContainer hooks do not run: what they did is in the image.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/criu/external.h"
#include "runtime/criu/job.h"
#include "runtime/criu/log.h"
#include "runtime/criu/stdio.h"
#include "runtime/plan/create.h"
#include "runtime/plan/undo.h"

#define CGROUP_FILE_MAX (64 * 1024)

/* Where criu is, the container's own cgroups are to be: "ID:CONTROLLERS:PATH" lines. */
static int add_cgroup_roots(struct criu_job *job, int proc_fd, struct error *err)
{
	char path[32], *text, *save;
	size_t len, lines = 1;
	int r;

	snprintf(path, sizeof path, "%d/cgroup", job->session.pid);
	r = proc_read(proc_fd, path, job->arena, CGROUP_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	job->opts.cg_root = arena_array(job->arena, struct criu_cgroup_root, lines);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':'), *where = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!where)
			continue;
		*where = '\0';
		job->opts.cg_root[job->opts.cg_root_count++] = (struct criu_cgroup_root){ controllers + 1, where + 1 };
	}
	return 0;
}

static int know_process(struct container *c, pid_t pid, struct error *err)
{
	if (pid <= 0)
		return error_set(err, ERR_SYSTEM, EPROTO, "criu did not say which process it restored");
	if (c->pid == pid && c->pidfd >= 0)
		return 0;
	cleanup_fd(&c->pidfd);
	c->pid = pid;
	c->pidfd = fd_pidfd_open(pid);
	return c->pidfd < 0 ? error_sys(err, -c->pidfd, "open the restored process %d", pid) : 0;
}

static int send_terminal(struct container *c, int master, struct error *err)
{
	int r = 0;

	if (master >= 0 && c->console_socket_fd >= 0) {
		r = fd_send(c->console_socket_fd, master, "terminal", 8);
		close(c->console_socket_fd);
		c->console_socket_fd = -1;
	}
	return r < 0 ? error_sys(err, -r, "send the terminal") : 0;
}

static int notified(void *data, const char *script, pid_t pid, int fd, struct error *err)
{
	_cleanup_fd_ int master = fd;
	struct container *c = data;
	int r = 0;

	log_debug("criu: %s", script);
	if (strcmp(script, "setup-namespaces") == 0) {
		r = know_process(c, pid, err);
		if (r == 0 && plan_has(&c->plan, STAGE_RUNTIME_HOOK)) {
			c->hooks_ran = true;
			r = plan_run_stage(c, STAGE_RUNTIME_HOOK, err);
		}
	} else if (strcmp(script, "orphan-pts-master") == 0) {
		r = send_terminal(c, master, err);
	} else if (strcmp(script, "post-restore") == 0) {
		r = know_process(c, pid, err);
		if (r == 0)
			r = container_record(c, err);
	}
	return r;
}

static uint32_t host_id(const struct config_id_mapping *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].container_id == 0)
			return items[i].host_id;
	return 0;
}

/* criu opens the images as root of the container's user namespace, and has no words for it when that fails. */
static int check_reach(const struct criu_job *job, const struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	uint32_t uid = host_id(l->uid_mappings, l->uid_mappings_count), gid = host_id(l->gid_mappings, l->gid_mappings_count);
	int fd, e;

	if (!(c->namespaces & CLONE_NEWUSER) || uid == 0)
		return 0;
	setfsgid(gid);
	setfsuid(uid);
	fd = openat(job->image_fd, "inventory.img", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	e = errno;
	setfsuid(geteuid());
	setfsgid(getegid());
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || e != EACCES)
		return 0;
	error_hint(err, "setfacl -m u:%u:x on the directory, or chmod 711 below one that nobody else may enter", uid);
	return error_set(err, ERR_PERMISSION, EACCES, "the images in %s cannot be reached by user %u, root of the container's user "
		"namespace, as whom CRIU reads them", job->image_path, uid);
}

static int fill(struct criu_job *job, struct container *c, int fds[EXTERNAL_FDS + 1], size_t *fds_count, struct error *err)
{
	struct external x = { job->arena, c->config, c->options.bundle, c->proc_fd, &job->opts, c->cgroup };
	struct criu_opts *o = &job->opts;
	int r;

	o->root = root_mount_point(c);
	o->evasive_devices = true;
	o->rst_sibling = true;
	o->notify_scripts = true;
	o->inherit_fd = arena_array(job->arena, struct criu_inherit, EXTERNAL_FDS + STDIO_MAX);
	r = external_restore(&x, c->root_source_fd, c->namespace_fd, fds, fds_count, err);
	if (r < 0)
		return r;
	fds[*fds_count] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fds[*fds_count] < 0)
		return error_sys(err, errno, "open /dev/null");
	return stdio_restore(job->image_fd, job->arena, o, CRIU_FIRST_FD + (int)(*fds_count)++, err);
}

static int call(struct criu_job *job, struct container *c, struct error *err)
{
	struct criu_request request = { .type = { true, CRIU_RESTORE }, .opts = &job->opts };
	struct criu_response answer;
	int r = job_check_version(job, err);

	if (r == 0) {
		/* The scope and the limits are given to criu's process, which the restored ones inherit. */
		c->pid = job->session.pid;
		r = plan_run_stage(c, STAGE_MAP, err);
		c->pid = 0;
	}
	if (r == 0)
		r = add_cgroup_roots(job, c->proc_fd, err);
	if (r < 0)
		return r;
	r = criu_call(&job->session, &request, notified, c, &answer, err);
	if (r < 0) {
		criu_log_quote(job->work_path ? job->work_fd : job->image_fd, job->work_path ? job->work_path : job->image_path,
			job->log, job->arena, err);
		return r;
	}
	if (c->pid == 0)
		return error_set(err, ERR_SYSTEM, EPROTO, "criu restored, but did not say which process");
	return 0;
}

/* The directories as criu's mount namespace has them. */
static int take_over(struct criu_job *job, int sock, struct error *err)
{
	int *places[] = { &job->image_fd, &job->work_fd };
	struct opt_i64 *numbers[] = { &job->opts.images_dir_fd, &job->opts.work_dir_fd };
	char byte;

	for (int i = 0; i < 1 + (job->work_path != NULL); i++) {
		int fd = fd_recv(sock, &byte, 1);

		if (fd < 0)
			return error_sys(err, -fd, "receive criu's directories");
		close(*places[i]);
		*places[i] = fd;
		*numbers[i] = (struct opt_i64){ true, fd };
	}
	return 0;
}

static int start_criu(struct criu_job *job, struct container *c, const int *fds, size_t fds_count, struct error *err)
{
	struct root root = { c, job, -1 };
	struct criu_start start = { .stdio = true, .fds = fds, .fds_count = fds_count, .prepare = root_prepare, .data = &root };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a socket pair");
	root.sock = pair[1];
	start.cgroup_fd = c->cgroup ? cgroup_clone_fd(c->cgroup) : -1;
	r = criu_start(&job->session, &start, err);
	close(pair[1]);
	if (r == 0)
		r = take_over(job, pair[0], err);
	close(pair[0]);
	return r;
}

static int carry_out(struct criu_job *job, struct container *c, struct error *err)
{
	int fds[EXTERNAL_FDS + 1], r;
	size_t fds_count = 0;

	r = undo_record(c, err);
	if (r == 0)
		r = plan_run_stage(c, STAGE_HOST, err);
	if (r == 0)
		r = container_open_publication(c, err);
	if (r == 0)
		r = check_reach(job, c, err);
	if (r == 0)
		r = fill(job, c, fds, &fds_count, err);
	if (r < 0)
		return r;
	r = start_criu(job, c, fds, fds_count, err);
	if (r == 0)
		r = call(job, c, err);
	criu_end(&job->session, r < 0);
	if (r == 0 && c->console_socket_fd >= 0) {
		log_warning("process.terminal is true, but the image has no terminal that is open outside the container");
		cleanup_fd(&c->terminal_master_fd);
		c->terminal_master_fd = -1;
	}
	if (r == 0)
		r = container_publish_pid(c, err);
	if (r == 0)
		r = plan_run_stage(c, STAGE_POSTSTART, err);
	return r;
}

int criu_restore(struct criu_job *job, struct container *c, struct error *err)
{
	int r = external_check(c->config, err);

	job->session.arena = job->arena;
	/* criu's process clones the root filesystem itself. */
	c->host_opens = false;
	if (r == 0)
		r = job_open(job, false, err);
	if (r == 0)
		r = job_config_file(job, &c->config->annotations, err);
	if (r == 0)
		r = state_make(c->rt, c->id, &c->state_fd, err);
	if (r == 0) {
		signal(SIGPIPE, SIG_IGN);
		r = carry_out(job, c, err);
		if (r < 0)
			container_abandon(c, err);
	}
	job_close(job);
	return r;
}
