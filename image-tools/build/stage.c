/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one stage from its FROM to its last instruction.  The state is an
 * image configuration, a list of layers and the arguments declared so far; it begins as
 * a copy of the base's and every instruction changes it.  ONBUILD triggers of the base
 * run first, then are forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/build/internal.h"
#include "image-tools/store/unpacked.h"

#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const char *builder_argument(struct builder *b, const char *name)
{
	for (size_t i = 0; i < b->build_arguments_count; i++) {
		if (strcmp(b->build_arguments[i].name, name) == 0) {
			b->build_arguments[i].used = true;
			return b->build_arguments[i].value;
		}
	}
	return NULL;
}

/* ENV beats ARG. */
const char *stage_lookup(void *opaque, const char *name)
{
	struct build_stage *s = opaque;
	const char *value = list_value(&s->config.config.env, name);

	return value ? value : list_value(&s->arguments, name);
}

static const char *global_lookup(void *opaque, const char *name)
{
	struct builder *b = opaque;

	return list_value(&b->globals, name);
}

void stage_environment(const struct build_stage *s, struct arena *a, struct string_list *env)
{
	for (size_t i = 0; i < s->config.config.env.count; i++)
		string_list_add(a, env, s->config.config.env.items[i]);
	for (size_t i = 0; i < s->arguments.count; i++) {
		const char *name = arena_strndup(a, s->arguments.items[i], strcspn(s->arguments.items[i], "="));

		if (!list_value(&s->config.config.env, name))
			string_list_add(a, env, s->arguments.items[i]);
	}
}

const char *stage_chain(const struct build_stage *s, struct arena *a)
{
	struct digest *ids = arena_array(a, struct digest, s->layers_count + 1), chain;

	for (size_t i = 0; i < s->layers_count; i++)
		ids[i] = s->layers[i].diff_id;
	if (s->layers_count == 0 || chain_id(ids, s->layers_count, &chain) < 0)
		return "scratch";
	return digest_string(a, &chain);
}

/* --- images and contexts -------------------------------------------------------------------------- */

static int find_image(struct build_stage *s, struct descriptor *d, const char **name, struct error *err)
{
	struct builder *b = s->b;
	struct program *p = b->p;
	struct location where;
	struct layout layout;
	struct store_image have;
	const char *pin, *text = s->location;
	struct transfer_flags flags = b->o->transfer;
	int r = pins_get(b, "image", text, &pin, err);

	if (r < 0)
		return r;
	r = location_parse(&p->arena, text, &where, err);
	if (r < 0)
		return r;
	if (pin && where.kind == LOCATION_STORE) {
		r = digest_parse(pin, &where.ref.digest, err);
		if (r < 0)
			return error_wrap(err, "lock file: image %s", text);
	}
	flags.platform = platform_format(&p->arena, &s->platform);
	if (where.kind == LOCATION_STORE && b->o->pull != BUILD_PULL_ALWAYS) {
		if (store_find(&p->store, text, &have, NULL) == 0 &&
			(!pin || strcmp(have.descriptor.digest_text, pin) == 0)) {
			*d = have.descriptor;
			*name = have.name;
			return 0;
		}
		if (pin && store_find(&p->store, pin, &have, NULL) == 0) {
			*d = have.descriptor;
			return 0;
		}
		if (b->o->pull == BUILD_PULL_NEVER) {
			error_set(err, ERR_NOT_FOUND, ENOENT,
				"image %s is not in the store, and --pull=never forbids to fetch it", text);
			return -ENOENT;
		}
	}
	if (where.kind == LOCATION_STORE)
		where.kind = LOCATION_REGISTRY;
	r = location_get(p, &where, &flags, &layout, d, name, err);
	if (r == 0 && layout.dir != p->store.layout.dir) {
		r = layout_copy(&layout, &p->store.layout, &p->arena, d, err);
		layout_close(&layout);
	} else if (r == 0 && *name) {
		r = store_name(&p->store, *name, d, err);
	}
	return r;
}

static void take_image(struct build_stage *s, const struct image *image, const char *const *names)
{
	s->config = image->config;
	s->layers_count = s->base_layers = image->manifest.layers_count;
	s->layers = arena_array(&s->arena, struct build_layer, s->layers_count + 1);
	for (size_t i = 0; i < s->layers_count; i++)
		s->layers[i] = (struct build_layer){image->config.diff_ids[i], names[i], image->manifest.layers[i]};
}

int stage_load_image(struct build_stage *s, struct error *err)
{
	struct builder *b = s->b;
	struct descriptor d;
	struct image image;
	const char **names, *name = NULL;
	int step = build_progress_begin(b->progress, "[internal]", arena_printf(&s->arena, "image %s", s->location)), r;

	pthread_mutex_lock(&b->pull_lock);
	r = find_image(s, &d, &name, err);
	pthread_mutex_unlock(&b->pull_lock);
	if (r == 0)
		r = image_load(&b->p->store.layout, &s->arena, &d, &s->platform, &image, err);
	if (r == 0)
		r = unpacked_ensure(&s->store, &image, &names, err);
	if (r == 0) {
		if (image.config.architecture && strcmp(image.config.architecture, s->platform.architecture) != 0)
			build_progress_note(b->progress, step, "image %s is for %s, not %s", s->location,
				image.config.architecture, s->platform.architecture);
		take_image(s, &image, names);
		pins_set(b, "image", s->location, d.digest_text);
	} else if (r == -ENOENT && !strpbrk(s->location, ":/@")) {
		error_hint(err, "is \"%s\" meant to be a stage? it must be defined before it is used", s->location);
	}
	build_progress_end(b->progress, step, r < 0 ? "ERROR" : "DONE");
	return r;
}

int stage_open_context(struct build_stage *s, struct error *err)
{
	struct builder *b = s->b;
	const char *pin = NULL;
	int step = build_progress_begin(b->progress, "[internal]", arena_printf(&s->arena, "context %s", s->name)),
	    r = 0;

	if (context_is_remote(s->location))
		r = pins_get(b, "context", s->location, &pin, err);
	if (r == 0)
		r = context_open(&s->context, &s->arena, arena_printf(&s->arena, "context \"%s\"", s->name),
			s->location, pin, &b->sources, err);
	if (r == 0 && s->context.resolved)
		pins_set(b, "context", s->location, s->context.resolved);
	build_progress_end(b->progress, step, r < 0 ? "ERROR" : "DONE");
	return r;
}

/* Mount the finished stage for reading, once. */
static int stage_root(struct build_stage *s, struct error *err)
{
	int r = 0;

	pthread_mutex_lock(&s->root_lock);
	if (s->root < 0) {
		s->root_path = sandbox_directory(s->b, &s->arena, err);
		r = s->root_path ? 0 : -EIO;
		if (r == 0 && s->layers_count)
			r = sandbox_overlay(s, NULL, NULL, s->root_path, err);
		if (r == 0)
			s->root = open(s->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r == 0 && s->root < 0)
			r = error_sys(err, errno, "open %s", s->root_path);
	}
	pthread_mutex_unlock(&s->root_lock);
	return r;
}

int stage_context(struct build_stage *s, struct context *c, struct error *err)
{
	int r;

	if (s->kind == STAGE_CONTEXT) {
		*c = s->context;
		c->root = fcntl(s->context.root, F_DUPFD_CLOEXEC, 3);
		return c->root < 0 ? error_sys(err, errno, "open %s", s->context.name) : 0;
	}
	r = stage_root(s, err);
	return r < 0 ? r
		     : context_from_root(c, arena_printf(&s->arena, "\"%s\"", s->name), s->root, &s->b->sources, err);
}

/* --- FROM ------------------------------------------------------------------------------------------ */

static void from_scratch(struct build_stage *s)
{
	s->config = (struct image_config){.os = s->platform.os,
		.architecture = s->platform.architecture,
		.variant = s->platform.variant,
		.rootfs_type = "layers"};
	s->config.config.working_dir = "/";
	string_list_add(&s->arena, &s->config.config.env, PATH_DEFAULT);
}

/* A base's state, copied: its strings stay in its arena, which lives as long as the build. */
static void inherit(struct build_stage *s, const struct build_stage *base)
{
	s->config = base->config;
	s->layers_count = base->layers_count;
	s->layers = arena_array(&s->arena, struct build_layer, s->layers_count + 1);
	if (s->layers_count)
		memcpy(s->layers, base->layers, s->layers_count * sizeof *s->layers);
	s->base_layers = base->layers_count;
	if (base->kind == STAGE_DOCKERFILE) {
		s->base_layers = base->base_layers;
		s->arguments = base->arguments;
		s->declared = (struct string_list){0};
		for (size_t i = 0; i < base->declared.count; i++)
			string_list_add(&s->arena, &s->declared, base->declared.items[i]);
		s->cmd_set = false;
	}
	s->platform = base->platform;
}

static int from(struct build_stage *s, struct string_list *triggers, struct error *err)
{
	struct builder *b = s->b;
	const struct dockerfile_instruction *text = &b->file.instructions[s->stage->from];
	struct dockerfile_instruction in;
	struct build_stage *base;
	int r = dockerfile_expand(&s->arena, &b->file, text, global_lookup, b, NULL, &in, err);

	if (r < 0)
		return r;
	if (!in.base || !*in.base) {
		error_set(err, ERR_CONFIG, EINVAL, "the base image's name is empty");
		error_hint(err, "\"%s\" needs an ARG with a default before the first FROM, or --build-arg", text->base);
		return dockerfile_error_wrap(err, &b->file, text);
	}
	if (in.platform && *in.platform) {
		r = platform_parse(&s->arena, in.platform, &s->platform, err);
		if (r < 0)
			return dockerfile_error_wrap(err, &b->file, text);
	}
	if (strcasecmp(in.base, "scratch") == 0) {
		from_scratch(s);
		return 0;
	}
	base = graph_find(b, in.base, s->stage->index, &s->platform, true, err);
	if (!base)
		return dockerfile_error_wrap(err, &b->file, text);
	r = graph_wait(base, err);
	if (r < 0)
		return r == -ECANCELED ? r : dockerfile_error_wrap(err, &b->file, text);
	if (base->kind == STAGE_CONTEXT) {
		error_set(
			err, ERR_CONFIG, EINVAL, "context \"%s\" is a directory; a base must be an image", base->name);
		error_hint(err, "FROM scratch, then COPY --from=%s / /", base->name);
		return dockerfile_error_wrap(err, &b->file, text);
	}
	inherit(s, base);
	*triggers = s->config.config.onbuild;
	s->config.config.onbuild = (struct string_list){0};
	return 0;
}

/* --- the instructions ------------------------------------------------------------------------------- */

static bool shown(const struct dockerfile_instruction *in)
{
	return in->verb == DOCKERFILE_RUN || in->verb == DOCKERFILE_COPY || in->verb == DOCKERFILE_ADD ||
	       in->verb == DOCKERFILE_WORKDIR;
}

/* Start what later instructions need, so that it is ready by then.  A name with variables waits for its turn. */
static void start_early(struct build_stage *s, const struct dockerfile_instruction *in)
{
	if (in->from && !strchr(in->from, '$') && (in->verb == DOCKERFILE_COPY || in->verb == DOCKERFILE_ADD))
		graph_find(s->b, in->from, s->stage->index, NULL, false, NULL);
	for (size_t i = 0; i < in->mounts_count; i++)
		if (in->mounts[i].from && *in->mounts[i].from && !strchr(in->mounts[i].from, '$') &&
			strcasecmp(in->mounts[i].from, "scratch") != 0)
			graph_find(s->b, in->mounts[i].from, s->stage->index, NULL, false, NULL);
}

static int apply(struct build_stage *s, const struct dockerfile_instruction *text, struct error *err)
{
	struct builder *b = s->b;
	struct dockerfile_instruction in;
	int r;

	if (atomic_load(&b->cancel))
		return error_set(err, ERR_SYSTEM, ECANCELED, "canceled");
	r = dockerfile_expand(&s->arena, &b->file, text, stage_lookup, s, NULL, &in, err);
	if (r < 0)
		return r;
	switch (in.verb) {
	case DOCKERFILE_RUN:
		r = step_run(s, &in, err);
		break;
	case DOCKERFILE_COPY:
	case DOCKERFILE_ADD:
		r = step_copy(s, &in, err);
		break;
	case DOCKERFILE_WORKDIR:
		r = step_workdir(s, &in, err);
		break;
	default:
		r = meta_apply(s, &in, err);
	}
	return r < 0 && r != -ECANCELED ? dockerfile_error_wrap(err, &b->file, text) : r;
}

static int fire(struct build_stage *s, const struct string_list *triggers, struct dockerfile_instruction *out,
	struct error *err)
{
	for (size_t i = 0; i < triggers->count; i++) {
		int r = dockerfile_parse_instruction(&s->arena,
			arena_printf(&s->arena, "ONBUILD of %s", s->stage->base), triggers->items[i], s->b->file.escape,
			&out[i], err);

		if (r < 0)
			return r;
		out[i].line = s->b->file.instructions[s->stage->from].line;
	}
	return 0;
}

int stage_run(struct build_stage *s, struct error *err)
{
	struct builder *b = s->b;
	const struct dockerfile_instruction *own = &b->file.instructions[s->stage->first];
	struct dockerfile_instruction *fired;
	struct string_list triggers = {0};
	int r;

	for (size_t i = 0; i < s->stage->count; i++)
		start_early(s, &own[i]);
	r = from(s, &triggers, err);
	if (r < 0)
		return r;
	fired = arena_array(&s->arena, struct dockerfile_instruction, triggers.count + 1);
	r = fire(s, &triggers, fired, err);
	for (size_t i = 0; r == 0 && i < triggers.count; i++)
		s->total += shown(&fired[i]);
	for (size_t i = 0; i < s->stage->count; i++)
		s->total += shown(&own[i]);
	for (size_t i = 0; r == 0 && i < triggers.count; i++)
		r = apply(s, &fired[i], err);
	for (size_t i = 0; r == 0 && i < s->stage->count; i++)
		r = apply(s, &own[i], err);
	return r;
}
