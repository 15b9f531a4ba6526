/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_CGROUP_H
#define OCI_RT_RUNTIME_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "runtime/plan/container.h"
#include "specs/config.h"

/*
 * The control groups of one container.
 *
 * A struct cgroup says where they are on this host: one directory in every
 * hierarchy of a v1 (or hybrid) host, or one directory in the unified hierarchy.
 * It is located from the configuration (create, run) or opened from the
 * container's record (every other command); locating touches nothing.
 *
 * The plan's steps are added by runtime/facility/cgroup.h; the functions here are
 * what the steps and the other commands call.
 *
 * cg may be NULL wherever a function only asks: there is no cgroup then.
 *
 * All functions return 0 (or what they say) or a negative errno with err filled.
 * Memory belongs to the arena given to cgroup_locate() or cgroup_open_saved().
 */
struct cgroup;

enum cgroup_version {
	CGROUP_NONE, /* no cgroup at all: manager disabled, or a rootless caller who may not make one */
	CGROUP_V1,   /* v1 hierarchies; also hybrid hosts, whose unified hierarchy has few or no controllers */
	CGROUP_V2,   /* the unified hierarchy alone */
};

/* --- where ----------------------------------------------------------------- */

struct cgroup_request {
	const char *cgroups_path;	      /* linux.cgroupsPath or NULL */
	const char *id;			      /* the container's */
	enum cgroup_manager manager;
	bool rootless;
	const struct config_map *annotations; /* org.systemd.property.*, run.oci.systemd.subgroup; or NULL */
	const char *fs_root;		      /* NULL: /sys/fs/cgroup; tests put a tree of their own here */
	int proc_fd;			      /* the host's /proc, verified; used only where the host is unusual or rootless */
};

/* Find the container's place.  Looks at the host, makes nothing. */
int cgroup_locate(struct arena *a, const struct cgroup_request *request, struct cgroup **cg, struct error *err);

/* Close every descriptor; the memory is the arena's. */
void cgroup_close(struct cgroup *cg);

/* What the state record keeps.  `paths`: key = controllers of the hierarchy joined by commas ("cpu,cpuacct"),
 * "name=systemd", or "unified"; value = absolute path of the container's directory. */
struct cgroup_record {
	const char *version; /* "v1", "v2", "none" */
	const char *manager; /* "cgroupfs", "systemd", "disabled" */
	struct config_map paths;
	const char *scope; /* systemd unit, or NULL */
	bool user_bus;	   /* the unit belongs to the user's systemd instance */
};
void cgroup_save(const struct cgroup *cg, struct arena *a, struct cgroup_record *record);

/* Open from the record.  Directories that are gone are no error: the container is then stopped, and every
 * function below finds no process in it. */
int cgroup_open_saved(struct arena *a, const struct cgroup_record *record, struct cgroup **cg, struct error *err);

enum cgroup_version cgroup_version(const struct cgroup *cg);

/* Does the container have a cgroup of its own (version is not CGROUP_NONE)? */
bool cgroup_exists(const struct cgroup *cg);

/* For messages: absolute path of the unified directory, else of the one in the first hierarchy, else "none". */
const char *cgroup_text(const struct cgroup *cg);

/* --- the cgroup mount inside the container ---------------------------------- */

struct cgroup_mount {
	const char *name;	  /* v1: directory below /sys/fs/cgroup ("cpu,cpuacct", "systemd", "unified"); v2: "" */
	const char *path;	  /* on the host, absolute: the container's own directory */
	const char *const *links; /* names that are symbolic links to `name` ("cpu", "cpuacct") */
	size_t links_count;
	bool unified;		  /* cgroup2 */
	int fd;			  /* O_PATH of path; -1 before STAGE_HOST ran (systemd manager: before STAGE_MAP) */
};

/* One entry per hierarchy; 0 when there is no cgroup.  The array lives as long as cg and is filled in further
 * (fd) when the directories are made. */
size_t cgroup_mounts(const struct cgroup *cg, const struct cgroup_mount **mounts);

/* --- making, attaching ------------------------------------------------------ */

/* Directory for clone3's CLONE_INTO_CGROUP, or -1: v2 and the unified hierarchy of a hybrid host.  Stays open
 * and owned by cg. */
int cgroup_clone_fd(const struct cgroup *cg);

/* Word the failure of a clone3 that was given cgroup_clone_fd(). */
int cgroup_clone_error(const struct cgroup *cg, int errnum, struct error *err);

/* Prepare the entry of one more process (exec): open what cgroup_clone_fd() and cgroup_enter_self() need.
 * subs: values of --cgroup, "path" or "controller[,controller]:path", below the container's cgroup. */
int cgroup_enter_prepare(struct cgroup *cg, const char *const *subs, size_t count, struct error *err);

/* Did cgroup_enter_prepare() find that the process cannot be born there and systemd has to move it?  Then
 * cgroup_enter_pid() does, after the clone. */
bool cgroup_attach_due(const struct cgroup *cg);

/* When clone3 said EBUSY or EOPNOTSUPP (the container divided its cgroup): aim at the cgroup that the container's
 * first process is in.  -EBUSY when that is the one already tried. */
int cgroup_enter_like(struct cgroup *cg, int proc_fd, pid_t init, struct error *err);

/* The caller, still single-threaded, moves itself into the v1 hierarchies.  System calls only. */
int cgroup_enter_self(const struct cgroup *cg, struct error *err);

/* Move another process everywhere: slow (a grace period of the kernel), for systemd and kernels without
 * CLONE_INTO_CGROUP. */
int cgroup_enter_pid(const struct cgroup *cg, pid_t pid, struct error *err);

/* v2, annotation run.oci.delegate-cgroup: is there to be a cgroup below the container's, without limits, for its
 * processes to manage? */
bool cgroup_has_payload(const struct cgroup *cg);
/* Make it, give it to uid, and move the process there. */
int cgroup_enter_payload(const struct cgroup *cg, uid_t uid, pid_t pid, struct error *err);

/* Is the process in the container's cgroup, in every hierarchy?  An error names the one where it is not. */
int cgroup_verify(const struct cgroup *cg, int proc_fd, pid_t pid, struct error *err);

/* --- limits ------------------------------------------------------------------ */

/* What has to be written for `change`, and what holds afterwards: `write` gets the members that change names and
 * those whose value on disk depends on them (quota with period, memory with swap), `merged` everything.  Pointers
 * into stored and change are shared.  stored may be NULL. */
void resources_merge(struct arena *a, const struct config_resources *stored, const struct config_resources *change,
	struct config_resources *merged, struct config_resources *write);

/* Change the limits of a living container.  change: as given by the caller; stored: what holds until now (may be
 * NULL).  Devices stay as they are when change does not name them. */
int cgroup_update(struct cgroup *cg, const struct config_resources *stored, const struct config_resources *change,
	struct error *err);

/* --- services ---------------------------------------------------------------- */

/* Every process in the container's cgroup and below it, in the caller's pid namespace. */
int cgroup_pids(const struct cgroup *cg, struct arena *a, pid_t **pids, size_t *count, struct error *err);

/* Send a signal to all of them; nobody escapes by forking.  SIGKILL also reaches a paused container. */
int cgroup_kill(const struct cgroup *cg, int sig, struct error *err);

int cgroup_freeze(const struct cgroup *cg, struct error *err);
int cgroup_thaw(const struct cgroup *cg, struct error *err);
/* 1, 0 or a negative errno. */
int cgroup_is_frozen(const struct cgroup *cg, struct error *err);

/* --- undo: journal kinds "cgroup" and "scope" ---------------------------------- */

/* Kill what is left, wait until it is gone, remove the directory with everything below it.  path is absolute; a
 * double slash in it ("/sys/fs/cgroup/a//b/c") says that what follows was missing when the container was made:
 * those parents go too, when they are empty.  At the end ("/sys/fs/cgroup/a//") it says that nothing was missing:
 * the directory itself stays.  Idempotent; a missing directory is fine.  Fails while anything is
 * left. */
int cgroup_undo(const char *path, struct error *err);

/* Stop and forget a systemd unit.  arg: "system NAME" or "user NAME", then, after a space, the cgroup's path: what is
 * left in it is killed and removed first. */
int cgroup_undo_scope(const char *arg, struct error *err);

/* --- events -------------------------------------------------------------------- */

struct cgroup_psi {
	bool set;
	struct cgroup_psi_line {
		double avg10, avg60, avg300; /* per cent */
		uint64_t total;		     /* microseconds */
	} some, full;
};

struct cgroup_memory_usage {
	bool set;
	uint64_t limit, usage, max, failcnt; /* bytes; limit UINT64_MAX: none */
};

struct cgroup_blkio_entry {
	uint64_t major, minor;
	const char *op; /* "Read", "Write", "Sync", "Async", "Total"; "" on lists without one */
	uint64_t value;
};
struct cgroup_blkio_list {
	struct cgroup_blkio_entry *items;
	size_t count;
};

struct cgroup_stat_entry {
	const char *key;
	uint64_t value;
};

struct cgroup_hugetlb_usage {
	const char *size; /* "2MB" */
	uint64_t usage, max, failcnt;
};

struct cgroup_rdma_usage {
	const char *device;
	uint64_t hca_handles, hca_objects;	       /* current */
	uint64_t hca_handles_limit, hca_objects_limit; /* UINT64_MAX: none */
};

struct cgroup_stats {
	struct {
		uint64_t total, kernel, user; /* nanoseconds */
		uint64_t *percpu, *percpu_kernel, *percpu_user;
		size_t percpu_count;
		uint64_t periods, throttled_periods, throttled_time; /* time in nanoseconds */
		struct cgroup_psi psi;
	} cpu;
	struct {
		bool set;
		const char *cpus, *mems; /* lists in force */
		bool cpu_exclusive, mem_exclusive, mem_hardwall, memory_migrate, memory_spread_page, memory_spread_slab,
			sched_load_balance;
		uint64_t memory_pressure;
		int64_t sched_relax_domain_level;
	} cpuset;
	struct {
		uint64_t cache; /* bytes */
		struct cgroup_memory_usage usage, swap, swap_only, kernel, kernel_tcp;
		bool use_hierarchy;
		struct cgroup_stat_entry *raw; /* memory.stat */
		size_t raw_count;
		struct cgroup_psi psi;
	} memory;
	struct {
		uint64_t current, limit; /* limit 0: none */
	} pids;
	struct {
		struct cgroup_blkio_list service_bytes, serviced, queued, service_time, wait_time, merged, time, sectors;
		struct cgroup_psi psi;
	} blkio;
	struct cgroup_hugetlb_usage *hugetlb;
	size_t hugetlb_count;
	struct cgroup_rdma_usage *rdma;
	size_t rdma_count;
};

/* Read what the host offers; what it does not offer stays zero.  Fails only when the cgroup is gone. */
int cgroup_stats(const struct cgroup *cg, struct arena *a, struct cgroup_stats *stats, struct error *err);

/* Watch for the container running out of memory. */
struct cgroup_oom {
	int fd;		   /* poll it for reading */
	int events_fd;	   /* v2: memory.events; v1: memory.oom_control */
	int dir_fd;	   /* v2: the cgroup */
	bool unified;
	uint64_t oom_kill; /* seen so far */
	int above_fd;	   /* v2 below a scope of systemd: memory.events of the slice, or -1 */
	int watch;	   /* v2: inotify's number of memory.events */
	bool changed;	   /* v2: it has told of a change */
	uint64_t above;	   /* kills that the slice had counted at the last look */
};
int cgroup_oom_open(const struct cgroup *cg, struct cgroup_oom *oom, struct error *err);

/* After fd became readable: 1 when memory ran out since the last call, 0 for other news, -ENODEV when the cgroup is
 * gone (nothing more will come). */
int cgroup_oom_read(struct cgroup_oom *oom);
void cgroup_oom_close(struct cgroup_oom *oom);

#endif
