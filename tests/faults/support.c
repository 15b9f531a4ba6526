/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what the yardsticks (tests/bench, tests/faults) share:
 * files as text and commands with a time limit.  A command is started with
 * vfork, so that starting one costs the same whatever the driver's own size is,
 * and waited for with its resource usage.  The drivers are subreapers or process
 * 1 of a namespace: orphans of a killed runtime end up here and are reaped here.
 */
#include "tests/faults/support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("yardstick: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(2);
}

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void sleep_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 4096, len = 0;
	char *buf;
	ssize_t n;

	if (fd < 0)
		return NULL;
	buf = malloc(size);
	while (buf && (n = read(fd, buf + len, size - len - 1)) != 0) {
		if (n < 0) {
			close(fd);
			free(buf);
			return NULL;
		}
		len += (size_t)n;
		if (size - len < 2048)
			buf = realloc(buf, size *= 2);
	}
	close(fd);
	if (!buf)
		die("out of memory");
	buf[len] = '\0';
	return buf;
}

static int put(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

void write_text(const char *path, const char *text)
{
	int err = put(path, text, O_CREAT | O_TRUNC);

	if (err)
		die("write %s: %s", path, strerror(-err));
}

int put_text(const char *path, const char *text)
{
	return put(path, text, 0);
}

void make_dirs(const char *path)
{
	char *copy = strdup(path);

	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			die("mkdir %s: %s", copy, strerror(errno));
		*p = c;
		if (c == '\0')
			break;
	}
	free(copy);
}

void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	static char buf[65536];
	struct stat st;
	ssize_t n;

	if (in < 0 || fstat(in, &st) < 0)
		die("open %s: %s", from, strerror(errno));
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (out < 0)
		die("create %s: %s", to, strerror(errno));
	while ((n = read(in, buf, sizeof buf)) > 0)
		if (write(out, buf, (size_t)n) != n)
			die("write %s: %s", to, strerror(errno));
	fchmod(out, st.st_mode & 07777);
	close(in);
	close(out);
}

static void remove_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *e;
	DIR *d;

	if (fd < 0 || !(d = fdopendir(fd))) {
		unlinkat(dir, name, 0);
		return;
	}
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			remove_at(fd, e->d_name);
	closedir(d);
	unlinkat(dir, name, AT_REMOVEDIR);
}

void remove_tree(const char *path)
{
	remove_at(AT_FDCWD, path);
}

char *fmt_text(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		die("out of memory");
	return s;
}

extern char **environ;

pid_t command_start(const struct command *c)
{
	static int null = -1;
	pid_t pid;

	if (null < 0)
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid = vfork();
	if (pid < 0)
		die("vfork: %s", strerror(errno));
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (dup2(c->in < 0 ? null : c->in, 0) < 0 || dup2(c->out < 0 ? null : c->out, 1) < 0 ||
			dup2(c->err < 0 ? null : c->err, 2) < 0)
			_exit(127);
		execve(c->argv[0], c->argv, environ);
		_exit(127);
	}
	return pid;
}

static int status_of(int wstatus)
{
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : 128 + WTERMSIG(wstatus);
}

struct outcome command_run(const struct command *c, bool reap_all)
{
	struct outcome o = {0};
	int64_t start = now_ns(), limit = (int64_t)(c->limit_ms ? c->limit_ms : 60000) * 1000000;
	sigset_t chld, old;
	pid_t pid, got;
	int st;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	pid = command_start(c);
	for (;;) {
		got = wait4(reap_all ? -1 : pid, &st, WNOHANG | __WALL, &o.usage);
		if (got == pid)
			break;
		if (got > 0)
			continue;
		if (!o.hung && now_ns() - start > limit) {
			o.hung = true;
			kill(pid, SIGKILL);
			limit *= 4;
		}
		sigtimedwait(&chld, NULL, &(struct timespec){.tv_nsec = 50000000});
	}
	o.ns = now_ns() - start;
	o.status = status_of(st);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return o;
}

int reap_orphans(void)
{
	int n = 0;

	while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
		n++;
	return n;
}
