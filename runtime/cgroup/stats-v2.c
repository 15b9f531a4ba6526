/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: statistics on cgroup v2; see stats.c.  Where engines know
 * a number from v1 that v2 counts differently it is made alike: swap is memory
 * and swap together, time is in nanoseconds.
 */
#include "runtime/cgroup/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_cpu(const struct hierarchy *h, struct arena *a, struct cgroup_stats *s)
{
	struct cgroup_stat_entry *t;
	size_t n = stat_table(a, stat_read(h, a, "cpu.stat"), &t);

	s->cpu.total = stat_value(t, n, "usage_usec") * 1000;
	s->cpu.user = stat_value(t, n, "user_usec") * 1000;
	s->cpu.kernel = stat_value(t, n, "system_usec") * 1000;
	s->cpu.periods = stat_value(t, n, "nr_periods");
	s->cpu.throttled_periods = stat_value(t, n, "nr_throttled");
	s->cpu.throttled_time = stat_value(t, n, "throttled_usec") * 1000;
}

static uint64_t add_limits(uint64_t a, uint64_t b)
{
	return a == UINT64_MAX || b == UINT64_MAX || a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void read_memory(const struct hierarchy *h, struct arena *a, struct cgroup_stats *s)
{
	struct cgroup_memory_usage *m = &s->memory.usage, *only = &s->memory.swap_only, *both = &s->memory.swap;

	s->memory.raw_count = stat_table(a, stat_read(h, a, "memory.stat"), &s->memory.raw);
	s->memory.cache = stat_value(s->memory.raw, s->memory.raw_count, "file");
	s->memory.use_hierarchy = true;
	if (cg_read_u64(h, "memory.current", &m->usage) < 0)
		return;
	m->set = true;
	m->limit = stat_number(h, "memory.max");
	m->max = stat_number(h, "memory.peak");
	cg_read_key_at(h->m->fd, "memory.events", "max", &m->failcnt);
	if (cg_read_u64(h, "memory.swap.current", &only->usage) == 0) {
		only->set = true;
		only->limit = stat_number(h, "memory.swap.max");
		only->max = stat_number(h, "memory.swap.peak");
		cg_read_key_at(h->m->fd, "memory.swap.events", "fail", &only->failcnt);
	}
	both->set = true;
	both->usage = m->usage + only->usage;
	both->limit = add_limits(m->limit, only->limit);
}

void stat_io_v2(struct arena *a, char *text, struct cgroup_stats *s)
{
	static const struct {
		const char *key, *op;
		size_t list;
	} map[] = {
		{ "rbytes", "Read", offsetof(struct cgroup_stats, blkio.service_bytes) },
		{ "wbytes", "Write", offsetof(struct cgroup_stats, blkio.service_bytes) },
		{ "dbytes", "Discard", offsetof(struct cgroup_stats, blkio.service_bytes) },
		{ "rios", "Read", offsetof(struct cgroup_stats, blkio.serviced) },
		{ "wios", "Write", offsetof(struct cgroup_stats, blkio.serviced) },
		{ "dios", "Discard", offsetof(struct cgroup_stats, blkio.serviced) },
	};
	char *save = NULL;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		unsigned long long major, minor;
		char *word = NULL;

		if (sscanf(l, "%llu:%llu", &major, &minor) != 2)
			continue;
		for (char *w = strtok_r(l, " ", &word); w; w = strtok_r(NULL, " ", &word)) {
			size_t n = strcspn(w, "=");

			for (size_t i = 0; w[n] == '=' && i < sizeof map / sizeof *map; i++)
				if (strlen(map[i].key) == n && memcmp(w, map[i].key, n) == 0)
					stat_blkio_add(a, (struct cgroup_blkio_list *)((char *)s + map[i].list),
						(struct cgroup_blkio_entry){ major, minor, map[i].op, strtoull(w + n + 1, NULL, 10) });
		}
	}
}

void stats_v2(const struct hierarchy *h, struct arena *a, struct cgroup_stats *s)
{
	char *text;

	read_cpu(h, a, s);
	read_memory(h, a, s);
	stat_io_v2(a, stat_read(h, a, "io.stat"), s);
	text = stat_read(h, a, "cpuset.cpus.effective");
	if (text) {
		text[strcspn(text, "\n")] = '\0';
		s->cpuset.set = true;
		s->cpuset.cpus = text;
		text = stat_read(h, a, "cpuset.mems.effective");
		if (text)
			text[strcspn(text, "\n")] = '\0';
		s->cpuset.mems = text ? text : "";
	}
}
