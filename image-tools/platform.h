/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_PLATFORM_H
#define OCI_RT_IMAGE_TOOLS_PLATFORM_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

/* os/architecture[/variant] in Go's names (image-spec, config.md). */
struct platform {
	const char *os, *architecture, *variant; /* variant: NULL when there is none */
};

/* What this machine runs. */
struct platform platform_host(void);
/* "linux/arm64/v8"; "arm64" alone means linux. */
int platform_parse(struct arena *a, const char *text, struct platform *p, struct error *err);
const char *platform_format(struct arena *a, const struct platform *p);
/* How well does `have` serve `want`: 0 not at all, higher is better (image-facts 2.4: amd64 v4 > v3 > v2 > v1,
 * arm v7 > v6 > v5, arm64 v8 the same as none). */
int platform_match(const struct platform *want, const struct platform *have);

#endif
