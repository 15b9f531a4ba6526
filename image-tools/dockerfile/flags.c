/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the flags of an instruction against the table of those that it has, and their values by name. */
#include "image-tools/dockerfile/flags.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct flag_spec *flag_find(const struct flag_spec *f, const char *name, size_t n)
{
	for (; f->name; f++)
		if (strlen(f->name) == n && memcmp(f->name, name, n) == 0)
			return f;
	return NULL;
}

static int flag_check_value(const struct flag_spec *f, const char *equals, struct error *err)
{
	if (f->kind == FLAG_BOOL) {
		if (!equals || strcasecmp(equals + 1, "true") == 0 || strcasecmp(equals + 1, "false") == 0)
			return 0;
		return error_set(err, ERR_CONFIG, EINVAL, "--%s=%.80s: true or false is expected", f->name, equals + 1);
	}
	if (equals)
		return 0;
	error_set(err, ERR_CONFIG, EINVAL, "--%s needs a value", f->name);
	error_hint(err, "write --%s=VALUE, without blanks", f->name);
	return -EINVAL;
}

int flags_check(struct arena *a, const struct dockerfile_instruction *in, const struct flag_spec *specs, struct error *err)
{
	unsigned seen = 0;

	for (size_t i = 0; i < in->flags.count; i++) {
		const char *name = in->flags.items[i] + 2, *equals = strchr(name, '=');
		size_t n = equals ? (size_t)(equals - name) : strlen(name);
		const struct flag_spec *f = flag_find(specs, name, n);
		unsigned bit;
		int r;

		if (!f) {
			const char *names[MAX_FLAGS + 1] = { 0 };

			for (size_t j = 0; specs[j].name; j++)
				names[j] = arena_printf(a, "--%s", specs[j].name);
			return fail_unknown(err, "flag", arena_printf(a, "--%.*s", (int)n, name), names);
		}
		bit = 1u << (f - specs);
		if ((seen & bit) && f->kind != FLAG_STRINGS)
			return error_set(err, ERR_CONFIG, EINVAL, "--%s is given twice", f->name);
		seen |= bit;
		r = flag_check_value(f, equals, err);
		if (r < 0)
			return r;
	}
	return 0;
}

const char *flag_next(const struct dockerfile_instruction *in, const char *name, size_t *at)
{
	size_t n = strlen(name);

	while (*at < in->flags.count) {
		const char *f = in->flags.items[(*at)++] + 2;

		if (strncmp(f, name, n) == 0 && (f[n] == '=' || !f[n]))
			return f[n] ? f + n + 1 : "true";
	}
	return NULL;
}

const char *flag(const struct dockerfile_instruction *in, const char *name)
{
	size_t at = 0;

	return flag_next(in, name, &at);
}

bool flag_true(const struct dockerfile_instruction *in, const char *name)
{
	const char *v = flag(in, name);

	return v && strcasecmp(v, "true") == 0;
}

struct opt_bool flag_opt(const struct dockerfile_instruction *in, const char *name)
{
	return (struct opt_bool){ .set = flag(in, name) != NULL, .value = flag_true(in, name) };
}
