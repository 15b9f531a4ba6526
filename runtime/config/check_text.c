/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: formats of strings that several checks need.  Pure
 * functions of their arguments.
 */
#include "runtime/config/check_internal.h"

#include <stdlib.h>
#include <string.h>

bool text_is_absolute(const char *s)
{
	return s[0] == '/';
}

bool text_has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

bool text_has_dotdot(const char *s, const char *separators)
{
	for (;;) {
		size_t n = strcspn(s, separators);

		if (n == 2 && s[0] == '.' && s[1] == '.')
			return true;
		if (s[n] == '\0')
			return false;
		s += n + 1;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number without leading zeros; NULL when there is none. */
static const char *skip_number(const char *s)
{
	const char *start = s;

	while (is_digit(*s))
		s++;
	return s == start || (*start == '0' && s - start > 1) ? NULL : s;
}

/* Identifiers of letters, digits and "-", separated by dots; numeric ones without leading zeros when strict. */
static const char *skip_identifiers(const char *s, bool strict)
{
	for (;;) {
		const char *start = s;
		bool numeric = true;

		while (is_digit(*s) || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '-')
			numeric = is_digit(*s++) && numeric;
		if (s == start || (strict && numeric && *start == '0' && s - start > 1))
			return NULL;
		if (*s != '.')
			return s;
		s++;
	}
}

bool text_is_semver(const char *s, unsigned long *major)
{
	*major = strtoul(s, NULL, 10);
	for (int i = 0; i < 3; i++) {
		s = skip_number(s);
		if (!s || (i < 2 && *s++ != '.'))
			return false;
	}
	if (*s == '-')
		s = skip_identifiers(s + 1, true);
	if (s && *s == '+')
		s = skip_identifiers(s + 1, false);
	return s && *s == '\0';
}

static const char *read_small_number(const char *s, unsigned long *v)
{
	char *end;

	if (!is_digit(*s))
		return NULL;
	*v = strtoul(s, &end, 10);
	return end - s > 9 || *v > 65535 ? NULL : end;
}

bool text_is_number_list(const char *s)
{
	unsigned long from, to;

	for (;;) {
		s += strspn(s, " ");
		s = read_small_number(s, &from);
		if (!s)
			return false;
		if (*s == '-') {
			s = read_small_number(s + 1, &to);
			if (!s || to < from)
				return false;
		}
		s += strspn(s, " ");
		if (*s == '\0')
			return true;
		if (*s++ != ',')
			return false;
	}
}

bool text_is_interface_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 15 && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 && !strpbrk(s, "/: \t\n\v\f\r");
}

bool text_is_selinux_label(const char *s)
{
	size_t fields = 1;

	if (text_has_control(s) || strchr(s, ' '))
		return false;
	for (const char *p = s; *p; p++)
		fields += *p == ':';
	return fields >= 3 && s[0] != ':' && !strstr(s, "::") && s[strlen(s) - 1] != ':';
}

bool text_has_option(const char *const *options, size_t count, const char *option)
{
	for (size_t i = 0; i < count; i++)
		if (options[i] && strcmp(options[i], option) == 0)
			return true;
	return false;
}
