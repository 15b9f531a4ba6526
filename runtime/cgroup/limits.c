/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.resources as groups.
 *
 * A group is one member of linux.resources with the controller that carries it
 * and the two functions that write it.  Create makes one step of each group that
 * is asked for; update calls the same functions.  A limit that cannot be set is
 * an error that names its property: nothing is left out silently.
 *
 * On a hybrid host a controller that has no v1 hierarchy but is offered by the
 * unified one (hugetlb, often) is used there.
 *
 * The number 0 stands for "not set" in limits of which 0 makes no sense
 * (memory, shares, quota, period, weight): engines send it so.  pids.limit 0 is
 * a limit.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "runtime/cgroup/internal.h"

static bool wants_memory(const struct config_resources *r)
{
	return r->memory != NULL;
}

static bool wants_cpu(const struct config_resources *r)
{
	const struct config_cpu *c = r->cpu;

	return c && ((c->shares.set && c->shares.value) || (c->quota.set && c->quota.value) ||
			    (c->period.set && c->period.value) || c->burst.set || c->idle.set ||
			    (c->realtime_runtime.set && c->realtime_runtime.value) ||
			    (c->realtime_period.set && c->realtime_period.value));
}

static bool wants_cpuset(const struct config_resources *r)
{
	return r->cpu && ((r->cpu->cpus && *r->cpu->cpus) || (r->cpu->mems && *r->cpu->mems));
}

static bool wants_pids(const struct config_resources *r)
{
	return r->pids.set && r->pids.limit.set;
}

static bool wants_block_io(const struct config_resources *r)
{
	const struct config_block_io *b = r->block_io;

	return b && ((b->weight.set && b->weight.value) || (b->leaf_weight.set && b->leaf_weight.value) ||
			    b->weight_device_count || b->throttle_read_bps_device.count ||
			    b->throttle_write_bps_device.count || b->throttle_read_iops_device.count ||
			    b->throttle_write_iops_device.count);
}

static bool wants_hugetlb(const struct config_resources *r)
{
	return r->hugepage_limits_count > 0;
}

static bool wants_class(const struct config_resources *r)
{
	return r->network && r->network->class_id.set && r->network->class_id.value;
}

static bool wants_priority(const struct config_resources *r)
{
	return r->network && r->network->priorities_count > 0;
}

static bool wants_rdma(const struct config_resources *r)
{
	return r->rdma_count > 0;
}

static bool wants_unified(const struct config_resources *r)
{
	return r->unified.count > 0;
}

/* unified comes last: what it sets by name wins over what was converted. */
const struct limit_group limit_groups[] = {
	{ "linux.resources.cpu", CTRL_CPUSET, wants_cpuset, v1_cpuset, v2_cpuset },
	{ "linux.resources.cpu", CTRL_CPU, wants_cpu, v1_cpu, v2_cpu },
	{ "linux.resources.memory", CTRL_MEMORY, wants_memory, v1_memory, v2_memory },
	{ "linux.resources.blockIO", CTRL_BLKIO, wants_block_io, v1_block_io, v2_block_io },
	{ "linux.resources.pids", CTRL_PIDS, wants_pids, v1_pids, v2_pids },
	{ "linux.resources.hugepageLimits", CTRL_HUGETLB, wants_hugetlb, v1_hugetlb, v2_hugetlb },
	{ "linux.resources.rdma", CTRL_RDMA, wants_rdma, rdma_limits, rdma_limits },
	{ "linux.resources.network.classID", CTRL_NET_CLS, wants_class, v1_network_class, v2_network },
	{ "linux.resources.network.priorities", CTRL_NET_PRIO, wants_priority, v1_network_priority, v2_network },
	{ "linux.resources.unified", CTRL_COUNT, wants_unified, v2_unified, v2_unified },
};
const size_t limit_groups_count = sizeof limit_groups / sizeof *limit_groups;

uint32_t limit_controllers(const struct config_resources *res)
{
	uint32_t bits = 0;

	for (size_t i = 0; res && i < limit_groups_count; i++)
		if (limit_groups[i].controller < CTRL_COUNT && limit_groups[i].wanted(res))
			bits |= CTRL_BIT(limit_groups[i].controller);
	for (size_t i = 0; res && i < res->unified.count; i++) {
		const char *key = res->unified.items[i].key;
		int c = controller_find(key, strcspn(key, "."));

		if (c >= 0)
			bits |= CTRL_BIT(c);
	}
	return bits;
}

bool limit_any(const struct config_resources *res)
{
	for (size_t i = 0; res && i < limit_groups_count; i++)
		if (limit_groups[i].wanted(res))
			return true;
	return false;
}

static int no_controller(const struct cgroup *cg, const struct limit_group *g, struct error *err)
{
	if (g->controller == CTRL_COUNT) {
		error_hint(err, "remove the property, or boot with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1)");
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "this host has no cgroup v2 hierarchy for unified limits");
	}
	error_hint(err, "is it compiled in, enabled (cgroup_disable= on the kernel's command line) and mounted?");
	return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "controller \"%s\" is not available on this host (cgroup v1)",
		controller_name(g->controller, cg->version == CGROUP_V2));
}

int limit_apply(const struct cgroup *cg, const struct limit_group *g, const struct config_resources *res, struct error *err)
{
	const struct hierarchy *h;
	int r;

	if (!cgroup_exists(cg)) {
		error_hint(err, "remove the limit, or let the container have a cgroup");
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "the container has no cgroup of its own to carry limits");
	}
	if (cg->version == CGROUP_V2 || g->controller == CTRL_COUNT)
		h = cgroup_unified(cg);
	else
		h = cgroup_controller(cg, g->controller);
	if (!h)
		return no_controller(cg, g, err);
	r = h->unified ? g->v2(cg, h, res, err) : g->v1(cg, h, res, err);
	if (r == -EOPNOTSUPP && h->unified && g->controller < CTRL_NET_CLS && !(v2_available(h) & CTRL_BIT(g->controller))) {
		error_clear(err);
		r = v2_missing_error(cg, h, g->controller, err);
	}
	return r;
}

void limit_warn_kernel(const struct config_memory *m)
{
	if ((m->kernel.set && m->kernel.value > 0) || (m->kernel_tcp.set && m->kernel_tcp.value > 0))
		log_warning("linux.resources.memory.kernel and kernelTCP have no effect: the kernel gave up these limits");
}

int rdma_limits(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	(void)cg;
	for (size_t i = 0; i < res->rdma_count; i++) {
		const struct config_rdma *d = &res->rdma[i];
		char handles[32] = "max", objects[32] = "max";
		int r;

		if (strpbrk(d->device, " \n\t"))
			return error_set(err, ERR_CONFIG, EINVAL, "rdma device \"%s\": not the name of a device", d->device);
		if (d->hca_handles.set)
			snprintf(handles, sizeof handles, "%llu", (unsigned long long)d->hca_handles.value);
		if (d->hca_objects.set)
			snprintf(objects, sizeof objects, "%llu", (unsigned long long)d->hca_objects.value);
		r = cg_writef(h, err, "rdma.max", "%s hca_handle=%s hca_object=%s", d->device, handles, objects);
		if (r < 0)
			return r;
	}
	return 0;
}
