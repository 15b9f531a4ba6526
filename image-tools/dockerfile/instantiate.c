/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: an instruction and an environment give the instruction that is carried out.  The language says
 * which words are expanded (image-tools/README.md has the table); the result is a copy, so that one parse serves any
 * number of platforms and of stages that inherit from it.  All words of one instruction see the same environment.
 */
#include <errno.h>
#include <string.h>

#include "image-tools/dockerfile/internal.h"

struct instance {
	struct arena *arena;
	struct expand_options options;
	size_t produced;
	struct error *err;
};

/* A NUL character that JSON allows and no program can be given. */
static int check_no_nul(struct instance *x, const char *s)
{
	if (!strstr(s, NUL_IN_JSON))
		return 0;
	return error_set(x->err, ERR_CONFIG, EINVAL, "a string holds a NUL character (\\u0000)");
}

static int word(struct instance *x, const char **s)
{
	const char *result;
	int r;

	if (!*s)
		return 0;
	r = check_no_nul(x, *s);
	if (r == 0)
		r = expand_word(x->arena, *s, &x->options, &result, x->err);
	if (r < 0)
		return r;
	x->produced += strlen(result);
	if (x->produced > DOCKERFILE_MAX_EXPANDED)
		return error_set(x->err, ERR_CONFIG, E2BIG, "the expanded instruction is longer than %u bytes",
			DOCKERFILE_MAX_EXPANDED);
	*s = result;
	return 0;
}

static int list(struct instance *x, struct string_list *l)
{
	const char **items = arena_array(x->arena, const char *, l->count + 1);
	int r = 0;

	if (l->count)
		memcpy(items, l->items, l->count * sizeof *items);
	l->items = items;
	for (size_t i = 0; r == 0 && i < l->count; i++)
		r = word(x, &items[i]);
	return r;
}

static int list_without_nul(struct instance *x, const struct string_list *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->count; i++)
		r = check_no_nul(x, l->items[i]);
	return r;
}

static int pairs(struct instance *x, struct dockerfile_instruction *in)
{
	struct dockerfile_pair *items = arena_array(x->arena, struct dockerfile_pair, in->pairs.count);
	int r = 0;

	memcpy(items, in->pairs.items, in->pairs.count * sizeof *items);
	in->pairs.items = items;
	for (size_t i = 0; r == 0 && i < in->pairs.count; i++) {
		const char *before = items[i].key;

		r = word(x, &items[i].key);
		if (r == 0)
			r = word(x, &items[i].value);
		if (r == 0 && (!*items[i].key || (in->verb != DOCKERFILE_LABEL && strchr(items[i].key, '='))))
			r = error_set(x->err, ERR_CONFIG, EINVAL, "\"%.80s\" is no name: it expands to \"%.80s\"", before,
				items[i].key);
	}
	return r;
}

/* Bodies of heredocs: quotes mean nothing in them, and the escape character is the backslash. */
static int files(struct instance *x, struct dockerfile_instruction *in)
{
	struct dockerfile_heredoc *items = arena_array(x->arena, struct dockerfile_heredoc, in->files_count);
	struct expand_options outer = x->options;
	int r = 0;

	if (in->files_count)
		memcpy(items, in->files, in->files_count * sizeof *items);
	in->files = items;
	x->options.escape = '\\';
	x->options.skip_quotes = true;
	for (size_t i = 0; r == 0 && i < in->files_count; i++)
		if (items[i].expand)
			r = word(x, &items[i].data);
	x->options = outer;
	return r;
}

static int copy(struct instance *x, struct dockerfile_instruction *in)
{
	int r = list(x, &in->sources);

	if (r == 0)
		r = word(x, &in->destination);
	if (r == 0)
		r = word(x, &in->chown);
	if (r == 0)
		r = word(x, &in->chmod);
	if (r == 0)
		r = word(x, &in->checksum);
	if (r == 0)
		r = list(x, &in->excludes);
	if (r == 0)
		r = files(x, in);
	if (r == 0 && !*in->destination)
		r = error_set(x->err, ERR_CONFIG, EINVAL, "the destination is empty");
	return r;
}

static int from(struct instance *x, struct dockerfile_instruction *in)
{
	const char *before = in->base;
	int r = word(x, &in->base);

	if (r == 0)
		r = word(x, &in->platform);
	if (r < 0 || *in->base)
		return r;
	error_set(x->err, ERR_CONFIG, EINVAL, "the name of the image is empty: \"%.80s\" expands to nothing", before);
	error_hint(x->err, "only ARG before the first FROM is seen here: give it a default, or --build-arg");
	return -EINVAL;
}

static int run(struct instance *x, struct dockerfile_instruction *in)
{
	struct dockerfile_mount *mounts = arena_array(x->arena, struct dockerfile_mount, in->mounts_count);
	struct dockerfile_device *devices = arena_array(x->arena, struct dockerfile_device, in->devices_count);
	int r = list_without_nul(x, &in->command.args);

	for (size_t i = 0; r == 0 && i < in->mounts_count; i++) {
		r = mount_expand(x->arena, in->mounts[i].text, &x->options, &mounts[i], x->err);
		if (r < 0)
			error_wrap(x->err, "--mount=%.120s", in->mounts[i].text);
	}
	for (size_t i = 0; r == 0 && i < in->devices_count; i++) {
		devices[i] = in->devices[i];
		r = word(x, &devices[i].name);
	}
	in->mounts = mounts;
	in->devices = devices;
	return r;
}

static int expose(struct instance *x, struct dockerfile_instruction *in)
{
	struct string_list all = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->args.count; i++) {
		struct string_list some;

		r = expand_words(x->arena, in->args.items[i], &x->options, &some, x->err);
		for (size_t j = 0; r == 0 && j < some.count; j++) {
			x->produced += strlen(some.items[j]) + 1;
			if (x->produced > DOCKERFILE_MAX_EXPANDED)
				return error_set(x->err, ERR_CONFIG, E2BIG, "the expanded instruction is longer than %u bytes",
					DOCKERFILE_MAX_EXPANDED);
			list_add(x->arena, &all, some.items[j]);
		}
	}
	in->args = all;
	return r < 0 ? r : instruction_ports(x->arena, &all, in, x->err);
}

static int volume(struct instance *x, struct dockerfile_instruction *in)
{
	int r = list(x, &in->args);

	for (size_t i = 0; r == 0 && i < in->args.count; i++)
		if (!*in->args.items[i])
			r = error_set(x->err, ERR_CONFIG, EINVAL, "a volume expands to an empty string");
	return r;
}

static int value(struct instance *x, struct dockerfile_instruction *in)
{
	int r = word(x, &in->value);

	if (r == 0 && in->verb == DOCKERFILE_WORKDIR && !*in->value)
		r = error_set(x->err, ERR_CONFIG, EINVAL, "the path is empty");
	if (r == 0 && in->verb == DOCKERFILE_STOPSIGNAL && !signal_is_known(in->value))
		r = error_set(x->err, ERR_CONFIG, EINVAL, "unknown signal \"%.80s\"", in->value);
	return r;
}

static int instantiate(struct instance *x, struct dockerfile_instruction *in)
{
	switch (in->verb) {
	case DOCKERFILE_ADD:
	case DOCKERFILE_COPY:
		return copy(x, in);
	case DOCKERFILE_ARG:
	case DOCKERFILE_ENV:
	case DOCKERFILE_LABEL:
		return pairs(x, in);
	case DOCKERFILE_FROM:
		return from(x, in);
	case DOCKERFILE_RUN:
		return run(x, in);
	case DOCKERFILE_EXPOSE:
		return expose(x, in);
	case DOCKERFILE_VOLUME:
		return volume(x, in);
	case DOCKERFILE_STOPSIGNAL:
	case DOCKERFILE_USER:
	case DOCKERFILE_WORKDIR:
		return value(x, in);
	case DOCKERFILE_CMD:
	case DOCKERFILE_ENTRYPOINT:
	case DOCKERFILE_HEALTHCHECK:
	case DOCKERFILE_SHELL:
		return list_without_nul(x, &in->args);
	default:
		return 0;
	}
}

int dockerfile_expand(struct arena *a, const struct dockerfile *d, const struct dockerfile_instruction *in,
	expand_lookup *lookup, void *opaque, struct string_list *unset, struct dockerfile_instruction *out,
	struct error *err)
{
	struct instance x = { .arena = a, .err = err,
		.options = { .escape = d->escape, .lookup = lookup, .opaque = opaque, .unset = unset } };
	int r;

	*out = *in;
	r = instantiate(&x, out);
	return r < 0 ? dockerfile_error_wrap(err, d, in) : 0;
}
