/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a decoder owns one input buffer and pulls from its source
 * when that is empty.  Gzip goes through isa-l where the build has it (about twice
 * zlib's speed), else through zlib; both start again when another member follows.
 * The end of the input inside a member or frame is an error: a truncated layer must
 * not look like a short one.
 */
#include "image-tools/layer/codec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>
#endif

#define INPUT_SIZE (256u * 1024)

struct decoder {
	codec_source *source;
	void *opaque;
	uint64_t in, out, max_output;
	enum codec codec;
	uint8_t *buffer;
	size_t start, end; /* unread part of the buffer */
	bool eof;	   /* the source has ended */
	bool inside;	   /* within a member or frame */
#ifdef HAVE_ISAL
	struct inflate_state isal;
#else
	z_stream z;
#endif
	ZSTD_DStream *zstd;
};

ssize_t codec_source_fd(void *fd, void *buf, size_t size, struct error *err)
{
	ssize_t n;

	do
		n = read(*(int *)fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? error_sys(err, errno, "read a layer") : n;
}

/* More input behind what is there.  1 when some came, 0 at the end. */
static int fill(struct decoder *d, struct error *err)
{
	ssize_t n;

	if (d->eof)
		return 0;
	if (d->start > 0) {
		memmove(d->buffer, d->buffer + d->start, d->end - d->start);
		d->end -= d->start;
		d->start = 0;
	}
	n = d->source(d->opaque, d->buffer + d->end, INPUT_SIZE - d->end, err);
	if (n < 0)
		return (int)n;
	d->eof = n == 0;
	d->end += (size_t)n;
	d->in += (uint64_t)n;
	return n > 0;
}

static int start_codec(struct decoder *d, struct error *err)
{
	const uint8_t *p = d->buffer;

	if (d->end >= 2 && p[0] == 0x1f && p[1] == 0x8b) {
		d->codec = CODEC_GZIP;
#ifndef HAVE_ISAL
		if (inflateInit2(&d->z, 15 + 16) != Z_OK)
			return error_sys(err, ENOMEM, "start zlib");
#endif
	} else if (d->end >= 4 && ((p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd) ||
					  ((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18))) {
		d->codec = CODEC_ZSTD;
		d->zstd = ZSTD_createDStream();
		if (!d->zstd)
			return error_sys(err, ENOMEM, "start zstd");
		ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, CODEC_ZSTD_WINDOW_LOG);
	}
	return 0;
}

int decoder_open(struct decoder **out, codec_source *source, void *opaque, uint64_t max_output, struct error *err)
{
	struct decoder *d = calloc(1, sizeof *d);
	int r = 1;

	if (!d || !(d->buffer = malloc(INPUT_SIZE))) {
		free(d);
		return error_sys(err, ENOMEM, "start decompression");
	}
	d->source = source;
	d->opaque = opaque;
	d->max_output = max_output;
	while (d->end < 4 && r > 0)
		r = fill(d, err);
	if (r >= 0)
		r = start_codec(d, err);
	if (r < 0) {
		decoder_close(d);
		return r;
	}
	*out = d;
	return 0;
}

void decoder_close(struct decoder *d)
{
	if (!d)
		return;
#ifndef HAVE_ISAL
	if (d->codec == CODEC_GZIP)
		inflateEnd(&d->z);
#endif
	ZSTD_freeDStream(d->zstd);
	free(d->buffer);
	free(d);
}

const char *decoder_format(const struct decoder *d)
{
	return d->codec == CODEC_GZIP ? "gzip" : d->codec == CODEC_ZSTD ? "zstd" : "tar";
}

static int damaged(struct error *err, const char *what, const char *why)
{
	return error_set(err, ERR_CORRUPT, EBADMSG, "layer: %s data is damaged%s%s", what, why ? ": " : "", why ? why : "");
}

/* Between members: another one, or the end (zero padding and junk behind a member are ignored, as gzip does). */
static int next_member(struct decoder *d, struct error *err)
{
	int r = 1;

	while (d->end - d->start < 2 && r > 0)
		r = fill(d, err);
	if (r < 0)
		return r;
	if (d->end - d->start < 2 || d->buffer[d->start] != 0x1f || d->buffer[d->start + 1] != 0x8b)
		return 0;
#ifdef HAVE_ISAL
	isal_inflate_init(&d->isal);
	d->isal.crc_flag = ISAL_GZIP;
#else
	inflateReset2(&d->z, 15 + 16);
#endif
	d->inside = true;
	return 1;
}

/* One step of inflation with the input at hand.  *produced bytes came out. */
static int inflate_step(struct decoder *d, void *buf, size_t size, size_t *produced, struct error *err)
{
#ifdef HAVE_ISAL
	d->isal.next_in = d->buffer + d->start;
	d->isal.avail_in = (uint32_t)(d->end - d->start);
	d->isal.next_out = buf;
	d->isal.avail_out = (uint32_t)size;
	int r = isal_inflate(&d->isal);

	d->start = d->end - d->isal.avail_in;
	*produced = size - d->isal.avail_out;
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
		return damaged(err, "gzip", NULL);
	if (d->isal.block_state == ISAL_BLOCK_FINISH)
		d->inside = false;
#else
	d->z.next_in = d->buffer + d->start;
	d->z.avail_in = (uInt)(d->end - d->start);
	d->z.next_out = buf;
	d->z.avail_out = (uInt)size;
	int r = inflate(&d->z, Z_NO_FLUSH);

	d->start = d->end - d->z.avail_in;
	*produced = size - d->z.avail_out;
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return damaged(err, "gzip", d->z.msg);
	if (r == Z_STREAM_END)
		d->inside = false;
#endif
	return 0;
}

static int zstd_step(struct decoder *d, void *buf, size_t size, size_t *produced, struct error *err)
{
	ZSTD_inBuffer in = { d->buffer, d->end, d->start };
	ZSTD_outBuffer out = { buf, size, 0 };
	size_t r = ZSTD_decompressStream(d->zstd, &out, &in);

	if (ZSTD_isError(r))
		return damaged(err, "zstd", ZSTD_getErrorName(r));
	/* Asked with nothing at hand, zstd already waits for the next frame's header. */
	if (in.pos != d->start || out.pos)
		d->inside = r != 0;
	d->start = in.pos;
	*produced = out.pos;
	return 0;
}

static int check_limits(struct decoder *d, struct error *err)
{
	if (d->out > d->max_output)
		return error_set(err, ERR_CONFIG, EFBIG, "layer: more than %llu bytes unpacked",
			(unsigned long long)d->max_output);
	if (d->out > CODEC_RATIO_GRACE && d->out / CODEC_RATIO_MAX > d->in)
		return error_set(err, ERR_CONFIG, EFBIG, "layer: expands more than %u times; refusing a decompression bomb",
			CODEC_RATIO_MAX);
	return 0;
}

ssize_t decoder_read(struct decoder *d, void *buf, size_t size, struct error *err)
{
	for (;;) {
		size_t produced = 0, before_step;
		int r;

		if (d->codec == CODEC_GZIP && !d->inside) {
			r = next_member(d, err);
			if (r <= 0)
				return r;
		}
		before_step = d->start;
		if (d->codec == CODEC_NONE) {
			if (d->start == d->end && (r = fill(d, err)) <= 0)
				return r;
			produced = d->end - d->start < size ? d->end - d->start : size;
			memcpy(buf, d->buffer + d->start, produced);
			d->start += produced;
		} else {
			r = d->codec == CODEC_GZIP ? inflate_step(d, buf, size, &produced, err) :
						     zstd_step(d, buf, size, &produced, err);
			if (r < 0)
				return r;
		}
		if (produced) {
			d->out += produced;
			r = check_limits(d, err);
			return r < 0 ? r : (ssize_t)produced;
		}
		/* Nothing came out: more input is needed, unless a member has just ended. */
		if (d->codec == CODEC_GZIP && !d->inside)
			continue;
		/* An empty or skippable frame was passed over: what follows it is at hand. */
		if (d->start != before_step && d->start < d->end)
			continue;
		if (d->start == d->end || d->codec == CODEC_GZIP || d->codec == CODEC_ZSTD) {
			size_t before = d->end - d->start;

			if (before == INPUT_SIZE)
				return damaged(err, decoder_format(d), "no progress");
			r = fill(d, err);
			if (r < 0)
				return r;
			if (r == 0 && before == 0)
				return d->inside ? damaged(err, decoder_format(d), "it ends too early") : 0;
			if (r == 0)
				return damaged(err, decoder_format(d), "it ends too early");
		}
	}
}

int decoder_drain(struct decoder *d, struct error *err)
{
	int r;

	do {
		d->start = d->end = 0;
		r = fill(d, err);
	} while (r > 0);
	return r;
}

int codec_parse(const char *text, enum codec *codec, int *level, struct error *err)
{
	size_t n = strcspn(text, ":");

	*level = text[n] ? atoi(text + n + 1) : 0;
	if (n == 4 && memcmp(text, "gzip", 4) == 0)
		*codec = CODEC_GZIP;
	else if (n == 4 && memcmp(text, "zstd", 4) == 0)
		*codec = CODEC_ZSTD;
	else if (n == 4 && memcmp(text, "none", 4) == 0)
		*codec = CODEC_NONE;
	else
		return error_set(err, ERR_USAGE, EINVAL, "compression \"%.40s\": gzip, zstd or none expected", text);
	if (*level < 0 || *level > (*codec == CODEC_ZSTD ? 19 : 9))
		return error_set(err, ERR_USAGE, EINVAL, "compression \"%.40s\": no such level", text);
	return 0;
}

struct encoder {
	enum codec codec;
	codec_sink *sink;
	void *opaque;
	z_stream z;
	ZSTD_CStream *zstd;
	uint8_t buffer[128 * 1024];
};

int encoder_open(struct encoder **out, enum codec codec, int level, codec_sink *sink, void *opaque, struct error *err)
{
	struct encoder *e = calloc(1, sizeof *e);

	if (!e)
		return error_sys(err, ENOMEM, "start compression");
	e->codec = codec;
	e->sink = sink;
	e->opaque = opaque;
	/* zlib's gzip wrapper writes no name and time 0. */
	if (codec == CODEC_GZIP && deflateInit2(&e->z, level ? level : 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(e);
		return error_sys(err, ENOMEM, "start zlib");
	}
	if (codec == CODEC_ZSTD) {
		e->zstd = ZSTD_createCStream();
		ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level ? level : 3);
		ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_checksumFlag, 1);
	}
	*out = e;
	return 0;
}

static int encode(struct encoder *e, const void *buf, size_t size, bool finish, struct error *err)
{
	int r = 0;

	if (e->codec == CODEC_NONE)
		return size ? e->sink(e->opaque, buf, size, err) : 0;
	if (e->codec == CODEC_GZIP) {
		int z;

		e->z.next_in = (Bytef *)buf;
		e->z.avail_in = (uInt)size;
		do {
			e->z.next_out = e->buffer;
			e->z.avail_out = sizeof e->buffer;
			z = deflate(&e->z, finish ? Z_FINISH : Z_NO_FLUSH);
			if (z == Z_STREAM_ERROR)
				return error_sys(err, EIO, "compress");
			if (sizeof e->buffer - e->z.avail_out > 0)
				r = e->sink(e->opaque, e->buffer, sizeof e->buffer - e->z.avail_out, err);
		} while (r == 0 && (e->z.avail_out == 0 || (finish && z != Z_STREAM_END)));
		return r;
	}
	ZSTD_inBuffer in = { buf, size, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { e->buffer, sizeof e->buffer, 0 };

		left = ZSTD_compressStream2(e->zstd, &out, &in, finish ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return error_sys(err, EIO, "compress");
		if (out.pos)
			r = e->sink(e->opaque, e->buffer, out.pos, err);
	} while (r == 0 && (finish ? left != 0 : in.pos < in.size));
	return r;
}

int encoder_write(struct encoder *e, const void *buf, size_t size, struct error *err)
{
	return size ? encode(e, buf, size, false, err) : 0;
}

int encoder_finish(struct encoder *e, struct error *err)
{
	return encode(e, "", 0, true, err);
}

void encoder_close(struct encoder *e)
{
	if (!e)
		return;
	if (e->codec == CODEC_GZIP)
		deflateEnd(&e->z);
	ZSTD_freeCStream(e->zstd);
	free(e);
}
