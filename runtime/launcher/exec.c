/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see launcher.h; the bytes come from blob.S. */
#include "runtime/launcher/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

extern const char launcher_begin[], launcher_end[];

bool launcher_available(void)
{
	return (uintptr_t)launcher_end > (uintptr_t)launcher_begin;
}

int launcher_open(struct error *err)
{
	return fd_memory_program("oci-rt-launcher", launcher_begin, (size_t)(launcher_end - launcher_begin), err);
}

const char **launcher_arguments(struct arena *a, const char *const *argv)
{
	size_t n = 0;
	const char **list;

	while (argv[n])
		n++;
	list = arena_array(a, const char *, n + 3);
	list[0] = arena_alloc(a, 12);
	memcpy(list + 2, argv, n * sizeof *argv);
	return list;
}

int launcher_exec(int launcher_fd, int proof_fd, const char *path, const char **arguments, const char *const *envp)
{
	snprintf((char *)arguments[0], 12, "%d", proof_fd);
	arguments[1] = path;
	if (fcntl(proof_fd, F_SETFD, 0) < 0)
		return -errno;
	syscall(SYS_execveat, launcher_fd, "", arguments, envp, AT_EMPTY_PATH);
	return -errno;
}
