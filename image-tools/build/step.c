/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: RUN, COPY, ADD and WORKDIR make layers.  Each first gathers its
 * key: the parent tree (by content) and everything else that can change the result.
 *
 *     quick key     other stages count by the chain-id of their layers
 *     content key   other stages count by the content of what is really taken
 *
 * A hit on either adds the known layer and touches no file.  After a miss of both the
 * step runs under a lock of its quick key and both keys get the result, so a rebuilt
 * stage that lends the same file costs those who take it nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image-tools/build/step.h"
#include "image-tools/status.h"

static const char *step_label(struct build_stage *s)
{
	return arena_printf(&s->arena, "[%s%s%u/%u]", s->b->file.stages_count > 1 ? s->name : "",
		s->b->file.stages_count > 1 ? " " : "", ++s->number, s->total);
}

static void add_layer(struct build_stage *s, const struct build_layer *layer)
{
	struct build_layer *bigger = arena_array(&s->arena, struct build_layer, s->layers_count + 1);

	if (s->layers_count)
		memcpy(bigger, s->layers, s->layers_count * sizeof *bigger);
	bigger[s->layers_count++] = *layer;
	s->layers = bigger;
}

static bool cache_allowed(const struct build_stage *s)
{
	const struct build_options *o = s->b->o;

	if (o->no_cache)
		return false;
	for (size_t i = 0; i < o->no_cache_stages.count; i++)
		if (strcasecmp(o->no_cache_stages.items[i], s->name) == 0)
			return false;
	return true;
}

/* Where this step stood the last time: same file, stage and place. */
static void slot_of(const struct attempt *t, struct digest *slot)
{
	struct key k = {.a = &t->s->arena};

	key_add(&k, "file", t->s->b->file_name);
	key_add(&k, "tag", t->s->b->o->tags.count ? t->s->b->o->tags.items[0] : "");
	key_add(&k, "stage", t->s->name);
	key_add(&k, "ordinal", arena_printf(k.a, "%u", t->s->ordinal));
	key_end(&k, slot);
}

static void explain(struct attempt *t)
{
	struct key before = {.a = &t->s->arena};
	struct digest slot;
	const char *why;

	if (!t->s->b->o->explain)
		return;
	slot_of(t, &slot);
	if (!cache_allowed(t->s)) {
		why = "--no-cache";
	} else {
		cache_seen_read(&t->s->b->cache, &slot, &before);
		why = before.count ? key_difference(&t->s->arena, &before, t->content.count ? &t->content : &t->key)
				   : "first build";
	}
	build_progress_note(
		t->s->b->progress, t->step, "not cached: %s", *why ? why : "its result is gone from the store");
}

static int make_layer(struct attempt *t, struct build_layer *layer, struct error *err)
{
	struct build_stage *s = t->s;
	int r = graph_enter(s->b);

	if (r < 0)
		error_set(err, ERR_SYSTEM, ECANCELED, "canceled");
	if (r == 0)
		r = scratch_begin(&t->x, &s->store, err);
	if (r == 0)
		r = t->work(t, err);
	if (r == 0)
		r = scratch_publish(&t->x, &s->store, &s->arena, s->b->epoch, layer, err);
	scratch_end(&t->x, &s->store);
	graph_leave(s->b);
	return r;
}

static void remember(
	struct attempt *t, const struct digest *quick, const struct digest *content, const struct build_layer *layer)
{
	struct digest slot;

	cache_store(&t->s->b->cache, quick, layer);
	if (t->content.count)
		cache_store(&t->s->b->cache, content, layer);
	slot_of(t, &slot);
	cache_seen_write(&t->s->b->cache, &slot, t->content.count ? &t->content : &t->key);
}

/* Look up or make; *result for the progress. */
static int attempt(struct attempt *t, struct build_layer *layer, const char **result, struct error *err)
{
	struct build_stage *s = t->s;
	struct cache *c = &s->b->cache;
	struct digest quick, content;
	int lock, r = 0;

	key_end(&t->key, &quick);
	*result = "CACHED";
	if (cache_allowed(s) && cache_find(c, &s->arena, &quick, layer))
		return 0;
	if (t->look)
		r = t->look(t, err);
	if (r < 0)
		return r;
	key_end(&t->content, &content);
	if (cache_allowed(s) && t->content.count && cache_find(c, &s->arena, &content, layer)) {
		cache_store(c, &quick, layer);
		return 0;
	}
	lock = cache_lock(c, &quick, &s->b->cancel);
	if (lock < 0)
		return error_sys(err, -lock, "lock the build cache");
	if (cache_allowed(s) && cache_find(c, &s->arena, &quick, layer)) {
		cache_unlock(lock);
		return 0;
	}
	explain(t);
	*result = "DONE";
	r = make_layer(t, layer, err);
	if (r == 0)
		remember(t, &quick, &content, layer);
	cache_unlock(lock);
	return r;
}

int step_perform(struct attempt *t, const char *history, struct error *err)
{
	struct build_stage *s = t->s;
	struct build_layer layer;
	const char *result;
	int r;

	s->ordinal++;
	t->step = build_progress_begin(s->b->progress, step_label(s), t->text);
	r = attempt(t, &layer, &result, err);
	if (r == 0) {
		add_layer(s, &layer);
		history_add(s, history, true);
	}
	build_progress_end(s->b->progress, t->step, r == -ECANCELED ? "CANCELED" : r < 0 ? "ERROR" : result);
	if (r == -IMAGE_ESTEP)
		build_progress_failure(s->b->progress, t->step);
	return r;
}

const char *step_title(struct build_stage *s, const struct dockerfile_instruction *in)
{
	const char *text = dockerfile_verb_name(in->verb);

	for (size_t i = 0; i < in->flags.count; i++)
		text = arena_printf(&s->arena, "%s %s", text, in->flags.items[i]);
	return arena_printf(&s->arena, "%s %s", text, in->text);
}

void step_begin_key(struct attempt *t, const char *verb)
{
	struct build_stage *s = t->s;

	t->key.a = t->content.a = &s->arena;
	key_add(&t->key, "instruction", verb);
	key_add(&t->key, "epoch", arena_printf(&s->arena, "%lld", (long long)s->b->epoch));
}

static void copy_key_parts(struct key *to, const struct key *from)
{
	for (size_t i = 0; i < from->count; i++)
		key_add(to, from->parts[i].name, from->parts[i].value);
}

/* --- RUN ------------------------------------------------------------------------------------------------- */

static int run_work(struct attempt *t, struct error *err)
{
	struct run_request *q = t->opaque;

	q->step = t->step;
	return sandbox_run(q, &t->x, err);
}

static int run_look(struct attempt *t, struct error *err)
{
	struct run_request *q = t->opaque;
	bool stages;

	copy_key_parts(&t->content, &t->key);
	/* The mounts come last in the key. */
	while (t->content.count && strncmp(t->content.parts[t->content.count - 1].name, "mount ", 6) == 0)
		t->content.count--;
	return mounts_key(q, &t->content, true, &stages, err);
}

/* Proxies are for fetching: they change neither key nor history, unless the file declares them. */
static void add_proxies(struct run_request *q)
{
	struct builder *b = q->stage->b;

	for (size_t i = 0; i < b->build_arguments_count; i++) {
		struct named_value *v = &b->build_arguments[i];

		if (!dockerfile_is_proxy_argument(v->name))
			continue;
		v->used = true;
		if (v->value && !list_value(&q->env, v->name))
			string_list_add(
				&q->stage->arena, &q->env, arena_printf(&q->stage->arena, "%s=%s", v->name, v->value));
	}
}

static const char *network_of(const struct build_stage *s, const struct dockerfile_instruction *in)
{
	if (in->network != DOCKERFILE_NETWORK_DEFAULT)
		return in->network == DOCKERFILE_NETWORK_NONE ? "none" : "host";
	return s->b->o->network ? s->b->o->network : "default";
}

static int allowed(const struct build_stage *s, const char *what, struct error *err)
{
	for (size_t i = 0; i < s->b->o->allow.count; i++)
		if (strcmp(s->b->o->allow.items[i], what) == 0)
			return 0;
	error_set(err, ERR_PERMISSION, EPERM, "it asks for %s", what);
	error_hint(err, "--allow %s permits it", what);
	return -EPERM;
}

static void run_argv(struct build_stage *s, const struct dockerfile_instruction *in, struct string_list *argv)
{
	const struct string_list *shell = &s->config.config.shell;

	if (in->command.shell) {
		for (size_t i = 0; i < shell->count; i++)
			string_list_add(&s->arena, argv, shell->items[i]);
		if (!shell->count) {
			string_list_add(&s->arena, argv, "/bin/sh");
			string_list_add(&s->arena, argv, "-c");
		}
	}
	for (size_t i = 0; i < in->command.args.count; i++)
		string_list_add(&s->arena, argv, in->command.args.items[i]);
}

/* "|1 A=b /bin/sh -c make" */
static const char *run_history(struct build_stage *s, const struct string_list *argv)
{
	const char *text = "RUN";

	if (s->declared.count)
		text = arena_printf(&s->arena, "%s |%zu", text, s->declared.count);
	for (size_t i = 0; i < s->declared.count; i++) {
		const char *value = stage_lookup(s, s->declared.items[i]);

		text = arena_printf(&s->arena, "%s %s=%s", text, s->declared.items[i], value ? value : "");
	}
	for (size_t i = 0; i < argv->count; i++)
		text = arena_printf(&s->arena, "%s %s", text, argv->items[i]);
	return arena_printf(&s->arena, "%s # buildkit", text);
}

static void run_key(struct attempt *t, const struct run_request *q, const struct dockerfile_instruction *in)
{
	struct build_stage *s = t->s;
	const struct build_options *o = s->b->o;
	struct arena *a = &s->arena;

	step_begin_key(t, "RUN");
	key_add(&t->key, "parent", stage_chain(s, a));
	key_add(&t->key, "platform", platform_format(a, &s->platform));
	for (size_t i = 0; i < q->argv.count; i++)
		key_add(&t->key, arena_printf(a, "command[%zu]", i), q->argv.items[i]);
	key_add(&t->key, "script", in->command.file_data);
	for (size_t i = 0; i < q->env.count; i++)
		key_add(&t->key, arena_printf(a, "variable %.*s", (int)strcspn(q->env.items[i], "="), q->env.items[i]),
			strchr(q->env.items[i], '=') + 1);
	key_add(&t->key, "directory", s->config.config.working_dir);
	key_add(&t->key, "user", s->config.config.user);
	key_add(&t->key, "network", network_of(s, in));
	key_add(&t->key, "security", in->insecure ? "insecure" : NULL);
	key_add(&t->key, "shm-size", o->shm_size);
	for (size_t i = 0; i < o->ulimits.count; i++)
		key_add(&t->key, arena_printf(a, "ulimit %zu", i), o->ulimits.items[i]);
}

int step_run(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err)
{
	struct run_request q = {.stage = s, .in = in};
	struct attempt t = {.s = s,
		.in = in,
		.work = run_work,
		.opaque = &q,
		.text = step_title(s, in),
		.x = {.dir = -1, .fs = -1, .work = -1}};
	bool stages = false;
	int r = 0;

	if (in->insecure)
		r = allowed(s, "security.insecure", err);
	if (r == 0 && in->network == DOCKERFILE_NETWORK_HOST)
		r = allowed(s, "network.host", err);
	if (r == 0 && in->devices_count)
		r = error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "--device=%s: devices are not supported",
			in->devices[0].name);
	if (r < 0)
		return r;
	run_argv(s, in, &q.argv);
	stage_environment(s, &s->arena, &q.env);
	run_key(&t, &q, in);
	add_proxies(&q);
	r = mounts_key(&q, &t.key, false, &stages, err);
	if (r < 0)
		return r;
	if (stages)
		t.look = run_look;
	return step_perform(&t, run_history(s, &q.argv), err);
}
