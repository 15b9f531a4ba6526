/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the codec once with zlib alone, whatever the build uses: the
 * source is compiled into this test without isa-l.  Members, trailing bytes, cuts at
 * every byte, limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef HAVE_ISAL
#include "image-tools/layer/codec.c"

struct memory {
	uint8_t *buf;
	size_t len, at, step;
};

static ssize_t from_memory(void *opaque, void *buf, size_t size, struct error *err)
{
	struct memory *m = opaque;
	size_t n = m->len - m->at;

	(void)err;
	if (n > size)
		n = size;
	if (m->step && n > m->step)
		n = m->step;
	memcpy(buf, m->buf + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

static int to_memory(void *opaque, const void *buf, size_t size, struct error *err)
{
	struct memory *m = opaque;

	(void)err;
	m->buf = realloc(m->buf, m->len + size);
	assert_non_null(m->buf);
	memcpy(m->buf + m->len, buf, size);
	m->len += size;
	return 0;
}

static void compress_into(struct memory *m, enum codec codec, const void *data, size_t size)
{
	struct encoder *e;

	assert_int_equal(encoder_open(&e, codec, 0, to_memory, m, NULL), 0);
	assert_int_equal(encoder_write(e, data, size, NULL), 0);
	assert_int_equal(encoder_finish(e, NULL), 0);
	encoder_close(e);
}

/* What comes out, or a negative errno. */
static ssize_t expand(const struct memory *in, size_t len, size_t step, uint64_t max, uint8_t *out, size_t size)
{
	struct memory m = { .buf = in->buf, .len = len, .step = step };
	struct error err = { 0 };
	struct decoder *d;
	size_t got = 0;
	ssize_t n;
	int r = decoder_open(&d, from_memory, &m, max, &err);

	if (r < 0)
		return r;
	while ((n = decoder_read(d, out + got, size - got > 1000 ? 1000 : size - got, &err)) > 0)
		got += (size_t)n;
	decoder_close(d);
	return n < 0 ? n : (ssize_t)got;
}

#define SIZE 40000
static uint8_t data[SIZE], out[3 * SIZE];

static void fill_data(void)
{
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * i >> 7 ^ i);
}

static void round_trips(void **state)
{
	static const enum codec codecs[] = { CODEC_NONE, CODEC_GZIP, CODEC_ZSTD };
	static const size_t steps[] = { 0, 1, 7, 511 };

	(void)state;
	fill_data();
	for (size_t c = 0; c < 3; c++) {
		struct memory m = { 0 };

		compress_into(&m, codecs[c], data, SIZE);
		for (size_t s = 0; s < 4; s++) {
			assert_int_equal(expand(&m, m.len, steps[s], 1 << 20, out, sizeof out), SIZE);
			assert_memory_equal(out, data, SIZE);
		}
		free(m.buf);
	}
}

static void several_members_and_what_follows(void **state)
{
	static const enum codec codecs[] = { CODEC_GZIP, CODEC_ZSTD };

	(void)state;
	fill_data();
	for (size_t c = 0; c < 2; c++) {
		struct memory m = { 0 };

		compress_into(&m, codecs[c], data, SIZE);
		compress_into(&m, codecs[c], "", 0);
		compress_into(&m, codecs[c], data, 100);
		for (size_t step = 0; step < 20; step++) {
			assert_int_equal(expand(&m, m.len, step, 1 << 20, out, sizeof out), SIZE + 100);
			assert_memory_equal(out + SIZE, data, 100);
		}
		/* gzip ignores what follows, as gzip(1) does */
		if (codecs[c] == CODEC_GZIP) {
			to_memory(&m, "\0\0\0\0junk", 8, NULL);
			assert_int_equal(expand(&m, m.len, 3, 1 << 20, out, sizeof out), SIZE + 100);
		}
		free(m.buf);
	}
}

static void cut_or_changed_is_an_error(void **state)
{
	static const enum codec codecs[] = { CODEC_GZIP, CODEC_ZSTD };

	(void)state;
	fill_data();
	for (size_t c = 0; c < 2; c++) {
		struct memory m = { 0 };

		compress_into(&m, codecs[c], data, 3000);
		for (size_t len = 4; len < m.len; len++)
			assert_true(expand(&m, len, 0, 1 << 20, out, sizeof out) < 0);
		/* In the checksum at the end. */
		m.buf[m.len - (codecs[c] == CODEC_GZIP ? 6 : 2)] ^= 1;
		assert_true(expand(&m, m.len, 0, 1 << 20, out, sizeof out) < 0);
		free(m.buf);
	}
}

static void limit(void **state)
{
	struct memory m = { 0 };

	(void)state;
	fill_data();
	compress_into(&m, CODEC_GZIP, data, SIZE);
	assert_int_equal(expand(&m, m.len, 0, SIZE, out, sizeof out), SIZE);
	assert_int_equal(expand(&m, m.len, 0, SIZE - 1, out, sizeof out), -EFBIG);
	free(m.buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(several_members_and_what_follows),
		cmocka_unit_test(cut_or_changed_is_an_error),
		cmocka_unit_test(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
