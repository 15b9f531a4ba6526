/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_EVENTS_INTERNAL_H
#define OCI_RT_RUNTIME_COMMAND_EVENTS_INTERNAL_H

#include "base/json_write.h"
#include "runtime/cgroup/cgroup.h"

/* Shared by runtime/command/events*.c, for nobody else. */

/* The object "data" of an event of type "stats", with the names that runc gave it.  interfaces may be NULL: the
 * container has no network of its own. */
struct network_interface {
	const char *name;
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped;
};
void events_write_stats(struct json_writer *w, const struct cgroup_stats *stats,
	const struct network_interface *interfaces, size_t count);

/* The interfaces in the network namespace of a process, without loopback; none when the namespace is the caller's. */
size_t events_network(int proc_fd, pid_t pid, struct arena *a, struct network_interface **interfaces);

/* "5s", "1m30s", "1.5h", "500ms" → milliseconds, at least 1.  -1: not that, or not above 0. */
int64_t events_interval(const char *text);

#endif
