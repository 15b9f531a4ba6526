/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_LINT_RULES_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_LINT_RULES_H

#include "image-tools/dockerfile/internal.h"
#include "image-tools/dockerfile/lint.h"

/* Internal to lint*.c. */
enum rule {
	RULE_STAGE_NAME_CASING,
	RULE_FROM_AS_CASING,
	RULE_NO_EMPTY_CONTINUATION,
	RULE_CONSISTENT_INSTRUCTION_CASING,
	RULE_DUPLICATE_STAGE_NAME,
	RULE_RESERVED_STAGE_NAME,
	RULE_JSON_ARGS_RECOMMENDED,
	RULE_MAINTAINER_DEPRECATED,
	RULE_UNDEFINED_ARG_IN_FROM,
	RULE_WORKDIR_RELATIVE_PATH,
	RULE_UNDEFINED_VAR,
	RULE_MULTIPLE_INSTRUCTIONS,
	RULE_LEGACY_KEY_VALUE,
	RULE_INVALID_BASE_IMAGE_PLATFORM,
	RULE_REDUNDANT_TARGET_PLATFORM,
	RULE_SECRETS_USED,
	RULE_INVALID_DEFAULT_ARG_IN_FROM,
	RULE_FROM_PLATFORM_CONST,
	RULE_COPY_IGNORED_FILE,
	RULE_INVALID_DEFINITION_DESCRIPTION,
	RULE_EXPOSE_PROTO_CASING,
	RULE_EXPOSE_INVALID_FORMAT,
	RULE_COUNT
};

struct linter {
	struct arena *arena;
	const struct dockerfile *d;
	const struct lint_options *o;
	struct lint *l;
	bool skip_all, skip[RULE_COUNT], experimental_all, experimental[RULE_COUNT];
	size_t capacity;
};

void lint_report(struct linter *x, enum rule rule, unsigned line, unsigned end_line, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* What the text alone shows. */
void lint_text_rules(struct linter *x);
/* What needs variables: stages are followed with the environment that they would have. */
int lint_stage_rules(struct linter *x, struct error *err);

#endif
