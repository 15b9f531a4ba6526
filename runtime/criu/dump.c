/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: dump.  Everything is told to criu in one request; it
 * freezes the container through its cgroup, writes the image and kills the
 * processes (or lets them go on).  When it fails it lets them go on too.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/criu/external.h"
#include "runtime/criu/job.h"
#include "runtime/criu/log.h"
#include "runtime/criu/stdio.h"

/* The directory of the freezer: v2, or the v1 hierarchy that has it. */
static const char *freezer(const struct cgroup_record *record)
{
	for (size_t i = 0; i < record->paths.count; i++) {
		const char *key = record->paths.items[i].key;

		if (strcmp(record->version, "v2") == 0 ? strcmp(key, "unified") == 0 : strstr(key, "freezer") != NULL)
			return record->paths.items[i].value;
	}
	return NULL;
}

/* "../earlier": criu makes a link of it and fails much later when it leads nowhere. */
static int check_parent(const struct criu_job *job, struct error *err)
{
	struct stat st;

	if (!job->parent_path)
		return 0;
	if (job->parent_path[0] == '/')
		return error_set(err, ERR_USAGE, EINVAL, "--parent-path %s: must be relative to the image path", job->parent_path);
	if (fstatat(job->image_fd, job->parent_path, &st, 0) < 0)
		return error_sys(err, errno, "--parent-path %s (below %s)", job->parent_path, job->image_path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERR_USAGE, ENOTDIR, "--parent-path %s: not a directory", job->parent_path);
	return 0;
}

static int check_features(struct criu_job *job, struct error *err)
{
	struct criu_features wanted = { job->pre_dump || job->parent_path, job->opts.lazy_pages };
	struct criu_request request = { .type = { true, CRIU_FEATURE_CHECK }, .keep_open = true, .features = &wanted };
	struct criu_response answer;
	int r;

	if (!wanted.mem_track && !wanted.lazy_pages)
		return 0;
	r = criu_call(&job->session, &request, NULL, NULL, &answer, err);
	if (r < 0)
		return error_wrap(err, "ask criu for its features");
	if (wanted.mem_track && !(answer.features && answer.features->mem_track))
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "pre-dump: this kernel cannot track memory");
	if (wanted.lazy_pages && !(answer.features && answer.features->lazy_pages))
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "--lazy-pages: not supported by this kernel or this criu");
	return 0;
}

static int fill(struct criu_job *job, const struct dump_target *t, struct error *err)
{
	struct external x = { job->arena, t->config, t->state->bundle, t->proc_fd, &job->opts, NULL };
	struct stdio_process p = { t->proc_fd, t->state->pid, NULL, 0 };
	struct criu_opts *o = &job->opts;
	pid_t *pids = NULL;
	int r;

	o->root = t->state->rootfs;
	o->pid = (struct opt_i64){ true, t->state->pid };
	o->freeze_cgroup = freezer(&t->state->cgroup);
	o->parent_img = job->parent_path;
	o->track_mem = job->parent_path || job->pre_dump;
	if (job->pre_dump)
		return 0;
	r = external_dump(&x, t->state->pid, err);
	if (r < 0)
		return r;
	if (cgroup_exists(t->cgroup)) {
		r = cgroup_pids(t->cgroup, job->arena, &pids, &p.all_count, err);
		if (r < 0)
			return r;
		p.all = pids;
	}
	return stdio_dump(&p, job->image_fd, job->arena, o, err);
}

/* The server of lazy pages is ready: say so on --status-fd, as criu itself does. */
static int notified(void *data, const char *script, pid_t pid, int fd, struct error *err)
{
	struct criu_job *job = data;

	(void)pid;
	(void)err;
	cleanup_fd(&fd);
	log_debug("criu: %s", script);
	if (strcmp(script, "status-ready") != 0 || job->status_fd < 0)
		return 0;
	if (fd_write_all(job->status_fd, "", 1) < 0)
		log_warning("--status-fd %d: cannot write", job->status_fd);
	close(job->status_fd);
	job->status_fd = -1;
	return 0;
}

static int run(struct criu_job *job, const struct dump_target *t, struct error *err)
{
	struct criu_request request = { .type = { true, job->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP }, .opts = &job->opts };
	struct criu_response answer;
	int r = job_check_version(job, err);

	if (r == 0)
		r = check_features(job, err);
	if (r == 0)
		r = fill(job, t, err);
	if (r < 0)
		return r;
	if (job->status_fd >= 0 && criu_at_least(&job->session, 31500))
		job->opts.notify_scripts = true;
	else if (job->status_fd >= 0)
		job->opts.status_fd = (struct opt_i64){ true, job->status_fd };
	r = criu_call(&job->session, &request, notified, job, &answer, err);
	if (r < 0)
		criu_log_quote(job->work_path ? job->work_fd : job->image_fd, job->work_path ? job->work_path : job->image_path,
			job->log, job->arena, err);
	return r;
}

int criu_dump(struct criu_job *job, const struct dump_target *t, struct error *err)
{
	struct criu_start start = { .stdio = job->opts.shell_job, .cgroup_fd = -1 };
	int r = external_check(t->config, err);

	job->session.arena = job->arena;
	if (r == 0)
		r = job_open(job, true, err);
	if (r == 0)
		r = check_parent(job, err);
	if (r == 0)
		r = job_config_file(job, &t->config->annotations, err);
	if (r == 0)
		r = criu_start(&job->session, &start, err);
	if (r == 0)
		r = run(job, t, err);
	job_close(job);
	return r;
}
