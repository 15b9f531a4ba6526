/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: any location to any other; see transfer.c. */
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"

struct options {
	struct transfer_flags f;
	struct registry_flags registry;
};

static const struct option_spec specs[] = {
	{ "platform", 0, OPTION_STRING, offsetof(struct options, f.platform), "P", "os/arch[/variant]; \"all\" copies the index" },
	{ "format", 0, OPTION_STRING, offsetof(struct options, f.format), "oci|docker", "archive form (both)" },
	{ "chunk", 0, OPTION_NUMBER, offsetof(struct options, f.chunk), "BYTES", "largest upload request (64 MiB)" },
	{ "jobs", 'j', OPTION_NUMBER, offsetof(struct options, f.jobs), "N", "blobs at a time (4)" },
	REGISTRY_OPTIONS(struct options),
	MIRROR_OPTION(struct options),
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct location src, dst;
	struct descriptor d;
	struct layout layout;
	const char *name;
	int r = location_parse(&p->arena, argv[0], &src, err);

	(void)argc;
	o->f.registry = o->registry;
	if (o->f.platform && strcmp(o->f.platform, "all") == 0) {
		o->f.platform = NULL;
		o->f.all = true;
	}
	if (r == 0)
		r = location_parse(&p->arena, argv[1], &dst, err);
	if (r == 0)
		r = location_get(p, &src, &o->f, &layout, &d, &name, err);
	if (r == 0)
		r = location_put(p, &layout, &d, &dst, name, &o->f, err);
	if (r == 0 && !p->quiet && strcmp(argv[1], "-") != 0)
		printf("%s %s\n", location_describe(&p->arena, &dst), d.digest_text);
	return r;
}

const struct command command_cp = { "cp", "SRC DST", "copy an image between any two places", specs,
	sizeof(struct options), 2, 2, run };
