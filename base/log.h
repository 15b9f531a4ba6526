/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_LOG_H
#define OCI_RT_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

/*
 * The log of a program run: stderr, or the file named by --log, as text or as
 * one JSON object per line (level, msg, time; for errors also code, step, path,
 * hint).  Control bytes in messages are escaped: the text may quote a config.
 *
 * Engines that read a JSON log expect an error to be its only object, so
 * warnings are kept back and written only when the run ends without an error.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_options {
	const char *program; /* prefix of text messages on stderr */
	const char *file;    /* NULL: stderr; [file:]PATH, syslog:NAME, journald:NAME */
	bool json;
	enum log_level level; /* messages above it are dropped */
};

/* Open the log (a file is appended to, 0600 when created).  Until then everything goes to stderr as text. */
int log_open(const struct log_options *options, struct error *err);

void log_error(const struct error *err);
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Is a level wanted?  For messages that cost something to make. */
bool log_wants(enum log_level level);

/* Write the warnings kept back, unless an error was logged to a JSON log. */
void log_flush(void);

/* Forget the log file and fall back to stderr: after setns, in a child. */
void log_detach(void);

#endif
