/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_ERROR_H
#define OCI_RT_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/*
 * Errors are values.  A function that can fail returns 0 or a negative errno
 * and fills the struct error its caller passed in; nobody but the command
 * layer prints.  The struct is flat and smaller than PIPE_BUF, so that the
 * container side of a run can hand it to the host side in one write().
 */

/* Stable names for programs that read the JSON log (member "code"). */
enum error_code {
	ERR_NONE = 0,
	ERR_USAGE,	    /* the command line is wrong */
	ERR_CONFIG,	    /* config.json (or a process, resources file) is invalid */
	ERR_NOT_FOUND,	    /* no such container */
	ERR_EXISTS,	    /* the id is taken */
	ERR_STATE,	    /* the container is in a state that forbids it */
	ERR_NOT_RUNNING,    /* the container's process is gone */
	ERR_EXEC_NOT_FOUND, /* the program to execute does not exist */
	ERR_EXEC_DENIED,    /* the program to execute may not be executed */
	ERR_EXEC,	    /* execve failed for another reason */
	ERR_UNSUPPORTED,    /* this host (kernel, cgroup, library) cannot do it */
	ERR_PERMISSION,	    /* the caller lacks a privilege */
	ERR_HOOK,	    /* a hook failed or timed out */
	ERR_CORRUPT,	    /* a file of ours does not parse */
	ERR_TIMEOUT,	    /* something did not happen in time */
	ERR_SYSTEM,	    /* a system call failed */
	ERR_CODE_COUNT
};

struct error {
	int errnum;	      /* positive errno value that the function returned, negated */
	enum error_code code; /* stable class */
	char step[64];	      /* step of the plan that failed ("mount"), or "" */
	char path[256];	      /* JSON path of the property at fault ("mounts[3]"), or "" */
	char msg[1792];	      /* one line: doing what, to which object, why it failed */
	char hint[512];	      /* what to do about it, or "" */
};

/* Set the message.  Returns -errnum (-EINVAL when errnum is 0).  err may be NULL. */
int error_set(struct error *err, enum error_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

/* A system call failed with errnum: message + ": " + error_text(errnum).  Code ERR_SYSTEM
 * (ERR_PERMISSION for EPERM and EACCES).  Returns -errnum. */
int error_sys(struct error *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4), cold));

/* Put "text: " before the message: what the caller was doing.  Returns -err->errnum. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Say what to do about it.  The first (innermost) hint wins. */
void error_hint(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Name the JSON path at fault.  The first (innermost) path wins. */
void error_path(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Forget everything: err is as new. */
void error_clear(struct error *err);

/* "invalid-config" for ERR_CONFIG, ... ; never NULL. */
const char *error_code_name(enum error_code code);

/* Text of an errno value with its name: "device or resource busy (EBUSY)".  ENOENT, EACCES and
 * EPERM are phrased in words of our own: engines search error texts for the C library's phrases to
 * tell "command not found" (exit status 127) and "cannot execute" (126) from other failures, so
 * these phrases belong to execve alone.  Returns a string that lives as long as the thread. */
const char *error_text(int errnum);

#endif
