/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the tables of data/dockerfile, one case per line, for word expansion, file name patterns and
 * .dockerignore; and what the tables cannot say: names used and unset, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image-tools/dockerfile/expand.h"
#include "image-tools/dockerfile/ignore.h"

#define MAX_COLUMNS 3

typedef bool table_case(struct arena *a, char *column[]);

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (*s == ' ')
		s++;
	while (end > s && end[-1] == ' ')
		end--;
	*end = 0;
	return s;
}

/* Columns are separated by " |"; the last two are the last ones, so that the first may hold anything. */
static void run_table(const char *name, unsigned columns, table_case *one)
{
	char path[512], line[4096], copy[4096];
	unsigned number = 0, cases = 0, failed = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/dockerfile/%s", TEST_DATA, name);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		struct arena a = ARENA_INIT;
		char *column[MAX_COLUMNS] = { 0 };

		number++;
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#' || !line[0])
			continue;
		strcpy(copy, line);
		for (unsigned c = columns - 1; c > 0; c--) {
			char *bar = NULL;

			for (char *s = line; *s; s++)
				if (s[0] == ' ' && s[1] == '|' && (s[2] == ' ' || !s[2]))
					bar = s;
			assert_non_null(bar);
			*bar = 0;
			column[c] = trim(bar + 2);
		}
		column[0] = trim(line);
		cases++;
		if (!one(&a, column)) {
			print_error("%s:%u: %s\n", name, number, copy);
			failed++;
		}
		arena_free(&a);
	}
	fclose(f);
	assert_true(cases > 20);
	assert_int_equal(failed, 0);
}

/* All occurrences of one text replaced by another. */
static char *replaced(struct arena *a, const char *s, const char *from, const char *to)
{
	const char *at;
	char *out = arena_strdup(a, "");

	while ((at = strstr(s, from))) {
		out = arena_printf(a, "%s%.*s%s", out, (int)(at - s), s, to);
		s = at + strlen(from);
	}
	return arena_printf(a, "%s%s", out, s);
}

/* --- expansion --- */

static const char *const variables[] = { "PWD=/home", "SHELL=bash", "KOREAN=한국어", "NULL=", "FOO=xxyy", "P=/foo*/*/*.txt",
	"N=\\*/", "T=/tmp/foo.txt", "S=a***yy*", "Q=???y", "H=()[]{}^$.*?|\\x", "L=one\ntwo", "B=back\\slash", "D=a.b.c",
	"U=http://example.org", NULL };

static bool expand_case(struct arena *a, char *column[])
{
	struct expand_options o = { .lookup = expand_lookup_environ, .opaque = (void *)variables };
	struct error err = { 0 };
	const char *result;
	int r = expand_word(a, column[0], &o, &result, &err);

	if (strncmp(column[1], "error", 5) == 0)
		return r < 0 && err.msg[0] && (!column[1][5] || strstr(err.msg, column[1] + 7));
	if (r < 0 || strcmp(result, replaced(a, column[1], "<newline>", "\n")) != 0) {
		print_error("got %s\n", r < 0 ? err.msg : result);
		return false;
	}
	return true;
}

static void test_expand(void **state)
{
	(void)state;
	run_table("expand.txt", 2, expand_case);
}

static const char *const word_variables[] = { "hi=hi", "space=abc  def", "leading=  ab c", "trailing=ab c   ", "null=", "star=*",
	NULL };

static bool words_case(struct arena *a, char *column[])
{
	struct expand_options o = { .lookup = expand_lookup_environ, .opaque = (void *)word_variables };
	struct error err = { 0 };
	struct string_list words;
	const char *got = "";
	int r = expand_words(a, replaced(a, column[0], "·", " "), &o, &words, &err);

	if (strcmp(column[1], "error") == 0)
		return r < 0;
	for (size_t i = 0; r == 0 && i < words.count; i++)
		got = arena_printf(a, "%s%s%s", got, i ? "," : "", words.items[i]);
	if (r < 0 || strcmp(got, replaced(a, column[1], "·", " ")) != 0) {
		print_error("got %s\n", r < 0 ? err.msg : got);
		return false;
	}
	return true;
}

static void test_words(void **state)
{
	(void)state;
	run_table("words.txt", 2, words_case);
}

static const struct {
	const char *word, *result, *used, *unset;
	bool raw_quotes, raw_escapes, skip_quotes, skip_unset;
	char escape;
} modes[] = {
	{ "x ${FOO}", "x xxyy", "FOO", "", .escape = '\\' },
	{ "x ${UNUSED}", "x ", "", "UNUSED", .escape = '\\' },
	{ "${A-a} ${NULL-b} ${FOO-c}", "a  xxyy", "NULL,FOO", "A", .escape = '\\' },
	{ "${A:-a} ${NULL:-b} ${A:-c}", "a b c", "NULL", "A", .escape = '\\' },
	{ "${A:+$Z}", "", "", "Z,A", .escape = '\\' },
	{ "${FOO#$NULL}", "xxyy", "NULL,FOO", "", .escape = '\\' },
	{ "'a' \"b$FOO\"", "'a' \"bxxyy\"", "FOO", "", .raw_quotes = true },
	{ "a\\ b\\$c \"\\\"\"", "a\\ b\\$c \\\"", "", "", .raw_escapes = true },
	{ "a\\ b", "a b", "", "", .escape = 0 },
	{ "it's $FOO \"q\"", "it's xxyy \"q\"", "FOO", "", .skip_quotes = true },
	{ "\\$FOO \\n", "$FOO n", "", "", .skip_quotes = true },
	{ "$A ${A} ${A:-b} ${A#x} ${A/x/y} $FOO", "$A ${A} ${A:-b} ${A#x} ${A/x/y} xxyy", "FOO", "A", .skip_unset = true },
	{ "${A:?no}", "${A:?no}", "", "A", .skip_unset = true },
	{ "a`$b", "a$b", "", "", .escape = '`' },
	{ "a\\$FOO", "a\\xxyy", "FOO", "", .escape = '`' },
	{ "\"`\"\\\"", "\"\\", "", "", .escape = '`' },
	{ "C:\\dir`\\x", "C:\\dir\\x", "", "", .escape = '`' },
	{ "\xef\xbb\xbf" "a", "a", "", "", .escape = 0 },
	{ "\xff$FOO\xfe", "\xff" "xxyy\xfe", "FOO", "", .escape = 0 },
	{ "$FO\xff", "\xff", "", "FO", .escape = 0 },
};

static const char *joined(struct arena *a, const struct string_list *l)
{
	const char *s = "";

	for (size_t i = 0; i < l->count; i++)
		s = arena_printf(a, "%s%s%s", s, i ? "," : "", l->items[i]);
	return s;
}

static void test_modes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		struct arena a = ARENA_INIT;
		struct string_list used = { 0 }, unset = { 0 };
		struct expand_options o = { .lookup = expand_lookup_environ, .opaque = (void *)variables, .used = &used,
			.unset = &unset, .raw_quotes = modes[i].raw_quotes, .raw_escapes = modes[i].raw_escapes,
			.skip_quotes = modes[i].skip_quotes, .skip_unset = modes[i].skip_unset, .escape = modes[i].escape };
		const char *result;

		assert_int_equal(expand_word(&a, modes[i].word, &o, &result, NULL), 0);
		assert_string_equal(result, modes[i].result);
		assert_string_equal(joined(&a, &used), modes[i].used);
		assert_string_equal(joined(&a, &unset), modes[i].unset);
		arena_free(&a);
	}
}

static char *repeated(struct arena *a, const char *s, size_t times)
{
	size_t n = strlen(s);
	char *out = arena_alloc(a, n * times + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(out + i * n, s, n);
	return out;
}

/* What a few bytes can ask for: each must end with an error, soon. */
static void test_expand_limits(void **state)
{
	struct arena a = ARENA_INIT;
	char *big = repeated(&a, "aaaaaaaaaaaaaaaa", 60000);
	const char *env[] = { arena_printf(&a, "B=%s", big), NULL }, *result;
	struct expand_options o = { .lookup = expand_lookup_environ, .opaque = env };
	struct error err = { 0 };
	const char *bombs[] = {
		repeated(&a, "$B", 1000),
		repeated(&a, "${B#x}", 1000),
		repeated(&a, "${B:-${B}}", 1000),
		arena_printf(&a, "%s%s", repeated(&a, "${a:-", 100), repeated(&a, "}", 100)),
		arena_printf(&a, "${B##%s}", repeated(&a, "*a", 2000)),
		arena_printf(&a, "${B//%s/b}", repeated(&a, "?", 2000)),
		"${B//a/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}",
		repeated(&a, "${u:-${B:+x}${B%%?}}", 4000),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
		assert_true(expand_word(&a, bombs[i], &o, &result, &err) < 0);
		assert_true(err.msg[0]);
	}
	assert_int_equal(expand_word(&a, "$B", &o, &result, &err), 0);
	assert_string_equal(result, big);
	assert_int_equal(expand_word(&a,
				 arena_printf(&a, "%s%s", repeated(&a, "${a:-", 60), repeated(&a, "}", 60)), &o, &result, &err),
		0);
	arena_free(&a);
}

/* --- patterns --- */

static bool glob_case(struct arena *a, char *column[])
{
	int expected = strcmp(column[2], "yes") == 0 ? 1 : strcmp(column[2], "no") == 0 ? 0 : -1;
	int got = glob_match(column[0], column[1]);

	(void)a;
	return expected < 0 ? got < 0 : got == expected;
}

static void test_glob(void **state)
{
	(void)state;
	run_table("glob.txt", 3, glob_case);
	assert_true(glob_has_meta("a*") && glob_has_meta("a[b]") && glob_has_meta("a\\b") && glob_has_meta("?"));
	assert_false(glob_has_meta("a/b.c"));
}

static void test_clean(void **state)
{
	static const char *const cases[][2] = { { "", "." }, { "abc", "abc" }, { "abc/def", "abc/def" }, { "a/b/c", "a/b/c" },
		{ ".", "." }, { "..", ".." }, { "../..", "../.." }, { "../../abc", "../../abc" }, { "/abc", "/abc" }, { "/", "/" },
		{ "abc/", "abc" }, { "abc/def/", "abc/def" }, { "a/b/c/", "a/b/c" }, { "./", "." }, { "../", ".." },
		{ "../../", "../.." }, { "/abc/", "/abc" }, { "abc//def//ghi", "abc/def/ghi" }, { "//abc", "/abc" },
		{ "///abc", "/abc" }, { "//abc//", "/abc" }, { "abc//", "abc" }, { "abc/./def", "abc/def" },
		{ "/./abc/def", "/abc/def" }, { "abc/.", "abc" }, { "abc/def/ghi/../jkl", "abc/def/jkl" },
		{ "abc/def/../ghi/../jkl", "abc/jkl" }, { "abc/def/..", "abc" }, { "abc/def/../..", "." },
		{ "/abc/def/../..", "/" }, { "abc/def/../../..", ".." }, { "/abc/def/../../..", "/" },
		{ "abc/def/../../../ghi/jkl/../../../mno", "../../mno" }, { "/../abc", "/abc" }, { "abc/./../def", "def" },
		{ "abc//./../def", "def" }, { "abc/../../././../def", "../../def" }, { "..a/..", "." }, { "a..", "a.." } };
	struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(path_clean(&a, cases[i][0]), cases[i][1]);
	arena_free(&a);
}

/* --- .dockerignore --- */

static bool ignore_case(struct arena *a, char *column[])
{
	char *text = replaced(a, replaced(a, column[0], " ", "\n"), "·", " "), *path = column[1];
	struct string_list patterns;
	struct error err = { 0 };
	struct ignore ig;
	bool out = strncmp(column[2], "out", 3) == 0, *state, *next, walked = false, pruned = false;
	int r = ignore_read(a, "x", text, strlen(text), &patterns, &err);

	if (r == 0)
		r = ignore_compile(a, &patterns, &ig, &err);
	if (strcmp(column[2], "error") == 0)
		return r < 0 && err.msg[0];
	if (r < 0 || ignore_matches(&ig, path) != out)
		return false;
	if (out && ignore_must_descend(&ig, path) != (column[2][3] == '!'))
		return false;
	/* the walk from the top comes to the same result and is not cut short */
	state = arena_array(a, bool, ig.count + 1);
	for (char *s = path;; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		next = arena_array(a, bool, ig.count + 1);
		walked = ignore_matches_below(&ig, path, state, next);
		state = next;
		if (c && walked && !ignore_must_descend(&ig, path))
			pruned = true;
		*s = c;
		if (!c)
			break;
	}
	return walked == out && (out || !pruned);
}

static void test_ignore(void **state)
{
	(void)state;
	run_table("ignore.txt", 3, ignore_case);
}

static void test_ignore_file(void **state)
{
	static const char text[] = "\xef\xbb\xbf# comment\r\n\r\n  a/b/  \r\n #no-comment\n!  c//d \n/e\n\t\nf";
	static const char *const expected[] = { "a/b", "#no-comment", "!c/d", "e", "f" };
	struct arena a = ARENA_INIT;
	struct string_list patterns, many;
	struct error err = { 0 };
	char *huge = repeated(&a, "aaaaaaaaaaaaaaaa\n", 70000);

	(void)state;
	assert_int_equal(ignore_read(&a, ".dockerignore", text, sizeof text - 1, &patterns, &err), 0);
	assert_int_equal(patterns.count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(patterns.items[i], expected[i]);
	assert_true(ignore_read(&a, ".dockerignore", "a\n[\n", 4, &patterns, &err) < 0);
	assert_non_null(strstr(err.msg, ".dockerignore:2"));
	assert_true(ignore_read(&a, ".dockerignore", "a\0b", 3, &patterns, &err) < 0);
	assert_true(ignore_read(&a, ".dockerignore", huge, strlen(huge), &many, &err) < 0);
	memset(huge, 'a', 10000);
	assert_true(ignore_read(&a, ".dockerignore", huge, 10000, &many, &err) < 0);
	arena_free(&a);
}

static void test_deep(void **state)
{
	static const struct {
		const char *pattern, *name;
		int match;
	} cases[] = { { "**/*.c", "a/b/x.c", 1 }, { "**/*.c", "x.c", 1 }, { "a/**/x", "a/x", 1 }, { "a/**/x", "a/b/c/x", 1 },
		{ "a/**", "a/b", 1 }, { "a", "a/b", 0 }, { "a*", "ab", 1 }, { "a/*", "a/b/c", 0 }, { "[", "a", -1 } };
	struct arena a = ARENA_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int r = glob_match_deep(&a, cases[i].pattern, cases[i].name);

		assert_int_equal(r < 0 ? -1 : r, cases[i].match);
	}
	arena_free(&a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_expand_limits),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_ignore),
		cmocka_unit_test(test_ignore_file),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
