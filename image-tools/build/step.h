/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_STEP_H
#define OCI_RT_IMAGE_TOOLS_BUILD_STEP_H

#include "image-tools/build/internal.h"

/* One instruction that makes a layer: its keys and its work.  Internal to step.c and step_copy.c. */
struct attempt {
	struct build_stage *s;
	const struct dockerfile_instruction *in;
	const char *text;   /* for the progress and history */
	struct key key;	    /* quick */
	struct key content; /* content; count 0: none */
	struct scratch x;
	int step;
	/* The work; after it x holds the layer's content, mounted nowhere. */
	int (*work)(struct attempt *t, struct error *err);
	/* Fill content, if there is something to look at. */
	int (*look)(struct attempt *t, struct error *err);
	void *opaque;
};

/* Look the step up or make it, and add its layer and its history to the stage. */
int step_perform(struct attempt *t, const char *history, struct error *err);
void step_begin_key(struct attempt *t, const char *verb);
/* "COPY --from=build /a /b" */
const char *step_title(struct build_stage *s, const struct dockerfile_instruction *in);

#endif
