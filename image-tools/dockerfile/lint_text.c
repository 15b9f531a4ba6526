/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: rules that look at spelling only: case of keywords, names of stages, old forms, comments. */
#include <string.h>
#include <strings.h>

#include "image-tools/dockerfile/lint_rules.h"

static bool has_upper(const char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			return true;
	return false;
}

static bool has_lower(const char *s)
{
	for (; *s; s++)
		if (*s >= 'a' && *s <= 'z')
			return true;
	return false;
}

static void keywords(struct linter *x)
{
	const struct dockerfile *d = x->d;
	size_t lower = 0, upper = 0;

	for (size_t i = d->globals; i < d->count; i++) {
		const char *k = d->instructions[i].keyword;

		lower += !has_upper(k);
		upper += !has_lower(k);
	}
	for (size_t i = d->globals; i < d->count; i++) {
		const struct dockerfile_instruction *in = &d->instructions[i];

		if (lower > upper ? has_upper(in->keyword) : has_lower(in->keyword))
			lint_report(x, RULE_CONSISTENT_INSTRUCTION_CASING, in->line, in->end_line,
				"Command '%s' should match the case of the command majority (%s)", in->keyword,
				lower > upper ? "lowercase" : "uppercase");
	}
}

static void from(struct linter *x, const struct dockerfile_instruction *in)
{
	const char *as = in->args.count == 3 ? in->args.items[1] : NULL, *name = as ? in->args.items[2] : NULL;

	if (as && (has_upper(in->keyword) != has_lower(in->keyword)) &&
		(has_upper(in->keyword) ? has_lower(as) : has_upper(as)))
		lint_report(x, RULE_FROM_AS_CASING, in->line, in->end_line, "'%s' and '%s' keywords' casing do not match", as,
			in->keyword);
	if (name && has_upper(name))
		lint_report(x, RULE_STAGE_NAME_CASING, in->line, in->end_line, "Stage name '%s' should be lowercase", name);
	if (in->stage_name && (strcmp(in->stage_name, "scratch") == 0 || strcmp(in->stage_name, "context") == 0))
		lint_report(x, RULE_RESERVED_STAGE_NAME, in->line, in->end_line,
			"Stage name should not use the same name as reserved stage \"%s\"", in->stage_name);
}

static void stage_names(struct linter *x)
{
	const struct dockerfile *d = x->d;

	for (size_t i = 0; i < d->stages_count && d->stages_count < 4096; i++) {
		const struct dockerfile_instruction *in = &d->instructions[d->stages[i].from];

		for (size_t j = 0; j < i && in->stage_name; j++) {
			if (!d->stages[j].name || strcmp(d->stages[j].name, in->stage_name) != 0)
				continue;
			lint_report(x, RULE_DUPLICATE_STAGE_NAME, in->line, in->end_line,
				"Duplicate stage name \"%s\", stage names should be unique", in->stage_name);
			break;
		}
	}
}

static void description(struct linter *x, const struct dockerfile_instruction *in)
{
	size_t names = in->verb == DOCKERFILE_FROM ? in->stage_name != NULL : in->pairs.count;
	const char *comment, *first = in->verb == DOCKERFILE_FROM ? in->stage_name : NULL;

	if (in->comments.count == 0 || names == 0)
		return;
	comment = in->comments.items[in->comments.count - 1];
	for (size_t i = 0; i < names; i++) {
		const char *name = first ? first : in->pairs.items[i].key;
		size_t n = strlen(name);

		if (strncmp(comment, name, n) == 0 && (comment[n] == ' ' || !comment[n]))
			return;
	}
	lint_report(x, RULE_INVALID_DEFINITION_DESCRIPTION, in->line, in->end_line,
		"Comment for %s should follow the format: `# %s <description>`", dockerfile_verb_name(in->verb),
		names > 1 ? "<arg_key>" :
		first	  ? first :
			    in->pairs.items[0].key);
}

void lint_text_rules(struct linter *x)
{
	const struct dockerfile *d = x->d;

	keywords(x);
	stage_names(x);
	for (size_t i = 0; i < d->empty_continuations_count; i++)
		lint_report(x, RULE_NO_EMPTY_CONTINUATION, d->empty_continuations[i], d->empty_continuations[i],
			"Empty continuation line");
	for (size_t i = 0; i < d->count; i++) {
		const struct dockerfile_instruction *in = &d->instructions[i];

		if (in->verb == DOCKERFILE_FROM)
			from(x, in);
		if (in->verb == DOCKERFILE_FROM || in->verb == DOCKERFILE_ARG)
			description(x, in);
		if (in->verb == DOCKERFILE_MAINTAINER)
			lint_report(x, RULE_MAINTAINER_DEPRECATED, in->line, in->end_line,
				"Maintainer instruction is deprecated in favor of using label");
		if ((in->verb == DOCKERFILE_ENV || in->verb == DOCKERFILE_LABEL) && in->pairs.items[0].legacy)
			lint_report(x, RULE_LEGACY_KEY_VALUE, in->line, in->end_line,
				"\"%s key=value\" should be used instead of legacy \"%s key value\" format",
				dockerfile_verb_name(in->verb), dockerfile_verb_name(in->verb));
	}
}
