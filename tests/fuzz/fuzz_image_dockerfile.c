/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: any text as a Dockerfile: parsed, checked by lint, every instruction expanded, all of it dumped.  What
 * the parse says about lines and stages must fit together. */
#include <stdlib.h>
#include <string.h>

#include "image-tools/dockerfile/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(void *opaque, const char *name)
{
	(void)opaque;
	return name[0] == 'u' ? NULL : name[0] == 'e' ? "" : name[0] == 's' ? "with blanks" : "value";
}

static void check_lines(const struct dockerfile *d)
{
	unsigned line = 0;
	size_t covered = d->globals;

	for (size_t i = 0; i < d->count; i++) {
		const struct dockerfile_instruction *in = &d->instructions[i];

		if (in->line <= line || in->end_line < in->line)
			abort();
		line = in->end_line;
		if (in->json && in->heredocs_count)
			abort();
	}
	for (size_t i = 0; i < d->stages_count; i++) {
		if (d->instructions[d->stages[i].from].verb != DOCKERFILE_FROM || d->stages[i].first != d->stages[i].from + 1)
			abort();
		covered += 1 + d->stages[i].count;
	}
	if (covered != d->count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct error err = { 0 };
	struct dockerfile d;
	struct lint_options o = { 0 };
	struct lint l;
	struct json_writer w;
	size_t len;

	if (dockerfile_parse(&a, "Dockerfile", (const char *)data, size, &d, &err) == 0) {
		check_lines(&d);
		for (size_t i = 0; i < d.count; i++) {
			struct dockerfile_instruction out;
			struct string_list unset = { 0 };

			dockerfile_expand(&a, &d, &d.instructions[i], lookup, NULL, &unset, &out, &err);
			if (d.instructions[i].trigger)
				dockerfile_parse_instruction(&a, "ONBUILD", d.instructions[i].trigger, d.escape, &out, &err);
		}
		if (lint_run(&a, &d, &o, &l, &err) == 0)
			lint_text(&a, &d, &l);
		json_writer_init(&w, &a, false);
		dockerfile_dump(&d, &w);
		json_writer_finish(&w, &len);
	} else if (!err.msg[0]) {
		abort();
	}
	arena_free(&a);
	return 0;
}
