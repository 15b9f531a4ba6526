/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runs a command and prints its exit status and the largest
 * peak resident set (KiB) of it and all children it waited for.  A process
 * inherits the high-water mark of the image it was forked from, so the peak of a
 * small program started by a big one is the big one's; this launcher is static,
 * tiny and uses vfork, so what it adds is its own few pages.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv, char **envp)
{
	struct rusage usage;
	pid_t pid;
	int st;

	if (argc < 2)
		return 2;
	pid = vfork();
	if (pid == 0) {
		execve(argv[1], argv + 1, envp);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &st, 0, &usage) < 0)
		return 1;
	dprintf(1, "%d %ld\n", WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st), usage.ru_maxrss);
	return 0;
}
