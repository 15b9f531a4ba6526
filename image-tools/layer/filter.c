/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the first bytes decide, names and media types do not count.
 * bzip2 and xz go through libarchive's filters, never through a program that libarchive
 * would look for.  The same limit against bombs as layer/codec.
 */
#include "image-tools/layer/filter.h"

#include <archive.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_SIZE 6u

struct filter {
	codec_source *source;
	void *opaque;
	struct archive *ar;	   /* NULL: plain reading */
	struct error source_error; /* which libarchive cannot carry */
	uint8_t head[HEAD_SIZE];   /* read ahead */
	size_t have, given;
	uint64_t out;
	uint8_t buffer[1 << 16];
};

static ssize_t read_source(struct filter *f, void *buf, size_t size, struct error *err)
{
	size_t n = f->have - f->given;

	if (n == 0)
		return f->source(f->opaque, buf, size, err);
	if (n > size)
		n = size;
	memcpy(buf, f->head + f->given, n);
	f->given += n;
	return (ssize_t)n;
}

static la_ssize_t read_block(struct archive *ar, void *opaque, const void **buf)
{
	struct filter *f = opaque;
	ssize_t n = read_source(f, f->buffer, sizeof f->buffer, &f->source_error);

	*buf = f->buffer;
	if (n < 0)
		archive_set_error(ar, EIO, "read failed");
	return n;
}

static int damaged(const struct filter *f, struct error *err)
{
	if (f->source_error.errnum) {
		if (err)
			*err = f->source_error;
		return -f->source_error.errnum;
	}
	return error_set(err, ERR_CORRUPT, EBADMSG, "archive: compressed data is damaged: %s",
		archive_error_string(f->ar) ? archive_error_string(f->ar) : "unknown error");
}

static int start_archive(struct filter *f, bool is_xz, struct error *err)
{
	struct archive_entry *ignored;
	int r;

	f->ar = archive_read_new();
	if (!f->ar)
		return error_sys(err, ENOMEM, "read an archive");
	archive_read_support_format_raw(f->ar);
	/* ARCHIVE_WARN: this libarchive would run a program for it. */
	r = is_xz ? archive_read_support_filter_xz(f->ar) : archive_read_support_filter_bzip2(f->ar);
	if (r != ARCHIVE_OK)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "archive: libarchive was built without %s",
			is_xz ? "xz" : "bzip2");
	if (archive_read_open(f->ar, f, NULL, read_block, NULL) != ARCHIVE_OK ||
		archive_read_next_header(f->ar, &ignored) != ARCHIVE_OK)
		return damaged(f, err);
	return 0;
}

int filter_open(struct filter **out, codec_source *source, void *opaque, struct error *err)
{
	static const uint8_t xz[HEAD_SIZE] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	struct filter *f = calloc(1, sizeof *f);
	bool is_bzip2, is_xz;
	int r = 0;

	if (!f)
		return error_sys(err, ENOMEM, "read an archive");
	f->source = source;
	f->opaque = opaque;
	while (f->have < HEAD_SIZE) {
		ssize_t n = source(opaque, f->head + f->have, HEAD_SIZE - f->have, err);

		if (n < 0)
			r = (int)n;
		if (n <= 0)
			break;
		f->have += (size_t)n;
	}
	is_bzip2 = f->have == HEAD_SIZE && memcmp(f->head, "BZh", 3) == 0 && f->head[3] >= '1' && f->head[3] <= '9';
	is_xz = f->have == HEAD_SIZE && memcmp(f->head, xz, sizeof xz) == 0;
	if (r == 0 && (is_bzip2 || is_xz))
		r = start_archive(f, is_xz, err);
	if (r < 0) {
		filter_close(f);
		return r;
	}
	*out = f;
	return 0;
}

ssize_t filter_read(void *opaque, void *buf, size_t size, struct error *err)
{
	struct filter *f = opaque;
	la_ssize_t n;

	if (!f->ar)
		return read_source(f, buf, size, err);
	n = archive_read_data(f->ar, buf, size);
	if (n < 0)
		return damaged(f, err);
	f->out += (uint64_t)n;
	if (f->out > CODEC_RATIO_GRACE && f->out / CODEC_RATIO_MAX > (uint64_t)archive_filter_bytes(f->ar, -1))
		return error_set(err, ERR_CONFIG, EFBIG,
			"archive: expands more than %u times; refusing a decompression bomb", CODEC_RATIO_MAX);
	return n;
}

void filter_close(struct filter *f)
{
	if (!f)
		return;
	if (f->ar)
		archive_read_free(f->ar);
	free(f);
}
