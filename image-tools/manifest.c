/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: tables for base/json, then checks that tables cannot
 * express: digests, sizes, the one role of a document, counts that must agree.
 */
#include "image-tools/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct json_field platform_fields[] = {
	JSON_F(JSON_STRING, struct platform, os, "os"),
	JSON_F(JSON_STRING, struct platform, architecture, "architecture"),
	JSON_F(JSON_STRING, struct platform, variant, "variant"),
};
static const struct json_object platform_object = JSON_OBJECT_OF("platform", struct platform, platform_fields);

static const struct json_field descriptor_fields[] = {
	JSON_F(JSON_STRING, struct descriptor, media_type, "mediaType"),
	JSON_F(JSON_STRING, struct descriptor, digest_text, "digest", .required = true),
	JSON_F_RANGE(JSON_INT, struct descriptor, size, "size", 0, INT64_MAX, .required = true),
	JSON_F_LIST(JSON_STRINGS, struct descriptor, urls, "urls"),
	JSON_F_LIST(JSON_MAP, struct descriptor, annotations, "annotations"),
	JSON_F(JSON_STRING, struct descriptor, data, "data"),
	JSON_F(JSON_STRING, struct descriptor, artifact_type, "artifactType"),
	JSON_F(JSON_RAW, struct descriptor, platform_raw, "platform"),
};
static const struct json_object descriptor_object =
	JSON_OBJECT_OF("descriptor", struct descriptor, descriptor_fields);

static const struct json_field manifest_fields[] = {
	JSON_F(JSON_INT, struct manifest, schema_version, "schemaVersion"),
	JSON_F(JSON_STRING, struct manifest, media_type, "mediaType"),
	JSON_F(JSON_STRING, struct manifest, artifact_type, "artifactType"),
	JSON_F(JSON_OBJECT, struct manifest, config, "config", .object = &descriptor_object, .required = true),
	JSON_F_ARRAY(JSON_OBJECTS, struct manifest, layers, "layers", .object = &descriptor_object, .required = true,
		.max_elements = 4096),
	JSON_F(JSON_OBJECT, struct manifest, subject, "subject", .object = &descriptor_object),
	JSON_F_LIST(JSON_MAP, struct manifest, annotations, "annotations"),
};
static const struct json_object manifest_object = JSON_OBJECT_OF("manifest", struct manifest, manifest_fields);

static const struct json_field index_fields[] = {
	JSON_F(JSON_INT, struct image_index, schema_version, "schemaVersion"),
	JSON_F(JSON_STRING, struct image_index, media_type, "mediaType"),
	JSON_F(JSON_STRING, struct image_index, artifact_type, "artifactType"),
	JSON_F_ARRAY(JSON_OBJECTS, struct image_index, manifests, "manifests", .object = &descriptor_object,
		.required = true),
	JSON_F_LIST(JSON_MAP, struct image_index, annotations, "annotations"),
};
static const struct json_object index_object = JSON_OBJECT_OF("index", struct image_index, index_fields);

static const struct json_field history_fields[] = {
	JSON_F(JSON_STRING, struct history_entry, created, "created"),
	JSON_F(JSON_STRING, struct history_entry, author, "author"),
	JSON_F(JSON_STRING, struct history_entry, created_by, "created_by"),
	JSON_F(JSON_STRING, struct history_entry, comment, "comment"),
	JSON_F(JSON_BOOL, struct history_entry, empty_layer, "empty_layer"),
};
static const struct json_object history_object = JSON_OBJECT_OF("history", struct history_entry, history_fields);

static const struct json_object set_object = { .name = "set item", .size = sizeof(struct image_set_item) };

static const struct json_field run_fields[] = {
	JSON_F(JSON_STRING, struct image_run_config, user, "User"),
	JSON_F(JSON_STRING, struct image_run_config, working_dir, "WorkingDir"),
	JSON_F(JSON_STRING, struct image_run_config, stop_signal, "StopSignal"),
	JSON_F_LIST(JSON_STRINGS, struct image_run_config, env, "Env"),
	JSON_F_LIST(JSON_STRINGS, struct image_run_config, entrypoint, "Entrypoint", JSON_F_SET(struct image_run_config, entrypoint_set)),
	JSON_F_LIST(JSON_STRINGS, struct image_run_config, cmd, "Cmd", JSON_F_SET(struct image_run_config, cmd_set)),
	JSON_F_LIST(JSON_STRINGS, struct image_run_config, onbuild, "OnBuild"),
	JSON_F_LIST(JSON_STRINGS, struct image_run_config, shell, "Shell"),
	JSON_F_LIST(JSON_KEYED, struct image_run_config, exposed_ports, "ExposedPorts", .object = &set_object,
		.key_offset = offsetof(struct image_set_item, name)),
	JSON_F_LIST(JSON_KEYED, struct image_run_config, volumes, "Volumes", .object = &set_object,
		.key_offset = offsetof(struct image_set_item, name)),
	JSON_F_LIST(JSON_MAP, struct image_run_config, labels, "Labels"),
	JSON_F(JSON_RAW, struct image_run_config, healthcheck, "Healthcheck"),
	JSON_F(JSON_BOOL, struct image_run_config, args_escaped, "ArgsEscaped"),
	JSON_F(JSON_OPT_I64, struct image_run_config, stop_timeout, "StopTimeout"),
};
static const struct json_object run_object = JSON_OBJECT_OF("config", struct image_run_config, run_fields);

struct rootfs_part {
	const char *type;
	struct string_list diff_ids;
};
static const struct json_field rootfs_fields[] = {
	JSON_F(JSON_STRING, struct rootfs_part, type, "type", .required = true),
	JSON_F_LIST(JSON_STRINGS, struct rootfs_part, diff_ids, "diff_ids", .required = true),
};
static const struct json_object rootfs_object = JSON_OBJECT_OF("rootfs", struct rootfs_part, rootfs_fields);

struct config_document {
	struct image_config c;
	struct rootfs_part rootfs;
};
static const struct json_field config_fields[] = {
	JSON_F(JSON_STRING, struct config_document, c.created, "created"),
	JSON_F(JSON_STRING, struct config_document, c.author, "author"),
	JSON_F(JSON_STRING, struct config_document, c.architecture, "architecture"),
	JSON_F(JSON_STRING, struct config_document, c.os, "os"),
	JSON_F(JSON_STRING, struct config_document, c.variant, "variant"),
	JSON_F(JSON_STRING, struct config_document, c.os_version, "os.version"),
	JSON_F_LIST(JSON_STRINGS, struct config_document, c.os_features, "os.features"),
	JSON_F(JSON_OBJECT, struct config_document, c.config, "config", .object = &run_object),
	JSON_F(JSON_OBJECT, struct config_document, rootfs, "rootfs", .object = &rootfs_object, .required = true),
	JSON_F_ARRAY(JSON_OBJECTS, struct config_document, c.history, "history", .object = &history_object),
};
static const struct json_object config_object = JSON_OBJECT_OF("image config", struct config_document, config_fields);

static int read_document(const struct json_object *object, const char *buf, size_t len, size_t max, const char *what,
	struct arena *a, void *dest, struct error *err)
{
	struct json_errors errors = { 0 };

	if (len > max)
		return error_set(err, ERR_CONFIG, EFBIG, "%s: larger than %zu bytes", what, max);
	if (json_read(object, buf, len, a, dest, &errors) < 0) {
		json_errors_first(&errors, ERR_CONFIG, NULL, err);
		return error_wrap(err, "%s", what);
	}
	return 0;
}

static int check_descriptor(struct descriptor *d, const char *what, struct arena *a, struct error *err)
{
	struct error ignored = { 0 };
	int r = digest_parse(d->digest_text, &d->digest, &ignored);

	if (r < 0 && r != -EOPNOTSUPP) {
		if (err)
			*err = ignored;
		return error_wrap(err, "%s", what);
	}
	if (d->platform_raw) {
		struct json_errors errors = { 0 };

		if (json_read(&platform_object, d->platform_raw, strlen(d->platform_raw), a, &d->platform, &errors) < 0) {
			json_errors_first(&errors, ERR_CONFIG, NULL, err);
			return error_wrap(err, "%s: platform", what);
		}
	}
	return 0;
}

/* Which members does the document have?  Their values are not looked at. */
struct role_probe {
	const char *media_type, *manifests, *layers, *config, *fs_layers;
};
static const struct json_field role_fields[] = {
	JSON_F(JSON_STRING, struct role_probe, media_type, "mediaType"),
	JSON_F(JSON_RAW, struct role_probe, manifests, "manifests"),
	JSON_F(JSON_RAW, struct role_probe, layers, "layers"),
	JSON_F(JSON_RAW, struct role_probe, config, "config"),
	JSON_F(JSON_RAW, struct role_probe, fs_layers, "fsLayers"),
};
static const struct json_object role_object = JSON_OBJECT_OF("manifest", struct role_probe, role_fields);

int document_role(const char *buf, size_t len, const char *transport_type, struct arena *a, enum media_role *role,
	struct error *err)
{
	struct role_probe p = { 0 };
	enum media_role by_body, claimed;
	int r = read_document(&role_object, buf, len, MANIFEST_MAX, "manifest", a, &p, err);

	if (r < 0)
		return r;
	if (p.fs_layers || media_role(transport_type) == MEDIA_SCHEMA1 || media_role(p.media_type) == MEDIA_SCHEMA1)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			"manifest: Docker's schema 1 is obsolete and not supported; push the image again with a current tool");
	if (p.manifests && (p.layers || p.config))
		return error_set(err, ERR_CONFIG, EINVAL,
			"manifest: has members of an index (manifests) and of a manifest (layers, config); refusing the ambiguity");
	if (!p.manifests && !p.layers)
		return error_set(err, ERR_CONFIG, EINVAL, "manifest: has neither \"manifests\" nor \"layers\"");
	by_body = p.manifests ? MEDIA_INDEX : MEDIA_MANIFEST;
	claimed = media_role(p.media_type);
	if (claimed != MEDIA_UNKNOWN && claimed != by_body)
		return error_set(err, ERR_CONFIG, EINVAL, "manifest: mediaType %.100s contradicts its content", p.media_type);
	claimed = media_role(transport_type);
	if (claimed != MEDIA_UNKNOWN && claimed != by_body)
		return error_set(err, ERR_CONFIG, EINVAL, "manifest: sent as %.100s, but that is not what it contains",
			transport_type);
	if (p.media_type && claimed != MEDIA_UNKNOWN) {
		size_t n = strcspn(transport_type, "; \t");

		if (strlen(p.media_type) != n || strncmp(p.media_type, transport_type, n) != 0)
			return error_set(err, ERR_CONFIG, EINVAL, "manifest: sent as %.100s, but its mediaType is %.100s",
				transport_type, p.media_type);
	}
	*role = by_body;
	return 0;
}

int manifest_parse(const char *buf, size_t len, const char *what, struct arena *a, struct manifest *m, struct error *err)
{
	int r;

	*m = (struct manifest){ 0 };
	r = read_document(&manifest_object, buf, len, MANIFEST_MAX, what, a, m, err);
	if (r < 0)
		return r;
	r = check_descriptor(&m->config, "config", a, err);
	for (size_t i = 0; r == 0 && i < m->layers_count; i++) {
		char name[32];

		snprintf(name, sizeof name, "layers[%zu]", i);
		r = check_descriptor(&m->layers[i], name, a, err);
	}
	if (r == 0 && m->subject.digest_text)
		r = check_descriptor(&m->subject, "subject", a, err);
	return r < 0 ? error_wrap(err, "%s", what) : 0;
}

int index_parse(const char *buf, size_t len, const char *what, struct arena *a, struct image_index *x, struct error *err)
{
	int r;

	*x = (struct image_index){ 0 };
	r = read_document(&index_object, buf, len, JSON_MAX_INPUT, what, a, x, err);
	for (size_t i = 0; r == 0 && i < x->manifests_count; i++) {
		char name[32];

		snprintf(name, sizeof name, "manifests[%zu]", i);
		r = check_descriptor(&x->manifests[i], name, a, err);
		if (r < 0)
			error_wrap(err, "%s", what);
	}
	return r;
}

int image_config_parse(const char *buf, size_t len, const char *what, struct arena *a, struct image_config *c,
	struct error *err)
{
	struct config_document doc = { 0 };
	int r = read_document(&config_object, buf, len, IMAGE_CONFIG_MAX, what, a, &doc, err);

	if (r < 0)
		return r;
	*c = doc.c;
	c->rootfs_type = doc.rootfs.type;
	c->diff_id_texts = doc.rootfs.diff_ids;
	if (strcmp(c->rootfs_type, "layers") != 0)
		return error_set(err, ERR_CONFIG, EINVAL, "%s: rootfs.type is \"%.40s\", \"layers\" expected", what,
			c->rootfs_type);
	c->diff_ids = arena_array(a, struct digest, c->diff_id_texts.count);
	for (size_t i = 0; i < c->diff_id_texts.count; i++) {
		r = digest_parse(c->diff_id_texts.items[i], &c->diff_ids[i], err);
		if (r < 0)
			return error_wrap(err, "%s: rootfs.diff_ids[%zu]", what, i);
	}
	return 0;
}

int index_select(const struct image_index *x, const struct platform *want, struct arena *a,
	const struct descriptor **chosen, struct error *err)
{
	const struct descriptor *best = NULL, *only = NULL;
	const char *list = "";
	int best_score = 0, usable = 0;

	for (size_t i = 0; i < x->manifests_count; i++) {
		const struct descriptor *d = &x->manifests[i];
		enum media_role role = media_role(d->media_type);
		int score;

		if ((role != MEDIA_MANIFEST && role != MEDIA_INDEX) || !d->digest.algorithm)
			continue;
		if (d->platform.os && strcmp(d->platform.os, "unknown") == 0)
			continue;
		usable++;
		only = d;
		if (!d->platform.os)
			continue;
		score = platform_match(want, &d->platform);
		if (score > best_score) {
			best_score = score;
			best = d;
		}
		if (strlen(list) < 400)
			list = arena_printf(a, "%s%s%s", list, *list ? ", " : "", platform_format(a, &d->platform));
	}
	if (!best && usable == 1 && !only->platform.os)
		best = only;
	if (!best) {
		error_set(err, ERR_NOT_FOUND, ENOENT, "no image for platform %s", platform_format(a, want));
		error_hint(err, *list ? "available: %s" : "the index has no usable entry%s", list);
		return -ENOENT;
	}
	*chosen = best;
	return 0;
}

const char *string_map_get(const struct string_map *m, const char *key)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->items[i].key, key) == 0)
			return m->items[i].value;
	return NULL;
}

void string_map_set(struct arena *a, struct string_map *m, const char *key, const char *value)
{
	struct json_key_value *items = arena_array(a, struct json_key_value, m->count + 1);
	size_t n = 0;
	bool done = false;

	for (size_t i = 0; i < m->count; i++) {
		if (strcmp(m->items[i].key, key) != 0) {
			items[n++] = m->items[i];
		} else if (value && !done) {
			items[n++] = (struct json_key_value){ key, value };
			done = true;
		}
	}
	if (value && !done)
		items[n++] = (struct json_key_value){ key, value };
	m->items = items;
	m->count = n;
}

void string_list_add(struct arena *a, struct string_list *l, const char *s)
{
	/* A list may share its array with the document it came from: always copy. */
	const char **items = arena_array(a, const char *, l->count + 2);

	if (l->count)
		memcpy(items, l->items, l->count * sizeof *items);
	items[l->count] = s;
	l->items = items;
	l->count++;
}

int chain_id(const struct digest *diff_ids, size_t n, struct digest *out)
{
	if (n == 0)
		return -EINVAL;
	*out = diff_ids[0];
	for (size_t i = 1; i < n; i++) {
		char left[DIGEST_TEXT_MAX], right[DIGEST_TEXT_MAX], text[2 * DIGEST_TEXT_MAX + 1];
		int r, len = snprintf(text, sizeof text, "%s %s", digest_format(out, left), digest_format(&diff_ids[i], right));

		r = digest_of(DIGEST_SHA256, text, (size_t)len, out);
		if (r < 0)
			return r;
	}
	return 0;
}
