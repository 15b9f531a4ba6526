/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec 1.3 config-linux.md as tables, all but the
 * resources.  See config_tables.c.
 */
#include "specs/config_tables.h"
#include "specs/enums.h"

static const struct json_field namespace_fields[] = {
	JSON_F(JSON_ENUM, struct config_namespace, type, "type", .names = &config_namespace_types, .required = true),
	JSON_F(JSON_STRING, struct config_namespace, path, "path"),
};
static const struct json_object namespace_object =
	JSON_OBJECT_OF("namespace", struct config_namespace, namespace_fields);

static const struct json_field time_offset_fields[] = {
	JSON_F(JSON_INT, struct config_time_offset, secs, "secs"),
	JSON_F_RANGE(JSON_UINT, struct config_time_offset, nanosecs, "nanosecs", 0, 999999999),
};
static const struct json_object time_offset_object =
	JSON_OBJECT_OF("timeOffset", struct config_time_offset, time_offset_fields);

/* fileMode is permission bits; engines that copy st_mode leave the file type in, which the device's own type replaces.
 */
static const struct json_field device_fields[] = {
	JSON_F(JSON_ENUM, struct config_device, type, "type", .names = &config_device_types, .required = true),
	JSON_F(JSON_STRING, struct config_device, path, "path", .required = true),
	JSON_F_RANGE(JSON_OPT_I64, struct config_device, major, "major", 0, 4095),
	JSON_F_RANGE(JSON_OPT_I64, struct config_device, minor, "minor", 0, 1048575),
	JSON_F_RANGE(JSON_OPT_U64, struct config_device, file_mode, "fileMode", 0, 0177777),
	JSON_F_RANGE(JSON_OPT_U64, struct config_device, uid, "uid", 0, CONFIG_ID_MAX),
	JSON_F_RANGE(JSON_OPT_U64, struct config_device, gid, "gid", 0, CONFIG_ID_MAX),
};
static const struct json_object device_object = JSON_OBJECT_OF("device", struct config_device, device_fields);

static const struct json_field net_device_fields[] = {
	JSON_F(JSON_STRING, struct config_net_device, name, "name", .empty_is_absent = true),
};
static const struct json_object net_device_object =
	JSON_OBJECT_OF("netDevice", struct config_net_device, net_device_fields);

static const struct json_field seccomp_arg_fields[] = {
	JSON_F_RANGE(JSON_UINT, struct config_seccomp_arg, index, "index", 0, 5, .required = true),
	JSON_F(JSON_UINT, struct config_seccomp_arg, value, "value", .required = true),
	JSON_F(JSON_UINT, struct config_seccomp_arg, value_two, "valueTwo"),
	JSON_F(JSON_ENUM, struct config_seccomp_arg, op, "op", .names = &config_seccomp_operators, .required = true),
};
static const struct json_object seccomp_arg_object =
	JSON_OBJECT_OF("seccompArg", struct config_seccomp_arg, seccomp_arg_fields);

static const struct json_field seccomp_rule_fields[] = {
	JSON_F_ARRAY(JSON_STRINGS, struct config_seccomp_rule, names, "names", .required = true),
	JSON_F(JSON_ENUM, struct config_seccomp_rule, action, "action", .names = &config_seccomp_actions,
		.required = true),
	JSON_F_RANGE(JSON_OPT_U64, struct config_seccomp_rule, errno_ret, "errnoRet", 0, UINT32_MAX, .since = "1.0.3"),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_seccomp_rule, args, "args", .object = &seccomp_arg_object),
};
static const struct json_object seccomp_rule_object =
	JSON_OBJECT_OF("seccompRule", struct config_seccomp_rule, seccomp_rule_fields);

static const struct json_field seccomp_fields[] = {
	JSON_F(JSON_ENUM, struct config_seccomp, default_action, "defaultAction", .names = &config_seccomp_actions,
		.required = true),
	JSON_F_RANGE(JSON_OPT_U64, struct config_seccomp, default_errno_ret, "defaultErrnoRet", 0, UINT32_MAX,
		.since = "1.1.0"),
	JSON_F_ARRAY(
		JSON_STRINGS, struct config_seccomp, architectures, "architectures", .names = &config_seccomp_archs),
	JSON_F_ARRAY(
		JSON_STRINGS, struct config_seccomp, flags, "flags", .names = &config_seccomp_flags, .since = "1.0.2",
		JSON_F_SET(struct config_seccomp, flags_set)),
	JSON_F(JSON_STRING, struct config_seccomp, listener_path, "listenerPath", .empty_is_absent = true,
		.since = "1.1.0"),
	JSON_F(JSON_STRING, struct config_seccomp, listener_metadata, "listenerMetadata", .empty_is_absent = true,
		.since = "1.1.0"),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_seccomp, syscalls, "syscalls", .object = &seccomp_rule_object),
};
const struct json_object config_seccomp_object = JSON_OBJECT_OF("seccomp", struct config_seccomp, seccomp_fields);

static const struct json_field intel_rdt_fields[] = {
	JSON_F(JSON_STRING, struct config_intel_rdt, clos_id, "closID", .empty_is_absent = true),
	JSON_F_ARRAY(JSON_STRINGS, struct config_intel_rdt, schemata, "schemata", .since = "1.3.0"),
	JSON_F(JSON_STRING, struct config_intel_rdt, l3_cache_schema, "l3CacheSchema", .empty_is_absent = true),
	JSON_F(JSON_STRING, struct config_intel_rdt, mem_bw_schema, "memBwSchema", .empty_is_absent = true),
	JSON_F(JSON_BOOL, struct config_intel_rdt, enable_monitoring, "enableMonitoring", .since = "1.3.0"),
};
static const struct json_object intel_rdt_object =
	JSON_OBJECT_OF("intelRdt", struct config_intel_rdt, intel_rdt_fields);

static const struct json_field memory_policy_fields[] = {
	JSON_F(JSON_ENUM, struct config_memory_policy, mode, "mode", .names = &config_memory_policy_modes,
		.required = true),
	JSON_F(JSON_STRING, struct config_memory_policy, nodes, "nodes", .empty_is_absent = true),
	JSON_F(JSON_STRINGS_TAKE, struct config_memory_policy, flags, "flags", .names = &config_memory_policy_flags,
		.take = json_take_flag),
};
static const struct json_object memory_policy_object =
	JSON_OBJECT_OF("memoryPolicy", struct config_memory_policy, memory_policy_fields);

static const struct json_field personality_fields[] = {
	JSON_F(JSON_STRING, struct config_personality, domain, "domain", .names = &config_personality_domains,
		.required = true),
	JSON_F_ARRAY(JSON_STRINGS, struct config_personality, flags, "flags"),
};
static const struct json_object personality_object =
	JSON_OBJECT_OF("personality", struct config_personality, personality_fields);

static const struct json_field linux_fields[] = {
	JSON_F_ARRAY(
		JSON_OBJECTS, struct config_linux, uid_mappings, "uidMappings", .object = &config_id_mapping_object),
	JSON_F_ARRAY(
		JSON_OBJECTS, struct config_linux, gid_mappings, "gidMappings", .object = &config_id_mapping_object),
	JSON_F_LIST(JSON_MAP, struct config_linux, sysctl, "sysctl"),
	JSON_F(JSON_OBJECT_PTR, struct config_linux, resources, "resources", .object = &config_resources_object),
	JSON_F(JSON_STRING, struct config_linux, cgroups_path, "cgroupsPath", .empty_is_absent = true),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_linux, namespaces, "namespaces", .object = &namespace_object),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_linux, devices, "devices", .object = &device_object),
	JSON_F_ARRAY(JSON_KEYED, struct config_linux, net_devices, "netDevices", .object = &net_device_object,
		.key_offset = offsetof(struct config_net_device, host_name), .max_elements = 1024, .since = "1.3.0"),
	JSON_F(JSON_OBJECT_PTR, struct config_linux, seccomp, "seccomp", .object = &config_seccomp_object),
	JSON_F(JSON_ENUM, struct config_linux, rootfs_propagation, "rootfsPropagation", .names = &config_propagations,
		.empty_is_absent = true),
	JSON_F_ARRAY(JSON_STRINGS, struct config_linux, masked_paths, "maskedPaths"),
	JSON_F_ARRAY(JSON_STRINGS, struct config_linux, readonly_paths, "readonlyPaths"),
	JSON_F(JSON_STRING, struct config_linux, mount_label, "mountLabel", .empty_is_absent = true),
	JSON_F(JSON_OBJECT_PTR, struct config_linux, intel_rdt, "intelRdt", .object = &intel_rdt_object),
	JSON_F(JSON_OBJECT_PTR, struct config_linux, memory_policy, "memoryPolicy", .object = &memory_policy_object,
		.since = "1.3.0"),
	JSON_F(JSON_OBJECT_PTR, struct config_linux, personality, "personality", .object = &personality_object,
		.since = "1.0.2"),
	JSON_F_ARRAY(JSON_KEYED, struct config_linux, time_offsets, "timeOffsets", .object = &time_offset_object,
		.key_offset = offsetof(struct config_time_offset, clock), .since = "1.1.0"),
};
const struct json_object config_linux_object = JSON_OBJECT_OF("linux", struct config_linux, linux_fields);
