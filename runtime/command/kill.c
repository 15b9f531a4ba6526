/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a signal for the container's first process, through a
 * pidfd verified by start time, or with --all for every process of its cgroup.
 * Signal 0 asks whether the process is there.  SIGKILL means the container: when
 * its first process is not the init of a PID namespace, the kernel leaves the
 * others alive, so they get theirs through the cgroup.
 * The texts for a dead container are parsed by engines (runtime-facts: "container
 * not running", "no such process").
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/command/command.h"
#include "runtime/command/signals.h"

#define STATUS_MAX 16384

int signal_parse(const char *text)
{
	char *end;
	long n;

	if (isdigit((unsigned char)*text)) {
		n = strtol(text, &end, 10);
		return *end || n < 0 || n >= NSIG ? -1 : (int)n;
	}
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncasecmp(text, "RTMIN", 5) == 0 || strncasecmp(text, "RTMAX", 5) == 0) {
		int base = strncasecmp(text, "RTMIN", 5) == 0 ? SIGRTMIN : SIGRTMAX;

		if (!text[5])
			return base;
		n = strtol(text + 5, &end, 10);
		return *end || base + n < SIGRTMIN || base + n > SIGRTMAX ? -1 : base + (int)n;
	}
	for (int sig = 1; sig < NSIG; sig++) {
		const char *name = sigabbrev_np(sig);

		if (name && strcasecmp(name, text) == 0)
			return sig;
	}
	if (strcasecmp(text, "IOT") == 0)
		return SIGABRT;
	if (strcasecmp(text, "CLD") == 0)
		return SIGCHLD;
	return -1;
}

static int not_running(struct error *err)
{
	return error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
}

static int kill_first(const struct opened *o, int sig, struct error *err)
{
	_cleanup_fd_ int pidfd = state_pidfd(&o->state, o->proc_fd);
	int r;

	if (pidfd == -ESRCH)
		return not_running(err);
	if (pidfd < 0)
		return error_sys(err, -pidfd, "open process %d", o->state.pid);
	r = fd_pidfd_signal(pidfd, sig);
	if (r == -ESRCH)
		return not_running(err);
	return r < 0 ? error_sys(err, -r, "send signal %d to process %d", sig, o->state.pid) : 0;
}

/* Are there processes that do not die with the first one? */
static bool others_survive(const struct runtime *rt, const struct opened *o)
{
	char path[32], *status, *line;
	struct error none = { 0 };
	pid_t *pids;
	size_t n;

	if (o->status == STATUS_STOPPED)
		return cgroup_pids(o->cgroup, rt->arena, &pids, &n, &none) == 0 && n > 0;
	snprintf(path, sizeof path, "%d/status", o->state.pid);
	if (proc_read(o->proc_fd, path, rt->arena, STATUS_MAX, &status, &n, &none) < 0)
		return false;
	/* The last number is the one that the process itself sees. */
	line = strstr(status, "\nNSpid:");
	if (!line)
		return false;
	line += strlen("\nNSpid:");
	line[strcspn(line, "\n")] = '\0';
	line = strrchr(line, '\t');
	return line && strcmp(line, "\t1") != 0;
}

static int kill_one(struct runtime *rt, const char *id, const struct arguments *args, struct error *err)
{
	const char *name = args->operands_count > 1 ? args->operands[1] : "TERM";
	bool all = argument_switch(args, "all");
	int sig = signal_parse(name), r;
	struct opened o;

	if (sig < 0)
		return error_set(err, ERR_USAGE, EINVAL, "unknown signal \"%s\"", name);
	r = container_open(rt, id, false, &o, err);
	if (r < 0)
		return r;
	if (cgroup_exists(o.cgroup) && (all || (sig == SIGKILL && others_survive(rt, &o))))
		r = cgroup_kill(o.cgroup, sig, err);
	else if (o.status == STATUS_STOPPED)
		r = not_running(err);
	else
		r = kill_first(&o, sig, err);
	/* A frozen process gets its signals only when it is thawed; SIGKILL must work. */
	if (r == 0 && sig == SIGKILL && o.status == STATUS_PAUSED) {
		r = cgroup_thaw(o.cgroup, err);
		/* On v2 it may be dead already, and systemd have taken its scope away. */
		if (r == -ENOENT || r == -ENODEV) {
			error_clear(err);
			r = 0;
		}
	}
	container_close(&o);
	return r;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	if (argument_switch(args, "regex"))
		return containers_matching(rt, args, kill_one, err);
	return kill_one(rt, args->operands[0], args, err);
}

static const struct command_option options[] = {
	{ .name = "all", .letter = 'a', .help = "signal every process of the container" },
	{ .name = "regex", .letter = 'r', .help = "ID is a regular expression: every container that it matches" },
	{ 0 },
};

const struct command command_kill = {
	.name = "kill",
	.usage = "[--all] ID [SIGNAL]",
	.summary = "send a signal (TERM) to a container",
	.options = options,
	.operands_min = 1,
	.operands_max = 2,
	.run = run,
};
