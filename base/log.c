/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one message is one write() of one line, formatted on the
 * stack, so that lines of concurrent runs do not mix and nothing can fail for
 * want of memory.  Warnings wait in a fixed buffer (see log.h); when it is full
 * the rest is dropped.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static struct {
	struct log_options options;
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
	if (l->len > 1)
		put_raw(l, ",");
	put_raw(l, "\"");
	put_raw(l, name);
	put_raw(l, "\":\"");
	put_escaped(l, value, true);
	put_raw(l, "\"");
}

static void format(struct line *l, enum log_level level, const char *msg, const struct error *err)
{
	l->len = 0;
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

int log_open(const struct log_options *options, struct error *err)
{
	if (options->program)
		state.options.program = options->program;
	state.options.json = options->json;
	state.options.level = options->level;
	if (!options->file)
		return 0;
	state.fd = open(options->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	if (state.fd < 0)
		return error_sys(err, errno, "open log file %s", options->file);
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

		state.options.json = false;
		format(&l, LOG_LEVEL_ERROR, err->msg, err);
		state.options.json = json;
		(void)!fd_write_all(STDERR_FILENO, l.buf, l.len);
	}
}

static void keep_or_emit(const struct line *l)
{
	if (!state.options.json) {
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
}
