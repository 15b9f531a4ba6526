/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.resources of runtime-spec 1.3 as tables; also the
 * document that `update --resources` reads.  See config_tables.c.
 */
#include "specs/config_tables.h"
#include "specs/enums.h"

static const struct json_field device_rule_fields[] = {
	JSON_F(JSON_BOOL, struct config_device_rule, allow, "allow", .required = true),
	JSON_F(JSON_ENUM, struct config_device_rule, type, "type", .names = &config_device_rule_types,
		.empty_is_absent = true),
	JSON_F_RANGE(JSON_OPT_I64, struct config_device_rule, major, "major", -1, UINT32_MAX),
	JSON_F_RANGE(JSON_OPT_I64, struct config_device_rule, minor, "minor", -1, UINT32_MAX),
	JSON_F(JSON_STRING, struct config_device_rule, access, "access"),
};
static const struct json_object device_rule_object =
	JSON_OBJECT_OF("deviceRule", struct config_device_rule, device_rule_fields);

/* Bytes, or -1 for no limit. */
#define BYTES(M, NAME) JSON_F_RANGE(JSON_OPT_I64, struct config_memory, M, NAME, -1, INT64_MAX)
static const struct json_field memory_fields[] = {
	BYTES(limit, "limit"),
	BYTES(reservation, "reservation"),
	BYTES(swap, "swap"),
	BYTES(kernel, "kernel"),
	BYTES(kernel_tcp, "kernelTCP"),
	JSON_F(JSON_OPT_U64, struct config_memory, swappiness, "swappiness"),
	JSON_F(JSON_OPT_BOOL, struct config_memory, disable_oom_killer, "disableOOMKiller"),
	JSON_F(JSON_OPT_BOOL, struct config_memory, use_hierarchy, "useHierarchy", .since = "1.0.2"),
	JSON_F(JSON_OPT_BOOL, struct config_memory, check_before_update, "checkBeforeUpdate", .since = "1.1.0"),
};
static const struct json_object memory_object = JSON_OBJECT_OF("memory", struct config_memory, memory_fields);

static const struct json_field cpu_fields[] = {
	JSON_F(JSON_OPT_U64, struct config_cpu, shares, "shares"),
	JSON_F(JSON_OPT_I64, struct config_cpu, quota, "quota"),
	JSON_F(JSON_OPT_U64, struct config_cpu, burst, "burst", .since = "1.1.0"),
	JSON_F(JSON_OPT_U64, struct config_cpu, period, "period"),
	JSON_F(JSON_OPT_I64, struct config_cpu, realtime_runtime, "realtimeRuntime"),
	JSON_F(JSON_OPT_U64, struct config_cpu, realtime_period, "realtimePeriod"),
	JSON_F(JSON_STRING, struct config_cpu, cpus, "cpus", .empty_is_absent = true),
	JSON_F(JSON_STRING, struct config_cpu, mems, "mems", .empty_is_absent = true),
	JSON_F_RANGE(JSON_OPT_I64, struct config_cpu, idle, "idle", 0, 1, .since = "1.1.0"),
};
static const struct json_object cpu_object = JSON_OBJECT_OF("cpu", struct config_cpu, cpu_fields);

/* Its member lies in struct config_resources itself. */
static const struct json_field pids_fields[] = {
	JSON_F_RANGE(JSON_OPT_I64, struct config_resources, pids.limit, "limit", -1, INT64_MAX, .required = true),
};
static const struct json_object pids_object = JSON_OBJECT_OF("pids", struct config_resources, pids_fields);

static const struct json_field weight_device_fields[] = {
	JSON_F_RANGE(JSON_INT, struct config_weight_device, major, "major", 0, UINT32_MAX, .required = true),
	JSON_F_RANGE(JSON_INT, struct config_weight_device, minor, "minor", 0, UINT32_MAX, .required = true),
	JSON_F_RANGE(JSON_OPT_U64, struct config_weight_device, weight, "weight", 0, UINT16_MAX),
	JSON_F_RANGE(JSON_OPT_U64, struct config_weight_device, leaf_weight, "leafWeight", 0, UINT16_MAX),
};
static const struct json_object weight_device_object =
	JSON_OBJECT_OF("weightDevice", struct config_weight_device, weight_device_fields);

static const struct json_field throttle_device_fields[] = {
	JSON_F_RANGE(JSON_INT, struct config_throttle_device, major, "major", 0, UINT32_MAX, .required = true),
	JSON_F_RANGE(JSON_INT, struct config_throttle_device, minor, "minor", 0, UINT32_MAX, .required = true),
	JSON_F(JSON_UINT, struct config_throttle_device, rate, "rate", .required = true),
};
static const struct json_object throttle_device_object =
	JSON_OBJECT_OF("throttleDevice", struct config_throttle_device, throttle_device_fields);

#define THROTTLE(M, NAME) JSON_F_LIST(JSON_OBJECTS, struct config_block_io, M, NAME, .object = &throttle_device_object)
static const struct json_field block_io_fields[] = {
	JSON_F_RANGE(JSON_OPT_U64, struct config_block_io, weight, "weight", 0, UINT16_MAX),
	JSON_F_RANGE(JSON_OPT_U64, struct config_block_io, leaf_weight, "leafWeight", 0, UINT16_MAX),
	JSON_F_ARRAY(
		JSON_OBJECTS, struct config_block_io, weight_device, "weightDevice", .object = &weight_device_object),
	THROTTLE(throttle_read_bps_device, "throttleReadBpsDevice"),
	THROTTLE(throttle_write_bps_device, "throttleWriteBpsDevice"),
	THROTTLE(throttle_read_iops_device, "throttleReadIOPSDevice"),
	THROTTLE(throttle_write_iops_device, "throttleWriteIOPSDevice"),
};
static const struct json_object block_io_object = JSON_OBJECT_OF("blockIO", struct config_block_io, block_io_fields);

static const struct json_field hugepage_limit_fields[] = {
	JSON_F(JSON_STRING, struct config_hugepage_limit, page_size, "pageSize", .required = true),
	JSON_F(JSON_UINT, struct config_hugepage_limit, limit, "limit", .required = true),
};
static const struct json_object hugepage_limit_object =
	JSON_OBJECT_OF("hugepageLimit", struct config_hugepage_limit, hugepage_limit_fields);

static const struct json_field interface_priority_fields[] = {
	JSON_F(JSON_STRING, struct config_interface_priority, name, "name", .required = true),
	JSON_F(JSON_UINT, struct config_interface_priority, priority, "priority", .required = true),
};
static const struct json_object interface_priority_object =
	JSON_OBJECT_OF("interfacePriority", struct config_interface_priority, interface_priority_fields);

static const struct json_field network_fields[] = {
	JSON_F_RANGE(JSON_OPT_U64, struct config_network, class_id, "classID", 0, UINT32_MAX),
	JSON_F_ARRAY(
		JSON_OBJECTS, struct config_network, priorities, "priorities", .object = &interface_priority_object),
};
static const struct json_object network_object = JSON_OBJECT_OF("network", struct config_network, network_fields);

static const struct json_field rdma_fields[] = {
	JSON_F_RANGE(JSON_OPT_U64, struct config_rdma, hca_handles, "hcaHandles", 0, UINT32_MAX),
	JSON_F_RANGE(JSON_OPT_U64, struct config_rdma, hca_objects, "hcaObjects", 0, UINT32_MAX),
};
static const struct json_object rdma_object = JSON_OBJECT_OF("rdma", struct config_rdma, rdma_fields);

static const struct json_field resources_fields[] = {
	JSON_F_ARRAY(JSON_OBJECTS, struct config_resources, devices, "devices", .object = &device_rule_object,
		JSON_F_SET(struct config_resources, devices_set)),
	JSON_F(JSON_OBJECT_PTR, struct config_resources, memory, "memory", .object = &memory_object),
	JSON_F(JSON_OBJECT_PTR, struct config_resources, cpu, "cpu", .object = &cpu_object),
	{.name = "pids",
		.name_length = 4,
		.kind = JSON_OBJECT,
		.object = &pids_object,
		JSON_F_SET(struct config_resources, pids.set)},
	JSON_F(JSON_OBJECT_PTR, struct config_resources, block_io, "blockIO", .object = &block_io_object),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_resources, hugepage_limits, "hugepageLimits",
		.object = &hugepage_limit_object, .max_elements = 64),
	JSON_F(JSON_OBJECT_PTR, struct config_resources, network, "network", .object = &network_object),
	JSON_F_ARRAY(JSON_KEYED, struct config_resources, rdma, "rdma", .object = &rdma_object,
		.key_offset = offsetof(struct config_rdma, device)),
	JSON_F_LIST(JSON_MAP, struct config_resources, unified, "unified", .since = "1.1.0"),
};
const struct json_object config_resources_object =
	JSON_OBJECT_OF("resources", struct config_resources, resources_fields);
