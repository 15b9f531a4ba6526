/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: /proc/PID/net/dev (proc_pid_net(5)) shows the namespace of that process: nobody has to enter it. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/procfs.h"
#include "runtime/command/events_internal.h"

#define DEV_MAX (4 * 1024 * 1024)

static bool same_namespace(int proc_fd, pid_t pid)
{
	struct stat mine, theirs;
	char path[48];

	snprintf(path, sizeof path, "%d/ns/net", pid);
	return fstatat(proc_fd, path, &theirs, 0) < 0 || fstatat(proc_fd, "self/ns/net", &mine, 0) < 0 ||
	       (theirs.st_dev == mine.st_dev && theirs.st_ino == mine.st_ino);
}

static bool parse_line(struct arena *a, char *line, struct network_interface *n)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return false;
	*colon = '\0';
	line += strspn(line, " ");
	if (strcmp(line, "lo") == 0)
		return false;
	*n = (struct network_interface){ .name = arena_strdup(a, line) };
	/* bytes packets errs drop fifo frame compressed multicast, then the same for sending */
	return sscanf(colon + 1,
		       "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64
		       " %" SCNu64,
		       &n->rx_bytes, &n->rx_packets, &n->rx_errors, &n->rx_dropped, &n->tx_bytes, &n->tx_packets,
		       &n->tx_errors, &n->tx_dropped) == 8;
}

size_t events_network(int proc_fd, pid_t pid, struct arena *a, struct network_interface **interfaces)
{
	char path[48], *text, *save = NULL;
	struct error ignored = { 0 };
	size_t count = 0;

	*interfaces = NULL;
	if (same_namespace(proc_fd, pid))
		return 0;
	snprintf(path, sizeof path, "%d/net/dev", pid);
	if (proc_read(proc_fd, path, a, DEV_MAX, &text, NULL, &ignored) < 0)
		return 0;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		struct network_interface n;

		if (!parse_line(a, l, &n))
			continue;
		*interfaces = arena_grow(a, *interfaces, count * sizeof n, (count + 1) * sizeof n);
		(*interfaces)[count++] = n;
	}
	return count;
}
