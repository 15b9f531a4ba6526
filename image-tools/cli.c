/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one table per verb drives parsing and the usage text.  Options
 * may stand anywhere before "--"; "--name=value", "--name value", "-n value" and "-nvalue".
 * The program's own may stand there too, unless the verb has one of that name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image-tools/command.h"

static const struct option_spec program_options[] = {
	{ "store", 0, OPTION_STRING, offsetof(struct program, store_path), "DIR", NULL },
	{ "json", 0, OPTION_FLAG, offsetof(struct program, json), NULL, NULL },
	{ "quiet", 'q', OPTION_FLAG, offsetof(struct program, quiet), NULL, NULL },
	{ "verbose", 'v', OPTION_FLAG, offsetof(struct program, verbose), NULL, NULL },
	{ "version", 0, OPTION_FLAG, offsetof(struct program, version), NULL, NULL },
	{ "help", 'h', OPTION_FLAG, offsetof(struct program, help), NULL, NULL },
	{ 0 },
};

static const struct option_spec *find_option(const struct option_spec *table, const char *name, size_t n, char letter)
{
	for (const struct option_spec *o = table; o && o->name; o++)
		if (letter ? o->letter == letter : strlen(o->name) == n && strncmp(o->name, name, n) == 0)
			return o;
	return NULL;
}

static int store_value(const struct option_spec *o, struct arena *a, void *options, const char *value, struct error *err)
{
	void *place = (char *)options + o->offset;
	char *end;

	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)place = true;
		break;
	case OPTION_STRING:
		*(const char **)place = value;
		break;
	case OPTION_LIST:
	case OPTION_OPTIONAL:
		string_list_add(a, place, value);
		break;
	case OPTION_NUMBER:
		errno = 0;
		*(uint64_t *)place = strtoull(value, &end, 10);
		if (*end || end == value || *value == '-' || errno)
			return error_set(err, ERR_USAGE, EINVAL, "--%s \"%.80s\": a number expected", o->name, value);
	}
	return 0;
}

/* c NULL: only the program's own. */
static int parse_one(const struct command *c, struct program *p, int argc, char **argv, int *i, void *options,
	struct error *err)
{
	const char *arg = argv[*i], *value = NULL, *name = NULL, *said = c ? c->name : "", *colon = c ? ": " : "";
	const struct option_spec *o;
	size_t n = 0;
	char letter = 0;

	if (arg[1] == '-') {
		const char *equals = strchr(arg, '=');

		name = arg + 2;
		n = equals ? (size_t)(equals - name) : strlen(name);
		value = equals ? equals + 1 : NULL;
	} else {
		letter = arg[1];
		value = arg[2] ? arg + 2 : NULL;
	}
	o = c ? find_option(c->options, name, n, letter) : NULL;
	if (!o) {
		o = find_option(program_options, name, n, letter);
		options = p;
	}
	if (!o)
		return error_set(err, ERR_USAGE, EINVAL, "%s%sunknown option %.80s", said, colon, arg);
	if (o->kind == OPTION_FLAG) {
		if (value)
			return error_set(err, ERR_USAGE, EINVAL, "%s%soption --%s takes no value", said, colon, o->name);
		return store_value(o, &p->arena, options, NULL, err);
	}
	if (!value && o->kind == OPTION_OPTIONAL)
		value = "";
	if (!value) {
		if (*i + 1 >= argc)
			return error_set(err, ERR_USAGE, EINVAL, "%s%soption --%s needs a value", said, colon, o->name);
		value = argv[++*i];
	}
	return store_value(o, &p->arena, options, value, err);
}

int cli_parse_program(struct program *p, int argc, char **argv, struct error *err)
{
	int i, r = 0;

	for (i = 1; r == 0 && i < argc && argv[i][0] == '-'; i++)
		r = parse_one(NULL, p, argc, argv, &i, NULL, err);
	return r < 0 ? r : i;
}

int cli_parse(const struct command *c, struct program *p, int argc, char **argv, void *options, int *positional,
	struct error *err)
{
	int n = 0;
	bool rest = false;

	for (int i = 0; i < argc; i++) {
		int r;

		if (rest || argv[i][0] != '-' || !argv[i][1]) {
			argv[n++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			rest = true;
			continue;
		}
		r = parse_one(c, p, argc, argv, &i, options, err);
		if (r < 0)
			return r;
	}
	argv[n] = NULL;
	*positional = n;
	if (p->help)
		return 0;
	if (n < c->min || (c->max >= 0 && n > c->max)) {
		error_set(err, ERR_USAGE, EINVAL, "%s: %s arguments", c->name, n < c->min ? "missing" : "too many");
		error_hint(err, "oci-image %s %s", c->name, c->arguments);
		return -EINVAL;
	}
	return 0;
}

void cli_usage(const struct command *c)
{
	printf("usage: oci-image [--store DIR] [--json] [-q|-v] %s %s\n\n%s\n", c->name, c->arguments, c->summary);
	for (const struct option_spec *o = c->options; o && o->name; o++) {
		char left[64];

		snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
			o->letter ? ", " : "  ", o->name,
			!o->argument ? "" : o->kind == OPTION_OPTIONAL ? "[=" : " ", o->argument ? o->argument : "");
		printf("%s  %-28s %s\n", o == c->options ? "\n" : "", left, o->help);
	}
}
