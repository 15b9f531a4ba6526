/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_UPDATE_INTERNAL_H
#define OCI_RT_RUNTIME_COMMAND_UPDATE_INTERNAL_H

#include "runtime/command/command.h"
#include "specs/config.h"

/* Shared by runtime/command/update*.c, for nobody else. */

/* The flags that name a limit, for the option table. */
#define UPDATE_FLAGS                                                                                                   \
	{ .name = "blkio-weight", .value = "NUMBER", .help = "weight of block I/O, 10 to 1000" },                      \
	{ .name = "cpu-burst", .value = "USEC", .help = "CPU time that may be saved up" },                             \
	{ .name = "cpu-idle", .value = "0|1", .help = "1: run only when nobody else wants to" },                       \
	{ .name = "cpu-period", .value = "USEC", .help = "period of the quota, 1000 to 1000000" },                     \
	{ .name = "cpu-quota", .value = "USEC", .help = "CPU time in a period, -1: no limit" },                        \
	{ .name = "cpu-rt-period", .value = "USEC", .help = "period of the real-time runtime" },                       \
	{ .name = "cpu-rt-runtime", .value = "USEC", .help = "real-time CPU time in a period" },                       \
	{ .name = "cpu-share", .value = "NUMBER", .help = "weight among containers, 2 to 262144" },                    \
	{ .name = "cpuset-cpus", .value = "LIST", .help = "CPUs, as in 0-3,7" },                                       \
	{ .name = "cpuset-mems", .value = "LIST", .help = "memory nodes, as in 0-3,7" },                               \
	{ .name = "memory", .value = "SIZE", .help = "memory limit, -1: none; k, m and g are understood" },            \
	{ .name = "memory-reservation", .value = "SIZE", .help = "memory that is left alone under pressure" },         \
	{ .name = "memory-swap", .value = "SIZE", .help = "limit of memory and swap together, -1: none" },             \
	{ .name = "pids-limit", .value = "NUMBER", .help = "number of processes, -1: no limit" },                      \
	{ .name = "kernel-memory", .value = "SIZE" },                                                                  \
	{ .name = "kernel-memory-tcp", .value = "SIZE" }

/* The value of a flag; NULL when it was not given or is empty. */
const char *update_flag(const struct arguments *args, const char *name);

/* The flags as a resources document.  *any: at least one of them was given. */
int update_flags(const struct arguments *args, struct arena *a, struct config_resources *change, bool *any,
	struct error *err);

/* "64m", "1.5 GiB", "512" → bytes; "-1" → -1.  Suffixes are powers of 1024. */
int update_size(const char *flag, const char *text, int64_t *bytes, struct error *err);

/* resources.json: what resources_parse() reads. */
const char *resources_format(struct arena *a, const struct config_resources *r, size_t *len);

#endif
