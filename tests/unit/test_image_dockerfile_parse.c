/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: data/dockerfile/parse.txt and lint.txt hold blocks
 *
 *     === title
 *     text of a Dockerfile ("¶" is a carriage return, "→" a tab, "␣" a blank that an editor might remove)
 *     ---
 *     what is expected, one line each
 *
 * Expected of a parse: "LINES INSTRUCTION flags [argument]... <heredoc>..." for each instruction, or "error: part of the
 * message", "hint: part of the hint"; a line "~ text" must be part of the dump as compact JSON, "! text" part of the dump of
 * the instructions after expansion with PWD=/home, SHELL=bash, NULL= and N=80.  Expected of lint: "line Rule" or "line Rule
 * part of the message".  In front of lint texts, lines "#: option" set build arguments and patterns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image-tools/dockerfile/lint.h"
#include "image-tools/dockerfile/text.h"

struct block {
	char title[256];
	struct text text;
	struct string_list expected;
};

typedef bool block_case(struct arena *a, struct block *b);

static void add_line(struct text *t, const char *s)
{
	static const struct {
		const char *from, *to;
	} signs[] = { { "¶", "\r" }, { "→", "\t" }, { "␣", " " }, { "␀", "" } };

	while (*s) {
		size_t i = 0, n;

		for (; i < 4; i++)
			if (strncmp(s, signs[i].from, strlen(signs[i].from)) == 0)
				break;
		if (i == 4) {
			text_add_char(t, *s++);
			continue;
		}
		n = strlen(signs[i].to);
		text_add(t, signs[i].to, i == 3 ? 1 : n);
		s += strlen(signs[i].from);
	}
	text_add_char(t, '\n');
}

static void finish_block(struct arena *a, struct block *b, block_case *one, unsigned *cases, unsigned *failed)
{
	if (b->title[0]) {
		++*cases;
		/* the last newline belongs to the format, when the text ends with "␄" */
		if (b->text.len >= 4 && memcmp(b->text.data + b->text.len - 4, "\xe2\x90\x84\n", 4) == 0)
			b->text.len -= 4;
		text_finish(&b->text);
		if (!one(a, b)) {
			print_error("=== %s\n", b->title);
			++*failed;
		}
	}
	arena_free(a);
	*b = (struct block){ .text = { .arena = a } };
}

static void run_blocks(const char *name, unsigned at_least, block_case *one)
{
	char path[512], line[4096];
	unsigned cases = 0, failed = 0;
	struct arena a = ARENA_INIT;
	struct block b = { .text = { .arena = &a } };
	bool expected = false;
	FILE *f;

	snprintf(path, sizeof path, "%s/dockerfile/%s", TEST_DATA, name);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "=== ", 4) == 0) {
			finish_block(&a, &b, one, &cases, &failed);
			snprintf(b.title, sizeof b.title, "%.200s", line + 4);
			expected = false;
		} else if (strcmp(line, "---") == 0) {
			expected = true;
		} else if (!expected) {
			add_line(&b.text, line);
		} else if (line[0]) {
			list_add(&a, &b.expected, arena_strdup(&a, line));
		}
	}
	finish_block(&a, &b, one, &cases, &failed);
	fclose(f);
	print_message("%s: %u cases\n", name, cases);
	assert_true(cases >= at_least);
	assert_int_equal(failed, 0);
}

/* --- parse --- */

static const char *visible(struct arena *a, const char *s)
{
	struct text t = { .arena = a };

	for (; *s; s++) {
		if (*s == '\n')
			text_add(&t, "\\n", 2);
		else if (*s == '\t')
			text_add(&t, "\\t", 2);
		else if (*s == '\r')
			text_add(&t, "\\r", 2);
		else
			text_add_char(&t, *s);
	}
	return text_finish(&t);
}

static const char *rendered(struct arena *a, const struct dockerfile_instruction *in)
{
	const char *s = in->line == in->end_line ? arena_printf(a, "%u", in->line) :
						   arena_printf(a, "%u-%u", in->line, in->end_line);

	s = arena_printf(a, "%s %s%s", s, dockerfile_verb_name(in->verb), in->json ? " json" : "");
	for (size_t i = 0; i < in->flags.count; i++)
		s = arena_printf(a, "%s %s", s, in->flags.items[i]);
	for (size_t i = 0; i < in->args.count; i++)
		s = arena_printf(a, "%s [%s]", s, visible(a, in->args.items[i]));
	for (size_t i = 0; i < in->heredocs_count; i++)
		s = arena_printf(a, "%s <%s%s%s:%s>", s, in->heredocs[i].chomp ? "-" : "", in->heredocs[i].name,
			in->heredocs[i].expand ? "" : "!", visible(a, in->heredocs[i].content));
	return s;
}

static const char *dumped(struct arena *a, const struct dockerfile *d)
{
	struct json_writer w;

	json_writer_init(&w, a, false);
	dockerfile_dump(d, &w);
	return json_writer_finish(&w, NULL);
}

static const char *const variables[] = { "PWD=/home", "SHELL=bash", "NULL=", "N=80", NULL };

static const char *dumped_expanded(struct arena *a, const struct dockerfile *d, struct error *err)
{
	struct dockerfile copy = *d;

	copy.instructions = arena_array(a, struct dockerfile_instruction, d->count);
	for (size_t i = 0; i < d->count; i++)
		if (dockerfile_expand(a, d, &d->instructions[i], expand_lookup_environ, (void *)variables, NULL,
			    &copy.instructions[i], err) < 0)
			return arena_printf(a, "error: %s", err->msg);
	return dumped(a, &copy);
}

static bool expect(const char *expected, const char *got, bool part)
{
	if (got && (part ? strstr(got, expected) != NULL : strcmp(got, expected) == 0))
		return true;
	print_error("expected %s\n     got %s\n", expected, got ? got : "nothing");
	return false;
}

static bool parse_case(struct arena *a, struct block *b)
{
	struct error err = { 0 };
	struct dockerfile d;
	int r = dockerfile_parse(a, "Dockerfile", b->text.data, b->text.len, &d, &err);
	size_t next = 0;
	bool ok = true, whole = false;

	for (size_t i = 0; i < b->expected.count; i++) {
		const char *e = b->expected.items[i];

		if (strncmp(e, "error: ", 7) == 0) {
			ok &= expect(e + 7, r < 0 ? err.msg : "no error", true);
		} else if (strncmp(e, "hint: ", 6) == 0) {
			ok &= expect(e + 6, err.hint, true);
		} else if (r < 0) {
			ok = expect(e, err.msg, false);
		} else if (strncmp(e, "~ ", 2) == 0) {
			ok &= expect(e + 2, dumped(a, &d), true);
		} else if (strncmp(e, "! ", 2) == 0) {
			ok &= expect(e + 2, dumped_expanded(a, &d, &err), true);
		} else {
			ok &= expect(e, next < d.count ? rendered(a, &d.instructions[next]) : NULL, false);
			next++;
			whole = true;
		}
	}
	if (whole && next != d.count)
		ok = expect("the end", rendered(a, &d.instructions[next]), false);
	return ok && b->expected.count;
}

static void test_parse(void **state)
{
	(void)state;
	run_blocks("parse.txt", 150, parse_case);
}

/* What other parsers take as well-formed and only the instructions refuse. */
static void test_syntax(void **state)
{
	static const char text[] = "RUN x\nFOO bar\nHEALTHCHECK\nHEALTHCHECK CONNECT TCP 7000\nRUN --what=ever y\nONBUILD FROM a\n"
				   "ONBUILD ONBUILD BAR\nONBUILD\nCOPY <<E\nz\nE\nFROM a b\n";
	static const char *const bad[] = { "", "# only", "ENV a", "ENV a=b c", "CMD [1]", "ONBUILD CMD [1]", "RUN <<E\n",
		"# escape=x\nFROM a" };
	struct arena a = ARENA_INIT;
	struct error err = { 0 };
	struct dockerfile d;
	const char *s;

	(void)state;
	assert_int_equal(dockerfile_parse_syntax(&a, "D", text, strlen(text), &d, &err), 0);
	assert_int_equal(d.count, 10);
	assert_null(d.instructions[0].error);
	for (size_t i = 1; i < d.count; i++)
		assert_non_null(d.instructions[i].error ? d.instructions[i].error : d.instructions[i].triggered->error);
	s = dumped(&a, &d);
	assert_non_null(strstr(s, "{\"instruction\":\"FOO\",\"keyword\":\"FOO\",\"line\":2,\"endLine\":2,\"original\":\"FOO bar\","));
	assert_non_null(strstr(s, "\"error\":\"unknown flag \\\"--what\\\"\""));
	assert_non_null(strstr(s, "\"args\":[\"CONNECT\",\"TCP 7000\"],\"error\""));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_true(dockerfile_parse_syntax(&a, "D", bad[i], strlen(bad[i]), &d, &err) < 0);
	arena_free(&a);
}

/* --- lint --- */

static bool lint_case(struct arena *a, struct block *b)
{
	struct string_list arguments = { 0 }, patterns = { 0 };
	struct lint_options o = { .build_arguments = &arguments, .ignore_patterns = &patterns };
	struct error err = { 0 };
	struct dockerfile d;
	struct lint l = { 0 };
	bool ok = true;
	int r;

	for (char *s = strstr(b->text.data, "#: "); s; s = strstr(s, "#: ")) {
		char *value = arena_strndup(a, s + 3, strcspn(s + 3, "\n"));

		if (strncmp(value, "check=", 6) == 0)
			o.check = value + 6;
		else if (strncmp(value, "ignore=", 7) == 0)
			list_add(a, &patterns, value + 7);
		else if (strncmp(value, "target=", 7) == 0)
			o.target = value + 7;
		else
			list_add(a, &arguments, value);
		s += 3;
	}
	r = dockerfile_parse(a, "Dockerfile", b->text.data, b->text.len, &d, &err);
	if (r == 0)
		r = lint_run(a, &d, &o, &l, &err);
	for (size_t i = 0; i < b->expected.count; i++) {
		const char *e = b->expected.items[i];

		if (strncmp(e, "error: ", 7) == 0)
			return expect(e + 7, r < 0 ? err.msg : "no error", true);
		if (strcmp(e, "nothing") == 0)
			return expect("", r < 0 ? err.msg : lint_text(a, &d, &l), false);
		if (strcmp(e, "fails") == 0) {
			ok &= l.error;
			continue;
		}
		ok &= expect(e,
			i < l.count ? arena_printf(a, "%u %s %s", l.findings[i].line, l.findings[i].rule->name,
					      l.findings[i].message) :
				      err.msg,
			true);
	}
	if (l.count > b->expected.count)
		ok = expect("the end", lint_text(a, &d, &l), false);
	return ok && b->expected.count;
}

static void test_lint(void **state)
{
	(void)state;
	run_blocks("lint.txt", 40, lint_case);
}

/* --- limits, triggers, stages --- */

static char *repeated(struct arena *a, const char *s, size_t times, const char *front, const char *back)
{
	size_t n = strlen(s), f = strlen(front);
	char *out = arena_alloc(a, f + n * times + strlen(back) + 1);

	memcpy(out, front, f);
	for (size_t i = 0; i < times; i++)
		memcpy(out + f + i * n, s, n);
	strcpy(out + f + n * times, back);
	return out;
}

static void expect_result(struct arena *a, const char *text, bool parses)
{
	struct error err = { 0 };
	struct dockerfile d;
	int r = dockerfile_parse(a, "Dockerfile", text, strlen(text), &d, &err);

	if ((r == 0) != parses)
		print_error("%.80s: %s\n", text, err.msg);
	assert_true((r == 0) == parses);
	assert_true(parses || err.msg[0]);
}

static void test_limits(void **state)
{
	struct arena a = ARENA_INIT;
	struct error err = { 0 };
	struct dockerfile d;
	struct dockerfile_instruction out;
	const char *env[] = { repeated(&a, "xxxxxxxxxxxxxxxx", 60000, "B=", ""), NULL };
	char *text;

	(void)state;
	/* "RUN echo " is 9 bytes */
	expect_result(&a, repeated(&a, "x", 65535 - 9, "FROM a\nRUN echo ", "\n"), true);
	expect_result(&a, repeated(&a, "x", 65535 - 9, "FROM a\nRUN echo ", ""), true);
	expect_result(&a, repeated(&a, "x", 65535 - 8, "FROM a\nRUN echo ", "\n"), false);
	expect_result(&a, repeated(&a, "x", 65535 - 8, "FROM a\nRUN echo ", ""), false);
	expect_result(&a, repeated(&a, "x", 65536, "FROM a\nRUN echo ", "\n"), false);
	expect_result(&a, repeated(&a, "x", 65536, "FROM a\nRUN <<E\n", "\nE\n"), false);
	expect_result(&a, repeated(&a, "yyyyyyyyyyyyyyy\\\n", 80000, "FROM a\nRUN ", "\n"), false);
	expect_result(&a, repeated(&a, "yyyyyyyyyyyyyyy\n", 80000, "FROM a\nRUN <<E\n", "E\n"), true);
	expect_result(&a, repeated(&a, "#yyyyyyyyyyyyyy\n", 1100000, "FROM a\n", "\n"), false);
	expect_result(&a, repeated(&a, "RUN a\n", 32767, "FROM a\n", "\n"), true);
	expect_result(&a, repeated(&a, "RUN a\n", 32768, "FROM a\n", "\n"), false);
	expect_result(&a, repeated(&a, "[", 60000, "FROM a\nRUN ", "\n"), true);
	expect_result(&a, repeated(&a, "a ", 30000, "FROM a\nCOPY ", "\n"), true);
	/* 600 words of almost 1 MiB */
	text = repeated(&a, " a=$B", 600, "FROM a\nENV", "\n");
	assert_int_equal(dockerfile_parse(&a, "Dockerfile", text, strlen(text), &d, &err), 0);
	assert_true(dockerfile_expand(&a, &d, &d.instructions[1], expand_lookup_environ, env, NULL, &out, &err) < 0);
	assert_non_null(strstr(err.msg, "Dockerfile:2: ENV: "));
	text = repeated(&a, " 0-65535", 600, "FROM a\nEXPOSE", "\n");
	assert_int_equal(dockerfile_parse(&a, "Dockerfile", text, strlen(text), &d, &err), 0);
	assert_true(dockerfile_expand(&a, &d, &d.instructions[1], expand_lookup_environ, env, NULL, &out, &err) < 0);
	assert_true(dockerfile_parse(&a, "Dockerfile", "FROM a\nRUN \0x\n", 14, &d, &err) < 0);
	assert_non_null(strstr(err.msg, "Dockerfile:2"));
	arena_free(&a);
}

static void test_trigger(void **state)
{
	struct arena a = ARENA_INIT;
	struct error err = { 0 };
	struct dockerfile_instruction in;

	(void)state;
	assert_int_equal(dockerfile_parse_instruction(&a, "ONBUILD of b", "COPY <<a /x\ntext\na", 0, &in, &err), 0);
	assert_int_equal(in.files_count, 1);
	assert_string_equal(in.files[0].data, "text\n");
	assert_int_equal(dockerfile_parse_instruction(&a, "ONBUILD of b", "RUN a `\n b", '`', &in, &err), 0);
	assert_string_equal(in.command.args.items[0], "a  b");
	assert_true(dockerfile_parse_instruction(&a, "ONBUILD of b", "RUN a\nRUN b", 0, &in, &err) < 0);
	assert_true(dockerfile_parse_instruction(&a, "ONBUILD of b", "", 0, &in, &err) < 0);
	error_clear(&err);
	assert_true(dockerfile_parse_instruction(&a, "ONBUILD of b", "RUNN a", 0, &in, &err) < 0);
	assert_non_null(strstr(err.msg, "ONBUILD of b:1: unknown instruction \"RUNN\""));
	arena_free(&a);
}

static void test_stages(void **state)
{
	static const char text[] = "FROM a AS One\nFROM b\nFROM One AS two\nRUN x\nRUN y\n";
	struct arena a = ARENA_INIT;
	struct dockerfile d;

	(void)state;
	assert_int_equal(dockerfile_parse(&a, "D", text, strlen(text), &d, NULL), 0);
	assert_int_equal(d.stages_count, 3);
	assert_int_equal(d.stages[2].first, 3);
	assert_int_equal(d.stages[2].count, 2);
	assert_ptr_equal(dockerfile_stage_find(&d, "ONE", 3), &d.stages[0]);
	assert_ptr_equal(dockerfile_stage_find(&d, "1", 3), &d.stages[1]);
	assert_null(dockerfile_stage_find(&d, "two", 2));
	assert_null(dockerfile_stage_find(&d, "3", 3));
	assert_null(dockerfile_stage_find(&d, "99999999999999999999", 3));
	assert_null(dockerfile_stage_find(&d, "", 3));
	arena_free(&a);
}

static void test_values(void **state)
{
	static const struct {
		const char *text;
		int64_t ns; /* -1: error */
	} durations[] = { { "0", 0 }, { "5s", 5000000000 }, { "1m30s", 90000000000 }, { "1.5h", 5400000000000 }, { "500ms", 500000000 },
		{ "100us", 100000 }, { "100µs", 100000 }, { "1ns", 1 }, { "1h2m3s4ms5us6ns", 3723004005006 }, { ".5s", 500000000 },
		{ "5.s", 5000000000 }, { "+5s", 5000000000 }, { "", -1 }, { "5", -1 }, { "s", -1 }, { ".s", -1 }, { "5x", -1 },
		{ "5 s", -1 }, { "1s2", -1 }, { "9999999999h", -1 }, { "-", -1 }, { "1d", -1 }, { "1S", -1 } };
	static const struct {
		const char *text;
		int64_t bytes;
	} sizes[] = { { "32", 32 }, { "32b", 32 }, { "32B", 32 }, { "32k", 32768 }, { "32K", 32768 }, { "32kb", 32768 },
		{ "32Kib", 32768 }, { "32m", 33554432 }, { "1.5g", 1610612736 }, { "1 GB", 1073741824 }, { "2t", 2199023255552 },
		{ "0", 0 }, { "", -1 }, { "hello", -1 }, { "-32", -1 }, { "32bm", -1 }, { "32kbb", -1 }, { "1.2.3", -1 },
		{ "32x", -1 }, { " 32", -1 }, { "99999999999t", -1 } };
	int64_t v;
	bool b;

	(void)state;
	for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
		int r = dockerfile_parse_duration(durations[i].text, &v, NULL);

		if (durations[i].ns < 0 ? r == 0 : r < 0 || v != durations[i].ns)
			fail_msg("duration %s: %d %lld", durations[i].text, r, (long long)v);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int r = dockerfile_parse_size(sizes[i].text, &v, NULL);

		if (sizes[i].bytes < 0 ? r == 0 : r < 0 || v != sizes[i].bytes)
			fail_msg("size %s: %d %lld", sizes[i].text, r, (long long)v);
	}
	assert_int_equal(dockerfile_parse_bool("True", &b), 0);
	assert_true(b);
	assert_int_equal(dockerfile_parse_bool("0", &b), 0);
	assert_false(b);
	assert_true(dockerfile_parse_bool("yes", &b) < 0);
	assert_true(dockerfile_is_proxy_argument("https_proxy") && !dockerfile_is_proxy_argument("Http_Proxy"));
	assert_true(dockerfile_is_platform_argument("TARGETARCH") && dockerfile_is_platform_argument("BUILDPLATFORM"));
	assert_false(dockerfile_is_platform_argument("TARGET") || dockerfile_is_platform_argument("PLATFORM"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_lint),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_trigger),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
