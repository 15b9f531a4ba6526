/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one line is one write() below PIPE_BUF on a non-blocking
 * descriptor, so it is in the pipe whole or not at all.  The FIFO is opened for
 * reading and writing: that never blocks, never fails for want of a reader and
 * never raises SIGPIPE, and lines written while containerd restarts are still
 * there afterwards.
 */
#include "shim/slog.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool debug_wanted;

void slog_open(bool debug)
{
	struct stat st;
	int fd = open("log", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	debug_wanted = debug;
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && fd != STDERR_FILENO) {
		dup3(fd, STDERR_FILENO, O_CLOEXEC);
		close(fd);
	}
}

static void __attribute__((format(printf, 2, 0))) emit(const char *level, const char *fmt, va_list ap)
{
	char msg[1024], line[2400];
	struct timespec now;
	struct tm tm;
	size_t n;

	vsnprintf(msg, sizeof msg, fmt, ap);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = (size_t)snprintf(line, 128, "time=\"%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ\" level=%s msg=\"",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec, level);
	for (const char *s = msg; *s && n < sizeof line - 8; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			line[n++] = '\\';
			line[n++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			n += (size_t)sprintf(line + n, "\\x%02x", c);
		} else {
			line[n++] = (char)c;
		}
	}
	line[n++] = '"';
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, n);
}

void slog_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("error", fmt, ap);
	va_end(ap);
}

void slog_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("info", fmt, ap);
	va_end(ap);
}

void slog_debug(const char *fmt, ...)
{
	va_list ap;

	if (!debug_wanted)
		return;
	va_start(ap, fmt);
	emit("debug", fmt, ap);
	va_end(ap);
}
