/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec config-linux.md, "Control groups": numbers
 * that no kernel accepts, whatever the cgroup version.  Docker writes 0 for
 * "not set" (shares, quota, period, weight), so 0 passes where it means that.
 */
#include "runtime/config/check_internal.h"

#include <inttypes.h>
#include <string.h>

/* kernel/sched: bandwidth in microseconds. */
#define CPU_SLICE_MIN 1000u
#define CPU_PERIOD_MAX 1000000u
#define CPU_QUOTA_MAX ((INT64_C(1) << 44) - 1)

static void check_memory(struct check *c, const struct config_memory *m)
{
	if (m->limit.set && m->swap.set && m->limit.value > 0 && m->swap.value > 0 && m->swap.value < m->limit.value)
		check_error(c, check_at(c, "memory.swap"),
			"%" PRId64
			" is the limit of memory and swap together and must not be below memory.limit, %" PRId64,
			m->swap.value, m->limit.value);
	if (m->swappiness.set && m->swappiness.value > 100)
		check_error(c, check_at(c, "memory.swappiness"), "expected an integer from 0 to 100, found %" PRIu64,
			m->swappiness.value);
	if ((m->kernel.set && m->kernel.value > 0) || (m->kernel_tcp.set && m->kernel_tcp.value > 0))
		check_warning(c,
			check_at(c, m->kernel.set && m->kernel.value > 0 ? "memory.kernel" : "memory.kernelTCP"),
			"is ignored: the kernel has no such limit any more");
}

static void check_cpu_time(struct check *c, const struct config_cpu *cpu)
{
	int64_t quota = cpu->quota.set ? cpu->quota.value : 0;

	if (quota > 0 && (quota < (int64_t)CPU_SLICE_MIN || quota > CPU_QUOTA_MAX))
		check_error(c, check_at(c, "cpu.quota"),
			"expected a negative number (no limit) or %u to %" PRId64 " microseconds, found %" PRId64,
			CPU_SLICE_MIN, CPU_QUOTA_MAX, quota);
	if (cpu->period.value && (cpu->period.value < CPU_SLICE_MIN || cpu->period.value > CPU_PERIOD_MAX))
		check_error(c, check_at(c, "cpu.period"), "expected %u to %u microseconds, found %" PRIu64,
			CPU_SLICE_MIN, CPU_PERIOD_MAX, cpu->period.value);
	if (quota > 0 && cpu->burst.value > (uint64_t)quota)
		check_error(c, check_at(c, "cpu.burst"), "%" PRIu64 " is above cpu.quota, %" PRId64, cpu->burst.value,
			quota);
	if (cpu->realtime_runtime.value < -1)
		check_error(c, check_at(c, "cpu.realtimeRuntime"),
			"expected -1 (no limit) or microseconds, found %" PRId64, cpu->realtime_runtime.value);
	else if (cpu->realtime_runtime.value > 0 && cpu->realtime_period.value &&
		 (uint64_t)cpu->realtime_runtime.value > cpu->realtime_period.value)
		check_error(c, check_at(c, "cpu.realtimeRuntime"), "%" PRId64 " is above cpu.realtimePeriod, %" PRIu64,
			cpu->realtime_runtime.value, cpu->realtime_period.value);
}

static void check_cpu(struct check *c, const struct config_cpu *cpu)
{
	if (cpu->shares.value == 1 || cpu->shares.value > 262144)
		check_warning(c, check_at(c, "cpu.shares"),
			"%" PRIu64 " is outside 2 to 262144: the nearest of them is used", cpu->shares.value);
	check_cpu_time(c, cpu);
	if (cpu->cpus && !text_is_number_list(cpu->cpus))
		check_error(c, check_at(c, "cpu.cpus"), "expected a list of CPUs as in \"0-3,7\", found %s",
			json_quote(c->arena, cpu->cpus));
	if (cpu->mems && !text_is_number_list(cpu->mems))
		check_error(c, check_at(c, "cpu.mems"), "expected a list of memory nodes as in \"0-3,7\", found %s",
			json_quote(c->arena, cpu->mems));
	if (cpu->idle.value == 1 && cpu->shares.value)
		check_warning(c, check_at(c, "cpu.shares"), "is ignored: unable to apply both cpu.shares and cpu.idle 1");
}

static void check_weight(struct check *c, const char *path, const struct opt_u64 *weight)
{
	if (weight->value && (weight->value < 10 || weight->value > 1000))
		check_error(c, check_at(c, "%s", path), "expected an integer from 10 to 1000, found %" PRIu64,
			weight->value);
}

static void check_block_io(struct check *c, const struct config_block_io *b)
{
	check_weight(c, "blockIO.weight", &b->weight);
	check_weight(c, "blockIO.leafWeight", &b->leaf_weight);
	for (size_t i = 0; i < b->weight_device_count; i++) {
		const struct config_weight_device *d = &b->weight_device[i];

		if (!d->weight.set && !d->leaf_weight.set)
			check_error(c, check_at(c, "blockIO.weightDevice[%zu]", i), "needs weight or leafWeight");
		check_weight(c, arena_printf(c->arena, "blockIO.weightDevice[%zu].weight", i), &d->weight);
		check_weight(c, arena_printf(c->arena, "blockIO.weightDevice[%zu].leafWeight", i), &d->leaf_weight);
	}
}

static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	if (digits == 0 || digits > 18 || s[0] == '0')
		return false;
	s += digits;
	if (*s && strchr("KMGTPE", *s))
		s++;
	return strcmp(s, "B") == 0;
}

static void check_hugepages(struct check *c, const struct config_resources *r)
{
	for (size_t i = 0; i < r->hugepage_limits_count; i++) {
		const char *size = r->hugepage_limits[i].page_size;

		if (!size)
			continue;
		if (!is_page_size(size))
			check_error(c, check_at(c, "hugepageLimits[%zu].pageSize", i),
				"expected a size as in \"2MB\", found %s", json_quote(c->arena, size));
		for (size_t k = 0; k < i; k++)
			if (r->hugepage_limits[k].page_size && strcmp(size, r->hugepage_limits[k].page_size) == 0)
				check_error(c, check_at(c, "hugepageLimits[%zu].pageSize", i),
					"%s is in hugepageLimits[%zu] already", json_quote(c->arena, size), k);
	}
}

static void check_device_rules(struct check *c, const struct config_resources *r)
{
	for (size_t i = 0; i < r->devices_count; i++) {
		const char *access = r->devices[i].access;

		if (access && (*access == '\0' || strspn(access, "rwm") != strlen(access)))
			check_error(c, check_at(c, "devices[%zu].access", i), "expected some of \"rwm\", found %s",
				json_quote(c->arena, access));
	}
}

static void check_unified(struct check *c, const struct config_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		const char *key = map->items[i].key;

		if (!key)
			continue;
		if (strchr(key, '/') || !strchr(key, '.') || strstr(key, "..") || key[0] == '.' ||
			text_has_control(key))
			check_error(c, check_at(c, "unified[%s]", json_quote(c->arena, key)),
				"the name is no cgroup file's: expected CONTROLLER.NAME without \"/\"");
	}
}

static void check_others(struct check *c, const struct config_resources *r)
{
	for (size_t i = 0; r->network && i < r->network->priorities_count; i++) {
		const char *name = r->network->priorities[i].name;

		if (name && !text_is_interface_name(name))
			check_error(c, check_at(c, "network.priorities[%zu].name", i), "%s is no interface's name",
				json_quote(c->arena, name));
	}
	for (size_t i = 0; i < r->rdma_count; i++) {
		const struct config_rdma *d = &r->rdma[i];
		const char *path = check_at(c, "rdma[%s]", json_quote(c->arena, d->device));

		if (*d->device == '\0' || strchr(d->device, ' ') || text_has_control(d->device))
			check_error(c, path, "the name is no device's");
		else if (!d->hca_handles.set && !d->hca_objects.set)
			check_error(c, path, "needs hcaHandles or hcaObjects");
	}
}

void check_resources(struct check *c, const struct config_resources *r)
{
	check_device_rules(c, r);
	if (r->memory)
		check_memory(c, r->memory);
	if (r->cpu)
		check_cpu(c, r->cpu);
	if (r->block_io)
		check_block_io(c, r->block_io);
	check_hugepages(c, r);
	check_others(c, r);
	check_unified(c, &r->unified);
}
