/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_CONVERT_H
#define OCI_RT_RUNTIME_CGROUP_CONVERT_H

#include "base/error.h"
#include "specs/config.h"

/*
 * The configuration speaks the numbers of cgroup v1.  These pure functions turn
 * them into v2's, and values into the text of the kernel's files.
 */

#define CONVERT_TEXT 64

/* cpu.shares → cpu.weight: 0 → 0 (leave alone), ≤ 2 → 1, 1024 → 100, ≥ 262144 → 10000; in between the least integer
 * not below 10^((L² + 125L)/612 − 7/34), L = log2(shares). */
uint64_t convert_shares(uint64_t shares);

/* blockIO.weight (10 … 1000) → io.weight (1 … 10000); 0 → 0 (leave alone). */
uint64_t convert_blkio_weight(uint64_t weight);

/* cpu.quota and cpu.period → cpu.max.  "" when neither is set. */
void convert_cpu_max(struct opt_i64 quota, struct opt_u64 period, char text[static CONVERT_TEXT]);

/* memory.swap (memory and swap together) and memory.limit → memory.swap.max (swap alone).  "" when there is nothing
 * to write.  0 means "not set", as with both peers.  -EINVAL when it cannot be converted. */
int convert_swap(struct opt_i64 limit, struct opt_i64 swap, char text[static CONVERT_TEXT], struct error *err);

/* A limit in bytes: "max" (v2) or "-1" (v1) for a negative one. */
void convert_bytes(int64_t value, bool v2, char text[static CONVERT_TEXT]);

/* cpu.quota per cpu.period → systemd's CPUQuotaPerSecUSec, rounded up to 10 ms; UINT64_MAX: none.  The quota that
 * this amounts to is stored in *rounded, so that file and property agree. */
uint64_t convert_quota_per_second(int64_t quota, uint64_t period, int64_t *rounded);

/* "0-3,7" → bits, the first in the lowest bit of byte 0 (systemd's AllowedCPUs).  Returns the number of bytes, or
 * -EINVAL, -E2BIG. */
int convert_cpu_list(const char *list, uint8_t *bits, size_t size);

/* "2MB", "1GB", "64KB": may it be part of a file name? */
bool convert_page_size_valid(const char *size);

#endif
