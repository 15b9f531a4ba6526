/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: /proc/self/exe again with four descriptors: 0 a pipe from which the job comes, 1 a pipe to the
 * caller, 2 standard error, 3 the input, read-only where that can be had.  What the process says are frames, a
 * struct frame and its bytes:
 *
 *	FORMAT  enum codec           once, before anything else
 *	MEMBER  type, path, link     (members only) strings with their NULs
 *	DATA    bytes                of the stream, or of the last member
 *	END     struct end           last; without it the process died
 *
 * Nothing of it is believed but that these are some bytes: sizes are checked, strings are ended, and what bytes mean
 * (digests, names) is found out by the caller.
 */
#include "image-tools/layer/plain.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "image-tools/layer/filter.h"
#include "image-tools/layer/worker.h"

enum { FD_JOB = 0, FD_OUT = 1, FD_INPUT = 3, FD_FIRST_UNUSED = 4 };
enum frame_kind { FRAME_FORMAT = 1, FRAME_MEMBER, FRAME_DATA, FRAME_END };
#define DATA_MAX (64u * 1024)
#define NAME_BYTES_MAX 4200u
#define PIPE_BYTES (1 << 20)

static const char *const arguments[] = { [PLAIN_STREAM] = "read-stream", [PLAIN_MEMBERS] = "read-members" };

struct frame {
	uint32_t kind, size;
};

struct end {
	int r;
	struct error error;
};

/* --- the process ------------------------------------------------------------ */

static int send_frame(enum frame_kind kind, const void *buf, size_t size)
{
	struct frame f = { kind, (uint32_t)size };
	int r = fd_write_all(FD_OUT, &f, sizeof f);

	return r == 0 && size ? fd_write_all(FD_OUT, buf, size) : r;
}

static int send_data(const void *buf, size_t size, struct error *err)
{
	for (size_t n; size > 0; buf = (const char *)buf + n, size -= n) {
		n = size < DATA_MAX ? size : DATA_MAX;
		if (send_frame(FRAME_DATA, buf, n) < 0)
			return error_set(err, ERR_SYSTEM, EPIPE, "nobody reads any more");
	}
	return 0;
}

static int send_stream(struct decoder *d, struct error *err)
{
	static char buf[DATA_MAX];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = decoder_read(d, buf, sizeof buf, err)) != 0)
		r = n < 0 ? (int)n : send_data(buf, (size_t)n, err);
	return r;
}

struct members {
	struct decoder *decoder;
	struct error source_error;
	char buffer[1 << 18];
};

static la_ssize_t read_block(struct archive *ar, void *opaque, const void **buf)
{
	struct members *m = opaque;
	ssize_t n = decoder_read(m->decoder, m->buffer, sizeof m->buffer, &m->source_error);

	*buf = m->buffer;
	if (n < 0)
		archive_set_error(ar, EIO, "read failed");
	return n;
}

static int archive_failed(const struct members *m, struct archive *ar, struct error *err)
{
	if (m->source_error.errnum) {
		*err = m->source_error;
		return -m->source_error.errnum;
	}
	return error_set(err, ERR_CONFIG, EINVAL, "archive: %s", archive_error_string(ar) ? archive_error_string(ar) : "invalid");
}

static int send_name(struct archive_entry *e, const char *path, struct error *err)
{
	const char *hard = archive_entry_hardlink(e), *link = hard ? hard : archive_entry_symlink(e);
	__LA_MODE_T type = archive_entry_filetype(e);
	char text[2 * NAME_BYTES_MAX];
	size_t n = strlen(path) + 1, m;

	link = hard || type == AE_IFLNK ? link ? link : "" : "";
	m = strlen(link) + 1;
	if (n > NAME_BYTES_MAX - 1 || m > NAME_BYTES_MAX)
		return error_set(err, ERR_CONFIG, ENAMETOOLONG, "archive: the name \"%.100s...\" is too long", path);
	text[0] = hard ? '1' : type == AE_IFREG ? '0' : type == AE_IFLNK ? '2' : type == AE_IFDIR ? '5' : '?';
	memcpy(text + 1, path, n);
	memcpy(text + 1 + n, link, m);
	return send_frame(FRAME_MEMBER, text, 1 + n + m) < 0 ? error_set(err, ERR_SYSTEM, EPIPE, "nobody reads any more") : 0;
}

static int send_content(struct members *m, struct archive *ar, const char *path, struct error *err)
{
	la_int64_t offset, expected = 0;
	const void *buf;
	size_t n;
	int r = 0, a;

	while (r == 0 && (a = archive_read_data_block(ar, &buf, &n, &offset)) != ARCHIVE_EOF) {
		if (a < ARCHIVE_WARN)
			return archive_failed(m, ar, err);
		if (offset != expected)
			return error_set(err, ERR_CONFIG, EINVAL, "archive: %.200s is sparse", path);
		expected += (la_int64_t)n;
		r = send_data(buf, n, err);
	}
	return r;
}

static int send_members(struct decoder *d, struct error *err)
{
	static struct members m;
	struct archive *ar = archive_read_new();
	struct archive_entry *e;
	int r = 0, a;

	if (!ar)
		return error_sys(err, ENOMEM, "read an archive");
	m.decoder = d;
	archive_read_support_format_tar(ar);
	if (archive_read_open(ar, &m, NULL, read_block, NULL) != ARCHIVE_OK)
		r = archive_failed(&m, ar, err);
	while (r == 0 && (a = archive_read_next_header(ar, &e)) != ARCHIVE_EOF) {
		const char *name = a < ARCHIVE_WARN ? NULL : archive_entry_pathname(e);

		if (!name)
			r = archive_failed(&m, ar, err);
		else
			r = send_name(e, name, err);
		if (r == 0 && archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e))
			r = send_content(&m, ar, name, err);
	}
	archive_read_free(ar);
	return r;
}

static int work(enum plain_kind kind, struct error *err)
{
	struct filter *filter = NULL;
	struct decoder *decoder = NULL;
	uint64_t max;
	int input = FD_INPUT, r;
	uint8_t codec;

	if (fd_read_full(FD_JOB, &max, sizeof max) != sizeof max)
		return error_set(err, ERR_SYSTEM, EPROTO, "reading process: no job");
	worker_warm_up(DIGEST_SHA256);
	r = sandbox_self(&(struct sandbox_options){ .root = -1 }, err);
	if (r == 0)
		r = filter_open(&filter, codec_source_fd, &input, err);
	if (r == 0)
		r = decoder_open(&decoder, filter_read, filter, max, err);
	if (r == 0) {
		const char *format = decoder_format(decoder);

		codec = strcmp(format, "gzip") == 0 ? CODEC_GZIP : strcmp(format, "zstd") == 0 ? CODEC_ZSTD : CODEC_NONE;
		r = send_frame(FRAME_FORMAT, &codec, 1);
	}
	if (r == 0)
		r = kind == PLAIN_STREAM ? send_stream(decoder, err) : send_members(decoder, err);
	decoder_close(decoder);
	filter_close(filter);
	return r;
}

int plain_main(const char *argument)
{
	struct log_options log = { .program = "oci-image", .level = LOG_LEVEL_WARNING };
	enum plain_kind kind = PLAIN_STREAM;
	struct end end = { 0 };

	while (strcmp(argument, arguments[kind]) != 0)
		if (++kind == sizeof arguments / sizeof arguments[0])
			return -1;
	log_open(&log, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (syscall(SYS_close_range, FD_FIRST_UNUSED, ~0u, 0) < 0 && errno != ENOSYS)
		return 1;
	end.r = work(kind, &end.error);
	_exit(send_frame(FRAME_END, &end, sizeof end) < 0);
}

/* --- its caller ------------------------------------------------------------- */

struct plain {
	int pipe;
	pid_t pid;
	uint32_t left; /* of the frame of data that is being read */
	bool member;   /* a MEMBER frame was read ahead */
	bool ended;
	bool started; /* FORMAT came */
	enum codec format;
	char text[2 * NAME_BYTES_MAX + 1];
	size_t text_length;
};

/* A description of its own, so that the position of the caller's stays and nobody can write to it. */
static int open_input(int fd)
{
	char link[64];
	struct stat st;
	int own;

	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	own = S_ISREG(st.st_mode) ? openat(AT_FDCWD, link, O_RDONLY | O_CLOEXEC) : -1;
	if (own < 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, FD_FIRST_UNUSED);
	else if (lseek(own, lseek(fd, 0, SEEK_CUR), SEEK_SET) < 0) {
		close(own);
		own = -1;
	}
	return own < 0 ? -errno : own;
}

int plain_open(struct plain **out, int fd, enum plain_kind kind, uint64_t max, struct error *err)
{
	_cleanup_fd_ int input = open_input(fd);
	int job[2] = { -1, -1 }, answer[2] = { -1, -1 }, r = input < 0 ? input : 0;
	struct plain *p = calloc(1, sizeof *p);

	if (!p)
		return error_sys(err, ENOMEM, "read an archive");
	if (r == 0 && (pipe2(job, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0))
		r = -errno;
	if (r == 0) {
		const int fds[] = { job[0], answer[1], STDERR_FILENO, input };

		(void)!fcntl(answer[1], F_SETPIPE_SZ, PIPE_BYTES);
		r = worker_spawn(arguments[kind], fds, sizeof fds / sizeof fds[0], &p->pid);
	}
	if (r == 0)
		fd_write_all(job[1], &max, sizeof max);
	cleanup_fd(&job[0]);
	cleanup_fd(&job[1]);
	cleanup_fd(&answer[1]);
	p->pipe = answer[0];
	if (r < 0) {
		cleanup_fd(&p->pipe);
		free(p);
		return error_sys(err, -r, "start a process to read an archive");
	}
	*out = p;
	return 0;
}

void plain_close(struct plain *p)
{
	if (!p)
		return;
	close(p->pipe);
	/* It may wait for input that we do not want any more. */
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(p);
}

const char *plain_format(const struct plain *p)
{
	return p->format == CODEC_GZIP ? "gzip" : p->format == CODEC_ZSTD ? "zstd" : "tar";
}

static int invalid(struct error *err)
{
	return error_set(err, ERR_SYSTEM, EPROTO, "the process that reads an archive gave an invalid answer");
}

static int died(struct plain *p, struct error *err)
{
	int status = 0;
	char text[64];

	/* One that has died keeps its status; one that only pretends does not keep us waiting. */
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->pid = -1;
	return error_set(err, ERR_SYSTEM, EIO, "the process that reads an archive failed: %s", spawn_status_text(status, text));
}

static int take_end(struct plain *p, size_t size, struct error *err)
{
	struct end end;

	if (size != sizeof end)
		return invalid(err);
	if (fd_read_full(p->pipe, &end, sizeof end) != sizeof end)
		return died(p, err);
	p->ended = true;
	return worker_believe(end.r, &end.error, err);
}

/* 1 with p->left or p->member set, 0 at the end of everything. */
static int next_frame(struct plain *p, struct error *err)
{
	struct frame f;
	uint8_t codec;

	if (p->ended)
		return 0;
	if (fd_read_full(p->pipe, &f, sizeof f) != sizeof f)
		return died(p, err);
	switch (f.kind) {
	case FRAME_DATA:
		p->left = f.size;
		return f.size == 0 || f.size > DATA_MAX ? invalid(err) : 1;
	case FRAME_MEMBER:
		if (f.size < 3 || f.size >= sizeof p->text)
			return invalid(err);
		if (fd_read_full(p->pipe, p->text, f.size) != (ssize_t)f.size)
			return died(p, err);
		p->text[f.size] = p->text[f.size - 1] = '\0';
		p->text_length = f.size;
		p->member = true;
		return 1;
	case FRAME_FORMAT:
		if (p->started || f.size != 1 || fd_read_full(p->pipe, &codec, 1) != 1)
			return invalid(err);
		p->started = true;
		p->format = codec;
		return next_frame(p, err);
	case FRAME_END:
		return take_end(p, f.size, err);
	default:
		return invalid(err);
	}
}

ssize_t plain_read(struct plain *p, void *buf, size_t size, struct error *err)
{
	ssize_t n;

	if (p->pid < 0)
		return invalid(err);
	if (p->left == 0 && !p->member) {
		int r = next_frame(p, err);

		if (r <= 0)
			return r;
	}
	if (p->member)
		return 0;
	if (size > p->left)
		size = p->left;
	n = fd_read_full(p->pipe, buf, size);
	if (n != (ssize_t)size)
		return died(p, err);
	p->left -= (uint32_t)n;
	return n;
}

int plain_next(struct plain *p, struct plain_member *m, struct error *err)
{
	char skipped[4096];
	ssize_t n;

	while ((n = plain_read(p, skipped, sizeof skipped, err)) > 0)
		;
	if (n < 0 || !p->member)
		return (int)n;
	p->member = false;
	*m = (struct plain_member){ .type = p->text[0], .path = p->text + 1 };
	/* The text ends in two NULs at least. */
	m->link = m->path + strlen(m->path) + 1;
	if (m->link >= p->text + p->text_length)
		return invalid(err);
	return 1;
}
