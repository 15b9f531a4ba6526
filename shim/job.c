/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a program is started with vfork (the shim's page tables
 * are not copied, the child only issues system calls before execve); a function
 * gets a real fork, because it works with memory.  Both have their output
 * captured into a small buffer over a pipe and end in one callback.
 *
 * Functions are for what can block without end in the kernel: mounting and
 * unmounting.  The mount namespace is shared, so the effect is the shim's own.
 */
#include "shim/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd.h"

#define OUTPUT_MAX 16384

static unsigned int running;

unsigned int job_count(void)
{
	return running;
}

static void drain(struct job *job)
{
	char buf[2048];
	ssize_t n;

	while ((n = read(job->out.fd, buf, sizeof buf)) > 0) {
		size_t room = OUTPUT_MAX - job->output_len;
		char *grown;

		if ((size_t)n > room)
			n = (ssize_t)room;
		grown = n > 0 ? realloc(job->output, job->output_len + (size_t)n + 1) : NULL;
		if (!grown)
			continue; /* beyond the limit: read and forget */
		memcpy(grown + job->output_len, buf, (size_t)n);
		job->output = grown;
		job->output_len += (size_t)n;
		grown[job->output_len] = '\0';
	}
	if (n == 0) {
		watch_remove(&job->out);
		close(job->out.fd);
		job->out.fd = -1;
	}
}

static void on_output(struct watch *w, uint32_t events)
{
	(void)events;
	drain((struct job *)((char *)w - offsetof(struct job, out)));
}

static void on_exit_of_job(struct child *c, unsigned int status)
{
	struct job *job = (struct job *)c;
	char none[1] = "";
	bool adopts = job->adopts;

	if (job->out.fd >= 0) {
		drain(job);
		watch_remove(&job->out);
		cleanup_fd(&job->out.fd);
	}
	if (!job->output)
		job->output = none;
	running--;
	job->done(job, status);
	if (job->output != none)
		free(job->output);
	loop_defer_free(job);
	if (adopts)
		child_adoption_end();
}

/* Our environment without NOTIFY_SOCKET: runc would wait for a service manager. */
static const char *const *own_environment(void)
{
	unsetenv("NOTIFY_SOCKET");
	return (const char *const *)environ;
}

/* Between vfork and execve: system calls only. */
static void __attribute__((noreturn))
become(const struct job_spec *s, const int fd[3], const char *const *envp, pid_t parent)
{
	static const char text[] = "cannot execute the program\n";

	if (!s->survives) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
	}
	child_reset_signals();
	for (int i = 0; i < 3; i++) {
		if (dup2(fd[i], i) < 0)
			_exit(127);
	}
	for (int i = 0; i < 3; i++) {
		if (s->extra[i] >= 0 && dup2(s->extra[i], 3 + i) < 0)
			_exit(127);
	}
	execve(s->argv[0], (char *const *)s->argv, (char *const *)envp);
	if (s->capture)
		(void)!write(2, text, sizeof text - 1);
	_exit(127);
}

static pid_t __attribute__((noinline)) start_program(const struct job_spec *s, const int fd[3])
{
	const char *const *envp = s->envp ? s->envp : own_environment();
	pid_t parent = getpid(), pid;

	pid = vfork();
	if (pid == 0)
		become(s, fd, envp, parent);
	return pid;
}

static pid_t start_function(const struct job_spec *s, int out)
{
	struct error err = {0};
	pid_t parent = getpid(), pid;
	int r;

	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	child_reset_signals();
	r = s->function(s->arg, &err);
	if (r < 0 && err.msg[0] && out >= 0)
		(void)!write(out, err.msg, strlen(err.msg));
	_exit(r < 0 ? 1 : 0);
}

/* Descriptors for the child must be above 5, so that placing one does not overwrite another. */
static int lift(int fd, int *owned)
{
	if (fd < 0 || fd > 5)
		return fd;
	*owned = fcntl(fd, F_DUPFD_CLOEXEC, 6);
	return *owned;
}

struct job *job_start(
	const struct job_spec *spec, void (*done)(struct job *, unsigned int), void *context, struct error *err)
{
	struct job_spec s = *spec;
	int out[2] = {-1, -1}, owned[6] = {-1, -1, -1, -1, -1, -1}, null = -1, fd[3];
	struct job *job = calloc(1, sizeof *job);
	pid_t pid = -1;
	int r;

	if (!job) {
		error_sys(err, ENOMEM, "start a job");
		return NULL;
	}
	job->out = (struct watch){.fd = -1, .cb = on_output};
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	r = null < 0 ? -errno : 0;
	if (r == 0 && spec->capture && pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0 && spec->capture)
		r = fcntl(out[1], F_SETFL, 0);
	for (int i = 0; i < 3; i++) {
		fd[i] = spec->fd[i] >= 0 ? spec->fd[i] : i > 0 && spec->capture ? out[1] : null;
		fd[i] = lift(fd[i], &owned[i]);
		s.extra[i] = lift(spec->extra[i], &owned[3 + i]);
	}
	if (r == 0) {
		if (spec->adopts)
			child_adoption_begin();
		pid = spec->argv ? start_program(&s, fd) : start_function(&s, out[1]);
		r = pid < 0 ? -errno : 0;
		if (pid < 0 && spec->adopts)
			child_adoption_end();
	}
	for (int i = 0; i < 6; i++)
		cleanup_fd(&owned[i]);
	cleanup_fd(&null);
	cleanup_fd(&out[1]);
	if (r < 0) {
		cleanup_fd(&out[0]);
		free(job);
		error_sys(err, -r, "start %s", spec->argv ? spec->argv[0] : "a helper process");
		return NULL;
	}
	job->adopts = spec->adopts;
	job->done = done;
	job->context = context;
	job->child.exited = on_exit_of_job;
	if (out[0] >= 0) {
		job->out.fd = out[0];
		watch_set(&job->out, EPOLLIN);
	}
	running++;
	if (child_watch(&job->child, pid, err) < 0) {
		/* No descriptor left for the pidfd: the process must not run on unseen. */
		kill(pid, SIGKILL);
		job->child.pid = 0;
		running--;
		watch_remove(&job->out);
		cleanup_fd(&job->out.fd);
		free(job->output);
		free(job);
		if (spec->adopts)
			child_adoption_end();
		return NULL;
	}
	return job;
}

void job_kill(struct job *job)
{
	if (job->child.pid)
		kill(job->child.pid, SIGKILL);
}
