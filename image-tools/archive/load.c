/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one pass, so a pipe will do.  A process without privileges
 * (layer/plain) takes the tar apart.  Every regular file becomes a blob
 * of the store under the digest of its content; a table remembers which name had which
 * digest (links are resolved in it, never on disk).  The small index files are read
 * back from there at the end; blobs that nothing names are gc's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/archive/archive_image.h"
#include "image-tools/layer/apply.h"
#include "image-tools/layer/apply_internal.h"
#include "image-tools/layer/plain.h"

#define FILES_MAX 100000u

struct member {
	const char *path, *link;
	struct digest digest;
	uint64_t size;
	char magic[4];
};

struct load {
	struct program *p;
	struct plain *plain;
	struct member *members;
	size_t count, capacity;
};

struct docker_image {
	const char *config;
	struct string_list tags, layers;
};
struct docker_manifest {
	struct docker_image *items;
	size_t count;
};
static const struct json_field docker_fields[] = {
	JSON_F(JSON_STRING, struct docker_image, config, "Config", .required = true),
	JSON_F_LIST(JSON_STRINGS, struct docker_image, tags, "RepoTags"),
	JSON_F_LIST(JSON_STRINGS, struct docker_image, layers, "Layers", .required = true),
};
static const struct json_object docker_object = JSON_OBJECT_OF("image", struct docker_image, docker_fields);
static const struct json_field docker_root = { .name = "", .kind = JSON_OBJECTS, .object = &docker_object,
	.offset = offsetof(struct docker_manifest, items), .count_offset = offsetof(struct docker_manifest, count) };

static struct member *add_member(struct load *l, const char *path)
{
	if (l->count == l->capacity) {
		size_t bigger = l->capacity ? l->capacity * 2 : 64;

		l->members = arena_grow(&l->p->arena, l->members, l->capacity * sizeof *l->members, bigger * sizeof *l->members);
		l->capacity = bigger;
	}
	l->members[l->count] = (struct member){ .path = path };
	return &l->members[l->count++];
}

static int store_member(struct load *l, struct member *m, struct error *err)
{
	char buf[65536];
	struct blob_writer b;
	ssize_t n;
	int r = blob_begin(&b, &l->p->store.layout, DIGEST_SHA256, err);

	if (r < 0)
		return r;
	while (r == 0 && (n = plain_read(l->plain, buf, sizeof buf, err)) != 0) {
		for (size_t i = 0; n > 0 && b.stream.length + i < sizeof m->magic && i < (size_t)n; i++)
			m->magic[b.stream.length + i] = buf[i];
		r = n < 0 ? (int)n : blob_write(&b, buf, (size_t)n, err);
	}
	m->size = b.stream.length;
	if (r < 0) {
		blob_abort(&b);
		return r;
	}
	return blob_commit(&b, NULL, &m->digest, err);
}

static int read_members(struct load *l, struct error *err)
{
	struct arena *a = &l->p->arena;
	struct plain_member e;
	int r;

	while ((r = plain_next(l->plain, &e, err)) > 0) {
		char path[APPLY_PATH_MAX], target[APPLY_PATH_MAX];
		const char *link = e.type == '1' ? e.link : NULL;
		struct member *m;

		if (apply_clean_path(e.path, path) < 0 || l->count >= FILES_MAX)
			return error_set(err, ERR_CONFIG, EINVAL, "archive: member \"%.200s\" is not acceptable", e.path);
		if (e.type == '5')
			continue;
		m = add_member(l, arena_strdup(a, path));
		if (e.type == '2') {
			char *slash = strrchr(path, '/');

			link = arena_printf(a, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, e.link);
		}
		if (link) {
			if (apply_clean_path(link, target) < 0)
				return error_set(err, ERR_CONFIG, EINVAL, "archive: link \"%.200s\" leaves the archive", e.path);
			m->link = arena_strdup(a, target);
		} else if (e.type == '0') {
			r = store_member(l, m, err);
			if (r < 0)
				return r;
		}
	}
	return r;
}

static const struct member *find_member(const struct load *l, const char *path, int depth)
{
	char clean[APPLY_PATH_MAX];

	if (depth > 8 || apply_clean_path(path, clean) < 0)
		return NULL;
	for (size_t i = l->count; i-- > 0;) {
		if (strcmp(l->members[i].path, clean) == 0)
			return l->members[i].link ? find_member(l, l->members[i].link, depth + 1) :
				l->members[i].digest.algorithm ? &l->members[i] : NULL;
	}
	return NULL;
}

static int read_member(const struct load *l, const struct member *m, char **buf, size_t *len, struct error *err)
{
	struct descriptor d = { .digest = m->digest, .digest_text = m->path, .size = (int64_t)m->size };

	return layout_blob_read(&l->p->store.layout, &d, JSON_MAX_INPUT, &l->p->arena, buf, len, err);
}

static const char *layer_type(const struct member *m)
{
	if ((uint8_t)m->magic[0] == 0x1f && (uint8_t)m->magic[1] == 0x8b)
		return MEDIA_OCI_LAYER_GZIP;
	if (memcmp(m->magic, "\x28\xb5\x2f\xfd", 4) == 0)
		return MEDIA_OCI_LAYER_ZSTD;
	return MEDIA_OCI_LAYER;
}

/* Docker's archive has no manifest: make one. */
static int docker_one(struct load *l, const struct docker_image *image, archive_image *fn, void *opaque, struct error *err)
{
	struct arena *a = &l->p->arena;
	const struct member *config = find_member(l, image->config, 0);
	struct manifest m = { .media_type = MEDIA_OCI_MANIFEST };
	struct image_config c;
	struct descriptor d;
	struct digest digest;
	const char *text;
	char *buf;
	size_t len;
	int r;

	if (!config)
		return error_set(err, ERR_CONFIG, EINVAL, "archive: manifest.json names %.200s, which is missing", image->config);
	r = read_member(l, config, &buf, &len, err);
	if (r == 0)
		r = image_config_parse(buf, len, "image config", a, &c, err);
	if (r < 0)
		return r;
	if (c.diff_id_texts.count != image->layers.count)
		return error_set(err, ERR_CONFIG, EINVAL, "archive: %zu layers, but the config lists %zu", image->layers.count,
			c.diff_id_texts.count);
	m.config = descriptor_make(a, MEDIA_OCI_CONFIG, &config->digest, config->size);
	m.layers = arena_array(a, struct descriptor, image->layers.count + 1);
	m.layers_count = image->layers.count;
	for (size_t i = 0; i < m.layers_count; i++) {
		const struct member *layer = find_member(l, image->layers.items[i], 0);

		if (!layer)
			return error_set(err, ERR_CONFIG, EINVAL, "archive: layer %.200s is missing", image->layers.items[i]);
		if (strcmp(layer_type(layer), MEDIA_OCI_LAYER) == 0 && !digest_equal(&layer->digest, &c.diff_ids[i]))
			return error_set(err, ERR_CORRUPT, EBADMSG, "archive: layer %.200s does not have its diff-id",
				image->layers.items[i]);
		m.layers[i] = descriptor_make(a, layer_type(layer), &layer->digest, layer->size);
	}
	text = manifest_write(a, &m, &len);
	r = layout_blob_put(&l->p->store.layout, text, len, &digest, err);
	if (r < 0)
		return r;
	d = descriptor_make(a, MEDIA_OCI_MANIFEST, &digest, len);
	return fn(opaque, &d, image->tags.items, image->tags.count, err);
}

static int take_oci(struct load *l, const struct member *index, archive_image *fn, void *opaque, struct error *err)
{
	struct image_index x;
	char *buf;
	size_t len;
	int r = read_member(l, index, &buf, &len, err);

	if (r == 0)
		r = index_parse(buf, len, "index.json", &l->p->arena, &x, err);
	for (size_t i = 0; r == 0 && i < x.manifests_count; i++) {
		struct descriptor d = x.manifests[i];
		const char *name = string_map_get(&d.annotations, "io.containerd.image.name");

		if (!name)
			name = string_map_get(&d.annotations, ANNOTATION_REF_NAME);
		d.annotations = (struct string_map){ 0 };
		if (!layout_blob_exists(&l->p->store.layout, &d.digest, d.size))
			return error_set(err, ERR_CONFIG, EINVAL, "archive: %s is missing", d.digest_text);
		r = fn(opaque, &d, &name, name != NULL, err);
	}
	return r;
}

static int take_images(struct load *l, archive_image *fn, void *opaque, struct error *err)
{
	const struct member *docker = find_member(l, "manifest.json", 0), *index = find_member(l, "index.json", 0);
	struct docker_manifest list = { 0 };
	struct json_errors errors = { 0 };
	char *buf;
	size_t len;
	int r;

	if (index && find_member(l, "oci-layout", 0))
		return take_oci(l, index, fn, opaque, err);
	if (!docker)
		return error_set(err, ERR_CONFIG, EINVAL, "archive: neither index.json nor manifest.json; for a root filesystem use import");
	r = read_member(l, docker, &buf, &len, err);
	if (r < 0)
		return r;
	if (json_read_field(&docker_root, buf, len, &l->p->arena, &list, &errors) < 0) {
		json_errors_first(&errors, ERR_CONFIG, NULL, err);
		return error_wrap(err, "archive: manifest.json");
	}
	for (size_t i = 0; r == 0 && i < list.count; i++)
		r = docker_one(l, &list.items[i], fn, opaque, err);
	return r;
}

int archive_load(struct program *p, const char *file, archive_image *fn, void *opaque, struct error *err)
{
	struct load l = { .p = p };
	_cleanup_fd_ int opened = -1;
	int fd = STDIN_FILENO, r;

	if (strcmp(file, "-") != 0) {
		fd = opened = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return error_set(err, ERR_NOT_FOUND, errno, "open %s: %s", file, error_text(errno));
	}
	r = plain_open(&l.plain, fd, PLAIN_MEMBERS, APPLY_BYTES_MAX, err);
	if (r < 0)
		return r;
	r = read_members(&l, err);
	plain_close(l.plain);
	if (r < 0)
		return error_wrap(err, "%s", strcmp(file, "-") == 0 ? "standard input" : file);
	return take_images(&l, fn, opaque, err);
}

struct pick {
	const char *wanted;
	struct descriptor *d;
	const char *name;
	size_t count;
};

static int pick_image(void *opaque, const struct descriptor *d, const char *const *names, size_t n, struct error *err)
{
	struct pick *k = opaque;
	bool match = !k->wanted;

	(void)err;
	for (size_t i = 0; i < n; i++)
		match |= k->wanted && (strcmp(names[i], k->wanted) == 0);
	if (match) {
		*k->d = *d;
		k->name = n ? names[0] : NULL;
		k->count++;
	}
	return 0;
}

int archive_read_image(struct program *p, const struct location *src, struct descriptor *d, const char **name,
	struct error *err)
{
	struct pick k = { .wanted = src->name, .d = d };
	int r = archive_load(p, src->path, pick_image, &k, err);

	if (r == 0 && k.count != 1)
		return error_set(err, k.count ? ERR_USAGE : ERR_NOT_FOUND, k.count ? EINVAL : ENOENT, "%s: %s",
			location_describe(&p->arena, src), k.count ? "holds several images; name one" : "no such image");
	*name = k.name;
	return r;
}
