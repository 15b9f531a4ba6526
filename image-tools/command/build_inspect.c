/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: build --check, --dump-ast, --dump-words and --dump-ignore.  They read a Dockerfile (or, the last
 * two, lines from standard input), print, and need neither store nor network.  --check fails when it finds something, so that scripts can
 * rely on its status.
 */
#include "image-tools/command/build_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/dockerfile/dockerfile.h"
#include "image-tools/dockerfile/ignore.h"
#include "image-tools/dockerfile/lint.h"

static int read_all(struct arena *a, int fd, const char *name, size_t limit, const char **text, size_t *len,
	struct error *err)
{
	size_t room = 65536;
	char *s = arena_alloc(a, room);
	ssize_t n;

	*len = 0;
	for (;;) {
		n = read(fd, s + *len, room - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		*len += (size_t)n;
		/* one byte more than allowed is enough for the parser to refuse it */
		if (*len > limit)
			break;
		if (*len == room) {
			s = arena_grow(a, s, room, 2 * room);
			room *= 2;
		}
	}
	if (n < 0)
		return error_sys(err, errno, "read %s", name);
	*text = s;
	return 0;
}

static int read_file(struct arena *a, const char *name, size_t limit, const char **text, size_t *len, struct error *err)
{
	_cleanup_fd_ int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "open %s", name);
	return read_all(a, fd, name, limit, text, len, err);
}

static int read_dockerfile(struct arena *a, const char *file, const char *context, bool syntax, struct dockerfile *d,
	const char **path, struct error *err)
{
	const char *name = file && strcmp(file, "-") != 0 ? file : "Dockerfile";
	const char *text = NULL;
	size_t len;
	int r;

	*path = file ? file : strcmp(context, "-") == 0 ? "-" : arena_printf(a, "%s/Dockerfile", context);
	if (strcmp(*path, "-") == 0)
		r = read_all(a, STDIN_FILENO, "standard input", DOCKERFILE_MAX_SIZE, &text, &len, err);
	else
		r = read_file(a, *path, DOCKERFILE_MAX_SIZE, &text, &len, err);
	if (r < 0)
		return r;
	return syntax ? dockerfile_parse_syntax(a, name, text, len, d, err) : dockerfile_parse(a, name, text, len, d, err);
}

/* FILE.dockerignore, or CONTEXT/.dockerignore; none is no error. */
static int read_ignore(struct arena *a, const char *path, const char *context, struct string_list *patterns, bool *found,
	struct error *err)
{
	const char *names[2] = { arena_printf(a, "%s.dockerignore", path), arena_printf(a, "%s/.dockerignore", context) };
	const char *text = NULL;
	size_t len;
	int r;

	*found = false;
	for (size_t i = 0; i < 2 && !*found; i++) {
		struct error missing = { 0 };

		r = read_file(a, names[i], IGNORE_MAX_SIZE, &text, &len, &missing);
		if (r < 0)
			continue;
		*found = true;
		r = ignore_read(a, names[i], text, len, patterns, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check(struct program *p, const struct dockerfile *d, const char *path, const char *context,
	const struct string_list *arguments, const char *target, struct error *err)
{
	struct string_list patterns = { 0 };
	struct lint_options o = { .build_arguments = arguments, .target = target };
	struct json_writer w;
	struct lint l;
	bool found;
	int r = read_ignore(&p->arena, path, context, &patterns, &found, err);

	for (size_t i = 0; i < arguments->count; i++)
		if (strncmp(arguments->items[i], "BUILDKIT_DOCKERFILE_CHECK=", 26) == 0)
			o.check = arguments->items[i] + 26;
	if (found)
		o.ignore_patterns = &patterns;
	if (r == 0)
		r = lint_run(&p->arena, d, &o, &l, err);
	if (r < 0)
		return r;
	if (p->json) {
		json_writer_init(&w, &p->arena, true);
		lint_json(d, &l, &w);
		print_json(&w);
	} else {
		fputs(lint_text(&p->arena, d, &l), stdout);
	}
	if (l.count == 0)
		return 0;
	return error_set(err, ERR_CONFIG, EINVAL, "%s: %zu finding%s", d->name, l.count, l.count == 1 ? "" : "s");
}

static int words(const struct build_inspect *i, struct error *err)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = getline(&line, &room, stdin)) >= 0) {
		__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
		struct json_writer w;

		if (n > 0 && line[n - 1] == '\n')
			line[n - 1] = 0;
		json_writer_init(&w, &a, false);
		r = dockerfile_dump_words(&a, line, &i->env, i->lex, &w, err);
		if (r == 0)
			print_json(&w);
		if (r == 0)
			putchar('\n');
	}
	free(line);
	return r;
}

/* Paths on standard input: is each of them excluded, and must it be read if it is a directory? */
static int ignored(struct program *p, const char *file, const char *dockerfile, const char *context, struct error *err)
{
	struct string_list patterns = { 0 };
	struct ignore ig;
	const char *text = NULL;
	char *line = NULL;
	size_t room = 0, len;
	ssize_t n;
	bool found;
	int r;

	if (*file) {
		r = read_file(&p->arena, file, IGNORE_MAX_SIZE, &text, &len, err);
		if (r == 0)
			r = ignore_read(&p->arena, file, text, len, &patterns, err);
	} else {
		dockerfile = dockerfile ? dockerfile : arena_printf(&p->arena, "%s/Dockerfile", context);
		r = read_ignore(&p->arena, dockerfile, context, &patterns, &found, err);
	}
	if (r == 0)
		r = ignore_compile(&p->arena, &patterns, &ig, err);
	while (r == 0 && (n = getline(&line, &room, stdin)) >= 0) {
		__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
		struct json_writer w;
		const char *path;

		if (n > 0 && line[n - 1] == '\n')
			line[n - 1] = 0;
		path = path_clean(&a, line);
		path += *path == '/' && path[1];
		json_writer_init(&w, &a, false);
		json_write_object(&w);
		json_write_member_string(&w, "path", line);
		json_write_member_bool(&w, "excluded", ignore_matches(&ig, path));
		json_write_member_bool(&w, "descend", !ignore_matches(&ig, path) || ignore_must_descend(&ig, path));
		json_write_end_object(&w);
		print_json(&w);
		putchar('\n');
	}
	free(line);
	return r;
}

int build_inspect(struct program *p, const struct build_inspect *i, const char *file, const char *context,
	const struct string_list *arguments, const char *target, struct error *err)
{
	struct json_writer w;
	struct dockerfile d;
	const char *path, *how = i->ast.count ? i->ast.items[i->ast.count - 1] : "";
	int r;

	if (i->words)
		return words(i, err);
	if (i->ignore.count)
		return ignored(p, i->ignore.items[i->ignore.count - 1], file, context, err);
	if (*how && strcmp(how, "syntax") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "build: --dump-ast=%.40s: only =syntax is known", how);
	if (*how && i->check)
		return error_set(err, ERR_USAGE, EINVAL, "build: --check needs more than the syntax");
	r = read_dockerfile(&p->arena, file, context, *how, &d, &path, err);
	if (r < 0)
		return r;
	if (i->ast.count) {
		json_writer_init(&w, &p->arena, true);
		dockerfile_dump(&d, &w);
		print_json(&w);
	}
	return i->check ? check(p, &d, path, context, arguments, target, err) : 0;
}
