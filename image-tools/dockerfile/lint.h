/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_LINT_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_LINT_H

#include "base/json_write.h"
#include "image-tools/dockerfile/dockerfile.h"

/*
 * What is legal but probably a mistake, under the names that other builders use, so that "# check=skip=NAME" means the
 * same everywhere.
 */
struct lint_rule {
	const char *name, *description, *page; /* page: of the field's rule reference */
	bool experimental; /* only with "# check=experimental=NAME" or "experimental=all" */
};
extern const struct lint_rule lint_rules[]; /* ends with name NULL */

struct lint_finding {
	const struct lint_rule *rule;
	unsigned line, end_line;
	const char *message;
};

struct lint_options {
	/* --build-arg NAME=VALUE; NAME alone is not among them.  May be NULL. */
	const struct string_list *build_arguments;
	/* the text of --check's directive given on the command line or BUILDKIT_DOCKERFILE_CHECK, NULL */
	const char *check;
	const struct string_list *ignore_patterns; /* of .dockerignore, for CopyIgnoredFile; NULL */
	const char *target;			   /* --target, NULL: all stages are checked */
	/* What the configuration of a base image sets ("NAME=value", ends with NULL; NULL: not known).  May be NULL: then
	 * only PATH counts as set by images. */
	const char *const *(*base_environment)(void *opaque, const char *base);
	void *opaque;
};

struct lint {
	struct lint_finding *findings; /* by line */
	size_t count;
	bool error; /* "# check=error=true": findings must fail the build */
};

int lint_run(
	struct arena *a, const struct dockerfile *d, const struct lint_options *o, struct lint *l, struct error *err);
/* Lines for people, to be printed as they are. */
const char *lint_text(struct arena *a, const struct dockerfile *d, const struct lint *l);
void lint_json(const struct dockerfile *d, const struct lint *l, struct json_writer *w);

#endif
