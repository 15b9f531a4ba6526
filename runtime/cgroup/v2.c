/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: limits on cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
 *
 * The configuration's numbers are converted (convert.h).  What v2 cannot express
 * is an error, as runtime-spec demands ("if the conversion is not possible, the
 * runtime MUST generate an error"): swappiness, the OOM killer's switch, real-time
 * bandwidth, leaf weights, network classes and priorities.  `unified` names v2's
 * files itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/cgroup/convert.h"
#include "runtime/cgroup/internal.h"

static int impossible(struct error *err, const char *property)
{
	error_path(err, "%s", property);
	error_hint(err, "leave it out; what cgroup v2 has instead can be set with linux.resources.unified");
	return error_set(err, ERR_UNSUPPORTED, EINVAL, "%s: cgroup v2 has nothing that does this", strrchr(property, '.') + 1);
}

int v2_check(const struct config_resources *res, struct error *err)
{
	const struct config_memory *m = res->memory;
	const struct config_cpu *c = res->cpu;
	const struct config_block_io *b = res->block_io;
	char text[CONVERT_TEXT];
	int r;

	if (m && m->swappiness.set)
		return impossible(err, "linux.resources.memory.swappiness");
	if (m && m->disable_oom_killer.set && m->disable_oom_killer.value)
		return impossible(err, "linux.resources.memory.disableOOMKiller");
	if (c && c->realtime_runtime.set && c->realtime_runtime.value)
		return impossible(err, "linux.resources.cpu.realtimeRuntime");
	if (c && c->realtime_period.set && c->realtime_period.value)
		return impossible(err, "linux.resources.cpu.realtimePeriod");
	if (b && b->leaf_weight.set && b->leaf_weight.value)
		return impossible(err, "linux.resources.blockIO.leafWeight");
	for (size_t i = 0; b && i < b->weight_device_count; i++)
		if (b->weight_device[i].leaf_weight.set && b->weight_device[i].leaf_weight.value)
			return impossible(err, "linux.resources.blockIO.weightDevice.leafWeight");
	if (res->network && res->network->class_id.set && res->network->class_id.value)
		return impossible(err, "linux.resources.network.classID");
	if (res->network && res->network->priorities_count)
		return impossible(err, "linux.resources.network.priorities");
	/* An update of swap alone is relative to the limit in force. */
	if (m && m->limit.set && m->limit.value) {
		r = convert_swap(m->limit, m->swap, text, err);
		if (r < 0)
			error_path(err, "linux.resources.memory.swap");
		return r;
	}
	return 0;
}

/* --- memory -------------------------------------------------------------------------- */

static int write_swap(const struct hierarchy *h, const struct config_memory *m, struct error *err)
{
	struct opt_i64 limit = m->limit;
	char text[CONVERT_TEXT];
	uint64_t now;
	int r;

	/* Swap alone (update): the limit that holds is the kernel's. */
	if (m->swap.set && m->swap.value > 0 && (!limit.set || limit.value == 0) && cg_read_u64(h, "memory.max", &now) == 0 &&
		now != UINT64_MAX)
		limit = (struct opt_i64){ true, (int64_t)now };
	r = convert_swap(limit, m->swap, text, err);
	if (r < 0 || !*text)
		return r;
	r = cg_try_write(h, "memory.swap.max", text);
	if (r == -ENOENT && (strcmp(text, "max") == 0 || strcmp(text, "0") == 0) && cg_has(h, "memory.max"))
		return 0; /* no swap accounted: there is none to limit */
	if (r == -ENOENT)
		error_hint(err, "boot with swapaccount=1, or leave memory.swap out");
	return r < 0 ? cg_write_error(h, "memory.swap.max", text, -r, err) : 0;
}

int v2_check_memory(const struct hierarchy *h, const struct config_memory *m, struct error *err)
{
	uint64_t usage = 0, swap_usage = 0;

	if (!m || !m->check_before_update.set || !m->check_before_update.value)
		return 0;
	if (m->swap.set && m->swap.value > 0 && cg_read_u64(h, "memory.current", &usage) == 0) {
		cg_read_u64(h, "memory.swap.current", &swap_usage);
		if (usage + swap_usage > (uint64_t)m->swap.value) {
			error_path(err, "linux.resources.memory.swap");
			return error_set(err, ERR_CONFIG, EBUSY,
				"rejecting memory+swap limit %" PRId64 ": it is below the present usage of %" PRIu64
				" bytes", m->swap.value, usage + swap_usage);
		}
	}
	if (m->limit.set && m->limit.value > 0) {
		if (cg_read_u64(h, "memory.current", &usage) < 0)
			return 0;
		if (usage > (uint64_t)m->limit.value) {
			error_path(err, "linux.resources.memory.limit");
			return error_set(err, ERR_CONFIG, EBUSY,
				"rejecting memory limit %" PRId64 ": it is below the present usage of %" PRIu64 " bytes",
				m->limit.value, usage);
		}
	}
	return 0;
}

int v2_memory(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	const struct config_memory *m = res->memory;
	char text[CONVERT_TEXT];
	int r;

	(void)cg;
	limit_warn_kernel(m);
	r = v2_check_memory(h, m, err);
	if (r == 0)
		r = write_swap(h, m, err);
	if (r == 0 && m->limit.set && m->limit.value != 0) {
		convert_bytes(m->limit.value, true, text);
		r = cg_write(h, "memory.max", text, err);
	}
	if (r == 0 && m->reservation.set && m->reservation.value != 0) {
		convert_bytes(m->reservation.value, true, text);
		r = cg_write(h, "memory.low", text, err);
	}
	return r;
}

/* --- cpu -------------------------------------------------------------------------------- */

int v2_cpu(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	const struct config_cpu *c = res->cpu;
	bool idle = c->idle.set && c->idle.value == 1, later = false;
	char max[CONVERT_TEXT], burst[CONVERT_TEXT];
	struct opt_i64 quota = c->quota;
	int r = 0;

	if (c->idle.set)
		r = cg_writef(h, err, "cpu.idle", "%" PRId64, c->idle.value);
	/* An idle cgroup has no weight. */
	if (r == 0 && c->shares.set && c->shares.value && !idle)
		r = cg_writef(h, err, "cpu.weight", "%" PRIu64, convert_shares(c->shares.value));
	if (r == 0 && c->burst.set) {
		snprintf(burst, sizeof burst, "%" PRIu64, c->burst.value);
		r = cg_try_write(h, "cpu.max.burst", burst);
		/* Larger than the quota that still holds: the new one first. */
		later = r == -EINVAL && quota.set && quota.value > 0;
		if (r < 0 && !later)
			return cg_write_error(h, "cpu.max.burst", burst, -r, err);
		r = 0;
	}
	/* systemd knows quotas in steps of 10 ms per second; file and property must agree. */
	if (cg->manager == CGROUP_MANAGER_SYSTEMD && quota.set)
		convert_quota_per_second(quota.value, c->period.set ? c->period.value : 0, &quota.value);
	convert_cpu_max(quota, c->period, max);
	if (r == 0 && *max)
		r = cg_write(h, "cpu.max", max, err);
	return r == 0 && later ? cg_write(h, "cpu.max.burst", burst, err) : r;
}

int v2_cpuset(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	return cpuset_limits(cg, h, res, err);
}

/* --- block I/O ------------------------------------------------------------------------------ */

static int write_weight(const struct hierarchy *h, const char *device, uint64_t weight, struct error *err)
{
	char text[96];
	int r;

	snprintf(text, sizeof text, "%s%" PRIu64, device, weight);
	r = cg_try_write(h, "io.bfq.weight", text);
	if (r != -ENOENT)
		return r < 0 ? cg_write_error(h, "io.bfq.weight", text, -r, err) : 0;
	snprintf(text, sizeof text, "%s%" PRIu64, device, convert_blkio_weight(weight));
	r = cg_try_write(h, "io.weight", text);
	if (r == -ENOENT)
		error_hint(err, "weights need the I/O scheduler bfq or iocost (CONFIG_BFQ_GROUP_IOSCHED, CONFIG_BLK_CGROUP_IOCOST)");
	return r < 0 ? cg_write_error(h, "io.weight", text, -r, err) : 0;
}

static int throttle(const struct hierarchy *h, const char *key, const struct config_throttle_list *list, struct error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct config_throttle_device *d = &list->items[i];
		char rate[32] = "max"; /* 0 removes the limit, as on v1 */
		int r;

		if (d->rate)
			snprintf(rate, sizeof rate, "%" PRIu64, d->rate);
		r = cg_writef(h, err, "io.max", "%" PRId64 ":%" PRId64 " %s=%s", d->major, d->minor, key, rate);
		if (r < 0)
			return r;
	}
	return 0;
}

int v2_block_io(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	const struct config_block_io *b = res->block_io;
	int r = 0;

	(void)cg;
	if (b->weight.set && b->weight.value) {
		r = write_weight(h, "", b->weight.value, err);
		if (r < 0)
			error_path(err, "linux.resources.blockIO.weight");
	}
	for (size_t i = 0; r == 0 && i < b->weight_device_count; i++) {
		const struct config_weight_device *d = &b->weight_device[i];
		char device[64];

		snprintf(device, sizeof device, "%" PRId64 ":%" PRId64 " ", d->major, d->minor);
		if (d->weight.set && d->weight.value)
			r = write_weight(h, device, d->weight.value, err);
		if (r < 0)
			error_path(err, "linux.resources.blockIO.weightDevice[%zu]", i);
	}
	if (r == 0)
		r = throttle(h, "rbps", &b->throttle_read_bps_device, err);
	if (r == 0)
		r = throttle(h, "wbps", &b->throttle_write_bps_device, err);
	if (r == 0)
		r = throttle(h, "riops", &b->throttle_read_iops_device, err);
	if (r == 0)
		r = throttle(h, "wiops", &b->throttle_write_iops_device, err);
	return r;
}

/* --- the others -------------------------------------------------------------------------------- */

int v2_pids(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	return v1_pids(cg, h, res, err);
}

int v2_hugetlb(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	return hugetlb_limits(cg, h, res, "max", "rsvd.max", err);
}

int v2_network(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	(void)cg;
	(void)h;
	return v2_check(res, err);
}

/* Files that do not hold a limit but act on processes. */
static bool acts(const char *key)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type" };

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (strcmp(key, files[i]) == 0)
			return true;
	return false;
}

static int unified_one(const struct cgroup *cg, const struct hierarchy *h, const char *key, const char *value, struct error *err)
{
	size_t n = strcspn(key, ".");
	int c = controller_find(key, n);
	int r;

	error_path(err, "linux.resources.unified[\"%s\"]", key);
	if (n == 0 || key[n] != '.' || strchr(key, '/') || acts(key))
		return error_set(err, ERR_CONFIG, EINVAL, "unified \"%s\" is not the name of a file that holds a limit", key);
	/* The kernel takes one line at a time. */
	do {
		size_t len = strcspn(value, "\n");
		char line[4096];

		if (len >= sizeof line)
			return error_set(err, ERR_CONFIG, ENAMETOOLONG, "unified \"%s\": a line is too long", key);
		memcpy(line, value, len);
		line[len] = '\0';
		value += value[len] ? len + 1 : len;
		r = cg_try_write(h, key, line);
		if (r == -ENOENT && c >= 0 && !(v2_available(h) & CTRL_BIT(c)))
			return v2_missing_error(cg, h, c, err);
		if (r < 0)
			return cg_write_error(h, key, line, -r, err);
	} while (*value);
	return 0;
}

int v2_unified(const struct cgroup *cg, const struct hierarchy *h, const struct config_resources *res, struct error *err)
{
	for (size_t i = 0; i < res->unified.count; i++) {
		struct error one = { 0 };
		int r = unified_one(cg, h, res->unified.items[i].key, res->unified.items[i].value, &one);

		if (r < 0) {
			if (err)
				*err = one;
			return r;
		}
	}
	return 0;
}
