/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a preloaded library that counts what makes data durable or
 * visible (fsync, fdatasync, syncfs, renameat, linkat, unlinkat of a name in index.json's
 * directory) over the whole process tree, in a file that all share, and stops the
 * process group's world at the CUT_AT-th: it creates CUT_FILE.reached and waits to be
 * killed.  What has been written so far is what a power cut leaves.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic unsigned int *counter;
static unsigned int cut_at;

static void __attribute__((constructor)) begin(void)
{
	const char *file = getenv("CUT_FILE"), *at = getenv("CUT_AT");
	int fd;

	if (!file)
		return;
	cut_at = at ? (unsigned int)atoi(at) : 0;
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return;
	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (counter == MAP_FAILED)
		counter = NULL;
}

static void tick(void)
{
	char name[4096];

	if (!counter || atomic_fetch_add(counter, 1) + 1 != cut_at)
		return;
	snprintf(name, sizeof name, "%s.reached", getenv("CUT_FILE"));
	close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (;;)
		pause();
}

#define REAL(NAME) ((__typeof__(&NAME))dlsym(RTLD_NEXT, #NAME))

int fsync(int fd)
{
	tick();
	return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	tick();
	return REAL(fdatasync)(fd);
}

int syncfs(int fd)
{
	tick();
	return REAL(syncfs)(fd);
}

int renameat(int from, const char *a, int to, const char *b)
{
	tick();
	return REAL(renameat)(from, a, to, b);
}

int linkat(int from, const char *a, int to, const char *b, int flags)
{
	tick();
	return REAL(linkat)(from, a, to, b, flags);
}

int unlinkat(int fd, const char *name, int flags)
{
	tick();
	return REAL(unlinkat)(fd, name, flags);
}
