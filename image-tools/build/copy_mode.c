/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the values of --chmod and --chown.  --chmod is an octal number
 * up to 07777 or the symbolic form of chmod(1); a clause without "ugoa" means all, and
 * no umask takes part.  --chown knows ids and names; a number alone is the group too,
 * a name alone brings the group it has in /etc/passwd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image-tools/build/copy_internal.h"
#include "image-tools/bundle/bundle.h"

#define ALL 07777u
#define ID_MAX 2147483647ul

static int bad_mode(const char *text, struct error *err)
{
	error_set(err, ERR_CONFIG, EINVAL, "--chmod=%.60s: not a mode", text);
	error_hint(err, "octal from 0 to 07777, or as chmod takes it: u=rwX,go=rX");
	return -EINVAL;
}

static mode_t who_bits(char c)
{
	return c == 'u' ? 04700 : c == 'g' ? 02070 : c == 'o' ? 01007 : c == 'a' ? ALL : 0;
}

static int parse_permissions(const char **p, struct copy_clause *c)
{
	for (; **p && !strchr("+-=,", **p); (*p)++) {
		switch (**p) {
		case 'r':
			c->bits |= 0444;
			break;
		case 'w':
			c->bits |= 0222;
			break;
		case 'x':
			c->bits |= 0111;
			break;
		case 'X':
			c->execute = true;
			break;
		case 's':
			c->bits |= 06000;
			break;
		case 't':
			c->bits |= 01000;
			break;
		case 'u':
		case 'g':
		case 'o':
			if (c->from || c->bits || c->execute)
				return -EINVAL;
			c->from = **p;
			break;
		default:
			return -EINVAL;
		}
		if (c->from && (*p)[1] && !strchr("+-=,", (*p)[1]))
			return -EINVAL;
	}
	return 0;
}

static int parse_clause(const char **p, struct copy_mode *m)
{
	mode_t who = 0;

	for (; who_bits(**p); (*p)++)
		who |= who_bits(**p);
	if (!**p || !strchr("+-=", **p))
		return -EINVAL;
	while (**p && strchr("+-=", **p)) {
		struct copy_clause *c = &m->clauses[m->count];

		if (m->count++ == COPY_CLAUSES_MAX)
			return -EINVAL;
		*c = (struct copy_clause){ .who = who ? who : ALL, .operator= *(*p)++ };
		if (parse_permissions(p, c) < 0)
			return -EINVAL;
	}
	return 0;
}

int copy_mode_parse(const char *text, struct copy_mode *m, struct error *err)
{
	const char *p = text;

	*m = (struct copy_mode){ .given = text != NULL };
	if (!text)
		return 0;
	if (*text && text[strspn(text, "01234567")] == '\0') {
		unsigned long v = strtoul(text, NULL, 8);

		if (v > ALL || strlen(text) > 8)
			return bad_mode(text, err);
		m->octal = true;
		m->mode = (mode_t)v;
		return 0;
	}
	for (;;) {
		if (parse_clause(&p, m) < 0 || (*p && *p != ','))
			return bad_mode(text, err);
		if (!*p)
			return 0;
		p++;
	}
}

static mode_t spread(mode_t three)
{
	return three << 6 | three << 3 | three;
}

mode_t copy_mode_apply(const struct copy_mode *m, mode_t mode, bool directory)
{
	mode &= ALL;
	if (!m->given)
		return mode;
	if (m->octal)
		return m->mode;
	for (size_t i = 0; i < m->count; i++) {
		const struct copy_clause *c = &m->clauses[i];
		mode_t bits = c->bits, who = c->who;

		if (c->from)
			bits = spread(c->from == 'u' ? mode >> 6 & 7 : c->from == 'g' ? mode >> 3 & 7 : mode & 7);
		if (c->execute && (directory || (mode & 0111)))
			bits |= 0111;
		/* A directory keeps its set-id bits unless they are named. */
		if (c->operator == '=')
			mode &= ~(directory ? who & ~06000u : who);
		if (c->operator == '-')
			mode &= ~(bits & who);
		else
			mode |= bits & who;
	}
	return mode;
}

/* 1 a number, 0 none, negative too large. */
static int number(const char *s, size_t n, uint32_t *id)
{
	uint64_t v = 0;

	if (n == 0 || strspn(s, "0123456789") < n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		v = v * 10 + (uint64_t)(s[i] - '0');
		if (v > ID_MAX)
			return -ERANGE;
	}
	*id = (uint32_t)v;
	return 1;
}

int copy_owner_parse(const char *text, int users, struct arena *a, uint32_t owner[static 2], struct error *err)
{
	size_t n = strcspn(text, ":");
	const char *group = text[n] ? text + n + 1 : NULL;
	struct bundle_user u;
	int user_number = number(text, n, &owner[0]), group_number = group ? number(group, strlen(group), &owner[1]) : 1, r;

	if (n == 0 || (group && !*group))
		return error_set(err, ERR_CONFIG, EINVAL, "--chown=%.80s: expected USER[:GROUP]", text);
	if (user_number < 0 || group_number < 0)
		return error_set(err, ERR_CONFIG, EINVAL, "--chown=%.80s: ids end at %lu", text, ID_MAX);
	if (user_number && !group)
		owner[1] = owner[0];
	if (user_number && group_number)
		return 0;
	if (users < 0) {
		error_set(err, ERR_CONFIG, EINVAL, "--chown=%.80s: there is no /etc/passwd to look the name up in", text);
		error_hint(err, "use numbers");
		return -EINVAL;
	}
	r = bundle_find_user(users, text, false, a, &u, err);
	if (r < 0)
		return error_wrap(err, "--chown=%.80s", text);
	owner[0] = u.uid;
	owner[1] = u.gid;
	return 0;
}

int copy_check_flags(const char *chown, const char *chmod, struct error *err)
{
	struct copy_mode m;
	int r = copy_mode_parse(chmod, &m, err);

	if (r == 0 && chown && (*chown == '\0' || *chown == ':' || chown[strlen(chown) - 1] == ':'))
		r = error_set(err, ERR_CONFIG, EINVAL, "--chown=%.80s: expected USER[:GROUP]", chown);
	return r;
}
