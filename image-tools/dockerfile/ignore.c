/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a pattern is compiled to a row of elements and matched by keeping the set of elements that can come
 * next (an NFA).  The set after "a/b/" tells three things at once: whether the pattern matches a, whether it matches a/b,
 * and whether it can match anything below a/b.  The last one is what decides about directories: an excluded directory
 * must be read only when an exception that stands behind the last pattern that excludes it can match below it; a lone "!x"
 * elsewhere does not make us read all of node_modules.
 *
 * "**" has three meanings that other builders give it: at the end of a pattern it is any text (behind "a/" it does not
 * match "a" itself); in front, followed only by plain text, the path has to end with that text ("**file" matches "myfile");
 * anywhere else it is nothing, or any text up to a "/".
 */
#include "image-tools/dockerfile/ignore.h"

#include <errno.h>
#include <string.h>

#include "image-tools/dockerfile/text.h"
#include "image-tools/dockerfile/unicode.h"

enum element_kind { LITERAL, ANY, STAR, CLASS, DEEP, REST };

struct element {
	enum element_kind kind;
	uint32_t c;	   /* LITERAL; bytes that are no UTF-8 count from NO_UTF8 */
	const char *class; /* CLASS: the pattern from "[" to "]" */
};
#define NO_UTF8 0x00200000u

struct ignore_pattern {
	bool exception;
	const char *text;
	struct element *elements;
	size_t count;
};

/* Where a match can be: before an element (behind all of them: it matches), inside a DEEP. */
struct state {
	bool at[IGNORE_MAX_PATTERN + 2], inside[IGNORE_MAX_PATTERN + 2];
};

/* --- compiling --------------------------------------------------------------------------- */

static void add(struct ignore_pattern *p, enum element_kind kind, uint32_t c)
{
	p->elements[p->count++] = (struct element){ .kind = kind, .c = c };
}

/* Behind "[": the class is valid, glob_match() has seen it. */
static size_t class_length(const char *s)
{
	size_t i = 1 + (s[1] == '^');

	for (size_t first = i; s[i] && (s[i] != ']' || i == first); i++)
		if (s[i] == '\\' && s[i + 1])
			i++;
	return i + (s[i] == ']');
}

static bool is_plain(const char *s)
{
	return !strpbrk(s, "*?[]\\");
}

static void compile(struct arena *a, struct ignore_pattern *p, const char *s)
{
	p->text = s;
	p->elements = arena_array(a, struct element, strlen(s) + 2);
	if (strncmp(s, "**", 2) == 0 && is_plain(s + 2)) {
		/* the path ends with the text; the slash of "**" + "/" may be the begin of the path */
		s += 2;
		add(p, *s == '/' ? DEEP : REST, 0);
		s += *s == '/';
	}
	while (*s) {
		uint32_t c;
		size_t n;

		if (*s == '*' && s[1] == '*') {
			s += 2;
			s += *s == '/';
			add(p, *s ? DEEP : REST, 0);
		} else if (*s == '*' || *s == '?') {
			add(p, *s == '*' ? STAR : ANY, 0);
			s++;
		} else if (*s == '[') {
			n = class_length(s);
			add(p, CLASS, 0);
			p->elements[p->count - 1].class = arena_strndup(a, s, n);
			s += n;
		} else {
			s += *s == '\\' && s[1];
			n = utf8_next(s, strnlen(s, 4), &c);
			add(p, LITERAL, c == UTF8_INVALID ? NO_UTF8 + (unsigned char)*s : c);
			s += n;
		}
	}
}

int ignore_compile(struct arena *a, const struct string_list *patterns, struct ignore *ig, struct error *err)
{
	*ig = (struct ignore){ 0 };
	if (patterns->count > IGNORE_MAX_PATTERNS)
		return error_set(err, ERR_CONFIG, E2BIG, "more than %u patterns", IGNORE_MAX_PATTERNS);
	ig->patterns = arena_array(a, struct ignore_pattern, patterns->count);
	for (size_t i = 0; i < patterns->count; i++) {
		struct ignore_pattern *p = &ig->patterns[ig->count];
		const char *s = patterns->items[i];
		size_t len = strlen(s);

		unicode_trim(&s, &len);
		if (len == 0)
			continue;
		if (len > IGNORE_MAX_PATTERN)
			return error_set(err, ERR_CONFIG, E2BIG, "a pattern is longer than %u bytes", IGNORE_MAX_PATTERN);
		s = path_clean(a, arena_strndup(a, s, len));
		if (*s == '!') {
			p->exception = true;
			ig->has_exceptions = true;
			s++;
			if (!*s)
				return error_set(err, ERR_CONFIG, EINVAL, "a pattern is expected behind \"!\"");
		}
		if (glob_match(s, ".") < 0) {
			error_set(err, ERR_CONFIG, EINVAL, "\"%.80s\" is no pattern", s);
			error_hint(err, "[ needs a ] and something between them; a backslash stands before a character");
			return -EINVAL;
		}
		compile(a, p, s);
		ig->count++;
	}
	return 0;
}

int ignore_read(struct arena *a, const char *name, const char *text, size_t len, struct string_list *patterns,
	struct error *err)
{
	const char *p = text, *end = text + len;
	unsigned line = 0;

	*patterns = (struct string_list){ 0 };
	if (len > IGNORE_MAX_SIZE)
		return error_set(err, ERR_CONFIG, E2BIG, "%s: larger than %u bytes", name, IGNORE_MAX_SIZE);
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p)), *s = p, *pattern;
		size_t n = (size_t)((newline ? newline : end) - p);
		bool exception;

		line++;
		p = newline ? newline + 1 : end;
		if (memchr(s, 0, n))
			return error_set(err, ERR_CONFIG, EINVAL, "%s:%u: a NUL character", name, line);
		if (n && *s == '#')
			continue;
		unicode_trim(&s, &n);
		if (n == 0)
			continue;
		if (n > IGNORE_MAX_PATTERN || patterns->count >= IGNORE_MAX_PATTERNS)
			return error_set(err, ERR_CONFIG, E2BIG, "%s:%u: more than %u bytes, or more than %u patterns", name,
				line, IGNORE_MAX_PATTERN, IGNORE_MAX_PATTERNS);
		exception = *s == '!';
		if (exception) {
			s++;
			n--;
			unicode_trim(&s, &n);
		}
		pattern = n ? path_clean(a, arena_strndup(a, s, n)) : "";
		if (pattern[0] == '/' && pattern[1])
			pattern++;
		/* "/!" and "!/" too: they become "!" */
		if (!*pattern || strcmp(pattern, exception ? "/" : "!") == 0)
			return error_set(err, ERR_CONFIG, EINVAL, "%s:%u: a pattern is expected behind \"!\"", name, line);
		if (glob_match(pattern, ".") < 0) {
			error_set(err, ERR_CONFIG, EINVAL, "%s:%u: \"%.80s\" is no pattern", name, line, pattern);
			error_hint(err, "[ needs a ] and something between them; a backslash stands before a character");
			return -EINVAL;
		}
		list_add(a, patterns, exception ? arena_printf(a, "!%s", pattern) : pattern);
	}
	return 0;
}

/* --- matching ------------------------------------------------------------------------------- */

static void close_over(const struct ignore_pattern *p, struct state *st)
{
	for (size_t j = 0; j < p->count; j++)
		if (st->at[j] && (p->elements[j].kind == STAR || p->elements[j].kind == DEEP || p->elements[j].kind == REST))
			st->at[j + 1] = true;
}

static void start(const struct ignore_pattern *p, struct state *st)
{
	memset(st->at, 0, p->count + 1);
	memset(st->inside, 0, p->count + 1);
	st->at[0] = true;
	close_over(p, st);
}

static bool element_matches(const struct element *e, uint32_t c, const char *s, size_t n)
{
	char one[5];

	switch (e->kind) {
	case LITERAL:
		return e->c == c;
	case ANY:
		return c != '/';
	case CLASS:
		memcpy(one, s, n);
		one[n] = 0;
		return glob_match(e->class, one) == 1;
	default:
		return false;
	}
}

/* One character; false when nothing can match any more. */
static bool step(const struct ignore_pattern *p, struct state *st, uint32_t c, const char *s, size_t n)
{
	bool alive = false;

	st->at[p->count] = false;
	for (size_t j = p->count; j-- > 0;) {
		const struct element *e = &p->elements[j];
		bool here = st->at[j];

		if (e->kind == DEEP && (here || st->inside[j])) {
			st->inside[j] = true;
			st->at[j] = false;
			st->at[j + 1] |= c == '/';
		} else if (here) {
			st->at[j] = e->kind == REST || (e->kind == STAR && c != '/');
			st->at[j + 1] |= element_matches(e, c, s, n);
		}
		alive |= st->at[j] | st->at[j + 1] | st->inside[j];
	}
	close_over(p, st);
	return alive;
}

enum question { MATCHES_PATH, MATCHES_PATH_OR_PARENT, CAN_MATCH_BELOW };

static bool ask(const struct ignore_pattern *p, const char *path, enum question q)
{
	struct state state, *st = &state;
	bool alive = true;

	start(p, st);
	for (const char *s = path; *s && alive;) {
		uint32_t c;
		size_t n = utf8_next(s, strnlen(s, 4), &c);

		if (c == '/' && s > path && q == MATCHES_PATH_OR_PARENT && st->at[p->count])
			return true;
		alive = step(p, st, c == UTF8_INVALID ? NO_UTF8 + (unsigned char)*s : c, s, n);
		s += n;
	}
	if (q != CAN_MATCH_BELOW)
		return alive && st->at[p->count];
	return alive && step(p, st, '/', "/", 1);
}

static bool is_top(const char *path)
{
	return !*path || strcmp(path, ".") == 0;
}

bool ignore_matches(const struct ignore *ig, const char *path)
{
	bool excluded = false;

	for (size_t i = 0; i < ig->count && !is_top(path); i++) {
		const struct ignore_pattern *p = &ig->patterns[i];

		if (p->exception == excluded && ask(p, path, MATCHES_PATH_OR_PARENT))
			excluded = !p->exception;
	}
	return excluded;
}

bool ignore_matches_below(const struct ignore *ig, const char *path, const bool *parent, bool *out)
{
	bool excluded = false;

	for (size_t i = 0; i < ig->count; i++) {
		const struct ignore_pattern *p = &ig->patterns[i];

		out[i] = !is_top(path) && (parent[i] || ask(p, path, MATCHES_PATH));
		if (out[i])
			excluded = !p->exception;
	}
	return excluded;
}

bool ignore_must_descend(const struct ignore *ig, const char *directory)
{
	if (!ig->has_exceptions)
		return false;
	for (size_t i = ig->count; i-- > 0;) {
		const struct ignore_pattern *p = &ig->patterns[i];

		if (!p->exception && ask(p, directory, MATCHES_PATH_OR_PARENT))
			return false;
		if (p->exception && (is_top(directory) || ask(p, directory, CAN_MATCH_BELOW)))
			return true;
	}
	return false;
}

int glob_match_deep(struct arena *a, const char *pattern, const char *name)
{
	struct ignore_pattern p = { 0 };

	if (strlen(pattern) > IGNORE_MAX_PATTERN || glob_match(pattern, ".") < 0)
		return -EINVAL;
	compile(a, &p, pattern);
	return ask(&p, name, MATCHES_PATH);
}
