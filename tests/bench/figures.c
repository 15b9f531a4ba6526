/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: figures that need no repetition to be steady: peak memory
 * (through the tiny launcher), the smallest memory limit with which a container
 * still starts (bisected to one page, twice in a row), and the number of system
 * calls of each command until the container's own program runs (tracer.c).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/faults/bundle.h"
#include "tests/faults/tracer.h"
#include "tests/faults/world.h"

#define PAGE 4096
#define LIMITED WORLD_DIR "/limited"

/* Peak of the command's tree in KiB, or -1. */
static long peak_kib(const struct bench *b, const struct peer *p, const struct call *c)
{
	char *const *argv = call_argv(b, p, c);
	char *launched[72] = {(char *)(uintptr_t)WORLD_DIR "/bin/launch"};
	int n = 1, out[2], status = -1;
	char text[64];
	long peak = -1;
	struct command command = {.argv = launched, .in = -1, .err = 2};
	ssize_t len;

	for (; argv && *argv; argv++)
		launched[n++] = *argv;
	launched[n] = NULL;
	if (!argv || pipe(out) < 0)
		return -1;
	command.out = out[1];
	command_run(&command, true);
	close(out[1]);
	len = read(out[0], text, sizeof text - 1);
	close(out[0]);
	text[len > 0 ? len : 0] = '\0';
	if (sscanf(text, "%d %ld", &status, &peak) != 2 || status != 0)
		return -1;
	return peak;
}

static void measure_peak(const struct bench *b, const struct peer *p)
{
	const struct call run = {.verb = VERB_RUN, .bundle = BUNDLE_PLAIN, .id = "peak"};
	const struct call secure = {.verb = VERB_RUN, .bundle = BUNDLE_SECCOMP, .id = "peak"};
	const struct call create = {.verb = VERB_CREATE, .bundle = BUNDLE_PAUSE, .id = "peak"};
	const struct call start = {.verb = VERB_START, .id = "peak"}, exec = {.verb = VERB_EXEC, .id = "peak"};
	const struct call delete = {.verb = VERB_DELETE_FORCE, .id = "peak"};

	for (int i = 0; i < 3; i++) {
		sample(b, "peak memory run", "KiB", p, (double)peak_kib(b, p, &run));
		if (p->is_floor)
			continue;
		if (b->seccomp)
			sample(b, "peak memory run-seccomp", "KiB", p, (double)peak_kib(b, p, &secure));
		sample(b, "peak memory create", "KiB", p, (double)peak_kib(b, p, &create));
		sample(b, "peak memory start", "KiB", p, (double)peak_kib(b, p, &start));
		sample(b, "peak memory exec", "KiB", p, (double)peak_kib(b, p, &exec));
		sample(b, "peak memory delete", "KiB", p, (double)peak_kib(b, p, &delete));
	}
}

/* Does a container with this memory limit run to its end, twice? */
static bool runs_within(const struct bench *b, const struct peer *p, int64_t limit)
{
	static const char *const programs[] = {WORLD_DIR "/bin/noop", "noop", NULL};
	static const char *const noop[] = {"/bin/noop", NULL};
	const struct bundle bundle = {
		.dir = LIMITED, .programs = programs, .args = noop, .v2 = b->v2, .memory_limit = limit};
	const struct call run = {.verb = VERB_RUN, .bundle = LIMITED, .id = "limited"};
	const struct call delete = {.verb = VERB_DELETE_FORCE, .id = "limited"};

	char text[32];

	bundle_write(&bundle);
	snprintf(text, sizeof text, "%lld", (long long)limit);
	setenv("FLOOR_MEMORY", text, 1);
	for (int i = 0; i < 2; i++) {
		struct command c = {.argv = call_argv(b, p, &run), .in = -1, .out = -1, .err = -1, .limit_ms = 10000};
		struct outcome o = command_run(&c, true);

		if (o.status || o.hung) {
			if (!p->is_floor)
				call_run(b, p, &delete, true);
			sleep_ms(50);
			reap_orphans();
			return false;
		}
	}
	return true;
}

static void measure_limit(const struct bench *b, const struct peer *p)
{
	int64_t fails = 4, works = 4096; /* pages */

	if ((p->is_floor && b->v2) || !runs_within(b, p, works * PAGE))
		return;
	while (works - fails > 1) {
		int64_t middle = (works + fails) / 2;

		if (runs_within(b, p, middle * PAGE))
			works = middle;
		else
			fails = middle;
	}
	unsetenv("FLOOR_MEMORY");
	sample(b, "smallest memory limit", "KiB", p, (double)(works * PAGE / 1024));
}

static void count_calls(
	const struct bench *b, const struct peer *p, const struct call *c, const char *name, const struct stat *payload)
{
	struct command command = {.argv = call_argv(b, p, c), .in = -1, .out = -1, .err = 2};
	const struct trace_options t = {.payload = payload};
	struct trace_result r = trace_run(&command, &t);
	char text[64];

	if (r.outcome.status) {
		fprintf(stderr, "%s: %s does not work while traced\n", p->name, name);
		return;
	}
	snprintf(text, sizeof text, "system calls %s", name);
	sample(b, text, "calls", p, r.calls);
}

static void measure_calls(const struct bench *b, const struct peer *p)
{
	static const struct {
		enum verb verb;
		const char *name;
	} steps[] = {{VERB_CREATE, "create"}, {VERB_START, "start"}, {VERB_STATE, "state"}, {VERB_EXEC, "exec"},
		{VERB_KILL, "kill"}, {VERB_DELETE, "delete"}};
	struct stat plain, stays;

	if (stat(BUNDLE_PLAIN "/rootfs/bin/noop", &plain) < 0 || stat(BUNDLE_PAUSE "/rootfs/bin/noop", &stays) < 0)
		die("no payload");
	count_calls(b, p, &(struct call){.verb = VERB_RUN, .bundle = BUNDLE_PLAIN, .id = "calls"}, "run", &plain);
	for (size_t i = 0; i < ARRAY_SIZE(steps) && !p->is_floor; i++) {
		const struct call c = {.verb = steps[i].verb, .bundle = BUNDLE_PAUSE, .id = "calls"};

		count_calls(b, p, &c, steps[i].name, &stays);
		sleep_ms(steps[i].verb == VERB_KILL ? 50 : 0);
		reap_orphans();
	}
}

void figures_measure(struct bench *b)
{
	for (int i = 0; i < b->peers; i++) {
		struct peer *p = &b->peer[i];

		if (p->broken)
			continue;
		if (wanted(b, "memory"))
			measure_peak(b, p);
		if (wanted(b, "calls"))
			measure_calls(b, p);
		if (wanted(b, "limit"))
			measure_limit(b, p);
	}
}
