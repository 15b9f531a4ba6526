/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: archives that ADD unpacks and that contexts come in.  What
 * they are is read off their first bytes, after decompression in this process; names
 * and media types do not count.  Gzip and zstd go through layer/codec, bzip2 and xz
 * through libarchive's filters (never through a program that libarchive would look
 * for), and all of them into layer/apply: one way of writing tars to disk, with its
 * limits and its descriptors.
 */
#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/build/source.h"
#include "image-tools/layer/apply.h"

struct filtered {
	struct archive *ar; /* NULL: plain reading */
	int fd;
	uint64_t out;
};

static ssize_t read_filtered(void *opaque, void *buf, size_t size, struct error *err)
{
	struct filtered *f = opaque;
	la_ssize_t n;

	if (!f->ar)
		return codec_source_fd(&f->fd, buf, size, err);
	n = archive_read_data(f->ar, buf, size);
	if (n < 0)
		return error_set(err, ERR_CORRUPT, EBADMSG, "archive: compressed data is damaged: %s",
			archive_error_string(f->ar) ? archive_error_string(f->ar) : "unknown error");
	f->out += (uint64_t)n;
	if (f->out > CODEC_RATIO_GRACE && f->out / CODEC_RATIO_MAX > (uint64_t)archive_filter_bytes(f->ar, -1))
		return error_set(err, ERR_CONFIG, EFBIG,
			"archive: expands more than %u times; refusing a decompression bomb", CODEC_RATIO_MAX);
	return n;
}

static int open_filter(struct filtered *f, struct error *err)
{
	static const uint8_t xz[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	uint8_t head[6] = { 0 };
	bool is_bzip2, is_xz;
	int r;

	if (lseek(f->fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "go back in an archive");
	if (pread(f->fd, head, sizeof head, 0) < 0)
		return error_sys(err, errno, "read an archive");
	is_bzip2 = memcmp(head, "BZh", 3) == 0 && head[3] >= '1' && head[3] <= '9';
	is_xz = memcmp(head, xz, sizeof xz) == 0;
	if (!is_bzip2 && !is_xz)
		return 0;
	f->ar = archive_read_new();
	if (!f->ar)
		return error_sys(err, ENOMEM, "read an archive");
	archive_read_support_format_raw(f->ar);
	/* ARCHIVE_WARN: this libarchive would run a program for it. */
	r = is_xz ? archive_read_support_filter_xz(f->ar) : archive_read_support_filter_bzip2(f->ar);
	if (r != ARCHIVE_OK)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "archive: libarchive was built without %s", is_xz ? "xz" : "bzip2");
	if (archive_read_open_fd(f->ar, f->fd, 65536) != ARCHIVE_OK ||
		archive_read_next_header(f->ar, &(struct archive_entry *){ NULL }) != ARCHIVE_OK)
		return error_set(err, ERR_CORRUPT, EBADMSG, "archive: compressed data is damaged: %s", archive_error_string(f->ar));
	return 0;
}

/* The first header of a tar: its checksum fits, and it is not the end. */
static bool is_tar_header(const uint8_t h[static 512])
{
	unsigned long sum = 0, said = 0;
	const uint8_t *p = h + 148;

	if (h[0] == 0)
		return false;
	for (int i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	while (p < h + 156 && *p == ' ')
		p++;
	if (p == h + 156 || *p < '0' || *p > '7')
		return false;
	for (; p < h + 156 && *p >= '0' && *p <= '7'; p++)
		said = said * 8 + (unsigned long)(*p - '0');
	return sum == said;
}

int source_is_archive(int fd, struct error *err)
{
	struct filtered f = { .fd = fd };
	struct decoder *d = NULL;
	struct error ignored = { 0 };
	uint8_t head[512];
	size_t have = 0;
	ssize_t n = 0;
	int r = open_filter(&f, &ignored);

	(void)err;
	if (r == 0)
		r = decoder_open(&d, read_filtered, &f, APPLY_BYTES_MAX, &ignored);
	while (r == 0 && have < sizeof head && (n = decoder_read(d, head + have, sizeof head - have, &ignored)) > 0)
		have += (size_t)n;
	decoder_close(d);
	if (f.ar)
		archive_read_free(f.ar);
	/* What cannot be decompressed is a file like any other. */
	return have == sizeof head && is_tar_header(head);
}

int source_unpack(const struct source_options *o, int fd, int dir, const uint32_t *owner, bool context, struct error *err)
{
	struct filtered f = { .fd = fd };
	struct apply_options options = { .root = dir, .owner = owner, .userns = o->userns || context,
		.squash = o->single_id || context };
	struct apply_result result = { 0 };
	struct decoder *d = NULL;
	int r = open_filter(&f, err);

	if (r == 0)
		r = decoder_open(&d, read_filtered, &f, APPLY_BYTES_MAX, err);
	if (r == 0)
		r = apply_layer(d, DIGEST_SHA256, &options, &result, err);
	if (r == 0 && result.devices_skipped)
		log_warning("%llu device nodes of an archive were left out", (unsigned long long)result.devices_skipped);
	decoder_close(d);
	if (f.ar)
		archive_read_free(f.ar);
	return r;
}
