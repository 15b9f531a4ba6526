/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_INTERNAL_H
#define OCI_RT_RUNTIME_CGROUP_INTERNAL_H

/* What the files of this room share; nothing outside includes it but the room's unit tests. */

#include "runtime/cgroup/cgroup.h"

/* In the order of table `controllers` in host.c. */
enum controller {
	CTRL_CPU,
	CTRL_CPUACCT,
	CTRL_CPUSET,
	CTRL_MEMORY,
	CTRL_BLKIO, /* v2: io */
	CTRL_PIDS,
	CTRL_HUGETLB,
	CTRL_RDMA,
	CTRL_MISC,
	CTRL_DMEM,
	CTRL_DEVICES,
	CTRL_FREEZER,
	CTRL_NET_CLS,
	CTRL_NET_PRIO,
	CTRL_PERF_EVENT,
	CTRL_COUNT
};
#define CTRL_BIT(c) (UINT32_C(1) << (c))

#define HIERARCHY_MAX 24
#define KEY_UNIFIED "unified"

/* --- the host (host.c) ------------------------------------------------------ */

/* One mounted hierarchy. */
struct host_hierarchy {
	const char *key;	 /* as in cgroup_record.paths */
	const char *name;	 /* directory below /sys/fs/cgroup, "" for the whole of it */
	const char *mount_point; /* absolute */
	const char *mount_root;	 /* which directory of the hierarchy is mounted there: "/" on an ordinary host */
	const char **links;
	size_t links_count;
	uint32_t controllers; /* v1 only */
	bool unified;
	uint64_t dev; /* of the mount, to see one hierarchy mounted twice; 0: unknown */
	int fd;	      /* O_PATH of the mount point, or -1 */
};
struct host {
	enum cgroup_version version;
	struct host_hierarchy h[HIERARCHY_MAX];
	size_t count;
};

const char *controller_name(enum controller c, bool v2);
/* Number of the controller called by the n bytes at name (v2 names too), or -1. */
int controller_find(const char *name, size_t n);

/* Look at /sys/fs/cgroup (fs_root).  -ENODATA when it is not of the usual form. */
int host_scan(struct arena *a, const char *fs_root, struct host *host, struct error *err);

/* Read the same from the text of /proc/PID/mountinfo. */
int host_from_mountinfo(struct arena *a, char *text, struct host *host, struct error *err);

/* Does the caller run in a user namespace other than the initial one?  Its root has no say over the host's cgroups. */
bool host_in_userns(void);
/* The user whom id 0 of the caller's user namespace is outside; the caller himself without one. */
uid_t host_owner(void);

/* Close the descriptors. */
void host_close(struct host *host);

/* host_scan(), else mountinfo. */
int host_find(struct arena *a, const char *fs_root, int proc_fd, struct host *host, struct error *err);

/* Text of /proc/PID/FILE; pid 0: the caller. */
int host_proc_read(int proc_fd, pid_t pid, const char *file, struct arena *a, char **text, struct error *err);

/* Path of a process in one hierarchy, from the text of /proc/PID/cgroup, or NULL: arena memory. */
const char *host_proc_cgroup(struct arena *a, const char *text, const char *key);

/* --- a container's place ---------------------------------------------------- */

struct hierarchy {
	struct cgroup_mount *m; /* path and fd of the container's directory */
	const char *key;
	const char *mount_point; /* NULL: not known (opened from an unusual record) */
	const char *mount_root;
	const char *rel; /* the container's directory below mount_point, without leading slash */
	size_t missing;	 /* offset in rel of the first component that was not there when the plan was made */
	uint32_t controllers;
	bool unified;
	bool made;	 /* by this run */
	int top_fd;   /* O_PATH of mount_point until the directory is made, or -1 */
	int enter_fd; /* v1: "tasks" of the cgroup to enter; unified: that cgroup's directory; -1 */
};

struct cgroup {
	struct arena *arena;
	enum cgroup_version version;
	enum cgroup_manager manager;
	bool rootless;
	bool path_given; /* linux.cgroupsPath was set */
	bool saved;	 /* opened from the record */
	const char *id;
	const struct config_map *annotations;
	struct hierarchy h[HIERARCHY_MAX];
	struct cgroup_mount mounts[HIERARCHY_MAX];
	size_t count;

	/* systemd */
	const char *slice, *unit;
	const char *subgroup; /* v2: the cgroup below the unit's that the container gets, or NULL: the unit's own */
	bool user_bus;
	const char *payload; /* v2: below the container's cgroup, its first process's own; or NULL */
	struct dbus *attach; /* exec: systemd has to move the process, over this connection */
};

/* Clean a path: no "." and no empty components, no leading slash.  -EINVAL on ".." and on a path that names the
 * root, -ENAMETOOLONG. */
int cgroup_clean_path(struct arena *a, const char *path, const char **rel, struct error *err);

/* linux.cgroupsPath for systemd ("slice:prefix:name") → slice, unit (unit.c). */
int unit_from_path(struct arena *a, const char *cgroups_path, const char *id, bool user, const char **slice,
	const char **unit, struct error *err);
/* "a-b.slice" → "a.slice/a-b.slice"; "-.slice" → "". */
int unit_expand_slice(struct arena *a, const char *slice, const char **path, struct error *err);

/* Build from what is known; pure (locate.c). */
int cgroup_place(struct arena *a, const struct cgroup_request *rq, const struct host *host, const char *self_cgroup,
	struct cgroup **out, struct error *err);

/* The hierarchy that has the controller: a v1 one, else the unified one when its directory offers it, else NULL. */
const struct hierarchy *cgroup_controller(const struct cgroup *cg, enum controller c);
const struct hierarchy *cgroup_unified(const struct cgroup *cg);
const struct hierarchy *cgroup_by_key(const struct cgroup *cg, const char *key);

/* Open the directory of one hierarchy when it is not yet open.  -ENOENT when it is gone. */
int hierarchy_open(const struct hierarchy *h);

/* Open an absolute path that consists of real directories only, and check that it is a cgroup filesystem.
 * Negative errno; -EMEDIUMTYPE when it is another filesystem. */
int cgroup_open_path(const char *path);

/* --- files (file.c) --------------------------------------------------------- */

/* Write text to a file of the container's directory; the error names both. */
int cg_write(const struct hierarchy *h, const char *file, const char *text, struct error *err);
int cg_writef(const struct hierarchy *h, struct error *err, const char *file, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Write to an open file, in one write(). */
int cg_write_fd(int fd, const char *text);
/* The same without words: negative errno. */
int cg_try_write(const struct hierarchy *h, const char *file, const char *text);
bool cg_has(const struct hierarchy *h, const char *file);
/* Read a small file: length, or a negative errno.  buf is terminated, the last newline cut off. */
ssize_t cg_read_at(int dir, const char *file, char *buf, size_t size);
ssize_t cg_read(const struct hierarchy *h, const char *file, char *buf, size_t size);
/* A single number; "max" and "-1" are UINT64_MAX. */
int cg_read_u64(const struct hierarchy *h, const char *file, uint64_t *value);
/* The number behind a key of a flat-keyed file ("populated" of cgroup.events).  -ENODATA without it. */
int cg_read_key_at(int dir, const char *file, const char *key, uint64_t *value);
int cg_write_error(const struct hierarchy *h, const char *file, const char *text, int errnum, struct error *err);

/* --- making (create.c) ------------------------------------------------------ */

/* Look which parts of the path are there.  An error when the cgroup is in use. */
int cgroup_probe(struct cgroup *cg, struct error *err);
/* Make a directory below the one of h and have that be the container's; the caller moves the processes. */
int cgroup_make_below(struct cgroup *cg, struct hierarchy *h, const char *name, struct error *err);
/* Make the directory of one hierarchy, open it. */
int cgroup_make(struct cgroup *cg, size_t index, const struct config_resources *res, struct error *err);
/* v2: let uid divide the container's cgroup: it owns the directory and the files of /sys/kernel/cgroup/delegate. */
int cgroup_delegate(const struct cgroup *cg, uid_t uid, struct error *err);
/* The same with any directory of v2; path is for messages. */
int v2_give(int dir, const char *path, uid_t uid, struct error *err);
/* v2: hand down to the levels below h what it has. */
void v2_hand_down(const struct hierarchy *h);
/* Argument of the undo. */
const char *cgroup_undo_arg(const struct cgroup *cg, size_t index);
/* v2: have the wanted controllers handed down to h, as far as the levels above let it; needed: those that have limits. */
void v2_enable(struct hierarchy *h, uint32_t wanted, uint32_t needed);
/* v2: bits of the controllers that work in h. */
uint32_t v2_available(const struct hierarchy *h);
/* v2: say why controller c does not work in h. */
int v2_missing_error(const struct cgroup *cg, const struct hierarchy *h, enum controller c, struct error *err);

/* --- the payload's cgroup (payload.c) ------------------------------------------ */

/* What the annotation says of it. */
int payload_read(struct cgroup *cg, struct error *err);

/* --- limits ----------------------------------------------------------------- */

/* One group of linux.resources: what the configuration calls it and who writes it. */
struct limit_group {
	const char *property; /* "linux.resources.memory" */
	enum controller controller;
	bool (*wanted)(const struct config_resources *res);
	int (*v1)(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err);
	int (*v2)(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err);
};
extern const struct limit_group limit_groups[];
extern const size_t limit_groups_count;

int limit_apply(const struct cgroup *cg, const struct limit_group *g, const struct config_resources *res,
	struct error *err);
/* Bits of the controllers that res needs. */
uint32_t limit_controllers(const struct config_resources *res);
/* Does res ask for anything but device rules? */
bool limit_any(const struct config_resources *res);

typedef int limit_fn(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res,
	struct error *err);
limit_fn v1_memory, v1_cpu, v1_cpuset, v1_pids, v1_block_io, v1_hugetlb, v1_network_class, v1_network_priority;
limit_fn v2_memory, v2_cpu, v2_cpuset, v2_pids, v2_block_io, v2_hugetlb, v2_network, v2_unified;
/* The same files on both. */
limit_fn cpuset_limits, rdma_limits;
int hugetlb_limits(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res,
	const char *tail, const char *rsvd_tail, struct error *err);
void limit_warn_kernel(const struct config_memory *m);
/* What v2 cannot express, found before anything is made or changed. */
int v2_check(const struct config_resources *res, struct error *err);
/* memory.checkBeforeUpdate: does the container use more than it would be allowed? */
int v2_check_memory(const struct hierarchy *h, const struct config_memory *m, struct error *err);

/* Device rules: on create always, on update when res->devices_set. */
int cgroup_devices(const struct cgroup *cg, const struct config_resources *res, bool update, struct error *err);

/* --- processes (process.c) --------------------------------------------------- */

struct pid_list {
	struct arena *arena;
	pid_t *items;
	size_t count, room;
};
/* Processes of dir and of every directory below it. */
int pids_collect(int dir, struct pid_list *list);
/* Is there any process in dir or below?  1, 0, negative errno. */
int pids_any(int dir, bool unified);
/* SIGKILL once for everything in dir and below, frozen or not; does not wait. */
int pids_kill(int dir);

/* --- systemd ------------------------------------------------------------------ */

/* Start the transient unit with pid in it, wait until it is there, find its path, open it. */
int systemd_start(struct cgroup *cg, const struct config_resources *res, pid_t pid, struct error *err);
int systemd_update(struct cgroup *cg, const struct config_resources *write, const struct config_resources *merged,
	struct error *err);
/* Have systemd move a process into the unit.  With cgroup_attach_open() before, over that connection. */
int systemd_attach(const struct cgroup *cg, pid_t pid, struct error *err);
int systemd_attach_open(struct cgroup *cg, struct error *err);

#endif
