/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see store.h.  A run directory is locked (flock on its own
 * descriptor) as long as its process lives; whoever can lock another's may remove
 * it.  Names in index.json are canonical references, so foreign tools that pick by
 * org.opencontainers.image.ref.name find them.
 */
#include "image-tools/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/rootless.h"

const char *store_default_path(struct arena *a)
{
	const char *env = getenv("OCI_IMAGE_STORE");

	if (env && *env)
		return env;
	if (geteuid() == 0 && !rootless_active())
		return "/var/lib/oci-image";
	env = getenv("XDG_DATA_HOME");
	if (env && *env == '/')
		return arena_printf(a, "%s/oci-image", env);
	env = getenv("HOME");
	return arena_printf(a, "%s/.local/share/oci-image", env && *env ? env : "");
}

int store_open(struct store *s, struct arena *a, const char *path, struct error *err)
{
	static const char *const dirs[] = { "layers", "bundles", "volumes" };
	int r;

	*s = (struct store){ .arena = a, .gc_lock = -1, .layers = -1, .run = -1, .userns = rootless_active() };
	if (path[0] != '/') {
		char *cwd = getcwd(NULL, 0);

		path = arena_printf(a, "%s/%s", cwd ? cwd : "", path);
		free(cwd);
	}
	s->path = path;
	r = layout_open(&s->layout, path, true, "tmp", err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
		if (mkdirat(s->layout.dir, dirs[i], 0700) < 0 && errno != EEXIST)
			return error_sys(err, errno, "create %s/%s", path, dirs[i]);
	s->layers = openat(s->layout.dir, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	s->gc_lock = openat(s->layout.dir, "gc.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->layers < 0 || s->gc_lock < 0)
		return error_sys(err, errno, "open the store %s", path);
	while (flock(s->gc_lock, LOCK_SH) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "lock %s/gc.lock", path);
	return 0;
}

void store_close(struct store *s)
{
	if (s->run >= 0) {
		close(s->run);
		store_remove_tree(s->layout.parts, s->run_name);
	}
	if (s->layers >= 0)
		close(s->layers);
	if (s->gc_lock >= 0)
		close(s->gc_lock);
	s->run = s->layers = s->gc_lock = -1;
	layout_close(&s->layout);
}

int store_run_dir(struct store *s, struct error *err)
{
	if (s->run >= 0)
		return 0;
	for (int i = 0; i < 100; i++) {
		snprintf(s->run_name, sizeof s->run_name, "run.%d.%d", (int)getpid(), i);
		if (mkdirat(s->layout.parts, s->run_name, 0700) == 0)
			break;
		if (errno != EEXIST)
			return error_sys(err, errno, "create a directory in %s/tmp", s->path);
	}
	s->run = openat(s->layout.parts, s->run_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->run < 0 || flock(s->run, LOCK_EX | LOCK_NB) < 0)
		return error_sys(err, errno, "open a directory in %s/tmp", s->path);
	return 0;
}

static bool id_matches(const struct digest *d, const char *hex, size_t n)
{
	char buf[DIGEST_TEXT_MAX];

	return d->algorithm && strncmp(digest_hex(d, buf), hex, n) == 0;
}

static bool looks_like_id(const char *text, const char **hex)
{
	if (strncmp(text, "sha256:", 7) == 0)
		text += 7;
	*hex = text;
	return strlen(text) >= 6 && strlen(text) <= 64 && strspn(text, "0123456789abcdef") == strlen(text);
}

/* Does the digest of the manifest or of its configuration begin with hex? */
static bool entry_has_id(struct store *s, const struct descriptor *d, const char *hex)
{
	struct manifest m;
	char *buf;
	size_t len;

	if (id_matches(&d->digest, hex, strlen(hex)))
		return true;
	if (media_role(d->media_type) != MEDIA_MANIFEST ||
		layout_blob_read(&s->layout, d, MANIFEST_MAX, s->arena, &buf, &len, NULL) < 0 ||
		manifest_parse(buf, len, "manifest", s->arena, &m, NULL) < 0)
		return false;
	return id_matches(&m.config.digest, hex, strlen(hex));
}

int store_find_reference(struct store *s, const struct reference *ref, struct store_image *image, struct error *err)
{
	struct reference plain = *ref;
	struct image_index x;
	const char *name;
	int r = layout_index_read(&s->layout, s->arena, &x, err);

	if (r < 0)
		return r;
	plain.digest.algorithm = DIGEST_NONE;
	name = reference_canonical(s->arena, ref->digest.algorithm ? ref : &plain);
	for (size_t i = 0; i < x.manifests_count; i++) {
		const char *have = string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);

		if (have && strcmp(have, name) == 0) {
			*image = (struct store_image){ have, x.manifests[i] };
			return 0;
		}
	}
	/* repository@digest finds any image of the repository with that digest. */
	for (size_t i = 0; ref->digest.algorithm && i < x.manifests_count; i++) {
		const char *have = string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);
		const char *repository = reference_repository(s->arena, ref);

		if (have && strncmp(have, repository, strlen(repository)) == 0 &&
			digest_equal(&x.manifests[i].digest, &ref->digest)) {
			*image = (struct store_image){ have, x.manifests[i] };
			return 0;
		}
	}
	error_set(err, ERR_NOT_FOUND, ENOENT, "no image %s in the store", reference_familiar(s->arena, ref));
	error_hint(err, "oci-image pull %s", reference_familiar(s->arena, ref));
	return -ENOENT;
}

int store_find(struct store *s, const char *text, struct store_image *image, struct error *err)
{
	struct reference ref;
	struct error first = { 0 };
	const char *hex;
	int r = -ENOENT;

	if (!(strlen(text) == 64 && looks_like_id(text, &hex)) && strncmp(text, "sha256:", 7) != 0) {
		r = reference_parse(s->arena, text, &ref, &first);
		if (r == 0)
			r = store_find_reference(s, &ref, image, &first);
	}
	if (r == 0)
		return 0;
	if (looks_like_id(text, &hex)) {
		struct image_index x;
		size_t matches = 0;

		r = layout_index_read(&s->layout, s->arena, &x, err);
		if (r < 0)
			return r;
		for (size_t i = 0; i < x.manifests_count; i++) {
			if (!entry_has_id(s, &x.manifests[i], hex))
				continue;
			if (matches++ && !digest_equal(&image->descriptor.digest, &x.manifests[i].digest))
				return error_set(err, ERR_USAGE, EINVAL, "id %s is not unique", text);
			*image = (struct store_image){ string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME),
				x.manifests[i] };
		}
		if (matches)
			return 0;
		if (!first.errnum)
			error_set(&first, ERR_NOT_FOUND, ENOENT, "no image with id %s in the store", text);
	}
	if (err)
		*err = first;
	return -first.errnum;
}

int store_name(struct store *s, const char *canonical, const struct descriptor *d, struct error *err)
{
	return layout_set_name(&s->layout, s->arena, canonical, d, err);
}

static int load_manifest(const struct layout *l, struct arena *a, const struct descriptor *top,
	const struct platform *want, int depth, struct image *image, struct error *err)
{
	struct image_index x;
	const struct descriptor *chosen;
	enum media_role role;
	char *buf;
	size_t len;
	int r = layout_blob_read(l, top, MANIFEST_MAX, a, &buf, &len, err);

	if (r < 0)
		return r;
	r = document_role(buf, len, top->media_type, a, &role, err);
	if (r < 0)
		return r;
	if (role == MEDIA_MANIFEST) {
		image->manifest_descriptor = *top;
		image->manifest_json = buf;
		image->manifest_length = len;
		return manifest_parse(buf, len, "manifest", a, &image->manifest, err);
	}
	if (depth >= 4)
		return error_set(err, ERR_CONFIG, ELOOP, "index: nested deeper than 4 levels");
	r = index_parse(buf, len, "index", a, &x, err);
	if (r == 0)
		r = index_select(&x, want, a, &chosen, err);
	if (r < 0)
		return r;
	return load_manifest(l, a, chosen, want, depth + 1, image, err);
}

int image_load(const struct layout *l, struct arena *a, const struct descriptor *d, const struct platform *want,
	struct image *image, struct error *err)
{
	struct platform host = platform_host();
	int r;

	*image = (struct image){ .top = *d };
	r = load_manifest(l, a, d, want ? want : &host, 0, image, err);
	if (r < 0)
		return r;
	if (media_role(image->manifest.config.media_type) != MEDIA_CONFIG)
		return error_set(err, ERR_CONFIG, EINVAL, "not a container image: its config is %.100s",
			image->manifest.config.media_type ? image->manifest.config.media_type : "of no type");
	r = layout_blob_read(l, &image->manifest.config, IMAGE_CONFIG_MAX, a, &image->config_json, &image->config_length, err);
	if (r == 0)
		r = image_config_parse(image->config_json, image->config_length, "image config", a, &image->config, err);
	if (r < 0)
		return r;
	if (image->config.diff_id_texts.count != image->manifest.layers_count)
		return error_set(err, ERR_CONFIG, EINVAL, "image config lists %zu layers, the manifest %zu",
			image->config.diff_id_texts.count, image->manifest.layers_count);
	return 0;
}

static int remove_contents(int fd, dev_t device)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		close(fd);
		return -errno;
	}
	while ((e = readdir(d))) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			r = -errno;
			continue;
		}
		int child = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (child < 0) {
			r = -errno;
			continue;
		}
		if (fstat(child, &st) < 0 || st.st_dev != device) {
			close(child);
			r = -EBUSY;
			continue;
		}
		if (geteuid() != 0)
			(void)!fchmod(child, 0700);
		int sub = remove_contents(child, device);

		if (sub < 0)
			r = sub;
		if (unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	closedir(d);
	return r;
}

int store_remove_tree(int dir, const char *name)
{
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? (unlinkat(dir, name, 0) < 0 ? -errno : 0) : -errno;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -errno;
	}
	r = remove_contents(fd, st.st_dev);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
		return r < 0 ? r : -errno;
	return r;
}

const char *store_layer_name(struct arena *a, const struct digest *diff_id)
{
	char hex[DIGEST_TEXT_MAX];

	return arena_printf(a, "%s-%s", digest_algorithm_name(diff_id->algorithm), digest_hex(diff_id, hex));
}

const char *store_layer_chain_name(struct arena *a, const struct digest *chain)
{
	char hex[DIGEST_TEXT_MAX];

	return arena_printf(a, "chain-%s", digest_hex(chain, hex));
}

bool store_layer_exists(const struct store *s, const char *name)
{
	char path[320], made[64] = "", now[64] = "";
	struct stat st;
	_cleanup_fd_ int boot = -1, marker = -1;

	if (fstatat(s->layers, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return false;
	snprintf(path, sizeof path, "%.250s/" STORE_UNSYNCED, name);
	marker = openat(s->layers, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (marker < 0)
		return true;
	boot = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	(void)!fd_read_full(marker, made, sizeof made - 1);
	if (boot < 0 || fd_read_full(boot, now, sizeof now - 1) <= 0 || strcmp(made, now) == 0)
		return true;
	store_remove_tree(s->layers, name);
	return false;
}

static const char *bundle_file(struct store *s, const char *bundle)
{
	struct digest d;
	char hex[DIGEST_TEXT_MAX];

	digest_of(DIGEST_SHA256, bundle, strlen(bundle), &d);
	return arena_printf(s->arena, "%.32s.json", digest_hex(&d, hex));
}

int store_bundle_record(struct store *s, const char *bundle, const char *image, const char *const *layers, size_t n,
	struct error *err)
{
	_cleanup_fd_ int dir = openat(s->layout.dir, "bundles", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct json_writer w;
	const char *text;
	size_t len;
	int r;

	json_writer_init(&w, s->arena, true);
	json_write_object(&w);
	json_write_member_string(&w, "bundle", bundle);
	json_write_member_string(&w, "image", image);
	json_write_member_array(&w, "layers");
	for (size_t i = 0; i < n; i++)
		json_write_string(&w, layers[i]);
	json_write_end_array(&w);
	json_write_end_object(&w);
	text = json_writer_finish(&w, &len);
	r = dir < 0 ? -errno : fd_replace_file_durable(dir, bundle_file(s, bundle), text, len, 0600);
	return r < 0 ? error_sys(err, -r, "record bundle %s in the store", bundle) : 0;
}

int store_bundle_forget(struct store *s, const char *bundle)
{
	_cleanup_fd_ int dir = openat(s->layout.dir, "bundles", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return unlinkat(dir, bundle_file(s, bundle), 0) < 0 ? -errno : 0;
}
