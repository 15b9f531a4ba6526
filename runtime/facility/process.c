/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: process.args, env and cwd, the descriptors, and execve.
 *
 * The program is looked up (as execvp would, with the container's PATH) before
 * the container is "created", so that a wrong name is an error of create.  The
 * working directory is entered through a lookup without magic links, as root
 * and, when that is refused, as the user; afterwards it must have a name below
 * the root: a descriptor of the host smuggled in as cwd has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "runtime/facility/facility.h"
#include "runtime/launcher/launcher.h"
#include "runtime/plan/create.h"

#define DEFAULT_PATH "/bin:/usr/bin"
#define PASSWD_MAX (1024 * 1024)

struct process {
	const char **argv; /* NULL-terminated */
	const char **launcher; /* the same for the launcher */
	bool need_home;
	bool inside; /* the working directory was entered already */
};

static int make_cwd(struct container *c, const struct step *s, struct error *err)
{
	_cleanup_fd_ int fd = path_mkdir_in_root(c->root_fd, c->process->cwd, 0755);

	(void)s;
	if (fd < 0 && fd != -EROFS && fd != -EACCES)
		return error_sys(err, -fd, "make the working directory \"%s\"", c->process->cwd);
	return 0;
}

/* Returns 1 when the lookup was refused: try again with the final credentials. */
static int try_enter(const char *cwd, struct error *err)
{
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int fd = -1;
	char buf[PATH_MAX];

	if (root < 0)
		return error_sys(err, errno, "open the container's root");
	fd = path_open_in_root(root, cwd, O_PATH | O_DIRECTORY);
	if (fd == -EACCES || (fd >= 0 && fchdir(fd) < 0 && errno == EACCES))
		return 1;
	if (fd < 0)
		return error_sys(err, -fd, "enter the working directory \"%s\"", cwd);
	if (!getcwd(buf, sizeof buf) || buf[0] != '/')
		return error_set(err, ERR_CONFIG, EINVAL, "the working directory \"%s\" is outside of the container's root", cwd);
	return 0;
}

static int enter_cwd_as_root(struct container *c, const struct step *s, struct error *err)
{
	struct process *p = (struct process *)s->data;
	int r = try_enter(c->process->cwd, err);

	p->inside = r == 0;
	return r < 0 ? r : 0;
}

static int enter_cwd_as_user(struct container *c, const struct step *s, struct error *err)
{
	const struct process *p = s->data;
	int r = p->inside ? 0 : try_enter(c->process->cwd, err);

	if (r == 1)
		return error_sys(err, EACCES, "enter the working directory \"%s\"", c->process->cwd);
	return r;
}

/* The home directory of a uid in the container's /etc/passwd, or "/". */
static const char *find_home(struct container *c, uint32_t uid)
{
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	char *buf, *line, *save = NULL;
	struct stat st;

	fd = root < 0 ? -1 : path_open_in_root(root, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fd_read_all(fd, c->arena, PASSWD_MAX, &buf, NULL) < 0)
		return "/";
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *field[7] = { line }, *end;
		int n = 1;

		for (char *p = line; *p && n < 7; p++)
			if (*p == ':') {
				*p = '\0';
				field[n++] = p + 1;
			}
		if (n == 7 && *field[2] && strtoul(field[2], &end, 10) == uid && !*end && field[5][0] == '/')
			return field[5];
	}
	return "/";
}

static int set_home(struct container *c, const struct step *s, struct error *err)
{
	const char **env = c->envp;
	size_t n = 0;

	(void)s;
	(void)err;
	while (env[n])
		n++;
	/* process_plan left room for it. */
	env[n] = arena_printf(c->arena, "HOME=%s", find_home(c, c->process->user.uid));
	return 0;
}

static const char *getenv_in(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* May the process execute it?  0, or the errno that execve would give. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EACCES;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return errno;
	return 0;
}

static int find_program(struct container *c, const struct step *s, struct error *err)
{
	const struct process *p = s->data;
	const char *name = p->argv[0], *dirs, *end;
	int e, denied = 0;

	if (strchr(name, '/')) {
		e = executable(name);
		if (e)
			return exec_error(name, e, err);
		c->exec_path = name;
		return 0;
	}
	dirs = getenv_in(c->envp, "PATH");
	if (!dirs)
		dirs = DEFAULT_PATH;
	for (;; dirs = end + 1) {
		const char *path;

		end = strchrnul(dirs, ':');
		path = arena_printf(c->arena, "%.*s%s%s", (int)(end - dirs), dirs, end > dirs ? "/" : "", name);
		e = executable(path);
		if (e == 0) {
			c->exec_path = path;
			return 0;
		}
		if (e == EACCES)
			denied = e;
		if (!*end)
			break;
	}
	if (denied)
		return exec_error(name, denied, err);
	return error_set(err, ERR_EXEC_NOT_FOUND, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

/*
 * While the process waits for start it holds nothing of the host but the pipes it waits on: another process of the
 * container could look at its descriptors.  The connection to a seccomp agent ends when the filter is loaded.
 */
static int close_descriptors(struct container *c, const struct step *s, struct error *err)
{
	int keep[] = { c->sync_fd, c->start_fd, c->proof_fd, c->proc_fd, c->launcher_fd, c->agent_fd, c->hook_stdout_fd,
		c->hook_stderr_fd };
	unsigned int first = 3 + c->options.preserve_fds;
	const struct config_hooks *hooks = c->config->hooks;
	int r = fd_cloexec_from(first);

	(void)s;
	/* Those of startContainer are still to come. */
	if (!hooks || !hooks->start_container.count)
		keep[6] = keep[7] = -1;
	if (r == 0)
		r = fd_close_except(first, keep, sizeof keep / sizeof *keep);
	if (r < 0)
		return error_sys(err, -r, "close the descriptors");
	c->root_fd = c->devpts_fd = c->console_fd = c->bundle_fd = c->root_source_fd = -1;
	return 0;
}

static int execute(struct container *c, const struct step *s, struct error *err)
{
	const struct process *p = s->data;
	static const char executing = PROOF_EXECUTING;
	int e;

	if (c->launcher_fd >= 0)
		return error_sys(err, -launcher_exec(c->launcher_fd, c->proof_fd, c->exec_path, p->launcher, c->envp),
			"execute the launcher");
	if (fd_write_all(c->proof_fd, &executing, 1) < 0)
		return error_sys(err, errno, "report to the runtime");
	execve(c->exec_path, (char *const *)p->argv, (char *const *)c->envp);
	e = errno;
	return exec_failed(p->argv[0], e, err);
}

static void drop_entry(const char **env, const char *entry)
{
	while (*env != entry)
		env++;
	do
		env[0] = env[1];
	while (*env++);
}

/* The configuration's environment, the last of two equal names winning, with room for HOME. */
static int build_environment(struct container *c, struct process *p, struct error *err)
{
	const struct config_process *proc = c->process;
	const char *home;
	size_t n = 0;

	c->envp = arena_array(c->arena, const char *, proc->env_count + 5);
	for (size_t i = 0; i < proc->env_count; i++) {
		const char *entry = proc->env[i], *eq = strchr(entry, '=');
		size_t len, k;

		if (!eq || eq == entry) {
			error_path(err, "process.env[%zu]", i);
			return error_set(err, ERR_CONFIG, EINVAL, "environment entry \"%s\" is not NAME=value", entry);
		}
		len = (size_t)(eq - entry) + 1;
		/* systemd's socket activation names the process it is meant for. */
		if (c->options.listen_fds && strncmp(entry, "LISTEN_", 7) == 0)
			continue;
		for (k = 0; k < n; k++)
			if (strncmp(c->envp[k], entry, len) == 0)
				break;
		c->envp[k] = entry;
		if (k == n)
			n++;
	}
	home = getenv_in(c->envp, "HOME");
	if (c->options.listen_fds) {
		const char *names = getenv("LISTEN_FDNAMES");

		c->envp[n++] = arena_printf(c->arena, "LISTEN_FDS=%u", c->options.listen_fds);
		c->envp[n++] = "LISTEN_PID=1";
		if (names)
			c->envp[n++] = arena_printf(c->arena, "LISTEN_FDNAMES=%s", names);
	}
	/* As runc has it: an empty one does not count, and engines pass one. */
	p->need_home = !home || !*home;
	if (home && !*home)
		drop_entry(c->envp, home - strlen("HOME="));
	return 0;
}

static int no_process(struct container *c, const struct step *s, struct error *err)
{
	(void)c;
	(void)s;
	error_path(err, "process");
	return error_set(err, ERR_CONFIG, EINVAL, "is required to start a container");
}

int process_plan(struct container *c, struct error *err)
{
	struct process *p = arena_new(c->arena, struct process);
	const struct config_process *proc = c->process;
	struct plan *plan = &c->plan;
	struct step *s;
	int r;

	if (!proc) {
		/* The specification asks for a process at start; create works without one. */
		if (c->mode == CONTAINER_RUN)
			return no_process(c, NULL, err);
		plan_add(plan, STAGE_IDENTITY, "process", NULL, close_descriptors, NULL);
		plan_add(plan, STAGE_LAUNCH, "process", "process", no_process, NULL);
		return 0;
	}
	p->argv = arena_array(c->arena, const char *, proc->args_count + 1);
	memcpy(p->argv, proc->args, proc->args_count * sizeof *p->argv);
	if (c->launcher_fd >= 0)
		p->launcher = launcher_arguments(c->arena, p->argv);
	r = build_environment(c, p, err);
	if (r < 0)
		return r;
	if (c->mode != CONTAINER_EXEC) {
		s = plan_add(plan, STAGE_DEVICE, "process", "process.cwd", make_cwd, NULL);
		step_text(plan, s, "make the working directory %s if it is missing", proc->cwd);
	}
	s = plan_add(plan, STAGE_LIMIT, "process", "process.cwd", enter_cwd_as_root, p);
	step_text(plan, s, "enter the working directory %s", proc->cwd);
	if (p->need_home) {
		s = plan_add(plan, STAGE_LIMIT, "process", "process.env", set_home, p);
		step_text(plan, s, "set HOME from the container's /etc/passwd");
	}
	plan_add(plan, STAGE_IDENTITY, "process", "process.cwd", enter_cwd_as_user, p)->text =
		plan->explain ? "check the working directory as the user" : NULL;
	s = plan_add(plan, STAGE_IDENTITY, "process", "process.args", find_program, p);
	step_text(plan, s, "find the program %s", p->argv[0]);
	s = plan_add(plan, STAGE_IDENTITY, "process", NULL, close_descriptors, NULL);
	step_text(plan, s, "close every descriptor from %u on", 3 + c->options.preserve_fds);
	s = plan_add(plan, STAGE_LAUNCH, "process", "process.args", execute, p);
	step_text(plan, s, "execute %s", p->argv[0]);
	return 0;
}
