/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what of the shim is a function of its arguments: frames, TOML, JSON, options, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "shim/bootstrap.h"
#include "shim/frame.h"
#include "shim/json.h"
#include "shim/metrics.h"
#include "shim/mount.h"
#include "shim/options.h"
#include "shim/sha256.h"
#include "specs/task/metrics.pb-c.h"

struct seen {
	int frames, oversize;
	uint32_t last_stream, last_length;
};

static void on_frame(void *context, const struct frame *f, const uint8_t *payload)
{
	struct seen *s = context;

	s->frames++;
	s->last_stream = f->stream;
	s->last_length = f->length;
	for (uint32_t i = 0; i < f->length; i++)
		assert_int_equal(payload[i], i & 0xff);
}

static void on_oversize(void *context, const struct frame *f)
{
	struct seen *s = context;

	s->oversize++;
	s->last_stream = f->stream;
}

static uint8_t *make(uint32_t stream, uint32_t length, size_t *len)
{
	struct frame f = {.length = length, .stream = stream, .type = FRAME_REQUEST};
	uint8_t *out = malloc(FRAME_HEADER + (size_t)length);

	frame_encode(out, &f);
	for (uint32_t i = 0; i < length; i++)
		out[FRAME_HEADER + i] = (uint8_t)i;
	*len = FRAME_HEADER + (size_t)length;
	return out;
}

/* Every size of piece gives the same frames. */
static void test_frames_in_pieces(void **state)
{
	static const uint32_t lengths[] = {0, 1, 9, 10, 11, 700, 5000};
	int gone = 0;

	(void)state;
	for (size_t piece = 1; piece < 40; piece += 3) {
		struct seen seen = {0};
		struct frame_reader r = {.on_frame = on_frame, .on_oversize = on_oversize, .context = &seen};

		for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
			size_t len;
			uint8_t *data = make((uint32_t)(2 * i + 1), lengths[i], &len);

			for (size_t at = 0; at < len; at += piece)
				assert_int_equal(
					frame_feed(&r, data + at, len - at < piece ? len - at : piece, &gone), 0);
			assert_int_equal(seen.frames, i + 1);
			assert_int_equal(seen.last_length, lengths[i]);
			free(data);
		}
		assert_null(r.part);
		frame_reader_free(&r);
	}
}

static void test_oversize_is_skipped(void **state)
{
	struct seen seen = {0};
	struct frame_reader r = {.on_frame = on_frame, .on_oversize = on_oversize, .context = &seen};
	size_t big_len, small_len;
	uint8_t *big = make(5, FRAME_MAX + 1, &big_len), *small = make(7, 3, &small_len);
	int gone = 0;

	(void)state;
	for (size_t at = 0; at < big_len; at += 100000)
		frame_feed(&r, big + at, big_len - at < 100000 ? big_len - at : 100000, &gone);
	assert_int_equal(seen.oversize, 1);
	assert_int_equal(seen.frames, 0);
	assert_null(r.part);
	frame_feed(&r, small, small_len, &gone);
	assert_int_equal(seen.frames, 1);
	assert_int_equal(seen.last_stream, 7);
	free(big);
	free(small);
}

static void test_response(void **state)
{
	size_t len;
	uint8_t *out = frame_response(9, RPC_NOT_FOUND, "no such thing", NULL, &len);
	Ttrpc__Response *r = ttrpc__response__unpack(NULL, len - FRAME_HEADER, out + FRAME_HEADER);
	struct frame f;

	(void)state;
	frame_decode(out, &f);
	assert_int_equal(f.stream, 9);
	assert_int_equal(f.type, FRAME_RESPONSE);
	assert_int_equal(f.length, len - FRAME_HEADER);
	assert_int_equal(r->status->code, 5);
	assert_string_equal(r->status->message, "no such thing");
	assert_int_equal(r->payload.len, 0);
	ttrpc__response__free_unpacked(r, NULL);
	free(out);
}

static void test_toml(void **state)
{
	static const char text[] =
		"# a comment\nBinaryName = \"/usr/bin/\\u0072un\\\"c\" # more\n"
		"Other = [1, \"]\", { a = 2 }]\n[options]\n\"SystemdCgroup\" = true\nIoUid = 1_000\n"
		"Root = '''\nraw \\n'''\nroot.CriuPath = 'x'\nwhen = 1979-05-27T07:32:00Z\nf = 1.5\n";
	struct arena a = ARENA_INIT;
	struct error err = {0};
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(options_from_toml(&o, text, sizeof text - 1, &a, &err), 0);
	assert_string_equal(o.binary_name, "/usr/bin/run\"c");
	assert_true(o.systemd_cgroup);
	assert_int_equal(o.io_uid, 1000);
	assert_string_equal(o.root, "raw \\n");
	assert_string_equal(o.criu_path, "x");
	arena_free(&a);
}

static void test_toml_errors(void **state)
{
	static const char *const bad[] = {
		"a", "a =", "a = \"x", "a = \"\\q\"", "= 1", "a = 1 b = 2", "[x", "a = \"\n\"", "a = [1", "a = '''x"};
	struct arena a = ARENA_INIT;
	struct options o;

	(void)state;
	options_init(&o);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_not_equal(options_from_toml(&o, bad[i], strlen(bad[i]), &a, NULL), 0);
	arena_free(&a);
}

static void check_set(const char *in, const char *want)
{
	struct arena a = ARENA_INIT;
	struct error err = {0};
	char *out = NULL;
	size_t len;
	int r = json_set_bool(in, strlen(in), "terminal", true, &a, &out, &len, &err);

	if (want) {
		assert_int_equal(r, 0);
		assert_string_equal(out, want);
	} else {
		assert_int_not_equal(r, 0);
	}
	arena_free(&a);
}

static void test_json_set(void **state)
{
	(void)state;
	check_set("{}", "{\"terminal\":true}");
	check_set("{\"terminal\":false,\"a\":1}", "{\"terminal\":true,\"a\":1}");
	check_set("{\"terminal\":{\"x\":[1,{}]},\"a\":[{\"terminal\":false}]}",
		"{\"terminal\":true,\"a\":[{\"terminal\":false}]}");
	check_set(" {\"args\":[\"a\\u00e9\"],\"n\":12345678901234567890}",
		"{\"args\":[\"a\xc3\xa9\"],\"n\":12345678901234567890,\"terminal\":true}");
	check_set("[1]", NULL);
	check_set("{\"a\":", NULL);
	check_set("", NULL);
	check_set("{} {}", NULL);
}

static void test_sha256(void **state)
{
	char hex[65];
	char text[200];

	(void)state;
	sha256_hex("", 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	memset(text, 'a', sizeof text);
	sha256_hex(text, 119, hex);
	assert_string_equal(hex, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb");
}

static void test_socket_path(void **state)
{
	struct arena a = ARENA_INIT;

	(void)state;
	/* Joined as paths are: cleaned. */
	assert_string_equal(bootstrap_socket_path(&a, "/d", "/run/c.sock", "ns", "id"),
		bootstrap_socket_path(&a, "/d", "/run//./x/../c.sock", "ns", "id"));
	assert_string_not_equal(bootstrap_socket_path(&a, "/d", "/run/c.sock", "ns", "id"),
		bootstrap_socket_path(&a, "/d", "/run/c.sock", "ns", "id2"));
	arena_free(&a);
}

static void test_mount_options(void **state)
{
	char *list[] = {(char *)"ro", (char *)"nosuid", (char *)"rbind", (char *)"rprivate", (char *)"loop",
		(char *)"lowerdir=/a:/b", (char *)"suid", (char *)"uidmap=0:1:2", (char *)""};
	struct arena a = ARENA_INIT;
	struct mount_options o;

	(void)state;
	mount_options_parse(&o, list, sizeof list / sizeof list[0], &a);
	assert_int_equal(o.flags, MS_RDONLY | MS_BIND | MS_REC);
	assert_int_equal(o.propagation, MS_PRIVATE | MS_REC);
	assert_true(o.loop);
	assert_int_equal(o.data_count, 1);
	assert_string_equal(o.uidmap, "0:1:2");
	arena_free(&a);
}

static void test_metrics_lines(void **state)
{
	Metrics__V2Memory m = METRICS__V2_MEMORY__INIT;

	(void)state;
	metrics_fill(&m.base, "anon 12\nfile 34\nunknown 5\npgfault 18446744073709551615\nusage_limit max\npsi 5\nbad");
	assert_int_equal(m.anon, 12);
	assert_int_equal(m.file, 34);
	assert_true(m.pgfault == UINT64_MAX);
	assert_true(m.usage_limit == UINT64_MAX);
	assert_null(m.psi);
}

static void test_any_or_params(void **state)
{
	static const uint8_t any[] = "\x0a\x02"
				     "c1"
				     "\x12\x02"
				     "ns";
	struct arena a = ARENA_INIT;
	struct bootstrap_input in;

	(void)state;
	assert_int_equal(bootstrap_input_parse(any, sizeof any - 1, "c1", &a, &in, NULL), 0);
	assert_true(in.params);
	assert_string_equal(in.namespace_name, "ns");
	assert_int_equal(bootstrap_input_parse(any, sizeof any - 1, "other", &a, &in, NULL), 0);
	assert_false(in.params);
	assert_string_equal(in.options_type, "c1");
	assert_int_equal(bootstrap_input_parse(NULL, 0, "c1", &a, &in, NULL), 0);
	assert_int_not_equal(bootstrap_input_parse("\xff", 1, "c1", &a, &in, NULL), 0);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_in_pieces),
		cmocka_unit_test(test_oversize_is_skipped),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_toml),
		cmocka_unit_test(test_toml_errors),
		cmocka_unit_test(test_json_set),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_socket_path),
		cmocka_unit_test(test_mount_options),
		cmocka_unit_test(test_metrics_lines),
		cmocka_unit_test(test_any_or_params),
	};

	return cmocka_run_group_tests_name("shim", tests, NULL, NULL);
}
