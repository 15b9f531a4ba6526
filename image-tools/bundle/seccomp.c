/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the filter that containers get by default, as our own table.
 * Everything that is not listed fails with EPERM.  The first list is allowed always;
 * each further one needs a capability; a few calls are allowed for some arguments
 * only.  clone3 fails with ENOSYS without CAP_SYS_ADMIN, because its flags are behind
 * a pointer and the C library then falls back to clone.
 */
#include <string.h>

#include "image-tools/bundle/bundle.h"

static const char always[] =
	"accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32 "
	"clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
	"clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 "
	"epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
	"exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 "
	"fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat "
	"fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait "
	"futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid "
	"getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom "
	"getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt "
	"get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
	"ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset "
	"landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr "
	"_llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret "
	"mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open "
	"mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget "
	"msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat "
	"openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll "
	"ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev "
	"pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg "
	"remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq "
	"rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
	"rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam "
	"sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield "
	"seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto "
	"setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority "
	"setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list "
	"setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget "
	"shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs "
	"statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create "
	"timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
	"timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit "
	"umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid "
	"waitpid write writev process_vm_readv process_vm_writev ptrace modify_ldt";

static const struct {
	const char *capability, *calls;
} by_capability[] = {
	{ "CAP_DAC_READ_SEARCH", "open_by_handle_at" },
	{ "CAP_SYS_ADMIN",
		"bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount "
		"open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare" },
	{ "CAP_SYS_BOOT", "reboot" },
	{ "CAP_SYS_CHROOT", "chroot" },
	{ "CAP_SYS_MODULE", "delete_module init_module finit_module" },
	{ "CAP_SYS_PACCT", "acct" },
	{ "CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise" },
	{ "CAP_SYS_RAWIO", "iopl ioperm" },
	{ "CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64" },
	{ "CAP_SYS_TTY_CONFIG", "vhangup" },
	{ "CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node" },
	{ "CAP_SYSLOG", "syslog" },
	{ "CAP_BPF", "bpf" },
	{ "CAP_PERFMON", "perf_event_open" },
};

/* What one argument must be for a call to be allowed. */
static const struct {
	const char *call;
	unsigned int index;
	const char *op;
	uint64_t value, value_two;
	const char *unless; /* not with this capability */
} by_argument[] = {
	/* address families: not AF_ALG (38), not AF_VSOCK (40) */
	{ "socket", 0, "SCMP_CMP_LT", 38, 0, NULL },
	{ "socket", 0, "SCMP_CMP_EQ", 39, 0, NULL },
	{ "socket", 0, "SCMP_CMP_GT", 40, 0, NULL },
	{ "personality", 0, "SCMP_CMP_EQ", 0x0, 0, NULL },
	{ "personality", 0, "SCMP_CMP_EQ", 0x8, 0, NULL },
	{ "personality", 0, "SCMP_CMP_EQ", 0x20000, 0, NULL },
	{ "personality", 0, "SCMP_CMP_EQ", 0x20008, 0, NULL },
	{ "personality", 0, "SCMP_CMP_EQ", 0xffffffff, 0, NULL },
	/* no new namespaces: NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET */
	{ "clone", 0, "SCMP_CMP_MASKED_EQ", 0x7e020000, 0, "CAP_SYS_ADMIN" },
};

static bool has(const struct string_list *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i], name) == 0)
			return true;
	return false;
}

static void write_names(struct json_writer *w, const char *names)
{
	for (const char *p = names; *p;) {
		size_t n = strcspn(p, " ");

		json_write_string_n(w, p, n);
		p += n + (p[n] == ' ');
	}
}

static void write_architectures(struct json_writer *w)
{
	json_write_member_array(w, "architectures");
#if defined(__x86_64__)
	write_names(w, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32");
#elif defined(__aarch64__)
	write_names(w, "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM");
#elif defined(__s390x__)
	write_names(w, "SCMP_ARCH_S390X SCMP_ARCH_S390");
#elif defined(__powerpc64__)
	write_names(w, "SCMP_ARCH_PPC64LE");
#elif defined(__riscv)
	write_names(w, "SCMP_ARCH_RISCV64");
#endif
	json_write_end_array(w);
}

void bundle_seccomp_write(struct json_writer *w, const struct string_list *capabilities)
{
	json_write_member_object(w, "seccomp");
	json_write_member_string(w, "defaultAction", "SCMP_ACT_ERRNO");
	json_write_member_i64(w, "defaultErrnoRet", 1);
	write_architectures(w);
	json_write_member_array(w, "syscalls");
	json_write_object(w);
	json_write_member_array(w, "names");
	write_names(w, always);
	for (size_t i = 0; i < sizeof by_capability / sizeof by_capability[0]; i++)
		if (has(capabilities, by_capability[i].capability))
			write_names(w, by_capability[i].calls);
	json_write_end_array(w);
	json_write_member_string(w, "action", "SCMP_ACT_ALLOW");
	json_write_end_object(w);
	for (size_t i = 0; i < sizeof by_argument / sizeof by_argument[0]; i++) {
		if (by_argument[i].unless && has(capabilities, by_argument[i].unless))
			continue;
		json_write_object(w);
		json_write_member_array(w, "names");
		json_write_string(w, by_argument[i].call);
		json_write_end_array(w);
		json_write_member_string(w, "action", "SCMP_ACT_ALLOW");
		json_write_member_array(w, "args");
		json_write_object(w);
		json_write_member_u64(w, "index", by_argument[i].index);
		json_write_member_u64(w, "value", by_argument[i].value);
		if (strcmp(by_argument[i].op, "SCMP_CMP_MASKED_EQ") == 0)
			json_write_member_u64(w, "valueTwo", by_argument[i].value_two);
		json_write_member_string(w, "op", by_argument[i].op);
		json_write_end_object(w);
		json_write_end_array(w);
		json_write_end_object(w);
	}
	if (!has(capabilities, "CAP_SYS_ADMIN")) {
		json_write_object(w);
		json_write_member_array(w, "names");
		json_write_string(w, "clone3");
		json_write_end_array(w);
		json_write_member_string(w, "action", "SCMP_ACT_ERRNO");
		json_write_member_i64(w, "errnoRet", 38);
		json_write_end_object(w);
	}
	json_write_end_array(w);
	json_write_end_object(w);
}
