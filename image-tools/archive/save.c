/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one tar with, in this order, the blobs sorted by digest,
 * index.json, manifest.json (Docker's index to the same blobs) and oci-layout; all
 * times 0 and all owners root.  So saving twice gives the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/archive/archive_image.h"
#include "image-tools/layer/tar.h"

struct save {
	struct program *p;
	const struct layout *from;
	struct descriptor *blobs;
	size_t count, capacity;
	struct tar_writer w;
	int fd;
};

static int write_out(void *opaque, const void *buf, size_t size, struct error *err)
{
	int r = fd_write_all(*(int *)opaque, buf, size);

	return r < 0 ? error_sys(err, -r, "write the archive") : 0;
}

static void add_blob(struct save *s, const struct descriptor *d)
{
	if (!layout_blob_exists(s->from, &d->digest, -1))
		return;
	for (size_t i = 0; i < s->count; i++)
		if (digest_equal(&s->blobs[i].digest, &d->digest))
			return;
	if (s->count == s->capacity) {
		size_t bigger = s->capacity ? s->capacity * 2 : 64;

		s->blobs = arena_grow(&s->p->arena, s->blobs, s->capacity * sizeof *s->blobs, bigger * sizeof *s->blobs);
		s->capacity = bigger;
	}
	s->blobs[s->count++] = *d;
}

static int collect(struct save *s, const struct descriptor *d, struct error *err)
{
	struct arena *a = &s->p->arena;
	enum media_role role;
	struct image_index x;
	struct manifest m;
	char *buf;
	size_t len;
	int r = layout_blob_read(s->from, d, MANIFEST_MAX, a, &buf, &len, err);

	if (r == 0)
		r = document_role(buf, len, d->media_type, a, &role, err);
	if (r < 0)
		return r;
	add_blob(s, d);
	if (role == MEDIA_INDEX) {
		r = index_parse(buf, len, "index", a, &x, err);
		for (size_t i = 0; r == 0 && i < x.manifests_count; i++)
			if (layout_blob_exists(s->from, &x.manifests[i].digest, -1))
				r = collect(s, &x.manifests[i], err);
		return r;
	}
	r = manifest_parse(buf, len, "manifest", a, &m, err);
	if (r < 0)
		return r;
	add_blob(s, &m.config);
	for (size_t i = 0; i < m.layers_count; i++)
		add_blob(s, &m.layers[i]);
	return 0;
}

static int compare_blobs(const void *a, const void *b)
{
	const struct digest *x = &((const struct descriptor *)a)->digest, *y = &((const struct descriptor *)b)->digest;
	int order = (int)x->algorithm - (int)y->algorithm;

	return order ? order : memcmp(x->bytes, y->bytes, sizeof x->bytes);
}

static int put_text(struct save *s, const char *path, const char *text, size_t len, struct error *err)
{
	struct tar_entry e = { .path = path, .type = '0', .mode = 0644, .size = len };
	int r = tar_begin(&s->w, &e, err);

	return r == 0 ? tar_data(&s->w, text, len, err) : r;
}

static int put_directory(struct save *s, const char *path, struct error *err)
{
	struct tar_entry e = { .path = path, .type = '5', .mode = 0755 };

	return tar_begin(&s->w, &e, err);
}

static const char *blob_path(struct arena *a, const struct digest *d)
{
	char hex[DIGEST_TEXT_MAX];

	return arena_printf(a, "blobs/%s/%s", digest_algorithm_name(d->algorithm), digest_hex(d, hex));
}

static int put_blob(struct save *s, const struct descriptor *d, struct error *err)
{
	struct tar_entry e = { .path = blob_path(&s->p->arena, &d->digest), .type = '0', .mode = 0644 };
	_cleanup_fd_ int fd = layout_blob_open(s->from, &d->digest, &e.size);
	int r;

	if (fd < 0)
		return error_sys(err, -fd, "open blob %s", d->digest_text);
	r = tar_begin(&s->w, &e, err);
	if (r == 0 && e.size == 0)
		return 0;
	return r == 0 ? tar_file(&s->w, fd, err) : r;
}

/* Docker's manifest.json: one entry per image of this platform. */
static int put_docker(struct save *s, const struct descriptor *d, const char *const *names, size_t n, struct error *err)
{
	struct arena *a = &s->p->arena;
	struct json_writer w;
	const char *text;
	size_t len;

	json_writer_init(&w, a, false);
	json_write_array(&w);
	for (size_t i = 0; i < n; i++) {
		struct reference ref;
		struct image image;

		if (image_load(s->from, a, &d[i], NULL, &image, NULL) < 0)
			continue;
		json_write_object(&w);
		json_write_member_string(&w, "Config", blob_path(a, &image.manifest.config.digest));
		json_write_member_array(&w, "RepoTags");
		if (names[i] && reference_parse(a, names[i], &ref, NULL) == 0 && ref.tag)
			json_write_string(&w, reference_familiar(a, &ref));
		json_write_end_array(&w);
		json_write_member_array(&w, "Layers");
		for (size_t k = 0; k < image.manifest.layers_count; k++)
			json_write_string(&w, blob_path(a, &image.manifest.layers[k].digest));
		json_write_end_array(&w);
		json_write_end_object(&w);
	}
	json_write_end_array(&w);
	text = json_writer_finish(&w, &len);
	return put_text(s, "manifest.json", text, len, err);
}

static int put_index(struct save *s, const struct descriptor *d, const char *const *names, size_t n, struct error *err)
{
	struct arena *a = &s->p->arena;
	struct image_index x = { .media_type = MEDIA_OCI_INDEX, .manifests = arena_array(a, struct descriptor, n),
		.manifests_count = n };
	const char *text;
	size_t len;

	for (size_t i = 0; i < n; i++) {
		x.manifests[i] = d[i];
		x.manifests[i].annotations = (struct string_map){ 0 };
		if (names[i]) {
			string_map_set(a, &x.manifests[i].annotations, ANNOTATION_REF_NAME, names[i]);
			string_map_set(a, &x.manifests[i].annotations, "io.containerd.image.name", names[i]);
		}
	}
	text = index_write(a, &x, &len);
	return put_text(s, "index.json", text, len, err);
}

static int write_all(struct save *s, const struct descriptor *d, const char *const *names, size_t n, bool docker, bool oci,
	struct error *err)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	int r = put_directory(s, "blobs/", err);

	if (r == 0)
		r = put_directory(s, "blobs/sha256/", err);
	for (size_t i = 0; r == 0 && i < s->count; i++)
		r = put_blob(s, &s->blobs[i], err);
	if (r == 0 && oci)
		r = put_index(s, d, names, n, err);
	if (r == 0 && docker)
		r = put_docker(s, d, names, n, err);
	if (r == 0 && oci)
		r = put_text(s, "oci-layout", layout, sizeof layout - 1, err);
	return r == 0 ? tar_finish(&s->w, err) : r;
}

int archive_write_images(struct program *p, const struct layout *from, const struct descriptor *d, const char *const *names,
	size_t n, const struct location *dst, const char *format, struct error *err)
{
	struct save s = { .p = p, .from = from, .fd = STDOUT_FILENO };
	bool docker = !dst->oci_archive && !(format && strcmp(format, "oci") == 0);
	bool oci = !dst->docker_archive && !(format && strcmp(format, "docker") == 0);
	bool file = strcmp(dst->path, "-") != 0;
	const char *tmp = arena_printf(&p->arena, "%s.part", dst->path);
	int r = 0;

	if (format && strcmp(format, "oci") != 0 && strcmp(format, "docker") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "--format %s: oci or docker expected", format);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = collect(&s, &d[i], err);
	if (r < 0)
		return r;
	if (s.count)
		qsort(s.blobs, s.count, sizeof *s.blobs, compare_blobs);
	if (!file && isatty(STDOUT_FILENO))
		return error_set(err, ERR_USAGE, EINVAL, "refusing to write an archive to a terminal; redirect or use -o FILE");
	if (file) {
		s.fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (s.fd < 0)
			return error_sys(err, errno, "create %s", tmp);
	}
	s.w = (struct tar_writer){ .sink = write_out, .opaque = &s.fd };
	r = write_all(&s, d, names, n, docker, oci, err);
	if (file) {
		if (r == 0 && (close(s.fd) < 0 || rename(tmp, dst->path) < 0))
			r = error_sys(err, errno, "write %s", dst->path);
		if (r < 0)
			unlink(tmp);
	}
	return r;
}
