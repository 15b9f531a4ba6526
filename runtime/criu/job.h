/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_JOB_H
#define OCI_RT_RUNTIME_CRIU_JOB_H

#include "runtime/criu/rpc.h"
#include "runtime/criu/session.h"
#include "runtime/plan/container.h"
#include "runtime/state/state.h"

/*
 * A dump or a restore: what the command line asks for (opts holds what is simply
 * passed on), the directories, the session.
 */
struct criu_job {
	struct arena *arena;
	struct criu_opts opts;
	const char *image_path;
	const char *work_path;	 /* NULL: criu works in the image's directory */
	const char *parent_path; /* dump: of an earlier pre-dump, relative to image_path; or NULL */
	bool pre_dump;
	int image_fd, work_fd, status_fd; /* status_fd -1: none */
	const char *log;	 /* the log's name in the work directory */
	struct criu_session session;
};

/* The container `s`, running or paused, into the directory image_path. */
struct dump_target {
	const struct state *state;
	const struct config *config;
	struct cgroup *cgroup;
	int proc_fd;
};
int criu_dump(struct criu_job *job, const struct dump_target *target, struct error *err);

/* c is prepared (container_prepare(), mode CONTAINER_RESTORE).  Afterwards it runs, recorded and with its pid file; after
 * a failure nothing is left. */
int criu_restore(struct criu_job *job, struct container *c, struct error *err);

/* --- for dump.c and restore.c ------------------------------------------------------- */

/* Open the directories (dump: make them) and tell CRIU; forget old logs. */
int job_open(struct criu_job *job, bool make, struct error *err);
void job_close(struct criu_job *job);

/* CRIU's configuration file: annotation org.criu.config, or the first of oci-rt.conf, runc.conf, crun.conf in /etc/criu. */
int job_config_file(struct criu_job *job, const struct config_map *annotations, struct error *err);

/* Options that an older criu would ignore without a word. */
int job_check_version(const struct criu_job *job, struct error *err);

/* In criu's process, before it becomes criu: a mount namespace where the container's root is a mount at
 * root_mount_point().  criu mounts in its work directory too, so both directories are opened again there and sent to
 * `sock`, the image's first. */
struct root {
	struct container *c;
	const struct criu_job *job;
	int sock;
};
int root_prepare(void *root, struct error *err);
const char *root_mount_point(const struct container *c);

#endif
