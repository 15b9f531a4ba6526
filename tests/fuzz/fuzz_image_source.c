/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what COPY and ADD are told: any text as a git source, as --chmod and --chown, as a pattern of
 * --parents and a path; any bytes as an archive. */
#include <stdlib.h>
#include <string.h>

#include "image-tools/build/copy_internal.h"
#include "image-tools/layer/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *data;
	size_t left;
};

static ssize_t from_memory(void *opaque, void *buf, size_t size, struct error *err)
{
	struct memory *m = opaque;
	size_t n = m->left < size ? m->left : size;

	(void)err;
	memcpy(buf, m->data, n);
	m->data += n;
	m->left -= n;
	return (ssize_t)n;
}

/* What the process of layer/plain does to a stream. */
static void archive(const uint8_t *data, size_t size)
{
	struct memory m = { data, size };
	struct filter *f = NULL;
	struct decoder *d = NULL;
	char buf[4096];

	if (filter_open(&f, from_memory, &m, NULL) == 0 && decoder_open(&d, filter_read, f, 1 << 20, NULL) == 0)
		while (decoder_read(d, buf, sizeof buf, NULL) > 0)
			;
	decoder_close(d);
	filter_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	char *text = arena_strndup(&a, (const char *)data, size), *line = strchr(text, '\n');
	struct copy_mode m;
	struct git_source g;
	uint32_t owner[2];
	const char *user;

	if (git_parse(&a, text, &g, NULL) == 0 && (g.remote[0] == '-' || (g.ref && g.ref[0] == '-') || strchr(g.remote, '\n')))
		abort();
	source_type_of(text, true);
	/* Nothing that looks like a user may stay in front of the host. */
	source_split_user(&a, text, &user);
	if (copy_mode_parse(text, &m, NULL) == 0)
		for (mode_t mode = 0; mode <= 07777; mode += 0111)
			if (copy_mode_apply(&m, mode, mode & 1) > 07777)
				abort();
	copy_owner_parse(text, -1, &a, owner, NULL);
	if (line) {
		*line++ = '\0';
		/* What matches as a whole lies below something that may match. */
		if (tree_match(text, line) == TREE_YES && strrchr(line, '/')) {
			char *parent = arena_strdup(&a, line);

			*strrchr(parent, '/') = '\0';
			if (*parent && parent[0] != '/' && !strstr(parent, "//") && parent[strlen(parent) - 1] != '/' &&
				tree_match(text, parent) == TREE_NO)
				abort();
		}
	}
	archive(data, size);
	arena_free(&a);
	return 0;
}
