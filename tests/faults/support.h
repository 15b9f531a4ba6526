/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_FAULTS_SUPPORT_H
#define OCI_RT_TESTS_FAULTS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Print the message and end the program with status 2: the harness itself failed, not what it tests. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Monotonic clock. */
int64_t now_ns(void);
void sleep_ms(int ms);

/* Whole file into a malloc'ed, NUL-terminated buffer; NULL when it cannot be read. */
char *read_text(const char *path);
/* Create or replace; dies on failure. */
void write_text(const char *path, const char *text);
/* Write into an existing (pseudo) file; 0 or a negative errno. */
int put_text(const char *path, const char *text);
/* mkdir -p; dies on failure. */
void make_dirs(const char *path);
/* Copy a file with its mode; dies on failure. */
void copy_file(const char *from, const char *to);
/* Remove a tree on one file system; errors are ignored. */
void remove_tree(const char *path);
/* printf into malloc'ed memory. */
char *fmt_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* How a command ended. */
struct outcome {
	bool hung;  /* did not end within its limit; it was killed */
	int status; /* exit status, or 128 + signal */
	int64_t ns; /* wall time */
	struct rusage usage;
};

/* A command to start: descriptors -1 mean /dev/null. */
struct command {
	char *const *argv;
	int in, out, err;
	int limit_ms; /* 0: 60 s */
};

/* Start (vfork + execv); the child's process id. */
pid_t command_start(const struct command *c);
/* Start and wait for the end.  Other children that end meanwhile are reaped when reap_all is set. */
struct outcome command_run(const struct command *c, bool reap_all);
/* Reap every child that has already ended; their number. */
int reap_orphans(void);

#endif
