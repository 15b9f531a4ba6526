/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: --shell-on-fail.  What a failed RUN had written becomes the upper
 * layer of a bundle below <store>/failed/, over the layers it ran on, with the step's
 * user, directory and variables and a shell as its program.  It is mounted in the host's
 * namespace when the build has left its own.  Mounts of the step and values of secrets
 * are not kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/build/internal.h"

static int write_config(struct run_request *q, int dir, const char *path, struct error *err)
{
	static const struct bundle_options defaults = {.entrypoint = ""};
	struct build_stage *s = q->stage;
	struct arena *a = &s->arena;
	struct bundle_options options = defaults;
	struct image image = {.config = s->config};
	struct bundle_mount mounts[] = {
		{"/etc/resolv.conf", "bind", arena_printf(a, "%s/resolv.conf", path), {"bind", "rprivate"}},
		{"/etc/hosts", "bind", arena_printf(a, "%s/hosts", path), {"bind", "rprivate"}},
	};
	struct bundle_spec spec = {.image = &image,
		.options = &options,
		.user = q->user,
		.bundle = path,
		.program = "/proc/self/exe",
		.mounts = mounts,
		.mounts_count = 2,
		.unprivileged = geteuid() != 0};
	const char *text;
	size_t len;
	int r;

	string_list_add(a, &options.args, s->config.config.shell.count ? s->config.config.shell.items[0] : "/bin/sh");
	options.workdir = s->config.config.working_dir;
	options.hostname = "failed";
	options.privileged = q->in->insecure;
	options.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	/* The build's own network namespace ends with it. */
	options.net = q->in->network == DOCKERFILE_NETWORK_NONE ? "none" : "host";
	image.config.config.env = q->env;
	image.config.config.labels = (struct string_map){0};
	text = bundle_spec_write(a, &spec, &len, err);
	if (!text)
		return -EINVAL;
	r = fd_replace_file(dir, "config.json", text, len, 0644);
	return r < 0 ? error_sys(err, -r, "write %s/config.json", path) : 0;
}

static int write_info(struct build_stage *s, int dir, const char *path, struct error *err)
{
	const char **names = arena_array(&s->arena, const char *, s->layers_count + 1), *text;
	struct json_writer w;
	size_t len;
	int r;

	json_writer_init(&w, &s->arena, true);
	json_write_object(&w);
	json_write_member_string(&w, "image", s->name);
	json_write_member_string(&w, "manifest", "none");
	json_write_member_string(&w, "store", s->store.path);
	json_write_member_bool(&w, "overlay", s->layers_count > 0);
	json_write_member_array(&w, "layers");
	for (size_t i = 0; i < s->layers_count; i++)
		json_write_string(&w, names[i] = s->layers[i].name);
	json_write_end_array(&w);
	json_write_end_object(&w);
	text = json_writer_finish(&w, &len);
	r = fd_replace_file(dir, "bundle.json", text, len, 0644);
	if (r < 0)
		return error_sys(err, -r, "write %s/bundle.json", path);
	return store_bundle_record(&s->store, path, s->name, names, s->layers_count, err);
}

static int copy_file(struct run_request *q, int dir, const char *name)
{
	char *text;
	size_t len;
	int r = fd_read_file(AT_FDCWD, arena_printf(&q->stage->arena, "%s/%s", q->bundle, name), &q->stage->arena,
		1 << 20, &text, &len);

	return r < 0 ? r : fd_replace_file(dir, name, text, len, 0644);
}

int failed_keep(struct run_request *q, struct scratch *x, struct error *err)
{
	struct build_stage *s = q->stage;
	struct builder *b = s->b;
	const char *name = arena_printf(&s->arena, "failed/%s", q->id),
		   *path = arena_printf(&s->arena, "%s/%s", s->store.path, name);
	/* Without layers below, what it wrote is the whole root. */
	const char *tree = s->layers_count ? "upper" : "rootfs";
	_cleanup_fd_ int dir = -1;
	int r = 0;

	if ((mkdirat(s->store.layout.dir, "failed", 0700) < 0 && errno != EEXIST) ||
		mkdirat(s->store.layout.dir, name, 0755) < 0)
		return error_sys(err, errno, "create %s", path);
	dir = openat(s->store.layout.dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 || renameat(x->dir, "fs", dir, tree) < 0)
		return error_sys(err, errno, "keep the failed step in %s", path);
	r = s->layers_count && mkdirat(dir, "rootfs", 0755) < 0 ? -errno : copy_file(q, dir, "hosts");
	if (r == 0)
		r = copy_file(q, dir, "resolv.conf");
	if (r < 0)
		return error_sys(err, -r, "keep the failed step in %s", path);
	r = write_config(q, dir, path, err);
	if (r == 0)
		r = write_info(s, dir, path, err);
	if (r == 0) {
		pthread_mutex_lock(&b->lock);
		b->failed_bundle = arena_strdup(&b->shared, path);
		pthread_mutex_unlock(&b->lock);
	}
	return r;
}

int failed_mount(struct builder *b, struct error *err)
{
	int r = sandbox_leave(b, err);

	return r < 0 ? r : bundle_mount(&b->p->store, b->failed_bundle, err);
}
