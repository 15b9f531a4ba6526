/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: file name patterns as Go's filepath.Match has them on Linux, which is what COPY and ADD promise.
 * A pattern is a row of chunks, each with or without a "*" in front.  A chunk has a fixed number of characters, so trying
 * each place from left to right for one chunk after the other is complete: nothing is ever tried again.  "*" and "?" do
 * not match "/", a class may.  A pattern that is no pattern is an error wherever its fault is.
 */
#include <errno.h>
#include <string.h>

#include "image-tools/dockerfile/ignore.h"
#include "image-tools/dockerfile/text.h"
#include "image-tools/dockerfile/unicode.h"

/* One end of a range in [..]; returns what follows, or NULL. */
static const char *class_character(const char *p, const char *end, uint32_t *c)
{
	if (p == end || *p == '-' || *p == ']')
		return NULL;
	if (*p == '\\' && ++p == end)
		return NULL;
	p += utf8_next(p, (size_t)(end - p), c);
	return *c == UTF8_INVALID || p == end ? NULL : p;
}

/* p is behind "["; returns what follows "]", or NULL when it is no class. */
static const char *match_class(const char *p, const char *end, uint32_t c, bool *matches)
{
	bool negated = p < end && *p == '^', found = false;

	p += negated;
	for (unsigned ranges = 0;; ranges++) {
		uint32_t low, high;

		if (p < end && *p == ']' && ranges)
			break;
		p = class_character(p, end, &low);
		if (!p)
			return NULL;
		high = low;
		if (*p == '-') {
			p = class_character(p + 1, end, &high);
			if (!p)
				return NULL;
		}
		found |= low <= c && c <= high;
	}
	*matches = found != negated;
	return p + 1;
}

/* Does the name begin with the chunk?  1 and *rest, 0, or -EINVAL; the whole chunk is checked in any case. */
static int match_chunk(const char *p, const char *end, const char *s, const char **rest)
{
	bool failed = false;

	while (p < end) {
		uint32_t c = UTF8_INVALID;
		size_t n = 1;

		failed |= !*s;
		if (!failed)
			n = utf8_next(s, strnlen(s, 4), &c);
		if (*p == '[') {
			bool matches;

			p = match_class(p + 1, end, c == UTF8_INVALID ? 0xfffd : c, &matches);
			if (!p)
				return -EINVAL;
			failed |= !matches;
			s += failed ? 0 : n;
			continue;
		}
		if (*p == '?') {
			failed |= c == '/';
		} else {
			if (*p == '\\' && ++p == end)
				return -EINVAL;
			failed |= *p != *s;
			n = 1;
		}
		s += failed ? 0 : n;
		p++;
	}
	*rest = s;
	return !failed;
}

static const char *chunk_end(const char *p)
{
	bool in_class = false;

	for (; *p && (*p != '*' || in_class); p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '[')
			in_class = true;
		else if (*p == ']')
			in_class = false;
	}
	return p;
}

/* 0, or -EINVAL when the rest of the pattern is no pattern. */
static int check_rest(const char *p)
{
	const char *ignored;

	while (*p) {
		const char *end;

		p += strspn(p, "*");
		end = chunk_end(p);
		if (match_chunk(p, end, "", &ignored) < 0)
			return -EINVAL;
		p = end;
	}
	return 0;
}

int glob_match(const char *p, const char *name)
{
	while (*p) {
		size_t stars = strspn(p, "*");
		const char *begin = p + stars, *end = chunk_end(begin), *rest;
		int r;

		if (begin == end)
			return !strchr(name, '/');
		r = match_chunk(begin, end, name, &rest);
		if (r == 1 && *rest && !*end)
			r = 0;
		for (; r == 0 && stars && *name && *name != '/'; name++) {
			r = match_chunk(begin, end, name + 1, &rest);
			if (r == 1 && *rest && !*end)
				r = 0;
		}
		if (r < 0)
			return r;
		if (r == 0)
			return check_rest(end);
		name = rest;
		p = end;
	}
	return !*name;
}

bool glob_has_meta(const char *pattern)
{
	return strpbrk(pattern, "*?[\\") != NULL;
}

const char *path_clean(struct arena *a, const char *path)
{
	struct text t = { .arena = a };
	bool rooted = *path == '/';
	size_t floor; /* what ".." cannot take away */

	text_add(&t, "/", rooted);
	floor = t.len;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (t.len > floor) {
				while (t.len > floor && t.data[t.len - 1] != '/')
					t.len--;
				if (t.len > floor)
					t.len--;
			} else if (!rooted) {
				text_add(&t, "/..", t.len ? 3 : 0);
				if (t.len == 0)
					text_add(&t, "..", 2);
				floor = t.len;
			}
		} else if (n && !(n == 1 && *path == '.')) {
			if (t.len && t.data[t.len - 1] != '/')
				text_add_char(&t, '/');
			text_add(&t, path, n);
		}
		path += n + (path[n] == '/');
	}
	return t.len ? text_finish(&t) : ".";
}
