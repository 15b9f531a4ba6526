/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the reader, with a descriptor that has one member of
 * each kind, and every bound from both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum colour { COLOUR_NONE, RED, GREEN };

struct point {
	const char *name;
	int16_t x, y;
};

struct everything {
	const char *string, *maybe, *taken, *raw, *unit;
	bool boolean, object_set;
	struct opt_bool opt_bool;
	int8_t i8;
	int32_t i32;
	int64_t i64;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32, flags32;
	uint64_t u64, flags64;
	struct opt_i64 opt_i64;
	struct opt_u64 opt_u64;
	int64_t ranged;
	enum colour colour;
	char letter;
	struct point object, *pointer;
	const char **strings;
	size_t strings_count;
	uint32_t *numbers;
	size_t numbers_count;
	struct point *points;
	size_t points_count;
	struct point *keyed;
	size_t keyed_count;
	struct {
		struct json_key_value *items;
		size_t count;
	} map;
};

static const struct json_name colour_names[] = {{"red", RED}, {"green", GREEN}, {NULL, 0}};
static const struct json_enum colours = {"colour", colour_names};
static const struct json_name letter_names[] = {{"a", 'a'}, {"b", 'b'}, {NULL, 0}};
static const struct json_enum letters = {"letter", letter_names};
static const struct json_name flag_names[] = {{"one", 1}, {"top", INT64_C(1) << 40}, {NULL, 0}};
static const struct json_enum flags = {"flag", flag_names};

static void take_upper(struct json_reader *r, const struct json_field *field, void *object, const char *s)
{
	struct everything *e = object;

	assert_string_equal(field->name, "taken");
	if (*s == '!')
		json_report(r, "refused");
	else
		e->taken = arena_printf(json_reader_arena(r), "<%s>", s);
}

static const struct json_field point_fields[] = {
	JSON_F(JSON_STRING, struct point, name, "name"),
	JSON_F(JSON_INT, struct point, x, "x", .required = true),
	JSON_F(JSON_INT, struct point, y, "y"),
};
static const struct json_object point_object = JSON_OBJECT_OF("point", struct point, point_fields);

#define E struct everything
static const struct json_field fields[] = {
	JSON_F(JSON_STRING, E, string, "string"),
	JSON_F(JSON_STRING, E, maybe, "maybe", .empty_is_absent = true),
	JSON_F(JSON_STRING, E, unit, "unit", .names = &letters),
	JSON_F_BARE(JSON_STRING_TAKE, "taken", .take = take_upper),
	JSON_F(JSON_RAW, E, raw, "raw"),
	JSON_F(JSON_BOOL, E, boolean, "boolean"),
	JSON_F(JSON_OPT_BOOL, E, opt_bool, "optBool"),
	JSON_F(JSON_INT, E, i8, "i8"),
	JSON_F(JSON_INT, E, i32, "i32"),
	JSON_F(JSON_INT, E, i64, "i64"),
	JSON_F(JSON_UINT, E, u8, "u8"),
	JSON_F(JSON_UINT, E, u16, "u16"),
	JSON_F(JSON_UINT, E, u32, "u32"),
	JSON_F(JSON_UINT, E, u64, "u64"),
	JSON_F(JSON_OPT_I64, E, opt_i64, "optI64"),
	JSON_F(JSON_OPT_U64, E, opt_u64, "optU64"),
	JSON_F_RANGE(JSON_INT, E, ranged, "ranged", -5, 5),
	JSON_F(JSON_ENUM, E, colour, "colour", .names = &colours),
	JSON_F(JSON_ENUM, E, letter, "letter", .names = &letters),
	JSON_F(JSON_STRINGS_TAKE, E, flags32, "flags32", .names = &flags, .take = json_take_flag),
	JSON_F(JSON_STRINGS_TAKE, E, flags64, "flags64", .names = &flags, .take = json_take_flag),
	JSON_F(JSON_OBJECT, E, object, "object", .object = &point_object, JSON_F_SET(E, object_set)),
	JSON_F(JSON_OBJECT_PTR, E, pointer, "pointer", .object = &point_object),
	JSON_F_ARRAY(JSON_STRINGS, E, strings, "strings"),
	JSON_F_ARRAY(JSON_U32S, E, numbers, "numbers"),
	JSON_F_ARRAY(JSON_OBJECTS, E, points, "points", .object = &point_object),
	JSON_F_ARRAY(
		JSON_KEYED, E, keyed, "keyed", .object = &point_object, .key_offset = offsetof(struct point, name)),
	JSON_F_LIST(JSON_MAP, E, map, "map"),
	JSON_F_BARE(JSON_IGNORED, "ignored"),
};
static const struct json_object root = JSON_OBJECT_OF("everything", E, fields);

static struct arena arena;
static struct json_errors errors;
static struct everything it;

static int set_up(void **state)
{
	(void)state;
	errors = (struct json_errors){0};
	it = (struct everything){0};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* Read from an exact copy, so that a sanitizer sees every byte read beyond the end. */
static int read_n(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int r;

	memcpy(copy, text, len);
	set_up(NULL);
	r = json_read(&root, copy, len, &arena, &it, &errors);
	free(copy);
	assert_int_equal(r, errors.count ? -EINVAL : 0);
	return r;
}

static void good(const char *text)
{
	if (read_n(text, strlen(text)) != 0)
		fail_msg("%s: %s: %s", text, errors.items[0].path, errors.items[0].msg);
}

static void bad(const char *text, const char *path, const char *msg)
{
	assert_int_equal(read_n(text, strlen(text)), -EINVAL);
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.items[0].path, path);
	assert_string_equal(errors.items[0].msg, msg);
}

static void reads_every_kind(void **state)
{
	(void)state;
	good("{\"string\": \"s\", \"maybe\": \"m\", \"unit\": \"b\", \"taken\": \"t\", \"raw\": { \"x\": [1, 2.50] }, "
	     "\"boolean\": true, \"optBool\": false, \"i8\": -128, \"i32\": -2147483648, \"i64\": "
	     "-9223372036854775808, "
	     "\"u8\": 255, \"u16\": 65535, \"u32\": 4294967295, \"u64\": 18446744073709551615, \"optI64\": -7, "
	     "\"optU64\": 0, \"ranged\": -5, \"colour\": \"green\", \"letter\": \"b\", \"flags32\": [\"one\"], "
	     "\"flags64\": [\"top\", \"one\", \"top\"], \"object\": {\"x\": 1, \"y\": 2}, \"pointer\": {\"x\": 3}, "
	     "\"strings\": [\"a\", \"\", \"c\", \"d\", \"e\"], \"numbers\": [1, 2, 3, 4, 5, 4294967295], "
	     "\"points\": [{\"x\": 1}, {\"x\": 2, \"name\": \"p\"}], \"keyed\": {\"k\": {\"x\": 9}, \"\": {\"x\": 8}}, "
	     "\"map\": {\"a\": \"b\", \"c\": \"\"}, \"ignored\": [[{\"a\": 1}]]}");
	assert_string_equal(it.string, "s");
	assert_string_equal(it.maybe, "m");
	assert_string_equal(it.unit, "b");
	assert_string_equal(it.taken, "<t>");
	assert_string_equal(it.raw, "{ \"x\": [1, 2.50] }");
	assert_true(it.boolean && it.opt_bool.set && !it.opt_bool.value);
	assert_int_equal(it.i8, INT8_MIN);
	assert_int_equal(it.i32, INT32_MIN);
	assert_true(it.i64 == INT64_MIN);
	assert_int_equal(it.u8, UINT8_MAX);
	assert_int_equal(it.u16, UINT16_MAX);
	assert_true(it.u32 == UINT32_MAX && it.u64 == UINT64_MAX);
	assert_true(it.opt_i64.set && it.opt_i64.value == -7);
	assert_true(it.opt_u64.set && it.opt_u64.value == 0);
	assert_int_equal(it.ranged, -5);
	assert_int_equal(it.colour, GREEN);
	assert_int_equal(it.letter, 'b');
	assert_int_equal(it.flags32, 1);
	assert_true(it.flags64 == ((UINT64_C(1) << 40) | 1));
	assert_true(it.object_set && it.object.x == 1 && it.object.y == 2);
	assert_int_equal(it.pointer->x, 3);
	assert_int_equal(it.strings_count, 5);
	assert_string_equal(it.strings[4], "e");
	assert_int_equal(it.numbers_count, 6);
	assert_true(it.numbers[5] == UINT32_MAX);
	assert_int_equal(it.points_count, 2);
	assert_string_equal(it.points[1].name, "p");
	assert_int_equal(it.keyed_count, 2);
	assert_string_equal(it.keyed[0].name, "k");
	assert_string_equal(it.keyed[1].name, "");
	assert_int_equal(it.map.count, 2);
	assert_string_equal(it.map.items[1].value, "");
}

static void null_and_empty_are_absent(void **state)
{
	(void)state;
	good("{\"string\": null, \"maybe\": \"\", \"boolean\": null, \"optI64\": null, \"object\": null, "
	     "\"pointer\": null, \"strings\": null, \"map\": {\"a\": null}, \"keyed\": {\"k\": null}, \"raw\": null}");
	assert_null(it.string);
	assert_null(it.maybe);
	assert_false(it.opt_i64.set || it.object_set);
	assert_null(it.pointer);
	assert_int_equal(it.strings_count + it.map.count + it.keyed_count, 0);
	good("{\"string\": \"\", \"raw\": [], \"strings\": []}");
	assert_string_equal(it.string, "");
	assert_string_equal(it.raw, "[]");
	bad("{\"strings\": [null]}", "strings[0]", "expected a string, found null");
	bad("{\"points\": [null]}", "points[0]", "expected an object, found null");
	bad("{\"object\": {\"x\": null}}", "object.x", "required member is missing");
}

static void numbers_are_exact(void **state)
{
	static const struct {
		const char *text;
		int64_t value; /* INT64_MIN: an error */
	} cases[] = {
		{"0", 0},
		{"-0", 0},
		{"0.000", 0},
		{"0e5", 0},
		{"0e-99999999999", 0},
		{"-0.0e10", 0},
		{"1", 1},
		{"1.0", 1},
		{"1e0", 1},
		{"10e-1", 1},
		{"0.1e1", 1},
		{"100e-2", 1},
		{"0.00000000000000000000000001e26", 1},
		{"100000000000000000000000000e-26", 1},
		{"1E+2", 100},
		{"120.50e1", 1205},
		{"9223372036854775807", INT64_MAX},
		{"9007199254740993", 9007199254740993},
		{"-9223372036854775807", -INT64_MAX},
		{"9.223372036854775807e18", INT64_MAX},
		{"1.5", INT64_MIN},
		{"1e-1", INT64_MIN},
		{"0.1", INT64_MIN},
		{"1e19", INT64_MIN},
		{"9223372036854775808", INT64_MIN},
		{"1e400", INT64_MIN},
		{"1e999999999999999999999", INT64_MIN},
		{"1e-999999999999999999999", INT64_MIN},
		{"99999999999999999999999999", INT64_MIN},
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(text, sizeof text, "{\"i64\": %s}", cases[i].text);
		if (cases[i].value != INT64_MIN) {
			good(text);
			assert_true(it.i64 == cases[i].value);
		} else {
			assert_int_equal(read_n(text, strlen(text)), -EINVAL);
			assert_true(strncmp(errors.items[0].msg, "expected an integer from -9223372036854775808 to ",
					    49) == 0);
		}
	}
	bad("{\"u8\": 256}", "u8", "expected an integer from 0 to 255, found 256");
	bad("{\"u8\": -1}", "u8", "expected an integer from 0 to 255, found -1");
	bad("{\"i8\": 128}", "i8", "expected an integer from -128 to 127, found 128");
	bad("{\"ranged\": 6}", "ranged", "expected an integer from -5 to 5, found 6");
	bad("{\"numbers\": [1, 4294967296]}", "numbers[1]",
		"expected an integer from 0 to 4294967295, found 4294967296");
	bad("{\"u8\": 11111111112222222222333333333344444444445}", "u8",
		"expected an integer from 0 to 255, found 1111111111222222222233333333334444444444...");
}

static void errors_name_their_place(void **state)
{
	(void)state;
	bad("{\"points\": [{\"x\": 1}, {\"x\": 1, \"y\": \"2\"}]}", "points[1].y",
		"expected an integer, found a string");
	bad("{\"points\": [{\"x\": 1}, {}]}", "points[1].x", "required member is missing");
	bad("{\"keyed\": {\"a\\u000ab\\\"\": {}}}", "keyed[\"a\\u000ab\\\"\"].x", "required member is missing");
	bad("{\"map\": {\"k\": 5}}", "map[\"k\"]", "expected a string, found a number");
	bad("{\"colour\": \"blue\"}", "colour", "unknown colour \"blue\" (known: red, green)");
	bad("{\"colour\": \"re\"}", "colour", "unknown colour \"re\" (known: red, green)");
	bad("{\"colour\": \"redd\"}", "colour", "unknown colour \"redd\" (known: red, green)");
	bad("{\"unit\": \"c\"}", "unit", "unknown letter \"c\" (known: a, b)");
	bad("{\"flags64\": [\"one\", \"two\"]}", "flags64[1]", "unknown flag \"two\" (known: one, top)");
	bad("{\"taken\": \"!\"}", "taken", "refused");
	bad("{\"raw\": 5}", "raw", "expected an object or an array, found a number");
	bad("{\"string\": \"a\", \"i8\": 1, \"string\": \"b\"}", "string", "the member is given twice");
	bad("{\"map\": {\"a\": \"1\", \"b\": \"1\", \"a\": \"1\", \"a\": \"1\"}}", "map[\"a\"]",
		"the member is given twice");
	bad("{\"keyed\": {\"a\": {\"x\": 1}, \"a\": {\"x\": 1}}}", "keyed[\"a\"]", "the member is given twice");
	bad("{\"string\": \"a\\u0000b\"}", "string", "a string contains a NUL character (\\u0000)");
	bad("{\"a\\u0000b\": 1}", "", "a member's name contains a NUL character (\\u0000)");
	bad("[]", "", "expected an object, found an array");
	bad("5", "", "expected an object, found a number");
	bad("{\n\"string\":\n  tru}", "", "line 3, column 6: lexical error: invalid string in json text");
}

/* prefix + unit × n + suffix */
static char *repeat(const char *prefix, const char *unit, size_t n, const char *suffix, size_t *len)
{
	size_t p = strlen(prefix), u = strlen(unit), s = strlen(suffix);
	char *text = malloc(p + u * n + s + 1);

	memcpy(text, prefix, p);
	for (size_t i = 0; i < n; i++)
		memcpy(text + p + u * i, unit, u);
	memcpy(text + p + u * n, suffix, s + 1);
	*len = p + u * n + s;
	return text;
}

static void expect(char *text, size_t len, const char *path, const char *msg)
{
	int r = read_n(text, len);

	free(text);
	assert_int_equal(r, msg ? -EINVAL : 0);
	if (!msg)
		return;
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.items[0].path, path);
	assert_string_equal(errors.items[0].msg, msg);
}

static char *nested(size_t depth, size_t *len)
{
	char *open = repeat("{\"ignored\": ", "[", depth - 1, "", len), *text;

	text = repeat(open, "]", depth - 1, "}", len);
	free(open);
	return text;
}

static void bounds_hold(void **state)
{
	size_t len;
	char *text;

	(void)state;
	text = nested(512, &len);
	expect(text, len, NULL, NULL);
	text = nested(513, &len);
	expect(text, len, "", "line 1, column 525: objects and arrays are nested too deeply: the limit is 512");
	text = repeat("", "[", 2000000, "", &len);
	assert_int_equal(read_n(text, len), -EINVAL);
	free(text);
	text = repeat("{\"strings\": [\"\"", ",\"\"", 65535, "]}", &len);
	expect(text, len, NULL, NULL);
	assert_int_equal(it.strings_count, 65536);
	text = repeat("{\"strings\": [\"\"", ",\"\"", 65536, "], \"i8\": 5}", &len);
	expect(text, len, "strings", "too many elements: the limit is 65536");
	assert_int_equal(it.i8, 5);
	text = repeat("{\"flags64\": [\"one\"", ",\"one\"", 65536, "]}", &len);
	expect(text, len, "flags64", "too many elements: the limit is 65536");
	text = repeat("{\"string\": \"", "x", 1024 * 1024, "\"}", &len);
	expect(text, len, NULL, NULL);
	text = repeat("{\"string\": \"", "x", 1024 * 1024 + 1, "\"}", &len);
	expect(text, len, "string", "a string of 1048577 bytes: the limit is 1048576");
	text = repeat("{\"ignored\": \"\\t", "x", 3 * 1024 * 1024, "\"}", &len);
	expect(text, len, NULL, NULL);
	text = repeat("{", " ", 16 * 1024 * 1024 - 2, "}", &len);
	expect(text, len, NULL, NULL);
	text = repeat("{", " ", 16 * 1024 * 1024 - 1, "}", &len);
	expect(text, len, "", "the document has 16777217 bytes: the limit is 16777216");
}

static void errors_are_capped(void **state)
{
	struct error err = {0};
	size_t len;
	char *text = repeat("{\"strings\": [0", ",0", 2499, "]}", &len);

	(void)state;
	assert_int_equal(read_n(text, len), -EINVAL);
	free(text);
	assert_int_equal(errors.count, 1000);
	assert_int_equal(errors.dropped, 1500);
	assert_int_equal(json_errors_first(&errors, ERR_CONFIG, "see more", &err), -EINVAL);
	assert_string_equal(err.path, "strings[0]");
	assert_non_null(strstr(err.msg, "expected a string, found a number (and 2499 more; see more)"));
	set_up(NULL);
	assert_int_equal(json_errors_first(&errors, ERR_CONFIG, NULL, &err), 0);
}

/* Many members with one name, or names that sort badly: no quadratic time. */
static void large_maps_are_quick(void **state)
{
	size_t len;
	char *text = repeat("{\"map\": {\"k\": \"\"", ",\"k\": \"\"", 65535, "}}", &len);
	char *p;

	(void)state;
	expect(text, len, "map[\"k\"]", "the member is given twice");
	text = malloc(65537 * 16);
	p = text + sprintf(text, "{\"map\": {");
	for (int i = 0; i < 65536; i++)
		p += sprintf(p, "%s\"%d\":\"\"", i ? "," : "", i);
	p += sprintf(p, "}}");
	expect(text, (size_t)(p - text), NULL, NULL);
	text = malloc(65538 * 16);
	p = text + sprintf(text, "{\"map\": {");
	for (int i = 0; i < 65537; i++)
		p += sprintf(p, "%s\"%d\":\"\"", i ? "," : "", i);
	p += sprintf(p, "}}");
	expect(text, (size_t)(p - text), "map", "too many elements: the limit is 65536");
}

static void a_field_can_be_the_document(void **state)
{
	static const struct json_field list = JSON_F_ARRAY(JSON_OBJECTS, E, points, "points", .object = &point_object);
	static const struct json_field map = JSON_F_LIST(JSON_MAP, E, map, "map");
	const char *text = "[{\"x\": 1}, {\"x\": 2}]";

	(void)state;
	assert_int_equal(json_read_field(&list, text, strlen(text), &arena, &it, &errors), 0);
	assert_int_equal(it.points_count, 2);
	text = "[{\"x\": 1}, {\"x\": \"\"}]";
	assert_int_equal(json_read_field(&list, text, strlen(text), &arena, &it, &errors), -EINVAL);
	assert_string_equal(errors.items[0].path, "[1].x");
	text = "{\"a\": \"b\"}";
	assert_int_equal(json_read_field(&map, text, strlen(text), &arena, &it, &errors), 0);
	assert_int_equal(it.map.count, 1);
}

static void names_are_found(void **state)
{
	int64_t v = -1;

	(void)state;
	assert_true(json_enum_find(&colours, "greenish", 5, &v));
	assert_int_equal(v, GREEN);
	assert_false(json_enum_find(&colours, "gree", 4, &v));
	assert_false(json_enum_find(&colours, "", 0, &v));
	assert_string_equal(json_enum_name(&colours, RED), "red");
	assert_null(json_enum_name(&colours, 99));
}

static void quotes_are_safe(void **state)
{
	(void)state;
	assert_string_equal(json_quote(&arena, ""), "\"\"");
	assert_string_equal(json_quote(&arena, "a\"\\\n\x7f"), "\"a\\\"\\\\\\u000a\\u007f\"");
	assert_string_equal(json_quote(&arena, "0123456789012345678901234567890123456789012345678901234567890123"),
		"\"0123456789012345678901234567890123456789012345678901234567890123\"");
	assert_string_equal(json_quote(&arena, "012345678901234567890123456789012345678901234567890123456789012ä"),
		"\"012345678901234567890123456789012345678901234567890123456789012\"...");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(reads_every_kind),
		T(null_and_empty_are_absent),
		T(numbers_are_exact),
		T(errors_name_their_place),
		T(bounds_hold),
		T(errors_are_capped),
		T(large_maps_are_quick),
		T(a_field_can_be_the_document),
		T(names_are_found),
		T(quotes_are_safe),
	};

	return cmocka_run_group_tests_name("json_read", tests, NULL, NULL);
}
