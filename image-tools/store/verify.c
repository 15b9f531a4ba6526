/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: everything is read back: the closure of documents, every blob's
 * size and digest, every layer's diff-id, and on request each unpacked layer against a
 * fresh extraction of its blob, attributes and content included.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/layer/diff.h"
#include "image-tools/layer/plain.h"
#include "image-tools/store/unpacked.h"

struct verify {
	struct store *s;
	struct verify_result *result;
	bool trees;
};

static int check_blob(struct verify *v, const struct descriptor *d, struct error *err)
{
	struct digest_stream stream;
	struct digest found;
	char buf[65536], text[DIGEST_TEXT_MAX];
	uint64_t size = 0;
	ssize_t n;
	_cleanup_fd_ int fd = d->digest.algorithm ? layout_blob_open(&v->s->layout, &d->digest, &size) : -EOPNOTSUPP;

	if (fd < 0)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "blob %s is missing", d->digest_text);
	if (digest_begin(&stream, d->digest.algorithm) < 0)
		return error_sys(err, ENOMEM, "hash a blob");
	while ((n = read(fd, buf, sizeof buf)) > 0)
		digest_feed(&stream, buf, (size_t)n);
	digest_end(&stream, &found);
	if (n < 0 || !digest_equal(&found, &d->digest) || (int64_t)size != d->size)
		return error_set(err, ERR_CORRUPT, EBADMSG, "blob %s is damaged: %llu bytes with digest %s", d->digest_text,
			(unsigned long long)size, digest_format(&found, text));
	v->result->blobs++;
	v->result->bytes += size;
	return 0;
}

static int check_diff_id(struct verify *v, const struct descriptor *d, const struct digest *want, struct error *err)
{
	struct digest_stream stream;
	struct plain *plain;
	struct digest found;
	char buf[65536];
	ssize_t n = 0;
	_cleanup_fd_ int fd = layout_blob_open(&v->s->layout, &d->digest, NULL);
	int r = plain_open(&plain, fd, PLAIN_STREAM, APPLY_BYTES_MAX, err);

	if (r < 0)
		return r;
	if (digest_begin(&stream, want->algorithm) < 0) {
		plain_close(plain);
		return error_sys(err, ENOMEM, "hash a layer");
	}
	while ((n = plain_read(plain, buf, sizeof buf, err)) > 0)
		digest_feed(&stream, buf, (size_t)n);
	digest_end(&stream, &found);
	plain_close(plain);
	if (n < 0)
		return (int)n;
	if (!digest_equal(&found, want))
		return error_set(err, ERR_CORRUPT, EBADMSG, "layer %s does not have the diff-id of the config", d->digest_text);
	v->result->layers++;
	return 0;
}

static int report(void *opaque, char kind, const char *path, struct error *err)
{
	const char *name = opaque;

	return error_set(err, ERR_CORRUPT, EBADMSG, "unpacked layer %s: /%s was %s", name, path,
		kind == 'A' ? "added" : kind == 'D' ? "removed" : "changed");
}

static int check_tree(struct verify *v, const struct descriptor *d, const struct digest *diff_id, const char *name,
	struct error *err)
{
	struct apply_options options = { .overlay = true, .userns = v->s->userns };
	struct apply_result result;
	char scratch[32];
	_cleanup_fd_ int blob = -1, fresh = -1, have = -1;
	int r = store_run_dir(v->s, err);

	if (r < 0)
		return r;
	unpacked_scratch_name(scratch);
	if (mkdirat(v->s->run, scratch, 0755) < 0)
		return error_sys(err, errno, "create a directory");
	blob = layout_blob_open(&v->s->layout, &d->digest, NULL);
	fresh = openat(v->s->run, scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	have = openat(v->s->layers, arena_printf(v->s->arena, "%s/fs", name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (blob < 0 || fresh < 0 || have < 0)
		return error_sys(err, ENOENT, "open layer %s", name);
	options.root = fresh;
	r = worker_apply(&(struct layer_source){ .fd = blob }, diff_id->algorithm, &options, &result, err);
	if (r == 0)
		r = diff_list(fresh, have, report, (void *)name, err);
	store_remove_tree(v->s->run, scratch);
	v->result->trees += r == 0;
	return r;
}

static int check_manifest(struct verify *v, const struct descriptor *d, const char *buf, size_t len, struct error *err)
{
	struct arena *a = v->s->arena;
	struct image_config c;
	struct manifest m;
	char *text;
	size_t text_len;
	int r = manifest_parse(buf, len, d->digest_text, a, &m, err);

	if (r == 0)
		r = check_blob(v, &m.config, err);
	for (size_t i = 0; r == 0 && i < m.layers_count; i++)
		if (media_role(m.layers[i].media_type) != MEDIA_FOREIGN_LAYER ||
			layout_blob_exists(&v->s->layout, &m.layers[i].digest, -1))
			r = check_blob(v, &m.layers[i], err);
	if (r < 0 || media_role(m.config.media_type) != MEDIA_CONFIG)
		return r;
	r = layout_blob_read(&v->s->layout, &m.config, IMAGE_CONFIG_MAX, a, &text, &text_len, err);
	if (r == 0)
		r = image_config_parse(text, text_len, "image config", a, &c, err);
	if (r == 0 && c.diff_id_texts.count != m.layers_count)
		r = error_set(err, ERR_CORRUPT, EBADMSG, "image config lists %zu layers, the manifest %zu", c.diff_id_texts.count,
			m.layers_count);
	for (size_t i = 0; r == 0 && i < m.layers_count; i++) {
		const char *name = store_layer_name(a, &c.diff_ids[i]);

		if (!layout_blob_exists(&v->s->layout, &m.layers[i].digest, -1))
			continue;
		r = check_diff_id(v, &m.layers[i], &c.diff_ids[i], err);
		if (r == 0 && v->trees && store_layer_exists(v->s, name))
			r = check_tree(v, &m.layers[i], &c.diff_ids[i], name, err);
	}
	return r;
}

static int check_document(struct verify *v, const struct descriptor *d, int depth, struct error *err)
{
	enum media_role role;
	struct image_index x;
	size_t len, missing = 0;
	char *buf;
	int r = layout_blob_read(&v->s->layout, d, MANIFEST_MAX, v->s->arena, &buf, &len, err);

	if (r == 0)
		r = document_role(buf, len, d->media_type, v->s->arena, &role, err);
	if (r < 0)
		return r;
	v->result->blobs++;
	if (role == MEDIA_MANIFEST)
		return check_manifest(v, d, buf, len, err);
	if (depth > 4)
		return error_set(err, ERR_CONFIG, ELOOP, "index: nested too deeply");
	r = index_parse(buf, len, "index", v->s->arena, &x, err);
	for (size_t i = 0; r == 0 && i < x.manifests_count; i++) {
		enum media_role inner = media_role(x.manifests[i].media_type);

		/* Pulled for some platforms only. */
		if (x.manifests_count > 1 && !layout_blob_exists(&v->s->layout, &x.manifests[i].digest, -1)) {
			missing++;
			continue;
		}
		if (inner == MEDIA_MANIFEST || inner == MEDIA_INDEX)
			r = check_document(v, &x.manifests[i], depth + 1, err);
	}
	if (r == 0 && missing && missing == x.manifests_count)
		r = error_set(err, ERR_NOT_FOUND, ENOENT, "index %s: none of its manifests is there", d->digest_text);
	return r;
}

int store_verify(struct store *s, const struct store_image *image, bool trees, struct verify_result *result,
	struct error *err)
{
	struct verify v = { .s = s, .result = result, .trees = trees };

	*result = (struct verify_result){ 0 };
	return check_document(&v, &image->descriptor, 0, err);
}
