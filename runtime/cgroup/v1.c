/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: limits on cgroup v1 (Documentation/admin-guide/cgroup-v1).
 *
 * Two pairs of files depend on each other.  memory.limit_in_bytes must never be
 * above memory.memsw.limit_in_bytes: what rises is written first.  cpu.cfs_quota_us
 * over cpu.cfs_period_us must never be above the parent's, nor cpu.cfs_burst_us
 * above the quota: when the kernel refuses one order the other is tried.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cgroup/convert.h"
#include "runtime/cgroup/internal.h"

#define LIMIT "memory.limit_in_bytes"
#define MEMSW "memory.memsw.limit_in_bytes"

/* --- memory ----------------------------------------------------------------------- */

static int limit_error(const struct hierarchy *h, const char *file, const char *text, int errnum, struct error *err)
{
	uint64_t usage = 0, peak = 0, other = 0;

	if (errnum == EBUSY) {
		cg_read_u64(h, "memory.usage_in_bytes", &usage);
		cg_read_u64(h, "memory.max_usage_in_bytes", &peak);
		return error_set(err, ERR_SYSTEM, EBUSY,
			"set %s of %s to %s: the container uses more and the kernel cannot reclaim it (now %" PRIu64 ", at most %" PRIu64
			" bytes)", file, h->m->path, text, usage, peak);
	}
	if (errnum == ENOENT && strcmp(file, MEMSW) == 0) {
		error_hint(err, "boot with swapaccount=1, or leave memory.swap out");
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "set %s of %s: this kernel does not account swap", file,
			h->m->path);
	}
	if (errnum == EINVAL && cg_read_u64(h, strcmp(file, MEMSW) == 0 ? LIMIT : MEMSW, &other) == 0)
		error_hint(err, "%s is %" PRIu64 "; memory.swap counts memory and swap together and cannot be less than memory.limit",
			strcmp(file, MEMSW) == 0 ? LIMIT : MEMSW, other);
	return cg_write_error(h, file, text, errnum, err);
}

static int write_pair(const struct hierarchy *h, const char *limit, const char *memsw, bool memsw_first, struct error *err)
{
	const char *file[2] = { memsw_first ? MEMSW : LIMIT, memsw_first ? LIMIT : MEMSW };
	const char *text[2] = { memsw_first ? memsw : limit, memsw_first ? limit : memsw };
	int r = cg_try_write(h, file[0], text[0]);

	if (r == -EINVAL || r == -EBUSY) {
		/* The other way round. */
		r = cg_try_write(h, file[1], text[1]);
		if (r < 0)
			return limit_error(h, file[1], text[1], -r, err);
		r = cg_try_write(h, file[0], text[0]);
		return r < 0 ? limit_error(h, file[0], text[0], -r, err) : 0;
	}
	if (r < 0)
		return limit_error(h, file[0], text[0], -r, err);
	r = cg_try_write(h, file[1], text[1]);
	return r < 0 ? limit_error(h, file[1], text[1], -r, err) : 0;
}

static int write_limits(const struct hierarchy *h, const struct config_memory *m, struct error *err)
{
	char limit[CONVERT_TEXT] = "", memsw[CONVERT_TEXT] = "";
	uint64_t now;
	int r = 0;

	if (m->limit.set && m->limit.value != 0)
		convert_bytes(m->limit.value, false, limit);
	if (m->swap.set && m->swap.value != 0)
		convert_bytes(m->swap.value, false, memsw);
	/* No limit on memory and nothing said about swap: none on both. */
	if (*limit == '-' && !*memsw && cg_has(h, MEMSW))
		strcpy(memsw, "-1");
	if (*memsw == '-' && !cg_has(h, MEMSW))
		*memsw = '\0';
	if (*limit && *memsw) {
		bool rises = *memsw == '-' || (cg_read_u64(h, MEMSW, &now) == 0 && now < (uint64_t)m->swap.value);

		return write_pair(h, limit, memsw, rises, err);
	}
	if (*limit) {
		r = cg_try_write(h, LIMIT, limit);
		return r < 0 ? limit_error(h, LIMIT, limit, -r, err) : 0;
	}
	if (*memsw) {
		r = cg_try_write(h, MEMSW, memsw);
		return r < 0 ? limit_error(h, MEMSW, memsw, -r, err) : 0;
	}
	return 0;
}

static int write_hierarchy(const struct hierarchy *h, bool use, struct error *err)
{
	uint64_t now;

	if (cg_read_u64(h, "memory.use_hierarchy", &now) == 0 && now == use)
		return 0;
	if (!use && now == 1) {
		error_path(err, "linux.resources.memory.useHierarchy");
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "this kernel always accounts memory hierarchically");
	}
	return cg_write(h, "memory.use_hierarchy", use ? "1" : "0", err);
}

int v1_memory(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	const struct config_memory *m = res->memory;
	char text[CONVERT_TEXT];
	int r = 0;

	(void)cg;
	limit_warn_kernel(m);
	if (m->use_hierarchy.set && m->use_hierarchy.value)
		r = write_hierarchy(h, true, err);
	if (r == 0)
		r = write_limits(h, m, err);
	if (r == 0 && m->reservation.set && m->reservation.value != 0) {
		convert_bytes(m->reservation.value, false, text);
		r = cg_write(h, "memory.soft_limit_in_bytes", text, err);
	}
	if (r == 0 && m->swappiness.set)
		r = cg_writef(h, err, "memory.swappiness", "%" PRIu64, m->swappiness.value);
	if (r == 0 && m->disable_oom_killer.set)
		r = cg_write(h, "memory.oom_control", m->disable_oom_killer.value ? "1" : "0", err);
	return r;
}

/* --- cpu ---------------------------------------------------------------------------- */

static int write_realtime(const struct hierarchy *h, const struct config_cpu *c, struct error *err)
{
	bool runtime = c->realtime_runtime.set && c->realtime_runtime.value;
	char period[CONVERT_TEXT] = "";
	int r = 0;

	if (c->realtime_period.set && c->realtime_period.value)
		snprintf(period, sizeof period, "%" PRIu64, c->realtime_period.value);
	/* The runtime must fit into the period at every moment: which of the two comes first depends on what is there. */
	if (*period && runtime && cg_try_write(h, "cpu.rt_period_us", period) == 0)
		*period = '\0';
	if (runtime) {
		r = cg_writef(h, err, "cpu.rt_runtime_us", "%" PRId64, c->realtime_runtime.value);
		if (r == -EINVAL)
			error_hint(err, "every cgroup above it needs at least as much cpu.rt_runtime_us");
	}
	return r == 0 && *period ? cg_write(h, "cpu.rt_period_us", period, err) : r;
}

static int write_bandwidth(const struct hierarchy *h, const struct config_cpu *c, struct error *err)
{
	char quota[CONVERT_TEXT] = "", period[CONVERT_TEXT] = "", burst[CONVERT_TEXT] = "";
	int r = 0;

	if (c->quota.set && c->quota.value)
		convert_bytes(c->quota.value, false, quota);
	if (c->period.set && c->period.value)
		snprintf(period, sizeof period, "%" PRIu64, c->period.value);
	if (c->burst.set)
		snprintf(burst, sizeof burst, "%" PRIu64, c->burst.value);
	if (*burst) {
		r = cg_try_write(h, "cpu.cfs_burst_us", burst);
		if (r == 0)
			*burst = '\0';
		else if (r != -EINVAL || !*quota)
			return cg_write_error(h, "cpu.cfs_burst_us", burst, -r, err);
	}
	if (*period) {
		r = cg_try_write(h, "cpu.cfs_period_us", period);
		if (r == 0)
			*period = '\0';
		else if (r != -EINVAL || !*quota)
			return cg_write_error(h, "cpu.cfs_period_us", period, -r, err);
	}
	if (*quota)
		r = cg_write(h, "cpu.cfs_quota_us", quota, err);
	if (r == 0 && *period)
		r = cg_write(h, "cpu.cfs_period_us", period, err);
	if (r == 0 && *burst)
		r = cg_write(h, "cpu.cfs_burst_us", burst, err);
	return r;
}

int v1_cpu(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	const struct config_cpu *c = res->cpu;
	bool idle = c->idle.set && c->idle.value == 1;
	int r = 0;

	(void)cg;
	if (c->idle.set)
		r = cg_writef(h, err, "cpu.idle", "%" PRId64, c->idle.value);
	/* The kernel changes what it does not like without a word. */
	if (r == 0 && c->shares.set && c->shares.value && (c->shares.value < 2 || c->shares.value > 262144)) {
		error_path(err, "linux.resources.cpu.shares");
		return error_set(err, ERR_CONFIG, EINVAL, "cpu.shares is %" PRIu64 "; the kernel allows 2 to 262144", c->shares.value);
	}
	if (r == 0 && c->shares.set && c->shares.value && !idle)
		r = cg_writef(h, err, "cpu.shares", "%" PRIu64, c->shares.value);
	if (r == 0)
		r = write_realtime(h, c, err);
	return r < 0 ? r : write_bandwidth(h, c, err);
}

int v1_cpuset(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	return cpuset_limits(cg, h, res, err);
}

int cpuset_limits(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	const struct config_cpu *c = res->cpu;
	int r = 0;

	(void)cg;
	if (c->cpus && *c->cpus) {
		r = cg_write(h, "cpuset.cpus", c->cpus, err);
		if (r == -EACCES || r == -EINVAL || r == -ERANGE)
			error_hint(err, "cpus must be online and among those of the cgroup above");
	}
	if (r == 0 && c->mems && *c->mems) {
		r = cg_write(h, "cpuset.mems", c->mems, err);
		if (r == -EACCES || r == -EINVAL || r == -ERANGE)
			error_hint(err, "memory nodes must be online and among those of the cgroup above");
	}
	return r;
}

/* --- the others ------------------------------------------------------------------------ */

int v1_pids(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	char text[CONVERT_TEXT];

	(void)cg;
	convert_bytes(res->pids.limit.value, true, text);
	return cg_write(h, "pids.max", text, err);
}

static int write_weight(const struct hierarchy *h, const char *file, const char *bfq, const char *text, struct error *err)
{
	int r = cg_try_write(h, file, text);

	if (r == -ENOENT && bfq) {
		file = bfq;
		r = cg_try_write(h, file, text);
	}
	if (r == -ENOENT)
		error_hint(err, "weights need the I/O scheduler bfq (CONFIG_BFQ_GROUP_IOSCHED)");
	return r < 0 ? cg_write_error(h, file, text, -r, err) : 0;
}

static int throttle(const struct hierarchy *h, const char *file, const struct config_throttle_list *list, struct error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct config_throttle_device *d = &list->items[i];
		int r = cg_writef(h, err, file, "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->rate);

		if (r < 0)
			return r;
	}
	return 0;
}

int v1_block_io(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	const struct config_block_io *b = res->block_io;
	char text[96];
	int r = 0;

	(void)cg;
	if (b->weight.set && b->weight.value) {
		snprintf(text, sizeof text, "%" PRIu64, b->weight.value);
		r = write_weight(h, "blkio.weight", "blkio.bfq.weight", text, err);
		if (r < 0)
			error_path(err, "linux.resources.blockIO.weight");
	}
	if (r == 0 && b->leaf_weight.set && b->leaf_weight.value) {
		snprintf(text, sizeof text, "%" PRIu64, b->leaf_weight.value);
		r = write_weight(h, "blkio.leaf_weight", NULL, text, err);
		if (r < 0)
			error_path(err, "linux.resources.blockIO.leafWeight");
	}
	for (size_t i = 0; r == 0 && i < b->weight_device_count; i++) {
		const struct config_weight_device *d = &b->weight_device[i];

		if (d->weight.set && d->weight.value) {
			snprintf(text, sizeof text, "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->weight.value);
			r = write_weight(h, "blkio.weight_device", "blkio.bfq.weight_device", text, err);
		}
		if (r == 0 && d->leaf_weight.set && d->leaf_weight.value) {
			snprintf(text, sizeof text, "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor, d->leaf_weight.value);
			r = write_weight(h, "blkio.leaf_weight_device", NULL, text, err);
		}
		if (r < 0)
			error_path(err, "linux.resources.blockIO.weightDevice[%zu]", i);
	}
	if (r == 0)
		r = throttle(h, "blkio.throttle.read_bps_device", &b->throttle_read_bps_device, err);
	if (r == 0)
		r = throttle(h, "blkio.throttle.write_bps_device", &b->throttle_write_bps_device, err);
	if (r == 0)
		r = throttle(h, "blkio.throttle.read_iops_device", &b->throttle_read_iops_device, err);
	if (r == 0)
		r = throttle(h, "blkio.throttle.write_iops_device", &b->throttle_write_iops_device, err);
	return r;
}

int v1_hugetlb(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	return hugetlb_limits(cg, h, res, "limit_in_bytes", "rsvd.limit_in_bytes", err);
}

int hugetlb_limits(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res,
	const char *tail, const char *rsvd_tail, struct error *err)
{
	(void)cg;
	for (size_t i = 0; i < res->hugepage_limits_count; i++) {
		const struct config_hugepage_limit *l = &res->hugepage_limits[i];
		char file[96], text[32];
		int r;

		if (!convert_page_size_valid(l->page_size))
			return error_set(err, ERR_CONFIG, EINVAL, "page size \"%s\": expected a number and KB, MB or GB", l->page_size);
		snprintf(text, sizeof text, "%" PRIu64, l->limit);
		snprintf(file, sizeof file, "hugetlb.%s.%s", l->page_size, tail);
		r = cg_write(h, file, text, err);
		if (r < 0) {
			error_hint(err, "does this machine have huge pages of %s? See /sys/kernel/mm/hugepages", l->page_size);
			return r;
		}
		/* Reservations are limited too where the kernel can (5.7). */
		snprintf(file, sizeof file, "hugetlb.%s.%s", l->page_size, rsvd_tail);
		r = cg_try_write(h, file, text);
		if (r < 0 && r != -ENOENT)
			return cg_write_error(h, file, text, -r, err);
	}
	return 0;
}

int v1_network_class(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	(void)cg;
	return cg_writef(h, err, "net_cls.classid", "%" PRIu64, res->network->class_id.value);
}

int v1_network_priority(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res,
	struct error *err)
{
	(void)cg;
	for (size_t i = 0; i < res->network->priorities_count; i++) {
		const struct config_interface_priority *p = &res->network->priorities[i];
		int r;

		if (!*p->name || strpbrk(p->name, " \n\t/"))
			return error_set(err, ERR_CONFIG, EINVAL, "priorities[%zu]: \"%s\" is not the name of an interface", i, p->name);
		r = cg_writef(h, err, "net_prio.ifpriomap", "%s %" PRIu32, p->name, p->priority);
		if (r < 0)
			return r;
	}
	return 0;
}
