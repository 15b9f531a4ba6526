/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see error.h.  Everything here only formats into the
 * caller's struct; nothing allocates, so that it works in a child after clone.
 */
#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[ERR_CODE_COUNT] = {
	[ERR_NONE] = "none",
	[ERR_USAGE] = "usage",
	[ERR_CONFIG] = "invalid-config",
	[ERR_NOT_FOUND] = "not-found",
	[ERR_EXISTS] = "exists",
	[ERR_STATE] = "wrong-state",
	[ERR_NOT_RUNNING] = "not-running",
	[ERR_EXEC_NOT_FOUND] = "exec-not-found",
	[ERR_EXEC_DENIED] = "exec-denied",
	[ERR_EXEC] = "exec-failed",
	[ERR_UNSUPPORTED] = "unsupported",
	[ERR_PERMISSION] = "permission",
	[ERR_HOOK] = "hook-failed",
	[ERR_CORRUPT] = "corrupt",
	[ERR_TIMEOUT] = "timeout",
	[ERR_SYSTEM] = "system",
};

const char *error_code_name(enum error_code code)
{
	if ((unsigned)code >= ERR_CODE_COUNT)
		return "unknown";
	return code_names[code];
}

const char *error_text(int errnum)
{
	static __thread char buf[128];
	const char *name = strerrorname_np(errnum);
	const char *text;

	switch (errnum) {
	case ENOENT:
		text = "not found";
		break;
	case EACCES:
		text = "access denied";
		break;
	case EPERM:
		text = "not allowed";
		break;
	default:
		text = strerrordesc_np(errnum);
		break;
	}
	if (!text || !name)
		snprintf(buf, sizeof buf, "errno %d", errnum);
	else
		snprintf(buf, sizeof buf, "%c%s (%s)", tolower((unsigned char)text[0]), text + 1, name);
	return buf;
}

static void __attribute__((format(printf, 4, 0))) vset(struct error *err, enum error_code code, int errnum, const char *fmt, va_list ap)
{
	err->errnum = errnum;
	err->code = code;
	vsnprintf(err->msg, sizeof err->msg, fmt, ap);
}

int error_set(struct error *err, enum error_code code, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (errnum == 0)
		errnum = EINVAL;
	if (err) {
		va_start(ap, fmt);
		vset(err, code, errnum, fmt, ap);
		va_end(ap);
	}
	return -errnum;
}

int error_sys(struct error *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (errnum == 0)
		errnum = EIO;
	if (err) {
		va_start(ap, fmt);
		vset(err, errnum == EPERM || errnum == EACCES ? ERR_PERMISSION : ERR_SYSTEM, errnum, fmt, ap);
		va_end(ap);
		n = strlen(err->msg);
		snprintf(err->msg + n, sizeof err->msg - n, ": %s", error_text(errnum));
	}
	return -errnum;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	char head[sizeof err->msg];
	va_list ap;
	size_t n, rest;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	n = strlen(head);
	if (n > sizeof err->msg - 3)
		n = sizeof err->msg - 3;
	rest = strlen(err->msg);
	if (rest > sizeof err->msg - 3 - n)
		rest = sizeof err->msg - 3 - n;
	memmove(err->msg + n + 2, err->msg, rest);
	err->msg[n + 2 + rest] = '\0';
	memcpy(err->msg, head, n);
	memcpy(err->msg + n, ": ", 2);
	return -err->errnum;
}

void error_hint(struct error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->hint[0])
		return;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof err->hint, fmt, ap);
	va_end(ap);
}

void error_path(struct error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->path[0])
		return;
	va_start(ap, fmt);
	vsnprintf(err->path, sizeof err->path, fmt, ap);
	va_end(ap);
}

void error_clear(struct error *err)
{
	err->errnum = 0;
	err->code = ERR_NONE;
	err->step[0] = err->path[0] = err->msg[0] = err->hint[0] = '\0';
}
