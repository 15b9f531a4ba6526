/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the lists of names of runtime-spec 1.3, config.md and
 * config-linux.md.  Values that go to the kernel are written as numbers where
 * the headers this is built with may be older than the specification.
 */
#include "specs/enums.h"
#include "specs/config.h"

#define ENUM(VARIABLE, WHAT, ...)                                                                                      \
	static const struct json_name VARIABLE##_[] = {__VA_ARGS__, {NULL, 0}};                                        \
	const struct json_enum VARIABLE = {WHAT, VARIABLE##_}

/* clang-format off */
ENUM(config_namespace_types, "namespace type",
	{ "pid", CONFIG_NS_PID },
	{ "network", CONFIG_NS_NETWORK },
	{ "mount", CONFIG_NS_MOUNT },
	{ "ipc", CONFIG_NS_IPC },
	{ "uts", CONFIG_NS_UTS },
	{ "user", CONFIG_NS_USER },
	{ "cgroup", CONFIG_NS_CGROUP },
	{ "time", CONFIG_NS_TIME });

ENUM(config_capability_names, "capability",
	{ "CAP_CHOWN", 0 },
	{ "CAP_DAC_OVERRIDE", 1 },
	{ "CAP_DAC_READ_SEARCH", 2 },
	{ "CAP_FOWNER", 3 },
	{ "CAP_FSETID", 4 },
	{ "CAP_KILL", 5 },
	{ "CAP_SETGID", 6 },
	{ "CAP_SETUID", 7 },
	{ "CAP_SETPCAP", 8 },
	{ "CAP_LINUX_IMMUTABLE", 9 },
	{ "CAP_NET_BIND_SERVICE", 10 },
	{ "CAP_NET_BROADCAST", 11 },
	{ "CAP_NET_ADMIN", 12 },
	{ "CAP_NET_RAW", 13 },
	{ "CAP_IPC_LOCK", 14 },
	{ "CAP_IPC_OWNER", 15 },
	{ "CAP_SYS_MODULE", 16 },
	{ "CAP_SYS_RAWIO", 17 },
	{ "CAP_SYS_CHROOT", 18 },
	{ "CAP_SYS_PTRACE", 19 },
	{ "CAP_SYS_PACCT", 20 },
	{ "CAP_SYS_ADMIN", 21 },
	{ "CAP_SYS_BOOT", 22 },
	{ "CAP_SYS_NICE", 23 },
	{ "CAP_SYS_RESOURCE", 24 },
	{ "CAP_SYS_TIME", 25 },
	{ "CAP_SYS_TTY_CONFIG", 26 },
	{ "CAP_MKNOD", 27 },
	{ "CAP_LEASE", 28 },
	{ "CAP_AUDIT_WRITE", 29 },
	{ "CAP_AUDIT_CONTROL", 30 },
	{ "CAP_SETFCAP", 31 },
	{ "CAP_MAC_OVERRIDE", 32 },
	{ "CAP_MAC_ADMIN", 33 },
	{ "CAP_SYSLOG", 34 },
	{ "CAP_WAKE_ALARM", 35 },
	{ "CAP_BLOCK_SUSPEND", 36 },
	{ "CAP_AUDIT_READ", 37 },
	{ "CAP_PERFMON", 38 },
	{ "CAP_BPF", 39 },
	{ "CAP_CHECKPOINT_RESTORE", 40 });

ENUM(config_rlimit_types, "resource limit",
	{ "RLIMIT_CPU", CONFIG_RLIMIT_CPU },
	{ "RLIMIT_FSIZE", CONFIG_RLIMIT_FSIZE },
	{ "RLIMIT_DATA", CONFIG_RLIMIT_DATA },
	{ "RLIMIT_STACK", CONFIG_RLIMIT_STACK },
	{ "RLIMIT_CORE", CONFIG_RLIMIT_CORE },
	{ "RLIMIT_RSS", CONFIG_RLIMIT_RSS },
	{ "RLIMIT_NPROC", CONFIG_RLIMIT_NPROC },
	{ "RLIMIT_NOFILE", CONFIG_RLIMIT_NOFILE },
	{ "RLIMIT_MEMLOCK", CONFIG_RLIMIT_MEMLOCK },
	{ "RLIMIT_AS", CONFIG_RLIMIT_AS },
	{ "RLIMIT_LOCKS", CONFIG_RLIMIT_LOCKS },
	{ "RLIMIT_SIGPENDING", CONFIG_RLIMIT_SIGPENDING },
	{ "RLIMIT_MSGQUEUE", CONFIG_RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", CONFIG_RLIMIT_NICE },
	{ "RLIMIT_RTPRIO", CONFIG_RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", CONFIG_RLIMIT_RTTIME });

ENUM(config_scheduler_policies, "scheduling policy",
	{ "SCHED_OTHER", CONFIG_SCHED_OTHER },
	{ "SCHED_FIFO", CONFIG_SCHED_FIFO },
	{ "SCHED_RR", CONFIG_SCHED_RR },
	{ "SCHED_BATCH", CONFIG_SCHED_BATCH },
	{ "SCHED_ISO", CONFIG_SCHED_ISO },
	{ "SCHED_IDLE", CONFIG_SCHED_IDLE },
	{ "SCHED_DEADLINE", CONFIG_SCHED_DEADLINE });

ENUM(config_scheduler_flags, "scheduling flag",
	{ "SCHED_FLAG_RESET_ON_FORK", 0x01 },
	{ "SCHED_FLAG_RECLAIM", 0x02 },
	{ "SCHED_FLAG_DL_OVERRUN", 0x04 },
	{ "SCHED_FLAG_KEEP_POLICY", 0x08 },
	{ "SCHED_FLAG_KEEP_PARAMS", 0x10 },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 });

ENUM(config_io_priority_classes, "I/O priority class",
	{ "IOPRIO_CLASS_RT", CONFIG_IOPRIO_CLASS_RT },
	{ "IOPRIO_CLASS_BE", CONFIG_IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", CONFIG_IOPRIO_CLASS_IDLE });

ENUM(config_memory_policy_modes, "memory policy mode",
	{ "MPOL_DEFAULT", CONFIG_MPOL_DEFAULT },
	{ "MPOL_BIND", CONFIG_MPOL_BIND },
	{ "MPOL_INTERLEAVE", CONFIG_MPOL_INTERLEAVE },
	{ "MPOL_WEIGHTED_INTERLEAVE", CONFIG_MPOL_WEIGHTED_INTERLEAVE },
	{ "MPOL_PREFERRED", CONFIG_MPOL_PREFERRED },
	{ "MPOL_PREFERRED_MANY", CONFIG_MPOL_PREFERRED_MANY },
	{ "MPOL_LOCAL", CONFIG_MPOL_LOCAL });

ENUM(config_memory_policy_flags, "memory policy flag",
	{ "MPOL_F_NUMA_BALANCING", 1 << 13 },
	{ "MPOL_F_RELATIVE_NODES", 1 << 14 },
	{ "MPOL_F_STATIC_NODES", 1 << 15 });

ENUM(config_personality_domains, "personality domain",
	{ "LINUX", 0x0000 },
	{ "LINUX32", 0x0008 });

ENUM(config_propagations, "mount propagation",
	{ "shared", CONFIG_PROPAGATION_SHARED },
	{ "slave", CONFIG_PROPAGATION_SLAVE },
	{ "private", CONFIG_PROPAGATION_PRIVATE },
	{ "unbindable", CONFIG_PROPAGATION_UNBINDABLE },
	{ "rshared", CONFIG_PROPAGATION_RSHARED },
	{ "rslave", CONFIG_PROPAGATION_RSLAVE },
	{ "rprivate", CONFIG_PROPAGATION_RPRIVATE },
	{ "runbindable", CONFIG_PROPAGATION_RUNBINDABLE });

ENUM(config_device_types, "device type",
	{ "c", 'c' },
	{ "b", 'b' },
	{ "u", 'u' },
	{ "p", 'p' });

ENUM(config_device_rule_types, "device type",
	{ "a", 'a' },
	{ "c", 'c' },
	{ "b", 'b' });

ENUM(config_seccomp_actions, "seccomp action",
	{ "SCMP_ACT_KILL", CONFIG_SCMP_ACT_KILL },
	{ "SCMP_ACT_KILL_PROCESS", CONFIG_SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", CONFIG_SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_TRAP", CONFIG_SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", CONFIG_SCMP_ACT_ERRNO },
	{ "SCMP_ACT_TRACE", CONFIG_SCMP_ACT_TRACE },
	{ "SCMP_ACT_ALLOW", CONFIG_SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", CONFIG_SCMP_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", CONFIG_SCMP_ACT_NOTIFY });

ENUM(config_seccomp_operators, "seccomp operator",
	{ "SCMP_CMP_NE", CONFIG_SCMP_CMP_NE },
	{ "SCMP_CMP_LT", CONFIG_SCMP_CMP_LT },
	{ "SCMP_CMP_LE", CONFIG_SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", CONFIG_SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", CONFIG_SCMP_CMP_GE },
	{ "SCMP_CMP_GT", CONFIG_SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", CONFIG_SCMP_CMP_MASKED_EQ });

ENUM(config_seccomp_archs, "seccomp architecture",
	{ "SCMP_ARCH_X86", 1 },
	{ "SCMP_ARCH_X86_64", 2 },
	{ "SCMP_ARCH_X32", 3 },
	{ "SCMP_ARCH_ARM", 4 },
	{ "SCMP_ARCH_AARCH64", 5 },
	{ "SCMP_ARCH_MIPS", 6 },
	{ "SCMP_ARCH_MIPS64", 7 },
	{ "SCMP_ARCH_MIPS64N32", 8 },
	{ "SCMP_ARCH_MIPSEL", 9 },
	{ "SCMP_ARCH_MIPSEL64", 10 },
	{ "SCMP_ARCH_MIPSEL64N32", 11 },
	{ "SCMP_ARCH_PPC", 12 },
	{ "SCMP_ARCH_PPC64", 13 },
	{ "SCMP_ARCH_PPC64LE", 14 },
	{ "SCMP_ARCH_S390", 15 },
	{ "SCMP_ARCH_S390X", 16 },
	{ "SCMP_ARCH_PARISC", 17 },
	{ "SCMP_ARCH_PARISC64", 18 },
	{ "SCMP_ARCH_RISCV64", 19 },
	{ "SCMP_ARCH_LOONGARCH64", 20 },
	{ "SCMP_ARCH_M68K", 21 },
	{ "SCMP_ARCH_SH", 22 },
	{ "SCMP_ARCH_SHEB", 23 });

ENUM(config_seccomp_flags, "seccomp flag",
	{ "SECCOMP_FILTER_FLAG_TSYNC", 1 << 0 },
	{ "SECCOMP_FILTER_FLAG_LOG", 1 << 1 },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1 << 2 },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1 << 5 });

ENUM(config_hook_names, "hook",
	{ "prestart", 1 },
	{ "createRuntime", 2 },
	{ "createContainer", 3 },
	{ "startContainer", 4 },
	{ "poststart", 5 },
	{ "poststop", 6 });

ENUM(config_clock_names, "clock",
	{ "monotonic", 1 },
	{ "boottime", 7 });
/* clang-format on */
