/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: which code of a program a command really executes.
 *
 * usage: steps PROGRAM ARGUMENT...
 *
 * The command and every process that it makes are single-stepped by ptrace as
 * long as they execute PROGRAM; a process that executes another program runs
 * free.  Printed are the addresses, relative to where the file is loaded and
 * rounded down to 16 bytes, one per line.  The exit status is the command's.
 *
 * Of a server only what it executes itself once it serves matters, with its children of vfork, which
 * have its memory.  SIGUSR1 says when that is: whatever else was executed has a "-" before it then.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE_MAX (64UL << 20)
#define PROCESSES 64
#define OPTIONS (PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)

#define STEADY 1
#define OTHER 2

static unsigned char *seen;
static volatile sig_atomic_t serving;
static pid_t main_pid;
static const char *program;
static struct process {
	pid_t pid;
	unsigned long base, end; /* of PROGRAM in its memory; 0: it executes something else */
	bool shares;		 /* the memory of the first process */
} processes[PROCESSES];

static void find_image(struct process *p)
{
	const char *name = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
	char path[64], line[4400];
	FILE *f;

	p->base = p->end = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", p->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		unsigned long from, to, offset;
		const char *file = strrchr(line, '/');

		/* the protected copy of itself is the same program */
		if (file && strncmp(file + 1, "memfd:", 6) == 0)
			file += 6;
		if (!file || strncmp(file + 1, name, strlen(name)) != 0 || !strchr(" \n", file[1 + strlen(name)]) ||
			sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) != 3)
			continue;
		if (p->base == 0)
			p->base = from - offset;
		p->end = to;
	}
	if (f)
		fclose(f);
}

static struct process *find(pid_t pid)
{
	struct process *room = NULL;

	for (size_t i = 0; i < PROCESSES; i++) {
		if (processes[i].pid == pid)
			return &processes[i];
		if (processes[i].pid == 0 && !room)
			room = &processes[i];
	}
	if (!room)
		exit(2);
	room->pid = pid;
	find_image(room);
	return room;
}

static int stopped(struct process *p, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;
	struct user_regs_struct regs;
	unsigned long child;

	if (event == PTRACE_EVENT_EXEC) {
		find_image(p);
		p->shares = false;
	} else if (event == PTRACE_EVENT_VFORK && p->pid == main_pid &&
		   ptrace(PTRACE_GETEVENTMSG, p->pid, 0, &child) == 0) {
		find((pid_t)child)->shares = true;
	}
	if (p->base && ptrace(PTRACE_GETREGS, p->pid, 0, &regs) == 0 && regs.rip >= p->base && regs.rip < p->end &&
		regs.rip - p->base < IMAGE_MAX)
		seen[(regs.rip - p->base) >> 4] |= serving && (p->pid == main_pid || p->shares) ? STEADY : OTHER;
	if (event || sig == SIGTRAP || sig == SIGSTOP)
		sig = 0;
	return (int)ptrace(p->base ? PTRACE_SINGLESTEP : PTRACE_CONT, p->pid, 0, (long)sig);
}

static void on_serving(int sig)
{
	(void)sig;
	serving = 1;
}

int main(int argc, char **argv)
{
	int status, result = 2;
	pid_t pid;

	if (argc < 2)
		return 2;
	program = argv[1];
	seen = calloc(1, IMAGE_MAX >> 4);
	main_pid = fork();
	if (main_pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_serving, .sa_flags = SA_RESTART}, NULL);
	if (!seen || waitpid(main_pid, &status, 0) < 0 || ptrace(PTRACE_SETOPTIONS, main_pid, 0, (long)OPTIONS) < 0)
		return 2;
	stopped(find(main_pid), status);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		struct process *p = find(pid);

		if (WIFSTOPPED(status)) {
			stopped(p, status);
			continue;
		}
		if (pid == main_pid)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		*p = (struct process){0};
	}
	for (unsigned long i = 0; i < IMAGE_MAX >> 4; i++)
		if (seen[i])
			printf("%s%lx\n", serving && !(seen[i] & STEADY) ? "-" : "", i << 4);
	return result;
}
