/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: resources.json, the limits in force after an update, in
 * the form of runtime-spec's linux.resources, so that the reader of
 * configurations reads it back.
 */
#include <inttypes.h>
#include <string.h>

#include "base/json_write.h"
#include "runtime/command/update_internal.h"

static void opt_i64(struct json_writer *w, const char *name, const struct opt_i64 *v)
{
	if (v->set)
		json_write_member_i64(w, name, v->value);
}

static void opt_u64(struct json_writer *w, const char *name, const struct opt_u64 *v)
{
	if (v->set)
		json_write_member_u64(w, name, v->value);
}

static void opt_bool(struct json_writer *w, const char *name, const struct opt_bool *v)
{
	if (v->set)
		json_write_member_bool(w, name, v->value);
}

static void opt_string(struct json_writer *w, const char *name, const char *s)
{
	if (s)
		json_write_member_string(w, name, s);
}

static void write_devices(struct json_writer *w, const struct config_resources *r)
{
	json_write_member_array(w, "devices");
	for (size_t i = 0; i < r->devices_count; i++) {
		const struct config_device_rule *d = &r->devices[i];

		json_write_object(w);
		json_write_member_bool(w, "allow", d->allow);
		if (d->type)
			json_write_member_string(w, "type", (const char[]){ d->type, '\0' });
		opt_i64(w, "major", &d->major);
		opt_i64(w, "minor", &d->minor);
		opt_string(w, "access", d->access);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static void write_memory(struct json_writer *w, const struct config_memory *m)
{
	json_write_member_object(w, "memory");
	opt_i64(w, "limit", &m->limit);
	opt_i64(w, "reservation", &m->reservation);
	opt_i64(w, "swap", &m->swap);
	opt_i64(w, "kernel", &m->kernel);
	opt_i64(w, "kernelTCP", &m->kernel_tcp);
	opt_u64(w, "swappiness", &m->swappiness);
	opt_bool(w, "disableOOMKiller", &m->disable_oom_killer);
	opt_bool(w, "useHierarchy", &m->use_hierarchy);
	opt_bool(w, "checkBeforeUpdate", &m->check_before_update);
	json_write_end_object(w);
}

static void write_cpu(struct json_writer *w, const struct config_cpu *c)
{
	json_write_member_object(w, "cpu");
	opt_u64(w, "shares", &c->shares);
	opt_i64(w, "quota", &c->quota);
	opt_u64(w, "burst", &c->burst);
	opt_u64(w, "period", &c->period);
	opt_i64(w, "realtimeRuntime", &c->realtime_runtime);
	opt_u64(w, "realtimePeriod", &c->realtime_period);
	opt_string(w, "cpus", c->cpus);
	opt_string(w, "mems", c->mems);
	opt_i64(w, "idle", &c->idle);
	json_write_end_object(w);
}

static void write_throttle(struct json_writer *w, const char *name, const struct config_throttle_list *list)
{
	if (list->count == 0)
		return;
	json_write_member_array(w, name);
	for (size_t i = 0; i < list->count; i++) {
		json_write_object(w);
		json_write_member_i64(w, "major", list->items[i].major);
		json_write_member_i64(w, "minor", list->items[i].minor);
		json_write_member_u64(w, "rate", list->items[i].rate);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static void write_block_io(struct json_writer *w, const struct config_block_io *b)
{
	json_write_member_object(w, "blockIO");
	opt_u64(w, "weight", &b->weight);
	opt_u64(w, "leafWeight", &b->leaf_weight);
	if (b->weight_device_count)
		json_write_member_array(w, "weightDevice");
	for (size_t i = 0; i < b->weight_device_count; i++) {
		const struct config_weight_device *d = &b->weight_device[i];

		json_write_object(w);
		json_write_member_i64(w, "major", d->major);
		json_write_member_i64(w, "minor", d->minor);
		opt_u64(w, "weight", &d->weight);
		opt_u64(w, "leafWeight", &d->leaf_weight);
		json_write_end_object(w);
	}
	if (b->weight_device_count)
		json_write_end_array(w);
	write_throttle(w, "throttleReadBpsDevice", &b->throttle_read_bps_device);
	write_throttle(w, "throttleWriteBpsDevice", &b->throttle_write_bps_device);
	write_throttle(w, "throttleReadIOPSDevice", &b->throttle_read_iops_device);
	write_throttle(w, "throttleWriteIOPSDevice", &b->throttle_write_iops_device);
	json_write_end_object(w);
}

static void write_hugepages(struct json_writer *w, const struct config_resources *r)
{
	json_write_member_array(w, "hugepageLimits");
	for (size_t i = 0; i < r->hugepage_limits_count; i++) {
		json_write_object(w);
		json_write_member_string(w, "pageSize", r->hugepage_limits[i].page_size);
		json_write_member_u64(w, "limit", r->hugepage_limits[i].limit);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static void write_network(struct json_writer *w, const struct config_network *n)
{
	json_write_member_object(w, "network");
	opt_u64(w, "classID", &n->class_id);
	if (n->priorities_count)
		json_write_member_array(w, "priorities");
	for (size_t i = 0; i < n->priorities_count; i++) {
		json_write_object(w);
		json_write_member_string(w, "name", n->priorities[i].name);
		json_write_member_u64(w, "priority", n->priorities[i].priority);
		json_write_end_object(w);
	}
	if (n->priorities_count)
		json_write_end_array(w);
	json_write_end_object(w);
}

static void write_rdma(struct json_writer *w, const struct config_resources *r)
{
	json_write_member_object(w, "rdma");
	for (size_t i = 0; i < r->rdma_count; i++) {
		json_write_member_object(w, r->rdma[i].device);
		opt_u64(w, "hcaHandles", &r->rdma[i].hca_handles);
		opt_u64(w, "hcaObjects", &r->rdma[i].hca_objects);
		json_write_end_object(w);
	}
	json_write_end_object(w);
}

const char *resources_format(struct arena *a, const struct config_resources *r, size_t *len)
{
	struct json_writer w;

	json_writer_init(&w, a, false);
	json_write_object(&w);
	if (r->devices_set)
		write_devices(&w, r);
	if (r->memory)
		write_memory(&w, r->memory);
	if (r->cpu)
		write_cpu(&w, r->cpu);
	if (r->pids.set && r->pids.limit.set) {
		json_write_member_object(&w, "pids");
		json_write_member_i64(&w, "limit", r->pids.limit.value);
		json_write_end_object(&w);
	}
	if (r->block_io)
		write_block_io(&w, r->block_io);
	if (r->hugepage_limits_count)
		write_hugepages(&w, r);
	if (r->network)
		write_network(&w, r->network);
	if (r->rdma_count)
		write_rdma(&w, r);
	if (r->unified.count)
		json_write_member_object(&w, "unified");
	for (size_t i = 0; i < r->unified.count; i++)
		json_write_member_string(&w, r->unified.items[i].key, r->unified.items[i].value);
	if (r->unified.count)
		json_write_end_object(&w);
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}
