/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: statistics on cgroup v1, one function for each controller; see stats.c. */
#include "runtime/cgroup/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- cpu ------------------------------------------------------------------------------ */

static size_t number_list(struct arena *a, char *text, uint64_t **values)
{
	size_t count = 0;
	char *save = NULL;

	for (char *w = text ? strtok_r(text, " \n", &save) : NULL; w; w = strtok_r(NULL, " \n", &save)) {
		*values = arena_grow(a, *values, count * sizeof **values, (count + 1) * sizeof **values);
		(*values)[count++] = strtoull(w, NULL, 10);
	}
	return count;
}

/* "cpu user system\n0 123 456\n…" */
static void usage_all(struct arena *a, char *text, struct cgroup_stats *s)
{
	char *save = NULL;
	size_t i = 0;

	s->cpu.percpu_user = arena_array(a, uint64_t, s->cpu.percpu_count);
	s->cpu.percpu_kernel = arena_array(a, uint64_t, s->cpu.percpu_count);
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		unsigned long long cpu, user, kernel;

		if (sscanf(l, "%llu %llu %llu", &cpu, &user, &kernel) != 3 || i == s->cpu.percpu_count)
			continue;
		s->cpu.percpu_user[i] = user;
		s->cpu.percpu_kernel[i] = kernel;
		i++;
	}
}

static void read_cpu(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s)
{
	const struct hierarchy *acct = cgroup_controller(cg, CTRL_CPUACCT), *cpu = cgroup_controller(cg, CTRL_CPU);
	struct cgroup_stat_entry *t;
	size_t n;

	if (acct && !acct->unified) {
		uint64_t tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);

		s->cpu.total = stat_number(acct, "cpuacct.usage");
		n = stat_table(a, stat_read(acct, a, "cpuacct.stat"), &t);
		s->cpu.user = stat_value(t, n, "user") * tick;
		s->cpu.kernel = stat_value(t, n, "system") * tick;
		s->cpu.percpu_count = number_list(a, stat_read(acct, a, "cpuacct.usage_percpu"), &s->cpu.percpu);
		usage_all(a, stat_read(acct, a, "cpuacct.usage_all"), s);
	}
	if (cpu) {
		n = stat_table(a, stat_read(cpu, a, "cpu.stat"), &t);
		s->cpu.periods = stat_value(t, n, "nr_periods");
		s->cpu.throttled_periods = stat_value(t, n, "nr_throttled");
		s->cpu.throttled_time = stat_value(t, n, "throttled_time");
	}
}

static const char *line_of(const struct hierarchy *h, struct arena *a, const char *file)
{
	char *text = stat_read(h, a, file);

	if (!text)
		return "";
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void read_cpuset(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s)
{
	const struct hierarchy *h = cgroup_controller(cg, CTRL_CPUSET);

	if (!h || h->unified)
		return;
	s->cpuset.set = true;
	s->cpuset.cpus = line_of(h, a, "cpuset.cpus");
	s->cpuset.mems = line_of(h, a, "cpuset.mems");
	s->cpuset.cpu_exclusive = stat_number(h, "cpuset.cpu_exclusive");
	s->cpuset.mem_exclusive = stat_number(h, "cpuset.mem_exclusive");
	s->cpuset.mem_hardwall = stat_number(h, "cpuset.mem_hardwall");
	s->cpuset.memory_migrate = stat_number(h, "cpuset.memory_migrate");
	s->cpuset.memory_spread_page = stat_number(h, "cpuset.memory_spread_page");
	s->cpuset.memory_spread_slab = stat_number(h, "cpuset.memory_spread_slab");
	s->cpuset.sched_load_balance = stat_number(h, "cpuset.sched_load_balance");
	s->cpuset.memory_pressure = stat_number(h, "cpuset.memory_pressure");
	s->cpuset.sched_relax_domain_level = atoll(line_of(h, a, "cpuset.sched_relax_domain_level"));
}

/* --- memory ----------------------------------------------------------------------------- */

static struct cgroup_memory_usage usage(const struct hierarchy *h, const char *prefix)
{
	struct cgroup_memory_usage u = { 0 };
	char file[64];

	snprintf(file, sizeof file, "%s.usage_in_bytes", prefix);
	if (cg_read_u64(h, file, &u.usage) < 0)
		return u;
	u.set = true;
	snprintf(file, sizeof file, "%s.max_usage_in_bytes", prefix);
	u.max = stat_number(h, file);
	snprintf(file, sizeof file, "%s.failcnt", prefix);
	u.failcnt = stat_number(h, file);
	snprintf(file, sizeof file, "%s.limit_in_bytes", prefix);
	u.limit = stat_number(h, file);
	return u;
}

static void read_memory(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s)
{
	const struct hierarchy *h = cgroup_controller(cg, CTRL_MEMORY);

	if (!h || h->unified)
		return;
	s->memory.raw_count = stat_table(a, stat_read(h, a, "memory.stat"), &s->memory.raw);
	s->memory.cache = stat_value(s->memory.raw, s->memory.raw_count, "cache");
	s->memory.usage = usage(h, "memory");
	s->memory.swap = usage(h, "memory.memsw");
	s->memory.kernel = usage(h, "memory.kmem");
	s->memory.kernel_tcp = usage(h, "memory.kmem.tcp");
	s->memory.use_hierarchy = stat_number(h, "memory.use_hierarchy") != 0;
	if (s->memory.swap.set && s->memory.swap.usage >= s->memory.usage.usage) {
		s->memory.swap_only.set = true;
		s->memory.swap_only.usage = s->memory.swap.usage - s->memory.usage.usage;
		s->memory.swap_only.limit = s->memory.swap.limit > s->memory.usage.limit ?
						    s->memory.swap.limit - s->memory.usage.limit :
						    0;
	}
}

/* --- block I/O ---------------------------------------------------------------------------- */

void stat_blkio_v1(struct arena *a, char *text, struct cgroup_blkio_list *list)
{
	char *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		unsigned long long major, minor, value;
		char op[16] = "";

		/* "Total N" at the end names no device. */
		if (sscanf(l, "%llu:%llu %15[A-Za-z] %llu", &major, &minor, op, &value) != 4 &&
			sscanf(l, "%llu:%llu %llu", &major, &minor, &value) != 3)
			continue;
		stat_blkio_add(a, list, (struct cgroup_blkio_entry){ major, minor, arena_strdup(a, op), value });
	}
}

/* The first file that knows anything: schedulers have files of their own. */
static void read_list(const struct hierarchy *h, struct arena *a, const char *what, bool throttled,
	struct cgroup_blkio_list *list)
{
	static const struct {
		const char *head, *tail;
	} forms[] = { { "bfq.", "_recursive" }, { "", "_recursive" }, { "throttle.", "_recursive" }, { "throttle.", "" } };

	for (size_t i = 0; i < (throttled ? 4 : 2) && list->count == 0; i++) {
		char file[80];

		snprintf(file, sizeof file, "blkio.%s%s%s", forms[i].head, what, forms[i].tail);
		stat_blkio_v1(a, stat_read(h, a, file), list);
	}
}

static void read_blkio(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s)
{
	const struct hierarchy *h = cgroup_controller(cg, CTRL_BLKIO);

	if (!h || h->unified)
		return;
	read_list(h, a, "io_service_bytes", true, &s->blkio.service_bytes);
	read_list(h, a, "io_serviced", true, &s->blkio.serviced);
	read_list(h, a, "io_queued", false, &s->blkio.queued);
	read_list(h, a, "io_service_time", false, &s->blkio.service_time);
	read_list(h, a, "io_wait_time", false, &s->blkio.wait_time);
	read_list(h, a, "io_merged", false, &s->blkio.merged);
	read_list(h, a, "time", false, &s->blkio.time);
	read_list(h, a, "sectors", false, &s->blkio.sectors);
}

void stats_v1(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s)
{
	read_cpu(cg, a, s);
	read_cpuset(cg, a, s);
	read_memory(cg, a, s);
	read_blkio(cg, a, s);
}
