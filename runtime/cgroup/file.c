/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: reading and writing the small files of a cgroup.
 *
 * A value is one write(); the kernel's refusal is put into words that name file,
 * value and cause.  Files are read into buffers of the caller, so that loops
 * that wait for something allocate nothing.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/internal.h"

int cg_write_fd(int fd, const char *text)
{
	size_t n = strlen(text);
	ssize_t done;

	do
		done = write(fd, text, n);
	while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : (size_t)done == n ? 0 : -EIO;
}

int cg_try_write(const struct hierarchy *h, const char *file, const char *text)
{
	int r = hierarchy_open(h);

	return r < 0 ? r : fd_write_file(h->m->fd, file, text);
}

int cg_write_error(const struct hierarchy *h, const char *file, const char *text, int errnum, struct error *err)
{
	switch (errnum) {
	case ENOENT:
		if (h->m->fd < 0)
			return error_set(err, ERR_NOT_RUNNING, ENOENT, "cgroup %s is gone", h->m->path);
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "write \"%.200s\" to %s/%s: this kernel has no such file", text,
			h->m->path, file);
	case EINVAL:
	case ERANGE:
		return error_set(err, ERR_CONFIG, errnum, "write \"%.200s\" to %s/%s: the kernel does not accept this value", text,
			h->m->path, file);
	case ENODEV:
		return error_set(err, ERR_CONFIG, errnum, "write \"%.200s\" to %s/%s: no such device", text, h->m->path, file);
	case EROFS:
		error_hint(err, "the cgroup filesystem is read-only here: make it writable, or run with --cgroup-manager=disabled");
		break;
	case EACCES:
	case EPERM:
		error_hint(err, "the cgroup is not delegated to this user: use the systemd manager with Delegate=yes");
		break;
	default:
		break;
	}
	return error_sys(err, errnum, "write \"%.200s\" to %s/%s", text, h->m->path, file);
}

int cg_write(const struct hierarchy *h, const char *file, const char *text, struct error *err)
{
	int r = cg_try_write(h, file, text);

	return r < 0 ? cg_write_error(h, file, text, -r, err) : 0;
}

int cg_writef(const struct hierarchy *h, struct error *err, const char *file, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof text)
		return error_set(err, ERR_CONFIG, ENAMETOOLONG, "value for %s/%s is too long", h->m->path, file);
	return cg_write(h, file, text, err);
}

bool cg_has(const struct hierarchy *h, const char *file)
{
	return hierarchy_open(h) == 0 && faccessat(h->m->fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

ssize_t cg_read_at(int dir, const char *file, char *buf, size_t size)
{
	_cleanup_fd_ int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_read_full(fd, buf, size - 1);
	if (n < 0)
		return n;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

ssize_t cg_read(const struct hierarchy *h, const char *file, char *buf, size_t size)
{
	int r = hierarchy_open(h);

	return r < 0 ? r : cg_read_at(h->m->fd, file, buf, size);
}

int cg_read_u64(const struct hierarchy *h, const char *file, uint64_t *value)
{
	char buf[64], *end;
	ssize_t n = cg_read(h, file, buf, sizeof buf);

	if (n < 0)
		return (int)n;
	if (strcmp(buf, "max") == 0 || buf[0] == '-') {
		*value = UINT64_MAX;
		return 0;
	}
	errno = 0;
	*value = strtoull(buf, &end, 10);
	return end == buf || *end || errno ? -EPROTO : 0;
}

int cg_read_key_at(int dir, const char *file, const char *key, uint64_t *value)
{
	char buf[2048];
	ssize_t n = cg_read_at(dir, file, buf, sizeof buf);
	size_t len = strlen(key);

	if (n < 0)
		return (int)n;
	for (const char *p = buf; p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (strncmp(p, key, len) == 0 && p[len] == ' ') {
			*value = strtoull(p + len + 1, NULL, 10);
			return 0;
		}
	}
	return -ENODATA;
}
