/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a layer grows in <run>/<scratch>/fs.  When its stream has
 * ended, both digests fit and the file system is synced, <scratch> is renamed to
 * its name below layers/; so a name means a complete layer, after a crash too.  Two
 * processes may unpack the same layer: the second rename finds the name taken and
 * throws its copy away.
 */
#include "image-tools/store/unpacked.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/layer/worker.h"

#define DEPENDENT_FILE "dependent"

void unpacked_scratch_name(char name[static 32])
{
	static atomic_uint counter;

	snprintf(name, 32, "s%u", atomic_fetch_add(&counter, 1));
}

static int make_scratch(const struct store *s, char name[static 32], int *dir, int *fs, struct error *err)
{
	unpacked_scratch_name(name);
	if (mkdirat(s->run, name, 0700) < 0)
		return error_sys(err, errno, "create a directory in %s/tmp", s->path);
	*dir = openat(s->run, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*dir < 0 || mkdirat(*dir, "fs", 0755) < 0)
		return error_sys(err, errno, "create a directory in %s/tmp", s->path);
	*fs = openat(*dir, "fs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *fs < 0 ? error_sys(err, errno, "open a directory in %s/tmp", s->path) : 0;
}

static int write_meta(int dir, const struct apply_result *result)
{
	char text[256], digest[DIGEST_TEXT_MAX];
	int n = snprintf(text, sizeof text, "{\"diffId\":\"%s\",\"entries\":%llu,\"bytes\":%llu}\n",
		digest_format(&result->diff_id, digest), (unsigned long long)result->entries,
		(unsigned long long)result->bytes);
	_cleanup_fd_ int fd = -1;
	int r = fd_replace_file(dir, "meta.json", text, (size_t)n, 0644);

	if (r == 0 && result->dependent) {
		fd = openat(dir, DEPENDENT_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		r = fd < 0 ? -errno : 0;
	}
	return r;
}

static int publish(const struct store *s, int dir, int fs, const char *scratch, const char *name,
	const struct apply_result *result, struct error *err)
{
	int r = write_meta(dir, result);

	if (r < 0)
		return error_sys(err, -r, "describe layer %s", name);
	if (syncfs(fs) < 0)
		return error_sys(err, errno, "sync layer %s", name);
	if (renameat(s->run, scratch, s->layers, name) < 0) {
		if (errno != EEXIST && errno != ENOTEMPTY)
			return error_sys(err, errno, "store layer %s", name);
		store_remove_tree(s->run, scratch);
	}
	return 0;
}

int unpacked_sync_names(const struct store *s, struct error *err)
{
	return fsync(s->layers) < 0 ? error_sys(err, errno, "sync %s/layers", s->path) : 0;
}

static int check_diff_id(const struct digest *want, const struct digest *found, struct error *err)
{
	char a[DIGEST_TEXT_MAX], b[DIGEST_TEXT_MAX];

	if (digest_equal(want, found))
		return 0;
	return error_set(err, ERR_CORRUPT, EBADMSG, "layer: the image config promises diff-id %s, the content has %s",
		digest_format(want, a), digest_format(found, b));
}

static int apply_to(const struct apply_options *options, const struct digest *diff_id, const struct layer_source *source,
	struct apply_result *result, struct error *err)
{
	int r = worker_apply(source, diff_id->algorithm, options, result, err);

	return r == 0 ? check_diff_id(diff_id, &result->diff_id, err) : r;
}

int unpacked_from_stream(const struct store *s, const struct digest *diff_id, bool first,
	const struct layer_source *source, bool *dependent, struct error *err)
{
	struct arena a = ARENA_INIT;
	_cleanup_fd_ int dir = -1, fs = -1;
	const char *name = store_layer_name(&a, diff_id);
	struct apply_result result = { 0 };
	char scratch[32];
	int r;

	*dependent = false;
	r = make_scratch(s, scratch, &dir, &fs, err);
	if (r == 0)
		r = apply_to(&(struct apply_options){ .root = fs, .overlay = true, .userns = s->userns,
				      .squash = s->single_id }, diff_id, source, &result, err);
	if (result.dependent && !first && (r == 0 || r == -EXDEV)) {
		*dependent = true;
		if (r < 0)
			error_clear(err);
		store_remove_tree(s->run, scratch);
		arena_free(&a);
		return 0;
	}
	if (r == 0)
		r = publish(s, dir, fs, scratch, name, &result, err);
	if (r < 0)
		store_remove_tree(s->run, scratch);
	arena_free(&a);
	return r;
}

static bool usable_alone(const struct store *s, struct arena *a, const char *name, bool first)
{
	if (!store_layer_exists(s, name))
		return false;
	return first || faccessat(s->layers, arena_printf(a, "%s/" DEPENDENT_FILE, name), F_OK, 0) < 0;
}

bool unpacked_present(const struct store *s, struct arena *a, const struct image *image, const char **names)
{
	const struct digest *ids = image->config.diff_ids;

	for (size_t i = 0; i < image->manifest.layers_count; i++) {
		struct digest chain;

		names[i] = store_layer_name(a, &ids[i]);
		if (usable_alone(s, a, names[i], i == 0))
			continue;
		if (i == 0 || chain_id(ids, i + 1, &chain) < 0)
			return false;
		names[i] = store_layer_chain_name(a, &chain);
		if (!store_layer_exists(s, names[i]))
			return false;
	}
	return true;
}

static int open_blob(const struct store *s, const struct descriptor *d, struct error *err)
{
	char text[DIGEST_TEXT_MAX];
	int fd = d->digest.algorithm ? layout_blob_open(&s->layout, &d->digest, NULL) : -EOPNOTSUPP;

	if (fd >= 0)
		return fd;
	error_set(err, ERR_NOT_FOUND, -fd, "layer %s is not in the store",
		d->digest.algorithm ? digest_format(&d->digest, text) : d->digest_text);
	error_hint(err, "pull the image again");
	return fd;
}

/* Apply the layer i upon an overlay of those below. */
static int make_dependent(struct store *s, const struct image *image, const char *const *names, size_t i,
	const char *name, struct error *err)
{
	_cleanup_fd_ int dir = -1, fs = -1, work = -1, merged = -1, blob = -1;
	struct apply_result result;
	char scratch[32];
	int r = make_scratch(s, scratch, &dir, &fs, err);

	if (r < 0)
		return r;
	blob = open_blob(s, &image->manifest.layers[i], err);
	if (blob < 0)
		return blob;
	if (mkdirat(dir, "work", 0700) < 0)
		return error_sys(err, errno, "create a directory in %s/tmp", s->path);
	work = openat(dir, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	merged = unpacked_overlay(s, names, i, fs, work, err);
	if (merged < 0)
		return merged;
	r = apply_to(&(struct apply_options){ .root = merged, .userns = s->userns, .squash = s->single_id }, &image->config.diff_ids[i],
		&(struct layer_source){ .fd = blob }, &result, err);
	close(fd_take(&merged));
	store_remove_tree(dir, "work");
	if (r == 0) {
		result.dependent = false;
		r = publish(s, dir, fs, scratch, name, &result, err);
	}
	if (r < 0)
		store_remove_tree(s->run, scratch);
	return r;
}

int unpacked_ensure(struct store *s, const struct image *image, const char ***out, struct error *err)
{
	const struct digest *ids = image->config.diff_ids;
	size_t n = image->manifest.layers_count;
	const char **names = arena_array(s->arena, const char *, n + 1);
	int r = store_run_dir(s, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		_cleanup_fd_ int blob = -1;
		struct digest chain;
		bool dependent = false;

		names[i] = store_layer_name(s->arena, &ids[i]);
		if (usable_alone(s, s->arena, names[i], i == 0))
			continue;
		r = chain_id(ids, i + 1, &chain);
		if (r < 0)
			return error_sys(err, -r, "compute a chain id");
		if (i > 0 && store_layer_exists(s, store_layer_chain_name(s->arena, &chain))) {
			names[i] = store_layer_chain_name(s->arena, &chain);
			continue;
		}
		blob = open_blob(s, &image->manifest.layers[i], err);
		if (blob < 0)
			return blob;
		r = unpacked_from_stream(s, &ids[i], i == 0, &(struct layer_source){ .fd = blob }, &dependent, err);
		if (r == 0 && dependent) {
			names[i] = store_layer_chain_name(s->arena, &chain);
			r = make_dependent(s, image, names, i, names[i], err);
		}
	}
	*out = names;
	/* Also for those that another process has just made. */
	return r == 0 ? unpacked_sync_names(s, err) : r;
}

int unpacked_flat(const struct store *s, const struct image *image, int root, bool squash, struct error *err)
{
	return unpacked_flat_mapped(s, image, root, squash, NULL, NULL, err);
}

int unpacked_flat_mapped(const struct store *s, const struct image *image, int root, bool squash,
	const struct id_map *uids, const struct id_map *gids, struct error *err)
{
	struct apply_options options = { .root = root, .userns = s->userns, .squash = squash || s->single_id };


	if (uids)
		options.uids = *uids;
	if (gids)
		options.gids = *gids;
	for (size_t i = 0; i < image->manifest.layers_count; i++) {
		_cleanup_fd_ int blob = open_blob(s, &image->manifest.layers[i], err);
		struct apply_result result;
		int r;

		if (blob < 0)
			return blob;
		r = apply_to(&options, &image->config.diff_ids[i], &(struct layer_source){ .fd = blob }, &result, err);
		if (r < 0)
			return error_wrap(err, "layer %zu", i + 1);
		if (result.devices_skipped)
			log_warning("layer %zu: %llu device nodes left out (only root can make them)", i + 1,
				(unsigned long long)result.devices_skipped);
	}
	return 0;
}

static int set_option(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

/* fsconfig() takes at most 255 bytes: a long path is replaced by one through its descriptor. */
#define OPTION_MAX 255

static int set_directory(int fs, const char *key, int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	return set_option(fs, key, n > 0 && n <= OPTION_MAX ? path : link);
}

static bool repeated(const char *const *names, size_t n, size_t i)
{
	for (size_t k = i + 1; k < n; k++)
		if (strcmp(names[i], names[k]) == 0)
			return true;
	return false;
}

static int set_layers(const struct store *s, int fs, const char *const *names, size_t n)
{
	char text[PATH_MAX];
	int r = 0;

	/* Topmost first.  overlayfs takes no directory twice; below itself a layer changes nothing. */
	for (size_t i = n; r == 0 && i-- > 0;) {
		if (repeated(names, n, i))
			continue;
		if (snprintf(text, sizeof text, "%s/layers/%s/fs", s->path, names[i]) > OPTION_MAX)
			snprintf(text, sizeof text, "/proc/self/fd/%d/%s/fs", s->layers, names[i]);
		r = set_option(fs, "lowerdir+", text);
	}
	if (r == -EINVAL && n <= 2) {
		char one[512];
		int len = 0;

		for (size_t i = n; i-- > 0;)
			if (!repeated(names, n, i))
				len += snprintf(one + len, sizeof one - (size_t)len, "%s/proc/self/fd/%d/%s/fs",
					len ? ":" : "", s->layers, names[i]);
		r = len < 256 ? set_option(fs, "lowerdir", one) : -E2BIG;
	}
	return r;
}

static void kernel_message(int fs, char *buf, size_t size)
{
	ssize_t n = read(fs, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

/* overlayfs merges two things at least: one layer to be read is a mount of its directory. */
static int mount_alone(const struct store *s, const char *name, struct error *err)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
	char path[512];
	_cleanup_fd_ int fd = -1;

	snprintf(path, sizeof path, "%s/fs", name);
	fd = (int)syscall(SYS_open_tree, s->layers, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
		return error_sys(err, errno, "mount layer %s", name);
	return fd_take(&fd);
}

static int mount_overlay(const struct store *s, const char *const *names, size_t n, int upper, int work, bool fleeting,
	struct error *err)
{
	_cleanup_fd_ int fs = -1;
	size_t distinct = 0;
	char why[256];
	int r, fd;

	for (size_t i = 0; i < n; i++)
		distinct += !repeated(names, n, i);
	if (upper < 0 && distinct == 1)
		return mount_alone(s, names[n - 1], err);
	fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return error_sys(err, errno, "open file system overlay");
	r = set_option(fs, "source", "oci-image");
	if (r == 0)
		r = set_layers(s, fs, names, n);
	if (r == 0 && upper >= 0)
		r = set_directory(fs, "upperdir", upper);
	if (r == 0 && work >= 0)
		r = set_directory(fs, "workdir", work);
	/* What is written becomes a layer for other tools: nothing in it may refer to this mount. */
	if (r == 0 && upper >= 0 && !s->userns) {
		(void)set_option(fs, "redirect_dir", "off");
		(void)set_option(fs, "metacopy", "off");
	}
	if (r == 0 && s->userns)
		r = syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0 ? -errno : 0;
	/* Linux 5.10 has it; without it everything is only slower. */
	if (r == 0 && fleeting)
		(void)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0);
	if (r == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	if (r < 0) {
		kernel_message(fs, why, sizeof why);
		return error_sys(err, -r, "mount an overlay of %zu layers%s%s", n, *why ? ": " : "", why);
	}
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? error_sys(err, errno, "mount an overlay") : fd;
}

int unpacked_overlay(const struct store *s, const char *const *names, size_t n, int upper, int work, struct error *err)
{
	return mount_overlay(s, names, n, upper, work, false, err);
}

int unpacked_overlay_volatile(const struct store *s, const char *const *names, size_t n, int upper, int work,
	struct error *err)
{
	return mount_overlay(s, names, n, upper, work, true, err);
}
