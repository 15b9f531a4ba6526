/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what dump and restore share.  criu takes directories as
 * numbers of our descriptors and opens them through our /proc/PID/fd.
 *
 * The image of a restore may come from anywhere (an archive of a registry).  criu
 * opens its files by name and would follow links, to read as well as to write its
 * log: so there may be none but "parent", criu's own link to an earlier pre-dump.
 */
#include "runtime/criu/job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/criu/log.h"

#define LOG_LEVEL 4

static int open_directory(const char *path, bool make, struct error *err)
{
	int fd;

	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_sys(err, errno, "make the directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "open the directory %s", path) : fd;
}

static int refuse_links(const struct criu_job *job, struct error *err)
{
	int fd = openat(job->image_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!dir)
		return error_sys(err, errno, "read the directory %s", job->image_path);
	while (r == 0 && (e = readdir(dir))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, "parent") == 0)
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = error_sys(err, errno, "look at %s/%s", job->image_path, e->d_name);
		else if (S_ISLNK(st.st_mode))
			r = error_set(err, ERR_CORRUPT, ELOOP, "%s/%.64s is a link: criu would follow it out of the image",
				job->image_path, e->d_name);
	}
	closedir(dir);
	return r;
}

int job_open(struct criu_job *job, bool make, struct error *err)
{
	static const char *const dump_files[] = { "dump.log", "stats-dump", NULL };
	static const char *const restore_files[] = { "restore.log", "stats-restore", NULL };
	int r;

	job->log = make ? dump_files[0] : restore_files[0];
	job->image_fd = open_directory(job->image_path, make, err);
	if (job->image_fd < 0)
		return job->image_fd;
	if (job->work_path) {
		job->work_fd = open_directory(job->work_path, true, err);
		if (job->work_fd < 0)
			return job->work_fd;
		job->opts.work_dir_fd = (struct opt_i64){ true, job->work_fd };
	}
	r = criu_log_clear(job->work_path ? job->work_fd : job->image_fd, job->work_path ? job->work_path : job->image_path,
		make ? dump_files : restore_files, err);
	if (r == 0 && !make)
		r = refuse_links(job, err);
	job->opts.images_dir_fd = (struct opt_i64){ true, job->image_fd };
	job->opts.log_file = job->log;
	job->opts.log_level = (struct opt_i64){ true, LOG_LEVEL };
	job->opts.manage_cgroups = true;
	job->opts.orphan_pts_master = true;
	return r;
}

void job_close(struct criu_job *job)
{
	criu_end(&job->session, false);
	cleanup_fd(&job->image_fd);
	cleanup_fd(&job->work_fd);
	job->image_fd = job->work_fd = -1;
}

int job_config_file(struct criu_job *job, const struct config_map *annotations, struct error *err)
{
	static const char *const files[] = { "/etc/criu/oci-rt.conf", "/etc/criu/runc.conf", "/etc/criu/crun.conf" };

	const char *file = config_map_get(annotations, "org.criu.config");

	if (file) {
		/* Empty: no file at all. */
		if (*file && access(file, R_OK) < 0) {
			error_path(err, "annotations[\"org.criu.config\"]");
			return error_sys(err, errno, "open CRIU's configuration file %s", file);
		}
		job->opts.config_file = *file ? file : NULL;
		return 0;
	}
	for (size_t i = 0; i < sizeof files / sizeof *files && !job->opts.config_file; i++)
		if (access(files[i], R_OK) == 0)
			job->opts.config_file = files[i];
	return 0;
}

int job_check_version(const struct criu_job *job, struct error *err)
{
	const struct criu_opts *o = &job->opts;
	const struct criu_version *v = &job->session.version;
	const struct {
		bool used;
		int version;
		const char *what;
	} needs[] = {
		{ true, 31100, "checkpoint and restore" },
		{ o->config_file != NULL, 31100, "a configuration file" },
		{ o->lsm_profile != NULL, 31600, "--lsm-profile" },
		{ o->lsm_mount_context != NULL, 31600, "--lsm-mount-context" },
		{ o->network_lock.set, 31700, "--network-lock" },
		{ o->network_lock.value == CRIU_LOCK_SKIP, 31900, "--network-lock skip" },
		{ o->join_ns_count > 0, 31601, "joining ipc, uts, time and user namespaces" },
	};

	for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
		if (needs[i].used && !criu_at_least(&job->session, needs[i].version))
			return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "%s needs CRIU %d.%d, this is %d.%d", needs[i].what,
				needs[i].version / 10000, needs[i].version / 100 % 100, (int)v->major.value, (int)v->minor.value);
	return 0;
}
