/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the driver of the runtime benchmark.  Enters a world of its
 * own (tests/faults/world.c), copies every peer and tool into it, checks that each
 * peer can run a container there (one that cannot is said and left out), measures,
 * and appends samples to a CSV file: bench,unit,peer,value.  Statistics are made
 * by report.c, so that samples of several machines and benches can be joined.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/faults/world.h"

void sample(const struct bench *b, const char *bench, const char *unit, const struct peer *p, double value)
{
	if (b->csv && value >= 0)
		fprintf(b->csv, "%s%s,%s,%s,%.4f\n", bench, b->v2 ? " v2" : "", unit, p ? p->name : "machine", value);
}

bool wanted(const struct bench *b, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = b->only; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (!strncmp(p, name, n) && (p[n] == ',' || !p[n]))
			return true;
	return !b->only;
}

/* A fixed amount of arithmetic, about a millisecond: its spread is the machine's. */
double noise_spin(void)
{
	int64_t start = now_ns();
	volatile unsigned x = 1;

	for (int i = 0; i < 400000; i++)
		x = x * 1664525u + 1013904223u;
	return (double)(now_ns() - start) / 1e6;
}

static void add_peer(struct bench *b, const char *spec)
{
	const char *eq = strchr(spec, '=');

	if (b->peers == MAX_PEERS)
		die("at most %d peers", MAX_PEERS);
	b->peer[b->peers++] = (struct peer){
		.name = eq ? strndup(spec, (size_t)(eq - spec)) : basename(strdup(spec)), .path = eq ? eq + 1 : spec};
}

/* Copy programs into the world; they were opened before it hid their directories. */
static void import(const char *const *from, const int *fd, int n, const char **path)
{
	make_dirs(WORLD_DIR "/bin");
	for (int i = 0; i < n; i++) {
		char *source = fmt_text("/proc/self/fd/%d", fd[i]);

		path[i] = fmt_text(WORLD_DIR "/bin/%s", from[i]);
		copy_file(source, path[i]);
		free(source);
		close(fd[i]);
	}
}

static void enter(struct bench *b, bool fifo)
{
	static const char *const tools[] = {"noop", "launch", "floor"};
	const struct world_options w = {.isolate = true, .without_cpu = fifo};
	const char *name[MAX_PEERS + 3], *path[MAX_PEERS + 3];
	int fd[MAX_PEERS + 3], n = 0;

	for (; n < b->peers; n++) {
		name[n] = b->peer[n].name;
		fd[n] = open(b->peer[n].path, O_PATH | O_CLOEXEC);
		if (fd[n] < 0)
			die("%s: %s", b->peer[n].path, strerror(errno));
	}
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++, n++) {
		char *tool = fmt_text("%s/%s", b->tools, tools[i]);

		name[n] = tools[i];
		fd[n] = open(tool, O_PATH | O_CLOEXEC);
		if (fd[n] < 0)
			die("%s: %s", tool, strerror(errno));
		free(tool);
	}
	world_enter(&w);
	import(name, fd, n, path);
	for (int i = 0; i < b->peers; i++) {
		b->peer[i].path = path[i];
		b->peer[i].state = fmt_text(WORLD_DIR "/state-%s", b->peer[i].name);
		make_dirs(b->peer[i].state);
	}
	b->peer[b->peers++] = (struct peer){.name = "floor", .path = path[n - 1], .is_floor = true};
	b->v2 = world_is_v2();
	b->hierarchies = world_hierarchies();
}

/* A peer that cannot run the plain bundle here is left out, loudly. */
static void check_peers(struct bench *b)
{
	for (int i = 0; i < b->peers; i++) {
		struct peer *p = &b->peer[i];
		struct command c = {.argv = call_argv(b, p,
					    &(struct call){.verb = VERB_RUN, .bundle = BUNDLE_PLAIN, .id = "check"}),
			.in = -1,
			.out = -1,
			.err = 2};
		struct outcome o = command_run(&c, true);

		p->broken = o.status != 0 || o.hung;
		if (p->broken)
			fprintf(stderr, "bench: %s cannot run a container here (status %d): left out\n", p->name,
				o.status);
	}
}

static void put_version(const struct bench *b, const struct peer *p)
{
	char *const argv[] = {(char *)(uintptr_t)p->path, (char *)(uintptr_t) "--version", NULL};
	struct command c = {.argv = argv, .in = -1, .err = -1};
	char text[128] = "";
	int out[2];

	if (p->is_floor || p->broken || pipe(out) < 0)
		return;
	c.out = out[1];
	command_run(&c, true);
	close(out[1]);
	(void)!read(out[0], text, sizeof text - 1);
	close(out[0]);
	text[strcspn(text, "\n")] = '\0';
	fprintf(b->csv, "#peer,%s,%s\n", p->name, text);
}

static void put_machine(const struct bench *b, bool fifo, const char *when)
{
	char *load = read_text("/proc/loadavg"), *kernel = read_text("/proc/sys/kernel/osrelease");

	load[strcspn(load, "\n")] = kernel[strcspn(kernel, "\n")] = '\0';
	fprintf(b->csv, "#machine,%s,kernel %s; %ld processors; load %s; %s; cgroup %s\n", when, kernel,
		sysconf(_SC_NPROCESSORS_ONLN), load, fifo ? "SCHED_FIFO" : "SCHED_OTHER", b->v2 ? "v2" : "v1");
	free(load);
	free(kernel);
}

static int usage(void)
{
	fputs("usage: bench --peer NAME=PATH... --csv FILE [--rounds N] [--batches N] [--gap MS] [--only LIST]\n"
	      "    [--seccomp FILE] [--tools DIR] [--fifo] [--seed N]\n"
	      "cases for --only: run, run-seccomp, life, batch, memory, limit, calls\n",
		stderr);
	return 2;
}

static bool take_option(struct bench *b, int opt, bool *fifo)
{
	switch (opt) {
	case 'p':
		add_peer(b, optarg);
		return true;
	case 'c':
		b->csv = fopen(optarg, "ae");
		return b->csv != NULL;
	case 'r':
		b->rounds = atoi(optarg);
		return true;
	case 'b':
		b->batch_rounds = atoi(optarg);
		return true;
	case 'g':
		b->gap_ms = atoi(optarg);
		return true;
	case 'o':
		b->only = optarg;
		return true;
	case 's':
		b->seccomp = read_text(optarg);
		return b->seccomp != NULL;
	case 't':
		b->tools = optarg;
		return true;
	case 'f':
		*fifo = true;
		return true;
	case 'S':
		srand((unsigned)atoi(optarg));
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"peer", 1, NULL, 'p'}, {"csv", 1, NULL, 'c'}, {"rounds", 1, NULL, 'r'},
		{"batches", 1, NULL, 'b'}, {"gap", 1, NULL, 'g'}, {"only", 1, NULL, 'o'}, {"seccomp", 1, NULL, 's'},
		{"tools", 1, NULL, 't'}, {"fifo", 0, NULL, 'f'}, {"seed", 1, NULL, 'S'}, {0}};
	struct bench b = {.rounds = 30, .batch_rounds = 3, .gap_ms = 40};
	bool fifo = false;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	int opt;

	self[n < 0 ? 0 : n] = '\0';
	b.tools = dirname(self);
	srand((unsigned)now_ns());
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(&b, opt, &fifo))
			return usage();
	if (!b.peers || !b.csv || optind != argc)
		return usage();
	enter(&b, fifo);
	cases_prepare(&b);
	if (fifo && sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) < 0)
		die("SCHED_FIFO: %s", strerror(errno));
	check_peers(&b);
	put_machine(&b, fifo, "before");
	for (int i = 0; i < b.peers; i++)
		put_version(&b, &b.peer[i]);
	cases_measure(&b);
	batches_measure(&b);
	figures_measure(&b);
	put_machine(&b, fifo, "after");
	return fclose(b.csv) ? 1 : 0;
}
