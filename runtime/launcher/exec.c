/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see launcher.h; the bytes come from blob.S. */
#include "runtime/launcher/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

extern const char launcher_begin[], launcher_end[];

bool launcher_available(void)
{
	return (uintptr_t)launcher_end > (uintptr_t)launcher_begin;
}

int launcher_open(struct error *err)
{
	size_t size = (size_t)(launcher_end - launcher_begin);
	_cleanup_fd_ int fd = memfd_create("oci-rt-launcher", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	int r;

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 every memory file is executable */
		fd = memfd_create("oci-rt-launcher", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return error_sys(err, errno, "make a memory file for the launcher");
	r = fd_write_all(fd, launcher_begin, size);
	if (r < 0)
		return error_sys(err, -r, "write the launcher to a memory file");
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return error_sys(err, errno, "seal the launcher");
	return fd_take(&fd);
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
