/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what is timed.  A round runs every case of every peer once,
 * in random order, so that whatever else the machine does hits all of them alike.
 * Cold cases are preceded by a gap in which the kernel's cgroup lock (an RCU-sync
 * percpu semaphore) falls idle, as for a container started on its own; warm ones
 * follow an untimed run of the same peer without a gap.
 *
 * Time is wall time from just before the start of the command to its end; CPU time
 * is that of the whole tree, which is reaped here (we are process 1).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/faults/bundle.h"
#include "tests/faults/world.h"

#define MAX_ARGS 64
#define WARM_RUNS 3

enum kind { RUN, RUN_SECCOMP, LIFE, KINDS };

static const char *const kind_names[KINDS] = {"run", "run-seccomp", "life"};

/* A case of one peer in one mode. */
struct cell {
	struct peer *peer;
	enum kind kind;
	bool warm;
};

/* -------------------------------------------------------- command lines */

static int put_all(char **argv, int n, const char *const *words)
{
	for (; *words; words++)
		argv[n++] = (char *)(uintptr_t)*words;
	return n;
}

static char *const *floor_argv(const struct bench *b, const struct peer *p, const struct call *c, char **argv)
{
	static char rootfs[256];
	int n;

	if (c->verb != VERB_RUN && c->verb != VERB_EXEC)
		return NULL;
	snprintf(rootfs, sizeof rootfs, "%s/rootfs", c->bundle ? c->bundle : "");
	n = put_all(argv, 0,
		(const char *[]){p->path, c->verb == VERB_RUN ? "run" : "exec", c->verb == VERB_RUN ? rootfs : c->pid,
			c->id, NULL});
	n = put_all(argv, n, b->hierarchies);
	n = put_all(argv, n, (const char *[]){"--", "/bin/noop", NULL});
	argv[n] = NULL;
	return argv;
}

char *const *call_argv(const struct bench *b, const struct peer *p, const struct call *c)
{
	static char *argv[MAX_ARGS];
	static const char *const names[VERB_COUNT] = {
		"run", "create", "start", "state", "exec", "kill", "delete", "delete"};
	int n;

	if (p->is_floor)
		return floor_argv(b, p, c, argv);
	n = put_all(argv, 0, (const char *[]){p->path, "--root", p->state, names[c->verb], NULL});
	if (c->verb == VERB_RUN || c->verb == VERB_CREATE)
		n = put_all(argv, n, (const char *[]){"--bundle", c->bundle, NULL});
	if (c->verb == VERB_CREATE)
		n = put_all(argv, n, (const char *[]){"--pid-file", WORLD_DIR "/pid", NULL});
	if (c->verb == VERB_DELETE_FORCE)
		n = put_all(argv, n, (const char *[]){"--force", NULL});
	n = put_all(argv, n, (const char *[]){c->id, NULL});
	if (c->verb == VERB_EXEC)
		n = put_all(argv, n, (const char *[]){"/bin/noop", NULL});
	if (c->verb == VERB_KILL)
		n = put_all(argv, n, (const char *[]){"KILL", NULL});
	argv[n] = NULL;
	return argv;
}

struct outcome call_run(const struct bench *b, const struct peer *p, const struct call *c, bool any)
{
	struct command command = {.argv = call_argv(b, p, c), .in = -1, .out = -1, .err = any ? -1 : 2};
	struct outcome o = command_run(&command, true);

	if (o.status && !any)
		die("%s %s: status %d", p->name, command.argv[3], o.status);
	return o;
}

/* ------------------------------------------------------------- bundles */

void cases_prepare(const struct bench *b)
{
	static const char *const programs[] = {WORLD_DIR "/bin/noop", "noop", NULL};
	static const char *const noop[] = {"/bin/noop", NULL}, *const stay[] = {"/bin/noop", "pause", NULL};
	struct bundle bundle = {.dir = BUNDLE_PLAIN, .programs = programs, .args = noop, .v2 = b->v2};

	bundle_write(&bundle);
	bundle.dir = BUNDLE_SECCOMP;
	bundle.seccomp = b->seccomp;
	bundle_write(&bundle);
	bundle.dir = BUNDLE_PAUSE;
	bundle.seccomp = NULL;
	bundle.args = stay;
	bundle_write(&bundle);
}

/* --------------------------------------------------------------- timing */

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void put_sample(
	const struct bench *b, const char *what, bool warm, const char *suffix, const struct peer *p, double value)
{
	char name[64];

	snprintf(name, sizeof name, "%s %s%s", what, warm ? "warm" : "cold", suffix);
	sample(b, name, "ms", p, value);
}

static void gap(const struct bench *b, bool warm)
{
	if (!warm)
		sleep_ms(b->gap_ms);
}

static void timed_run(const struct bench *b, const struct cell *c, const char *bundle)
{
	static unsigned serial;
	char id[32];
	struct call call = {.verb = VERB_RUN, .bundle = bundle, .id = id};
	double before;
	struct outcome o;

	snprintf(id, sizeof id, "r%u", serial++);
	gap(b, c->warm);
	reap_orphans();
	before = cpu_ms();
	o = call_run(b, c->peer, &call, false);
	put_sample(b, kind_names[c->kind], c->warm, "", c->peer, (double)o.ns / 1e6);
	reap_orphans();
	put_sample(b, kind_names[c->kind], c->warm, " CPU", c->peer, cpu_ms() - before);
}

static void measure_run(const struct bench *b, const struct cell *c)
{
	const char *bundle = c->kind == RUN_SECCOMP ? BUNDLE_SECCOMP : BUNDLE_PLAIN;

	if (!c->warm) {
		timed_run(b, c, bundle);
		return;
	}
	call_run(b, c->peer, &(struct call){.verb = VERB_RUN, .bundle = bundle, .id = "warm"}, false);
	for (int i = 0; i < WARM_RUNS; i++)
		timed_run(b, c, bundle);
}

/* Wait until the killed init is really gone: delete of a dying container is another measurement. */
static void wait_for_end(pid_t pid)
{
	for (int i = 0; i < 5000 && kill(pid, 0) == 0; i++) {
		reap_orphans();
		usleep(200);
	}
}

/* The floor's exec needs a container: the peer's own does for all. */
static void measure_floor_exec(const struct bench *b, const struct cell *c, const char *id, const char *pid)
{
	for (int i = 0; i < b->peers; i++) {
		struct call call = {.verb = VERB_EXEC, .id = id, .pid = pid};
		struct outcome o;

		if (!b->peer[i].is_floor || b->peer[i].broken)
			continue;
		gap(b, c->warm);
		o = call_run(b, &b->peer[i], &call, true);
		if (o.status == 0)
			put_sample(b, "exec", c->warm, "", &b->peer[i], (double)o.ns / 1e6);
	}
}

static void measure_life(const struct bench *b, const struct cell *c)
{
	static const struct {
		enum verb verb;
		const char *name;
	} steps[] = {{VERB_CREATE, "create"}, {VERB_START, "start"}, {VERB_STATE, "state"}, {VERB_EXEC, "exec"},
		{VERB_KILL, "kill"}, {VERB_DELETE, "delete"}};
	char *pid = NULL;
	struct outcome o;
	double before;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct call call = {.verb = steps[i].verb, .bundle = BUNDLE_PAUSE, .id = "life"};

		gap(b, c->warm);
		reap_orphans();
		before = cpu_ms();
		o = call_run(b, c->peer, &call, steps[i].verb == VERB_EXEC);
		if (o.status)
			continue; /* a program without exec is measured all the same */
		put_sample(b, steps[i].name, c->warm, "", c->peer, (double)o.ns / 1e6);
		if (steps[i].verb == VERB_EXEC)
			put_sample(b, steps[i].name, c->warm, " CPU", c->peer, cpu_ms() - before);
		if (steps[i].verb == VERB_CREATE)
			pid = read_text(WORLD_DIR "/pid");
		if (steps[i].verb == VERB_EXEC && !strcmp(c->peer->name, "crun"))
			measure_floor_exec(b, c, "life", pid);
		if (steps[i].verb == VERB_KILL)
			wait_for_end(atoi(pid));
	}
	free(pid);
}

/* --------------------------------------------------------------- rounds */

static void shuffle(struct cell *cell, int n)
{
	for (int i = n - 1; i > 0; i--) {
		int j = rand() % (i + 1);
		struct cell t = cell[i];

		cell[i] = cell[j];
		cell[j] = t;
	}
}

static int make_cells(struct bench *b, struct cell *cell)
{
	int n = 0;

	for (int i = 0; i < b->peers; i++)
		for (enum kind k = 0; k < KINDS; k++)
			for (int warm = 0; warm < 2; warm++) {
				if (b->peer[i].broken || (b->peer[i].is_floor && k != RUN) ||
					!wanted(b, kind_names[k]) || (k == RUN_SECCOMP && !b->seccomp))
					continue;
				cell[n++] = (struct cell){&b->peer[i], k, warm};
			}
	return n;
}

void cases_measure(struct bench *b)
{
	struct cell cell[MAX_PEERS * KINDS * 2];
	int n = make_cells(b, cell);

	for (int round = -1; round < b->rounds; round++) {
		FILE *csv = b->csv;

		if (round < 0)
			b->csv = NULL; /* warm-up */
		shuffle(cell, n);
		for (int i = 0; i < n; i++) {
			sample(b, "spin", "ms", NULL, noise_spin());
			if (cell[i].kind == LIFE)
				measure_life(b, &cell[i]);
			else
				measure_run(b, &cell[i]);
		}
		b->csv = csv;
		if (isatty(2))
			fprintf(stderr, "\rround %d of %d ", round + 1, b->rounds);
	}
}

/* -------------------------------------------------------------- batches */

static double batch(const struct bench *b, const struct peer *p, int count, int at_once)
{
	int64_t start = now_ns();
	int running = 0, started = 0, st;
	char id[32];

	while (started < count || running > 0) {
		while (started < count && running < at_once) {
			struct call call = {.verb = VERB_RUN, .bundle = BUNDLE_PLAIN, .id = id};
			struct command c = {.argv = NULL, .in = -1, .out = -1, .err = 2};

			snprintf(id, sizeof id, "p%d", started++);
			c.argv = call_argv(b, p, &call);
			command_start(&c);
			running++;
		}
		if (waitpid(-1, &st, 0) > 0) {
			running--;
			if (!WIFEXITED(st) || WEXITSTATUS(st))
				fprintf(stderr, "%s: a run in a batch failed\n", p->name);
		}
	}
	return (double)(now_ns() - start) / 1e6;
}

void batches_measure(struct bench *b)
{
	static const struct {
		const char *name;
		int at_once;
	} kinds[] = {{"100 in sequence", 1}, {"100 by 20", 20}};
	int order[MAX_PEERS * 2], n = 0;

	if (!wanted(b, "batch"))
		return;
	for (int i = 0; i < b->peers; i++)
		for (int k = 0; k < 2; k++)
			if (!b->peer[i].broken)
				order[n++] = i * 2 + k;
	for (int round = 0; round < b->batch_rounds; round++) {
		for (int i = n - 1; i > 0; i--) {
			int j = rand() % (i + 1), t = order[i];

			order[i] = order[j];
			order[j] = t;
		}
		for (int i = 0; i < n; i++) {
			struct peer *p = &b->peer[order[i] / 2];

			sample(b, kinds[order[i] % 2].name, "ms", p, batch(b, p, 100, kinds[order[i] % 2].at_once));
		}
	}
}
