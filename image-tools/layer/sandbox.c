/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what the process that parses a layer gives up before it sees
 * the first byte, from the strongest privilege to the weakest:
 *
 *  1. limits: no core file, few descriptors;
 *  2. chroot to the directory that is extracted to (it can leave no more, because the
 *     capability goes next, and it holds no descriptor of a directory outside); an
 *     unprivileged user gets there through a user namespace of its own;
 *  3. capabilities: those for owners, modes, devices and attributes stay;
 *  4. no_new_privs, Landlock (Linux 5.19 with REFER): files below the directory only,
 *     nothing executed, no network, no signals;
 *  5. a system call filter: what reading, writing and making files takes.
 *
 * A process that only reads one descriptor and writes to another (layer/plain.c) has no directory: it keeps no
 * capability, Landlock gets no rule, and the filter has no call that opens a file or writes to the input.
 *
 * chroot needs a privilege or a user namespace, Landlock a kernel that has it; the others are always on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image-tools/layer/worker.h"

static int set_limits(struct error *err)
{
	static const struct {
		int what;
		rlim_t value;
	} limits[] = { { RLIMIT_CORE, 0 }, { RLIMIT_NOFILE, 4096 } };

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct rlimit l;

		if (getrlimit((__rlimit_resource_t)limits[i].what, &l) < 0)
			return error_sys(err, errno, "limit the unpacking process");
		if (l.rlim_max > limits[i].value)
			l.rlim_max = limits[i].value;
		l.rlim_cur = l.rlim_max;
		if (setrlimit((__rlimit_resource_t)limits[i].what, &l) < 0)
			return error_sys(err, errno, "limit the unpacking process");
	}
	return 0;
}

static int drop_capabilities(const struct sandbox_options *o, struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	uint32_t keep = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID;

	if (o->root < 0)
		keep = 0;
	keep |= o->devices ? 1u << CAP_MKNOD : 0;
	keep |= o->trusted_xattr ? 1u << CAP_SYS_ADMIN : 0;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if ((cap >= 32 || !(keep & 1u << cap)) && (cap != CAP_SETFCAP || o->root < 0))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EPERM: we have none anyway */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) < 0)
		return error_sys(err, errno, "read the capabilities");
	keep |= o->root < 0 ? 0 : 1u << (CAP_SETFCAP & 31);
	data[0].permitted &= keep;
	data[1].permitted = 0;
	data[0].effective = data[0].permitted;
	data[1].effective = 0;
	data[0].inheritable = data[1].inheritable = 0;
	return syscall(SYS_capset, &header, data) < 0 ? error_sys(err, errno, "give up capabilities") : 0;
}

/* Numbers of the kernel's landlock.h; older headers lack the later ones. */
struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct __attribute__((packed)) beneath_attr {
	uint64_t allowed;
	int32_t parent;
};
#define LANDLOCK_VERSION 1u
#define LANDLOCK_BENEATH 1
#define FS_EXECUTE 0x1u
#define FS_ABI1 0x1fffu
#define FS_MAKE_SOCK 0x200u
#define FS_REFER 0x2000u
#define FS_TRUNCATE 0x4000u
#define FS_IOCTL_DEV 0x8000u

static int landlock(int root, struct error *err)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION), rules, r;
	struct ruleset_attr attr = { .fs = FS_ABI1 | FS_REFER };
	struct beneath_attr rule = { .parent = root };
	size_t size = offsetof(struct ruleset_attr, net);

	/* Without REFER no hard link could leave its directory. */
	if (abi < 2)
		return 0;
	if (abi >= 3)
		attr.fs |= FS_TRUNCATE;
	if (abi >= 4) {
		attr.net = 3; /* bind, connect */
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 5)
		attr.fs |= FS_IOCTL_DEV;
	if (abi >= 6) {
		attr.scoped = 3; /* abstract sockets, signals */
		size = sizeof attr;
	}
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (rules < 0)
		return error_sys(err, errno, "make a Landlock rule set");
	rule.allowed = attr.fs & ~(uint64_t)(FS_EXECUTE | FS_MAKE_SOCK | FS_IOCTL_DEV);
	r = root >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_BENEATH, &rule, 0) < 0 ? -errno : 0;
	if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		r = -errno;
	close(rules);
	return r < 0 ? error_sys(err, -r, "restrict the unpacking process with Landlock") : 0;
}

static const char *const allowed[] = {
	"read", "pread64", "readv", "lseek", "close", "close_range", "fcntl", "dup", "poll", "ppoll", "fstat", "munmap",
	"mremap", "brk", "madvise", "futex", "futex_time64", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sigaltstack", "restart_syscall", "exit", "exit_group", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid",
	"getrandom", "clock_gettime", "clock_gettime64", "gettimeofday", "nanosleep", "clock_nanosleep", "tgkill",
	"sched_yield", "sched_getaffinity", "rseq", "set_robust_list", "membarrier", "getrlimit", "uname", NULL,
};
/* The files below the root. */
static const char *const allowed_files[] = {
	"write", "pwrite64", "writev", "newfstatat", "fstatat64", "statx", "getdents64", "openat", "openat2", "mkdirat",
	"mknodat", "unlinkat", "linkat", "symlinkat", "renameat", "renameat2", "readlinkat", "faccessat", "faccessat2",
	"fchown", "fchownat", "fchmod", "fchmodat", "fchmodat2", "ftruncate", "fallocate", "utimensat", "utimensat_time64",
	"fsetxattr", "fgetxattr", "flistxattr", "fremovexattr", NULL,
};

static int allow(scmp_filter_ctx ctx, const char *const *names)
{
	int r = 0;

	for (; r == 0 && *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names);

		/* Unknown to this library or this architecture: then it stays forbidden. */
		if (nr >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	return r;
}

/* Without files: fstat() is this call in newer C libraries, with an empty name; and writing to what is open for it. */
static int allow_descriptors(scmp_filter_ctx ctx)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, i ? SCMP_SYS(writev) : SCMP_SYS(write), 1,
			SCMP_A0(SCMP_CMP_LE, STDERR_FILENO));
	if (r == 0 && SCMP_SYS(newfstatat) >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
			SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	return r;
}

static int filter(bool files, struct error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? 0 : -ENOMEM;

	if (r == 0)
		r = allow(ctx, allowed);
	if (r == 0)
		r = files ? allow(ctx, allowed_files) : allow_descriptors(ctx);
	/* Memory, but none to execute. */
	for (int i = 0; r == 0 && i < 3; i++) {
		static const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect) };

		if (calls[i] >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	}
	if (r == 0)
		r = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	return r < 0 ? error_sys(err, -r, "load the system call filter of the unpacking process") : 0;
}

static bool write_map(const char *file, const char *text)
{
	int fd = openat(AT_FDCWD, file, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Without the privilege: in a user namespace where we are who we were.  Where there are none Landlock has to do. */
static int change_root(struct error *err)
{
	unsigned int uid = geteuid(), gid = getegid();
	char text[64];

	if (chroot(".") == 0)
		return 0;
	if (errno == EPERM && unshare(CLONE_NEWUSER) == 0) {
		snprintf(text, sizeof text, "%u %u 1", uid, uid);
		if (!write_map("/proc/self/uid_map", text))
			return error_sys(err, errno, "map the user of the unpacking process");
		snprintf(text, sizeof text, "%u %u 1", gid, gid);
		if (!write_map("/proc/self/setgroups", "deny") || !write_map("/proc/self/gid_map", text))
			return error_sys(err, errno, "map the group of the unpacking process");
		if (chroot(".") < 0)
			return error_sys(err, errno, "change the root of the unpacking process");
	}
	return 0;
}

int sandbox_self(const struct sandbox_options *o, struct error *err)
{
	int r = set_limits(err);

	if (r < 0)
		return r;
	if (o->root >= 0 && fchdir(o->root) < 0)
		return error_sys(err, errno, "enter the directory to unpack to");
	r = o->root >= 0 ? change_root(err) : 0;
	if (r < 0)
		return r;
	r = drop_capabilities(o, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_sys(err, errno, "set no_new_privs");
	r = landlock(o->root, err);
	return r < 0 ? r : filter(o->root >= 0, err);
}
