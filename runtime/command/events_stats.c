/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: statistics as JSON, member by member as `runc events`
 * names them (CPU time in nanoseconds, sizes in bytes).  Numbers are always
 * written; a list that the host has nothing for is left out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/command/events_internal.h"

static void write_avg(struct json_writer *w, const char *name, double value)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%.2f", value);

	json_write_key(w, name);
	json_write_raw(w, text, (size_t)n);
}

static void write_psi_line(struct json_writer *w, const char *name, const struct cgroup_psi_line *line)
{
	json_write_member_object(w, name);
	write_avg(w, "avg10", line->avg10);
	write_avg(w, "avg60", line->avg60);
	write_avg(w, "avg300", line->avg300);
	json_write_member_u64(w, "total", line->total);
	json_write_end_object(w);
}

static void write_psi(struct json_writer *w, const struct cgroup_psi *psi)
{
	if (!psi->set)
		return;
	json_write_member_object(w, "psi");
	write_psi_line(w, "some", &psi->some);
	write_psi_line(w, "full", &psi->full);
	json_write_end_object(w);
}

static void write_numbers(struct json_writer *w, const char *name, const uint64_t *values, size_t count)
{
	if (!values || count == 0)
		return;
	json_write_member_array(w, name);
	for (size_t i = 0; i < count; i++)
		json_write_u64(w, values[i]);
	json_write_end_array(w);
}

static void write_cpu(struct json_writer *w, const struct cgroup_stats *s)
{
	json_write_member_object(w, "cpu");
	json_write_member_object(w, "usage");
	json_write_member_u64(w, "total", s->cpu.total);
	write_numbers(w, "percpu", s->cpu.percpu, s->cpu.percpu_count);
	write_numbers(w, "percpu_kernel", s->cpu.percpu_kernel, s->cpu.percpu_count);
	write_numbers(w, "percpu_user", s->cpu.percpu_user, s->cpu.percpu_count);
	json_write_member_u64(w, "kernel", s->cpu.kernel);
	json_write_member_u64(w, "user", s->cpu.user);
	json_write_end_object(w);
	json_write_member_object(w, "throttling");
	json_write_member_u64(w, "periods", s->cpu.periods);
	json_write_member_u64(w, "throttledPeriods", s->cpu.throttled_periods);
	json_write_member_u64(w, "throttledTime", s->cpu.throttled_time);
	json_write_end_object(w);
	write_psi(w, &s->cpu.psi);
	json_write_end_object(w);
}

/* "0-3,7" as [0,1,2,3,7]. */
static void write_number_list(struct json_writer *w, const char *name, const char *list)
{
	char *end;

	if (!list || *list < '0' || *list > '9')
		return;
	json_write_member_array(w, name);
	for (const char *p = list; *p >= '0' && *p <= '9'; p = *end == ',' ? end + 1 : end) {
		unsigned long first = strtoul(p, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (; first <= last && first <= UINT16_MAX; first++)
			json_write_u64(w, first);
	}
	json_write_end_array(w);
}

static void write_cpuset(struct json_writer *w, const struct cgroup_stats *s)
{
	json_write_member_object(w, "cpuset");
	write_number_list(w, "cpus", s->cpuset.cpus);
	json_write_member_u64(w, "cpu_exclusive", s->cpuset.cpu_exclusive);
	write_number_list(w, "mems", s->cpuset.mems);
	json_write_member_u64(w, "mem_hardwall", s->cpuset.mem_hardwall);
	json_write_member_u64(w, "mem_exclusive", s->cpuset.mem_exclusive);
	json_write_member_u64(w, "memory_migrate", s->cpuset.memory_migrate);
	json_write_member_u64(w, "memory_spread_page", s->cpuset.memory_spread_page);
	json_write_member_u64(w, "memory_spread_slab", s->cpuset.memory_spread_slab);
	json_write_member_u64(w, "memory_pressure", s->cpuset.memory_pressure);
	json_write_member_u64(w, "sched_load_balance", s->cpuset.sched_load_balance);
	json_write_member_i64(w, "sched_relax_domain_level", s->cpuset.sched_relax_domain_level);
	json_write_end_object(w);
}

static void write_usage(struct json_writer *w, const char *name, const struct cgroup_memory_usage *u)
{
	json_write_member_object(w, name);
	json_write_member_u64(w, "limit", u->limit);
	json_write_member_u64(w, "usage", u->usage);
	json_write_member_u64(w, "max", u->max);
	json_write_member_u64(w, "failcnt", u->failcnt);
	json_write_end_object(w);
}

static void write_memory(struct json_writer *w, const struct cgroup_stats *s)
{
	json_write_member_object(w, "memory");
	json_write_member_u64(w, "cache", s->memory.cache);
	write_usage(w, "usage", &s->memory.usage);
	write_usage(w, "swap", &s->memory.swap);
	write_usage(w, "kernel", &s->memory.kernel);
	write_usage(w, "kernelTCP", &s->memory.kernel_tcp);
	if (s->memory.raw_count) {
		json_write_member_object(w, "raw");
		for (size_t i = 0; i < s->memory.raw_count; i++)
			json_write_member_u64(w, s->memory.raw[i].key, s->memory.raw[i].value);
		json_write_end_object(w);
	}
	write_psi(w, &s->memory.psi);
	json_write_end_object(w);
}

static void write_blkio_list(struct json_writer *w, const char *name, const struct cgroup_blkio_list *list)
{
	if (list->count == 0)
		return;
	json_write_member_array(w, name);
	for (size_t i = 0; i < list->count; i++) {
		json_write_object(w);
		json_write_member_u64(w, "major", list->items[i].major);
		json_write_member_u64(w, "minor", list->items[i].minor);
		if (list->items[i].op && *list->items[i].op)
			json_write_member_string(w, "op", list->items[i].op);
		json_write_member_u64(w, "value", list->items[i].value);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static void write_blkio(struct json_writer *w, const struct cgroup_stats *s)
{
	json_write_member_object(w, "blkio");
	write_blkio_list(w, "ioServiceBytesRecursive", &s->blkio.service_bytes);
	write_blkio_list(w, "ioServicedRecursive", &s->blkio.serviced);
	write_blkio_list(w, "ioQueueRecursive", &s->blkio.queued);
	write_blkio_list(w, "ioServiceTimeRecursive", &s->blkio.service_time);
	write_blkio_list(w, "ioWaitTimeRecursive", &s->blkio.wait_time);
	write_blkio_list(w, "ioMergedRecursive", &s->blkio.merged);
	write_blkio_list(w, "ioTimeRecursive", &s->blkio.time);
	write_blkio_list(w, "sectorsRecursive", &s->blkio.sectors);
	write_psi(w, &s->blkio.psi);
	json_write_end_object(w);
}

static void write_interfaces(struct json_writer *w, const struct network_interface *list, size_t count)
{
	json_write_member_array(w, "network_interfaces");
	for (size_t i = 0; i < count; i++) {
		json_write_object(w);
		json_write_member_string(w, "Name", list[i].name);
		json_write_member_u64(w, "RxBytes", list[i].rx_bytes);
		json_write_member_u64(w, "RxPackets", list[i].rx_packets);
		json_write_member_u64(w, "RxErrors", list[i].rx_errors);
		json_write_member_u64(w, "RxDropped", list[i].rx_dropped);
		json_write_member_u64(w, "TxBytes", list[i].tx_bytes);
		json_write_member_u64(w, "TxPackets", list[i].tx_packets);
		json_write_member_u64(w, "TxErrors", list[i].tx_errors);
		json_write_member_u64(w, "TxDropped", list[i].tx_dropped);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

void events_write_stats(struct json_writer *w, const struct cgroup_stats *s, const struct network_interface *interfaces,
	size_t count)
{
	json_write_object(w);
	write_cpu(w, s);
	write_cpuset(w, s);
	write_memory(w, s);
	json_write_member_object(w, "pids");
	json_write_member_u64(w, "current", s->pids.current);
	json_write_member_u64(w, "limit", s->pids.limit);
	json_write_end_object(w);
	write_blkio(w, s);
	json_write_member_object(w, "hugetlb");
	for (size_t i = 0; i < s->hugetlb_count; i++) {
		json_write_member_object(w, s->hugetlb[i].size);
		json_write_member_u64(w, "usage", s->hugetlb[i].usage);
		json_write_member_u64(w, "max", s->hugetlb[i].max);
		json_write_member_u64(w, "failcnt", s->hugetlb[i].failcnt);
		json_write_end_object(w);
	}
	json_write_end_object(w);
	/* Nothing is known about resource control. */
	json_write_member_object(w, "intel_rdt");
	json_write_end_object(w);
	write_interfaces(w, interfaces, count);
	json_write_end_object(w);
}
