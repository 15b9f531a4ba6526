/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the security-equality oracle.  The container's program
 * (view.c) printed its confinement; whatever fault was injected, if the runtime
 * said success the view must equal the one of a run without faults.  Both are
 * compared as multisets of lines; a mount is preceded by how many earlier ones it
 * covers (same point, or below it): what lies over what is part of the confinement,
 * the order of neighbours is not.
 *
 * Also a command: secdiff EXPECTED GOT (files with raw views).
 */
#include "tests/faults/secdiff.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults/support.h"

#define MAX_LINES 2048

bool view_is_complete(const char *view)
{
	return view && strstr(view, "== end") != NULL;
}

/* "namespace net:[4026531840]": own, or shared with us. */
static char *normal_namespace(const char *line)
{
	const char *kind = line + strlen("namespace "), *colon = strchr(kind, ':');
	char *path, target[64];
	ssize_t n;

	if (!colon)
		return strdup(line);
	path = fmt_text("/proc/self/ns/%.*s", (int)(colon - kind), kind);
	n = readlink(path, target, sizeof target - 1);
	free(path);
	target[n < 0 ? 0 : n] = '\0';
	return fmt_text("namespace %.*s %s", (int)(colon - kind), kind, strcmp(kind, target) ? "own" : "shared");
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many of the earlier mounts lie at or below the point of this one? */
static int covers(const char *mount, char *const *earlier, size_t n)
{
	size_t len = strcspn(mount, " ");
	int count = 0;

	if (len == 1) /* the root comes first and covers nothing */
		return 0;
	for (size_t i = 0; i < n; i++)
		count += !strncmp(earlier[i], mount, len) && (earlier[i][len] == ' ' || earlier[i][len] == '/');
	return count;
}

char *view_normalise(const char *view)
{
	char *copy = strdup(view), *save = NULL, *line[MAX_LINES], *mount[MAX_LINES], *text;
	size_t n = 0, len = 1, mounts = 0;

	for (char *l = strtok_r(copy, "\r\n", &save); l && n < MAX_LINES; l = strtok_r(NULL, "\r\n", &save)) {
		if (!strncmp(l, "namespace ", 10)) {
			line[n++] = normal_namespace(l);
		} else if (!strncmp(l, "mount: ", 7)) {
			line[n++] = fmt_text("mount: %d %s", covers(l + 7, mount, mounts), l + 7);
			mount[mounts++] = l + 7;
		} else {
			line[n++] = strdup(l);
		}
		len += strlen(line[n - 1]) + 1;
	}
	free(copy);
	qsort(line, n, sizeof *line, compare);
	text = malloc(len);
	if (!text)
		die("out of memory");
	*text = '\0';
	len = 0;
	for (size_t i = 0; i < n; i++) {
		len += (size_t)sprintf(text + len, "%s\n", line[i]);
		free(line[i]);
	}
	return text;
}

static size_t split(char *text, char **line)
{
	char *save = NULL;
	size_t n = 0;

	for (char *l = strtok_r(text, "\n", &save); l && n < MAX_LINES; l = strtok_r(NULL, "\n", &save))
		line[n++] = l;
	return n;
}

int view_diff(const char *expected, const char *got, FILE *out)
{
	char *a = strdup(expected), *b = strdup(got), *la[MAX_LINES], *lb[MAX_LINES];
	size_t na = split(a, la), nb = split(b, lb), i = 0, j = 0;
	int n = 0;

	while (i < na || j < nb) {
		int c = i == na ? 1 : j == nb ? -1 : strcmp(la[i], lb[j]);

		if (c != 0) {
			n++;
			if (out)
				fprintf(out, "%c %s\n", c < 0 ? '-' : '+', c < 0 ? la[i] : lb[j]);
		}
		i += c <= 0;
		j += c >= 0;
	}
	free(a);
	free(b);
	return n;
}
