/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: completion scripts for shells, made from the tables that
 * the command line is parsed with, so that they cannot fall behind.
 *
 * What follows an option or a command is guessed from its placeholder in the
 * help text: DIR and FILE and PATH are looked up in the file system, FORMAT,
 * LEVEL and MANAGER have their words in the help text, ID is a container of the
 * state root, which the script asks `oci-rt list -q` for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/command/completion.h"

enum operand { OPERAND_NONE, OPERAND_WORDS, OPERAND_DIR, OPERAND_ID };

static enum operand operand_of(const struct command *cmd)
{
	const char *id;

	if (cmd->operands_max == 0)
		return OPERAND_NONE;
	if (strstr(cmd->usage, "BUNDLE"))
		return OPERAND_DIR;
	id = strstr(cmd->usage, "ID");
	if (id && (id == cmd->usage || id[-1] == ' '))
		return OPERAND_ID;
	return strchr(cmd->usage, '|') ? OPERAND_WORDS : OPERAND_NONE;
}

static bool is_path(const char *value)
{
	return strcmp(value, "FILE") == 0 || strcmp(value, "PATH") == 0;
}

/* "text (default) or json" → "text json".  Empty for other placeholders. */
static const char *words_of(struct arena *a, const struct command_option *o)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	const char *p = o->help, *words = "";

	if (!p || (strcmp(o->value, "FORMAT") != 0 && strcmp(o->value, "LEVEL") != 0 && strcmp(o->value, "MANAGER") != 0))
		return words;
	while (*p) {
		size_t skip = strcspn(p, letters), n = strspn(p + skip, letters);

		p += skip;
		if (n && !(n == 2 && memcmp(p, "or", 2) == 0) && !(n == 7 && memcmp(p, "default", 7) == 0))
			words = arena_printf(a, "%s%s%.*s", words, *words ? " " : "", (int)n, p);
		p += n;
	}
	return words;
}

/* "bash|zsh|fish" → "bash zsh fish". */
static const char *usage_words(struct arena *a, const struct command *cmd)
{
	char *words = arena_strdup(a, cmd->usage);

	for (char *p = words; *p; p++)
		if (*p == '|')
			*p = ' ';
	return words;
}

/* --- bash ------------------------------------------------------------------------- */

/* One line of the table of values: "<command> --name" is what was typed before the word being completed. */
static void bash_values(struct arena *a, const char *command, const struct command_option *options)
{
	for (const struct command_option *o = options; o && o->name; o++) {
		const char *words;

		if (!o->value)
			continue;
		words = words_of(a, o);
		printf("\t'%s --%s'", command, o->name);
		if (o->letter)
			printf(" | '%s -%c'", command, o->letter);
		if (*words)
			printf(") COMPREPLY=($(compgen -W '%s' -- \"$cur\")) ;;\n", words);
		else if (strcmp(o->value, "DIR") == 0)
			printf(") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n");
		else if (is_path(o->value))
			printf(") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n");
		else
			printf(") ;;\n");
	}
}

static void bash_options(const struct command_option *options)
{
	for (const struct command_option *o = options; o && o->name; o++) {
		if (!o->help)
			continue;
		printf(" --%s", o->name);
		if (o->letter)
			printf(" -%c", o->letter);
	}
}

static void bash_operands(struct arena *a, const struct command *cmd)
{
	printf("\t%s)\n\t\twords='", cmd->name);
	bash_options(cmd->options);
	printf(" --help'\n");
	if (operand_of(cmd) == OPERAND_ID)
		printf("\t\toperands=$(\"${COMP_WORDS[0]}\" \"${root[@]}\" list -q 2>/dev/null)\n");
	else if (operand_of(cmd) == OPERAND_WORDS)
		printf("\t\toperands='%s'\n", usage_words(a, cmd));
	else if (operand_of(cmd) == OPERAND_DIR)
		printf("\t\tdirs=1\n");
	printf("\t\t;;\n");
}

static void print_bash(struct arena *a, const struct command *const *table, size_t count)
{
	printf("# bash completion for oci-rt, made by `oci-rt completion bash`\n"
	       "# shellcheck shell=bash disable=SC2207\n_oci_rt() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' words='' operands='' dirs='' i\n"
	       "\tlocal -a root=()\n"
	       "\tCOMPREPLY=()\n"
	       "\t[ \"$prev\" != = ] || prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	       "\t[ \"$cur\" != = ] || cur=\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n\t\t-");
	for (const struct command_option *o = command_global_options(); o->name; o++)
		if (o->value)
			printf(" | --%s", o->name);
	printf(")\n"
	       "\t\t\tlocal option=${COMP_WORDS[i]}\n"
	       "\t\t\t[ \"${COMP_WORDS[i+1]}\" != = ] || ((i++))\n"
	       "\t\t\t[ \"$option\" != --root ] || root=(--root \"${COMP_WORDS[i+1]}\")\n"
	       "\t\t\t((i++))\n\t\t\t;;\n"
	       "\t\t-* | =) ;;\n"
	       "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
	       "\t\tesac\n\tdone\n");
	/* After an option with a value: only that. */
	printf("\tcase \"$command $prev\" in\n");
	bash_values(a, "", command_global_options());
	for (size_t i = 0; i < count; i++)
		bash_values(a, table[i]->name, table[i]->options);
	printf("\t*)\n\tcase $command in\n\t'')\n\t\twords='");
	bash_options(command_global_options());
	printf("'\n\t\toperands='");
	for (size_t i = 0; i < count; i++)
		printf("%s%s", i ? " " : "", table[i]->name);
	printf("'\n\t\t;;\n");
	for (size_t i = 0; i < count; i++)
		bash_operands(a, table[i]);
	printf("\tesac\n"
	       "\tcase $cur in\n"
	       "\t-*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
	       "\t*)\n\t\tCOMPREPLY=($(compgen -W \"$operands\" -- \"$cur\"))\n"
	       "\t\t[ -z \"$dirs\" ] || { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); }\n"
	       "\t\t;;\n\tesac\n\t;;\n\tesac\n}\ncomplete -F _oci_rt oci-rt\n");
}

/* --- zsh -------------------------------------------------------------------------- */

/* Text inside '...' in which brackets and colons have a meaning. */
static void zsh_text(const char *s)
{
	for (; *s; s++) {
		if (*s == '\'')
			printf("'\\''");
		else if (strchr("[]:\\", *s))
			printf("\\%c", *s);
		else
			putchar(*s);
	}
}

static void zsh_options(struct arena *a, const struct command_option *options)
{
	for (const struct command_option *o = options; o && o->name; o++) {
		const char *words;

		if (!o->help)
			continue;
		if (o->letter && o->repeatable)
			printf(" \\\n\t\t\t'*'{-%c,--%s%s}'[", o->letter, o->name, o->value ? "=" : "");
		else if (o->letter)
			printf(" \\\n\t\t\t'(-%c --%s)'{-%c,--%s%s}'[", o->letter, o->name, o->letter, o->name, o->value ? "=" : "");
		else
			printf(" \\\n\t\t\t'%s--%s%s[", o->repeatable ? "*" : "", o->name, o->value ? "=" : "");
		zsh_text(o->help);
		printf("]");
		words = o->value ? words_of(a, o) : "";
		if (o->value)
			printf(":%s:", o->value);
		if (*words)
			printf("(%s)", words);
		else if (o->value && strcmp(o->value, "DIR") == 0)
			printf("_files -/");
		else if (o->value && is_path(o->value))
			printf("_files");
		printf("'");
	}
}

static void zsh_command(struct arena *a, const struct command *cmd)
{
	printf("\t\t%s)\n\t\t\t_arguments", cmd->name);
	zsh_options(a, cmd->options);
	printf(" \\\n\t\t\t'--help[print help]'");
	if (operand_of(cmd) == OPERAND_ID)
		printf(" \\\n\t\t\t'1:container:_oci_rt_containers'");
	else if (operand_of(cmd) == OPERAND_WORDS)
		printf(" \\\n\t\t\t'1:name:(%s)'", usage_words(a, cmd));
	else if (operand_of(cmd) == OPERAND_DIR)
		printf(" \\\n\t\t\t'1:bundle:_files -/'");
	if (cmd->stop_at_operand)
		printf(" \\\n\t\t\t'*::argument:_normal'");
	printf("\n\t\t\t;;\n");
}

static void print_zsh(struct arena *a, const struct command *const *table, size_t count)
{
	printf("#compdef oci-rt\n# zsh completion for oci-rt, made by `oci-rt completion zsh`\n"
	       "_oci_rt_containers() {\n"
	       "\tlocal -a ids root\n"
	       "\t(( ${+opt_args[--root]} )) && root=(--root ${(Q)opt_args[--root]})\n"
	       "\tids=(${(f)\"$(_call_program containers oci-rt $root list -q 2>/dev/null)\"})\n"
	       "\t_describe -t containers container ids\n}\n"
	       "_oci_rt() {\n"
	       "\tlocal curcontext=$curcontext state line\n"
	       "\tlocal -a commands\n"
	       "\ttypeset -A opt_args\n"
	       "\t_arguments -C");
	zsh_options(a, command_global_options());
	printf(" \\\n\t\t\t'1:command:->command' '*::argument:->argument'\n"
	       "\tcase $state in\n\tcommand)\n\t\tcommands=(");
	for (size_t i = 0; i < count; i++) {
		printf("\n\t\t\t'%s:", table[i]->name);
		zsh_text(table[i]->summary);
		printf("'");
	}
	printf(")\n\t\t_describe -t commands command commands\n\t\t;;\n\targument)\n\t\tcase $line[1] in\n");
	for (size_t i = 0; i < count; i++)
		zsh_command(a, table[i]);
	printf("\t\tesac\n\t\t;;\n\tesac\n}\n"
	       "if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then _oci_rt \"$@\"; else compdef _oci_rt oci-rt; fi\n");
}

/* --- fish ------------------------------------------------------------------------- */

static void fish_text(const char *s)
{
	putchar('\'');
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('\'');
}

static void fish_options(struct arena *a, const char *condition, const struct command_option *options)
{
	for (const struct command_option *o = options; o && o->name; o++) {
		const char *words;

		if (!o->help)
			continue;
		printf("complete -c oci-rt -n '%s' -l %s", condition, o->name);
		if (o->letter)
			printf(" -s %c", o->letter);
		words = o->value ? words_of(a, o) : "";
		if (*words)
			printf(" -x -a '%s'", words);
		else if (o->value && strcmp(o->value, "DIR") == 0)
			printf(" -x -a '(__fish_complete_directories)'");
		else if (o->value && is_path(o->value))
			printf(" -r -F");
		else if (o->value)
			printf(" -x");
		printf(" -d ");
		fish_text(o->help);
		putchar('\n');
	}
}

static void print_fish(struct arena *a, const struct command *const *table, size_t count)
{
	printf("# fish completion for oci-rt, made by `oci-rt completion fish`\n"
	       "complete -c oci-rt -f\n");
	fish_options(a, "__fish_use_subcommand", command_global_options());
	for (size_t i = 0; i < count; i++) {
		const struct command *cmd = table[i];
		const char *condition = arena_printf(a, "__fish_seen_subcommand_from %s", cmd->name);

		printf("complete -c oci-rt -n __fish_use_subcommand -a %s -d ", cmd->name);
		fish_text(cmd->summary);
		putchar('\n');
		fish_options(a, condition, cmd->options);
		if (operand_of(cmd) == OPERAND_ID)
			printf("complete -c oci-rt -n '%s' -a '(oci-rt list -q 2>/dev/null)'\n", condition);
		else if (operand_of(cmd) == OPERAND_WORDS)
			printf("complete -c oci-rt -n '%s' -a '%s'\n", condition, usage_words(a, cmd));
		else if (operand_of(cmd) == OPERAND_DIR)
			printf("complete -c oci-rt -n '%s' -a '(__fish_complete_directories)'\n", condition);
	}
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *shell = args->operands[0];
	const struct command *const *table;
	size_t count;

	table = command_table(&count);
	if (strcmp(shell, "bash") == 0)
		print_bash(rt->arena, table, count);
	else if (strcmp(shell, "zsh") == 0)
		print_zsh(rt->arena, table, count);
	else if (strcmp(shell, "fish") == 0)
		print_fish(rt->arena, table, count);
	else
		return error_set(err, ERR_USAGE, EINVAL, "no completion for \"%s\": expected bash, zsh or fish", shell);
	return fflush(stdout) == 0 ? 0 : error_sys(err, errno, "write to stdout");
}

const struct command command_completion = {
	.name = "completion",
	.usage = "bash|zsh|fish",
	.summary = "print a script that completes the command line in a shell",
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
