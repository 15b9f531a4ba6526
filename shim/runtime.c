/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: create and exec inherit the container's streams, so their
 * errors can be read only from the JSON log; the other commands are captured.
 * The text of an error is passed on unchanged: engines read it.
 */
#include "shim/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/json.h"
#include "shim/slog.h"

#define ARGS_MAX 64
#define LOG_TAIL (64 * 1024)

static const char *log_path(struct container *c, const char *log, struct arena *a)
{
	return arena_printf(a, "%s/%s", c->bundle, log ? log : "log.json");
}

struct job *runtime_start(struct container *c, const char *log, const char *const *args, const struct job_spec *spec,
	void (*done)(struct job *, unsigned int), void *context, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct job_spec s = *spec;
	const char *argv[ARGS_MAX];
	int n = 0;

	argv[n++] = c->runtime;
	argv[n++] = "--root";
	argv[n++] = c->root;
	argv[n++] = "--log";
	argv[n++] = log_path(c, log, &a);
	argv[n++] = "--log-format";
	argv[n++] = "json";
	if (c->options.systemd_cgroup)
		argv[n++] = "--systemd-cgroup";
	for (; *args; args++) {
		if (n == ARGS_MAX - 1) {
			error_set(err, ERR_USAGE, E2BIG, "too many arguments for the runtime");
			return NULL;
		}
		argv[n++] = *args;
	}
	argv[n] = NULL;
	s.argv = argv;
	slog_debug("container %s: %s", c->id, args[-1]);
	return job_start(&s, done, context, err);
}

off_t runtime_log_size(struct container *c, const char *log)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	struct stat st;

	return stat(log_path(c, log, &a), &st) == 0 ? st.st_size : 0;
}

struct entry {
	bool error;
	char *text;
	size_t size;
	char msg[3500];
};

static void on_value(void *context, const struct json_value *v)
{
	struct entry *e = context;

	if (json_at(v, "level", NULL) && v->kind == JSON_STRING)
		e->error = strcmp(v->text, "error") == 0 || strcmp(v->text, "fatal") == 0;
	else if (json_at(v, "msg", NULL) && v->kind == JSON_STRING)
		snprintf(e->msg, sizeof e->msg, "%s", v->text);
	else if (v->depth == 0 && v->kind == JSON_OBJECT_END && e->error && e->msg[0])
		snprintf(e->text, e->size, "%s", e->msg);
}

void runtime_error(struct container *c, const char *log, off_t since, const char *output, unsigned int status,
	char *text, size_t size)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	_cleanup_fd_ int fd = open(log_path(c, log, &a), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *buf, *line;
	ssize_t n;

	text[0] = '\0';
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > since) {
		if (st.st_size - since > LOG_TAIL)
			since = st.st_size - LOG_TAIL;
		buf = arena_alloc(&a, LOG_TAIL + 1);
		n = pread(fd, buf, LOG_TAIL, since);
		buf[n > 0 ? n : 0] = '\0';
		while ((line = strsep(&buf, "\n"))) {
			struct entry e = {.text = text, .size = size};

			json_scan(line, strlen(line), on_value, &e);
		}
	}
	if (!text[0] && output && *output) {
		snprintf(text, size, "%s", output);
		text[strcspn(text, "\r\n")] = '\0';
	}
	if (!text[0] && status == 127)
		snprintf(text, size, "%s could not be executed", c->runtime);
	else if (!text[0] && status > 128)
		snprintf(text, size, "the runtime was killed by signal %u", status - 128);
	else if (!text[0])
		snprintf(text, size, "the runtime ended with status %u", status);
}

bool runtime_says_gone(const char *text)
{
	static const char *const phrases[] = {"process already finished", "container not running", "no such process",
		"does not exist", "not running", "No such process", "no such container", "container not found"};

	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
		if (strstr(text, phrases[i]))
			return true;
	}
	return false;
}
