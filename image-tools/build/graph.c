/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: nobody plans.  The target's stage is started; a stage starts what
 * it names (FROM, COPY --from, mounts) as soon as it begins itself, and waits for each at
 * the instruction that needs it.  So only what the target reaches is built, independent
 * stages run at the same time, and triggers that a base image brings along need no rule
 * of their own.  A name can only mean an earlier stage: there are no circles.  A place
 * among --jobs is held while a step works, never while one waits for another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "image-tools/build/internal.h"

static void record_failure(struct builder *b)
{
	atomic_store(&b->cancel, true);
	pthread_cond_broadcast(&b->wake);
}

static void *thread(void *opaque)
{
	struct build_stage *s = opaque;
	struct builder *b = s->b;
	int r;

	switch (s->kind) {
	case STAGE_DOCKERFILE:
		r = stage_run(s, &s->err);
		break;
	case STAGE_IMAGE:
		r = stage_load_image(s, &s->err);
		break;
	default:
		r = stage_open_context(s, &s->err);
	}
	pthread_mutex_lock(&b->lock);
	s->result = r;
	s->finished = true;
	if (r < 0)
		record_failure(b);
	pthread_cond_broadcast(&b->wake);
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* With the lock held. */
static struct build_stage *add(struct builder *b, enum stage_kind kind, const char *name, const char *location)
{
	struct build_stage *s = calloc(1, sizeof *s);

	if (!s)
		abort();
	s->b = b;
	s->kind = kind;
	s->platform = b->target;
	s->store = b->p->store;
	s->store.arena = &s->arena;
	s->name = arena_strdup(&s->arena, name);
	s->location = location ? arena_strdup(&s->arena, location) : NULL;
	s->root = -1;
	s->context.root = -1;
	pthread_mutex_init(&s->root_lock, NULL);
	s->next = b->stages;
	b->stages = s;
	return s;
}

static int start(struct build_stage *s, struct error *err)
{
	int e;

	if (s->started)
		return 0;
	e = pthread_create(&s->thread, NULL, thread, s);
	if (e)
		return error_sys(err, e, "start a thread for %s", s->name);
	s->started = true;
	return 0;
}

struct build_stage *graph_dockerfile_stage(struct builder *b, const struct dockerfile_stage *st)
{
	struct build_stage *s;

	pthread_mutex_lock(&b->lock);
	for (s = b->stages; s; s = s->next)
		if (s->stage == st)
			break;
	if (!s) {
		char name[32];

		snprintf(name, sizeof name, "stage-%zu", st->index);
		s = add(b, STAGE_DOCKERFILE, st->name ? st->name : name, NULL);
		s->stage = st;
	}
	if (start(s, NULL) < 0)
		s = NULL;
	pthread_mutex_unlock(&b->lock);
	return s;
}

/* --build-context NAME=LOCATION */
static const char *named_context(const struct builder *b, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < b->o->contexts.count; i++) {
		const char *text = b->o->contexts.items[i];

		if (strncasecmp(text, name, n) == 0 && text[n] == '=')
			return text + n + 1;
	}
	return NULL;
}

static bool same_platform(const struct platform *a, const struct platform *b)
{
	return strcmp(a->os, b->os) == 0 && strcmp(a->architecture, b->architecture) == 0 &&
	       strcmp(a->variant ? a->variant : "", b->variant ? b->variant : "") == 0;
}

static struct build_stage *other(struct builder *b, enum stage_kind kind, const char *name, const char *location,
	const struct platform *platform, struct error *err)
{
	struct build_stage *s;

	pthread_mutex_lock(&b->lock);
	for (s = b->stages; s; s = s->next)
		if (s->kind == kind && strcmp(s->name, name) == 0 && same_platform(&s->platform, platform))
			break;
	if (!s) {
		s = add(b, kind, name, location);
		s->platform = *platform;
	}
	if (start(s, err) < 0)
		s = NULL;
	pthread_mutex_unlock(&b->lock);
	return s;
}

struct build_stage *graph_find(struct builder *b, const char *name, size_t before, const struct platform *platform,
	bool base, struct error *err)
{
	const char *location = named_context(b, name);
	const struct dockerfile_stage *st;

	if (!platform)
		platform = &b->target;
	if (location) {
		if (strncmp(location, "docker-image://", 15) == 0)
			return other(b, STAGE_IMAGE, location + 15, location + 15, platform, err);
		if (strncmp(location, "oci-layout://", 13) == 0) {
			char text[4200];

			snprintf(text, sizeof text, "oci:%.4190s", location + 13);
			return other(b, STAGE_IMAGE, name, text, platform, err);
		}
		return other(b, STAGE_CONTEXT, name, location, platform, err);
	}
	st = dockerfile_stage_find(&b->file, name, before);
	/* A number is a stage for COPY --from only. */
	if (st && !(base && strspn(name, "0123456789") == strlen(name)))
		return graph_dockerfile_stage(b, st);
	if (!base && strspn(name, "0123456789") == strlen(name)) {
		error_set(err, ERR_USAGE, EINVAL, "there is no stage number %s before this one", name);
		return NULL;
	}
	/* Later stages: for a base the name can still be an image's, to copy from it is a mistake. */
	if (!base && dockerfile_stage_find(&b->file, name, b->file.stages_count)) {
		error_set(err, ERR_CONFIG, EINVAL, "stage \"%s\" is not defined before this one", name);
		error_hint(err, "move the stage up");
		return NULL;
	}
	return other(b, STAGE_IMAGE, name, name, platform, err);
}

int graph_wait(struct build_stage *s, struct error *err)
{
	struct builder *b = s->b;
	int r;

	pthread_mutex_lock(&b->lock);
	while (!s->finished)
		pthread_cond_wait(&b->wake, &b->lock);
	r = s->result;
	pthread_mutex_unlock(&b->lock);
	/* The stage reports itself; those who wait for it just end. */
	if (r < 0 && s->kind == STAGE_DOCKERFILE)
		return error_set(err, ERR_SYSTEM, ECANCELED, "canceled");
	if (r < 0 && err)
		*err = s->err;
	return r;
}

int graph_enter(struct builder *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->busy >= b->jobs && !atomic_load(&b->cancel))
		pthread_cond_wait(&b->wake, &b->lock);
	b->busy++;
	pthread_mutex_unlock(&b->lock);
	return atomic_load(&b->cancel) ? -ECANCELED : 0;
}

void graph_leave(struct builder *b)
{
	pthread_mutex_lock(&b->lock);
	b->busy--;
	pthread_cond_broadcast(&b->wake);
	pthread_mutex_unlock(&b->lock);
}

void graph_join(struct builder *b)
{
	/* A thread may add further ones until it ends; new ones go to the front. */
	for (;;) {
		struct build_stage *s;

		pthread_mutex_lock(&b->lock);
		for (s = b->stages; s && !s->started; s = s->next)
			;
		pthread_mutex_unlock(&b->lock);
		if (!s)
			return;
		pthread_join(s->thread, NULL);
		pthread_mutex_lock(&b->lock);
		s->started = false;
		pthread_mutex_unlock(&b->lock);
	}
}

void graph_free(struct builder *b)
{
	for (struct build_stage *s = b->stages, *next; s; s = next) {
		next = s->next;
		if (s->root >= 0)
			close(s->root);
		if (s->kind == STAGE_CONTEXT)
			context_close(&s->context);
		pthread_mutex_destroy(&s->root_lock);
		arena_free(&s->arena);
		free(s);
	}
	b->stages = NULL;
}
