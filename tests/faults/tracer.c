/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: follow a runtime command and everything it creates with
 * ptrace (PTRACE_SEIZE, so that no signal is lost and the tree can be let go at
 * any time), counting system calls of all processes and threads with one counter.
 * At call k the fault happens; from then on every tracee is let go at its next
 * stop, so that what follows runs undisturbed and fast.
 *
 * A process is the container's own from the moment it has executed the payload
 * program (compared by device and inode): it is let go and not counted.  Hooks
 * and the container's init before that are the runtime's and count.
 *
 * Which calls a fault applies to: an error never to calls that cannot fail
 * (exit, getpid, …) or whose error is not an errno (brk); close really closes
 * before it "fails"; a short write never to a pseudo file, where the kernel has
 * no short writes.
 *
 * x86-64 only: registers are changed by name.  Linux 5.3 (PTRACE_GET_SYSCALL_INFO).
 */
#include "tests/faults/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "tests/faults: the injector knows x86-64's registers only"
#endif

#define MAX_TRACEES 4096
#define OPTIONS                                                                                                        \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

struct tracee {
	pid_t tid;
	int ordinal;
	unsigned index;
	bool faulted; /* the call it is in carries the fault */
	unsigned long saved_rdx;
};

struct trace {
	const struct trace_options *o;
	struct trace_result r;
	struct tracee tracee[MAX_TRACEES];
	int count, ordinals;
	pid_t main;
	bool counting, main_ended;
	int main_status;
};

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms = 1;
}

static struct tracee *find(struct trace *t, pid_t tid)
{
	for (int i = 0; i < t->count; i++)
		if (t->tracee[i].tid == tid)
			return &t->tracee[i];
	return NULL;
}

static struct tracee *find_or_add(struct trace *t, pid_t tid)
{
	struct tracee *p = find(t, tid);

	if (p)
		return p;
	if (t->count == MAX_TRACEES)
		die("too many processes to follow");
	p = &t->tracee[t->count++];
	*p = (struct tracee){.tid = tid, .ordinal = t->ordinals++};
	return p;
}

static void forget(struct trace *t, pid_t tid)
{
	for (int i = 0; i < t->count; i++)
		if (t->tracee[i].tid == tid) {
			t->tracee[i] = t->tracee[--t->count];
			return;
		}
}

static void let_go(struct trace *t, pid_t tid, int sig)
{
	ptrace(PTRACE_DETACH, tid, 0, sig);
	forget(t, tid);
}

/* ---------------------------------------------------------- what applies */

static bool cannot_fail(long nr)
{
	static const short list[] = {SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall, SYS_getpid,
		SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_umask, SYS_brk,
		SYS_set_tid_address, SYS_sched_yield, SYS_alarm, SYS_getpgrp, SYS_rt_sigprocmask};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		if (list[i] == nr)
			return true;
	return false;
}

static bool is_pseudo_file(pid_t tid, int fd)
{
	char *path = fmt_text("/proc/%d/fd/%d", (int)tid, fd);
	struct statfs fs;
	bool pseudo =
		statfs(path, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
						  fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);

	free(path);
	return pseudo;
}

static bool applies(const struct fault *f, pid_t tid, const struct __ptrace_syscall_info *s)
{
	long nr = (long)s->entry.nr;

	switch (f->kind) {
	case FAULT_NONE:
	case FAULT_KILL_CALLER:
	case FAULT_KILL_MAIN:
		return true;
	case FAULT_ERRNO:
		if (nr == SYS_futex) /* the C library aborts on errors a futex never has */
			return f->error == EAGAIN || f->error == EINTR;
		return !cannot_fail(nr);
	case FAULT_SHORT:
		if (s->entry.args[2] < 2)
			return false;
		if (nr == SYS_write || nr == SYS_pwrite64)
			return !is_pseudo_file(tid, (int)s->entry.args[0]);
		return nr == SYS_read || nr == SYS_pread64;
	}
	return false;
}

/* --------------------------------------------------------------- the call */

static void read_string(pid_t tid, unsigned long address, char *to, size_t size)
{
	struct iovec local = {to, size - 1}, remote = {(void *)address, size - 1};
	ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);

	if (n <= 0) {
		/* The string may end just before an unmapped page. */
		remote.iov_len = local.iov_len = 4096 - address % 4096 < size - 1 ? 4096 - address % 4096 : size - 1;
		n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
	}
	to[n > 0 ? n : 0] = '\0';
	for (char *p = to; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '|')
			*p = '?';
}

/* Which argument of the call is a path, or -1. */
static int path_argument(long nr)
{
	switch (nr) {
	case SYS_openat:
	case SYS_openat2:
	case SYS_mkdirat:
	case SYS_mknodat:
	case SYS_unlinkat:
	case SYS_readlinkat:
	case SYS_newfstatat:
	case SYS_statx:
	case SYS_faccessat:
	case SYS_faccessat2:
	case SYS_renameat2:
	case SYS_fchmodat:
	case SYS_fchownat:
	case SYS_open_tree:
	case SYS_mount:
	case SYS_write:
	case SYS_mount_setattr:
		return 1;
	case SYS_move_mount:
		return 3;
	case SYS_symlinkat:
		return 2;
	case SYS_open:
	case SYS_mkdir:
	case SYS_mknod:
	case SYS_unlink:
	case SYS_rmdir:
	case SYS_access:
	case SYS_execve:
	case SYS_chdir:
	case SYS_chroot:
	case SYS_stat:
	case SYS_lstat:
	case SYS_readlink:
	case SYS_umount2:
	case SYS_pivot_root:
	case SYS_statfs:
	case SYS_symlink:
	case SYS_chmod:
	case SYS_chown:
	case SYS_fsopen:
		return 0;
	default:
		return -1;
	}
}

static void describe(pid_t tid, const struct __ptrace_syscall_info *s, char *to, size_t size)
{
	long nr = (long)s->entry.nr;
	int arg = path_argument(nr);
	char text[96] = "";

	if (arg >= 0)
		read_string(tid, s->entry.args[arg], text, sizeof text);
	if (nr == SYS_write && s->entry.args[2] < sizeof text)
		text[s->entry.args[2]] = '\0';
	if (arg >= 0)
		snprintf(to, size, "%s(%s)", syscall_name(nr), text);
	else
		snprintf(to, size, "%s(%#llx, %#llx)", syscall_name(nr), (unsigned long long)s->entry.args[0],
			(unsigned long long)s->entry.args[1]);
}

static void set_register(pid_t tid, size_t offset, unsigned long value)
{
	ptrace(PTRACE_POKEUSER, tid, offset, value);
}

/* Is the call made by code of the dynamic loader? */
static bool is_in_loader(pid_t tid, unsigned long ip)
{
	char *path = fmt_text("/proc/%d/maps", (int)tid), *text = read_text(path), *save = NULL;
	unsigned long from, to;
	bool found = false;

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l && !found; l = strtok_r(NULL, "\n", &save))
		found = sscanf(l, "%lx-%lx", &from, &to) == 2 && ip >= from && ip < to && strstr(l, "/ld-");
	free(path);
	free(text);
	return found;
}

/* The fault happens at the entry of this call. */
static void strike(struct trace *t, struct tracee *p, const struct __ptrace_syscall_info *s)
{
	const struct fault *f = &t->o->fault;

	t->r.fired = true;
	t->r.process = p->ordinal;
	t->r.index = p->index;
	t->r.nr = (long)s->entry.nr;
	t->r.in_loader = is_in_loader(p->tid, s->instruction_pointer);
	describe(p->tid, s, t->r.what, sizeof t->r.what);
	switch (f->kind) {
	case FAULT_NONE:
		break;
	case FAULT_ERRNO:
		p->faulted = true;
		if (t->r.nr != SYS_close)
			set_register(p->tid, offsetof(struct user_regs_struct, orig_rax), (unsigned long)-1);
		break;
	case FAULT_SHORT:
		p->faulted = true;
		p->saved_rdx = s->entry.args[2];
		set_register(p->tid, offsetof(struct user_regs_struct, rdx), s->entry.args[2] / 2);
		break;
	case FAULT_KILL_CALLER:
		kill(p->tid, SIGKILL);
		break;
	case FAULT_KILL_MAIN:
		kill(t->main, SIGKILL);
		break;
	}
}

static void on_entry(struct trace *t, struct tracee *p, const struct __ptrace_syscall_info *s)
{
	char what[160];

	p->index++;
	if (t->o->histogram && s->entry.nr < TRACE_MAX_NR)
		t->o->histogram[s->entry.nr]++;
	if (!applies(&t->o->fault, p->tid, s))
		return;
	t->r.calls++;
	if (t->o->log) {
		describe(p->tid, s, what, sizeof what);
		fprintf(t->o->log, "%u\t%d\t%u\t%s\n", t->r.calls, p->ordinal, p->index, what);
	}
	if (t->o->fault.kind != FAULT_NONE && t->r.calls == t->o->fault.k)
		strike(t, p, s);
}

static void on_exit_of_call(struct trace *t, struct tracee *p)
{
	if (!p->faulted)
		return;
	p->faulted = false;
	if (t->o->fault.kind == FAULT_ERRNO)
		set_register(p->tid, offsetof(struct user_regs_struct, rax), (unsigned long)-t->o->fault.error);
	else
		set_register(p->tid, offsetof(struct user_regs_struct, rdx), p->saved_rdx);
}

/* -------------------------------------------------------------- the stops */

static bool is_payload(struct trace *t, pid_t tid)
{
	char *path = fmt_text("/proc/%d/exe", (int)tid);
	struct stat st;
	bool same = t->o->payload && stat(path, &st) == 0 && st.st_dev == t->o->payload->st_dev &&
		    st.st_ino == t->o->payload->st_ino;

	free(path);
	return same;
}

static void on_exec(struct trace *t, pid_t tid)
{
	unsigned long former = 0;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &former);
	if ((pid_t)former != tid)
		forget(t, (pid_t)former);
	if (tid == t->main)
		t->counting = true;
	if (is_payload(t, tid))
		let_go(t, tid, 0);
	else
		ptrace(PTRACE_SYSCALL, tid, 0, 0);
}

static void on_call(struct trace *t, struct tracee *p)
{
	struct __ptrace_syscall_info s;
	pid_t tid = p->tid;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof s, &s) > 0) {
		if (s.op == PTRACE_SYSCALL_INFO_ENTRY && t->counting && !t->r.fired)
			on_entry(t, p, &s);
		else if (s.op == PTRACE_SYSCALL_INFO_EXIT)
			on_exit_of_call(t, p);
	}
	if (t->r.fired && !p->faulted)
		let_go(t, tid, 0);
	else
		ptrace(PTRACE_SYSCALL, tid, 0, 0);
}

/* The child is already followed, even if its own first stop has not been seen yet. */
static void know_child(struct trace *t, pid_t parent)
{
	unsigned long child = 0;

	if (ptrace(PTRACE_GETEVENTMSG, parent, 0, &child) == 0 && child)
		find_or_add(t, (pid_t)child);
}

static void on_stop(struct trace *t, pid_t tid, int wstatus)
{
	int sig = WSTOPSIG(wstatus), event = wstatus >> 16;
	struct tracee *p = find_or_add(t, tid);

	if (sig == (SIGTRAP | 0x80)) {
		on_call(t, p);
	} else if (event == PTRACE_EVENT_EXEC) {
		on_exec(t, tid);
	} else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		ptrace(PTRACE_LISTEN, tid, 0, 0);
	} else {
		if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE)
			know_child(t, tid);
		p = find(t, tid);
		sig = event ? 0 : sig;
		if (t->r.fired && !p->faulted)
			let_go(t, tid, sig);
		else
			ptrace(PTRACE_SYSCALL, tid, 0, sig);
	}
}

/*
 * The command has ended: whoever is still followed (the waiting init) is let go.  Never waits for one process in
 * particular: the leader of a thread group reports its end only when all its threads are gone.
 */
static void let_go_of_all(struct trace *t)
{
	int64_t end = now_ns() + 2000000000;
	int st;

	for (int i = 0; i < t->count; i++)
		ptrace(PTRACE_INTERRUPT, t->tracee[i].tid, 0, 0);
	while (t->count > 0 && now_ns() < end) {
		pid_t tid = waitpid(-1, &st, __WALL | WNOHANG);
		struct tracee *p = tid > 0 ? find(t, tid) : NULL;

		if (tid <= 0) {
			usleep(100);
		} else if (!WIFSTOPPED(st)) {
			forget(t, tid);
		} else {
			int event = st >> 16;

			if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE)
				know_child(t, tid);
			if (p)
				on_exit_of_call(t, p);
			let_go(t, tid, event || WSTOPSIG(st) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(st));
		}
	}
	while (t->count > 0)
		let_go(t, t->tracee[0].tid, 0);
}

/* ------------------------------------------------------------- the command */

static pid_t start_seized(const struct command *c)
{
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		char byte;

		(void)!read(go[0], &byte, 1);
		if (dup2(c->in < 0 ? null : c->in, 0) < 0 || dup2(c->out < 0 ? null : c->out, 1) < 0 ||
			dup2(c->err < 0 ? null : c->err, 2) < 0)
			_exit(127);
		execv(c->argv[0], c->argv);
		_exit(127);
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0)
		die("ptrace %d: %s", (int)pid, strerror(errno));
	(void)!write(go[1], "", 1);
	close(go[0]);
	close(go[1]);
	return pid;
}

static void arm(int ms)
{
	struct itimerval v = {.it_value = {ms / 1000, ms % 1000 * 1000}, .it_interval = {ms ? 1 : 0, 0}};
	struct sigaction sa = {.sa_handler = on_alarm};

	alarms = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &v, NULL);
}

struct trace_result trace_run(const struct command *c, const struct trace_options *o)
{
	static struct trace t;
	int64_t start = now_ns();
	int st;
	pid_t pid;

	memset(&t, 0, offsetof(struct trace, tracee));
	t.o = o;
	t.count = t.ordinals = 0;
	t.counting = t.main_ended = false;
	if (o->attach && ptrace(PTRACE_SEIZE, o->attach, 0, OPTIONS) == 0)
		ptrace(PTRACE_INTERRUPT, o->attach, 0, 0);
	arm(c->limit_ms ? c->limit_ms : 60000);
	t.main = start_seized(c);
	find_or_add(&t, t.main);
	while (!t.main_ended) {
		struct rusage usage;

		pid = wait4(-1, &st, __WALL, &usage);
		if (pid < 0 && errno == EINTR && alarms) {
			alarms = 0;
			t.r.outcome.hung = true;
			kill(t.main, SIGKILL);
			continue;
		}
		if (pid <= 0)
			continue;
		if (WIFSTOPPED(st)) {
			on_stop(&t, pid, st);
			continue;
		}
		forget(&t, pid);
		if (pid == t.main) {
			t.main_ended = true;
			t.main_status = st;
			t.r.outcome.usage = usage;
		}
	}
	arm(0);
	t.r.outcome.ns = now_ns() - start;
	t.r.outcome.status = WIFEXITED(t.main_status) ? WEXITSTATUS(t.main_status) : 128 + WTERMSIG(t.main_status);
	let_go_of_all(&t);
	return t.r;
}
