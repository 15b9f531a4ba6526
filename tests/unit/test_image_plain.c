/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the process that reads archives is not believed, so here it lies:
 * this program, started as that process, says whatever its input holds.  The caller must
 * come to an end with an error, or with members whose strings end where they should.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "image-tools/layer/plain.h"

enum { FORMAT = 1, MEMBER, DATA, END };

struct says {
	uint8_t buf[4096];
	size_t len;
};

static void say(struct says *s, uint32_t kind, uint32_t size, const void *bytes, size_t n)
{
	const uint32_t head[2] = { kind, size };

	memcpy(s->buf + s->len, head, sizeof head);
	if (n)
		memcpy(s->buf + s->len + sizeof head, bytes, n);
	s->len += sizeof head + n;
}

static void say_end(struct says *s, int r)
{
	struct {
		int r;
		struct error error;
	} end = { .r = r, .error = { .errnum = r < 0 ? -r : 0, .code = r < 0 ? ERR_CONFIG : ERR_NONE } };

	/* A text that never ends. */
	memset(end.error.msg, 'x', sizeof end.error.msg);
	say(s, END, sizeof end, &end, sizeof end);
}

static struct plain *listen_to(const struct says *s)
{
	_cleanup_fd_ int fd = memfd_create("says", MFD_CLOEXEC);
	struct plain *p;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, s->buf, s->len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(plain_open(&p, fd, PLAIN_MEMBERS, 1 << 20, NULL), 0);
	return p;
}

/* All members with their data; the last result. */
static int go_through(const struct says *s, struct error *err)
{
	struct plain *p = listen_to(s);
	struct plain_member m;
	char buf[300];
	ssize_t n = 0;
	int r;

	while ((r = plain_next(p, &m, err)) > 0) {
		assert_true(strlen(m.path) < 4300 && strlen(m.link) < 4300);
		while ((n = plain_read(p, buf, sizeof buf, err)) > 0)
			;
		if (n < 0)
			break;
	}
	plain_close(p);
	return n < 0 ? (int)n : r;
}

static void test_honest(void **state)
{
	struct says s = { .len = 0 };
	struct plain_member m;
	struct plain *p;
	char buf[16];

	(void)state;
	say(&s, FORMAT, 1, "\1", 1);
	say(&s, MEMBER, 6, "0a/b\0", 6);
	say(&s, DATA, 3, "xyz", 3);
	say(&s, DATA, 2, "uv", 2);
	say(&s, MEMBER, 5, "2l\0t", 5);
	say_end(&s, 0);
	p = listen_to(&s);
	assert_int_equal(plain_next(p, &m, NULL), 1);
	assert_string_equal(m.path, "a/b");
	assert_int_equal(plain_read(p, buf, sizeof buf, NULL), 3);
	assert_int_equal(plain_read(p, buf, sizeof buf, NULL), 2);
	assert_int_equal(plain_read(p, buf, sizeof buf, NULL), 0);
	assert_int_equal(plain_read(p, buf, sizeof buf, NULL), 0);
	assert_int_equal(plain_next(p, &m, NULL), 1);
	assert_int_equal(m.type, '2');
	assert_string_equal(m.link, "t");
	assert_int_equal(plain_next(p, &m, NULL), 0);
	assert_int_equal(plain_next(p, &m, NULL), 0);
	assert_string_equal(plain_format(p), "gzip");
	plain_close(p);
}

static void test_lies(void **state)
{
	static const struct {
		uint32_t kind, size;
		const char *bytes;
		size_t n;
	} lies[] = {
		{ 0, 0, "", 0 }, { 5, 0, "", 0 }, { ~0u, ~0u, "", 0 }, { DATA, 0, "", 0 }, { DATA, 1 << 30, "abc", 3 },
		{ DATA, 10, "abc", 3 }, { MEMBER, 0, "", 0 }, { MEMBER, 2, "0a", 2 }, { MEMBER, 3, "0ab", 3 },
		{ MEMBER, 5, "0abcd", 5 }, { MEMBER, 100000, "0a", 2 }, { MEMBER, 9, "0a\0", 3 }, { FORMAT, 2, "\1\1", 2 },
		{ FORMAT, 1, "", 0 }, { END, 4, "\0\0\0\0", 4 }, { END, 100000, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		struct says s = { .len = 0 };
		struct error err = { 0 };

		say(&s, lies[i].kind, lies[i].size, lies[i].bytes, lies[i].n);
		assert_true(go_through(&s, &err) < 0);
		assert_int_not_equal(err.errnum, 0);
	}
}

static void test_result(void **state)
{
	struct says s = { .len = 0 };
	struct error err = { 0 };

	(void)state;
	say_end(&s, -22);
	assert_int_equal(go_through(&s, &err), -22);
	assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
	s.len = 0;
	say_end(&s, 1);
	assert_true(go_through(&s, &err) < 0);
	s.len = 0;
	say(&s, FORMAT, 1, "\1", 1);
	say(&s, FORMAT, 1, "\1", 1);
	assert_true(go_through(&s, &err) < 0);
}

static void test_noise(void **state)
{
	(void)state;
	srandom(7);
	for (int i = 0; i < 200; i++) {
		struct says s = { .len = 0 };

		/* Frames of known kinds and small sizes, so that it goes on for a while; then cut anywhere. */
		while (s.len < 1000) {
			uint8_t bytes[64];
			uint32_t n = 3 + (uint32_t)random() % 60;

			for (size_t k = 0; k < sizeof bytes; k++)
				bytes[k] = (uint8_t)(random() % 3 ? random() : 0);
			say(&s, (uint32_t)(random() % 40 ? random() % 2 + MEMBER : random() % 5), n, bytes, (size_t)(random() % 20 ? n : n / 2));
		}
		s.len -= (size_t)random() % 500;
		assert_true(go_through(&s, NULL) < 0);
	}
}

static int lie(void)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(3, buf, sizeof buf)) > 0)
		if (fd_write_all(1, buf, (size_t)n) < 0)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_noise),
	};

	if (argc == 2 && strcmp(argv[1], "read-members") == 0)
		return lie();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
