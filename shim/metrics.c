/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the fields of the messages in specs/task/metrics.proto
 * bear the names the kernel uses in memory.stat, cpu.stat and memory.events, so
 * the generated descriptors are the table that says where each line goes.  The
 * rest are single-value files.  "max" is UINT64_MAX.
 */
#include "shim/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/cgroup.h"
#include "specs/task/metrics.pb-c.h"

#define FILE_MAX (256 * 1024)

/* A new message of the arena, in its initial state. */
#define NEW(a, Type, INIT)                                                                                             \
	({                                                                                                             \
		Type *new_ = arena_new(a, Type);                                                                       \
		*new_ = (Type)INIT;                                                                                    \
		new_;                                                                                                  \
	})

static const char *read_text(int dir, const char *name, struct arena *a)
{
	char *text;

	return fd_read_file(dir, name, a, FILE_MAX, &text, NULL) == 0 ? text : "";
}

static uint64_t parse(const char *text)
{
	if (strncmp(text, "max", 3) == 0)
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

/* Steps over WORD and the number behind it, if both are there.  sscanf() would be the biggest piece of code that the
 * server ever executes. */
static bool take(const char **at, const char *word, uint64_t *value)
{
	size_t n = strlen(word);
	char *end;

	if (strncmp(*at, word, n) != 0 || (*at)[n] < '0' || (*at)[n] > '9')
		return false;
	*value = strtoull(*at + n, &end, 10);
	*at = end;
	return true;
}

/* The same for "12.34". */
static bool take_decimal(const char **at, const char *word, double *value)
{
	uint64_t whole, scale = 1;

	if (!take(at, word, &whole))
		return false;
	if (**at == '.')
		for (++*at; **at >= '0' && **at <= '9' && scale < 1000000; ++*at, scale *= 10)
			whole = whole * 10 + (uint64_t)(**at - '0');
	*value = (double)whole / (double)scale;
	return true;
}

static uint64_t read_value(int dir, const char *name, struct arena *a)
{
	return parse(read_text(dir, name, a));
}

void metrics_fill(ProtobufCMessage *msg, const char *text)
{
	char name[64];

	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		size_t n = strcspn(line, " \n");
		const ProtobufCFieldDescriptor *f = NULL;

		if (n < sizeof name && line[n] == ' ') {
			memcpy(name, line, n);
			name[n] = '\0';
			f = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, name);
		}
		if (f && f->type == PROTOBUF_C_TYPE_UINT64 && f->label != PROTOBUF_C_LABEL_REPEATED)
			*(uint64_t *)((char *)msg + f->offset) = parse(line + n + 1);
		line = *end ? end + 1 : end;
	}
}

static Metrics__Pids *read_pids(int dir, struct arena *a)
{
	Metrics__Pids *m = NEW(a, Metrics__Pids, METRICS__PIDS__INIT);

	m->current = read_value(dir, "pids.current", a);
	m->limit = read_value(dir, "pids.max", a);
	return m;
}

/* Page sizes for which hugetlb files exist: callback for each "hugetlb.<size>." prefix. */
static void each_page_size(int dir, const char *suffix, void (*found)(void *, const char *), void *context)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d)
		return;
	rewinddir(d);
	while ((e = readdir(d))) {
		size_t n = strlen(e->d_name), s = strlen(suffix);
		char size[64];

		if (strncmp(e->d_name, "hugetlb.", 8) != 0 || n < 8 + s || n - 8 - s >= sizeof size ||
			strcmp(e->d_name + n - s, suffix) != 0)
			continue;
		memcpy(size, e->d_name + 8, n - 8 - s);
		size[n - 8 - s] = '\0';
		if (!strchr(size, '.'))
			found(context, size);
	}
	closedir(d);
}

/* --- version 1 --- */

static Metrics__V1MemoryEntry *v1_entry(int dir, const char *prefix, struct arena *a)
{
	Metrics__V1MemoryEntry *m;
	const char *usage = read_text(dir, arena_printf(a, "%s.usage_in_bytes", prefix), a);

	if (!*usage)
		return NULL;
	m = NEW(a, Metrics__V1MemoryEntry, METRICS__V1_MEMORY_ENTRY__INIT);
	m->usage = parse(usage);
	m->limit = read_value(dir, arena_printf(a, "%s.limit_in_bytes", prefix), a);
	m->max = read_value(dir, arena_printf(a, "%s.max_usage_in_bytes", prefix), a);
	m->failcnt = read_value(dir, arena_printf(a, "%s.failcnt", prefix), a);
	return m;
}

static void v1_memory(const char *membership, Metrics__V1 *out, struct arena *a)
{
	_cleanup_fd_ int dir = cgroup_open(membership, "memory");

	if (dir < 0)
		return;
	out->memory = NEW(a, Metrics__V1Memory, METRICS__V1_MEMORY__INIT);
	metrics_fill(&out->memory->base, read_text(dir, "memory.stat", a));
	out->memory->usage = v1_entry(dir, "memory", a);
	out->memory->swap = v1_entry(dir, "memory.memsw", a);
	out->memory->kernel = v1_entry(dir, "memory.kmem", a);
	out->memory->kernel_tcp = v1_entry(dir, "memory.kmem.tcp", a);
	out->memory_oom_control = NEW(a, Metrics__V1OomControl, METRICS__V1_OOM_CONTROL__INIT);
	metrics_fill(&out->memory_oom_control->base, read_text(dir, "memory.oom_control", a));
}

static void v1_per_cpu(int dir, Metrics__V1CpuUsage *m, struct arena *a)
{
	const char *text = read_text(dir, "cpuacct.usage_percpu", a);
	size_t n = 0;
	char *end;

	m->per_cpu = arena_array(a, uint64_t, strlen(text) / 2 + 1);
	for (const char *p = text;; p = end) {
		uint64_t v = strtoull(p, &end, 10);

		if (end == p)
			break;
		m->per_cpu[n++] = v;
	}
	m->n_per_cpu = n;
}

static void v1_cpu(const char *membership, Metrics__V1 *out, struct arena *a)
{
	_cleanup_fd_ int cpu = cgroup_open(membership, "cpu");
	_cleanup_fd_ int acct = cgroup_open(membership, "cpuacct");
	uint64_t tick = 1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK);
	const char *at;

	out->cpu = NEW(a, Metrics__V1Cpu, METRICS__V1_CPU__INIT);
	if (acct >= 0) {
		Metrics__V1CpuUsage *m = NEW(a, Metrics__V1CpuUsage, METRICS__V1_CPU_USAGE__INIT);
		const char *stat = read_text(acct, "cpuacct.stat", a);

		m->total = read_value(acct, "cpuacct.usage", a);
		at = strstr(stat, "user ");
		m->user = at ? parse(at + 5) * tick : 0;
		at = strstr(stat, "system ");
		m->kernel = at ? parse(at + 7) * tick : 0;
		v1_per_cpu(acct, m, a);
		out->cpu->usage = m;
	}
	if (cpu >= 0) {
		Metrics__V1Throttle *m = NEW(a, Metrics__V1Throttle, METRICS__V1_THROTTLE__INIT);
		const char *stat = read_text(cpu, "cpu.stat", a);

		at = strstr(stat, "nr_periods ");
		m->periods = at ? parse(at + 11) : 0;
		at = strstr(stat, "nr_throttled ");
		m->throttled_periods = at ? parse(at + 13) : 0;
		at = strstr(stat, "throttled_time ");
		m->throttled_time = at ? parse(at + 15) : 0;
		out->cpu->throttling = m;
	}
}

/* Lines "major:minor Op value" or "major:minor value". */
static size_t v1_blkio_file(int dir, const char *name, Metrics__V1BlkioEntry ***out, struct arena *a)
{
	const char *text = read_text(dir, name, a);
	size_t n = 0, room = 1;

	for (const char *p = text; *p; p++)
		room += *p == '\n';
	*out = arena_array(a, Metrics__V1BlkioEntry *, room);
	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
		uint64_t major, minor, value;
		const char *at = line, *op;
		size_t letters = 0;

		if (!take(&at, "", &major) || !take(&at, ":", &minor) || *at != ' ')
			continue;
		op = at + 1;
		if (*op < '0' || *op > '9')
			letters = strcspn(op, " \n");
		if (letters)
			at = op + letters;
		if (!take(&at, " ", &value))
			continue;
		(*out)[n] = NEW(a, Metrics__V1BlkioEntry, METRICS__V1_BLKIO_ENTRY__INIT);
		(*out)[n]->op = arena_printf(a, "%.*s", (int)letters, op);
		(*out)[n]->major = major;
		(*out)[n]->minor = minor;
		(*out)[n++]->value = value;
	}
	return n;
}

static void v1_blkio(const char *membership, Metrics__V1 *out, struct arena *a)
{
	_cleanup_fd_ int dir = cgroup_open(membership, "blkio");
	Metrics__V1Blkio *m;

	if (dir < 0)
		return;
	m = out->blkio = NEW(a, Metrics__V1Blkio, METRICS__V1_BLKIO__INIT);
	if (faccessat(dir, "blkio.bfq.io_serviced_recursive", R_OK, 0) == 0) {
		m->n_service_bytes = v1_blkio_file(dir, "blkio.bfq.io_service_bytes_recursive", &m->service_bytes, a);
		m->n_serviced = v1_blkio_file(dir, "blkio.bfq.io_serviced_recursive", &m->serviced, a);
		return;
	}
	m->n_service_bytes = v1_blkio_file(dir, "blkio.throttle.io_service_bytes_recursive", &m->service_bytes, a);
	m->n_serviced = v1_blkio_file(dir, "blkio.throttle.io_serviced_recursive", &m->serviced, a);
}

struct hugetlb {
	int dir;
	void *message;
	struct arena *a;
};

static void v1_hugetlb_size(void *context, const char *size)
{
	struct hugetlb *h = context;
	Metrics__V1 *out = h->message;
	Metrics__V1Hugetlb *m = NEW(h->a, Metrics__V1Hugetlb, METRICS__V1_HUGETLB__INIT);

	m->pagesize = arena_strdup(h->a, size);
	m->usage = read_value(h->dir, arena_printf(h->a, "hugetlb.%s.usage_in_bytes", size), h->a);
	m->max = read_value(h->dir, arena_printf(h->a, "hugetlb.%s.max_usage_in_bytes", size), h->a);
	m->failcnt = read_value(h->dir, arena_printf(h->a, "hugetlb.%s.failcnt", size), h->a);
	out->hugetlb = arena_grow(h->a, out->hugetlb, out->n_hugetlb * sizeof m, (out->n_hugetlb + 1) * sizeof m);
	out->hugetlb[out->n_hugetlb++] = m;
}

static int read_v1(const char *membership, struct arena *a, Task__Any *any)
{
	Metrics__V1 *out = NEW(a, Metrics__V1, METRICS__V1__INIT);
	_cleanup_fd_ int pids = cgroup_open(membership, "pids");
	_cleanup_fd_ int hugetlb = cgroup_open(membership, "hugetlb");
	_cleanup_fd_ int any_dir = cgroup_open(membership, "memory");
	struct hugetlb h = {.dir = hugetlb, .message = out, .a = a};

	if (pids < 0 && any_dir < 0)
		return -ENOENT;
	if (pids >= 0)
		out->pids = read_pids(pids, a);
	if (out->pids && out->pids->limit == UINT64_MAX)
		out->pids->limit = 0; /* so version 1 says "no limit", here only */
	v1_cpu(membership, out, a);
	v1_memory(membership, out, a);
	v1_blkio(membership, out, a);
	if (hugetlb >= 0)
		each_page_size(hugetlb, ".usage_in_bytes", v1_hugetlb_size, &h);
	any->type_url = (char *)"io.containerd.cgroups.v1.Metrics";
	any->value.len = metrics__v1__get_packed_size(out);
	any->value.data = arena_alloc(a, any->value.len);
	metrics__v1__pack(out, any->value.data);
	return 0;
}

/* --- version 2 --- */

static Metrics__PsiData *psi_line(const char *text, const char *kind, struct arena *a)
{
	Metrics__PsiData *m = NEW(a, Metrics__PsiData, METRICS__PSI_DATA__INIT);
	const char *line = strstr(text, kind);

	if (!line)
		return m;
	line += strlen(kind);
	if (take_decimal(&line, " avg10=", &m->avg10) && take_decimal(&line, " avg60=", &m->avg60) &&
		take_decimal(&line, " avg300=", &m->avg300))
		take(&line, " total=", &m->total);
	return m;
}

static Metrics__Psi *read_psi(int dir, const char *name, struct arena *a)
{
	const char *text = read_text(dir, name, a);
	Metrics__Psi *m;

	if (!*text)
		return NULL;
	m = NEW(a, Metrics__Psi, METRICS__PSI__INIT);
	m->some = psi_line(text, "some", a);
	m->full = psi_line(text, "full", a);
	return m;
}

static Metrics__V2Memory *v2_memory(int dir, struct arena *a)
{
	Metrics__V2Memory *m = NEW(a, Metrics__V2Memory, METRICS__V2_MEMORY__INIT);

	metrics_fill(&m->base, read_text(dir, "memory.stat", a));
	m->usage = read_value(dir, "memory.current", a);
	m->usage_limit = read_value(dir, "memory.max", a);
	m->max_usage = read_value(dir, "memory.peak", a);
	m->swap_usage = read_value(dir, "memory.swap.current", a);
	m->swap_limit = read_value(dir, "memory.swap.max", a);
	m->swap_max_usage = read_value(dir, "memory.swap.peak", a);
	m->psi = read_psi(dir, "memory.pressure", a);
	return m;
}

static Metrics__V2Io *v2_io(int dir, struct arena *a)
{
	Metrics__V2Io *m = NEW(a, Metrics__V2Io, METRICS__V2_IO__INIT);
	const char *text = read_text(dir, "io.stat", a);
	size_t room = 1;

	for (const char *p = text; *p; p++)
		room += *p == '\n';
	m->usage = arena_array(a, Metrics__V2IoEntry *, room);
	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
		uint64_t major, minor;
		const char *at = line;
		Metrics__V2IoEntry *e;

		if (!take(&at, "", &major) || !take(&at, ":", &minor) || strncmp(at, " rbytes=", 8) != 0)
			continue;
		e = NEW(a, Metrics__V2IoEntry, METRICS__V2_IO_ENTRY__INIT);
		e->major = major;
		e->minor = minor;
		if (take(&at, " rbytes=", &e->rbytes) && take(&at, " wbytes=", &e->wbytes) &&
			take(&at, " rios=", &e->rios))
			take(&at, " wios=", &e->wios);
		m->usage[m->n_usage++] = e;
	}
	m->psi = read_psi(dir, "io.pressure", a);
	return m;
}

static void v2_hugetlb_size(void *context, const char *size)
{
	struct hugetlb *h = context;
	Metrics__V2 *out = h->message;
	Metrics__V2Hugetlb *m = NEW(h->a, Metrics__V2Hugetlb, METRICS__V2_HUGETLB__INIT);

	m->pagesize = arena_strdup(h->a, size);
	m->current = read_value(h->dir, arena_printf(h->a, "hugetlb.%s.current", size), h->a);
	m->max = read_value(h->dir, arena_printf(h->a, "hugetlb.%s.max", size), h->a);
	out->hugetlb = arena_grow(h->a, out->hugetlb, out->n_hugetlb * sizeof m, (out->n_hugetlb + 1) * sizeof m);
	out->hugetlb[out->n_hugetlb++] = m;
}

static int read_v2(const char *membership, struct arena *a, Task__Any *any)
{
	_cleanup_fd_ int dir = cgroup_open(membership, "");
	Metrics__V2 *out = NEW(a, Metrics__V2, METRICS__V2__INIT);
	struct hugetlb h = {.dir = dir, .message = out, .a = a};

	if (dir < 0)
		return dir;
	out->pids = read_pids(dir, a);
	out->cpu = NEW(a, Metrics__V2Cpu, METRICS__V2_CPU__INIT);
	metrics_fill(&out->cpu->base, read_text(dir, "cpu.stat", a));
	out->cpu->psi = read_psi(dir, "cpu.pressure", a);
	out->memory = v2_memory(dir, a);
	out->io = v2_io(dir, a);
	out->memory_events = NEW(a, Metrics__V2MemoryEvents, METRICS__V2_MEMORY_EVENTS__INIT);
	metrics_fill(&out->memory_events->base, read_text(dir, "memory.events", a));
	each_page_size(dir, ".current", v2_hugetlb_size, &h);
	any->type_url = (char *)"io.containerd.cgroups.v2.Metrics";
	any->value.len = metrics__v2__get_packed_size(out);
	any->value.data = arena_alloc(a, any->value.len);
	metrics__v2__pack(out, any->value.data);
	return 0;
}

int metrics_read(const char *membership, struct arena *a, Task__Any *any, struct error *err)
{
	int r = cgroup_is_v2() ? read_v2(membership, a, any) : read_v1(membership, a, any);

	return r < 0 ? error_set(err, ERR_NOT_FOUND, -r, "there is none") : 0;
}
