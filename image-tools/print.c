/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the little that verbs share for output. */
#include <stdio.h>

#include "image-tools/command.h"

void print_json(struct json_writer *w)
{
	size_t len;
	const char *text = json_writer_finish(w, &len);

	fwrite(text, 1, len, stdout);
}

const char *human_size(struct arena *a, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double v = (double)bytes;
	int i = 0;

	while (v >= 1000 && i < 4) {
		v /= 1000;
		i++;
	}
	return arena_printf(a, i ? "%.1f %s" : "%.0f %s", v, units[i]);
}
