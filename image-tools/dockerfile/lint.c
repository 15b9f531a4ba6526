/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the table of rules, what "# check=" switches off, the list of findings and how it is printed.  The
 * rules themselves are in lint_text.c and lint_stage.c.  Names and meanings are those of the Dockerfile reference of other
 * builders, so that a file's directive means the same here.
 */
#include "image-tools/dockerfile/lint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image-tools/dockerfile/lint_rules.h"

#define MAX_FINDINGS 10000

const struct lint_rule lint_rules[] = {
	[RULE_STAGE_NAME_CASING] = { "StageNameCasing", "names of stages in lower case", "stage-name-casing", false },
	[RULE_FROM_AS_CASING] = { "FromAsCasing", "FROM and AS in the same case", "from-as-casing", false },
	[RULE_NO_EMPTY_CONTINUATION] = { "NoEmptyContinuation", "no empty lines between continuation lines",
		"no-empty-continuation", false },
	[RULE_CONSISTENT_INSTRUCTION_CASING] = { "ConsistentInstructionCasing", "all keywords in the same case",
		"consistent-instruction-casing", false },
	[RULE_DUPLICATE_STAGE_NAME] = { "DuplicateStageName", "every stage has a name of its own", "duplicate-stage-name",
		false },
	[RULE_RESERVED_STAGE_NAME] = { "ReservedStageName", "scratch and context are no names for stages",
		"reserved-stage-name", false },
	[RULE_JSON_ARGS_RECOMMENDED] = { "JSONArgsRecommended",
		"CMD and ENTRYPOINT as JSON arrays, so that signals reach the program", "json-args-recommended", false },
	[RULE_MAINTAINER_DEPRECATED] = { "MaintainerDeprecated", "a label instead of MAINTAINER", "maintainer-deprecated",
		false },
	[RULE_UNDEFINED_ARG_IN_FROM] = { "UndefinedArgInFrom", "FROM uses arguments that are declared before it",
		"undefined-arg-in-from", false },
	[RULE_WORKDIR_RELATIVE_PATH] = { "WorkdirRelativePath",
		"the first WORKDIR is absolute, since the base image may change", "workdir-relative-path", false },
	[RULE_UNDEFINED_VAR] = { "UndefinedVar", "variables are defined before they are used", "undefined-var", false },
	[RULE_MULTIPLE_INSTRUCTIONS] = { "MultipleInstructionsDisallowed",
		"one CMD, ENTRYPOINT and HEALTHCHECK in a stage, since the last one counts", "multiple-instructions-disallowed",
		false },
	[RULE_LEGACY_KEY_VALUE] = { "LegacyKeyValueFormat", "NAME=VALUE in ENV and LABEL", "legacy-key-value-format", false },
	[RULE_INVALID_BASE_IMAGE_PLATFORM] = { "InvalidBaseImagePlatform", "the base image is for the platform that is built",
		"invalid-base-image-platform", false },
	[RULE_REDUNDANT_TARGET_PLATFORM] = { "RedundantTargetPlatform", "--platform=$TARGETPLATFORM is the default",
		"redundant-target-platform", false },
	[RULE_SECRETS_USED] = { "SecretsUsedInArgOrEnv", "no secrets in ARG and ENV, which the image keeps",
		"secrets-used-in-arg-or-env", false },
	[RULE_INVALID_DEFAULT_ARG_IN_FROM] = { "InvalidDefaultArgInFrom",
		"defaults of arguments make a valid name of a base image", "invalid-default-arg-in-from", false },
	[RULE_FROM_PLATFORM_CONST] = { "FromPlatformFlagConstDisallowed", "FROM --platform is no constant",
		"from-platform-flag-const-disallowed", false },
	[RULE_COPY_IGNORED_FILE] = { "CopyIgnoredFile", "COPY and ADD take nothing that .dockerignore excludes",
		"copy-ignored-file", true },
	[RULE_INVALID_DEFINITION_DESCRIPTION] = { "InvalidDefinitionDescription",
		"a comment in front of FROM or ARG begins with the name that it describes", "invalid-definition-description",
		true },
	[RULE_EXPOSE_PROTO_CASING] = { "ExposeProtoCasing", "protocols in lower case", "expose-proto-casing", false },
	[RULE_EXPOSE_INVALID_FORMAT] = { "ExposeInvalidFormat", "EXPOSE has no addresses and no ports of the host",
		"expose-invalid-format", false },
	{ 0 },
};

void lint_report(struct linter *x, enum rule rule, unsigned line, unsigned end_line, const char *fmt, ...)
{
	struct lint *l = x->l;
	va_list ap;

	if (x->skip_all || x->skip[rule] || l->count >= MAX_FINDINGS)
		return;
	if (lint_rules[rule].experimental && !x->experimental_all && !x->experimental[rule])
		return;
	if (l->count == x->capacity) {
		size_t more = x->capacity ? 2 * x->capacity : 16;

		l->findings = arena_grow(x->arena, l->findings, x->capacity * sizeof *l->findings, more * sizeof *l->findings);
		x->capacity = more;
	}
	va_start(ap, fmt);
	l->findings[l->count++] = (struct lint_finding){ .rule = &lint_rules[rule], .line = line, .end_line = end_line,
		.message = arena_vprintf(x->arena, fmt, ap) };
	va_end(ap);
}

/* --- check= --------------------------------------------------------------------------- */

static const char *trimmed(struct arena *a, const char *s, size_t n)
{
	unicode_trim(&s, &n);
	return arena_strndup(a, s, n);
}

static void set_rules(struct linter *x, const char *list, bool *all, bool *each)
{
	while (*list) {
		size_t n = strcspn(list, ",");
		const char *name = trimmed(x->arena, list, n);

		if (strcasecmp(name, "all") == 0)
			*all = true;
		/* names that we do not know are those of newer builders */
		for (size_t i = 0; i < RULE_COUNT; i++)
			if (strcasecmp(name, lint_rules[i].name) == 0)
				each[i] = true;
		list += n + (list[n] == ',');
	}
}

static int read_check(struct linter *x, const char *s, struct error *err)
{
	static const char *const keys[] = { "skip", "error", "experimental", NULL };

	while (*s) {
		size_t n = strcspn(s, ";");
		const char *part = trimmed(x->arena, s, n), *equals = strchr(part, '='), *key, *value;

		s += n + (s[n] == ';');
		if (!*part)
			continue;
		key = trimmed(x->arena, part, equals ? (size_t)(equals - part) : strlen(part));
		value = equals ? trimmed(x->arena, equals + 1, strlen(equals + 1)) : "";
		if (equals && strcasecmp(key, "skip") == 0)
			set_rules(x, value, &x->skip_all, x->skip);
		else if (equals && strcasecmp(key, "experimental") == 0)
			set_rules(x, value, &x->experimental_all, x->experimental);
		else if (!equals || strcasecmp(key, "error") != 0)
			return fail_unknown(err, "option of check", key, keys);
		else if (dockerfile_parse_bool(value, &x->l->error) < 0)
			return error_set(err, ERR_CONFIG, EINVAL, "error=%.40s: true or false is expected", value);
	}
	return 0;
}

static int by_line(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->rule != y->rule ? (x->rule < y->rule ? -1 : 1) : strcmp(x->message, y->message);
}

int lint_run(struct arena *a, const struct dockerfile *d, const struct lint_options *o, struct lint *l, struct error *err)
{
	struct linter x = { .arena = a, .d = d, .o = o, .l = l };
	int r = 0;

	*l = (struct lint){ 0 };
	if (o->check)
		r = read_check(&x, o->check, err);
	else if (d->check && read_check(&x, d->check, err) < 0)
		r = error_wrap(err, "%s:%u: check", d->name, d->check_line);
	if (r < 0)
		return r;
	lint_text_rules(&x);
	r = lint_stage_rules(&x, err);
	if (l->count)
		qsort(l->findings, l->count, sizeof *l->findings, by_line);
	return r;
}

/* --- printing --------------------------------------------------------------------------- */

const char *lint_text(struct arena *a, const struct dockerfile *d, const struct lint *l)
{
	struct text t = { .arena = a };

	for (size_t i = 0; i < l->count; i++) {
		const char *line = arena_printf(a, "%s:%u: %s: %s\n", d->name, l->findings[i].line, l->findings[i].rule->name,
			l->findings[i].message);

		text_add(&t, line, strlen(line));
	}
	return text_finish(&t);
}

void lint_json(const struct dockerfile *d, const struct lint *l, struct json_writer *w)
{
	json_write_object(w);
	json_write_member_string(w, "file", d->name);
	json_write_member_bool(w, "error", l->error && l->count);
	json_write_member_array(w, "warnings");
	for (size_t i = 0; i < l->count; i++) {
		const struct lint_finding *f = &l->findings[i];

		json_write_object(w);
		json_write_member_string(w, "rule", f->rule->name);
		json_write_member_string(w, "description", f->rule->description);
		json_write_member_string(w, "url",
			arena_printf(w->arena, "https://docs.docker.com/go/dockerfile/rule/%s/", f->rule->page));
		json_write_member_u64(w, "line", f->line);
		json_write_member_u64(w, "endLine", f->end_line);
		json_write_member_string(w, "message", f->message);
		json_write_end_object(w);
	}
	json_write_end_array(w);
	json_write_end_object(w);
}
