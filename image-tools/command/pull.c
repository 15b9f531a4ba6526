/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: registry to store.  As root, also of a user namespace, layers are unpacked in the same
 * pass, because the next thing is nearly always unpack.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "image-tools/command/commands.h"
#include "image-tools/store/unpacked.h"

struct options {
	struct transfer_flags f;
	struct registry_flags registry;
	const char *policy;
	bool no_unpack;
};

static const struct option_spec specs[] = {
	{ "platform", 0, OPTION_STRING, offsetof(struct options, f.platform), "P", "os/arch[/variant]; several, or \"all\", keep the index" },
	{ "foreign", 0, OPTION_FLAG, offsetof(struct options, f.foreign), NULL, "fetch foreign layers from the addresses in the manifest" },
	{ "policy", 0, OPTION_STRING, offsetof(struct options, policy), "WHEN", "always (default), missing, never" },
	{ "unpack", 0, OPTION_FLAG, offsetof(struct options, f.unpack), NULL, "unpack layers while they come in (default but for users without ids)" },
	{ "no-unpack", 0, OPTION_FLAG, offsetof(struct options, no_unpack), NULL, "only store the blobs" },
	{ "jobs", 'j', OPTION_NUMBER, offsetof(struct options, f.jobs), "N", "layers at a time (4)" },
	REGISTRY_OPTIONS(struct options),
	MIRROR_OPTION(struct options),
	{ 0 },
};

/* Layers that need those below them could not be unpacked on the way. */
static int complete_layers(struct program *p, const struct descriptor *d, const struct transfer_flags *f, struct error *err)
{
	struct platform platform;
	const char **names;
	struct image image;
	int r = f->platform ? platform_parse(&p->arena, f->platform, &platform, err) : 0;

	if (r < 0 || image_load(&p->store.layout, &p->arena, d, f->platform ? &platform : NULL, &image, NULL) < 0)
		return r;
	return unpacked_ensure(&p->store, &image, &names, err);
}

static int pull_one(struct program *p, struct options *o, const char *text, struct error *err)
{
	struct location src;
	struct descriptor d;
	struct layout layout;
	struct store_image have;
	const char *name;
	int r = location_parse(&p->arena, text, &src, err);

	if (r == 0 && src.kind != LOCATION_STORE && src.kind != LOCATION_REGISTRY)
		r = error_set(err, ERR_USAGE, EINVAL, "pull %s: a registry reference expected; use cp for other places", text);
	if (r == 0)
		r = program_store(p, err);
	if (r < 0)
		return r;
	if (o->policy && strcmp(o->policy, "always") != 0) {
		if (strcmp(o->policy, "missing") != 0 && strcmp(o->policy, "never") != 0)
			return error_set(err, ERR_USAGE, EINVAL, "--policy %s: always, missing or never expected", o->policy);
		r = store_find_reference(&p->store, &src.ref, &have, err);
		if (r == 0 || strcmp(o->policy, "never") == 0)
			return r;
		error_clear(err);
	}
	src.kind = LOCATION_REGISTRY;
	r = location_get(p, &src, &o->f, &layout, &d, &name, err);
	if (r == 0 && o->f.unpack && !o->f.all)
		r = complete_layers(p, &d, &o->f, err);
	if (r == 0)
		r = store_name(&p->store, name, &d, err);
	if (r == 0 && !p->quiet)
		printf("%s %s\n", reference_familiar(&p->arena, &src.ref), d.digest_text);
	return r;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	int r = 0;

	o->f.registry = o->registry;
	if (o->f.platform && strcmp(o->f.platform, "all") == 0) {
		o->f.platform = NULL;
		o->f.all = true;
	}
	if (geteuid() == 0 && !o->no_unpack && !o->f.all && !(o->f.platform && strchr(o->f.platform, ',')))
		o->f.unpack = true;
	for (int i = 0; r == 0 && i < argc; i++)
		r = pull_one(p, o, argv[i], err);
	return r;
}

const struct command command_pull = { "pull", "REF...", "fetch images from a registry into the store", specs,
	sizeof(struct options), 1, -1, run };
