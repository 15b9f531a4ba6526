/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: walk one runtime through every system call of its
 * commands, failing them one at a time.  For each operation (create, start, exec,
 * kill, update, delete, delete --force, run) and each mode:
 *
 *	errno	call k returns an error without being made
 *	short	read or write k moves half of what was asked
 *	kill	SIGKILL to the process about to make call k
 *	killmain  SIGKILL to the command itself when anything in its tree makes call k
 *	random	SIGKILL to the command after a random time, not traced
 *	none	no fault: what the oracles say about an undisturbed pass
 *
 * k runs 1, 2, … until a pass in which it is not reached (or over --sample evenly
 * spread points).  After each pass the oracles speak:
 *
 *	HANG	a command took more than five seconds
 *	STUCK	something is left after one delete --force that said success
 *	LOUD	the same, but delete said it failed
 *	FALSE	exit status 0, and something is left, or the effect is not there
 *	OPEN	exit status 0, and the container's view is not the fault-free one
 *	REUSE	the name cannot be used again, or its second use leaves something
 *	CRASH	a command died of a signal nobody sent
 *	left	(a remark) a failed command left something that delete removed
 *	silent	(a remark) failed without a message
 *	loader	(a remark) the dynamic loader crashed before the program began
 *	raced	(a remark) start said success; we killed the container's process itself at its execve, which
 *		no runtime can tell from a program that ended at once
 *
 * One line per pass goes to --tsv; the exit status is 1 when any capital word fell.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/stand.h"
#include "tests/faults/tracer.h"

enum verdict {
	V_HANG = 1 << 0,
	V_STUCK = 1 << 1,
	V_LOUD = 1 << 2,
	V_FALSE = 1 << 3,
	V_OPEN = 1 << 4,
	V_REUSE = 1 << 5,
	V_CRASH = 1 << 6,
	V_VIOLATION = (1 << 7) - 1,
	V_LEFT = 1 << 7,
	V_SILENT = 1 << 8,
	V_LOADER = 1 << 9,
	V_RACED = 1 << 10,
};

static const char *const verdict_names[] = {
	"HANG", "STUCK", "LOUD", "FALSE", "OPEN", "REUSE", "CRASH", "left", "silent", "loader", "raced"};

enum mode { MODE_ERRNO, MODE_SHORT, MODE_KILL, MODE_KILLMAIN, MODE_RANDOM, MODE_NONE, MODE_COUNT };

static const char *const mode_names[MODE_COUNT] = {"errno", "short", "kill", "killmain", "random", "none"};

static const struct {
	const char *name;
	int value;
} errnos[] = {{"EINTR", EINTR}, {"EAGAIN", EAGAIN}, {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE}, {"ENOSPC", ENOSPC},
	{"EIO", EIO}, {"EPERM", EPERM}, {"EROFS", EROFS}};

static struct {
	const char *name, *variant;
	FILE *tsv;
	unsigned ops, modes, errno_mask; /* bit sets */
	int sample;			 /* points per walk, 0: all */
	int kills;
	int budget_s; /* stop sampling an operation's walks after this long, 0: never */
	bool verbose;
	int passes, fired, violations;
	int shown; /* violations printed of this operation */
} walk;

/* ----------------------------------------------------------- one pass */

/* A pass: what was done and what the oracles said. */
struct pass {
	enum operation op;
	enum mode mode;
	const char *error; /* name of the errno, or "-" */
	struct fault fault;
	int delay_us; /* random mode */
	struct trace_result r;
	unsigned verdict;
	char *detail;
	size_t detail_size;
	FILE *out;
};

static const char *verdict_text(unsigned verdict)
{
	static char text[128];

	*text = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(verdict_names); i++)
		if (verdict & 1u << i)
			sprintf(text + strlen(text), "%s%s", *text ? "," : "", verdict_names[i]);
	return *text ? text : "ok";
}

static void report(struct pass *p, unsigned k)
{
	fclose(p->out);
	for (char *c = p->detail; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = *c == '\n' ? ';' : ' ';
	if (strlen(p->detail) > 600)
		p->detail[600] = '\0';
	walk.passes++;
	walk.fired += p->r.fired;
	walk.violations += (p->verdict & V_VIOLATION) != 0;
	fprintf(walk.tsv, "%s\t%s\t%s\t%s\t%s\t%u\t%d\t%u\t%s\t%d\t%lld\t%s\t%s\n", walk.name, walk.variant,
		operation_name(p->op), mode_names[p->mode], p->error, k, p->r.process, p->r.index,
		*p->r.what ? p->r.what : "-", p->r.outcome.status, (long long)p->r.outcome.ns / 1000,
		verdict_text(p->verdict), *p->detail ? p->detail : "-");
	fflush(walk.tsv);
	if ((p->verdict & V_VIOLATION && walk.shown++ < 12) || walk.verbose)
		printf("# %s %s %s %s k=%u process %d %s: status %d: %s: %.220s\n", walk.variant, operation_name(p->op),
			mode_names[p->mode], p->error, k, p->r.process, p->r.what, p->r.outcome.status,
			verdict_text(p->verdict), p->detail);
	fflush(stdout);
	free(p->detail);
}

/* SIGKILL after delay_us. */
static struct outcome run_and_kill(const struct command *c, int delay_us, bool *killed)
{
	int64_t start = now_ns();
	struct outcome o = {0};
	pid_t pid = command_start(c);
	int st;

	usleep((useconds_t)delay_us);
	*killed = waitpid(pid, &st, WNOHANG) == 0;
	if (*killed) {
		kill(pid, SIGKILL);
		waitpid(pid, &st, 0);
	}
	o.ns = now_ns() - start;
	o.status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
	return o;
}

static void make_fault(struct pass *p)
{
	struct command c = stand_command(p->op);
	struct trace_options t = {
		.fault = p->fault, .payload = stand_payload(), .attach = p->op == OP_START ? stand_init_pid() : 0};

	if (p->mode == MODE_RANDOM)
		p->r.outcome = run_and_kill(&c, p->delay_us, &p->r.fired);
	else if (p->mode == MODE_NONE)
		p->r.outcome = command_run(&c, true);
	else
		p->r = trace_run(&c, &t);
}

static bool fault_kills(const struct pass *p)
{
	return p->mode == MODE_KILL || p->mode == MODE_KILLMAIN || p->mode == MODE_RANDOM;
}

/* Did the fault kill the container's own process when it was about to be the program? */
static bool killed_the_program(const struct pass *p)
{
	return p->op == OP_START && p->mode == MODE_KILL && p->r.process > 0 &&
	       (p->r.nr == SYS_execve || p->r.nr == SYS_execveat);
}

/* What the faulted command itself said and did. */
static void judge_command(struct pass *p)
{
	struct outcome *o = &p->r.outcome;
	bool removes = p->op == OP_DELETE || p->op == OP_DELETE_FORCE || p->op == OP_RUN;
	char *messages;
	int weaker = 0;

	if (o->hung)
		p->verdict |= V_HANG;
	else if (o->status >= 128 && o->status < 128 + 65 && !(fault_kills(p) && o->status == 128 + SIGKILL) &&
		 (o->status == 128 + SIGSEGV || o->status == 128 + SIGABRT || o->status == 128 + SIGBUS ||
			 o->status == 128 + SIGFPE || o->status == 128 + SIGILL))
		p->verdict |= p->r.in_loader ? V_LOADER : V_CRASH;
	if (o->status == 0) {
		if (!stand_judge_success(p->op, &weaker, p->out))
			p->verdict |= killed_the_program(p) ? V_RACED : V_FALSE;
		else if (weaker)
			p->verdict |= V_OPEN;
		if (removes && stand_left(p->out))
			p->verdict |= V_FALSE;
		return;
	}
	messages = stand_messages();
	if (!*messages && !fault_kills(p) && !o->hung && p->fault.kind != FAULT_NONE)
		p->verdict |= V_SILENT;
	messages[strcspn(messages, "\n")] = '\0';
	fprintf(p->out, "%s; ", messages);
	free(messages);
	/* A failed create or run has nothing to keep. */
	if ((p->op == OP_CREATE || p->op == OP_RUN) && !fault_kills(p) && stand_left(NULL))
		p->verdict |= V_LEFT;
}

/* One delete --force must restore the world, and the name must be free again. */
static void judge_world(struct pass *p)
{
	bool removed = p->r.outcome.status == 0 &&
		       (p->op == OP_DELETE || p->op == OP_DELETE_FORCE || p->op == OP_RUN) && !(p->verdict & V_FALSE);
	struct outcome d = {0};

	if (!removed) {
		d = stand_delete();
		if (d.hung)
			p->verdict |= V_HANG;
		if (stand_left(p->out))
			p->verdict |= d.status == 0 ? V_STUCK : V_LOUD;
		if (d.status)
			fprintf(p->out, "delete --force: status %d; ", d.status);
	}
	if (p->verdict & (V_STUCK | V_LOUD | V_FALSE | V_HANG))
		stand_restore();
	if (!(p->verdict & (V_STUCK | V_LOUD)) && !stand_reusable(p->out)) {
		p->verdict |= V_REUSE;
		stand_restore();
	}
}

/* false: the fault was not reached. */
static bool do_pass(enum operation op, enum mode mode, int error, unsigned k, int delay_us)
{
	static const enum fault_kind kinds[MODE_COUNT] = {
		FAULT_ERRNO, FAULT_SHORT, FAULT_KILL_CALLER, FAULT_KILL_MAIN, FAULT_NONE, FAULT_NONE};
	struct pass p = {.op = op,
		.mode = mode,
		.error = error >= 0 ? errnos[error].name : "-",
		.fault = {kinds[mode], error >= 0 ? errnos[error].value : 0, k},
		.delay_us = delay_us};
	bool fired;
	int status;

	p.out = open_memstream(&p.detail, &p.detail_size);
	status = stand_setup(op);
	if (status) {
		/* Something the walk did not notice: one clean slate, then it is the runtime's failure. */
		fprintf(p.out, "set-up failed with %d; ", status);
		stand_delete();
		stand_restore();
		status = stand_setup(op);
		if (status)
			p.verdict |= V_REUSE;
	}
	if (!status) {
		make_fault(&p);
		judge_command(&p);
	}
	judge_world(&p);
	fired = p.r.fired || mode == MODE_RANDOM || mode == MODE_NONE;
	if (fired || p.verdict)
		report(&p, k ? k : (unsigned)delay_us);
	else
		fclose(p.out), free(p.detail);
	return fired;
}

/* ---------------------------------------------------------------- walks */

/* How many calls a mode can strike in this operation. */
static unsigned count_calls(enum operation op, enum mode mode, int error)
{
	static const enum fault_kind kinds[MODE_COUNT] = {
		FAULT_ERRNO, FAULT_SHORT, FAULT_KILL_CALLER, FAULT_KILL_MAIN, FAULT_NONE, FAULT_NONE};
	struct trace_options t = {.fault = {kinds[mode], errnos[error].value, ~0u}, .payload = stand_payload()};
	struct trace_result r = {0};
	struct command c;

	if (stand_setup(op) == 0) {
		c = stand_command(op);
		t.attach = op == OP_START ? stand_init_pid() : 0;
		r = trace_run(&c, &t);
	}
	stand_delete();
	if (stand_left(NULL))
		stand_restore();
	return r.calls;
}

static int pick_errno(unsigned n)
{
	int wanted[ARRAY_SIZE(errnos)], count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (walk.errno_mask & 1u << i)
			wanted[count++] = (int)i;
	return wanted[n % (unsigned)count];
}

/* A step that visits all points, far ones first: a budget that ends early has seen every stage. */
static unsigned stride_of(unsigned points)
{
	unsigned stride = points * 5 / 13, a, b, t;

	for (;; stride++) {
		for (a = points, b = stride; b; t = a % b, a = b, b = t)
			;
		if (a == 1 || points < 2)
			return stride ? stride : 1;
	}
}

/* Every k (or a sample of them), each with one errno; rotate chooses it anew for each k. */
static void walk_calls(enum operation op, enum mode mode, int error)
{
	unsigned total = count_calls(op, mode, error < 0 ? 0 : error), n = 0;
	int64_t end = now_ns() + (int64_t)walk.budget_s * 1000000000;

	if (walk.sample) {
		unsigned points = (unsigned)walk.sample < total ? (unsigned)walk.sample : total;

		unsigned stride = stride_of(points);

		for (unsigned i = 0; i < points && (!walk.budget_s || now_ns() < end); i++)
			do_pass(op, mode, mode == MODE_ERRNO ? pick_errno(i) : -1,
				1 + (unsigned)((double)(i * stride % points) * total / points), 0);
		return;
	}
	/* The count of another pass may be a little higher or lower: stop after three unreached in a row. */
	for (unsigned k = 1; n < 3; k++)
		n = do_pass(op, mode, error, k, 0) ? 0 : n + 1;
	fprintf(stderr, "%s: %s %s %s: %u calls walked\n", walk.name, operation_name(op), mode_names[mode],
		error >= 0 ? errnos[error].name : "", total);
}

static void walk_random(enum operation op)
{
	int64_t longest = 0;

	for (int i = 0; i < 3; i++) {
		if (stand_setup(op) == 0) {
			struct command c = stand_command(op);
			struct outcome o = command_run(&c, true);

			longest = o.ns > longest ? o.ns : longest;
		}
		stand_delete();
		stand_left(NULL);
	}
	for (int i = 0; i < walk.kills; i++)
		do_pass(op, MODE_RANDOM, -1, 0, (int)((double)rand() / RAND_MAX * (double)longest * 1.1 / 1000) + 1);
}

static void walk_operation(enum operation op)
{
	int before = walk.violations, passes = walk.passes;

	walk.shown = 0;
	for (enum mode m = 0; m < MODE_COUNT; m++) {
		if (!(walk.modes & 1u << m))
			continue;
		if (m == MODE_NONE)
			do_pass(op, m, -1, 0, 0);
		else if (m == MODE_RANDOM)
			walk_random(op);
		else if (m == MODE_ERRNO && !walk.sample)
			for (size_t e = 0; e < ARRAY_SIZE(errnos); e++) {
				if (walk.errno_mask & 1u << e)
					walk_calls(op, m, (int)e);
			}
		else
			walk_calls(op, m, -1);
	}
	printf("%s - %s %s %s: %d faults\n", walk.violations == before ? "ok" : "not ok", walk.name, walk.variant,
		operation_name(op), walk.passes - passes);
	fflush(stdout);
}

/* -------------------------------------------------------------- arguments */

static unsigned parse_set(const char *list, const char *(*name)(int), int count, const char *what)
{
	char *copy = strdup(list), *save = NULL;
	unsigned set = 0;

	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		int i = 0;

		while (i < count && strcmp(name(i), w))
			i++;
		if (i == count)
			die("unknown %s: %s", what, w);
		set |= 1u << i;
	}
	free(copy);
	return set;
}

static const char *op_name_of(int i)
{
	return operation_name((enum operation)i);
}

static const char *mode_name_of(int i)
{
	return mode_names[i];
}

static const char *errno_name_of(int i)
{
	return errnos[i].name;
}

static int usage(void)
{
	fputs("usage: faultwalk --runtime [NAME=]PATH [--op LIST] [--mode LIST] [--errno LIST]\n"
	      "    [--sample N] [--budget SECONDS] [--kills N] [--variant plain|userns|terminal] [--hybrid]\n"
	      "    [--seccomp FILE] [--golden PATH] [--tools DIR] [--tsv FILE] [--seed N] [--verbose]\n",
		stderr);
	return 2;
}

static void default_tools(struct stand_options *s)
{
	static char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n < 0 ? 0 : n] = '\0';
	s->tools = dirname(self);
}

static bool take_option(int opt, struct stand_options *s)
{
	switch (opt) {
	case 'r':
		s->runtime = strchr(optarg, '=') ? strchr(optarg, '=') + 1 : optarg;
		walk.name = strchr(optarg, '=') ? strndup(optarg, strcspn(optarg, "=")) : basename(strdup(optarg));
		return true;
	case 'o':
		walk.ops = parse_set(optarg, op_name_of, OP_COUNT, "operation");
		return true;
	case 'm':
		walk.modes = parse_set(optarg, mode_name_of, MODE_COUNT, "mode");
		return true;
	case 'e':
		walk.errno_mask = parse_set(optarg, errno_name_of, ARRAY_SIZE(errnos), "errno");
		return true;
	case 'v':
		walk.variant = optarg;
		s->user_namespace = !strcmp(optarg, "userns");
		s->terminal = !strcmp(optarg, "terminal");
		return s->user_namespace || s->terminal || !strcmp(optarg, "plain");
	case 'n':
		walk.sample = atoi(optarg);
		return true;
	case 'b':
		walk.budget_s = atoi(optarg);
		return true;
	case 'k':
		walk.kills = atoi(optarg);
		return true;
	case 'c':
		s->seccomp = optarg;
		return true;
	case 'g':
		s->golden = optarg;
		return true;
	case 't':
		s->tools = optarg;
		return true;
	case 'f':
		walk.tsv = fopen(optarg, "ae");
		return walk.tsv != NULL;
	case 's':
		srand((unsigned)atoi(optarg));
		return true;
	case 'h':
		s->hybrid = true;
		return true;
	case 'V':
		walk.verbose = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"runtime", 1, NULL, 'r'}, {"op", 1, NULL, 'o'}, {"mode", 1, NULL, 'm'},
		{"errno", 1, NULL, 'e'}, {"variant", 1, NULL, 'v'}, {"sample", 1, NULL, 'n'}, {"budget", 1, NULL, 'b'},
		{"kills", 1, NULL, 'k'}, {"seccomp", 1, NULL, 'c'}, {"golden", 1, NULL, 'g'}, {"tools", 1, NULL, 't'},
		{"tsv", 1, NULL, 'f'}, {"seed", 1, NULL, 's'}, {"hybrid", 0, NULL, 'h'}, {"verbose", 0, NULL, 'V'},
		{0}};
	struct stand_options s = {0};
	int opt;

	walk.variant = "plain";
	walk.ops = (1u << OP_COUNT) - 1;
	walk.modes = 1u << MODE_ERRNO | 1u << MODE_SHORT | 1u << MODE_KILL | 1u << MODE_KILLMAIN;
	walk.errno_mask = ~0u;
	walk.kills = 20;
	default_tools(&s);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(opt, &s))
			return usage();
	if (!s.runtime || optind != argc)
		return usage();
	if (!walk.tsv)
		walk.tsv = fopen("/dev/null", "we");
	s.ops = walk.ops;
	stand_open(&s);
	for (enum operation op = 0; op < OP_COUNT; op++)
		if (walk.ops & 1u << op && !(s.terminal && op == OP_RUN))
			walk_operation(op);
	printf("# %s %s: %d passes, %d faults fired, %d violations\n", walk.name, walk.variant, walk.passes, walk.fired,
		walk.violations);
	fflush(stdout);
	return walk.violations ? 1 : 0;
}
