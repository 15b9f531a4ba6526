/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: global options, the table of commands, one place that
 * prints errors.  A command whose process enters a container that others
 * are in runs from a sealed copy of the binary (runtime/protect.h); create and
 * run decide when they know the configuration (runtime/plan/prepare.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/command/command.h"
#include "runtime/command/completion.h"
#include "runtime/plan/trace.h"
#include "runtime/protect.h"

#define SPEC_VERSION "1.3.0"

static const struct command *const commands[] = {
	&command_check, &command_checkpoint, &command_completion, &command_create, &command_delete, &command_events,
	&command_exec, &command_features, &command_kill, &command_list, &command_mounts, &command_pause,
	&command_plan, &command_ps, &command_restore, &command_resume, &command_run, &command_spec, &command_start,
	&command_state, &command_update,
};

static const struct command_option global_options[] = {
	{ .name = "root", .value = "DIR", .help = "directory of the containers' state (/run/oci-rt)" },
	{ .name = "log", .value = "FILE", .help = "write errors and warnings to FILE; also file:PATH, syslog:NAME, journald:NAME" },
	{ .name = "log-format", .value = "FORMAT", .help = "text (default) or json" },
	{ .name = "log-level", .value = "LEVEL", .help = "error, warning (default), info or debug" },
	{ .name = "debug", .help = "the same as --log-level debug" },
	{ .name = "cgroup-manager", .value = "MANAGER", .help = "cgroupfs (default), systemd or disabled" },
	{ .name = "systemd-cgroup", .help = "the same as --cgroup-manager systemd" },
	{ .name = "rootless", .help = "true, false or auto: whether the caller is unprivileged" },
	{ .name = "trace", .value = "FILE", .help = "write the time of each step as Chrome trace-event JSON" },
	{ .name = "criu", .value = "PATH" },
	{ .name = "version", .letter = 'v', .help = "print the version" },
	{ .name = "help", .letter = 'h', .help = "print this help" },
	/* What crun calls the two. */
	{ .name = "V" },
	{ .name = "?" },
	{ .name = "usage" },
	{ 0 },
};

const struct command *const *command_table(size_t *count)
{
	*count = sizeof commands / sizeof *commands;
	return commands;
}

const struct command_option *command_global_options(void)
{
	return global_options;
}

static const char *program_name(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	return slash ? slash + 1 : argv0 && *argv0 ? argv0 : "oci-rt";
}

/* Engines read the first word of the first line; behind a link called runc or crun they expect that name. */
static int print_version(const char *name)
{
	printf("%s version %s\n", strcmp(name, "runc") == 0 || strcmp(name, "crun") == 0 ? name : "oci-rt", PACKAGE_VERSION);
	printf("commit: %s\nspec: %s\n", SOURCE_COMMIT, SPEC_VERSION);
	return fflush(stdout) == 0 ? 0 : 1;
}

static void print_options(const struct command_option *options)
{
	for (; options->name; options++) {
		char left[64];

		if (!options->help)
			continue;
		snprintf(left, sizeof left, "%s%c%s--%s%s%s", options->letter ? "-" : " ", options->letter ? options->letter : ' ',
			options->letter ? ", " : "  ", options->name, options->value ? " " : "",
			options->value ? options->value : "");
		printf("  %-32s %s\n", left, options->help);
	}
}

static int print_help(const struct command *cmd)
{
	if (cmd) {
		printf("usage: oci-rt [global options] %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->summary);
		if (cmd->options && cmd->options->name) {
			printf("\noptions:\n");
			print_options(cmd->options);
		}
	} else {
		printf("usage: oci-rt [global options] COMMAND [options] [arguments]\n\nOCI container runtime\n\ncommands:\n");
		for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
			printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
		printf("\nglobal options:\n");
		print_options(global_options);
		printf("\noci-rt COMMAND --help tells about a command.\n");
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

/* In the effective set, for a program that is not root's and has privileges all the same. */
static bool may_administer(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	return syscall(SYS_capget, &head, data) == 0 && data[0].effective & (1u << CAP_SYS_ADMIN);
}

static int read_rootless(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *value = argument(args, "rootless");

	rt->rootless = geteuid() != 0;
	if (!value || strcmp(value, "auto") == 0)
		return 0;
	if (strcmp(value, "true") == 0)
		rt->rootless = true;
	else if (strcmp(value, "false") == 0)
		/* Nobody gets privileges by saying that he has them. */
		rt->rootless = rt->rootless && !may_administer();
	else
		return error_set(err, ERR_USAGE, EINVAL, "--rootless=%s: expected true, false or auto", value);
	return 0;
}

static int read_log(const struct arguments *args, const char *name, struct runtime *rt, struct error *err)
{
	static const char *const levels[] = { "error", "warning", "info", "debug" };
	struct log_options log = { .program = name, .file = argument(args, "log"), .level = LOG_LEVEL_WARNING };
	const char *format = argument(args, "log-format"), *level = argument(args, "log-level");

	if (format && strcmp(format, "json") == 0)
		log.json = true;
	else if (format && strcmp(format, "text") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "--log-format %s: expected text or json", format);
	if (argument_switch(args, "debug"))
		level = "debug";
	if (level) {
		size_t i = 0;

		while (i < 4 && strcmp(levels[i], level) != 0 && !(i == 1 && strcmp(level, "warn") == 0))
			i++;
		if (i == 4)
			return error_set(err, ERR_USAGE, EINVAL, "--log-level %s: expected error, warning, info or debug", level);
		log.level = (enum log_level)i;
	}
	rt->log_json = log.json;
	rt->log_file = log.file;
	rt->debug = log.level == LOG_LEVEL_DEBUG;
	return log_open(&log, err);
}

/* An engine that runs as root of a user namespace on behalf of a user; not the root of a system container. */
static bool serves_user(void)
{
	const char *user = getenv("USER");
	struct stat st;

	if (user && strcmp(user, "root") == 0)
		return false;
	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != UINT32_C(0xEFFFFFFD); /* PROC_USER_INIT_INO */
}

static int read_root(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *root = argument(args, "root"), *dir = getenv("XDG_RUNTIME_DIR");
	bool own = rt->rootless || (!root && dir && serves_user());

	if (!root && !own)
		root = "/run/oci-rt";
	else if (!root && dir && *dir == '/')
		root = arena_printf(rt->arena, "%s/oci-rt", dir);
	else if (!root)
		root = arena_printf(rt->arena, "/tmp/oci-rt-%u", geteuid());
	if (!*root)
		return error_set(err, ERR_USAGE, EINVAL, "--root needs a directory");
	if (*root != '/') {
		char cwd[4096];

		if (!getcwd(cwd, sizeof cwd))
			return error_sys(err, errno, "find the working directory");
		root = arena_printf(rt->arena, "%s/%s", cwd, root);
	}
	rt->root = root;
	return 0;
}

static int read_globals(struct runtime *rt, const struct arguments *args, const char *name, struct error *err)
{
	const char *manager = argument(args, "cgroup-manager");
	int r = read_log(args, name, rt, err);

	if (r == 0)
		r = read_rootless(rt, args, err);
	if (r == 0)
		r = read_root(rt, args, err);
	if (r < 0)
		return r;
	if (argument_switch(args, "systemd-cgroup"))
		rt->cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	if (manager && strcmp(manager, "systemd") == 0)
		rt->cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	else if (manager && strcmp(manager, "disabled") == 0)
		rt->cgroup_manager = CGROUP_MANAGER_DISABLED;
	else if (manager && strcmp(manager, "cgroupfs") == 0)
		rt->cgroup_manager = CGROUP_MANAGER_CGROUPFS;
	else if (manager)
		return error_set(err, ERR_USAGE, EINVAL, "--cgroup-manager %s: expected cgroupfs, systemd or disabled", manager);
	if (argument(args, "criu"))
		log_warning("--criu is ignored: criu is found in PATH");
	rt->trace_file = argument(args, "trace");
	return rt->trace_file ? trace_open(rt->trace_file, err) : 0;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static bool wants_help(int argc, char **argv)
{
	static const char *const words[] = { "--help", "-h", "-?", "--usage" };

	for (int i = 0; i < argc && argv[i][0] == '-'; i++)
		for (size_t k = 0; k < sizeof words / sizeof *words; k++)
			if (strcmp(argv[i], words[k]) == 0)
				return true;
	return false;
}

/* Descriptors that are arguments: a shell's <(program) is /dev/fd/N. */
#define FILE_OPTIONS 2

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void named_descriptors(const struct arguments *args, int named[static FILE_OPTIONS + 1])
{
	static const char *const options[FILE_OPTIONS] = { "process", "resources" };
	const char *status = argument(args, "status-fd");

	for (size_t i = 0; i < FILE_OPTIONS; i++)
		named[i] = fd_of_path(argument(args, options[i]));
	named[FILE_OPTIONS] = status && strspn(status, "0123456789") == strlen(status) && strlen(status) < 8 ? atoi(status) : -1;
	qsort(named, FILE_OPTIONS + 1, sizeof *named, compare_ints);
}

/* What the caller left open and did not ask to be passed on is closed before anything of ours is opened: nobody in a
 * container may find it in a process of ours. */
static int close_inherited(const struct command *cmd, const struct arguments *args, struct error *err)
{
	unsigned int listen = cmd->enters && cmd != &command_exec ? listen_descriptors() : 0, keep = 0;
	int named[FILE_OPTIONS + 1], r = 0;

	if (cmd->enters)
		r = argument_number(args, "preserve-fds", 0, PRESERVE_FDS_MAX, &keep, err);
	if (r < 0)
		return r;
	keep += listen;
	for (unsigned int i = 0; i < keep; i++)
		if (fcntl(3 + (int)i, F_GETFD) < 0)
			return error_set(err, ERR_USAGE, EBADF, "%s: descriptor %u is not open",
				i < listen ? "LISTEN_FDS" : "--preserve-fds", 3 + i);
	named_descriptors(args, named);
	r = fd_close_except(3 + keep, named, sizeof named / sizeof *named);
	return r < 0 ? error_sys(err, -r, "close inherited descriptors") : 0;
}

static int parse_command(struct runtime *rt, const struct command *cmd, int argc, char **argv, struct arguments *args,
	struct error *err)
{
	int used, r;

	r = arguments_parse(rt->arena, cmd->name, cmd->options, argc, argv, cmd->stop_at_operand ? 1 : SIZE_MAX, args, &used,
		err);
	if (r == 0 && (args->operands_count < cmd->operands_min || args->operands_count > cmd->operands_max))
		r = error_set(err, ERR_USAGE, EINVAL, "%s: %s, usage: %s %s", cmd->name,
			args->operands_count < cmd->operands_min ? "an argument is missing" : "too many arguments", cmd->name,
			cmd->usage);
	if (r < 0)
		error_hint(err, "see oci-rt %s --help", cmd->name);
	return r;
}

/* One command, from its arguments to its exit status. */
static int run_command(struct runtime *rt, const struct command *cmd, const struct arguments *globals, const char *name,
	char **all, int argc, char **argv, struct error *err)
{
	struct error usage = { 0 };
	struct arguments args;
	int parsed, r = 0;

	/* A wrong command line is reported where --log says, so it waits until the log is open. */
	parsed = parse_command(rt, cmd, argc, argv, &args, &usage);
	if (parsed == 0)
		parsed = close_inherited(cmd, &args, &usage);
	rt->argv = all;
	if (parsed == 0 && cmd->protect)
		r = protect_self(all, err);
	if (r == 0)
		r = read_globals(rt, globals, name, err);
	if (r == 0 && parsed < 0) {
		*err = usage;
		r = parsed;
	}
	return r < 0 ? r : cmd->run(rt, &args, err);
}

/* The JSON path belongs into the text too, for those who read nothing else.  What execve said stays as it is: engines
 * compare it. */
static void name_property(struct error *err)
{
	bool exec = err->code == ERR_EXEC || err->code == ERR_EXEC_NOT_FOUND || err->code == ERR_EXEC_DENIED;

	if (err->path[0] && !exec && !strstr(err->msg, err->path))
		error_wrap(err, "%s", err->path);
}

/* What needs no command: 1 when it was done and *status is the exit status. */
static int answer(const struct arguments *globals, const char *name, int argc, char **argv, int *status)
{
	if (argument_switch(globals, "version") || argument_switch(globals, "V"))
		*status = print_version(name);
	else if (argument_switch(globals, "help") || argument_switch(globals, "?") || argument_switch(globals, "usage"))
		*status = print_help(NULL);
	else if (argc == 0)
		*status = (print_help(NULL), 1);
	else if (strcmp(argv[0], "help") == 0)
		*status = print_help(argc > 1 ? find_command(argv[1]) : NULL);
	else if (find_command(argv[0]) && wants_help(argc - 1, argv + 1))
		*status = print_help(find_command(argv[0]));
	else
		return 0;
	return 1;
}

static int dispatch(struct runtime *rt, const char *name, int argc, char **argv, const struct command **cmd,
	struct error *err)
{
	struct arguments globals;
	int used, status, r;

	r = arguments_parse(rt->arena, "global options", global_options, argc - 1, argv + 1, 0, &globals, &used, err);
	if (r < 0)
		return r;
	if (answer(&globals, name, argc - 1 - used, argv + 1 + used, &status))
		return status;
	*cmd = find_command(argv[1 + used]);
	if (!*cmd) {
		error_hint(err, "oci-rt --help lists the commands");
		return error_set(err, ERR_USAGE, EINVAL, "unknown command \"%s\"", argv[1 + used]);
	}
	return run_command(rt, *cmd, &globals, name, argv, argc - used - 2, argv + used + 2, err);
}

int main(int argc, char **argv)
{
	struct arena arena = ARENA_INIT;
	struct runtime rt = { .arena = &arena };
	struct error err = { 0 }, trace_err = { 0 };
	const struct command *cmd = NULL;
	int r;

	if (argc < 1 || fd_sanitise_stdio() < 0)
		return 1;
	r = dispatch(&rt, program_name(argv[0]), argc, argv, &cmd, &err);
	if (trace_write(&trace_err) < 0)
		log_warning("%s", trace_err.msg);
	if (r < 0) {
		name_property(&err);
		log_error(&err);
		r = cmd && cmd->failure_status ? cmd->failure_status : 1;
	}
	log_flush();
	arena_free(&arena);
	return r;
}
