/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_RPC_H
#define OCI_RT_RUNTIME_CRIU_RPC_H

#include <stdbool.h>

#include "base/json_types.h"
#include "runtime/criu/wire.h"

/*
 * The messages of `criu swrk` (CRIU's images/rpc.proto; names and numbers are
 * CRIU's), as far as they are used here.
 */
enum criu_type {
	CRIU_DUMP = 1,
	CRIU_RESTORE = 2,
	CRIU_PRE_DUMP = 4,
	CRIU_NOTIFY = 6,
	CRIU_FEATURE_CHECK = 9,
	CRIU_VERSION = 10,
};

enum criu_cgroup_mode { CRIU_CG_IGNORE = 0, CRIU_CG_SOFT = 3, CRIU_CG_FULL = 4, CRIU_CG_STRICT = 5, CRIU_CG_DEFAULT = 6 };
enum criu_network_lock { CRIU_LOCK_IPTABLES = 1, CRIU_LOCK_NFTABLES = 2, CRIU_LOCK_SKIP = 3 };

struct criu_page_server {
	const char *address;
	struct opt_i64 port;
};
struct criu_mount {
	const char *key, *value; /* dump: mount point and name; restore: name and source */
};
struct criu_join {
	const char *ns, *file;
};
struct criu_inherit {
	const char *key;
	struct opt_i64 fd; /* as criu itself sees it */
};
struct criu_cgroup_root {
	const char *controller, *path;
};

struct criu_opts {
	struct opt_i64 images_dir_fd, work_dir_fd, status_fd; /* ours: criu looks into our /proc/PID/fd */
	struct opt_i64 pid, log_level, manage_cgroups_mode, empty_ns, network_lock;
	bool leave_running, ext_unix_sk, tcp_established, evasive_devices, shell_job, file_locks, notify_scripts, track_mem,
		auto_dedup, link_remap, manage_cgroups, rst_sibling, ext_sharing, ext_masters, tcp_skip_in_flight, lazy_pages,
		orphan_pts_master, tcp_close;
	const char *log_file, *root, *parent_img, *freeze_cgroup, *config_file, *lsm_profile, *lsm_mount_context;
	struct criu_page_server *ps;
	struct criu_mount *ext_mnt;
	size_t ext_mnt_count;
	struct criu_cgroup_root *cg_root;
	size_t cg_root_count;
	struct criu_inherit *inherit_fd;
	size_t inherit_fd_count;
	const char **external;
	size_t external_count;
	struct criu_join *join_ns;
	size_t join_ns_count;
};

struct criu_features {
	bool mem_track, lazy_pages;
};

struct criu_request {
	struct opt_i64 type;
	struct criu_opts *opts;
	bool notify_success, keep_open;
	struct criu_features *features;
};

struct criu_pid {
	const char *script; /* notify only */
	struct opt_i64 pid;
};
struct criu_version {
	struct opt_i64 major, minor, sublevel;
};
struct criu_response {
	struct opt_i64 type, cr_errno;
	bool success;
	struct criu_pid *restore, *notify;
	struct criu_features *features;
	struct criu_version *version;
};

extern const struct wire_message criu_request_message, criu_response_message;

#endif
