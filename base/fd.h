/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_FD_H
#define OCI_RT_BASE_FD_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * Descriptors: owned by cleanup variables, O_CLOEXEC from birth, -1 when there
 * is none.  The functions below return 0 (or a descriptor) or a negative errno;
 * those that take a struct error fill it with the name of the object.
 */
static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define _cleanup_fd_ __attribute__((cleanup(cleanup_fd)))

/* Hand a descriptor over: the variable forgets it. */
static inline int fd_take(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

/* Write all n bytes, going on after EINTR and short writes. */
int fd_write_all(int fd, const void *buf, size_t n);

/* Read until n bytes came or the file ended; returns the count or a negative errno. */
ssize_t fd_read_full(int fd, void *buf, size_t n);

/* Read a whole file into the arena, NUL behind the last byte.  More than max bytes is -EFBIG. */
int fd_read_all(int fd, struct arena *a, size_t max, char **buf, size_t *len);

/* The same for a file by name, opened relative to dirfd, without following a final link. */
int fd_read_file(int dirfd, const char *name, struct arena *a, size_t max, char **buf, size_t *len);

/* Open an existing file (cgroup, /proc, /sys) for writing and write the text in one write(). */
int fd_write_file(int dirfd, const char *name, const char *text);

/* Write a file so that readers see the old or the new content and never a part: temporary name
 * beside it, then rename.  No fsync: the state directory is a tmpfs. */
int fd_replace_file(int dirfd, const char *name, const void *buf, size_t n, mode_t mode);

/* The same for a file that has to survive a power cut: content and name are on disk when it returns 0.  The temporary
 * name is fixed, so writers of one file need a lock; what a crash leaves there is overwritten by the next. */
int fd_replace_file_durable(int dirfd, const char *name, const void *buf, size_t n, mode_t mode);

/* Write a file that must not exist yet. */
int fd_create_file(int dirfd, const char *name, const void *buf, size_t n, mode_t mode);

/* Send one descriptor with len (≥ 1) bytes of data over a connected AF_UNIX socket. */
int fd_send(int sock, int fd, const void *data, size_t len);

/* Receive one descriptor (O_CLOEXEC) and up to len bytes; returns it or a negative errno. */
int fd_recv(int sock, void *data, size_t len);

/* Connect to an AF_UNIX stream socket; paths longer than sun_path go through their directory. */
int fd_connect_unix(const char *path, struct error *err);

/* What keeps a memory file as it is. */
#define FD_MEMORY_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* A memory file that can be executed; empty, and not yet sealed. */
int fd_memory_executable(const char *name, struct error *err);

/* Nobody can change the memory file any more, not even who holds a descriptor. */
int fd_memory_seal(int fd);

/* A program in memory: its ELF file in a sealed memory file. */
int fd_memory_program(const char *name, const void *elf, size_t len, struct error *err);

/* Mark everything from first upwards close-on-exec. */
int fd_cloexec_from(unsigned int first);

/* N of "/dev/fd/N" or "/proc/self/fd/N", or -1. */
int fd_of_path(const char *path);

/* Close everything from first upwards but the count descriptors in keep, which is sorted; those below first, -1 among
 * them, do not matter. */
int fd_close_except(unsigned int first, int *keep, size_t count);

/* Make sure that 0, 1 and 2 are open, so that no later open() lands there. */
int fd_sanitise_stdio(void);

/* pidfd_open(2), pidfd_send_signal(2). */
int fd_pidfd_open(pid_t pid);
int fd_pidfd_signal(int pidfd, int sig);

/* Wait at most timeout_ms (-1: for ever) until fd is readable: 1 yes, 0 time is up, negative errno. */
int fd_wait_readable(int fd, int timeout_ms);

#endif
