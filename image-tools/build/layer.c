/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a step's upper directory is brought into the form in which it
 * would come out of its own tar file (times clamped, whole seconds), hashed as tar
 * without compressing anything, and renamed to layers/.  So a layer costs one walk, and
 * the layers of stages that only lend a file are never compressed.
 *
 * A name below layers/ promises a complete layer, after a crash too.  Syncing a file
 * system for every step would cost more than the step; so a new layer carries a file
 * "unsynced" with the boot's id until one syncfs at the end of the build.  Whoever finds
 * it with the id of another boot knows that the machine went down in between and takes
 * the layer for missing (store_layer_exists()).
 */
#include "image-tools/build/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/layer/diff.h"
#include "image-tools/store/unpacked.h"

#define DEPTH_MAX 512

static struct {
	pthread_mutex_t lock;
	char **names;
	size_t count;
} unsynced = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int make(int parent, const char *name, mode_t mode)
{
	if (mkdirat(parent, name, mode) < 0)
		return -errno;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int scratch_begin(struct scratch *x, const struct store *s, struct error *err)
{
	char work[40];

	*x = (struct scratch){.dir = -1, .fs = -1, .work = -1};
	unpacked_scratch_name(x->name);
	snprintf(work, sizeof work, "%s.work", x->name);
	x->dir = make(s->run, x->name, 0700);
	if (x->dir >= 0)
		x->fs = make(x->dir, "fs", 0755);
	if (x->fs >= 0)
		x->work = make(s->run, work, 0700);
	if (x->work < 0)
		return error_sys(err,
			x->dir < 0  ? -x->dir
			: x->fs < 0 ? -x->fs
				    : -x->work,
			"create a directory in %s/tmp", s->path);
	return 0;
}

void scratch_end(struct scratch *x, const struct store *s)
{
	char work[40];

	if (!x->name[0])
		return;
	cleanup_fd(&x->dir);
	cleanup_fd(&x->fs);
	cleanup_fd(&x->work);
	snprintf(work, sizeof work, "%s.work", x->name);
	store_remove_tree(s->run, work);
	store_remove_tree(s->run, x->name);
	*x = (struct scratch){.dir = -1, .fs = -1, .work = -1};
}

static int clamp(int dir, const char *name, const struct stat *st, int64_t epoch)
{
	int64_t t = st->st_mtim.tv_sec > epoch ? epoch : st->st_mtim.tv_sec;
	struct timespec times[2] = {{.tv_sec = t}, {.tv_sec = t}};

	if (st->st_mtim.tv_sec == t && st->st_mtim.tv_nsec == 0)
		return 0;
	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Everything below dir; directories after what they hold. */
static int clamp_tree(int dir, int64_t epoch, int depth)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = depth > DEPTH_MAX ? -ELOOP : 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (!d) {
		cleanup_fd(&copy);
		return -errno;
	}
	while (r == 0 && (e = readdir(d))) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = -errno;
			break;
		}
		if (S_ISDIR(st.st_mode)) {
			_cleanup_fd_ int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			r = sub < 0 ? -errno : clamp_tree(sub, epoch, depth + 1);
		}
		if (r == 0)
			r = clamp(dir, e->d_name, &st, epoch);
	}
	closedir(d);
	return r;
}

struct counted {
	struct digest_stream stream;
};

static int to_digest(void *opaque, const void *buf, size_t size, struct error *err)
{
	struct counted *c = opaque;

	(void)err;
	digest_feed(&c->stream, buf, size);
	return 0;
}

static int hash_upper(int fs, struct digest *d, struct error *err)
{
	struct counted c;
	struct tar_writer w = {.sink = to_digest, .opaque = &c};
	int r;

	if (digest_begin(&c.stream, DIGEST_SHA256) < 0)
		return error_sys(err, ENOMEM, "hash a layer");
	r = diff_write_upper(fs, &w, err);
	if (r < 0)
		digest_abort(&c.stream);
	else
		digest_end(&c.stream, d);
	return r;
}

static int describe(int dir, const struct digest *diff_id)
{
	char text[256], digest[DIGEST_TEXT_MAX], boot[64] = "";
	_cleanup_fd_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, boot, sizeof boot - 1);
	int len = snprintf(text, sizeof text, "{\"diffId\":\"%s\"}\n", digest_format(diff_id, digest));
	int r = fd_create_file(dir, "meta.json", text, (size_t)len, 0644);

	return r < 0 ? r : fd_create_file(dir, STORE_UNSYNCED, boot, n > 0 ? (size_t)n : 0, 0644);
}

int scratch_publish(struct scratch *x, const struct store *s, struct arena *a, int64_t epoch, struct build_layer *layer,
	struct error *err)
{
	int r = clamp_tree(x->fs, epoch, 0);

	if (r == 0 && futimens(x->fs, (struct timespec[]){{.tv_sec = epoch}, {.tv_sec = epoch}}) < 0)
		r = -errno;
	if (r < 0)
		return error_sys(err, -r, "set the times of a layer");
	*layer = (struct build_layer){0};
	r = hash_upper(x->fs, &layer->diff_id, err);
	if (r < 0)
		return r;
	layer->name = store_layer_name(a, &layer->diff_id);
	if (store_layer_exists(s, layer->name))
		return 0; /* scratch_end() removes ours */
	r = describe(x->dir, &layer->diff_id);
	if (r < 0)
		return error_sys(err, -r, "describe layer %s", layer->name);
	if (renameat(s->run, x->name, s->layers, layer->name) < 0) {
		if (errno == EEXIST || errno == ENOTEMPTY)
			return 0;
		return error_sys(err, errno, "store layer %s", layer->name);
	}
	pthread_mutex_lock(&unsynced.lock);
	char **bigger = realloc(unsynced.names, (unsynced.count + 1) * sizeof *bigger);

	if (bigger) {
		unsynced.names = bigger;
		unsynced.names[unsynced.count++] = strdup(layer->name);
	}
	pthread_mutex_unlock(&unsynced.lock);
	return 0;
}

int layers_sync(const struct store *s, struct error *err)
{
	int r = 0;

	pthread_mutex_lock(&unsynced.lock);
	if (unsynced.count && syncfs(s->layers) < 0)
		r = error_sys(err, errno, "sync %s/layers", s->path);
	for (size_t i = 0; i < unsynced.count; i++) {
		char path[300];

		snprintf(path, sizeof path, "%.200s/" STORE_UNSYNCED, unsynced.names[i]);
		if (r == 0)
			unlinkat(s->layers, path, 0);
		free(unsynced.names[i]);
	}
	free(unsynced.names);
	unsynced.names = NULL;
	unsynced.count = 0;
	pthread_mutex_unlock(&unsynced.lock);
	return r;
}

int layer_compress(const struct store *s, struct arena *a, enum codec codec, int level, const struct build_layer *layer,
	struct descriptor *d, struct error *err)
{
	_cleanup_fd_ int fs =
		openat(s->layers, arena_printf(a, "%s/fs", layer->name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct layer_writer l;
	struct tar_writer w = {.sink = layer_write, .opaque = &l};
	struct digest diff_id;
	int r;

	if (fs < 0)
		return error_sys(err, errno, "open layer %s", layer->name);
	r = layer_begin(&l, &s->layout, codec, level, err);
	if (r < 0)
		return r;
	r = diff_write_upper(fs, &w, err);
	if (r < 0) {
		layer_abort(&l);
		return r;
	}
	r = layer_commit(&l, a, d, &diff_id, err);
	if (r == 0 && !digest_equal(&diff_id, &layer->diff_id)) {
		error_set(err, ERR_CORRUPT, EBADMSG, "layer %s has changed on disk since it was built", layer->name);
		error_hint(err, "build again with --no-cache");
		return -EBADMSG;
	}
	return r;
}
