/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_FAULTS_LEAKCHECK_H
#define OCI_RT_TESTS_FAULTS_LEAKCHECK_H

#include <stddef.h>
#include <stdio.h>

/* A snapshot: sorted lines "class item". */
struct leak_set {
	char **line;
	size_t count, size;
};

/* Where to look; NULL members mean the defaults. */
struct leak_scope {
	const char *const *dirs;	/* trees whose files count; default /run /tmp /var/tmp /dev/shm */
	const char *const *hierarchies; /* cgroup mounts; default: all of mountinfo */
	const char *match;		/* only processes, cgroups and files whose line holds this text */
	const char *key_match; /* only keys that hold this text (keys are the whole machine's); default: match */
	const char *class;     /* only these classes, comma-separated; default all */
};

void leak_snapshot(struct leak_set *set, const struct leak_scope *scope);
void leak_free(struct leak_set *set);

/* Print "+ line" (came) and "- line" (went) to out, which may be NULL; the number of differences. */
int leak_diff(const struct leak_set *before, const struct leak_set *after, FILE *out);

/* Snapshot again and again until it equals before or the time is over; the differences that stay. */
int leak_settle(const struct leak_set *before, const struct leak_scope *scope, int limit_ms, FILE *out);

void leak_save(const struct leak_set *set, const char *path);
int leak_load(struct leak_set *set, const char *path);

#endif
