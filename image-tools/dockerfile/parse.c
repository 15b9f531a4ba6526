/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: physical lines become instructions, instructions become stages.
 *
 * Lines: a byte order mark is dropped; directives ("# escape=`") count only before anything else, an empty line
 * included; a line that begins with "#" is a comment, also between continuation lines.  White space in front is
 * removed from the first line of an instruction only.  A line continues when its last character but blanks and tabs
 * is the escape character and the one before that is not, or when it is alone on the line; empty lines do not end a
 * continuation (lint warns).  Bodies of heredocs follow, in the order in which they are announced.
 *
 * Everything that a file can make large is bounded: the file, a line, an instruction.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "image-tools/dockerfile/internal.h"

struct reader {
	const char *p, *end;
	unsigned line; /* of the last line read */
};

struct reading {
	struct parser *p;
	struct reader in;
	bool in_directives, seen_syntax, seen_escape, seen_check;
	bool single; /* one instruction, no file: no directives */
	struct string_list comments;
	size_t capacity, stages_capacity;
};

static int fail_at(struct parser *p, unsigned line)
{
	return error_wrap(p->err, "%s:%u", p->d->name, line);
}

/* 1 and the next line with its newline, 0 at the end. */
static int next_line(struct reading *r, const char **s, size_t *len)
{
	struct reader *in = &r->in;
	const char *newline;

	if (in->p == in->end)
		return 0;
	in->line++;
	newline = memchr(in->p, '\n', (size_t)(in->end - in->p));
	*s = in->p;
	in->p = newline ? newline + 1 : in->end;
	*len = (size_t)(in->p - *s);
	if (*len - (newline != NULL) > DOCKERFILE_MAX_LINE) {
		error_set(r->p->err, ERR_CONFIG, E2BIG, "the line is longer than %u bytes", DOCKERFILE_MAX_LINE);
		error_hint(r->p->err, "end lines of an instruction with the escape character and go on in the next line");
		return fail_at(r->p, in->line);
	}
	return 1;
}

static void trim_newline(const char *s, size_t *len)
{
	while (*len && (s[*len - 1] == '\n' || s[*len - 1] == '\r'))
		--*len;
}

static bool is_comment(const char *s, size_t len)
{
	unicode_trim_left(&s, &len);
	return len && *s == '#';
}

/* --- directives --------------------------------------------------------------------- */

static bool directive_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* "# name = value" */
static bool directive_split(const char *s, size_t len, const char **name, size_t *name_len, const char **value,
	size_t *value_len)
{
	const char *end = s + len;

	if (s == end || *s++ != '#')
		return false;
	while (s < end && directive_space(*s))
		s++;
	*name = s;
	while (s < end && ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (s > *name && *s >= '0' && *s <= '9')))
		s++;
	*name_len = (size_t)(s - *name);
	while (s < end && directive_space(*s))
		s++;
	if (*name_len == 0 || s == end || *s++ != '=' || s == end)
		return false;
	while (s < end - 1 && directive_space(*s))
		s++;
	while (end - s > 1 && directive_space(end[-1]))
		end--;
	*value = s;
	*value_len = (size_t)(end - s);
	return true;
}

/* 1 when the line is a directive. */
static int read_directive(struct reading *r, const char *s, size_t len, bool escape_too)
{
	struct parser *p = r->p;
	const char *name, *value;
	size_t n, m;
	bool *seen, syntax, escape;

	if (!directive_split(s, len, &name, &n, &value, &m))
		return 0;
	syntax = n == 6 && strncasecmp(name, "syntax", 6) == 0;
	escape = n == 6 && strncasecmp(name, "escape", 6) == 0;
	if (!syntax && !escape && !(n == 5 && strncasecmp(name, "check", 5) == 0))
		return 0;
	seen = syntax ? &r->seen_syntax : escape ? &r->seen_escape : &r->seen_check;
	if (*seen)
		return error_set(p->err, ERR_CONFIG, EINVAL, "the directive \"%.*s\" is given twice", (int)n, name);
	*seen = true;
	if (syntax) {
		p->d->syntax = arena_strndup(p->arena, value, m);
		p->d->syntax_line = r->in.line;
	} else if (!escape) {
		p->d->check = arena_strndup(p->arena, value, m);
		p->d->check_line = r->in.line;
	} else if (m != 1 || (*value != '\\' && *value != '`')) {
		return error_set(p->err, ERR_CONFIG, EINVAL, "escape=%.*s: the escape character is \\ or `",
			(int)(m > 40 ? 40 : m), value);
	} else if (escape_too) {
		p->d->escape = *value;
		p->d->escape_line = r->in.line;
	}
	return 1;
}

/* Behind a first line "#!..." syntax and check are still directives, escape is not: the parser of other builders looks
 * for the first two by itself. */
static int directives_behind_interpreter(struct reading *r)
{
	struct reading ahead = *r;
	const char *s;
	size_t len;
	int n;

	while ((n = next_line(&ahead, &s, &len)) > 0) {
		trim_newline(s, &len);
		n = read_directive(&ahead, s, len, false);
		if (n <= 0)
			break;
	}
	return n < 0 ? fail_at(r->p, ahead.in.line) : 0;
}

/* --- lines to instructions -------------------------------------------------------------- */

/* Does the line go on?  Then *len is without the escape character and what follows it. */
static bool continues(const char *s, size_t *len, char escape)
{
	size_t n = *len;

	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	if (n == 0 || s[n - 1] != escape || (n > 1 && s[n - 2] == escape))
		return false;
	*len = n - 1;
	return true;
}

static void remember_empty_continuation(struct parser *p, unsigned line)
{
	struct dockerfile *d = p->d;
	size_t n = d->empty_continuations_count;

	if (n == 0)
		d->empty_continuations = arena_array(p->arena, unsigned, 8);
	else if (n >= 8 && (n & (n - 1)) == 0)
		d->empty_continuations = arena_grow(p->arena, d->empty_continuations, n * sizeof(unsigned),
			2 * n * sizeof(unsigned));
	d->empty_continuations[d->empty_continuations_count++] = line;
}

/* The rest of an instruction that begins with s.  Returns its text. */
static int join_lines(struct reading *r, const char *s, size_t len, char **text)
{
	struct parser *p = r->p;
	struct text joined = { .arena = p->arena };
	bool more = continues(s, &len, p->d->escape), empty = false;
	unsigned first = r->in.line;
	int n = 1;

	text_add(&joined, s, len);
	while (more && (n = next_line(r, &s, &len)) > 0) {
		const char *trimmed = s;
		size_t trimmed_len;

		trim_newline(s, &len);
		trimmed_len = len;
		unicode_trim_left(&trimmed, &trimmed_len);
		if (trimmed_len == 0) {
			empty = true;
			continue;
		}
		if (*trimmed == '#')
			continue;
		more = continues(s, &len, p->d->escape);
		text_add(&joined, s, len);
		if (joined.len > DOCKERFILE_MAX_JOINED) {
			error_set(p->err, ERR_CONFIG, E2BIG, "the instruction is longer than %u bytes", DOCKERFILE_MAX_JOINED);
			return fail_at(p, first);
		}
	}
	if (n < 0)
		return n;
	if (empty)
		remember_empty_continuation(p, r->in.line);
	*text = text_finish(&joined);
	return 0;
}

static int read_heredoc(struct reading *r, unsigned first, struct dockerfile_heredoc *h)
{
	struct parser *p = r->p;
	struct text content = { .arena = p->arena };
	size_t name_len = strlen(h->name), len;
	const char *s;
	int n;

	while ((n = next_line(r, &s, &len)) > 0) {
		const char *line = s;
		size_t line_len = len;

		trim_newline(line, &line_len);
		while (h->chomp && line_len && *line == '\t') {
			line++;
			line_len--;
		}
		if (line_len == name_len && memcmp(line, h->name, name_len) == 0) {
			h->content = text_finish(&content);
			h->data = h->chomp ? heredoc_chomp(p->arena, h->content) : h->content;
			return 0;
		}
		text_add(&content, s, len);
	}
	if (n < 0)
		return n;
	error_set(p->err, ERR_CONFIG, EINVAL, "the heredoc <<%.80s does not end", h->name);
	error_hint(p->err, "write %.80s alone on a line behind its text", h->name);
	return fail_at(p, first);
}

static int read_heredocs(struct reading *r, const char *line, struct dockerfile_instruction *in)
{
	int n = heredocs_announced(r->p->arena, line, &in->heredocs, &in->heredocs_count, r->p->err);

	if (n < 0)
		return fail_at(r->p, in->line);
	for (size_t i = 0; n == 0 && i < in->heredocs_count; i++)
		n = read_heredoc(r, in->line, &in->heredocs[i]);
	return n;
}

/* "%s:%u: COPY" in front of the message, once. */
int dockerfile_error_wrap(struct error *err, const struct dockerfile *d, const struct dockerfile_instruction *in)
{
	return error_wrap(err, "%s:%u: %s", d->name, in->line, dockerfile_verb_name(in->verb));
}

static int one_instruction(struct reading *r, char *line, unsigned first, struct dockerfile_instruction *in)
{
	struct parser *p = r->p;
	int n;

	*in = (struct dockerfile_instruction){ .line = first, .comments = r->comments };
	p->depth = 0;
	n = instruction_split(p, line, in);
	if (n < 0)
		return verb_find(in->keyword) < 0 ? fail_at(p, first) : dockerfile_error_wrap(p->err, p->d, in);
	if (instruction_takes_heredocs(in))
		n = read_heredocs(r, line, in);
	if (n < 0)
		return n;
	in->end_line = r->in.line;
	n = instruction_type(p, in);
	return n < 0 ? dockerfile_error_wrap(p->err, p->d, in) : 0;
}

/* --- stages ------------------------------------------------------------------------------ */

static const char *describing_comment(struct arena *a, const struct string_list *comments, const char *name)
{
	size_t n = name ? strlen(name) : 0;

	for (size_t i = 0; n && i < comments->count; i++)
		if (strncmp(comments->items[i], name, n) == 0 && comments->items[i][n] == ' ')
			return arena_strdup(a, comments->items[i] + n + 1);
	return NULL;
}

static int add_instruction(struct reading *r, const struct dockerfile_instruction *in)
{
	struct parser *p = r->p;
	struct dockerfile *d = p->d;
	struct dockerfile_stage *s;

	if (d->count == DOCKERFILE_MAX_INSTRUCTIONS) {
		error_set(p->err, ERR_CONFIG, E2BIG, "more than %u instructions", DOCKERFILE_MAX_INSTRUCTIONS);
		return fail_at(p, in->line);
	}
	if (d->count == r->capacity) {
		size_t more = r->capacity ? 2 * r->capacity : 16;

		d->instructions = arena_grow(p->arena, d->instructions, r->capacity * sizeof *in, more * sizeof *in);
		r->capacity = more;
	}
	d->instructions[d->count++] = *in;
	if (r->single)
		return 0;
	if (in->verb != DOCKERFILE_FROM) {
		if (d->stages_count) {
			d->stages[d->stages_count - 1].count++;
		} else if (in->verb == DOCKERFILE_ARG) {
			d->globals++;
		} else if (!p->syntax_only) {
			error_set(p->err, ERR_CONFIG, EINVAL, "there is no FROM before it");
			error_hint(p->err, "only ARG may stand in front of the first FROM");
			return dockerfile_error_wrap(p->err, d, in);
		}
		return 0;
	}
	if (d->stages_count == r->stages_capacity) {
		size_t more = r->stages_capacity ? 2 * r->stages_capacity : 8;

		d->stages = arena_grow(p->arena, d->stages, r->stages_capacity * sizeof *s, more * sizeof *s);
		r->stages_capacity = more;
	}
	s = &d->stages[d->stages_count];
	*s = (struct dockerfile_stage){ .index = d->stages_count, .from = d->count - 1, .first = d->count, .name = in->stage_name,
		.base = in->base, .platform = in->platform };
	s->comment = describing_comment(p->arena, &in->comments, in->stage_name);
	d->stages_count++;
	return 0;
}

/* --- files --------------------------------------------------------------------------------- */

static void remember_comment(struct reading *r, const char *s, size_t len)
{
	unicode_trim(&s, &len);
	if (len && *s == '#') {
		s++;
		len--;
		unicode_trim(&s, &len);
		if (len) {
			list_add(r->p->arena, &r->comments, arena_strndup(r->p->arena, s, len));
			return;
		}
	}
	r->comments = (struct string_list){ 0 };
}

static int read_line(struct reading *r, const char *s, size_t len)
{
	struct dockerfile_instruction in;
	unsigned first = r->in.line;
	char *text = NULL;
	int n;

	trim_newline(s, &len);
	unicode_trim_left(&s, &len);
	if (r->in_directives) {
		n = read_directive(r, s, len, true);
		if (n < 0)
			return fail_at(r->p, first);
		if (n > 0)
			return 0;
		r->in_directives = false;
		if (first == 1 && len > 1 && s[1] == '!') {
			n = directives_behind_interpreter(r);
			if (n < 0)
				return n;
		}
	}
	if (len == 0 || is_comment(s, len)) {
		remember_comment(r, s, len);
		return 0;
	}
	n = join_lines(r, s, len, &text);
	if (n == 0)
		n = one_instruction(r, text, first, &in);
	if (n == 0)
		n = add_instruction(r, &in);
	r->comments = (struct string_list){ 0 };
	return n;
}

static int read_all(struct reading *r, const char *text, size_t len)
{
	const char *nul = len ? memchr(text, 0, len) : NULL, *s;
	int n;

	if (len > DOCKERFILE_MAX_SIZE)
		return error_set(r->p->err, ERR_CONFIG, E2BIG, "%s: larger than %u bytes", r->p->d->name, DOCKERFILE_MAX_SIZE);
	if (nul) {
		for (s = text; s < nul; s++)
			r->in.line += *s == '\n';
		error_set(r->p->err, ERR_CONFIG, EINVAL, "a NUL character: is this a text file?");
		return fail_at(r->p, r->in.line + 1);
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	r->in.p = text;
	r->in.end = text + len;
	while ((n = next_line(r, &s, &len)) > 0) {
		n = read_line(r, s, len);
		if (n < 0)
			break;
	}
	return n;
}

int dockerfile_parse(struct arena *a, const char *name, const char *text, size_t len, struct dockerfile *d, struct error *err)
{
	struct parser p = { .arena = a, .d = d, .err = err };
	struct reading r = { .p = &p, .in_directives = true };
	int n;

	*d = (struct dockerfile){ .name = name, .escape = '\\' };
	n = read_all(&r, text, len);
	if (n < 0)
		return n;
	if (d->stages_count == 0) {
		error_set(err, ERR_CONFIG, EINVAL, d->count ? "%s: no FROM" : "%s: no instructions", name);
		error_hint(err, "a Dockerfile begins with FROM image, or FROM scratch");
		return -EINVAL;
	}
	return 0;
}

int dockerfile_parse_syntax(struct arena *a, const char *name, const char *text, size_t len, struct dockerfile *d,
	struct error *err)
{
	struct error own = { 0 };
	struct parser p = { .arena = a, .d = d, .err = err ? err : &own, .syntax_only = true };
	struct reading r = { .p = &p, .in_directives = true };
	int n;

	*d = (struct dockerfile){ .name = name, .escape = '\\' };
	n = read_all(&r, text, len);
	return n < 0 || d->count ? n : error_set(err, ERR_CONFIG, EINVAL, "%s: no instructions", name);
}

int dockerfile_parse_instruction(struct arena *a, const char *origin, const char *text, char escape,
	struct dockerfile_instruction *in, struct error *err)
{
	struct dockerfile d = { .name = origin, .escape = escape ? escape : '\\' };
	struct parser p = { .arena = a, .d = &d, .err = err };
	struct reading r = { .p = &p, .single = true };
	int n = read_all(&r, text, strlen(text));

	if (n < 0)
		return n;
	if (d.count != 1)
		return error_set(err, ERR_CONFIG, EINVAL, "%s: one instruction is expected, not %zu", origin, d.count);
	*in = d.instructions[0];
	return 0;
}

const struct dockerfile_stage *dockerfile_stage_find(const struct dockerfile *d, const char *name, size_t before)
{
	size_t n = before < d->stages_count ? before : d->stages_count, index = 0;
	const char *s;

	/* of two stages with one name the later one counts */
	for (size_t i = n; i-- > 0;)
		if (d->stages[i].name && strcasecmp(d->stages[i].name, name) == 0)
			return &d->stages[i];
	for (s = name; *s >= '0' && *s <= '9' && index < n; s++)
		index = index * 10 + (size_t)(*s - '0');
	return s > name && !*s && index < n ? &d->stages[index] : NULL;
}
