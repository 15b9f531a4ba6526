/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SPECS_CONFIG_H
#define OCI_RT_SPECS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/json_types.h"

/* GNU C predefines "linux" as 1; here it is the name of a member of the specification. */
#undef linux

/*
 * runtime-spec 1.3 configuration for Linux, as C structs.
 *
 * Conventions, the same everywhere:
 *  - names are the specification's JSON names, in snake_case (cgroupsPath is cgroups_path, uidMappings is uid_mappings);
 *  - string: const char *, NULL when absent;
 *  - optional number or boolean: struct opt_*, whose .set says whether the document had it;
 *  - optional object: pointer, NULL when absent;
 *  - array: pointer `x` and `x_count`; absent and empty are both count 0 unless `x_set` exists;
 *  - enumerations are C enums whose value 0 means absent;
 *  - all memory belongs to the arena the document was parsed into.
 */
struct config_key_value {
	const char *key;
	const char *value;
};
struct config_map {
	struct config_key_value *items;
	size_t count;
};

/* The value behind a key, or NULL. */
static inline const char *config_map_get(const struct config_map *m, const char *key)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->items[i].key, key) == 0)
			return m->items[i].value;
	return NULL;
}

/* --- process ------------------------------------------------------------- */

enum config_rlimit_type {
	CONFIG_RLIMIT_NONE = 0,
	CONFIG_RLIMIT_CPU,
	CONFIG_RLIMIT_FSIZE,
	CONFIG_RLIMIT_DATA,
	CONFIG_RLIMIT_STACK,
	CONFIG_RLIMIT_CORE,
	CONFIG_RLIMIT_RSS,
	CONFIG_RLIMIT_NPROC,
	CONFIG_RLIMIT_NOFILE,
	CONFIG_RLIMIT_MEMLOCK,
	CONFIG_RLIMIT_AS,
	CONFIG_RLIMIT_LOCKS,
	CONFIG_RLIMIT_SIGPENDING,
	CONFIG_RLIMIT_MSGQUEUE,
	CONFIG_RLIMIT_NICE,
	CONFIG_RLIMIT_RTPRIO,
	CONFIG_RLIMIT_RTTIME,
};
struct config_rlimit {
	enum config_rlimit_type type;
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

/* One bit per capability number; unknown names are kept for a warning. */
struct config_capability_set {
	bool set;
	uint64_t bits;
	const char **unknown;
	size_t unknown_count;
};
struct config_capabilities {
	struct config_capability_set bounding, effective, inheritable, permitted, ambient;
};

enum config_scheduler_policy {
	CONFIG_SCHED_NONE = 0,
	CONFIG_SCHED_OTHER,
	CONFIG_SCHED_FIFO,
	CONFIG_SCHED_RR,
	CONFIG_SCHED_BATCH,
	CONFIG_SCHED_ISO,
	CONFIG_SCHED_IDLE,
	CONFIG_SCHED_DEADLINE,
};
struct config_scheduler {
	enum config_scheduler_policy policy;
	int32_t nice;
	int32_t priority;
	uint64_t flags; /* the kernel's SCHED_FLAG_* bits */
	uint64_t runtime, deadline, period; /* nanoseconds */
};

enum config_io_priority_class {
	CONFIG_IOPRIO_CLASS_NONE = 0,
	CONFIG_IOPRIO_CLASS_RT,
	CONFIG_IOPRIO_CLASS_BE,
	CONFIG_IOPRIO_CLASS_IDLE,
};
struct config_io_priority {
	enum config_io_priority_class class;
	struct opt_i64 priority; /* 0..7 */
};

struct config_exec_cpu_affinity {
	const char *initial; /* CPU list, "0-3,7" */
	const char *final;
};

struct config_user {
	uint32_t uid, gid;
	struct opt_u64 umask;
	uint32_t *additional_gids;
	size_t additional_gids_count;
	const char *username; /* Windows only; kept for check */
};

struct config_process {
	bool terminal;
	struct {
		bool set;
		uint16_t height, width;
	} console_size;
	struct config_user user;
	const char **args;
	size_t args_count;
	const char **env;
	size_t env_count;
	const char *cwd;
	struct config_capabilities *capabilities;
	struct config_rlimit *rlimits;
	size_t rlimits_count;
	bool no_new_privileges;
	const char *apparmor_profile;
	struct opt_i64 oom_score_adj;
	struct config_scheduler *scheduler;
	const char *selinux_label;
	struct config_io_priority *io_priority;
	struct config_exec_cpu_affinity *exec_cpu_affinity;
};

/* --- root, mounts, hooks --------------------------------------------------- */

struct config_root {
	const char *path;
	bool readonly;
};

struct config_id_mapping {
	uint32_t container_id, host_id, size;
};

struct config_mount {
	const char *destination;
	const char *type;
	const char *source;
	const char **options;
	size_t options_count;
	struct config_id_mapping *uid_mappings;
	size_t uid_mappings_count;
	struct config_id_mapping *gid_mappings;
	size_t gid_mappings_count;
};

struct config_hook {
	const char *path;
	const char **args;
	size_t args_count;
	bool args_set;
	const char **env;
	size_t env_count;
	bool env_set;
	struct opt_i64 timeout; /* seconds, > 0 */
};
struct config_hook_list {
	struct config_hook *items;
	size_t count;
};
struct config_hooks {
	struct config_hook_list prestart, create_runtime, create_container, start_container, poststart, poststop;
};

/* --- linux ----------------------------------------------------------------- */

enum config_namespace_type {
	CONFIG_NS_NONE = 0,
	CONFIG_NS_PID,
	CONFIG_NS_NETWORK,
	CONFIG_NS_MOUNT,
	CONFIG_NS_IPC,
	CONFIG_NS_UTS,
	CONFIG_NS_USER,
	CONFIG_NS_CGROUP,
	CONFIG_NS_TIME,
	CONFIG_NS_COUNT
};
struct config_namespace {
	enum config_namespace_type type;
	const char *path; /* NULL: a new namespace */
};

struct config_time_offset {
	const char *clock; /* "monotonic" or "boottime" */
	int64_t secs;
	uint32_t nanosecs;
};

struct config_device {
	char type; /* 'b', 'c', 'u' or 'p' */
	const char *path;
	struct opt_i64 major, minor;
	struct opt_u64 file_mode;
	struct opt_u64 uid, gid;
};

struct config_net_device {
	const char *host_name; /* the member's name: the device in the runtime's namespace */
	const char *name;      /* NULL: the same name */
};

struct config_device_rule {
	bool allow;
	char type; /* 'a', 'b' or 'c'; absent is 'a' */
	struct opt_i64 major, minor; /* absent or -1: any */
	const char *access; /* of "rwm"; NULL: "rwm" */
};

struct config_memory {
	struct opt_i64 limit, reservation, swap, kernel, kernel_tcp; /* bytes, -1 unlimited */
	struct opt_u64 swappiness;
	struct opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};
struct config_cpu {
	struct opt_u64 shares;
	struct opt_i64 quota;	/* microseconds per period, < 0 unlimited */
	struct opt_u64 burst;	/* microseconds */
	struct opt_u64 period;	/* microseconds */
	struct opt_i64 realtime_runtime;
	struct opt_u64 realtime_period;
	const char *cpus, *mems;
	struct opt_i64 idle;
};
struct config_weight_device {
	int64_t major, minor;
	struct opt_u64 weight, leaf_weight;
};
struct config_throttle_device {
	int64_t major, minor;
	uint64_t rate;
};
struct config_throttle_list {
	struct config_throttle_device *items;
	size_t count;
};
struct config_block_io {
	struct opt_u64 weight, leaf_weight;
	struct config_weight_device *weight_device;
	size_t weight_device_count;
	struct config_throttle_list throttle_read_bps_device, throttle_write_bps_device, throttle_read_iops_device,
		throttle_write_iops_device;
};
struct config_hugepage_limit {
	const char *page_size;
	uint64_t limit;
};
struct config_interface_priority {
	const char *name;
	uint32_t priority;
};
struct config_network {
	struct opt_u64 class_id;
	struct config_interface_priority *priorities;
	size_t priorities_count;
};
struct config_rdma {
	const char *device;
	struct opt_u64 hca_handles, hca_objects;
};
struct config_resources {
	struct config_device_rule *devices;
	size_t devices_count;
	bool devices_set;
	struct config_memory *memory;
	struct config_cpu *cpu;
	struct {
		bool set;
		struct opt_i64 limit; /* -1 unlimited; 0 is a real limit since 1.3 */
	} pids;
	struct config_block_io *block_io;
	struct config_hugepage_limit *hugepage_limits;
	size_t hugepage_limits_count;
	struct config_network *network;
	struct config_rdma *rdma;
	size_t rdma_count;
	struct config_map unified;
};

struct config_intel_rdt {
	const char *clos_id;
	const char **schemata;
	size_t schemata_count;
	const char *l3_cache_schema;
	const char *mem_bw_schema;
	bool enable_monitoring;
};

enum config_memory_policy_mode {
	CONFIG_MPOL_NONE = 0,
	CONFIG_MPOL_DEFAULT,
	CONFIG_MPOL_BIND,
	CONFIG_MPOL_INTERLEAVE,
	CONFIG_MPOL_WEIGHTED_INTERLEAVE,
	CONFIG_MPOL_PREFERRED,
	CONFIG_MPOL_PREFERRED_MANY,
	CONFIG_MPOL_LOCAL,
};
struct config_memory_policy {
	enum config_memory_policy_mode mode;
	const char *nodes;
	uint32_t flags; /* the kernel's MPOL_F_* bits */
};

struct config_personality {
	const char *domain; /* "LINUX" or "LINUX32" */
	const char **flags;
	size_t flags_count;
};

enum config_propagation {
	CONFIG_PROPAGATION_NONE = 0,
	CONFIG_PROPAGATION_SHARED,
	CONFIG_PROPAGATION_SLAVE,
	CONFIG_PROPAGATION_PRIVATE,
	CONFIG_PROPAGATION_UNBINDABLE,
	CONFIG_PROPAGATION_RSHARED,
	CONFIG_PROPAGATION_RSLAVE,
	CONFIG_PROPAGATION_RPRIVATE,
	CONFIG_PROPAGATION_RUNBINDABLE,
};

/* --- linux.seccomp --------------------------------------------------------- */

enum config_seccomp_action {
	CONFIG_SCMP_NONE = 0,
	CONFIG_SCMP_ACT_KILL,
	CONFIG_SCMP_ACT_KILL_PROCESS,
	CONFIG_SCMP_ACT_KILL_THREAD,
	CONFIG_SCMP_ACT_TRAP,
	CONFIG_SCMP_ACT_ERRNO,
	CONFIG_SCMP_ACT_TRACE,
	CONFIG_SCMP_ACT_ALLOW,
	CONFIG_SCMP_ACT_LOG,
	CONFIG_SCMP_ACT_NOTIFY,
};
enum config_seccomp_operator {
	CONFIG_SCMP_CMP_NONE = 0,
	CONFIG_SCMP_CMP_NE,
	CONFIG_SCMP_CMP_LT,
	CONFIG_SCMP_CMP_LE,
	CONFIG_SCMP_CMP_EQ,
	CONFIG_SCMP_CMP_GE,
	CONFIG_SCMP_CMP_GT,
	CONFIG_SCMP_CMP_MASKED_EQ,
};
struct config_seccomp_arg {
	uint32_t index;
	uint64_t value, value_two;
	enum config_seccomp_operator op;
};
struct config_seccomp_rule {
	const char **names;
	size_t names_count;
	enum config_seccomp_action action;
	struct opt_u64 errno_ret;
	struct config_seccomp_arg *args;
	size_t args_count;
};
struct config_seccomp {
	enum config_seccomp_action default_action;
	struct opt_u64 default_errno_ret;
	const char **architectures; /* "SCMP_ARCH_X86_64", validated against the table of known names */
	size_t architectures_count;
	const char **flags; /* "SECCOMP_FILTER_FLAG_LOG", validated likewise */
	size_t flags_count;
	bool flags_set;
	const char *listener_path;
	const char *listener_metadata;
	struct config_seccomp_rule *syscalls;
	size_t syscalls_count;
};

struct config_linux {
	struct config_id_mapping *uid_mappings;
	size_t uid_mappings_count;
	struct config_id_mapping *gid_mappings;
	size_t gid_mappings_count;
	struct config_map sysctl;
	struct config_resources *resources;
	const char *cgroups_path;
	struct config_namespace *namespaces;
	size_t namespaces_count;
	struct config_device *devices;
	size_t devices_count;
	struct config_net_device *net_devices;
	size_t net_devices_count;
	struct config_seccomp *seccomp;
	enum config_propagation rootfs_propagation;
	const char **masked_paths;
	size_t masked_paths_count;
	const char **readonly_paths;
	size_t readonly_paths_count;
	const char *mount_label;
	struct config_intel_rdt *intel_rdt;
	struct config_memory_policy *memory_policy;
	struct config_personality *personality;
	struct config_time_offset *time_offsets;
	size_t time_offsets_count;
};

struct config {
	const char *oci_version;
	const char *hostname;
	const char *domainname;
	struct config_root *root;
	struct config_process *process;
	struct config_mount *mounts;
	size_t mounts_count;
	struct config_hooks *hooks;
	struct config_map annotations;
	struct config_linux *linux; /* never NULL after config_load(): empty when the document has none */
};

#endif
