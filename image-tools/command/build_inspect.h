/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_COMMAND_BUILD_INSPECT_H
#define OCI_RT_IMAGE_TOOLS_COMMAND_BUILD_INSPECT_H

#include "image-tools/command.h"

/* What `build` can do with a Dockerfile without building: part of the verb's options. */
struct build_inspect {
	bool words, check;
	struct string_list ast; /* "" or "syntax" */
	struct string_list ignore; /* "" or a file with patterns */
	struct string_list env; /* NAME=VALUE for words */
	const char *lex;
};
/* T: the verb's options, M: the member with a struct build_inspect. */
#define BUILD_INSPECT_OPTIONS(T, M)                                                                                    \
	{ "check", 0, OPTION_FLAG, offsetof(T, M.check), NULL, "report likely mistakes, build nothing" },              \
		{ "dump-ast", 0, OPTION_OPTIONAL, offsetof(T, M.ast), "syntax]", "print the parsed Dockerfile as JSON" },       \
		{ "dump-ignore", 0, OPTION_OPTIONAL, offsetof(T, M.ignore), "FILE]", "which paths on standard input are ignored" }, \
		{ "dump-words", 0, OPTION_FLAG, offsetof(T, M.words), NULL, "expand each line of standard input" },    \
		{ "env", 'e', OPTION_LIST, offsetof(T, M.env), "NAME=VALUE", "a variable for --dump-words" },          \
	{                                                                                                              \
		"lex", 0, OPTION_STRING, offsetof(T, M.lex), "LIST", "how --dump-words reads: raw-quotes, skip-unset, ..." \
	}

static inline bool build_inspect_wanted(const struct build_inspect *i)
{
	return i->ast.count || i->ignore.count || i->words || i->check;
}

/* file: -f or NULL; context: a directory, or "-".  arguments: --build-arg. */
int build_inspect(struct program *p, const struct build_inspect *i, const char *file, const char *context,
	const struct string_list *arguments, const char *target, struct error *err);

#endif
