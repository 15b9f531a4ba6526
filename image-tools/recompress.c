/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: each layer that is not in the form wanted is decoded (its
 * diff-id is checked on the way) and encoded again into a new blob of the same layout;
 * the manifest, and the index above it, are written anew with the new descriptors.
 * The configuration, and with it the image's id, stays.  The encoder has no clock and
 * fixed levels, so the result is the same everywhere.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "image-tools/compose.h"
#include "image-tools/layer/plain.h"

struct recompress {
	const struct layout *l;
	struct arena *a;
	enum codec codec;
	int level; /* 0: the default, and what has the form already stays */
};

static const char *format_of(enum codec codec)
{
	return codec == CODEC_GZIP ? "gzip" : codec == CODEC_ZSTD ? "zstd" : "tar";
}

static int layer(struct recompress *c, struct descriptor *d, const struct digest *want, struct error *err)
{
	_cleanup_fd_ int fd = d->digest.algorithm ? layout_blob_open(c->l, &d->digest, NULL) : -EOPNOTSUPP;
	struct string_map annotations = d->annotations;
	struct plain *plain = NULL;
	struct layer_writer w;
	struct digest found;
	char buf[65536], text[DIGEST_TEXT_MAX];
	ssize_t n;
	int r;

	if (fd < 0)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "blob %s is not in %s", d->digest_text, c->l->path);
	r = plain_open(&plain, fd, PLAIN_STREAM, APPLY_BYTES_MAX, err);
	if (r < 0)
		return r;
	n = plain_read(plain, buf, sizeof buf, err);
	if (n >= 0 && c->level == 0 && strcmp(plain_format(plain), format_of(c->codec)) == 0) {
		plain_close(plain);
		return 0;
	}
	r = n < 0 ? (int)n : layer_begin(&w, c->l, c->codec, c->level, err);
	if (r < 0) {
		plain_close(plain);
		return r;
	}
	while (r == 0 && n != 0) {
		r = n < 0 ? (int)n : layer_write(&w, buf, (size_t)n, err);
		if (r == 0)
			n = plain_read(plain, buf, sizeof buf, err);
	}
	plain_close(plain);
	if (r < 0) {
		layer_abort(&w);
		return r;
	}
	r = layer_commit(&w, c->a, d, &found, err);
	d->annotations = annotations;
	if (r == 0 && want && want->algorithm == found.algorithm && !digest_equal(want, &found))
		r = error_set(err, ERR_CORRUPT, EBADMSG, "layer: its content has diff-id %s, not that of the config",
			digest_format(&found, text));
	return r;
}

/* Docker's manifests know gzip only: what leaves that becomes OCI's. */
static void set_types(struct manifest *m, enum codec codec)
{
	if (media_is_docker(m->media_type) && codec == CODEC_GZIP) {
		for (size_t i = 0; i < m->layers_count; i++)
			m->layers[i].media_type = MEDIA_DOCKER_LAYER_GZIP;
		return;
	}
	if (media_is_docker(m->media_type))
		m->media_type = MEDIA_OCI_MANIFEST;
	if (media_is_docker(m->config.media_type))
		m->config.media_type = MEDIA_OCI_CONFIG;
}

static int document(struct recompress *c, const struct descriptor *d, struct descriptor *out, int depth, struct error *err);

static int manifest(struct recompress *c, const char *buf, size_t len, struct descriptor *out, struct error *err)
{
	struct image_config config = { 0 };
	struct digest digest;
	struct manifest m;
	const char *text;
	char *config_text;
	size_t config_len;
	int r = manifest_parse(buf, len, "manifest", c->a, &m, err);

	if (r < 0 || media_role(m.config.media_type) != MEDIA_CONFIG)
		return r; /* no image: nothing to compress */
	r = layout_blob_read(c->l, &m.config, IMAGE_CONFIG_MAX, c->a, &config_text, &config_len, err);
	if (r == 0)
		r = image_config_parse(config_text, config_len, "image config", c->a, &config, err);
	for (size_t i = 0; r == 0 && i < m.layers_count; i++)
		if (media_role(m.layers[i].media_type) == MEDIA_LAYER)
			r = layer(c, &m.layers[i], i < config.diff_id_texts.count ? &config.diff_ids[i] : NULL, err);
	if (r < 0)
		return r;
	set_types(&m, c->codec);
	text = manifest_write(c->a, &m, &len);
	r = layout_blob_put(c->l, text, len, &digest, err);
	if (r == 0) {
		const struct descriptor made = descriptor_make(c->a, m.media_type ? m.media_type : MEDIA_OCI_MANIFEST, &digest, len);

		out->media_type = made.media_type;
		out->digest_text = made.digest_text;
		out->digest = made.digest;
		out->size = made.size;
		out->data = NULL;
	}
	return r;
}

static int index_of(struct recompress *c, const char *buf, size_t len, struct descriptor *out, int depth, struct error *err)
{
	struct image_index x;
	struct digest digest;
	const char *text;
	int r = index_parse(buf, len, "index", c->a, &x, err);

	for (size_t i = 0; r == 0 && i < x.manifests_count; i++) {
		enum media_role role = media_role(x.manifests[i].media_type);

		if ((role == MEDIA_MANIFEST || role == MEDIA_INDEX) && layout_blob_exists(c->l, &x.manifests[i].digest, -1))
			r = document(c, &x.manifests[i], &x.manifests[i], depth + 1, err);
	}
	if (r < 0)
		return r;
	text = index_write(c->a, &x, &len);
	r = layout_blob_put(c->l, text, len, &digest, err);
	if (r == 0) {
		out->digest = digest;
		out->digest_text = digest_string(c->a, &digest);
		out->size = (int64_t)len;
	}
	return r;
}

static int document(struct recompress *c, const struct descriptor *d, struct descriptor *out, int depth, struct error *err)
{
	enum media_role role;
	char *buf;
	size_t len;
	int r = layout_blob_read(c->l, d, MANIFEST_MAX, c->a, &buf, &len, err);

	*out = *d;
	if (r == 0)
		r = document_role(buf, len, d->media_type, c->a, &role, err);
	if (r < 0)
		return r;
	if (depth > 4)
		return error_set(err, ERR_CONFIG, ELOOP, "index: nested too deeply");
	return role == MEDIA_INDEX ? index_of(c, buf, len, out, depth, err) : manifest(c, buf, len, out, err);
}

int image_recompress(const struct layout *l, struct arena *a, const struct descriptor *d, const char *how,
	struct descriptor *out, struct error *err)
{
	struct recompress c = { .l = l, .a = a };
	int r;

	*out = *d;
	if (strcmp(how, "keep") == 0)
		return 0;
	r = codec_parse(how, &c.codec, &c.level, err);
	return r < 0 ? r : document(&c, d, out, 0, err);
}
