/*
 * probe - what a process inside a container sees of itself and of the kernel.
 *
 * Theory of operation: one static program, copied into the root filesystem of a test.
 * Its first argument names what to look at; the answer is one line on stdout
 * ("ok", a number, or the symbolic name of an errno).  It asks the kernel directly,
 * so that a test never trusts what the runtime says about itself.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int answer(long ret)
{
	if (ret < 0)
		printf("%s\n", strerrorname_np(errno) ? strerrorname_np(errno) : "errno?");
	else
		puts("ok");
	return ret < 0;
}

/* every descriptor but the one used for looking: "number target" */
static int fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		return answer(-1);
	while ((e = readdir(d))) {
		char path[64], target[4096];
		ssize_t n;

		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%.20s", e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		printf("%s %s\n", e->d_name, target);
	}
	return 0;
}

static int scheduler(void)
{
	struct {
		unsigned size, policy;
		unsigned long long flags;
		int nice;
		unsigned priority;
		unsigned long long runtime, deadline, period;
		unsigned util_min, util_max;
	} a = { .size = sizeof(a) };

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) < 0)
		return answer(-1);
	printf("policy=%u nice=%d priority=%u flags=%llu runtime=%llu deadline=%llu period=%llu\n", a.policy, a.nice,
		a.priority, a.flags, a.runtime, a.deadline, a.period);
	return 0;
}

static int keyring(void)
{
	char text[512];
	long id = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* session */, 0);

	if (id < 0)
		return answer(-1);
	if (syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, id, text, sizeof(text)) < 0)
		return answer(-1);
	puts(text);
	return 0;
}

static int clocks(void)
{
	struct timespec m, b;

	clock_gettime(CLOCK_MONOTONIC, &m);
	clock_gettime(CLOCK_BOOTTIME, &b);
	printf("monotonic=%lld boottime=%lld\n", (long long)m.tv_sec, (long long)b.tv_sec);
	return 0;
}

static void on_signal(int sig)
{
	printf("signal %d\n", sig);
	fflush(stdout);
	_exit(0);
}

static int memory_policy(void)
{
	int mode = -1;
	unsigned long nodes[16] = { 0 };

	if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof(nodes) * 8, 0, 0) < 0)
		return answer(-1);
	printf("mode=%d nodes=%lx\n", mode, nodes[0]);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const char *arg = argc > 2 ? argv[2] : "";

	if (!strcmp(what, "syscall")) {
		long a[7] = { 0 };

		for (int i = 0; i < 7 && i + 2 < argc; i++)
			a[i] = strtol(argv[i + 2], NULL, 0);
		return answer(syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
	}
	if (!strcmp(what, "fds"))
		return fds();
	if (!strcmp(what, "scheduler"))
		return scheduler();
	if (!strcmp(what, "keyring"))
		return keyring();
	if (!strcmp(what, "clocks"))
		return clocks();
	if (!strcmp(what, "mempolicy"))
		return memory_policy();
	if (!strcmp(what, "ioprio")) {
		long v = syscall(SYS_ioprio_get, 1, 0);

		printf("class=%ld level=%ld\n", v >> 13, v & 0x1fff);
		return 0;
	}
	if (!strcmp(what, "personality")) {
		printf("%x\n", (unsigned)personality(0xffffffff));
		return 0;
	}
	if (!strcmp(what, "affinity")) {
		cpu_set_t s;

		CPU_ZERO(&s);
		sched_getaffinity(0, sizeof(s), &s);
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &s))
				printf("%d ", i);
		puts("");
		return 0;
	}
	if (!strcmp(what, "umask")) {
		printf("%03o\n", umask(0));
		return 0;
	}
	if (!strcmp(what, "dumpable")) {
		printf("%d\n", prctl(PR_GET_DUMPABLE));
		return 0;
	}
	if (!strcmp(what, "pdeathsig")) {
		int sig = -1;

		prctl(PR_GET_PDEATHSIG, &sig);
		printf("%d\n", sig);
		return 0;
	}
	if (!strcmp(what, "subreaper")) {
		int v = -1;

		prctl(PR_GET_CHILD_SUBREAPER, &v);
		printf("%d\n", v);
		return 0;
	}
	if (!strcmp(what, "open")) {
		const char *mode = argc > 3 ? argv[3] : "r";
		int flags = !strcmp(mode, "rw") ? O_RDWR : !strcmp(mode, "w") ? O_WRONLY : O_RDONLY;

		return answer(open(arg, flags | O_NONBLOCK | O_NOCTTY));
	}
	if (!strcmp(what, "mknod") && argc > 5)
		return answer(mknod(arg, (argv[3][0] == 'b' ? S_IFBLK : S_IFCHR) | 0600,
			makedev(strtoul(argv[4], NULL, 0), strtoul(argv[5], NULL, 0))));
	if (!strcmp(what, "tiocsti")) {
		int bad = 0;

		/* with high bits set as well: a filter must compare what the kernel uses */
		for (const char *p = arg; *p; p++)
			bad |= syscall(SYS_ioctl, 0, (unsigned long)TIOCSTI, p) < 0 &&
				syscall(SYS_ioctl, 0, TIOCSTI | 0x100000000UL, p) < 0;
		return answer(bad ? -1 : 0);
	}
	if (!strcmp(what, "winsize")) {
		struct winsize w = { 0 };

		if (ioctl(0, TIOCGWINSZ, &w) < 0)
			return answer(-1);
		printf("%dx%d\n", w.ws_row, w.ws_col);
		return 0;
	}
	if (!strcmp(what, "ctty")) {
		int fd = open("/dev/tty", O_RDWR | O_NOCTTY);

		if (fd < 0)
			return answer(-1);
		printf("%s sid=%d\n", ttyname(0) ? ttyname(0) : "notty", getsid(0) == getpid() || getsid(0) == getppid());
		return 0;
	}
	if (!strcmp(what, "socket"))
		return answer(socket(atoi(arg), argc > 3 ? atoi(argv[3]) : SOCK_STREAM, 0));
	if (!strcmp(what, "wait-signal")) {
		for (int s = 1; s < 32; s++)
			if (s != SIGCHLD && s != SIGURG && s != SIGWINCH && s != SIGCONT)
				signal(s, on_signal);
		puts("ready");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (!strcmp(what, "raise")) {
		signal(atoi(arg), SIG_DFL);
		kill(getpid(), atoi(arg));
		pause();
	}
	if (!strcmp(what, "eat")) { /* touch that many MiB */
		size_t n = strtoul(arg, NULL, 0) << 20;
		volatile char *p = malloc(n);

		if (!p)
			return answer(-1);
		for (size_t i = 0; i < n; i += 4096)
			p[i] = 1;
		puts("survived");
		return 0;
	}
	if (!strcmp(what, "forks")) { /* how many children can live at once */
		int n = 0, max = atoi(arg);

		for (; n < max; n++) {
			pid_t p = fork();

			if (p < 0)
				break;
			if (p == 0) {
				pause();
				_exit(0);
			}
		}
		printf("%d\n", n);
		fflush(stdout);
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
		return 0;
	}
	if (!strcmp(what, "subreaper-for") && argc > 2) { /* runs a command, then keeps its orphans and does not reap them */
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		pid_t p = fork();

		if (p == 0) {
			execvp(arg, argv + 2);
			_exit(127);
		}
		int st = 0;

		waitpid(p, &st, 0);
		if (st)
			return 1;
		puts("ready");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (!strcmp(what, "getxattr") && argc > 3) { /* FILE NAME */
		char value[256];
		ssize_t n = getxattr(arg, argv[3], value, sizeof(value) - 1);

		if (n < 0)
			return answer(-1);
		value[n] = 0;
		puts(value);
		return 0;
	}
	if (!strcmp(what, "swap") && argc > 3) /* exchanges two names for ever */
		for (;;)
			syscall(SYS_renameat2, AT_FDCWD, argv[2], AT_FDCWD, argv[3], 2 /* RENAME_EXCHANGE */);
	if (!strcmp(what, "notify") && getenv("NOTIFY_SOCKET")) {
		char cmd[4096];
		struct sockaddr_storage ss = { .ss_family = AF_UNIX };
		char *path = (char *)&ss + sizeof(sa_family_t);
		int s = socket(AF_UNIX, SOCK_DGRAM, 0);

		snprintf(cmd, sizeof(cmd), "%s", getenv("NOTIFY_SOCKET"));
		memcpy(path, cmd, strlen(cmd) + 1);
		if (cmd[0] == '@')
			path[0] = 0;
		return answer(sendto(s, arg, strlen(arg), 0, (struct sockaddr *)&ss,
			(socklen_t)(sizeof(sa_family_t) + strlen(cmd) + (cmd[0] != '@'))));
	}
	fprintf(stderr, "probe: what is \"%s\"?\n", what);
	return 2;
}
