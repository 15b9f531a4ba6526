/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one message is one write() of one line, formatted on the
 * stack, so that lines of concurrent runs do not mix and nothing can fail for
 * want of memory.  Warnings wait in a fixed buffer (see log.h); when it is full
 * the rest is dropped.  syslog and journald get each message as one datagram.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

/* Where the log goes, as crun's --log names it. */
enum backend { BACKEND_FILE, BACKEND_SYSLOG, BACKEND_JOURNALD };

#define SYSLOG_SOCKET	"/dev/log"
#define JOURNALD_SOCKET "/run/systemd/journal/socket"

static struct {
	struct log_options options;
	enum backend backend;
	const char *identifier; /* of syslog and journald */
	int fd;
	bool failed; /* an error was logged */
	char kept[8192];
	size_t kept_len;
} state = { .options = { .program = "oci-rt", .level = LOG_LEVEL_WARNING }, .fd = -1 };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

struct line {
	char buf[8192];
	size_t len;
};

static void put_raw(struct line *l, const char *s)
{
	size_t n = strlen(s);

	if (n > sizeof l->buf - 2 - l->len)
		n = sizeof l->buf - 2 - l->len;
	memcpy(l->buf + l->len, s, n);
	l->len += n;
}

/* Text with control bytes (and, for JSON, quotes and backslashes) escaped.  Bytes above 0x7f pass: they are
 * UTF-8 from a checked config, or from the command line. */
static void put_escaped(struct line *l, const char *s, bool json)
{
	for (; *s && l->len < sizeof l->buf - 16; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			l->len += (size_t)sprintf(l->buf + l->len, json ? "\\u%04x" : "\\x%02x", c);
		else if (json && (c == '"' || c == '\\'))
			l->len += (size_t)sprintf(l->buf + l->len, "\\%c", c);
		else
			l->buf[l->len++] = (char)c;
	}
}

static void put_member(struct line *l, const char *name, const char *value)
{
	if (!*value)
		return;
	if (l->buf[l->len - 1] != '{')
		put_raw(l, ",");
	put_raw(l, "\"");
	put_raw(l, name);
	put_raw(l, "\":\"");
	put_escaped(l, value, true);
	put_raw(l, "\"");
}

/* What a datagram to syslog or to journald begins with. */
static void put_header(struct line *l, enum log_level level)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	char text[64];

	if (state.backend == BACKEND_SYSLOG) {
		snprintf(text, sizeof text, "<%d>", LOG_DAEMON | priorities[level]);
		put_raw(l, text);
		put_escaped(l, state.identifier, false);
		put_raw(l, ": ");
	} else if (state.backend == BACKEND_JOURNALD) {
		snprintf(text, sizeof text, "PRIORITY=%d\nSYSLOG_IDENTIFIER=", priorities[level]);
		put_raw(l, text);
		put_escaped(l, state.identifier, false);
		put_raw(l, "\nMESSAGE=");
	}
}

static void format(struct line *l, enum log_level level, const char *msg, const struct error *err)
{
	l->len = 0;
	put_header(l, level);
	if (state.options.json) {
		char text[CLOCK_RFC3339_SIZE];

		clock_rfc3339(text);
		put_raw(l, "{");
		put_member(l, "level", level_names[level]);
		put_member(l, "msg", msg);
		if (err) {
			put_member(l, "code", error_code_name(err->code));
			put_member(l, "step", err->step);
			put_member(l, "path", err->path);
			put_member(l, "hint", err->hint);
		}
		put_member(l, "time", text);
		put_raw(l, "}");
	} else {
		put_raw(l, state.options.program);
		put_raw(l, ": ");
		if (level != LOG_LEVEL_ERROR) {
			put_raw(l, level_names[level]);
			put_raw(l, ": ");
		}
		put_escaped(l, msg, false);
		if (err && err->hint[0]) {
			put_raw(l, " (");
			put_escaped(l, err->hint, false);
			put_raw(l, ")");
		}
	}
	l->buf[l->len++] = '\n';
}

static void emit(const char *buf, size_t len)
{
	(void)!fd_write_all(state.fd >= 0 ? state.fd : STDERR_FILENO, buf, len);
}

/* The service's socket, connected; the messages are then written to it as to a file. */
static int open_service(const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return error_sys(err, errno, "open the log: connect to %s", path);
	return fd_take(&fd);
}

static bool begins(const char *text, const char *prefix, const char **rest)
{
	size_t n = strlen(prefix);

	*rest = text + n;
	return strncmp(text, prefix, n) == 0;
}

int log_open(const struct log_options *options, struct error *err)
{
	const char *file = options->file, *rest;

	if (options->program)
		state.options.program = options->program;
	state.options.json = options->json;
	state.options.level = options->level;
	if (!file)
		return 0;
	if (begins(file, "syslog:", &rest) || begins(file, "journald:", &rest)) {
		state.backend = *file == 's' ? BACKEND_SYSLOG : BACKEND_JOURNALD;
		state.identifier = *rest ? rest : state.options.program;
		state.fd = open_service(state.backend == BACKEND_SYSLOG ? SYSLOG_SOCKET : JOURNALD_SOCKET, err);
		if (state.fd < 0)
			state.backend = BACKEND_FILE;
		return state.fd < 0 ? state.fd : 0;
	}
	if (begins(file, "file:", &rest))
		file = rest;
	state.fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (state.fd < 0)
		return error_sys(err, errno, "open log file %s", file);
	return 0;
}

bool log_wants(enum log_level level)
{
	return level <= state.options.level;
}

void log_error(const struct error *err)
{
	struct line l;

	format(&l, LOG_LEVEL_ERROR, err->msg, err);
	state.failed = true;
	emit(l.buf, l.len);
	if (state.fd >= 0) {
		/* The caller of a program with --log still wants to see on its stderr why it failed. */
		bool json = state.options.json;
		enum backend backend = state.backend;

		state.options.json = false;
		state.backend = BACKEND_FILE;
		format(&l, LOG_LEVEL_ERROR, err->msg, err);
		state.options.json = json;
		state.backend = backend;
		(void)!fd_write_all(STDERR_FILENO, l.buf, l.len);
	}
}

static void keep_or_emit(const struct line *l)
{
	/* A service takes one message at a time, and nobody parses them for an error. */
	if (!state.options.json || state.backend != BACKEND_FILE) {
		emit(l->buf, l->len);
	} else if (l->len <= sizeof state.kept - state.kept_len) {
		memcpy(state.kept + state.kept_len, l->buf, l->len);
		state.kept_len += l->len;
	}
}

static void __attribute__((format(printf, 2, 0))) vlog(enum log_level level, const char *fmt, va_list ap)
{
	char msg[2048];
	struct line l;

	if (!log_wants(level))
		return;
	vsnprintf(msg, sizeof msg, fmt, ap);
	format(&l, level, msg, NULL);
	keep_or_emit(&l);
}

void log_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LEVEL_WARNING, fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

void log_flush(void)
{
	if (!state.failed && state.kept_len)
		emit(state.kept, state.kept_len);
	state.kept_len = 0;
}

void log_detach(void)
{
	if (state.fd >= 0)
		close(state.fd);
	state.fd = -1;
	state.backend = BACKEND_FILE;
}
