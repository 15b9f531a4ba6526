/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the finished stage becomes an image in the store: layers that have
 * no blob yet are compressed (several at once), configuration and manifest are written
 * with fixed bytes.  Every --output, --push and the names of -t are made from that image.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/archive/archive_image.h"
#include "image-tools/build/internal.h"
#include "image-tools/layer/diff.h"
#include "image-tools/store/unpacked.h"

struct output {
	const char *type, *destination;
	bool directory; /* oci: a layout, no archive */
};

static int parse_output(struct arena *a, const char *text, struct output *o, struct error *err)
{
	static const char *const types[] = {"image", "oci", "docker", "tar", "local", "bundle", NULL};
	char *copy = arena_strdup(a, text), *save = NULL;
	bool known = false;

	*o = (struct output){0};
	if (!strchr(text, '=') && strcmp(text, "-") != 0) {
		*o = (struct output){"local", text, true};
		return 0;
	}
	if (strcmp(text, "-") == 0) {
		*o = (struct output){"tar", "-", false};
		return 0;
	}
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		char *value = strchr(word, '=');

		if (!value)
			return error_set(err, ERR_USAGE, EINVAL, "--output %s: KEY=VALUE expected instead of \"%s\"",
				text, word);
		*value++ = '\0';
		if (strcmp(word, "type") == 0)
			o->type = value;
		else if (strcmp(word, "dest") == 0)
			o->destination = value;
		else if (strcmp(word, "tar") == 0)
			o->directory = strcmp(value, "false") == 0;
		else
			return error_set(err, ERR_USAGE, EINVAL,
				"--output %s: unknown key \"%s\"; type, dest or tar expected", text, word);
	}
	for (size_t i = 0; o->type && types[i]; i++)
		known |= strcmp(o->type, types[i]) == 0;
	if (!known)
		return error_set(err, ERR_USAGE, EINVAL,
			"--output %s: type=oci, docker, tar, local, bundle or image expected", text);
	if (!o->destination && strcmp(o->type, "image") != 0) {
		if (strcmp(o->type, "local") == 0 || strcmp(o->type, "bundle") == 0)
			return error_set(err, ERR_USAGE, EINVAL, "--output %s: dest=DIRECTORY is missing", text);
		o->destination = "-";
	}
	return 0;
}

int output_check(const struct build_options *o, struct arena *a, struct error *err)
{
	struct output out;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->outputs.count; i++)
		r = parse_output(a, o->outputs.items[i], &out, err);
	for (size_t i = 0; r == 0 && i < o->tags.count; i++) {
		struct reference ref;

		r = reference_parse(a, o->tags.items[i], &ref, err);
		if (r < 0)
			error_wrap(err, "-t %s", o->tags.items[i]);
	}
	return r;
}

/* --- layers to blobs ------------------------------------------------------------------------------------------ */

struct compression {
	struct builder *b;
	struct build_stage *s;
	enum codec codec;
	int level;
	const char *name;
	atomic_size_t next;
	pthread_mutex_t lock;
	struct error *err;
	int result;
};

static void *compress(void *opaque)
{
	struct compression *c = opaque;

	for (;;) {
		size_t i = atomic_fetch_add(&c->next, 1);
		struct arena a = ARENA_INIT;
		struct build_layer *layer;
		struct error err = {0};
		struct descriptor d;
		int r = 0;

		if (i >= c->s->layers_count || c->result < 0)
			return NULL;
		layer = &c->s->layers[i];
		if (layer->blob.digest.algorithm)
			continue;
		if (!cache_blob_find(&c->b->cache, &a, &layer->diff_id, c->name, &d)) {
			r = layer_compress(&c->s->store, &a, c->codec, c->level, layer, &d, &err);
			if (r == 0)
				cache_blob_store(&c->b->cache, &a, &layer->diff_id, c->name, &d);
		}
		pthread_mutex_lock(&c->lock);
		if (r < 0 && c->result == 0) {
			c->result = r;
			*c->err = err;
		} else if (r == 0) {
			layer->blob = descriptor_make(
				&c->s->arena, arena_strdup(&c->s->arena, d.media_type), &d.digest, (uint64_t)d.size);
		}
		pthread_mutex_unlock(&c->lock);
		arena_free(&a);
	}
}

static int compress_all(struct builder *b, struct build_stage *s, struct error *err)
{
	struct compression c = {.b = b, .s = s, .codec = CODEC_GZIP, .err = err, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[64];
	unsigned int n = 0;
	size_t missing = 0;
	int r = b->o->compress ? codec_parse(b->o->compress, &c.codec, &c.level, err) : 0;

	if (r < 0)
		return r;
	c.name = arena_printf(&s->arena, "%d-%d", (int)c.codec, c.level);
	for (size_t i = 0; i < s->layers_count; i++)
		missing += !s->layers[i].blob.digest.algorithm;
	while (missing > 1 && n < missing - 1 && n + 1 < b->jobs && n < 64 &&
		pthread_create(&threads[n], NULL, compress, &c) == 0)
		n++;
	compress(&c);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	return c.result;
}

/* --- squash ----------------------------------------------------------------------------------------------------- */

static int to_writer(struct build_stage *s, size_t base, struct layer_writer *l, struct error *err)
{
	struct tar_writer w = {.sink = layer_write, .opaque = l};
	const char **names = arena_array(&s->arena, const char *, s->layers_count + 1);
	_cleanup_fd_ int before = -1, now = -1;

	for (size_t i = 0; i < s->layers_count; i++)
		names[i] = s->layers[i].name;
	now = unpacked_overlay(&s->store, names, s->layers_count, -1, -1, err);
	if (now < 0)
		return now;
	if (base == 0)
		return diff_write_tree(now, &w, err);
	before = unpacked_overlay(&s->store, names, base, -1, -1, err);
	return before < 0 ? before : diff_write_changes(before, now, &w, err);
}

/* One layer instead of those from `base` on. */
static int squash(struct builder *b, struct build_stage *s, struct error *err)
{
	size_t base = b->o->squash == BUILD_SQUASH_ALL ? 0 : s->base_layers;
	enum codec codec = CODEC_GZIP;
	struct build_layer one = {0};
	struct layer_writer l;
	int level = 0, r = b->o->compress ? codec_parse(b->o->compress, &codec, &level, err) : 0;

	if (r < 0 || s->layers_count - base < 2)
		return r;
	r = layer_begin(&l, &s->store.layout, codec, level, err);
	if (r < 0)
		return r;
	r = to_writer(s, base, &l, err);
	if (r < 0) {
		layer_abort(&l);
		return r;
	}
	r = layer_commit(&l, &s->arena, &one.blob, &one.diff_id, err);
	if (r < 0)
		return r;
	s->layers[base] = one;
	s->layers_count = base + 1;
	/* The history keeps its texts; one of them stands for the layer. */
	struct history_entry *h = arena_array(&s->arena, struct history_entry, s->config.history_count + 1);
	size_t seen = 0, last = SIZE_MAX;

	for (size_t i = 0; i < s->config.history_count; i++) {
		h[i] = s->config.history[i];
		if (h[i].empty_layer)
			continue;
		if (seen++ >= base) {
			h[i].empty_layer = true;
			last = i;
		}
	}
	if (last != SIZE_MAX)
		h[last].empty_layer = false;
	s->config.history = h;
	return 0;
}

/* --- the image ---------------------------------------------------------------------------------------------------- */

static int set_pairs(
	struct arena *a, const struct string_list *l, struct string_map *m, const char *option, struct error *err)
{
	for (size_t i = 0; i < l->count; i++) {
		const char *text = l->items[i], *equals = strchr(text, '=');

		if (equals == text)
			return error_set(err, ERR_USAGE, EINVAL, "--%s \"%.80s\": KEY=VALUE expected", option, text);
		string_map_set(a, m, equals ? arena_strndup(a, text, (size_t)(equals - text)) : text,
			equals ? equals + 1 : "");
	}
	return 0;
}

static int make_image(
	struct builder *b, struct build_stage *s, struct descriptor *d, struct image *image, struct error *err)
{
	struct arena *a = &s->arena;
	int r = b->o->squash ? squash(b, s, err) : 0;

	if (r == 0)
		r = compress_all(b, s, err);
	if (r < 0)
		return r;
	*image = (struct image){.config = s->config};
	image->config.created = b->created;
	image->config.rootfs_type = "layers";
	image->config.diff_id_texts = (struct string_list){0};
	image->manifest.layers = arena_array(a, struct descriptor, s->layers_count + 1);
	for (size_t i = 0; i < s->layers_count; i++) {
		image->manifest.layers[i] = s->layers[i].blob;
		string_list_add(a, &image->config.diff_id_texts, digest_string(a, &s->layers[i].diff_id));
	}
	image->manifest.layers_count = s->layers_count;
	r = set_pairs(a, &b->o->labels, &image->config.config.labels, "label", err);
	if (r == 0)
		r = set_pairs(a, &b->o->annotations, &image->manifest.annotations, "annotation", err);
	return r < 0 ? r : image_store(&b->p->store.layout, a, image, d, err);
}

/* --- outputs -------------------------------------------------------------------------------------------------------
 */

static int sink_fd(void *opaque, const void *buf, size_t size, struct error *err)
{
	int r = fd_write_all(*(int *)opaque, buf, size);

	return r < 0 ? error_sys(err, -r, "write the output") : 0;
}

static int write_tar(struct build_stage *s, const char *destination, struct error *err)
{
	_cleanup_fd_ int out = -1, root = -1;
	struct tar_writer w = {.sink = sink_fd, .opaque = &out};
	struct context c;
	int r = stage_context(s, &c, err);

	if (r < 0)
		return r;
	root = c.root;
	out = strcmp(destination, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
					    : open(destination, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return out < 0 ? error_sys(err, errno, "create %s", destination) : diff_write_tree(root, &w, err);
}

static int write_local(struct builder *b, const struct image *made, const struct descriptor *d, const char *destination,
	struct error *err)
{
	_cleanup_fd_ int root = -1;
	struct image image;
	int r = image_load(&b->p->store.layout, b->arena, d,
		&(struct platform){made->config.os, made->config.architecture, made->config.variant}, &image, err);

	if (r < 0)
		return r;
	if (mkdir(destination, 0755) < 0 && errno != EEXIST)
		return error_sys(err, errno, "create %s", destination);
	root = open(destination, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, errno, "open %s", destination);
	return unpacked_flat(&b->p->store, &image, root, b->userns, err);
}

static int write_archive(
	struct builder *b, const struct output *o, const struct descriptor *d, const char *name, struct error *err)
{
	struct location where = {.kind = LOCATION_ARCHIVE, .path = o->destination, .name = name};
	struct descriptor plain = *d;

	if (o->directory) {
		where.kind = LOCATION_LAYOUT;
		return location_put(b->p, &b->p->store.layout, &plain, &where, name, &b->o->transfer, err);
	}
	where.oci_archive = strcmp(o->type, "oci") == 0;
	where.docker_archive = !where.oci_archive;
	return archive_write_images(b->p, &b->p->store.layout, &plain, &name, 1, &where, o->type, err);
}

static int write_bundle(
	struct builder *b, const struct descriptor *d, const char *name, const char *destination, struct error *err)
{
	struct store_image image = {.name = name, .descriptor = *d};
	/* A tree of its own: the build's mounts end with it. */
	struct bundle_options options = {.flat = true, .net = geteuid() == 0 ? "none" : "host", .hostname = "bundle"};

	return bundle_unpack(&b->p->store, &image, destination, NULL, &options, err);
}

static int write_output(struct builder *b, struct build_stage *s, const struct output *o, const struct image *image,
	const struct descriptor *d, const char *name, struct error *err)
{
	if (strcmp(o->type, "tar") == 0)
		return write_tar(s, o->destination, err);
	if (strcmp(o->type, "local") == 0)
		return write_local(b, image, d, o->destination, err);
	if (strcmp(o->type, "bundle") == 0)
		return write_bundle(b, d, name, o->destination, err);
	if (strcmp(o->type, "image") == 0)
		return 0;
	return write_archive(b, o, d, name, err);
}

static int write_metadata(
	struct builder *b, const struct image *image, const struct descriptor *d, const char *name, struct error *err)
{
	struct json_writer w;
	const char *text;
	size_t len;
	int r;

	json_writer_init(&w, b->arena, true);
	json_write_object(&w);
	json_write_member_string(&w, "containerimage.config.digest", image->manifest.config.digest_text);
	json_write_member_string(&w, "containerimage.digest", d->digest_text);
	json_write_key(&w, "containerimage.descriptor");
	descriptor_write(&w, d);
	if (name)
		json_write_member_string(&w, "image.name", name);
	json_write_end_object(&w);
	text = json_writer_finish(&w, &len);
	r = fd_replace_file(AT_FDCWD, b->o->metadata_file, text, len, 0644);
	return r < 0 ? error_sys(err, -r, "write %s", b->o->metadata_file) : 0;
}

static int name_image(struct builder *b, const struct descriptor *d, const char **first, struct error *err)
{
	int r = 0;

	*first = NULL;
	for (size_t i = 0; r == 0 && i < b->o->tags.count; i++) {
		struct reference ref;
		struct store_image have;
		const char *name;

		r = reference_parse(b->arena, b->o->tags.items[i], &ref, err);
		if (r < 0)
			return r;
		name = reference_canonical(b->arena, &ref);
		if (!*first)
			*first = name;
		/* Nothing to write when the name stands for it already. */
		if (store_find_reference(&b->p->store, &ref, &have, NULL) == 0 &&
			digest_equal(&have.descriptor.digest, &d->digest))
			continue;
		r = store_name(&b->p->store, name, d, err);
	}
	return r;
}

/* Without name and output it is found by its digest. */
static int keep_unnamed(struct builder *b, const struct descriptor *d, struct error *err)
{
	struct store_image have;

	if (b->o->tags.count || b->o->outputs.count || store_find(&b->p->store, d->digest_text, &have, NULL) == 0)
		return 0;
	return layout_set_name(&b->p->store.layout, b->arena, "", d, err);
}

static int push_all(struct builder *b, const struct descriptor *d, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->o->tags.count; i++) {
		struct location to = {.kind = LOCATION_REGISTRY};

		r = reference_parse(b->arena, b->o->tags.items[i], &to.ref, err);
		if (r == 0)
			r = location_put(b->p, &b->p->store.layout, d, &to, NULL, &b->o->transfer, err);
	}
	return r;
}

int output_write(struct builder *b, struct build_stage *s, struct error *err)
{
	struct descriptor d;
	struct image image;
	const char *name = NULL;
	int step = build_progress_begin(b->progress, "[internal]", "image"), r = make_image(b, s, &d, &image, err);
	bool quiet_stdout = false;

	if (r == 0)
		r = name_image(b, &d, &name, err);
	if (r == 0)
		r = keep_unnamed(b, &d, err);
	for (size_t i = 0; r == 0 && i < b->o->outputs.count; i++) {
		struct output o;

		r = parse_output(b->arena, b->o->outputs.items[i], &o, err);
		quiet_stdout |= r == 0 && o.destination && strcmp(o.destination, "-") == 0;
		if (r == 0)
			r = write_output(b, s, &o, &image, &d, name, err);
	}
	if (r == 0 && b->o->push)
		r = push_all(b, &d, err);
	if (r == 0 && b->o->iidfile) {
		const char *id = image.manifest.config.digest_text;

		r = fd_replace_file(AT_FDCWD, b->o->iidfile, id, strlen(id), 0644);
		if (r < 0)
			r = error_sys(err, -r, "write %s", b->o->iidfile);
	}
	if (r == 0 && b->o->metadata_file)
		r = write_metadata(b, &image, &d, name, err);
	build_progress_end(b->progress, step, r < 0 ? "ERROR" : "DONE");
	if (r == 0 && !quiet_stdout)
		printf("%s\n", d.digest_text);
	return r;
}
