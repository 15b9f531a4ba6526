/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the documents that we make ourselves.  Members come in a
 * fixed order and maps sorted by key, so that the same input gives the same bytes
 * and hence the same digest on every machine.
 */
#include "image-tools/manifest.h"

#include <stdlib.h>
#include <string.h>

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct json_key_value *)a)->key, ((const struct json_key_value *)b)->key);
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(((const struct image_set_item *)a)->name, ((const struct image_set_item *)b)->name);
}

static void write_map(struct json_writer *w, const char *name, const struct string_map *m)
{
	struct json_key_value *sorted;

	if (m->count == 0)
		return;
	sorted = arena_array(w->arena, struct json_key_value, m->count);
	memcpy(sorted, m->items, m->count * sizeof *sorted);
	qsort(sorted, m->count, sizeof *sorted, compare_pairs);
	json_write_member_object(w, name);
	for (size_t i = 0; i < m->count; i++)
		json_write_member_string(w, sorted[i].key, sorted[i].value);
	json_write_end_object(w);
}

static void write_list(struct json_writer *w, const char *name, const struct string_list *l)
{
	json_write_member_array(w, name);
	for (size_t i = 0; i < l->count; i++)
		json_write_string(w, l->items[i]);
	json_write_end_array(w);
}

static void write_list_if(struct json_writer *w, const char *name, const struct string_list *l)
{
	if (l->count)
		write_list(w, name, l);
}

static void write_set(struct json_writer *w, const char *name, const struct image_set_item *items, size_t count)
{
	struct image_set_item *sorted;

	if (count == 0)
		return;
	sorted = arena_array(w->arena, struct image_set_item, count);
	memcpy(sorted, items, count * sizeof *sorted);
	qsort(sorted, count, sizeof *sorted, compare_items);
	json_write_member_object(w, name);
	for (size_t i = 0; i < count; i++) {
		json_write_member_object(w, sorted[i].name);
		json_write_end_object(w);
	}
	json_write_end_object(w);
}

static void write_if(struct json_writer *w, const char *name, const char *value)
{
	if (value && *value)
		json_write_member_string(w, name, value);
}

static void write_raw(struct json_writer *w, const char *name, const char *json)
{
	if (!json)
		return;
	json_write_key(w, name);
	json_write_raw(w, json, strlen(json));
}

void descriptor_write(struct json_writer *w, const struct descriptor *d)
{
	char buf[DIGEST_TEXT_MAX];

	json_write_object(w);
	write_if(w, "mediaType", d->media_type);
	json_write_member_string(w, "digest", d->digest_text ? d->digest_text : digest_format(&d->digest, buf));
	json_write_member_i64(w, "size", d->size);
	write_list_if(w, "urls", &d->urls);
	write_map(w, "annotations", &d->annotations);
	write_if(w, "data", d->data);
	write_raw(w, "platform", d->platform_raw);
	if (!d->platform_raw && d->platform.os) {
		json_write_member_object(w, "platform");
		write_if(w, "architecture", d->platform.architecture);
		write_if(w, "os", d->platform.os);
		write_if(w, "variant", d->platform.variant);
		json_write_end_object(w);
	}
	write_if(w, "artifactType", d->artifact_type);
	json_write_end_object(w);
}

const char *manifest_write(struct arena *a, const struct manifest *m, size_t *len)
{
	struct json_writer w;

	json_writer_init(&w, a, false);
	json_write_object(&w);
	json_write_member_i64(&w, "schemaVersion", 2);
	write_if(&w, "mediaType", m->media_type);
	write_if(&w, "artifactType", m->artifact_type);
	json_write_key(&w, "config");
	descriptor_write(&w, &m->config);
	json_write_member_array(&w, "layers");
	for (size_t i = 0; i < m->layers_count; i++)
		descriptor_write(&w, &m->layers[i]);
	json_write_end_array(&w);
	if (m->subject.media_type) {
		json_write_key(&w, "subject");
		descriptor_write(&w, &m->subject);
	}
	write_map(&w, "annotations", &m->annotations);
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}

const char *index_write(struct arena *a, const struct image_index *x, size_t *len)
{
	struct json_writer w;

	json_writer_init(&w, a, false);
	json_write_object(&w);
	json_write_member_i64(&w, "schemaVersion", 2);
	write_if(&w, "mediaType", x->media_type);
	write_if(&w, "artifactType", x->artifact_type);
	json_write_member_array(&w, "manifests");
	for (size_t i = 0; i < x->manifests_count; i++)
		descriptor_write(&w, &x->manifests[i]);
	json_write_end_array(&w);
	write_map(&w, "annotations", &x->annotations);
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}

static void write_run_config(struct json_writer *w, const struct image_run_config *c)
{
	json_write_member_object(w, "config");
	write_if(w, "User", c->user);
	write_set(w, "ExposedPorts", c->exposed_ports.items, c->exposed_ports.count);
	write_list_if(w, "Env", &c->env);
	write_list_if(w, "Entrypoint", &c->entrypoint);
	write_list_if(w, "Cmd", &c->cmd);
	write_raw(w, "Healthcheck", c->healthcheck);
	if (c->args_escaped)
		json_write_member_bool(w, "ArgsEscaped", true);
	write_set(w, "Volumes", c->volumes.items, c->volumes.count);
	write_if(w, "WorkingDir", c->working_dir);
	write_list_if(w, "OnBuild", &c->onbuild);
	write_map(w, "Labels", &c->labels);
	write_if(w, "StopSignal", c->stop_signal);
	if (c->stop_timeout.set)
		json_write_member_i64(w, "StopTimeout", c->stop_timeout.value);
	write_list_if(w, "Shell", &c->shell);
	json_write_end_object(w);
}

const char *image_config_write(struct arena *a, const struct image_config *c, size_t *len)
{
	struct json_writer w;

	json_writer_init(&w, a, false);
	json_write_object(&w);
	write_if(&w, "created", c->created);
	write_if(&w, "author", c->author);
	write_if(&w, "architecture", c->architecture);
	write_if(&w, "variant", c->variant);
	write_if(&w, "os", c->os);
	write_if(&w, "os.version", c->os_version);
	write_list_if(&w, "os.features", &c->os_features);
	write_run_config(&w, &c->config);
	json_write_member_object(&w, "rootfs");
	json_write_member_string(&w, "type", "layers");
	write_list(&w, "diff_ids", &c->diff_id_texts);
	json_write_end_object(&w);
	if (c->history_count) {
		json_write_member_array(&w, "history");
		for (size_t i = 0; i < c->history_count; i++) {
			const struct history_entry *h = &c->history[i];

			json_write_object(&w);
			write_if(&w, "created", h->created);
			write_if(&w, "author", h->author);
			write_if(&w, "created_by", h->created_by);
			write_if(&w, "comment", h->comment);
			if (h->empty_layer)
				json_write_member_bool(&w, "empty_layer", true);
			json_write_end_object(&w);
		}
		json_write_end_array(&w);
	}
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}

struct descriptor descriptor_make(struct arena *a, const char *media_type, const struct digest *digest, uint64_t size)
{
	return (struct descriptor){
		.media_type = media_type, .digest = *digest, .digest_text = digest_string(a, digest), .size = (int64_t)size
	};
}
