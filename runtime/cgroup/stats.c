/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what a container uses, for `events`.
 *
 * Both versions fill one struct, in the units that engines know from runc:
 * nanoseconds and bytes.  A file that a host does not have leaves zeros; only a
 * cgroup that is gone is an error.  Pressure comes from the unified hierarchy,
 * on hybrid hosts too.
 */
#include "runtime/cgroup/stats.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define STAT_FILE_MAX (4 * 1024 * 1024)

char *stat_read(const struct hierarchy *h, struct arena *a, const char *file)
{
	char *text;

	if (hierarchy_open(h) < 0 || fd_read_file(h->m->fd, file, a, STAT_FILE_MAX, &text, NULL) < 0)
		return NULL;
	return text;
}

uint64_t stat_number(const struct hierarchy *h, const char *file)
{
	uint64_t value;

	return cg_read_u64(h, file, &value) == 0 ? value : 0;
}

size_t stat_table(struct arena *a, char *text, struct cgroup_stat_entry **entries)
{
	size_t count = 0, room = 1;
	char *save = NULL;

	for (const char *p = text; p && *p; p++)
		room += *p == '\n';
	*entries = arena_array(a, struct cgroup_stat_entry, room);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');

		if (!space || count == room)
			continue;
		*space = '\0';
		(*entries)[count++] = (struct cgroup_stat_entry){ line, strtoull(space + 1, NULL, 10) };
	}
	return count;
}

uint64_t stat_value(const struct cgroup_stat_entry *entries, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(entries[i].key, key) == 0)
			return entries[i].value;
	return 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull …" */
void stat_psi_parse(const char *text, struct cgroup_psi *psi)
{
	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		struct cgroup_psi_line line;
		unsigned long long total;
		char kind[8];

		p += *p == '\n';
		if (sscanf(p, "%7s avg10=%lf avg60=%lf avg300=%lf total=%llu", kind, &line.avg10, &line.avg60, &line.avg300,
			    &total) != 5)
			continue;
		line.total = total;
		if (strcmp(kind, "some") == 0)
			psi->some = line;
		else if (strcmp(kind, "full") == 0)
			psi->full = line;
		psi->set = true;
	}
}

static void read_psi(const struct hierarchy *h, struct arena *a, const char *file, struct cgroup_psi *psi)
{
	stat_psi_parse(stat_read(h, a, file), psi);
}

void stat_blkio_add(struct arena *a, struct cgroup_blkio_list *list, struct cgroup_blkio_entry entry)
{
	if ((list->count & (list->count - 1)) == 0)
		list->items = arena_grow(a, list->items, list->count * sizeof *list->items,
			(list->count ? list->count * 2 : 1) * sizeof *list->items);
	list->items[list->count++] = entry;
}

/* --- the same on both versions ------------------------------------------------------- */

static void read_pids(const struct cgroup *cg, struct cgroup_stats *s)
{
	const struct hierarchy *h = cgroup_controller(cg, CTRL_PIDS);
	uint64_t max;

	if (!h)
		return;
	s->pids.current = stat_number(h, "pids.current");
	max = stat_number(h, "pids.max");
	s->pids.limit = max == UINT64_MAX ? 0 : max;
}

static void hugetlb_one(const struct hierarchy *h, const char *size, struct cgroup_hugetlb_usage *u)
{
	/* Reservations are what the limit is about, where the kernel counts them (5.7). */
	for (int rsvd = 1; rsvd >= 0; rsvd--) {
		char file[128];
		uint64_t value;
		const char *r = rsvd ? ".rsvd" : "";

		snprintf(file, sizeof file, "hugetlb.%s%s.%s", size, r, h->unified ? "current" : "usage_in_bytes");
		if (cg_read_u64(h, file, &value) < 0)
			continue;
		u->usage = value;
		if (h->unified) {
			snprintf(file, sizeof file, "hugetlb.%s.events", size);
			cg_read_key_at(h->m->fd, file, "max", &u->failcnt);
		} else {
			snprintf(file, sizeof file, "hugetlb.%s%s.max_usage_in_bytes", size, r);
			u->max = stat_number(h, file);
			snprintf(file, sizeof file, "hugetlb.%s%s.failcnt", size, r);
			u->failcnt = stat_number(h, file);
		}
		return;
	}
}

static void read_hugetlb(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s)
{
	const struct hierarchy *h = cgroup_controller(cg, CTRL_HUGETLB);
	const char *tail = h && h->unified ? ".current" : ".usage_in_bytes";
	struct dirent *e;
	DIR *dir;
	int fd = -1;

	if (h && hierarchy_open(h) == 0)
		fd = openat(h->m->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir))) {
		const char *dot;

		if (strncmp(e->d_name, "hugetlb.", 8) != 0)
			continue;
		dot = strchr(e->d_name + 8, '.');
		if (!dot || strcmp(dot, tail) != 0)
			continue;
		s->hugetlb = arena_grow(a, s->hugetlb, s->hugetlb_count * sizeof *s->hugetlb,
			(s->hugetlb_count + 1) * sizeof *s->hugetlb);
		s->hugetlb[s->hugetlb_count].size = arena_strndup(a, e->d_name + 8, (size_t)(dot - e->d_name - 8));
		hugetlb_one(h, s->hugetlb[s->hugetlb_count].size, &s->hugetlb[s->hugetlb_count]);
		s->hugetlb_count++;
	}
	closedir(dir);
}

static uint64_t rdma_field(const char *line, const char *key)
{
	const char *p = strstr(line, key);

	if (!p)
		return 0;
	p += strlen(key);
	return strncmp(p, "max", 3) == 0 ? UINT64_MAX : strtoull(p, NULL, 10);
}

static void read_rdma(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s)
{
	const struct hierarchy *h = cgroup_controller(cg, CTRL_RDMA);
	char *current = h ? stat_read(h, a, "rdma.current") : NULL, *max = h ? stat_read(h, a, "rdma.max") : NULL;
	char *save = NULL, *save_max = NULL;
	char *m = max ? strtok_r(max, "\n", &save_max) : NULL;

	for (char *l = current ? strtok_r(current, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		struct cgroup_rdma_usage *u;

		s->rdma = arena_grow(a, s->rdma, s->rdma_count * sizeof *s->rdma, (s->rdma_count + 1) * sizeof *s->rdma);
		u = &s->rdma[s->rdma_count++];
		u->device = arena_strndup(a, l, strcspn(l, " "));
		u->hca_handles = rdma_field(l, "hca_handle=");
		u->hca_objects = rdma_field(l, "hca_object=");
		if (m) {
			/* Both files list the same devices in the same order. */
			u->hca_handles_limit = rdma_field(m, "hca_handle=");
			u->hca_objects_limit = rdma_field(m, "hca_object=");
			m = strtok_r(NULL, "\n", &save_max);
		}
	}
}

int cgroup_stats(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s, struct error *err)
{
	const struct hierarchy *unified;
	int r;

	*s = (struct cgroup_stats){ 0 };
	if (!cgroup_exists(cg) || cg->count == 0)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "the container has no cgroup of its own");
	r = hierarchy_open(&cg->h[0]);
	if (r == -ENOENT)
		return error_set(err, ERR_NOT_RUNNING, ENOENT, "cgroup %s of the container is gone", cg->h[0].m->path);
	if (r < 0)
		return error_sys(err, -r, "open cgroup %s", cg->h[0].m->path);
	if (cg->version == CGROUP_V2)
		stats_v2(cgroup_unified(cg), a, s);
	else
		stats_v1(cg, a, s);
	read_pids(cg, s);
	read_hugetlb(cg, a, s);
	read_rdma(cg, a, s);
	unified = cgroup_unified(cg);
	if (unified) {
		read_psi(unified, a, "cpu.pressure", &s->cpu.psi);
		read_psi(unified, a, "memory.pressure", &s->memory.psi);
		read_psi(unified, a, "io.pressure", &s->blkio.psi);
	}
	return 0;
}
