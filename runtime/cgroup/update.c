/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: changing the limits of a living container.
 *
 * Only what the change names is written, with what depends on it: quota and
 * period share a file, swap is written relative to memory (v2) or must keep an
 * order with it (v1).  What somebody set by hand elsewhere stays.  The merged
 * whole is for the record.
 */
#include <errno.h>
#include <string.h>

#include "runtime/cgroup/internal.h"

#define TAKE(field)                                                                                                    \
	do {                                                                                                           \
		if (new->field.set)                                                                                    \
			to->field = new->field;                                                                        \
	} while (0)

#define TAKE_POINTER(field)                                                                                            \
	do {                                                                                                           \
		if (new->field)                                                                                        \
			to->field = new->field;                                                                        \
	} while (0)

static struct config_memory *merge_memory(struct arena *a, const struct config_memory *old, const struct config_memory *new)
{
	struct config_memory *to = arena_new(a, struct config_memory);

	if (old)
		*to = *old;
	TAKE(limit);
	TAKE(reservation);
	TAKE(swap);
	TAKE(kernel);
	TAKE(kernel_tcp);
	TAKE(swappiness);
	TAKE(disable_oom_killer);
	TAKE(use_hierarchy);
	TAKE(check_before_update);
	return to;
}

static struct config_cpu *merge_cpu(struct arena *a, const struct config_cpu *old, const struct config_cpu *new)
{
	struct config_cpu *to = arena_new(a, struct config_cpu);

	if (old)
		*to = *old;
	TAKE(shares);
	TAKE(quota);
	TAKE(burst);
	TAKE(period);
	TAKE(realtime_runtime);
	TAKE(realtime_period);
	TAKE_POINTER(cpus);
	TAKE_POINTER(mems);
	TAKE(idle);
	/* An idle cgroup has no weight: who gives one does not want it idle any longer. */
	if (new->shares.set && new->shares.value && !new->idle.set && to->idle.value)
		to->idle.value = 0;
	return to;
}

static struct config_block_io *merge_block_io(struct arena *a, const struct config_block_io *old,
	const struct config_block_io *new)
{
	struct config_block_io *to = arena_new(a, struct config_block_io);

	if (old)
		*to = *old;
	TAKE(weight);
	TAKE(leaf_weight);
	if (new->weight_device_count) {
		to->weight_device = new->weight_device;
		to->weight_device_count = new->weight_device_count;
	}
	if (new->throttle_read_bps_device.count)
		to->throttle_read_bps_device = new->throttle_read_bps_device;
	if (new->throttle_write_bps_device.count)
		to->throttle_write_bps_device = new->throttle_write_bps_device;
	if (new->throttle_read_iops_device.count)
		to->throttle_read_iops_device = new->throttle_read_iops_device;
	if (new->throttle_write_iops_device.count)
		to->throttle_write_iops_device = new->throttle_write_iops_device;
	return to;
}

static struct config_network *merge_network(struct arena *a, const struct config_network *old,
	const struct config_network *new)
{
	struct config_network *to = arena_new(a, struct config_network);

	if (old)
		*to = *old;
	TAKE(class_id);
	if (new->priorities_count) {
		to->priorities = new->priorities;
		to->priorities_count = new->priorities_count;
	}
	return to;
}

static struct config_map merge_map(struct arena *a, const struct config_map *old, const struct config_map *new)
{
	struct config_map to = { .items = arena_array(a, struct config_key_value, old->count + new->count) };

	for (size_t i = 0; i < old->count; i++)
		to.items[to.count++] = old->items[i];
	for (size_t i = 0; i < new->count; i++) {
		size_t k = 0;

		while (k < old->count && strcmp(to.items[k].key, new->items[i].key) != 0)
			k++;
		if (k < old->count)
			to.items[k] = new->items[i];
		else
			to.items[to.count++] = new->items[i];
	}
	return to;
}

/* What of `merged` must be written because `new` changed something beside it. */
static void dependants(const struct config_resources *new, const struct config_resources *merged, struct arena *a,
	struct config_resources *write)
{
	if (new->memory) {
		struct config_memory *m = arena_new(a, struct config_memory);

		*m = *new->memory;
		if (m->limit.set || m->swap.set) {
			m->limit = merged->memory->limit;
			m->swap = merged->memory->swap;
			m->check_before_update = merged->memory->check_before_update;
		}
		write->memory = m;
	}
	if (new->cpu) {
		struct config_cpu *c = arena_new(a, struct config_cpu);

		*c = *new->cpu;
		if (c->quota.set || c->period.set || c->burst.set) {
			c->quota = merged->cpu->quota;
			c->period = merged->cpu->period;
		}
		if (c->shares.set || c->idle.set) {
			c->shares = merged->cpu->shares;
			c->idle = merged->cpu->idle;
		}
		write->cpu = c;
	}
}

void resources_merge(struct arena *a, const struct config_resources *stored, const struct config_resources *new,
	struct config_resources *merged, struct config_resources *write)
{
	static const struct config_resources nothing;
	const struct config_resources *old = stored ? stored : &nothing;

	*merged = *old;
	*write = *new;
	if (new->devices_set) {
		merged->devices = new->devices;
		merged->devices_count = new->devices_count;
		merged->devices_set = true;
	}
	if (new->memory)
		merged->memory = merge_memory(a, old->memory, new->memory);
	if (new->cpu)
		merged->cpu = merge_cpu(a, old->cpu, new->cpu);
	if (new->pids.set && new->pids.limit.set)
		merged->pids = new->pids;
	if (new->block_io)
		merged->block_io = merge_block_io(a, old->block_io, new->block_io);
	if (new->hugepage_limits_count) {
		merged->hugepage_limits = new->hugepage_limits;
		merged->hugepage_limits_count = new->hugepage_limits_count;
	}
	if (new->network)
		merged->network = merge_network(a, old->network, new->network);
	if (new->rdma_count) {
		merged->rdma = new->rdma;
		merged->rdma_count = new->rdma_count;
	}
	merged->unified = merge_map(a, &old->unified, &new->unified);
	dependants(new, merged, a, write);
}

int cgroup_update(struct cgroup *cg, const struct config_resources *stored, const struct config_resources *change,
	struct error *err)
{
	struct config_resources merged, write;
	int r = 0;

	if (!cgroup_exists(cg)) {
		if (!limit_any(change))
			return 0;
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "the container has no cgroup of its own to carry limits");
	}
	resources_merge(cg->arena, stored, change, &merged, &write);
	if (cg->version == CGROUP_V2)
		r = v2_check(&write, err);
	/* Before systemd hears of it: it would just set the limit. */
	if (r == 0 && cg->version == CGROUP_V2 && write.memory)
		r = v2_check_memory(cgroup_unified(cg), write.memory, err);
	if (r == 0 && cg->manager == CGROUP_MANAGER_SYSTEMD)
		r = systemd_update(cg, &write, &merged, err);
	for (size_t i = 0; r == 0 && i < limit_groups_count; i++) {
		const struct limit_group *g = &limit_groups[i];

		if (!g->wanted(&write))
			continue;
		r = limit_apply(cg, g, &write, err);
		if (r < 0)
			error_path(err, "%s", g->property);
	}
	if (r == 0 && change->devices_set) {
		r = cgroup_devices(cg, change, true, err);
		if (r < 0)
			error_path(err, "linux.resources.devices");
	}
	return r;
}
