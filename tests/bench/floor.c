/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the floor of the benchmark: a static program that asks the
 * kernel for exactly what the default bundle (tests/faults/bundle.c, neither
 * "rich" nor seccomp) asks a runtime for, in the cheapest known order, and does
 * nothing else: no JSON, no state, no checks.  What a runtime needs beyond it is
 * the runtime's own.
 *
 *	floor run ROOTFS ID HIERARCHY... -- PROGRAM ARG...
 *	floor exec PID ID HIERARCHY... -- PROGRAM ARG...
 *
 * FLOOR_MEMORY in the environment is a v1 memory limit in bytes.
 *
 * v1: cgroups made by the parent, the child writes itself into each hierarchy's
 * `tasks` (moving another process waits for an RCU grace period).  v2: the child
 * is born in its cgroup (CLONE_INTO_CGROUP), cgroup2 is mounted inside its own
 * cgroup namespace.  Masks are clones of one read-only tmpfs, looked up first.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_HIERARCHIES 16
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEPT_CAPS (1ull << CAP_AUDIT_WRITE | 1ull << CAP_KILL | 1ull << CAP_NET_BIND_SERVICE | 1ull << CAP_MKNOD)

static char *hierarchy[MAX_HIERARCHIES], cgroup[MAX_HIERARCHIES][256];
static int hierarchies;
static bool v2;

static void must(long ret, const char *what)
{
	if (ret < 0) {
		dprintf(2, "floor: %s: %s\n", what, strerror(errno));
		_exit(1);
	}
}

static void put(int dir, const char *file, const char *text)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	must(fd, file);
	must(write(fd, text, strlen(text)), file);
	close(fd);
}

/* ------------------------------------------------------------- cgroups */

/* A new cpuset admits nobody until it has processors and memory. */
static void init_cpuset(int parent, int dir)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

	for (size_t i = 0; i < COUNT(files); i++) {
		char text[256];
		int fd = openat(parent, files[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

		must(n, files[i]);
		close(fd);
		text[n] = '\0';
		put(dir, files[i], text);
	}
}

static const char *const device_rules[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm",
	"c 1:5 rwm", "c 1:9 rwm", "c 5:1 rwm", "c 136:* rwm", "c 5:2 rwm"};

/* Make the cgroup in every hierarchy; *tasks: descriptors for the child to write itself into. */
static void make_v1(const char *id, int *tasks)
{
	for (int i = 0; i < hierarchies; i++) {
		const char *name = strrchr(hierarchy[i], '/') + 1;
		int parent = open(hierarchy[i], O_PATH | O_DIRECTORY | O_CLOEXEC), dir;

		must(parent, hierarchy[i]);
		snprintf(cgroup[i], sizeof cgroup[i], "%s/%s", hierarchy[i], id);
		must(mkdirat(parent, id, 0755), cgroup[i]);
		dir = openat(parent, id, O_PATH | O_DIRECTORY | O_CLOEXEC);
		must(dir, cgroup[i]);
		if (!strcmp(name, "cpuset"))
			init_cpuset(parent, dir);
		if (!strcmp(name, "memory") && getenv("FLOOR_MEMORY"))
			put(dir, "memory.limit_in_bytes", getenv("FLOOR_MEMORY"));
		if (!strcmp(name, "devices")) {
			put(dir, "devices.deny", "a");
			for (size_t r = 0; r < COUNT(device_rules); r++)
				put(dir, "devices.allow", device_rules[r]);
		}
		tasks[i] = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
		must(tasks[i], "tasks");
		close(parent);
		close(dir);
	}
}

static struct bpf_insn insn(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	return (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

/* The default device rules as a program, attached to the cgroup. */
static void attach_device_filter(int dir)
{
	static const struct {
		int type, access, major, minor; /* access 0, numbers -1: any */
	} rules[] = {{2, 1, -1, -1}, {1, 1, -1, -1}, {2, 0, 1, 3}, {2, 0, 1, 8}, {2, 0, 1, 7}, {2, 0, 5, 0},
		{2, 0, 1, 5}, {2, 0, 1, 9}, {2, 0, 5, 1}, {2, 0, 136, -1}, {2, 0, 5, 2}};
	struct bpf_insn p[128];
	union bpf_attr attr;
	int n = 0, fd;

	p[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	p[n++] = insn(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0);
	p[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	p[n++] = insn(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
	p[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	p[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
	for (size_t i = 0; i < COUNT(rules); i++) {
		int end = n + 3 + (rules[i].access ? 3 : 0) + (rules[i].major >= 0) + (rules[i].minor >= 0);

		p[n] = insn(BPF_JMP | BPF_JNE | BPF_K, 2, 0, (int16_t)(end - n - 1), rules[i].type), n++;
		if (rules[i].access) {
			p[n++] = insn(BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
			p[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, ~rules[i].access & 7);
			p[n] = insn(BPF_JMP | BPF_JNE | BPF_K, 1, 0, (int16_t)(end - n - 1), 0), n++;
		}
		if (rules[i].major >= 0)
			p[n] = insn(BPF_JMP | BPF_JNE | BPF_K, 4, 0, (int16_t)(end - n - 1), rules[i].major), n++;
		if (rules[i].minor >= 0)
			p[n] = insn(BPF_JMP | BPF_JNE | BPF_K, 5, 0, (int16_t)(end - n - 1), rules[i].minor), n++;
		p[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
		p[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	p[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	p[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)p;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
	must(fd, "load the device filter");
	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	must(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr), "attach the device filter");
	close(fd);
}

static int make_v2(const char *id)
{
	int dir;

	snprintf(cgroup[0], sizeof cgroup[0], "%s/%s", hierarchy[0], id);
	must(mkdir(cgroup[0], 0755), cgroup[0]);
	dir = open(cgroup[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir, cgroup[0]);
	attach_device_filter(dir);
	return dir;
}

static void enter_v1(const int *tasks)
{
	for (int i = 0; i < hierarchies; i++) {
		must(write(tasks[i], "0", 1), "enter the cgroup");
		close(tasks[i]);
	}
}

/* --------------------------------------------------- the child's side */

static void loopback_up(void)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd, "socket");
	must(ioctl(fd, SIOCSIFFLAGS, &r), "loopback");
	close(fd);
}

static void do_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	must(mount(source, target, type, flags, data), target);
}

static void mount_cgroups(void)
{
	const unsigned long flags = MS_NOSUID | MS_NOEXEC | MS_NODEV;
	char target[256];

	if (v2) {
		do_mount("cgroup", "sys/fs/cgroup", "cgroup2", flags | MS_RELATIME | MS_RDONLY, NULL);
		return;
	}
	do_mount("tmpfs", "sys/fs/cgroup", "tmpfs", flags, "mode=755");
	for (int i = 0; i < hierarchies; i++) {
		snprintf(target, sizeof target, "sys/fs/cgroup%s", strrchr(hierarchy[i], '/'));
		must(mkdir(target, 0755), target);
		do_mount(cgroup[i], target, NULL, MS_BIND, NULL);
		do_mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | flags | MS_RDONLY, NULL);
	}
	do_mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | flags | MS_RDONLY, NULL);
}

static void mount_all(void)
{
	const unsigned long safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	do_mount("proc", "proc", "proc", 0, NULL);
	do_mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	must(mkdir("dev/pts", 0755), "dev/pts");
	do_mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	must(mkdir("dev/shm", 0755), "dev/shm");
	do_mount("shm", "dev/shm", "tmpfs", safe, "mode=1777,size=65536k");
	must(mkdir("dev/mqueue", 0755), "dev/mqueue");
	do_mount("mqueue", "dev/mqueue", "mqueue", safe, NULL);
	do_mount("sysfs", "sys", "sysfs", safe | MS_RDONLY, NULL);
	mount_cgroups();
}

static void make_devices(void)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} nodes[] = {{"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8},
		{"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
	static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"},
		{"/proc/self/fd/1", "dev/stdout"}, {"/proc/self/fd/2", "dev/stderr"}, {"/proc/kcore", "dev/core"},
		{"pts/ptmx", "dev/ptmx"}};

	for (size_t i = 0; i < COUNT(nodes); i++)
		must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)), nodes[i].path);
	for (size_t i = 0; i < COUNT(links); i++)
		must(symlink(links[i][0], links[i][1]), links[i][1]);
}

static void mask(void)
{
	static const char *const masked[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
		"/proc/scsi"};
	static const char *const readonly[] = {
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
	int fs = (int)syscall(SYS_fsopen, "tmpfs", 1), empty, copy;

	must(fs, "fsopen");
	must(syscall(SYS_fsconfig, fs, 6, NULL, NULL, 0), "fsconfig");
	empty = (int)syscall(SYS_fsmount, fs, 1, 1 /* MOUNT_ATTR_RDONLY */);
	must(empty, "fsmount");
	close(fs);
	for (size_t i = 0; i < COUNT(masked); i++) {
		struct stat st;

		if (stat(masked[i], &st) < 0)
			continue;
		if (!S_ISDIR(st.st_mode)) {
			do_mount("/dev/null", masked[i], NULL, MS_BIND, NULL);
			continue;
		}
		copy = (int)syscall(SYS_open_tree, empty, "", 1 | O_CLOEXEC | AT_EMPTY_PATH);
		must(copy, "open_tree");
		must(syscall(SYS_move_mount, copy, "", AT_FDCWD, masked[i], 4), masked[i]);
		close(copy);
	}
	close(empty);
	for (size_t i = 0; i < COUNT(readonly); i++) {
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			do_mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
	}
}

static void drop_privileges(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{(uint32_t)KEPT_CAPS, (uint32_t)KEPT_CAPS, 0},
		{(uint32_t)(KEPT_CAPS >> 32), (uint32_t)(KEPT_CAPS >> 32), 0}};
	struct rlimit files = {1024, 1024};

	must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	for (int cap = 0; cap <= 40; cap++)
		if (!(KEPT_CAPS >> cap & 1))
			must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "bounding set");
	must(syscall(SYS_setgroups, 0, NULL), "setgroups");
	must(syscall(SYS_capset, &header, data), "capset");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

static void __attribute__((noreturn)) child(const char *rootfs, const int *tasks, char **argv)
{
	if (v2)
		must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
	must(setsid(), "setsid");
	do_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	do_mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL);
	must(chdir(rootfs), rootfs);
	loopback_up();
	mount_all();
	make_devices();
	if (!v2)
		enter_v1(tasks);
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "umount the old root");
	must(chdir("/"), "/");
	mask();
	must(sethostname("yard", 4), "hostname");
	do_mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
	drop_privileges();
	execv(argv[0], argv);
	must(-1, argv[0]);
	_exit(1);
}

/* ------------------------------------------------------------ commands */

static int wait_for(pid_t pid)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static int run(const char *rootfs, const char *id, char **argv)
{
	struct clone_args a = {.flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS,
		.exit_signal = SIGCHLD};
	int tasks[MAX_HIERARCHIES], status;
	pid_t pid;

	if (v2) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)make_v2(id);
	} else {
		make_v1(id, tasks);
	}
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
	must(pid, "clone3");
	if (pid == 0)
		child(rootfs, tasks, argv);
	status = wait_for(pid);
	for (int i = 0; i < (v2 ? 1 : hierarchies); i++)
		must(rmdir(cgroup[i]), cgroup[i]);
	return status;
}

static int exec(const char *pid_text, const char *id, char **argv)
{
	struct clone_args a = {.exit_signal = SIGCHLD};
	int pidfd = (int)syscall(SYS_pidfd_open, atoi(pid_text), 0), tasks[MAX_HIERARCHIES];
	char path[512];
	pid_t pid;

	must(pidfd, "pidfd_open");
	for (int i = 0; i < hierarchies; i++) {
		snprintf(path, sizeof path, "%s/%s%s", hierarchy[i], id, v2 ? "" : "/tasks");
		tasks[i] = open(path, v2 ? O_RDONLY | O_DIRECTORY | O_CLOEXEC : O_WRONLY | O_CLOEXEC);
		must(tasks[i], path);
	}
	must(setns(pidfd, CLONE_NEWPID), "setns");
	if (v2) {
		a.flags = CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)tasks[0];
	}
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
	must(pid, "clone3");
	if (pid == 0) {
		if (!v2)
			enter_v1(tasks);
		must(setns(pidfd,
			     CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | (v2 ? CLONE_NEWCGROUP : 0)),
			"setns");
		must(setsid(), "setsid");
		drop_privileges();
		execv(argv[0], argv);
		must(-1, argv[0]);
	}
	return wait_for(pid);
}

int main(int argc, char **argv)
{
	struct statfs fs;
	int i;

	for (i = 4; i < argc && strcmp(argv[i], "--") && hierarchies < MAX_HIERARCHIES; i++)
		hierarchy[hierarchies++] = argv[i];
	if (i + 1 >= argc || hierarchies == 0) {
		dprintf(2, "usage: floor run ROOTFS|exec PID ID HIERARCHY... -- PROGRAM [ARG...]\n");
		return 2;
	}
	must(statfs(hierarchy[0], &fs), hierarchy[0]);
	v2 = fs.f_type == CGROUP2_SUPER_MAGIC;
	return !strcmp(argv[1], "run") ? run(argv[2], argv[3], argv + i + 1) : exec(argv[2], argv[3], argv + i + 1);
}
