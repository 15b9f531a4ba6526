/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: tar bytes are hashed, compressed and hashed again on their way
 * into a blob.  Configurations and manifests are written with sorted maps, so the same
 * input gives the same digests; set SOURCE_DATE_EPOCH to fix the only clock in it.
 */
#include "image-tools/compose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static int to_blob(void *opaque, const void *buf, size_t size, struct error *err)
{
	return blob_write(opaque, buf, size, err);
}

int layer_begin(struct layer_writer *l, const struct layout *layout, enum codec codec, int level, struct error *err)
{
	int r;

	*l = (struct layer_writer){ .codec = codec };
	r = blob_begin(&l->blob, layout, DIGEST_SHA256, err);
	if (r == 0 && digest_begin(&l->plain, DIGEST_SHA256) < 0)
		r = error_sys(err, ENOMEM, "hash a layer");
	if (r == 0)
		r = encoder_open(&l->encoder, codec, level, to_blob, &l->blob, err);
	return r;
}

int layer_write(void *opaque, const void *buf, size_t size, struct error *err)
{
	struct layer_writer *l = opaque;

	digest_feed(&l->plain, buf, size);
	return encoder_write(l->encoder, buf, size, err);
}

int layer_commit(struct layer_writer *l, struct arena *a, struct descriptor *d, struct digest *diff_id, struct error *err)
{
	struct digest digest;
	uint64_t size;
	int r = encoder_finish(l->encoder, err);

	encoder_close(l->encoder);
	l->encoder = NULL;
	if (r < 0) {
		layer_abort(l);
		return r;
	}
	digest_end(&l->plain, diff_id);
	size = l->blob.stream.length;
	r = blob_commit(&l->blob, NULL, &digest, err);
	if (r == 0)
		*d = descriptor_make(a, l->codec == CODEC_GZIP ? MEDIA_OCI_LAYER_GZIP :
				l->codec == CODEC_ZSTD ? MEDIA_OCI_LAYER_ZSTD : MEDIA_OCI_LAYER, &digest, size);
	return r;
}

void layer_abort(struct layer_writer *l)
{
	encoder_close(l->encoder);
	blob_abort(&l->blob);
	digest_abort(&l->plain);
}

void image_add_layer(struct arena *a, struct image *image, const struct descriptor *d, const struct digest *diff_id,
	const struct history_entry *history)
{
	size_t n = image->manifest.layers_count, h = image->config.history_count;
	struct descriptor *layers = arena_array(a, struct descriptor, n + 1);
	struct history_entry *entries = arena_array(a, struct history_entry, h + 1);

	if (d) {
		if (n)
			memcpy(layers, image->manifest.layers, n * sizeof *layers);
		layers[n] = *d;
		image->manifest.layers = layers;
		image->manifest.layers_count = n + 1;
		string_list_add(a, &image->config.diff_id_texts, digest_string(a, diff_id));
	}
	if (h)
		memcpy(entries, image->config.history, h * sizeof *entries);
	entries[h] = *history;
	image->config.history = entries;
	image->config.history_count = h + 1;
}

const char *image_now(struct arena *a)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t t = epoch && *epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
	struct tm tm;
	char text[40];

	gmtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_strdup(a, text);
}

struct strings {
	struct string_list list;
};
static const struct json_field strings_root = { .name = "", .kind = JSON_STRINGS,
	.offset = offsetof(struct strings, list.items), .count_offset = offsetof(struct strings, list.count) };

/* JSON form, or a line for the shell. */
static int command_form(struct arena *a, const char *text, struct string_list *out, struct error *err)
{
	struct strings s = { 0 };
	struct json_errors errors = { 0 };

	*out = (struct string_list){ 0 };
	if (*text != '[') {
		string_list_add(a, out, "/bin/sh");
		string_list_add(a, out, "-c");
		string_list_add(a, out, text);
		return 0;
	}
	if (json_read_field(&strings_root, text, strlen(text), a, &s, &errors) < 0)
		return json_errors_first(&errors, ERR_USAGE, NULL, err);
	*out = s.list;
	return 0;
}

static void set_variable(struct arena *a, struct string_list *env, const char *pair)
{
	size_t n = strcspn(pair, "=") + 1;
	const char **items = arena_array(a, const char *, env->count + 2);
	size_t count = 0;
	bool done = false;

	for (size_t i = 0; i < env->count; i++) {
		bool same = strncmp(env->items[i], pair, n) == 0;

		if (!same || !done)
			items[count++] = same ? pair : env->items[i];
		done |= same;
	}
	if (!done)
		items[count++] = pair;
	env->items = items;
	env->count = count;
}

static void add_item(struct arena *a, struct image_set_item **items, size_t *count, const char *name)
{
	struct image_set_item *bigger = arena_array(a, struct image_set_item, *count + 1);

	for (size_t i = 0; i < *count; i++) {
		if (strcmp((*items)[i].name, name) == 0)
			return;
		bigger[i] = (*items)[i];
	}
	bigger[(*count)++].name = name;
	*items = bigger;
}

static int change_set(struct arena *a, struct image_run_config *run, bool volume, const char *rest, struct error *err)
{
	struct string_list words = { 0 };

	if (*rest == '[') {
		int r = command_form(a, rest, &words, err);

		if (r < 0)
			return r;
	} else {
		char *copy = arena_strdup(a, rest), *save = NULL;

		for (char *w = strtok_r(copy, " \t", &save); w; w = strtok_r(NULL, " \t", &save))
			string_list_add(a, &words, w);
	}
	for (size_t i = 0; i < words.count; i++) {
		const char *w = words.items[i];

		if (volume)
			add_item(a, &run->volumes.items, &run->volumes.count, w);
		else
			add_item(a, &run->exposed_ports.items, &run->exposed_ports.count, strchr(w, '/') ? w : arena_printf(a, "%s/tcp", w));
	}
	return 0;
}

int image_change(struct arena *a, struct image_config *c, const char *change, struct error *err)
{
	const char *rest = change + strcspn(change, " \t=");
	char *word = arena_strndup(a, change, (size_t)(rest - change));
	struct image_run_config *run = &c->config;
	const char *equals;

	rest += strspn(rest, " \t=");
	if (!*rest && strcasecmp(word, "CMD") != 0 && strcasecmp(word, "ENTRYPOINT") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "change \"%.200s\": a value is missing", change);
	equals = strpbrk(rest, "= ");
	if (strcasecmp(word, "ENV") == 0) {
		if (!equals)
			return error_set(err, ERR_USAGE, EINVAL, "change \"%.200s\": NAME=VALUE expected", change);
		set_variable(a, &run->env, arena_printf(a, "%.*s=%s", (int)(equals - rest), rest, equals + 1));
	} else if (strcasecmp(word, "LABEL") == 0) {
		if (!equals)
			return error_set(err, ERR_USAGE, EINVAL, "change \"%.200s\": KEY=VALUE expected", change);
		string_map_set(a, &run->labels, arena_strndup(a, rest, (size_t)(equals - rest)), equals + 1);
	} else if (strcasecmp(word, "CMD") == 0) {
		return command_form(a, *rest ? rest : "[]", &run->cmd, err);
	} else if (strcasecmp(word, "ENTRYPOINT") == 0) {
		return command_form(a, *rest ? rest : "[]", &run->entrypoint, err);
	} else if (strcasecmp(word, "USER") == 0) {
		run->user = rest;
	} else if (strcasecmp(word, "WORKDIR") == 0) {
		run->working_dir = rest;
	} else if (strcasecmp(word, "STOPSIGNAL") == 0) {
		run->stop_signal = rest;
	} else if (strcasecmp(word, "EXPOSE") == 0 || strcasecmp(word, "VOLUME") == 0) {
		return change_set(a, run, strcasecmp(word, "VOLUME") == 0, rest, err);
	} else if (strcasecmp(word, "MAINTAINER") == 0) {
		c->author = rest;
	} else {
		return error_set(err, ERR_USAGE, EINVAL, "change \"%.80s\": unknown; ENV, LABEL, CMD, ENTRYPOINT, USER, WORKDIR, EXPOSE, VOLUME, STOPSIGNAL or MAINTAINER expected", change);
	}
	return 0;
}

int image_store(const struct layout *l, struct arena *a, struct image *image, struct descriptor *d, struct error *err)
{
	struct platform platform = { image->config.os, image->config.architecture, image->config.variant };
	struct digest digest;
	const char *text;
	size_t len;
	int r;

	text = image_config_write(a, &image->config, &len);
	r = layout_blob_put(l, text, len, &digest, err);
	if (r < 0)
		return r;
	image->manifest.config = descriptor_make(a, MEDIA_OCI_CONFIG, &digest, len);
	image->manifest.media_type = MEDIA_OCI_MANIFEST;
	for (size_t i = 0; i < image->manifest.layers_count; i++)
		if (media_is_docker(image->manifest.layers[i].media_type) &&
			media_role(image->manifest.layers[i].media_type) == MEDIA_LAYER)
			image->manifest.layers[i].media_type = strstr(image->manifest.layers[i].media_type, "gzip") ?
				MEDIA_OCI_LAYER_GZIP : strstr(image->manifest.layers[i].media_type, "zstd") ? MEDIA_OCI_LAYER_ZSTD :
											    MEDIA_OCI_LAYER;
	text = manifest_write(a, &image->manifest, &len);
	r = layout_blob_put(l, text, len, &digest, err);
	if (r < 0)
		return r;
	*d = descriptor_make(a, MEDIA_OCI_MANIFEST, &digest, len);
	if (platform.os)
		d->platform = platform;
	return 0;
}
