/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_RESCTRL_H
#define OCI_RT_RUNTIME_PLAN_RESCTRL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "specs/config.h"

/*
 * Groups of the resource-control filesystem (Documentation/filesystems/resctrl;
 * linux.intelRdt).  A group is a class of service: a directory whose file
 * `schemata` says what the tasks in its file `tasks` may use of caches and
 * memory bandwidth.
 *
 * Everything but resctrl_find() takes the mount point as a parameter, so that a
 * plain directory tree can stand for it in a test.
 */

/* The mount point, absolute, in the arena.  ERR_UNSUPPORTED when there is none. */
int resctrl_find(struct arena *a, const char **root, struct error *err);

/* What linux.intelRdt means for a container. */
struct resctrl_group {
	const char *root;
	const char *path;    /* root/NAME, or root for the default class */
	const char *monitor; /* path/mon_groups/ID, NULL: none */
	bool own;	     /* named by the container: made and removed with it */
	const struct config_intel_rdt *rdt;
};
void resctrl_group_of(const char *root, const struct config_intel_rdt *rdt, const char *id, struct arena *a,
	struct resctrl_group *group);

/*
 * Make the group ready for tasks, by the rules of the specification: make it, or compare it with the configuration, or
 * insist that it exists; write its schemata; make the monitoring group.  note() is called with the path of a directory
 * that is to be removed with the container, before it is made.  After a failure the caller removes what was noted; a
 * class that others share and that was made here is removed here.
 */
typedef int resctrl_note(void *data, const char *path, struct error *err);
int resctrl_prepare(
	const struct resctrl_group *group, struct arena *a, resctrl_note *note, void *data, struct error *err);

/* Open the files that take the tasks of the container: the class's, then the monitoring group's (-1: none). */
int resctrl_open_tasks(const struct resctrl_group *group, int fds[2], struct error *err);

/* Put a process with one thread into both.  The pid is the caller's view. */
int resctrl_add_task(const int fds[2], pid_t pid, struct error *err);

/* `update`: write new schemata (each may be NULL) to the container's group, which must exist. */
int resctrl_update(const struct resctrl_group *group, const char *l3_cache_schema, const char *mem_bw_schema,
	struct arena *a, struct error *err);

/* Journal kind "resctrl": remove a group of the resource-control filesystem (absolute path) that the runtime made.
 * Idempotent; a missing directory is fine.  The kernel moves tasks that are left to the default class. */
int resctrl_undo(const char *path, struct error *err);

/* --- for tests ----------------------------------------------------------------- */

/* The text that l3CacheSchema and memBwSchema make together: the former without its lines "MB:", then the latter; lines
 * end in newlines.  NULL when there is nothing to write. */
const char *resctrl_combine(struct arena *a, const char *l3_cache_schema, const char *mem_bw_schema);

/* Does the file's text grant exactly what each line of `wanted` says?  *line is the first that differs. */
bool resctrl_matches(struct arena *a, const char *schemata, const char *wanted, const char **line);

#endif
