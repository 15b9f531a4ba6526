/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one parser for all command lines, driven by each
 * command's option table.  Engines written in Go pass long options with one
 * dash ("-no-subreaper"), which getopt_long cannot tell from bundled letters in
 * all cases; here a known long name always wins.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/command/command.h"

struct option_value {
	const struct command_option *option;
	const char *value;
};

const char *argument(const struct arguments *args, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < args->values_count; i++)
		if (strcmp(args->values[i].option->name, name) == 0)
			value = args->values[i].value;
	return value;
}

bool argument_switch(const struct arguments *args, const char *name)
{
	const char *value = argument(args, name);

	return value && strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

const char *argument_next(const struct arguments *args, const char *name, size_t *at)
{
	for (; *at < args->values_count; (*at)++)
		if (strcmp(args->values[*at].option->name, name) == 0)
			return args->values[(*at)++].value;
	return NULL;
}

int argument_number(const struct arguments *args, const char *name, unsigned int def, unsigned int max,
	unsigned int *value, struct error *err)
{
	const char *text = argument(args, name);
	unsigned long n;
	char *end;

	*value = def;
	if (!text)
		return 0;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || text[0] == '+' || n > max)
		return error_set(err, ERR_USAGE, EINVAL, "--%s %s: expected a number from 0 to %u", name, text, max);
	*value = (unsigned int)n;
	return 0;
}

static const struct command_option *find_long(const struct command_option *options, const char *name, size_t n)
{
	for (; options && options->name; options++)
		if (strlen(options->name) == n && strncmp(options->name, name, n) == 0)
			return options;
	return NULL;
}

static const struct command_option *find_letter(const struct command_option *options, char letter)
{
	for (; options && options->name; options++)
		if (options->letter == letter)
			return options;
	return NULL;
}

static void add(struct arena *a, struct arguments *args, const struct command_option *option, const char *value)
{
	args->values = arena_grow(a, args->values, args->values_count * sizeof *args->values,
		(args->values_count + 1) * sizeof *args->values);
	args->values[args->values_count++] = (struct option_value){ option, value };
}

/* One argument that starts with '-'.  *i is moved when a value was taken from the next one. */
static int parse_option(struct arena *a, const char *what, const struct command_option *options, int argc, char **argv,
	int *i, struct arguments *args, struct error *err)
{
	const char *text = argv[*i], *name = text + 1 + (text[1] == '-'), *eq = strchr(name, '=');
	const struct command_option *o = find_long(options, name, eq ? (size_t)(eq - name) : strlen(name));

	if (o) {
		if (!o->value) {
			add(a, args, o, eq ? eq + 1 : "true");
			return 0;
		}
		if (!eq && *i + 1 >= argc)
			return error_set(err, ERR_USAGE, EINVAL, "%s: option --%s needs a value (%s)", what, o->name, o->value);
		add(a, args, o, eq ? eq + 1 : argv[++*i]);
		return 0;
	}
	for (const char *p = text[1] == '-' ? "" : text + 1; *p; p++) {
		o = find_letter(options, *p);
		if (!o)
			break;
		if (!o->value) {
			add(a, args, o, "true");
			if (!p[1])
				return 0;
			continue;
		}
		if (p[1]) {
			add(a, args, o, p[1] == '=' ? p + 2 : p + 1);
			return 0;
		}
		if (*i + 1 >= argc)
			return error_set(err, ERR_USAGE, EINVAL, "%s: option -%c needs a value (%s)", what, *p, o->value);
		add(a, args, o, argv[++*i]);
		return 0;
	}
	return error_set(err, ERR_USAGE, EINVAL, "%s: unknown option %s", what, text);
}

int arguments_parse(struct arena *a, const char *what, const struct command_option *options, int argc, char **argv,
	size_t stop_after, struct arguments *args, int *used, struct error *err)
{
	bool only_operands = false;
	int i;

	*args = (struct arguments){ .operands = arena_array(a, const char *, (size_t)argc + 1) };
	for (i = 0; i < argc; i++) {
		int r;

		if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
			if (strcmp(argv[i], "--") == 0) {
				only_operands = true;
				continue;
			}
			r = parse_option(a, what, options, argc, argv, &i, args, err);
			if (r < 0)
				return r;
			continue;
		}
		if (args->operands_count == stop_after && stop_after == 0)
			break;
		args->operands[args->operands_count++] = argv[i];
		if (args->operands_count >= stop_after)
			only_operands = true;
	}
	*used = i;
	return 0;
}
