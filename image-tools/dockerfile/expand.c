/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one pass over the word by recursive descent.  until() reads up to a stop character (or the end
 * of the word), dollar() one substitution; the word inside ${name:-word} is read by until() again, with depth and
 * output counted so that a file cannot ask for more than fixed amounts of either.
 *
 * The grammar is the shell's with these differences, which other builders have too and files rely on: an escape
 * character outside quotes drops itself before any character; inside double quotes only before " $ and itself; a
 * pattern operand keeps its escapes; ${name:?} fails; "$" before anything that cannot begin a name is literal;
 * $1, $12, $@, $# and the like are plain names, which nobody sets.  In expand_words() what a variable brings along is
 * split at blanks, what quotes bring along is not, and empty words vanish, even quoted ones.
 */
#include "image-tools/dockerfile/expand.h"

#include <errno.h>
#include <string.h>

#include "image-tools/dockerfile/pattern.h"
#include "image-tools/dockerfile/unicode.h"

#define MAX_PRODUCED (16 * (size_t)EXPAND_MAX_RESULT) /* bytes written at all levels for one word */
#define MAX_STEPS (UINT64_C(1) << 26)		      /* of pattern matching for one word */
#define MAX_NAMES 512				      /* remembered in unset and used */

struct words {
	struct text word;
	bool in_word;
	struct string_list list;
};

struct expander {
	struct arena *arena;
	const struct expand_options *o;
	const char *word, *p, *end;
	char escape;
	bool raw_escapes;
	unsigned depth;
	size_t produced;
	uint64_t steps;
	struct error *err;
};

static int dollar(struct expander *x, struct text *out);

static int fail(struct expander *x, const char *what)
{
	return error_set(x->err, ERR_CONFIG, EINVAL, "%s", what);
}

static int emit(struct expander *x, struct text *out, const char *s, size_t n)
{
	x->produced += n;
	if (out->len + n > EXPAND_MAX_RESULT || x->produced > MAX_PRODUCED)
		return error_set(x->err, ERR_CONFIG, E2BIG, "the result is longer than %u bytes", EXPAND_MAX_RESULT);
	text_add(out, s, n);
	return 0;
}

static size_t character(const struct expander *x, uint32_t *c)
{
	return utf8_next(x->p, (size_t)(x->end - x->p), c);
}

/* --- words ------------------------------------------------------------------ */

static void words_end(struct words *w)
{
	if (w->word.len == 0)
		return;
	list_add(w->word.arena, &w->list, arena_strndup(w->word.arena, w->word.data, w->word.len));
	w->word.len = 0;
	w->in_word = false;
}

static void words_quoted(struct words *w, const char *s, size_t n)
{
	if (!w)
		return;
	text_add(&w->word, s, n);
	w->in_word = true;
}

static void words_plain(struct words *w, const char *s, size_t n)
{
	if (!w)
		return;
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t k = utf8_next(s + i, n - i, &c);

		if (!unicode_is_space(c))
			words_quoted(w, s + i, k);
		else if (w->in_word)
			words_end(w);
		i += k;
	}
}

/* --- quotes ----------------------------------------------------------------- */

static int single_quotes(struct expander *x, struct text *out)
{
	const char *begin = x->p, *close = memchr(x->p + 1, '\'', (size_t)(x->end - x->p - 1));
	bool raw = x->o->raw_quotes;

	if (!close) {
		x->p = x->end;
		return fail(x, "a single quote (') is not closed");
	}
	x->p = close + 1;
	return raw ? emit(x, out, begin, (size_t)(x->p - begin)) : emit(x, out, begin + 1, (size_t)(close - begin - 1));
}

static int double_quotes(struct expander *x, struct text *out)
{
	int r = 0;

	if (x->o->raw_quotes)
		r = emit(x, out, x->p, 1);
	x->p++;
	while (r == 0) {
		size_t n;
		uint32_t c;

		if (x->p == x->end)
			return fail(x, "a double quote (\") is not closed");
		n = character(x, &c);
		if (c == '"') {
			x->p++;
			return x->o->raw_quotes ? emit(x, out, "\"", 1) : 0;
		}
		if (c == '$') {
			r = dollar(x, out);
			continue;
		}
		if (c == (unsigned char)x->escape) {
			if (x->raw_escapes)
				r = emit(x, out, x->p, 1);
			if (x->p + 1 == x->end) {
				x->p++;
				continue;
			}
			if (r == 0 && (x->p[1] == '"' || x->p[1] == '$' || x->p[1] == x->escape))
				x->p++;
		}
		if (r == 0)
			r = emit(x, out, x->p, n);
		x->p += n;
	}
	return r;
}

/* --- plain text ------------------------------------------------------------- */

static int escaped(struct expander *x, struct text *out, struct words *w)
{
	int r = 0;
	uint32_t c;
	size_t n;

	if (x->raw_escapes) {
		words_quoted(w, x->p, 1);
		r = emit(x, out, x->p, 1);
	}
	x->p++;
	if (r < 0 || x->p == x->end)
		return r;
	n = character(x, &c);
	words_quoted(w, x->p, n);
	r = emit(x, out, x->p, n);
	x->p += n;
	return r;
}

/* Read up to and over the stop character (0: to the end of the word). */
static int until(struct expander *x, char stop, bool raw_escapes, struct text *out, struct words *w)
{
	bool outer_raw = x->raw_escapes;
	int r = 0;

	text_add(out, "", 0); /* data is there from now on */
	x->raw_escapes = raw_escapes;
	while (r == 0 && x->p < x->end && !(stop && *x->p == stop)) {
		size_t before = out->len, n;
		uint32_t c;
		bool quotes = !x->o->skip_quotes;

		if (*x->p == '$') {
			r = dollar(x, out);
			words_plain(w, out->data + before, out->len - before);
		} else if (quotes && (*x->p == '\'' || *x->p == '"')) {
			r = *x->p == '"' ? double_quotes(x, out) : single_quotes(x, out);
			words_quoted(w, out->data + before, out->len - before);
		} else if (*x->p == x->escape) {
			r = escaped(x, out, w);
		} else if (x->p[0] == '<' && x->end - x->p > 1 && x->p[1] == '<') {
			/* the blanks behind << belong to the word: "<< EOF" is one */
			n = 2 + strspn(x->p + 2, " \t\v\f\r");
			words_quoted(w, x->p, n);
			r = emit(x, out, x->p, n);
			x->p += n;
		} else {
			n = character(x, &c);
			words_plain(w, x->p, n);
			r = emit(x, out, x->p, n);
			x->p += n;
		}
	}
	x->raw_escapes = outer_raw;
	if (r < 0 || !stop)
		return r;
	if (x->p == x->end)
		return error_set(x->err, ERR_CONFIG, EINVAL, "${ needs a closing %c", stop);
	x->p++;
	return 0;
}

/* --- substitutions ---------------------------------------------------------- */

static void remember(struct arena *a, struct string_list *l, const char *name)
{
	if (!l || l->count >= MAX_NAMES)
		return;
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i], name) == 0)
			return;
	string_list_add(a, l, name);
}

static const char *lookup(struct expander *x, const char *name)
{
	const char *value = x->o->lookup ? x->o->lookup(x->o->opaque, name) : NULL;

	remember(x->arena, value ? x->o->used : x->o->unset, name);
	return value;
}

static const char *read_name(struct expander *x)
{
	const char *begin = x->p;
	bool digits = false;

	while (x->p < x->end) {
		uint32_t c;
		size_t n = character(x, &c);

		if (x->p == begin) {
			if (c < 0x80 && c && strchr("@*#?-$!", (int)c)) {
				x->p++;
				break;
			}
			digits = unicode_is_digit(c);
		}
		if (digits ? !unicode_is_digit(c) : !unicode_is_letter(c) && !unicode_is_digit(c) && c != '_')
			break;
		x->p += n;
	}
	return arena_strndup(x->arena, begin, (size_t)(x->p - begin));
}

static int emit_string(struct expander *x, struct text *out, const char *s)
{
	return emit(x, out, s, strlen(s));
}

/* ${name<operator>word}, the operator being "-", "+", "?", "#", "%", perhaps with a colon. */
static int modified(struct expander *x, const char *name, bool colon, char operator, struct text * out)
{
	struct text word = {.arena = x->arena};
	int r = until(x, '}', operator== '#' || operator== '%', &word, NULL);
	const char *value, *text;
	bool unset;

	if (r < 0)
		return r;
	text = text_finish(&word);
	value = lookup(x, name);
	if (!value && x->o->skip_unset) {
		char middle[3] = {colon ? ':' : operator, colon ? operator: 0, 0 };

		return emit_string(x, out, arena_printf(x->arena, "${%s%s%s}", name, middle, text));
	}
	unset = !value || (colon && !*value);
	switch (operator) {
	case '-':
		return emit_string(x, out, unset ? text : value);
	case '+':
		return unset ? 0 : emit(x, out, text, word.len);
	case '?':
		if (!unset)
			return emit_string(x, out, value);
		return error_set(x->err, ERR_CONFIG, EINVAL, "%s: %s", name,
			*text	? text
			: value ? "must not be empty"
				: "must be set");
	case '#':
	case '%': {
		bool longest = *text == operator;

		x->produced += word.len + (value ? strlen(value) : 0);
		if (x->produced > MAX_PRODUCED)
			return error_set(x->err, ERR_CONFIG, E2BIG, "expanding this word takes too much memory");
		return pattern_trim(text + longest, word.len - longest,
			value ? value : "", operator== '#' ? PATTERN_PREFIX : PATTERN_SUFFIX, longest, out, &x->steps,
			x->err);
	}
	default:
		error_set(
			x->err, ERR_CONFIG, EINVAL, "${%s%s%c...}: unknown operator", name, colon ? ":" : "", operator);
		error_hint(x->err, "operators are :- - :+ + :? ? # ## %% %%%% / //");
		return -EINVAL;
	}
}

/* ${name/pattern/text}, ${name//pattern/text} */
static int replaced(struct expander *x, const char *name, struct text *out)
{
	struct text pattern = {.arena = x->arena}, by = {.arena = x->arena};
	bool all = x->p < x->end && *x->p == '/';
	const char *value;
	int r;

	x->p += all;
	r = until(x, '/', true, &pattern, NULL);
	if (r == 0)
		r = until(x, '}', true, &by, NULL);
	if (r < 0)
		return r;
	text_finish(&pattern);
	text_finish(&by);
	value = lookup(x, name);
	if (!value && x->o->skip_unset)
		return emit_string(x, out, arena_printf(x->arena, "${%s/%s/%s}", name, pattern.data, by.data));
	x->produced += pattern.len + (value ? strlen(value) : 0);
	if (x->produced > MAX_PRODUCED)
		return error_set(x->err, ERR_CONFIG, E2BIG, "expanding this word takes too much memory");
	r = pattern_replace(pattern.data, pattern.len, value ? value : "", by.data, by.len, all, EXPAND_MAX_RESULT, out,
		&x->steps, x->err);
	if (r == 0 && out->len > EXPAND_MAX_RESULT)
		return error_set(x->err, ERR_CONFIG, E2BIG, "the result is longer than %u bytes", EXPAND_MAX_RESULT);
	return r;
}

static int braces(struct expander *x, struct text *out)
{
	const char *name, *value;
	bool colon = false;
	uint32_t c;
	size_t n;

	x->p++;
	if (x->p == x->end)
		return fail(x, "${ needs a closing }");
	if (*x->p == '{' || *x->p == '}' || *x->p == ':')
		return fail(x, "a name is expected behind ${");
	name = read_name(x);
	if (x->p < x->end && *x->p == '}') {
		x->p++;
		value = lookup(x, name);
		if (!value && x->o->skip_unset)
			return emit_string(x, out, arena_printf(x->arena, "${%s}", name));
		return value ? emit_string(x, out, value) : 0;
	}
	if (x->p < x->end && *x->p == ':') {
		colon = true;
		x->p++;
	}
	if (x->p == x->end)
		return fail(x, "${ needs a closing }");
	n = character(x, &c);
	x->p += n;
	if (c == '/' && !colon)
		return replaced(x, name, out);
	if (colon || (c < 0x80 && c && strchr("-+?#%", (int)c)))
		return modified(x, name, colon, c < 0x80 ? (char)c : '\x1a', out);
	error_set(x->err, ERR_CONFIG, EINVAL, "${%s%.*s...}: unknown operator", name, (int)n, x->p - n);
	error_hint(x->err, "operators are :- - :+ + :? ? # ## %% %%%% / //");
	return -EINVAL;
}

static int dollar(struct expander *x, struct text *out)
{
	const char *name, *value;
	int r;

	x->p++;
	if (x->p < x->end && *x->p == '{') {
		if (++x->depth > EXPAND_MAX_DEPTH)
			return error_set(x->err, ERR_CONFIG, E2BIG, "${...} inside one another deeper than %u levels",
				EXPAND_MAX_DEPTH);
		r = braces(x, out);
		x->depth--;
		return r;
	}
	name = read_name(x);
	if (!*name)
		return emit(x, out, "$", 1);
	value = lookup(x, name);
	if (value)
		return emit_string(x, out, value);
	return x->o->skip_unset ? emit_string(x, out, arena_printf(x->arena, "$%s", name)) : 0;
}

/* --- the interface ---------------------------------------------------------- */

static int process(struct arena *a, const char *word, const struct expand_options *o, struct text *out, struct words *w,
	struct error *err)
{
	struct expander x = {.arena = a,
		.o = o,
		.word = word,
		.p = word,
		.end = word + strlen(word),
		.escape = o->escape ? o->escape : '\\',
		.raw_escapes = o->raw_escapes,
		.steps = MAX_STEPS,
		.err = err};
	int r;

	if (x.end - x.p >= 3 && memcmp(x.p, "\xef\xbb\xbf", 3) == 0)
		x.p += 3;
	r = until(&x, 0, o->raw_escapes, out, w);
	if (r < 0)
		error_wrap(err, "\"%.*s\"", (int)(x.end - word > 120 ? 120 : x.end - word), word);
	return r;
}

int expand_word(
	struct arena *a, const char *word, const struct expand_options *o, const char **result, struct error *err)
{
	struct text out = {.arena = a};
	int r = process(a, word, o, &out, NULL, err);

	*result = r < 0 ? NULL : text_finish(&out);
	return r;
}

int expand_words(
	struct arena *a, const char *word, const struct expand_options *o, struct string_list *words, struct error *err)
{
	struct text out = {.arena = a};
	struct words w = { .word = { .arena = a } };
	int r = process(a, word, o, &out, &w, err);

	if (r == 0)
		words_end(&w);
	*words = w.list;
	return r;
}

const char *expand_lookup_environ(void *opaque, const char *name)
{
	const char *const *env = opaque, *found = NULL;
	size_t n = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, n) != 0)
			continue;
		if ((*env)[n] == '=')
			found = *env + n + 1;
		else if (!(*env)[n])
			found = "";
	}
	return found;
}
