/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_STATS_H
#define OCI_RT_RUNTIME_CGROUP_STATS_H

#include "runtime/cgroup/internal.h"

/* A whole file, or NULL. */
char *stat_read(const struct hierarchy *h, struct arena *a, const char *file);
/* A single number; 0 when there is none. */
uint64_t stat_number(const struct hierarchy *h, const char *file);
/* "key value" lines; cuts text up. */
size_t stat_table(struct arena *a, char *text, struct cgroup_stat_entry **entries);
uint64_t stat_value(const struct cgroup_stat_entry *entries, size_t count, const char *key);
void stat_psi_parse(const char *text, struct cgroup_psi *psi);
void stat_blkio_add(struct arena *a, struct cgroup_blkio_list *list, struct cgroup_blkio_entry entry);

void stats_v1(const struct cgroup *cg, struct arena *a, struct cgroup_stats *s);
void stats_v2(const struct hierarchy *h, struct arena *a, struct cgroup_stats *s);

/* "8:0 Read 4096\n…\nTotal 8192" (v1); cuts text up. */
void stat_blkio_v1(struct arena *a, char *text, struct cgroup_blkio_list *list);
/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …" (v2); cuts text up. */
void stat_io_v2(struct arena *a, char *text, struct cgroup_stats *s);

#endif
