/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see protect.h.  The seals themselves say that we run from a copy: no variable to forge. */
#include "runtime/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

extern char **environ;

/* The end of what the kernel loads: debug information and symbols behind it are not worth copying at every start. */
static off_t loadable_end(int fd, off_t size)
{
	ElfW(Ehdr) head;
	ElfW(Phdr) segments[32];
	off_t end = 0;

	if (pread(fd, &head, sizeof head, 0) != sizeof head || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
		head.e_phentsize != sizeof *segments || head.e_phnum > sizeof segments / sizeof *segments)
		return size;
	if (pread(fd, segments, head.e_phnum * sizeof *segments, (off_t)head.e_phoff) !=
		(ssize_t)(head.e_phnum * sizeof *segments))
		return size;
	for (int i = 0; i < head.e_phnum; i++) {
		off_t segment = (off_t)(segments[i].p_offset + segments[i].p_filesz);

		if (segment > end)
			end = segment;
	}
	return end > 0 && end <= size ? end : size;
}

static int copy(int from, int to)
{
	struct stat st;
	off_t left;

	if (fstat(from, &st) < 0)
		return -errno;
	for (left = loadable_end(from, st.st_size); left > 0;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= n;
	}
	return 0;
}

int protect_self(char **argv, struct error *err)
{
	_cleanup_fd_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = -1;
	int seals, r;

	if (self < 0)
		return error_sys(err, errno, "open the runtime's own binary");
	seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && (seals & FD_MEMORY_SEALS) == FD_MEMORY_SEALS)
		return 0;
	fd = fd_memory_executable("oci-rt", err);
	if (fd < 0)
		return fd;
	r = copy(self, fd);
	if (r < 0)
		return error_sys(err, -r, "copy the runtime's binary to a memory file");
	r = fd_memory_seal(fd);
	if (r < 0)
		return error_sys(err, -r, "seal the copy of the runtime");
	syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return error_sys(err, errno, "execute the sealed copy of the runtime");
}
