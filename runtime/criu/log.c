/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: criu answers with "failed" and an error number at most;
 * the reason is in its log.  The end of the log is read, and what it calls an
 * error goes into our message.
 *
 * Lines look like "(00.012345) Error (criu/mount.c:1234): mnt: text".  The C
 * library's phrases for ENOENT, EACCES and EPERM are put in other words: engines
 * take them for a program that could not be executed (base/error.h).
 */
#include "runtime/criu/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define TAIL (256 * 1024)
#define LINES 4

static const struct {
	const char *phrase, *instead;
} phrases[] = {
	{ "No such file or directory", "ENOENT" },
	{ "Permission denied", "EACCES" },
	{ "Operation not permitted", "EPERM" },
};

/* In place: the replacement is shorter. */
static void reword(char *line)
{
	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
		size_t n = strlen(phrases[i].phrase), m = strlen(phrases[i].instead);
		char *at;

		while ((at = strstr(line, phrases[i].phrase))) {
			memcpy(at, phrases[i].instead, m);
			memmove(at + m, at + n, strlen(at + n) + 1);
		}
	}
}

/* What an error line says, or NULL. */
static char *error_text_of(char *line)
{
	char *at = strstr(line, "Error (");

	if (!at)
		return NULL;
	at = strstr(at, "): ");
	if (!at)
		return NULL;
	at += 3;
	/* The verdict is known. */
	if (strncmp(at, "Dumping FAILED", 14) == 0 || strncmp(at, "Restoring FAILED", 16) == 0 ||
		strncmp(at, "Pre-dumping FAILED", 18) == 0)
		return NULL;
	reword(at);
	return at;
}

static char *read_tail(int dirfd, const char *name, struct arena *a)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n;
	char *buf;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	if (st.st_size > TAIL && lseek(fd, -TAIL, SEEK_END) < 0)
		return NULL;
	buf = arena_alloc(a, TAIL + 1);
	n = fd_read_full(fd, buf, TAIL);
	return n > 0 ? buf : NULL;
}

void criu_log_quote(int dirfd, const char *dir, const char *name, struct arena *a, struct error *err)
{
	char *text = read_tail(dirfd, name, a), *last[LINES] = { 0 };
	size_t n = 0;

	if (!text)
		return;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *said = error_text_of(line);

		/* The same is often said twice. */
		if (said && !(n && strcmp(last[(n - 1) % LINES], said) == 0))
			last[n++ % LINES] = said;
	}
	for (size_t first = n > LINES ? n - LINES : 0, i = first; i < n; i++) {
		size_t used = strlen(err->msg);

		snprintf(err->msg + used, sizeof err->msg - used, "%s%.350s", i == first ? ": " : "; ", last[i % LINES]);
	}
	error_hint(err, "see %s/%s", dir, name);
}

int criu_log_clear(int dirfd, const char *dir, const char *const *names, struct error *err)
{
	for (; *names; names++)
		if (unlinkat(dirfd, *names, 0) < 0 && errno != ENOENT)
			return error_sys(err, errno, "remove the old %s/%s", dir, *names);
	return 0;
}
