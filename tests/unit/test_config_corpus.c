/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runs the tables of configurations in data/ (.txt).  A case
 * is a block of lines, blocks are separated by an empty line:
 *
 *     # a comment                       anywhere
 *     @process                          the document is a process (or @resources), not a configuration
 *     linux.sysctl = {"a.b": "c"}       change the base document: a member's text as it is (JSON or not)
 *     process.cwd -                     take a member out of the base document
 *     document {"ociVersion": ...       this text is the whole document; \xNN stands for a byte
 *     > process.cwd: expected ...       an error: path, colon, message; all of them, in order
 *     ? mounts[0].destination: ...      a warning; all of them, in order
 *
 * A file of valid configurations has no ">" lines.  Files named .json in
 * data/valid-configs are whole configurations without any error or warning.
 *
 * test_config_corpus --print FILE prints the cases with what is really said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/config/check.h"
#include "specs/config_parse.h"

/* A member of the document under construction: raw text, or an object of members. */
struct node {
	const char *name, *raw;
	struct node *first, *next;
};

struct block {
	const char *kind; /* "config", "process", "resources" */
	const char *document;
	struct node root;
	char *said; /* the block's own lines but for > and ? */
	char *expected;
	int line;
};

static const char *const base_config[] = {
	"ociVersion = \"1.3.0\"",
	"root.path = \"rootfs\"",
	"process.cwd = \"/\"",
	"process.args = [\"sh\"]",
	"process.user.uid = 0",
	"process.user.gid = 0",
	"linux.namespaces = "
	"[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"network\"}]",
	NULL,
};
static const char *const base_process[] = {"cwd = \"/\"", "args = [\"sh\"]", NULL};
static const char *const base_resources[] = {NULL};

static struct node *child(struct arena *a, struct node *parent, const char *name, size_t len)
{
	struct node **at = &parent->first;

	for (; *at; at = &(*at)->next)
		if (strlen((*at)->name) == len && memcmp((*at)->name, name, len) == 0)
			return *at;
	*at = arena_new(a, struct node);
	(*at)->name = arena_strndup(a, name, len);
	return *at;
}

static void set_member(struct arena *a, struct node *root, const char *path, size_t len, const char *raw)
{
	const char *end = path + len, *dot;

	while ((dot = memchr(path, '.', (size_t)(end - path)))) {
		root = child(a, root, path, (size_t)(dot - path));
		root->raw = NULL;
		path = dot + 1;
	}
	root = child(a, root, path, (size_t)(end - path));
	root->raw = raw;
	root->first = NULL;
}

/* "path = raw" or "path -". */
static void change(struct arena *a, struct node *root, const char *line)
{
	const char *eq = strstr(line, " = ");
	size_t n = strlen(line);

	if (eq) {
		set_member(a, root, line, (size_t)(eq - line), arena_strdup(a, eq + 3));
	} else if (n > 2 && strcmp(line + n - 2, " -") == 0) {
		set_member(a, root, line, n - 2, "");
	} else {
		fprintf(stderr, "cannot understand: %s\n", line);
		abort();
	}
}

static char *text_of(struct arena *a, const struct node *n)
{
	char *s;
	const char *comma = "";

	if (n->raw)
		return arena_strdup(a, n->raw);
	s = arena_strdup(a, "{");
	for (const struct node *m = n->first; m; m = m->next) {
		char *value = text_of(a, m);

		if (*value) {
			s = arena_printf(a, "%s%s\"%s\": %s", s, comma, m->name, value);
			comma = ", ";
		}
	}
	return arena_printf(a, "%s}", s);
}

static size_t unescape(char *s)
{
	char *o = s, *start = s;

	for (; *s; s++) {
		unsigned v;

		if (s[0] == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &v) == 1) {
			*o++ = (char)v;
			s += 3;
		} else {
			*o++ = *s;
		}
	}
	*o = '\0';
	return (size_t)(o - start);
}

static char *lines_of(struct arena *a, char *s, char mark, const struct json_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		s = arena_printf(a, "%s%c %s%s%s\n", s, mark, errors->items[i].path, *errors->items[i].path ? ": " : "",
			errors->items[i].msg);
	return s;
}

/* What parser and checks say about the block's document, one line each. */
static char *judge(struct arena *a, struct block *b)
{
	char *text = b->document ? arena_strdup(a, b->document) : text_of(a, &b->root);
	size_t len = b->document ? unescape(text) : strlen(text);
	struct json_errors errors = {0}, warnings = {0};
	/* An exact copy, so that a sanitizer sees a read beyond the end. */
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	if (strcmp(b->kind, "process") == 0) {
		struct config_process *p;

		process_parse(copy, len, a, &p, &errors);
		free(copy);
		if (errors.count == 0 || *errors.items[errors.count - 1].path)
			process_check(p, a, &errors, &warnings);
	} else if (strcmp(b->kind, "resources") == 0) {
		struct config_resources *r;

		resources_parse(copy, len, a, &r, &errors);
		free(copy);
		if (errors.count == 0 || *errors.items[errors.count - 1].path)
			resources_check(r, a, &errors, &warnings);
	} else {
		struct config *c;

		config_parse(copy, len, a, &c, &errors);
		free(copy);
		if (errors.count == 0 || *errors.items[errors.count - 1].path)
			config_check(c, a, &errors, &warnings);
	}
	return lines_of(a, lines_of(a, arena_strdup(a, ""), '>', &errors), '?', &warnings);
}

static void start_block(struct arena *a, struct block *b, const char *kind)
{
	const char *const *base = strcmp(kind, "process") == 0	   ? base_process
				  : strcmp(kind, "resources") == 0 ? base_resources
								   : base_config;

	b->kind = kind;
	b->root = (struct node){0};
	for (; *base; base++)
		change(a, &b->root, *base);
}

/* The next block of the file; false at its end. */
static bool next_block(FILE *f, struct arena *a, struct block *b, int *line)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	bool any = false;

	*b = (struct block){.said = arena_strdup(a, ""), .expected = arena_strdup(a, "")};
	start_block(a, b, "config");
	while ((n = getline(&text, &size, f)) >= 0) {
		++*line;
		if (n > 0 && text[n - 1] == '\n')
			text[n - 1] = '\0';
		if (*text == '\0') {
			if (any)
				break;
			continue;
		}
		if (*text == '>' || *text == '?') {
			b->expected = arena_printf(a, "%s%s\n", b->expected, text);
			continue;
		}
		b->said = arena_printf(a, "%s%s\n", b->said, text);
		if (*text == '#')
			continue;
		if (!any)
			b->line = *line;
		any = true;
		if (*text == '@')
			start_block(a, b, arena_strdup(a, text + 1));
		else if (strncmp(text, "document ", 9) == 0)
			b->document = arena_strdup(a, text + 9);
		else
			change(a, &b->root, text);
	}
	free(text);
	return any;
}

static int run_table(const char *path, bool print, size_t *cases)
{
	FILE *f = fopen(path, "re");
	struct block b;
	int line = 0, bad = 0;

	if (!f) {
		perror(path);
		return 1;
	}
	for (;; ++*cases) {
		struct arena a = ARENA_INIT;
		bool more = next_block(f, &a, &b, &line);
		char *said = more ? judge(&a, &b) : NULL;

		if (more && print) {
			printf("%s%s\n", b.said, said);
		} else if (more && strcmp(said, b.expected) != 0) {
			fprintf(stderr, "%s:%d: expected\n%sbut got\n%s", path, b.line, b.expected, said);
			bad++;
		}
		arena_free(&a);
		if (!more)
			break;
	}
	fclose(f);
	return bad;
}

static void broken_configs(void **state)
{
	size_t cases = 0;

	(void)state;
	assert_int_equal(run_table(TEST_DATA "/broken-configs.txt", false, &cases), 0);
	assert_true(cases >= 170);
}

static void valid_configs(void **state)
{
	size_t cases = 0;

	(void)state;
	assert_int_equal(run_table(TEST_DATA "/valid-configs.txt", false, &cases), 0);
	assert_true(cases >= 30);
}

static int check_file(const char *path)
{
	static char text[256 * 1024];
	struct arena a = ARENA_INIT;
	struct block b = {.kind = "config", .document = text};
	FILE *f = fopen(path, "re");
	char *said;
	int bad;

	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	said = judge(&a, &b);
	bad = *said != '\0';
	if (bad)
		fprintf(stderr, "%s: said\n%s", path, said);
	arena_free(&a);
	return bad;
}

/* What the engines write. */
static void engine_configs(void **state)
{
	DIR *d = opendir(TEST_DATA "/valid-configs");
	struct dirent *e;
	int files = 0, bad = 0;
	char path[4096];

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (!strstr(e->d_name, ".json"))
			continue;
		snprintf(path, sizeof path, "%s/%s", TEST_DATA "/valid-configs", e->d_name);
		bad += check_file(path);
		files++;
	}
	closedir(d);
	assert_int_equal(bad, 0);
	assert_true(files >= 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_configs),
		cmocka_unit_test(valid_configs),
		cmocka_unit_test(engine_configs),
	};
	size_t cases = 0;

	if (argc == 3 && strcmp(argv[1], "--print") == 0)
		return run_table(argv[2], true, &cases);
	return cmocka_run_group_tests_name("config_corpus", tests, NULL, NULL);
}
