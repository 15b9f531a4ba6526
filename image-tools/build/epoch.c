/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the one time of a build.  --source-date-epoch, else the argument or
 * variable SOURCE_DATE_EPOCH, else a fixed day.  "context" is the newest file of the build
 * context, "image" the creation of the target's base image: then the result looks no newer
 * than what it is made of.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "image-tools/build/internal.h"

static int newer(void *opaque, const char *path, const struct stat *st, const char *digest, struct error *err)
{
	int64_t *newest = opaque;

	(void)path;
	(void)digest;
	(void)err;
	/* Directories change when an editor leaves something behind for a moment. */
	if (!S_ISDIR(st->st_mode) && st->st_mtim.tv_sec > *newest)
		*newest = st->st_mtim.tv_sec;
	return 0;
}

static const char *lookup(void *opaque, const char *name)
{
	return list_value(&((struct builder *)opaque)->globals, name);
}

/* The image at the end of the target's chain of FROMs. */
static int of_image(struct builder *b, const struct dockerfile_stage *stage, struct error *err)
{
	struct dockerfile_instruction in;
	const struct dockerfile_stage *next;
	struct build_stage *image;
	struct tm tm = {0};
	int r;

	for (;; stage = next) {
		r = dockerfile_expand(
			b->arena, &b->file, &b->file.instructions[stage->from], lookup, b, NULL, &in, err);
		if (r < 0)
			return r;
		next = dockerfile_stage_find(&b->file, in.base, stage->index);
		if (!next)
			break;
	}
	if (strcmp(in.base, "scratch") == 0)
		return error_set(err, ERR_USAGE, EINVAL, "--source-date-epoch image: the target begins with scratch");
	image = graph_find(b, in.base, stage->index, NULL, true, err);
	if (!image)
		return -EINVAL;
	r = graph_wait(image, err);
	if (r < 0)
		return r;
	if (!image->config.created || !strptime(image->config.created, "%Y-%m-%dT%H:%M:%S", &tm))
		return error_set(err, ERR_CONFIG, EINVAL, "--source-date-epoch image: %s does not say when it was made",
			in.base);
	b->epoch = timegm(&tm);
	return 0;
}

static int of_text(struct builder *b, const char *text, struct error *err)
{
	char *end;

	errno = 0;
	b->epoch = strtoll(text, &end, 10);
	if (*end || errno || b->epoch < 0)
		return error_set(err, ERR_USAGE, EINVAL,
			"--source-date-epoch \"%.40s\": seconds since 1970, context or image expected", text);
	return 0;
}

int epoch_read(struct builder *b, const struct dockerfile_stage *target, struct error *err)
{
	const char *text = b->o->epoch;
	char buf[40];
	struct tm tm;
	time_t t;
	int r = 0;

	if (!text)
		text = builder_argument(b, "SOURCE_DATE_EPOCH");
	if (!text || !*text)
		text = getenv("SOURCE_DATE_EPOCH");
	b->epoch = BUILD_EPOCH_DEFAULT;
	if (text && strcmp(text, "image") == 0) {
		r = of_image(b, target, err);
	} else if (text && strcmp(text, "context") == 0) {
		b->epoch = 0;
		r = b->context.root < 0 ? 0 : context_list(&b->context, false, newer, &b->epoch, err);
	} else if (text && *text) {
		r = of_text(b, text, err);
	}
	if (r < 0)
		return r;
	if (text && *text) {
		builder_add_argument(b, "SOURCE_DATE_EPOCH", arena_printf(b->arena, "%lld", (long long)b->epoch));
		builder_argument(b, "SOURCE_DATE_EPOCH"); /* need not be declared */
	}
	t = (time_t)b->epoch;
	gmtime_r(&t, &tm);
	strftime(buf, sizeof buf, "%Y-%m-%dT%H:%M:%SZ", &tm);
	b->created = arena_strdup(b->arena, buf);
	return 0;
}
