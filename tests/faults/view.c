/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the container's program in the fault walk.  It prints
 * everything a container can see of its own confinement, one fact per line and
 * without volatile numbers, so that two runs of one configuration print the same
 * bytes; secdiff compares them.  Probes are real attempts (write to /, to
 * /proc/sys, open a forbidden device), because a flag that is shown and a flag
 * that works are different things.
 *
 * usage: view [pause]	(pause: stay alive afterwards)
 *
 * Static, so that it needs nothing from the root filesystem.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/keyctl.h>

extern char **environ;

static char text[65536];

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return NULL;
	while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	return text;
}

static void show_file(const char *path)
{
	char *t = slurp(path), *save = NULL;

	if (!t) {
		printf("%s: %s\n", path, strerror(errno));
		return;
	}
	for (char *l = strtok_r(t, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		printf("%s: %s\n", path, l);
}

static void show_status(void)
{
	static const char *const wanted[] = {
		"Umask", "Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "SigBlk", "SigIgn"};
	char *t = slurp("/proc/self/status"), *save = NULL;

	for (char *l = t ? strtok_r(t, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
			if (!strncmp(l, wanted[i], strlen(wanted[i])))
				printf("status: %s\n", l);
}

/* mountinfo without mount ids and device numbers; anonymous roots of cgroup mounts hold the container's id. */
static void show_mounts(void)
{
	char *t = slurp("/proc/self/mountinfo"), *save = NULL;

	for (char *l = t ? strtok_r(t, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char root[1024], point[1024], options[256], *tail = strstr(l, " - ");
		const char *propagation = strstr(l, "shared:") ? "shared" : strstr(l, "master:") ? "slave" : "private";

		if (tail && sscanf(l, "%*d %*d %*s %1023s %1023s %255s", root, point, options) == 3)
			printf("mount: %s %s %s %s%s\n", point, root, options, propagation, tail + 2);
	}
}

static void show_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	char target[512];
	struct dirent *e;
	ssize_t n;

	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || fd == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		/* Anonymous objects carry an inode number. */
		target[strcspn(target, "[")] = '\0';
		printf("fd: %d %s flags %#o %s\n", fd, target, fcntl(fd, F_GETFL), isatty(fd) ? "tty" : "");
	}
	if (d)
		closedir(d);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void show_directory(const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, by_name);

	for (int i = 0; i < n; i++) {
		struct stat st;
		char file[512];

		snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.' && lstat(file, &st) == 0)
			printf("node: %s mode %o owner %u:%u device %u:%u\n", file, st.st_mode, st.st_uid, st.st_gid,
				S_ISCHR(st.st_mode) ? major(st.st_rdev) : 0,
				S_ISCHR(st.st_mode) ? minor(st.st_rdev) : 0);
	}
}

/* The driver compares the inode numbers with its own: own or shared. */
static void show_namespaces(void)
{
	static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char path[64], target[64];
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
		n = readlink(path, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		printf("namespace %s\n", target);
	}
}

static void probe_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);

	printf("probe: open %s %#o: %s\n", path, flags, fd < 0 ? strerror(errno) : "works");
	if (fd >= 0)
		close(fd);
}

/* In a child: a payload that stays must not end up in another user namespace. */
static void probe_user_namespace(void)
{
	int st = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
	waitpid(pid, &st, 0);
	printf("probe: new user namespace: %s\n", pid < 0	    ? strerror(errno)
						  : WEXITSTATUS(st) ? strerror(WEXITSTATUS(st))
								    : "works");
}

static void probes(void)
{
	static const char *const masked[] = {
		"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi"};

	probe_open("/escape", O_WRONLY | O_CREAT);
	probe_open("/data/escape", O_WRONLY | O_CREAT);
	probe_open("/proc/sys/kernel/domainname", O_WRONLY);
	probe_open("/proc/sysrq-trigger", O_WRONLY);
	probe_open("/sys/fs/cgroup/memory/memory.limit_in_bytes", O_WRONLY);
	probe_open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
	for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
		struct stat st;

		if (stat(masked[i], &st) < 0)
			printf("masked: %s %s\n", masked[i], strerror(errno));
		else
			printf("masked: %s mode %o device %u:%u links %u\n", masked[i], st.st_mode, major(st.st_rdev),
				minor(st.st_rdev), S_ISDIR(st.st_mode) ? (unsigned)st.st_nlink : 0);
	}
	/* /dev is a writable tmpfs: a forbidden device node is there for the asking, opening it is not. */
	if (mknod("/dev/probe", S_IFCHR | 0600, makedev(1, 11)) < 0)
		printf("probe: mknod: %s\n", strerror(errno));
	probe_open("/dev/probe", O_RDONLY | O_NONBLOCK);
	unlink("/dev/probe");
	probe_user_namespace();
}

static void show_limits_of_cgroup(void)
{
	static const char *const files[] = {"memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.shares",
		"devices/devices.list", "memory.max", "pids.max", "cpu.weight"};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char path[128];

		snprintf(path, sizeof path, "/sys/fs/cgroup/%s", files[i]);
		if (access(path, F_OK) == 0)
			show_file(path);
	}
}

int main(int argc, char **argv)
{
	static char out[65536];
	char cwd[512], host[256];

	setvbuf(stdout, out, _IOFBF, sizeof out);
	show_descriptors();
	show_status();
	show_mounts();
	show_file("/proc/self/limits");
	show_file("/proc/self/uid_map");
	show_file("/proc/self/gid_map");
	show_file("/proc/self/setgroups");
	show_file("/proc/self/cgroup");
	show_file("/proc/self/oom_score_adj");
	show_file("/proc/self/attr/current");
	show_file("/proc/sys/net/ipv4/ip_default_ttl");
	show_file("/proc/sys/kernel/msgmax");
	show_limits_of_cgroup();
	show_namespaces();
	show_directory("/dev");
	show_directory("/dev/net");
	show_directory("/");
	gethostname(host, sizeof host);
	printf("hostname: %s\ncwd: %s\n", host, getcwd(cwd, sizeof cwd) ? cwd : strerror(errno));
	printf("session: %s, process group: %s\n", getsid(0) == getpid() ? "leader" : "member",
		getpgrp() == getpid() ? "leader" : "member");
	printf("personality: %#x scheduler: %d nice: %d\n", (unsigned)personality(0xffffffff), sched_getscheduler(0),
		getpriority(PRIO_PROCESS, 0));
	if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, text, sizeof text) < 0)
		snprintf(text, sizeof text, "%s", strerror(errno));
	printf("session keyring: %s\n", text);
	for (int i = 0; i < argc; i++)
		printf("argv: %s\n", argv[i]);
	for (char **e = environ; *e; e++)
		printf("environment: %s\n", *e);
	probes();
	printf("== end\n");
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "pause"))
		for (;;)
			pause();
	return 0;
}
