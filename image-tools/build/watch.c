/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a build that is killed cannot end its containers, and a container
 * does not die with the runtime that started it.  So a process that does nothing else
 * holds the other end of a pipe: it is told which containers run and what network they
 * have, and when the pipe ends it kills and takes down what is left.  It is forked before there are threads and keeps
 * no other descriptor, so that it holds no lock of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/build/internal.h"

#define RUNNING_MAX 512
#define ID_SIZE 32 /* bytes of a message: a letter, then the id, padded with NUL */

struct message {
	char text[ID_SIZE];
};

static void forget(char running[][ID_SIZE], size_t *n, const char *id)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(running[i], id) == 0)
			memcpy(running[i], running[--*n], ID_SIZE);
}

static void __attribute__((noreturn)) watch(struct builder *b, int in)
{
	static char running[RUNNING_MAX][ID_SIZE];
	char network[ID_SIZE] = "";
	struct arena a = ARENA_INIT;
	struct message m;
	size_t n = 0;
	int status, null;

	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	dup2(in, 3);
	syscall(SYS_close_range, 4, ~0u, 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Whoever reads our output must not wait for this process. */
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	while (fd_read_full(3, &m, sizeof m) == sizeof m) {
		m.text[ID_SIZE - 1] = '\0';
		if (m.text[0] == WATCH_NETWORK)
			memcpy(network, m.text + 1, ID_SIZE - 1);
		else if (m.text[0] == WATCH_END)
			forget(running, &n, m.text + 1);
		else if (n < RUNNING_MAX)
			memcpy(running[n++], m.text + 1, ID_SIZE - 1);
	}
	for (size_t i = 0; i < n; i++)
		sandbox_runtime(b, (const char *const[]){"delete", "--force", running[i], NULL}, null, &status, NULL);
	if (*network)
		network_remove(arena_printf(&a, "%s/%s", b->mounts, network), &a, NULL);
	_exit(0);
}

int watch_begin(struct builder *b, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "create a pipe");
	b->watcher = fork();
	if (b->watcher == 0)
		watch(b, ends[0]);
	close(ends[0]);
	b->watch = ends[1];
	return b->watcher < 0 ? error_sys(err, errno, "start a process") : 0;
}

void watch_tell(struct builder *b, enum watch_event event, const char *id)
{
	struct message m = {{0}};

	snprintf(m.text, sizeof m.text, "%c%s", (char)event, id);
	/* Less than PIPE_BUF: threads cannot mix their messages. */
	(void)!write(b->watch, &m, sizeof m);
}

void watch_end(struct builder *b)
{
	if (b->watcher <= 0)
		return;
	close(b->watch);
	waitpid(b->watcher, NULL, 0);
	b->watcher = 0;
}
