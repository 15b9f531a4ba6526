/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_FLAGS_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_FLAGS_H

#include "image-tools/dockerfile/internal.h"

/* Internal to the parser. */
enum flag_kind { FLAG_BOOL, FLAG_STRING, FLAG_STRINGS };

struct flag_spec {
	const char *name;
	enum flag_kind kind;
};
#define MAX_FLAGS 9

/* Unknown, doubled, without a value?  specs ends with name NULL. */
int flags_check(struct arena *a, const struct dockerfile_instruction *in, const struct flag_spec *specs, struct error *err);
/* The value of a flag, NULL when it is not given; the next one each time that *at is passed again. */
const char *flag_next(const struct dockerfile_instruction *in, const char *name, size_t *at);
const char *flag(const struct dockerfile_instruction *in, const char *name);
bool flag_true(const struct dockerfile_instruction *in, const char *name);
struct opt_bool flag_opt(const struct dockerfile_instruction *in, const char *name);

#endif
