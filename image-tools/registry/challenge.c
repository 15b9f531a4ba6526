/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a hand-written scanner for challenges.  A scheme is a token
 * that is not followed by "="; parameters are token "=" token or quoted-string,
 * with commas between.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "image-tools/registry/auth.h"

static bool token_char(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~/:@", c));
}

static const char *skip(const char *p, const char *set)
{
	return p + strspn(p, set);
}

static const char *read_value(struct arena *a, const char **pp)
{
	const char *p = *pp;
	char *out, *q;

	if (*p != '"') {
		const char *start = p;

		while (token_char(*p) || *p == '=' || *p == '?')
			p++;
		*pp = p;
		return arena_strndup(a, start, (size_t)(p - start));
	}
	out = q = arena_alloc(a, strlen(p) + 1);
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		*q++ = *p;
	}
	*q = '\0';
	*pp = *p ? p + 1 : p;
	return out;
}

int challenge_parse(struct arena *a, const char *value, struct challenge *out, int max)
{
	const char *p = skip(value, " \t,");
	int n = 0;

	while (*p) {
		const char *start = p, *after, **slot = NULL;
		char *name;

		while (token_char(*p))
			p++;
		if (p == start)
			break;
		name = arena_strndup(a, start, (size_t)(p - start));
		for (char *q = name; *q; q++)
			*q = (char)tolower((unsigned char)*q);
		after = skip(p, " \t");
		if (*after != '=') {
			/* A token alone: the next scheme. */
			if (n == max)
				break;
			out[n++] = (struct challenge){ .scheme = name };
			p = skip(after, " \t,");
			continue;
		}
		p = skip(after + 1, " \t");
		const char *text = read_value(a, &p);

		if (n == 0)
			break;
		if (strcmp(name, "realm") == 0)
			slot = &out[n - 1].realm;
		else if (strcmp(name, "service") == 0)
			slot = &out[n - 1].service;
		else if (strcmp(name, "scope") == 0)
			slot = &out[n - 1].scope;
		else if (strcmp(name, "error") == 0)
			slot = &out[n - 1].error;
		if (slot && !*slot)
			*slot = text;
		p = skip(p, " \t,");
	}
	return n;
}
