/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_DEVICE_H
#define OCI_RT_RUNTIME_CGROUP_DEVICE_H

#include <linux/bpf.h>

#include "runtime/cgroup/internal.h"

/*
 * Which devices may the container's processes make, read and write?  The rules of
 * linux.resources.devices as both versions understand them.
 */
#define DEVICE_MKNOD 1u /* the kernel's BPF_DEVCG_ACC_* bits */
#define DEVICE_READ 2u
#define DEVICE_WRITE 4u
#define DEVICE_ALL 7u

struct device_rule {
	bool allow;
	char type;	      /* 'b' or 'c' */
	int64_t major, minor; /* -1: any */
	unsigned int access;
};

/* A request is decided bit by bit by the last rule that matches it, else by default_allow. */
struct device_rules {
	bool default_allow;
	struct device_rule *items;
	size_t count;
};

/*
 * The configuration's rules in order.  Everything is denied at first, and a rule
 * that covers all devices with full access forgets what was before it.  After the
 * last one that denies all, the devices that every container has (null, zero,
 * full, random, urandom, tty, ptmx, pts, tun; mknod of anything) are allowed, so
 * that later rules of the configuration can still deny them.
 */
int device_rules_make(struct arena *a, const struct config_resources *res, struct device_rules *rules, struct error *err);

/* May a request for access to a device pass?  What both versions must agree with. */
bool device_rules_decide(const struct device_rules *rules, char type, int64_t major, int64_t minor, unsigned int access);

/* The same as v1 keeps it: a default and exceptions to it that do not depend on order.  -EOPNOTSUPP when a rule takes
 * away a part of a wider one, which v1 cannot express. */
int device_rules_flatten(struct arena *a, const struct device_rules *rules, struct device_rules *flat, struct error *err);

/* The program that decides like device_rules_decide(). */
struct device_program {
	struct bpf_insn *insns;
	size_t count;
};
void device_program_make(struct arena *a, const struct device_rules *rules, struct device_program *program);

/* v2: load and attach, replacing an older program of ours.  cg: for what may be tolerated. */
int device_v2_apply(const struct cgroup *cg, const struct hierarchy *h, const struct device_rules *rules, struct error *err);

/* v1: devices.allow, devices.deny.  update: change only what differs. */
int device_v1_apply(const struct hierarchy *h, const struct device_rules *rules, bool update, struct error *err);

#endif
