/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the last program before the container's own.  The
 * process that set the container up still has the runtime's binary as its
 * /proc/self/exe, and an image can make the kernel execute just that ("#!" or an
 * ELF interpreter of /proc/self/exe).  So it first becomes this program, a few
 * hundred bytes in a sealed memory file, which then executes the container's:
 * what could be reached through /proc/self/exe is this file, which nobody can
 * write and which can do nothing else.
 *
 * No C library, no data, one page.  argv: the number of the proof descriptor,
 * the path to execute, then the program's own argv.
 */
#include <asm/fcntl.h>
#include <asm/unistd.h>

#if defined __x86_64__
static long call3(long n, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall launch\n");
#elif defined __aarch64__
static long call3(long n, long a, long b, long c)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl launch\n");
#endif

struct failure {
	char what; /* PROOF_ERRNO */
	int errnum;
} __attribute__((packed));

void launch(long *stack) __attribute__((noreturn));

void launch(long *stack)
{
	char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
	struct failure failure = { 'E', 0 };
	long fd = 0, n = 0;

	for (const char *p = argv[0]; *p; p++)
		fd = fd * 10 + (*p - '0');
	/* Execve closes it, which is the proof; it had to survive the first one. */
	if (call3(__NR_fcntl, fd, F_SETFD, FD_CLOEXEC) == 0 && call3(__NR_write, fd, (long)"x", 1) == 1)
		failure.errnum = (int)-call3(__NR_execve, (long)argv[1], (long)(argv + 2), (long)envp);
	else
		failure.errnum = 1;
	call3(__NR_write, fd, (long)&failure, sizeof failure);
	while (argv[2][n])
		n++;
	call3(__NR_write, fd, (long)argv[2], n);
	for (;;)
		call3(__NR_exit_group, 1, 0, 0);
}
