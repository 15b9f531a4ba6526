/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the processes of the container's cgroup.  The table is
 * the host's ps, reduced to them; engines take the JSON array.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/command/command.h"

static bool contains(const pid_t *pids, size_t n, long pid)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Run ps with its arguments and let through the lines whose PID column is one of ours. */
static int print_table(struct runtime *rt, const struct arguments *args, const pid_t *pids, size_t n, struct error *err)
{
	const char **argv = arena_array(rt->arena, const char *, args->operands_count + 3);
	char *line = NULL;
	int fds[2], column = -1, status, argc = 0;
	size_t room = 0;
	pid_t child;
	FILE *f;

	argv[argc++] = "ps";
	if (args->operands_count <= 1)
		argv[argc++] = "-ef";
	for (size_t i = 1; i < args->operands_count; i++)
		argv[argc++] = args->operands[i];
	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0)
		return error_sys(err, errno, "run ps");
	if (child == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execvp("ps", (char *const *)argv);
		_exit(127);
	}
	close(fds[1]);
	f = fdopen(fds[0], "r");
	while (f && getline(&line, &room, f) > 0) {
		char *copy = arena_strdup(rt->arena, line), *save = NULL, *word = strtok_r(copy, " \t\n", &save);
		int i = 0;

		for (; word; word = strtok_r(NULL, " \t\n", &save), i++) {
			if (column < 0 && strcmp(word, "PID") == 0) {
				column = i;
				fputs(line, stdout);
				break;
			}
			if (i == column) {
				if (contains(pids, n, strtol(word, NULL, 10)))
					fputs(line, stdout);
				break;
			}
		}
	}
	if (f)
		fclose(f);
	free(line);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, ERR_SYSTEM, EIO, "ps failed: is it installed? --format json needs none");
	return column < 0 ? error_set(err, ERR_USAGE, EINVAL, "ps printed no PID column") : 0;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *format = argument(args, "format");
	bool json = format && strcmp(format, "json") == 0;
	struct opened o;
	size_t n = 0;
	pid_t *pids = NULL;
	int r;

	if (format && !json && strcmp(format, "table") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "--format %s: expected table or json", format);
	r = container_open(rt, args->operands[0], false, &o, err);
	if (r < 0)
		return r;
	if (cgroup_exists(o.cgroup)) {
		r = cgroup_pids(o.cgroup, rt->arena, &pids, &n, err);
	} else if (o.status != STATUS_STOPPED) {
		pids = &o.state.pid;
		n = 1;
	}
	if (r == 0 && json) {
		printf("[");
		for (size_t i = 0; i < n; i++)
			printf("%s%d", i ? "," : "", pids[i]);
		printf("]\n");
	} else if (r == 0) {
		r = print_table(rt, args, pids, n, err);
	}
	container_close(&o);
	return r == 0 && fflush(stdout) != 0 ? error_sys(err, errno, "write to stdout") : r;
}

static const struct command_option options[] = {
	{ .name = "format", .letter = 'f', .value = "FORMAT", .help = "table (default) or json" },
	{ 0 },
};

const struct command command_ps = {
	.name = "ps",
	.usage = "[--format table|json] ID [PS OPTIONS]",
	.summary = "list the processes of a container",
	.options = options,
	.operands_min = 1,
	.operands_max = SIZE_MAX,
	.stop_at_operand = true,
	.run = run,
};
