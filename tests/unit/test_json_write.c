/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the writer's text, byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/json_write.h"

static void write_sample(struct json_writer *w)
{
	json_write_object(w);
	json_write_member_string(w, "s", "a\"\\\n\x01/\xc3\xa4");
	json_write_member_string(w, "null", NULL);
	json_write_member_i64(w, "min", INT64_MIN);
	json_write_member_u64(w, "max", UINT64_MAX);
	json_write_member_bool(w, "yes", true);
	json_write_member_object(w, "empty");
	json_write_end_object(w);
	json_write_member_array(w, "list");
	json_write_i64(w, -1);
	json_write_string_n(w, "abc", 2);
	json_write_null(w);
	json_write_array(w);
	json_write_end_array(w);
	json_write_end_array(w);
	json_write_key(w, "raw");
	json_write_raw(w, "{\"x\": 1.50}", 11);
	json_write_end_object(w);
}

static void compact(void **state)
{
	struct arena a = ARENA_INIT;
	struct json_writer w;
	const char *text;
	size_t len;

	(void)state;
	json_writer_init(&w, &a, false);
	write_sample(&w);
	text = json_writer_finish(&w, &len);
	assert_string_equal(text, "{\"s\":\"a\\\"\\\\\\n\\u0001/\xc3\xa4\",\"null\":null,\"min\":-9223372036854775808,"
				  "\"max\":18446744073709551615,\"yes\":true,\"empty\":{},\"list\":[-1,\"ab\",null,[]],"
				  "\"raw\":{\"x\": 1.50}}");
	assert_int_equal(len, strlen(text));
	arena_free(&a);
}

static void indented(void **state)
{
	struct arena a = ARENA_INIT;
	struct json_writer w;

	(void)state;
	json_writer_init(&w, &a, true);
	json_write_object(&w);
	json_write_member_array(&w, "l");
	json_write_u64(&w, 1);
	json_write_u64(&w, 2);
	json_write_end_array(&w);
	json_write_end_object(&w);
	assert_string_equal(json_writer_finish(&w, NULL), "{\n  \"l\": [\n    1,\n    2\n  ]\n}\n");
	arena_free(&a);
}

static void broken_utf8_is_repaired(void **state)
{
	struct arena a = ARENA_INIT;
	struct json_writer w;

	(void)state;
	json_writer_init(&w, &a, false);
	json_write_array(&w);
	json_write_string(&w, "a\xff"
			      "b\xc3");
	json_write_string(&w, "\xed\xa0\x80");
	json_write_string(&w, "\xf0\x9f\x98\x80");
	json_write_end_array(&w);
	assert_string_equal(json_writer_finish(&w, NULL),
		"[\"a\xef\xbf\xbd"
		"b\xef\xbf\xbd\",\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\",\"\xf0\x9f\x98\x80\"]");
	arena_free(&a);
}

static void large_documents(void **state)
{
	struct arena a = ARENA_INIT;
	struct json_writer w;
	size_t len;

	(void)state;
	json_writer_init(&w, &a, false);
	json_write_array(&w);
	for (unsigned i = 0; i < 100000; i++)
		json_write_u64(&w, i % 10);
	json_write_end_array(&w);
	json_writer_finish(&w, &len);
	assert_int_equal(len, 100000 * 2 + 1);
	assert_true(a.total < 4 * len);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact),
		cmocka_unit_test(indented),
		cmocka_unit_test(broken_utf8_is_repaired),
		cmocka_unit_test(large_documents),
	};

	return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
