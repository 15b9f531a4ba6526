/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: thin, EINTR-safe layers over read, write, sendmsg and poll; see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/memfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

int fd_write_all(int fd, const void *buf, size_t n)
{
	const char *p = buf;

	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (done == 0)
			return -EIO;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

ssize_t fd_read_full(int fd, void *buf, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, (char *)buf + got, n - got);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int fd_read_all(int fd, struct arena *a, size_t max, char **buf, size_t *len)
{
	struct stat st;
	size_t room = 4096, got = 0;
	char *p;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		if ((unsigned long long)st.st_size > max)
			return -EFBIG;
		room = (size_t)st.st_size + 1;
	}
	p = arena_alloc(a, room + 1);
	for (;;) {
		ssize_t r = read(fd, p + got, room - got);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (r == 0)
			break;
		got += (size_t)r;
		if (got > max)
			return -EFBIG;
		if (got == room) {
			p = arena_grow(a, p, room + 1, room * 2 + 1);
			room *= 2;
		}
	}
	p[got] = '\0';
	*buf = p;
	if (len)
		*len = got;
	return 0;
}

int fd_read_file(int dirfd, const char *name, struct arena *a, size_t max, char **buf, size_t *len)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return fd_read_all(fd, a, max, buf, len);
}

int fd_write_file(int dirfd, const char *name, const char *text)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	size_t n = strlen(text);
	ssize_t done;

	if (fd < 0)
		return -errno;
	do
		done = write(fd, text, n);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	return (size_t)done == n ? 0 : -EIO;
}

static int replace_file(int dirfd, const char *name, const void *buf, size_t n, mode_t mode, bool durable)
{
	char tmp[NAME_MAX + 1];
	_cleanup_fd_ int fd = -1;
	int r;

	if (snprintf(tmp, sizeof tmp, ".%s.new", name) >= (int)sizeof tmp)
		return -ENAMETOOLONG;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, buf, n);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, tmp, 0);
	return r;
}

int fd_replace_file(int dirfd, const char *name, const void *buf, size_t n, mode_t mode)
{
	return replace_file(dirfd, name, buf, n, mode, false);
}

int fd_replace_file_durable(int dirfd, const char *name, const void *buf, size_t n, mode_t mode)
{
	_cleanup_fd_ int dir = -1;
	int r = replace_file(dirfd, name, buf, n, mode, true);

	if (r < 0)
		return r;
	/* The name is durable with its directory; AT_FDCWD and O_PATH descriptors cannot be synced themselves. */
	dir = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

int fd_create_file(int dirfd, const char *name, const void *buf, size_t n, mode_t mode)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	return fd < 0 ? -errno : fd_write_all(fd, buf, n);
}

int fd_send(int sock, int fd, const void *data, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t r;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	do
		r = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int fd_recv(int sock, void *data, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf
	};
	struct cmsghdr *c;
	ssize_t r;
	int fd;

	do
		r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (r == 0 || !c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

int fd_connect_unix(const char *path, struct error *err)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_fd_ int file = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (sock < 0)
		return error_sys(err, errno, "create a socket for %s", path);
	if (strlen(path) < sizeof addr.sun_path) {
		strcpy(addr.sun_path, path);
	} else {
		file = open(path, O_PATH | O_CLOEXEC);
		if (file < 0)
			return error_sys(err, errno, "open socket %s", path);
		snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d", file);
	}
	while (connect(sock, (struct sockaddr *)&addr, sizeof addr) < 0) {
		if (errno != EINTR)
			return error_sys(err, errno, "connect to socket %s", path);
	}
	return fd_take(&sock);
}

int fd_cloexec_from(unsigned int first)
{
	if (syscall(SYS_close_range, first, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	if (errno != ENOSYS && errno != EINVAL)
		return -errno;
	/* Linux before 5.11: walk what can be open. */
	for (int fd = (int)first, end = (int)sysconf(_SC_OPEN_MAX); fd < end; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0 && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
			return -errno;
	}
	return 0;
}

static int close_between(unsigned int first, unsigned int last)
{
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return 0;
	if (errno != ENOSYS)
		return -errno;
	for (unsigned int fd = first, end = (unsigned int)sysconf(_SC_OPEN_MAX); fd <= last && fd < end; fd++)
		close((int)fd);
	return 0;
}

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int fd_of_path(const char *path)
{
	static const char *const dirs[] = { "/dev/fd/", "/proc/self/fd/" };

	for (size_t i = 0; path && i < sizeof dirs / sizeof *dirs; i++) {
		size_t n = strlen(dirs[i]), digits;

		if (strncmp(path, dirs[i], n) != 0)
			continue;
		digits = strspn(path + n, "0123456789");
		if (digits > 0 && digits < 8 && !path[n + digits])
			return atoi(path + n);
	}
	return -1;
}

int fd_close_except(unsigned int first, int *keep, size_t count)
{
	int r;

	qsort(keep, count, sizeof *keep, compare);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < 0 || (unsigned int)keep[i] < first)
			continue;
		r = (unsigned int)keep[i] > first ? close_between(first, (unsigned int)keep[i] - 1) : 0;
		if (r < 0)
			return r;
		first = (unsigned int)keep[i] + 1;
	}
	return close_between(first, ~0u);
}

int fd_sanitise_stdio(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (open("/dev/null", O_RDWR) != fd)
			return -EBADF;
	}
	return 0;
}

int fd_pidfd_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0u);

	return fd < 0 ? -errno : fd;
}

int fd_pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0u) < 0 ? -errno : 0;
}

int fd_wait_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int r = poll(&p, 1, timeout_ms);

		if (r >= 0)
			return r > 0;
		if (errno != EINTR)
			return -errno;
	}
}

int fd_memory_executable(const char *name, struct error *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 every memory file is executable */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? error_sys(err, errno, "make a memory file for a program (%s)", name) : fd;
}

int fd_memory_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, FD_MEMORY_SEALS) < 0 ? -errno : 0;
}

int fd_memory_program(const char *name, const void *elf, size_t len, struct error *err)
{
	_cleanup_fd_ int fd = fd_memory_executable(name, err);
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_all(fd, elf, len);
	if (r == 0)
		r = fd_memory_seal(fd);
	return r < 0 ? error_sys(err, -r, "put a program into a memory file (%s)", name) : fd_take(&fd);
}
