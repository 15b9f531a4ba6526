/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: everything around the stages.  In order: a mount namespace of our
 * own, the store, the context, the Dockerfile, the global scope; then the target's stage
 * and whatever it starts; then the image and its outputs.  The way back is the same for
 * success, failure and Ctrl-C: wait for all threads, make finished layers durable, save
 * what is known about files, drop the mounts.
 */
#include "image-tools/build/build.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/build/internal.h"
#include "image-tools/rootless.h"

static struct builder *interrupted;

static void on_signal(int sig)
{
	if (interrupted)
		atomic_store(&interrupted->cancel, true);
	/* A second one ends us at once. */
	signal(sig, SIG_DFL);
}

static void catch_signals(struct builder *b)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	interrupted = b;
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		signal(signals[i], b ? on_signal : SIG_DFL);
}

/* --- the Dockerfile ----------------------------------------------------------------------------------------- */

/* Path of the Dockerfile below the context, NULL when it is elsewhere. */
static const char *below_context(struct builder *b, const char *path)
{
	char *context = realpath(b->o->context, NULL), *file = realpath(path, NULL);
	const char *result = NULL;
	size_t n = context ? strlen(context) : 0;

	if (context && file && strncmp(context, file, n) == 0 && (file[n] == '/' || n == 1))
		result = arena_strdup(b->arena, file + n + (n > 1));
	free(context);
	free(file);
	return result;
}

static int read_host_file(struct builder *b, const char *path, char **text, size_t *len)
{
	_cleanup_fd_ int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
						     : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd_read_all(fd, b->arena, DOCKERFILE_MAX_SIZE, text, len);
}

/* *below: its path below the context, for its .dockerignore. */
static int read_dockerfile(struct builder *b, char **text, size_t *len, const char **below, struct error *err)
{
	static const char *const names[] = {"Dockerfile", "dockerfile", "Containerfile"};
	const char *file = b->o->file;
	int r = -ENOENT;

	*below = NULL;
	if (b->context.kind == CONTEXT_EMPTY && b->context.dockerfile) {
		b->file_name = "Dockerfile";
		*text = arena_strndup(b->arena, b->context.dockerfile, b->context.dockerfile_length);
		*len = b->context.dockerfile_length;
		return 0;
	}
	if (file) {
		b->file_name = strcmp(file, "-") == 0 ? "Dockerfile" : file;
		if (b->context.kind == CONTEXT_DIRECTORY || strcmp(file, "-") == 0) {
			r = read_host_file(b, file, text, len);
			*below = r == 0 ? below_context(b, file) : NULL;
		}
		if (r == -ENOENT && *file != '/') {
			r = context_read_file(&b->context, b->arena, file, DOCKERFILE_MAX_SIZE, text, len, NULL);
			*below = file;
		}
		return r < 0 ? error_sys(err, -r, "read %s", file) : 0;
	}
	for (size_t i = 0; r == -ENOENT && i < sizeof names / sizeof names[0]; i++) {
		r = context_read_file(&b->context, b->arena, names[i], DOCKERFILE_MAX_SIZE, text, len, NULL);
		b->file_name = *below = names[i];
	}
	if (r < 0) {
		error_sys(err, -r, "read Dockerfile in %s", b->o->context);
		error_hint(err, "-f names another file");
	}
	return r;
}

static int read_ignore(struct builder *b, const char *below, struct error *err)
{
	struct string_list patterns = {0};
	const char *name;
	char *text;
	size_t len;
	int r = context_find_ignore(&b->context, b->arena, below, &text, &len, &name, err);

	if (r < 0 || !text)
		return r;
	r = ignore_read(b->arena, name, text, len, &patterns, err);
	if (r == 0)
		r = ignore_compile(b->arena, &patterns, &b->ignore, err);
	if (r == 0)
		b->context.ignore = &b->ignore;
	return r < 0 ? error_wrap(err, "%s", name) : 0;
}

/* --- arguments ------------------------------------------------------------------------------------------------ */

void builder_add_argument(struct builder *b, const char *name, const char *value)
{
	size_t n = b->build_arguments_count;
	struct named_value *items = arena_array(b->arena, struct named_value, n + 1);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(b->build_arguments[i].name, name) == 0) {
			b->build_arguments[i].value = value;
			return;
		}
	}
	if (n)
		memcpy(items, b->build_arguments, n * sizeof *items);
	items[n] = (struct named_value){name, value, false};
	b->build_arguments = items;
	b->build_arguments_count = n + 1;
}

static void read_arguments(struct builder *b)
{
	for (size_t i = 0; i < b->o->arguments.count; i++) {
		const char *text = b->o->arguments.items[i], *equals = strchr(text, '=');
		const char *value = equals ? equals + 1 : getenv(text);

		if (value)
			builder_add_argument(
				b, equals ? arena_strndup(b->arena, text, (size_t)(equals - text)) : text, value);
	}
}

static void platform_arguments(struct builder *b, const char *prefix, const struct platform *p)
{
	const struct {
		const char *name, *value;
	} items[] = {{"PLATFORM", platform_format(b->arena, p)}, {"OS", p->os}, {"OSVERSION", ""},
		{"ARCH", p->architecture}, {"VARIANT", p->variant ? p->variant : ""}};

	for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
		list_set(b->arena, &b->globals, arena_printf(b->arena, "%s%s", prefix, items[i].name), items[i].value);
}

static const char *lookup(void *opaque, const char *name)
{
	return list_value(&((struct builder *)opaque)->globals, name);
}

static int read_globals(struct builder *b, const char *target, struct error *err)
{
	platform_arguments(b, "BUILD", &b->host);
	platform_arguments(b, "TARGET", &b->target);
	list_set(b->arena, &b->globals, "TARGETSTAGE", target ? target : "default");
	/* What is there automatically can be overridden. */
	for (size_t i = 0; i < b->build_arguments_count; i++)
		if (dockerfile_is_platform_argument(b->build_arguments[i].name))
			list_set(b->arena, &b->globals, b->build_arguments[i].name,
				builder_argument(b, b->build_arguments[i].name));
	for (size_t i = 0; i < b->file.globals; i++) {
		struct dockerfile_instruction in;
		int r = dockerfile_expand(b->arena, &b->file, &b->file.instructions[i], lookup, b, NULL, &in, err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < in.pairs.count; k++) {
			const char *value = builder_argument(b, in.pairs.items[k].key);

			if (!value)
				value = in.pairs.items[k].value;
			if (value)
				list_set(b->arena, &b->globals, in.pairs.items[k].key, value);
		}
	}
	return 0;
}

/* Special names that need no ARG. */
static bool special(const char *name)
{
	return strncmp(name, "BUILDKIT_", 9) == 0 || strcmp(name, "SOURCE_DATE_EPOCH") == 0 ||
	       dockerfile_is_proxy_argument(name);
}

static void warn_unused(struct builder *b)
{
	for (size_t i = 0; i < b->build_arguments_count; i++)
		if (!b->build_arguments[i].used && !special(b->build_arguments[i].name))
			build_progress_note(b->progress, 0, "--build-arg %s: no ARG that was reached takes it",
				b->build_arguments[i].name);
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static const char *source_secret(void *opaque, const char *id)
{
	struct builder *b = opaque;
	const char *value;
	size_t len;

	pthread_mutex_lock(&b->lock);
	value = secret_value(b, &b->shared, id, &len, NULL);
	pthread_mutex_unlock(&b->lock);
	return value;
}

static int open_all(struct builder *b, struct error *err)
{
	struct program *p = b->p;
	bool single;
	int r = sandbox_find_runtime(b, err);

	single = geteuid() != 0;
	b->userns = single || rootless_active();
	if (r == 0 && single)
		r = userns_enter(b, err);
	if (r == 0)
		r = sandbox_enter(b, err);
	if (r == 0)
		r = program_store(p, err);
	p->store.userns = b->userns;
	p->store.single_id = single;
	if (r == 0)
		r = store_run_dir(&p->store, err);
	if (r == 0)
		r = sandbox_open(b, err);
	if (r == 0)
		r = watch_begin(b, err);
	if (r == 0)
		r = cache_open(&b->cache, &p->store, err);
	if (r == 0)
		r = file_digests_open(&b->digests, b->cache.dir, "files", err);
	if (r == 0)
		r = pins_open(b, err);
	if (r < 0)
		return r;
	b->sources = (struct source_options){.scratch = p->store.run,
		.digests = b->digests,
		.secret = source_secret,
		.secret_opaque = b,
		.ssh_auth_sock = b->o->ssh.count ? getenv("SSH_AUTH_SOCK") : NULL,
		.userns = b->userns,
		.single_id = p->store.single_id,
		.cache = openat(b->cache.dir, "http", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
	return 0;
}

static int read_all(struct builder *b, struct error *err)
{
	const char *below, *pin = NULL;
	char *text;
	size_t len;
	int r = 0;

	if (context_is_remote(b->o->context) && strcmp(b->o->context, "-") != 0)
		r = pins_get(b, "context", b->o->context, &pin, err);
	if (r == 0)
		r = context_open(&b->context, b->arena, "build context", b->o->context, pin, &b->sources, err);
	if (r == 0 && b->context.resolved && strcmp(b->o->context, "-") != 0)
		pins_set(b, "context", b->o->context, b->context.resolved);
	if (r == 0)
		r = read_dockerfile(b, &text, &len, &below, err);
	if (r == 0)
		r = dockerfile_parse(b->arena, b->file_name, text, len, &b->file, err);
	if (r == 0 && b->context.root >= 0)
		r = read_ignore(b, below, err);
	return r;
}

static int find_target(struct builder *b, const struct dockerfile_stage **target, struct error *err)
{
	const char *name = b->o->target;

	if (!name) {
		*target = &b->file.stages[b->file.stages_count - 1];
		return 0;
	}
	*target = dockerfile_stage_find(&b->file, name, b->file.stages_count);
	if (!*target) {
		const char **names = arena_array(b->arena, const char *, b->file.stages_count + 1);
		size_t n = 0;

		for (size_t i = 0; i < b->file.stages_count; i++)
			if (b->file.stages[i].name)
				names[n++] = b->file.stages[i].name;
		error_set(err, ERR_USAGE, EINVAL, "%s has no stage \"%.80s\"", b->file_name, name);
		if (dockerfile_suggest(name, names))
			error_hint(err, "did you mean \"%s\"?", dockerfile_suggest(name, names));
		return -EINVAL;
	}
	return 0;
}

/* Of all that failed, the one that says most. */
static int choose_error(struct builder *b, struct error *err)
{
	const struct build_stage *worst = NULL;

	for (const struct build_stage *s = b->stages; s; s = s->next) {
		bool better = !worst || worst->result == -ECANCELED ||
			      (worst->kind != STAGE_DOCKERFILE && s->kind == STAGE_DOCKERFILE);

		if (s->result < 0 && better && !(worst && s->result == -ECANCELED))
			worst = s;
	}
	if (!worst)
		return 0;
	if (worst->result == -ECANCELED)
		return error_set(err, ERR_SYSTEM, EINTR, "the build was interrupted");
	*err = worst->err;
	return worst->result;
}

static int build(struct builder *b, struct error *err)
{
	const struct dockerfile_stage *target = NULL;
	struct build_stage *s = NULL;
	int r = open_all(b, err), sync;

	if (r == 0)
		r = read_all(b, err);
	read_arguments(b);
	if (r == 0)
		r = find_target(b, &target, err);
	if (r == 0)
		r = read_globals(b, b->o->target ? target->name : NULL, err);
	if (r < 0)
		return r;
	catch_signals(b);
	r = epoch_read(b, target, err);
	if (r == 0) {
		s = graph_dockerfile_stage(b, target);
		if (!s)
			r = error_set(err, ERR_SYSTEM, EAGAIN, "no thread could be started");
	}
	if (r == 0)
		graph_wait(s, NULL);
	graph_join(b);
	network_end(b);
	if (r == 0)
		r = choose_error(b, err);
	sync = layers_sync(&b->p->store, r < 0 ? NULL : err);
	file_digests_save(b->digests);
	if (r == 0)
		r = sync;
	if (r == 0) {
		warn_unused(b);
		r = output_write(b, s, err);
	}
	if (r == 0)
		r = pins_save(b, err);
	catch_signals(NULL);
	return r;
}

int build_run(struct program *p, const struct build_options *o, struct error *err)
{
	struct builder b = {.p = p,
		.o = o,
		.arena = &p->arena,
		.host = platform_host(),
		.host_namespace = -1,
		.network_fd = -1,
		.jobs = o->jobs,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.wake = PTHREAD_COND_INITIALIZER,
		.pull_lock = PTHREAD_MUTEX_INITIALIZER,
		.network_lock = PTHREAD_MUTEX_INITIALIZER,
		.cache = {.dir = -1},
		.context = {.root = -1},
		.sources = {.cache = -1}};
	int r = output_check(o, &p->arena, err);

	if (!b.jobs)
		b.jobs = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	b.target = b.host;
	if (r == 0 && o->platform)
		r = platform_parse(&p->arena, o->platform, &b.target, err);
	if (r < 0)
		return r;
	b.progress = build_progress_open(o->progress);
	r = build(&b, err);
	build_progress_close(b.progress);
	watch_end(&b);
	graph_free(&b);
	context_close(&b.context);
	file_digests_free(b.digests);
	cleanup_fd(&b.sources.cache);
	pins_close(&b);
	cache_close(&b.cache);
	if (b.failed_bundle) {
		struct error why = {0};

		if (failed_mount(&b, &why) < 0)
			log_warning("--shell-on-fail: %s", why.msg);
		error_hint(err, "%s run -b %s debug opens a shell there; oci-image rm-bundle %s removes it", b.runtime,
			b.failed_bundle, b.failed_bundle);
	}
	sandbox_close(&b);
	arena_free(&b.shared);
	return r;
}
