/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: an exploit in the process that parses layers, as a preloaded
 * library.  When that process creates a file named "escape", every way out is tried
 * with plain system calls; "escape-report" in the same root tells what came of it:
 * a line "NAME ERRNO" each, 0 for what worked.  The process that only reads streams
 * and archives has no root: there the trigger is a marker in what is read (the name in
 * a gzip header, which only who decompresses sees), and the report goes to standard error.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ROOT 4
#define MARKER "escape-marker"
static FILE *report;

static void tell(const char *name, long r)
{
	fprintf(report, "%s %d\n", name, r < 0 ? errno : 0);
}

static void try_everything(void)
{
	char *const argv[] = { "true", NULL };
	char path[64];
	struct stat st;
	long zero;

	tell("open-passwd", syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
	tell("open-passwd-up", syscall(SYS_openat, ROOT, "../../../../../../../../etc/passwd", O_RDONLY));
	tell("open-proc", syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY));
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof path, "open-store-%d", fd);
		if (fd != ROOT && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) &&
			syscall(SYS_openat, fd, "../../../index.json", O_RDONLY) >= 0)
			tell(path, 0);
	}
	tell("chown-passwd", syscall(SYS_fchownat, AT_FDCWD, "/etc/passwd", 1, 1, 0));
	for (int n = 1; n < 8; n++) {
		static const char ups[] = "../../../../../../../";

		for (int i = 0; i < 2; i++) {
			snprintf(path, sizeof path, "%.*s%sindex.json", 3 * n, ups, i ? "store/" : "");
			if (syscall(SYS_fchmodat, ROOT, path, 0777) == 0)
				tell("chmod-up", 0);
			if (syscall(SYS_utimensat, ROOT, path, NULL, 0) == 0)
				tell("touch-up", 0);
			if (syscall(SYS_unlinkat, ROOT, path, 0) == 0)
				tell("unlink-up", 0);
		}
	}
	tell("inet", syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
	tell("unix", syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	tell("execve", syscall(SYS_execve, "/bin/true", argv, argv + 1));
	tell("clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	tell("ptrace", syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0));
	tell("kill", syscall(SYS_kill, getppid(), SIGCONT));
	tell("mount", syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
	tell("unshare", syscall(SYS_unshare, CLONE_NEWNS));
	tell("setns", syscall(SYS_setns, 0, 0));
	tell("chroot", syscall(SYS_chroot, "."));
	tell("fchdir", syscall(SYS_fchdir, ROOT));
	tell("bpf", syscall(SYS_bpf, 0, NULL, 0));
	tell("handle", syscall(SYS_open_by_handle_at, ROOT, "\0\0\0\0\0\0\0\0", O_RDONLY));
	tell("prctl", syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
	tell("code", mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	/* A device may be a name in the tree, but nobody opens it here. */
	zero = syscall(SYS_mknodat, ROOT, "zero", S_IFCHR | 0666, makedev(1, 5));
	fprintf(report, "mknod-made %s\n", zero < 0 ? "no" : "yes");
	tell("open-device", syscall(SYS_openat, ROOT, "zero", O_RDONLY));
	tell("inside", syscall(SYS_openat, ROOT, "inside", O_CREAT | O_WRONLY, 0600));
}

ssize_t read(int fd, void *buf, size_t size)
{
	ssize_t n = syscall(SYS_read, fd, buf, size);
	static char text[8192];

	if (n < (ssize_t)sizeof MARKER || !memmem(buf, (size_t)n, MARKER, sizeof MARKER - 1))
		return n;
	report = fmemopen(text, sizeof text, "w");
	if (!report)
		return n;
	/* Where there is no filter nothing is tried: it would work. */
	if (syscall(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) >= 0) {
		tell("no-filter", 0);
	} else {
		tell("write-input", syscall(SYS_write, fd, "x", 1));
		tell("pwrite-input", syscall(SYS_pwrite64, fd, "x", 1, 0));
		tell("truncate-input", syscall(SYS_ftruncate, fd, 0));
		tell("memfd", syscall(SYS_memfd_create, "x", 0));
		try_everything();
	}
	fclose(report);
	dprintf(STDERR_FILENO, "escape-report\n%s", text);
	return n;
}

int openat(int dir, const char *name, int flags, ...)
{
	static int (*real)(int, const char *, int, ...);
	va_list ap;
	mode_t mode;
	int fd;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!real)
		real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
	if (strcmp(name, "escape") == 0 && (fd = real(ROOT, "escape-report", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) >= 0) {
		report = fdopen(fd, "w");
		if (report) {
			try_everything();
			fclose(report);
		}
	}
	return real(dir, name, flags, mode);
}
