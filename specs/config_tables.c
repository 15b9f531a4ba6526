/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec 1.3 config.md as tables: the configuration,
 * its process, mounts and hooks.  What a table cannot say (relations between
 * members, formats of strings) is in runtime/config/check*.c.  Members of other
 * platforms are listed as ignored, so that this file is a complete index.
 */
#include "specs/config_tables.h"
#include "specs/enums.h"

#include <string.h>

_Static_assert(sizeof(struct config_key_value) == sizeof(struct json_key_value) &&
		       offsetof(struct config_key_value, value) == offsetof(struct json_key_value, value),
	"struct config_key_value is filled by JSON_MAP");

/* --- process ------------------------------------------------------------------ */

static const struct json_field console_size_fields[] = {
	JSON_F(JSON_UINT, struct config_process, console_size.height, "height", .required = true),
	JSON_F(JSON_UINT, struct config_process, console_size.width, "width", .required = true),
};
/* Its members lie in struct config_process itself. */
static const struct json_object console_size_object =
	JSON_OBJECT_OF("consoleSize", struct config_process, console_size_fields);

static const struct json_field user_fields[] = {
	JSON_F_RANGE(JSON_UINT, struct config_user, uid, "uid", 0, CONFIG_ID_MAX, .required = true),
	JSON_F_RANGE(JSON_UINT, struct config_user, gid, "gid", 0, CONFIG_ID_MAX, .required = true),
	JSON_F_RANGE(JSON_OPT_U64, struct config_user, umask, "umask", 0, 07777, .since = "1.0.2"),
	{JSON_FIELD_(JSON_U32S, struct config_user, additional_gids, "additionalGids"),
		.count_offset = offsetof(struct config_user, additional_gids_count), .ranged = true,
		.max = CONFIG_ID_MAX},
	JSON_F(JSON_STRING, struct config_user, username, "username"),
};
static const struct json_object user_object = JSON_OBJECT_OF("user", struct config_user, user_fields);

/* Unknown capabilities are a warning by the specification: they are kept by name. */
static void take_capability(struct json_reader *r, const struct json_field *field, void *object, const char *s)
{
	struct config_capability_set *set = (void *)((char *)object + field->offset);
	int64_t number;
	size_t n = set->unknown_count;

	if (json_enum_find(&config_capability_names, s, strlen(s), &number)) {
		set->bits |= UINT64_C(1) << number;
		return;
	}
	/* Room is a power of two: it is full whenever the count is one. */
	if ((n & (n - 1)) == 0)
		set->unknown = arena_grow(json_reader_arena(r), set->unknown, n * sizeof *set->unknown,
			(n ? n * 2 : 1) * sizeof *set->unknown);
	set->unknown[set->unknown_count++] = s;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): names of members */
#define CAPABILITY_SET(M)                                                                                              \
	JSON_F(JSON_STRINGS_TAKE, struct config_capabilities, M, #M, .take = take_capability,                          \
		JSON_F_SET(struct config_capabilities, M.set))
/* NOLINTEND(bugprone-macro-parentheses) */
static const struct json_field capabilities_fields[] = {
	CAPABILITY_SET(bounding),
	CAPABILITY_SET(effective),
	CAPABILITY_SET(inheritable),
	CAPABILITY_SET(permitted),
	CAPABILITY_SET(ambient),
};
static const struct json_object capabilities_object =
	JSON_OBJECT_OF("capabilities", struct config_capabilities, capabilities_fields);

static const struct json_field rlimit_fields[] = {
	JSON_F(JSON_ENUM, struct config_rlimit, type, "type", .names = &config_rlimit_types, .required = true),
	JSON_F(JSON_UINT, struct config_rlimit, soft, "soft", .required = true),
	JSON_F(JSON_UINT, struct config_rlimit, hard, "hard", .required = true),
};
static const struct json_object rlimit_object = JSON_OBJECT_OF("rlimit", struct config_rlimit, rlimit_fields);

static const struct json_field scheduler_fields[] = {
	JSON_F(JSON_ENUM, struct config_scheduler, policy, "policy", .names = &config_scheduler_policies,
		.required = true),
	JSON_F(JSON_INT, struct config_scheduler, nice, "nice"),
	JSON_F(JSON_INT, struct config_scheduler, priority, "priority"),
	JSON_F(JSON_STRINGS_TAKE, struct config_scheduler, flags, "flags", .names = &config_scheduler_flags,
		.take = json_take_flag),
	JSON_F(JSON_UINT, struct config_scheduler, runtime, "runtime"),
	JSON_F(JSON_UINT, struct config_scheduler, deadline, "deadline"),
	JSON_F(JSON_UINT, struct config_scheduler, period, "period"),
};
static const struct json_object scheduler_object =
	JSON_OBJECT_OF("scheduler", struct config_scheduler, scheduler_fields);

static const struct json_field io_priority_fields[] = {
	JSON_F(JSON_ENUM, struct config_io_priority, class, "class", .names = &config_io_priority_classes,
		.required = true),
	JSON_F_RANGE(JSON_OPT_I64, struct config_io_priority, priority, "priority", 0, 7, .required = true),
};
static const struct json_object io_priority_object =
	JSON_OBJECT_OF("ioPriority", struct config_io_priority, io_priority_fields);

static const struct json_field exec_cpu_affinity_fields[] = {
	JSON_F(JSON_STRING, struct config_exec_cpu_affinity, initial, "initial", .empty_is_absent = true),
	JSON_F(JSON_STRING, struct config_exec_cpu_affinity, final, "final", .empty_is_absent = true),
};
static const struct json_object exec_cpu_affinity_object =
	JSON_OBJECT_OF("execCPUAffinity", struct config_exec_cpu_affinity, exec_cpu_affinity_fields);

static const struct json_field process_fields[] = {
	JSON_F(JSON_BOOL, struct config_process, terminal, "terminal"),
	{.name = "consoleSize",
		.name_length = 11,
		.kind = JSON_OBJECT,
		.object = &console_size_object,
		JSON_F_SET(struct config_process, console_size.set)},
	JSON_F(JSON_OBJECT, struct config_process, user, "user", .object = &user_object),
	JSON_F_ARRAY(JSON_STRINGS, struct config_process, args, "args"),
	JSON_F_BARE(JSON_IGNORED, "commandLine"),
	JSON_F_ARRAY(JSON_STRINGS, struct config_process, env, "env"),
	JSON_F(JSON_STRING, struct config_process, cwd, "cwd", .required = true),
	JSON_F(JSON_OBJECT_PTR, struct config_process, capabilities, "capabilities", .object = &capabilities_object),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_process, rlimits, "rlimits", .object = &rlimit_object),
	JSON_F(JSON_BOOL, struct config_process, no_new_privileges, "noNewPrivileges"),
	JSON_F(JSON_STRING, struct config_process, apparmor_profile, "apparmorProfile", .empty_is_absent = true),
	JSON_F_RANGE(JSON_OPT_I64, struct config_process, oom_score_adj, "oomScoreAdj", -1000, 1000),
	JSON_F(JSON_OBJECT_PTR, struct config_process, scheduler, "scheduler", .object = &scheduler_object,
		.since = "1.1.0"),
	JSON_F(JSON_STRING, struct config_process, selinux_label, "selinuxLabel", .empty_is_absent = true),
	JSON_F(JSON_OBJECT_PTR, struct config_process, io_priority, "ioPriority", .object = &io_priority_object,
		.since = "1.1.0"),
	JSON_F(JSON_OBJECT_PTR, struct config_process, exec_cpu_affinity, "execCPUAffinity",
		.object = &exec_cpu_affinity_object, .since = "1.2.1"),
};
const struct json_object config_process_object = JSON_OBJECT_OF("process", struct config_process, process_fields);

/* --- root, mounts, hooks -------------------------------------------------------- */

static const struct json_field root_fields[] = {
	JSON_F(JSON_STRING, struct config_root, path, "path", .required = true),
	JSON_F(JSON_BOOL, struct config_root, readonly, "readonly"),
};
static const struct json_object root_object = JSON_OBJECT_OF("root", struct config_root, root_fields);

static const struct json_field id_mapping_fields[] = {
	JSON_F(JSON_UINT, struct config_id_mapping, container_id, "containerID", .required = true),
	JSON_F(JSON_UINT, struct config_id_mapping, host_id, "hostID", .required = true),
	JSON_F(JSON_UINT, struct config_id_mapping, size, "size", .required = true),
};
const struct json_object config_id_mapping_object =
	JSON_OBJECT_OF("idMapping", struct config_id_mapping, id_mapping_fields);

static const struct json_field mount_fields[] = {
	JSON_F(JSON_STRING, struct config_mount, destination, "destination", .required = true),
	JSON_F(JSON_STRING, struct config_mount, type, "type", .empty_is_absent = true),
	JSON_F(JSON_STRING, struct config_mount, source, "source", .empty_is_absent = true),
	JSON_F_ARRAY(JSON_STRINGS, struct config_mount, options, "options"),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_mount, uid_mappings, "uidMappings",
		.object = &config_id_mapping_object, .since = "1.1.0"),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_mount, gid_mappings, "gidMappings",
		.object = &config_id_mapping_object, .since = "1.1.0"),
};
const struct json_object config_mount_object = JSON_OBJECT_OF("mount", struct config_mount, mount_fields);

static const struct json_field hook_fields[] = {
	JSON_F(JSON_STRING, struct config_hook, path, "path", .required = true),
	JSON_F_ARRAY(JSON_STRINGS, struct config_hook, args, "args", JSON_F_SET(struct config_hook, args_set)),
	JSON_F_ARRAY(JSON_STRINGS, struct config_hook, env, "env", JSON_F_SET(struct config_hook, env_set)),
	JSON_F(JSON_OPT_I64, struct config_hook, timeout, "timeout"),
};
static const struct json_object hook_object = JSON_OBJECT_OF("hook", struct config_hook, hook_fields);

#define HOOKS(M, NAME, ...)                                                                                            \
	JSON_F_LIST(JSON_OBJECTS, struct config_hooks, M, NAME, .object = &hook_object, ##__VA_ARGS__)
static const struct json_field hooks_fields[] = {
	HOOKS(prestart, "prestart"),
	HOOKS(create_runtime, "createRuntime", .since = "1.0.2"),
	HOOKS(create_container, "createContainer", .since = "1.0.2"),
	HOOKS(start_container, "startContainer", .since = "1.0.2"),
	HOOKS(poststart, "poststart"),
	HOOKS(poststop, "poststop"),
};
static const struct json_object hooks_object = JSON_OBJECT_OF("hooks", struct config_hooks, hooks_fields);

/* --- the configuration ------------------------------------------------------------ */

static const struct json_field config_fields[] = {
	JSON_F(JSON_STRING, struct config, oci_version, "ociVersion", .required = true),
	JSON_F(JSON_OBJECT_PTR, struct config, process, "process", .object = &config_process_object),
	JSON_F(JSON_OBJECT_PTR, struct config, root, "root", .object = &root_object, .required = true),
	JSON_F(JSON_STRING, struct config, hostname, "hostname", .empty_is_absent = true),
	JSON_F(JSON_STRING, struct config, domainname, "domainname", .empty_is_absent = true, .since = "1.1.0"),
	JSON_F_ARRAY(JSON_OBJECTS, struct config, mounts, "mounts", .object = &config_mount_object,
		.max_elements = CONFIG_MAX_MOUNTS),
	JSON_F(JSON_OBJECT_PTR, struct config, hooks, "hooks", .object = &hooks_object),
	JSON_F_LIST(JSON_MAP, struct config, annotations, "annotations"),
	JSON_F(JSON_OBJECT_PTR, struct config, linux, "linux", .object = &config_linux_object),
	JSON_F_BARE(JSON_IGNORED, "solaris"),
	JSON_F_BARE(JSON_IGNORED, "windows"),
	JSON_F_BARE(JSON_IGNORED, "vm"),
	JSON_F_BARE(JSON_IGNORED, "zos", .since = "1.1.0"),
	JSON_F_BARE(JSON_IGNORED, "freebsd", .since = "1.3.0"),
};
const struct json_object config_object = JSON_OBJECT_OF("config", struct config, config_fields);
