/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see trace.h.  One atomic counter hands out the places of a shared array. */
#include "runtime/plan/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/plan/plan.h"

#define EVENTS_MAX 4096

struct event {
	uint64_t begin, end;
	pid_t pid;
	char name[64];
	char category[24];
	char facility[32];
};

struct shared {
	atomic_uint used;
	struct event events[EVENTS_MAX];
};

static struct shared *shared;
static int trace_fd = -1;

int trace_open(const char *file, struct error *err)
{
	trace_fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
	if (trace_fd < 0)
		return error_sys(err, errno, "open trace file %s", file);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		shared = NULL;
		return error_sys(err, errno, "reserve memory for the trace");
	}
	return 0;
}

static uint64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t trace_now(void)
{
	return shared ? monotonic() : 0;
}

static void record(const char *name, const char *category, const char *facility, uint64_t begin)
{
	unsigned int i;
	struct event *e;

	i = atomic_fetch_add(&shared->used, 1);
	if (i >= EVENTS_MAX)
		return;
	e = &shared->events[i];
	e->begin = begin;
	e->end = monotonic();
	e->pid = getpid();
	snprintf(e->name, sizeof e->name, "%s", name);
	snprintf(e->category, sizeof e->category, "%s", category);
	snprintf(e->facility, sizeof e->facility, "%s", facility);
}

void trace_span(const char *name, const char *category, uint64_t begin)
{
	if (shared)
		record(name, category, "runtime", begin);
}

void trace_step(const struct step *s, uint64_t begin)
{
	char name[64];

	if (!shared)
		return;
	if (!s->property)
		snprintf(name, sizeof name, "%s", s->facility);
	else if (s->index >= 0)
		snprintf(name, sizeof name, "%s[%d]", s->property, s->index);
	else
		snprintf(name, sizeof name, "%s", s->property);
	record(name, stage_name(s->stage), s->facility, begin);
}

int trace_write(struct error *err)
{
	unsigned int n;
	FILE *f;

	if (!shared)
		return 0;
	f = fdopen(trace_fd, "w");
	if (!f)
		return error_sys(err, errno, "write trace");
	trace_fd = -1;
	n = atomic_load(&shared->used);
	if (n > EVENTS_MAX)
		n = EVENTS_MAX;
	fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", f);
	for (unsigned int i = 0; i < n; i++) {
		const struct event *e = &shared->events[i];

		/* Names are our own words and JSON paths of known properties: nothing to escape. */
		fprintf(f, "%s\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":%d,\"tid\":%d,"
			   "\"args\":{\"facility\":\"%s\"}}",
			i ? "," : "", e->name, e->category, (double)e->begin / 1000, (double)(e->end - e->begin) / 1000,
			e->pid, e->pid, e->facility);
	}
	fputs("\n]}\n", f);
	if (fclose(f) != 0)
		return error_sys(err, errno, "write trace");
	return 0;
}
