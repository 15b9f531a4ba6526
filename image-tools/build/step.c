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

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/build/internal.h"
#include "image-tools/status.h"

struct attempt {
	struct build_stage *s;
	const struct dockerfile_instruction *in;
	const char *text;    /* for the progress and history */
	struct key key;	     /* quick */
	struct key content;  /* content; count 0: none */
	struct scratch x;
	int step;
	/* The work; after it x holds the layer's content, mounted nowhere. */
	int (*work)(struct attempt *t, struct error *err);
	/* Fill content, if there is something to look at. */
	int (*look)(struct attempt *t, struct error *err);
	void *opaque;
};

const char *step_label(struct build_stage *s)
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
	struct key k = { .a = &t->s->arena };

	key_add(&k, "file", t->s->b->file_name);
	key_add(&k, "tag", t->s->b->o->tags.count ? t->s->b->o->tags.items[0] : "");
	key_add(&k, "stage", t->s->name);
	key_add(&k, "ordinal", arena_printf(k.a, "%u", t->s->ordinal));
	key_end(&k, slot);
}

static void explain(struct attempt *t)
{
	struct key before = { .a = &t->s->arena };
	struct digest slot;
	const char *why;

	if (!t->s->b->o->explain)
		return;
	slot_of(t, &slot);
	if (!cache_allowed(t->s)) {
		why = "--no-cache";
	} else {
		cache_seen_read(&t->s->b->cache, &slot, &before);
		why = before.count ? key_difference(&t->s->arena, &before, t->content.count ? &t->content : &t->key) : "first build";
	}
	build_progress_note(t->s->b->progress, t->step, "not cached: %s", *why ? why : "its result is gone from the store");
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

static void remember(struct attempt *t, const struct digest *quick, const struct digest *content,
	const struct build_layer *layer)
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

static int perform(struct attempt *t, const char *history, struct error *err)
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

/* "COPY --from=build /a /b" */
static const char *title(struct build_stage *s, const struct dockerfile_instruction *in)
{
	const char *text = dockerfile_verb_name(in->verb);

	for (size_t i = 0; i < in->flags.count; i++)
		text = arena_printf(&s->arena, "%s %s", text, in->flags.items[i]);
	return arena_printf(&s->arena, "%s %s", text, in->text);
}

static void begin_key(struct attempt *t, const char *verb)
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
			string_list_add(&q->stage->arena, &q->env, arena_printf(&q->stage->arena, "%s=%s", v->name, v->value));
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

	begin_key(t, "RUN");
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
	struct run_request q = { .stage = s, .in = in };
	struct attempt t = { .s = s, .in = in, .work = run_work, .opaque = &q,
		.text = title(s, in), .x = { .dir = -1, .fs = -1, .work = -1 } };
	bool stages = false;
	int r = 0;

	if (in->insecure)
		r = allowed(s, "security.insecure", err);
	if (r == 0 && in->network == DOCKERFILE_NETWORK_HOST)
		r = allowed(s, "network.host", err);
	if (r == 0 && in->devices_count)
		r = error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "--device=%s: devices are not supported", in->devices[0].name);
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
	return perform(&t, run_history(s, &q.argv), err);
}

/* --- COPY, ADD ------------------------------------------------------------------------------------------- */

struct copying {
	struct copy_request request;
	struct copy *copy;
	struct build_stage *from; /* NULL: the main context */
	struct context context;
	bool opened;
};

static int copy_open(struct attempt *t, struct error *err)
{
	struct copying *c = t->opaque;
	int r = 0;

	if (c->copy)
		return 0;
	if (c->from) {
		r = stage_context(c->from, &c->context, err);
		c->opened = r == 0;
		c->request.context = &c->context;
	}
	return r < 0 ? r : copy_prepare(&c->copy, &c->request, err);
}

static int copy_look(struct attempt *t, struct error *err)
{
	struct copying *c = t->opaque;
	struct build_stage *s = t->s;
	struct digest d;
	int r = copy_open(t, err);

	if (r == 0)
		r = copy_digest(c->copy, &d, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->request.sources_count; i++) {
		const struct copy_source *source = &c->request.sources[i];

		if (source->resolved)
			pins_set(s->b, "source", source->text, source->resolved);
	}
	key_add(&t->content, "instruction", t->in->verb == DOCKERFILE_ADD ? "ADD" : "COPY");
	key_add(&t->content, "epoch", arena_printf(&s->arena, "%lld", (long long)s->b->epoch));
	key_add(&t->content, "parent", t->in->link ? "" : stage_chain(s, &s->arena));
	key_add(&t->content, "how", copy_key(c->copy, &s->arena));
	key_add(&t->content, arena_printf(&s->arena, "content of %s", t->in->sources.count ? t->in->sources.items[0] : "a heredoc"),
		digest_string(&s->arena, &d));
	return 0;
}

static int copy_work(struct attempt *t, struct error *err)
{
	struct copying *c = t->opaque;
	struct build_stage *s = t->s;
	struct copy_result result;
	const char *path;
	int r;

	if (t->in->link || s->layers_count == 0)
		return copy_apply(c->copy, t->x.fs, t->x.fs, &result, err);
	path = sandbox_directory(s->b, &s->arena, err);
	if (!path)
		return -EIO;
	r = sandbox_overlay(s, NULL, &t->x, path, err);
	if (r == 0) {
		_cleanup_fd_ int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = root < 0 ? error_sys(err, errno, "open %s", path) : copy_apply(c->copy, root, root, &result, err);
	}
	sandbox_detach(path);
	return r;
}

static const char *copy_history(struct build_stage *s, const struct dockerfile_instruction *in)
{
	struct arena *a = &s->arena;
	const char *text = in->verb == DOCKERFILE_ADD ? "ADD" : "COPY";

	if (in->chown)
		text = arena_printf(a, "%s --chown=%s", text, in->chown);
	if (in->chmod)
		text = arena_printf(a, "%s --chmod=%s", text, in->chmod);
	if (in->link)
		text = arena_printf(a, "%s --link", text);
	for (size_t i = 0; i < in->sources.count; i++)
		text = arena_printf(a, "%s %s", text, in->sources.items[i]);
	for (size_t i = 0; i < in->files_count; i++)
		text = arena_printf(a, "%s <<%s", text, in->files[i].name);
	return arena_printf(a, "%s %s # buildkit", text, in->destination);
}

static int copy_request(struct build_stage *s, const struct dockerfile_instruction *in, struct copying *c,
	struct error *err)
{
	struct arena *a = &s->arena;
	size_t n = in->sources.count + in->files_count;
	struct copy_request *q = &c->request;
	int r = 0;

	*q = (struct copy_request){ .add = in->verb == DOCKERFILE_ADD, .context = &s->b->context, .destination = in->destination,
		.workdir = s->config.config.working_dir, .chown = in->chown, .chmod = in->chmod, .exclude = in->excludes,
		.link = in->link, .parents = in->parents, .checksum = in->checksum, .now = { .tv_sec = s->b->epoch },
		.unpack = in->unpack.set ? in->unpack.value : -1 };
	q->keep_git_dir = in->keep_git_dir.set ? in->keep_git_dir.value :
						 builder_argument(s->b, "BUILDKIT_CONTEXT_KEEP_GIT_DIR") != NULL;
	q->sources = arena_array(a, struct copy_source, n + 1);
	for (size_t i = 0; r == 0 && i < in->sources.count; i++) {
		struct copy_source *source = &q->sources[q->sources_count++];
		const char *text = in->sources.items[i];

		source->text = text;
		if (q->add && (strstr(text, "://") || strncmp(text, "git@", 4) == 0))
			r = pins_get(s->b, "source", text, &source->pin, err);
	}
	for (size_t i = 0; i < in->files_count; i++)
		q->sources[q->sources_count++] = (struct copy_source){ .text = in->files[i].name, .heredoc = true,
			.content = in->files[i].data, .content_length = strlen(in->files[i].data) };
	return r;
}

/* What can be said without looking at the other stage's files. */
static void copy_quick_key(struct attempt *t, const struct copying *c)
{
	struct build_stage *s = t->s;
	const struct dockerfile_instruction *in = t->in;
	const struct copy_request *q = &c->request;

	begin_key(t, "COPY --from");
	key_add(&t->key, "parent", in->link ? "" : stage_chain(s, &s->arena));
	key_add(&t->key, "stage", stage_chain(c->from, &s->arena));
	key_add(&t->key, "directory", q->workdir);
	for (size_t i = 0; i < q->sources_count; i++)
		key_add(&t->key, q->sources[i].heredoc ? "heredoc" : "source",
			q->sources[i].heredoc ? q->sources[i].content : q->sources[i].text);
	for (size_t i = 0; i < q->exclude.count; i++)
		key_add(&t->key, "exclude", q->exclude.items[i]);
	key_add(&t->key, "destination", q->destination);
	key_add(&t->key, "chown", q->chown);
	key_add(&t->key, "chmod", q->chmod);
	key_add(&t->key, "link", q->link ? "yes" : NULL);
	key_add(&t->key, "parents", q->parents ? "yes" : NULL);
}

int step_copy(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err)
{
	struct copying c = { .context = { .root = -1 } };
	struct attempt t = { .s = s, .in = in, .work = copy_work, .opaque = &c,
		.text = title(s, in),
		.x = { .dir = -1, .fs = -1, .work = -1 } };
	int r = copy_request(s, in, &c, err);

	if (r == 0 && in->from) {
		c.from = graph_find(s->b, in->from, s->stage->index, NULL, false, err);
		r = c.from ? graph_wait(c.from, err) : -EINVAL;
	}
	if (r < 0)
		return r;
	t.key.a = t.content.a = &s->arena;
	if (c.from && c.from->kind != STAGE_CONTEXT) {
		copy_quick_key(&t, &c);
		t.look = copy_look;
	} else {
		/* A context has no quick key: its content is the key. */
		r = copy_look(&t, err);
		t.key = t.content;
		t.content.count = 0;
	}
	if (r == 0)
		r = perform(&t, copy_history(s, in), err);
	copy_free(c.copy);
	if (c.opened)
		context_close(&c.context);
	return r;
}

/* --- WORKDIR ----------------------------------------------------------------------------------------------- */

/* Create what is missing, owned by USER. */
static int make_directories(struct build_stage *s, int root, struct error *err)
{
	struct arena *a = &s->arena;
	struct bundle_user user = { 0 };
	const char *path = s->config.config.working_dir;
	int r = s->config.config.user && *s->config.config.user ?
			bundle_find_user(root, s->config.config.user, false, a, &user, err) : 0;

	if (r < 0)
		return r;
	for (const char *p = path; *p;) {
		_cleanup_fd_ int fd = -1, made = -1;
		const char *part;

		p += strspn(p, "/");
		if (!*p)
			break;
		p += strcspn(p, "/");
		part = arena_strndup(a, path, (size_t)(p - path));
		fd = path_open_in_root(root, part, O_PATH);
		if (fd >= 0)
			continue;
		made = path_mkdir_in_root(root, part, 0755);
		if (made < 0)
			return error_sys(err, -made, "create %s", part);
		if ((user.uid || user.gid) && fchownat(made, "", user.uid, user.gid, AT_EMPTY_PATH) < 0)
			return error_sys(err, errno, "change the owner of %s", part);
	}
	return 0;
}

static int workdir_work(struct attempt *t, struct error *err)
{
	struct build_stage *s = t->s;
	const char *path;
	int r;

	if (s->layers_count == 0)
		return make_directories(s, t->x.fs, err);
	path = sandbox_directory(s->b, &s->arena, err);
	if (!path)
		return -EIO;
	r = sandbox_overlay(s, NULL, &t->x, path, err);
	if (r == 0) {
		_cleanup_fd_ int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = root < 0 ? error_sys(err, errno, "open %s", path) : make_directories(s, root, err);
	}
	sandbox_detach(path);
	return r;
}

int step_workdir(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err)
{
	struct attempt t = { .s = s, .in = in, .work = workdir_work, .text = arena_printf(&s->arena, "WORKDIR %s", in->value),
		.x = { .dir = -1, .fs = -1, .work = -1 } };
	const char *before = s->config.config.working_dir, *path = in->value;

	if (*path != '/')
		path = arena_printf(&s->arena, "%s/%s", before && *before ? before : "", path);
	if (*path != '/')
		path = arena_printf(&s->arena, "/%s", path);
	s->config.config.working_dir = path_clean(&s->arena, path);
	if (strcmp(s->config.config.working_dir, "/") == 0) {
		s->number++;
		history_add(s, "WORKDIR /", false);
		return 0;
	}
	begin_key(&t, "WORKDIR");
	key_add(&t.key, "parent", stage_chain(s, &s->arena));
	key_add(&t.key, "directory", s->config.config.working_dir);
	key_add(&t.key, "user", s->config.config.user);
	return perform(&t, arena_printf(&s->arena, "WORKDIR %s", s->config.config.working_dir), err);
}
