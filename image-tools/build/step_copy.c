/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: COPY, ADD and WORKDIR as steps: what goes into their keys, and the
 * tree they work in.  The copying itself is copy.h's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image-tools/build/step.h"

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
	key_add(&t->content,
		arena_printf(&s->arena, "content of %s", t->in->sources.count ? t->in->sources.items[0] : "a heredoc"),
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

static int copy_request(
	struct build_stage *s, const struct dockerfile_instruction *in, struct copying *c, struct error *err)
{
	struct arena *a = &s->arena;
	size_t n = in->sources.count + in->files_count;
	struct copy_request *q = &c->request;
	int r = 0;

	*q = (struct copy_request){.add = in->verb == DOCKERFILE_ADD,
		.context = &s->b->context,
		.destination = in->destination,
		.workdir = s->config.config.working_dir,
		.chown = in->chown,
		.chmod = in->chmod,
		.exclude = in->excludes,
		.link = in->link,
		.parents = in->parents,
		.checksum = in->checksum,
		.now = {.tv_sec = s->b->epoch},
		.unpack = in->unpack.set ? in->unpack.value : -1};
	q->keep_git_dir = in->keep_git_dir.set ? in->keep_git_dir.value
					       : builder_argument(s->b, "BUILDKIT_CONTEXT_KEEP_GIT_DIR") != NULL;
	q->sources = arena_array(a, struct copy_source, n + 1);
	for (size_t i = 0; r == 0 && i < in->sources.count; i++) {
		struct copy_source *source = &q->sources[q->sources_count++];
		const char *text = in->sources.items[i];

		source->text = text;
		if (q->add && (strstr(text, "://") || strncmp(text, "git@", 4) == 0))
			r = pins_get(s->b, "source", text, &source->pin, err);
	}
	for (size_t i = 0; i < in->files_count; i++)
		q->sources[q->sources_count++] = (struct copy_source){.text = in->files[i].name,
			.heredoc = true,
			.content = in->files[i].data,
			.content_length = strlen(in->files[i].data)};
	return r;
}

/* What can be said without looking at the other stage's files. */
static void copy_quick_key(struct attempt *t, const struct copying *c)
{
	struct build_stage *s = t->s;
	const struct dockerfile_instruction *in = t->in;
	const struct copy_request *q = &c->request;

	step_begin_key(t, "COPY --from");
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
	struct copying c = {.context = {.root = -1}};
	struct attempt t = {.s = s,
		.in = in,
		.work = copy_work,
		.opaque = &c,
		.text = step_title(s, in),
		.x = {.dir = -1, .fs = -1, .work = -1}};
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
		r = step_perform(&t, copy_history(s, in), err);
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
	struct bundle_user user = {0};
	const char *path = s->config.config.working_dir;
	int r = s->config.config.user && *s->config.config.user
			? bundle_find_user(root, s->config.config.user, false, a, &user, err)
			: 0;

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
	struct attempt t = {.s = s,
		.in = in,
		.work = workdir_work,
		.text = arena_printf(&s->arena, "WORKDIR %s", in->value),
		.x = {.dir = -1, .fs = -1, .work = -1}};
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
	step_begin_key(&t, "WORKDIR");
	key_add(&t.key, "parent", stage_chain(s, &s->arena));
	key_add(&t.key, "directory", s->config.config.working_dir);
	key_add(&t.key, "user", s->config.config.user);
	return step_perform(&t, arena_printf(&s->arena, "WORKDIR %s", s->config.config.working_dir), err);
}
