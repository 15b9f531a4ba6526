/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: mark and sweep with the whole store to ourselves (gc.lock
 * exclusive; it is refused while another process works).  Roots are index.json's
 * entries and the bundles whose directory still exists.  Marked names are kept in a
 * set; what a directory listing shows beyond it goes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/store/gc_internal.h"

void gc_mark(struct marks *m, const char *name)
{
	if (m->count == m->capacity) {
		size_t bigger = m->capacity ? m->capacity * 2 : 256;

		m->names = arena_grow(m->a, m->names, m->capacity * sizeof *m->names, bigger * sizeof *m->names);
		m->capacity = bigger;
	}
	m->names[m->count++] = name;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void gc_marks_sort(struct marks *m)
{
	if (m->count)
		qsort(m->names, m->count, sizeof *m->names, compare_names);
}

bool gc_marked(const struct marks *m, const char *name)
{
	return m->count && bsearch(&name, m->names, m->count, sizeof *m->names, compare_names);
}

static void mark_digest(struct marks *m, const struct digest *d)
{
	char hex[DIGEST_TEXT_MAX];

	if (d->algorithm)
		gc_mark(m, arena_strdup(m->a, digest_hex(d, hex)));
}

static void mark_layers(struct store *s, struct marks *layers, const struct manifest *m)
{
	struct image_config c;
	char *buf;
	size_t len;

	if (media_role(m->config.media_type) != MEDIA_CONFIG ||
		layout_blob_read(&s->layout, &m->config, IMAGE_CONFIG_MAX, s->arena, &buf, &len, NULL) < 0 ||
		image_config_parse(buf, len, "config", s->arena, &c, NULL) < 0)
		return;
	for (size_t i = 0; i < c.diff_id_texts.count; i++) {
		struct digest chain;

		gc_mark(layers, store_layer_name(s->arena, &c.diff_ids[i]));
		if (i > 0 && chain_id(c.diff_ids, i + 1, &chain) == 0)
			gc_mark(layers, store_layer_chain_name(s->arena, &chain));
	}
}

static int mark_document(struct store *s, struct marks *blobs, struct marks *layers, const struct descriptor *d,
	int depth, struct error *err)
{
	enum media_role role;
	struct manifest m;
	struct image_index x;
	char *buf;
	size_t len;
	int r;

	mark_digest(blobs, &d->digest);
	if (depth > 4 || !layout_blob_exists(&s->layout, &d->digest, -1))
		return 0;
	r = layout_blob_read(&s->layout, d, MANIFEST_MAX, s->arena, &buf, &len, err);
	if (r == 0)
		r = document_role(buf, len, NULL, s->arena, &role, err);
	if (r < 0)
		return error_wrap(err, "gc stops because an image cannot be read");
	if (role == MEDIA_INDEX) {
		r = index_parse(buf, len, "index", s->arena, &x, err);
		for (size_t i = 0; r == 0 && i < x.manifests_count; i++)
			r = mark_document(s, blobs, layers, &x.manifests[i], depth + 1, err);
		return r;
	}
	r = manifest_parse(buf, len, "manifest", s->arena, &m, err);
	if (r < 0)
		return r;
	mark_digest(blobs, &m.config.digest);
	for (size_t i = 0; i < m.layers_count; i++)
		mark_digest(blobs, &m.layers[i].digest);
	mark_layers(s, layers, &m);
	return 0;
}

struct bundle_record {
	const char *bundle;
	struct string_list layers;
};
static const struct json_field bundle_fields[] = {
	JSON_F(JSON_STRING, struct bundle_record, bundle, "bundle", .required = true),
	JSON_F_LIST(JSON_STRINGS, struct bundle_record, layers, "layers"),
};
static const struct json_object bundle_object = JSON_OBJECT_OF("bundle", struct bundle_record, bundle_fields);

typedef void bundle_found(struct store *s, const struct bundle_record *record, void *opaque);

/* Each bundle that is still there; records of others go. */
static void each_bundle(struct store *s, bundle_found *fn, void *opaque)
{
	int dir = openat(s->layout.dir, "bundles", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct bundle_record record = { 0 };
		struct json_errors errors = { 0 };
		char *buf;
		size_t len;

		if (e->d_name[0] == '.' || fd_read_file(dirfd(d), e->d_name, s->arena, 1 << 20, &buf, &len) < 0 ||
			json_read(&bundle_object, buf, len, s->arena, &record, &errors) < 0)
			continue;
		if (access(record.bundle, F_OK) < 0) {
			unlinkat(dirfd(d), e->d_name, 0);
			continue;
		}
		fn(s, &record, opaque);
	}
	if (d)
		closedir(d);
}

static void mark_bundle(struct store *s, const struct bundle_record *record, void *opaque)
{
	(void)s;
	for (size_t i = 0; i < record->layers.count; i++)
		gc_mark(opaque, record->layers.items[i]);
}

struct volume_search {
	const char *wanted, *found;
};

static void look_for_volume(struct store *s, const struct bundle_record *record, void *opaque)
{
	struct volume_search *v = opaque;
	char *text;

	if (fd_read_file(AT_FDCWD, arena_printf(s->arena, "%s/config.json", record->bundle), s->arena, 8u << 20, &text, NULL) == 0 &&
		strstr(text, v->wanted))
		v->found = record->bundle;
}

const char *store_volume_user(struct store *s, const char *volume)
{
	struct volume_search v = { .wanted = arena_printf(s->arena, "\"%s/volumes/%s\"", s->path, volume) };

	each_bundle(s, look_for_volume, &v);
	return v.found;
}

/* The word number `word` of each file in a directory of the build cache; layer names and digests of blobs. */
static void mark_words(struct store *s, int dir, const char *name, int word, struct marks *m)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *text, *save = NULL, *value = NULL;
		size_t len;

		if (e->d_name[0] == '.')
			continue;
		if (e->d_type == DT_DIR) {
			mark_words(s, dirfd(d), e->d_name, word, m);
			continue;
		}
		if (fd_read_file(dirfd(d), e->d_name, s->arena, 4096, &text, &len) < 0)
			continue;
		value = strtok_r(text, " \n", &save);
		for (int i = 0; value && i < word; i++)
			value = strtok_r(NULL, " \n", &save);
		if (value)
			gc_mark(m, strncmp(value, "sha256:", 7) == 0 ? value + 7 : value);
	}
	if (d)
		closedir(d);
}

/* What steps of builds made: their layers, and the compressed form of layers. */
static void mark_cache(struct store *s, struct marks *blobs, struct marks *layers)
{
	mark_words(s, s->layout.dir, "cache/steps", 3, layers);
	mark_words(s, s->layout.dir, "cache/blobs", 2, blobs);
}

static void note_newest(struct timespec *newest, const struct timespec *t)
{
	if (newest && (t->tv_sec > newest->tv_sec || (t->tv_sec == newest->tv_sec && t->tv_nsec > newest->tv_nsec)))
		*newest = *t;
}

uint64_t gc_tree_size(int dir, const char *name, struct timespec *newest)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint64_t sum = 0;

	while (d && (e = readdir(d))) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		note_newest(newest, &st.st_mtim);
		sum += S_ISDIR(st.st_mode) ? gc_tree_size(dirfd(d), e->d_name, newest) : (uint64_t)st.st_blocks * 512;
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return sum;
}

enum sweep_kind { SWEEP_BLOBS, SWEEP_LAYERS, SWEEP_TMP };

static void sweep(struct store *s, const char *name, enum sweep_kind kind, const struct marks *m,
	const struct gc_options *o, time_t before, struct gc_result *result)
{
	int fd = openat(s->layout.dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		uint64_t bytes = 0;
		struct stat st;

		if (e->d_name[0] == '.' || (m && gc_marked(m, e->d_name)))
			continue;
		if (kind == SWEEP_TMP && strcmp(e->d_name, s->run_name) == 0)
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (o->older && st.st_ctime > before))
			continue;
		bytes = S_ISDIR(st.st_mode) ? gc_tree_size(dirfd(d), e->d_name, NULL) : (uint64_t)st.st_blocks * 512;
		log_debug("gc: %s/%s", name, e->d_name);
		if (!o->dry_run && store_remove_tree(dirfd(d), e->d_name) < 0) {
			log_warning("gc: %s/%s/%s cannot be removed", s->path, name, e->d_name);
			continue;
		}
		result->bytes += bytes;
		*(kind == SWEEP_BLOBS ? &result->blobs : kind == SWEEP_LAYERS ? &result->layers : &result->leftovers) += 1;
	}
	if (d)
		closedir(d);
}

/* The moment before which things are old. */
static int parse_age(const char *text, time_t *before, struct error *err)
{
	static const struct {
		char letter;
		unsigned int seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	time_t now = time(NULL);
	char *end;
	unsigned long n;

	*before = now;
	if (!text)
		return 0;
	errno = 0;
	n = strtoul(text, &end, 10);
	for (size_t i = 0; !errno && end > text && *text >= '0' && *text <= '9' && i < sizeof units / sizeof units[0]; i++) {
		if (end[0] == units[i].letter && !end[1] && n <= (unsigned long)now / units[i].seconds) {
			*before = now - (time_t)(n * units[i].seconds);
			return 0;
		}
	}
	return error_set(err, ERR_USAGE, EINVAL, "--older \"%.40s\": an age such as 30m, 12h or 7d expected", text);
}

int store_gc(struct store *s, const struct gc_options *o, struct gc_result *result, struct error *err)
{
	struct marks blobs = { .a = s->arena }, layers = { .a = s->arena };
	struct image_index x;
	time_t before;
	int r = parse_age(o->older, &before, err);

	if (r < 0)
		return r;
	*result = (struct gc_result){ 0 };
	if (flock(s->gc_lock, LOCK_EX | LOCK_NB) < 0) {
		error_set(err, ERR_STATE, EBUSY, "the store is in use by another oci-image");
		error_hint(err, "try again when it has finished");
		return -EBUSY;
	}
	r = layout_index_read(&s->layout, s->arena, &x, err);
	for (size_t i = 0; r == 0 && i < x.manifests_count; i++) {
		bool goes = o->dangling && !string_map_get(&x.manifests[i].annotations, ANNOTATION_REF_NAME);

		if (!goes)
			r = mark_document(s, &blobs, &layers, &x.manifests[i], 0, err);
		else if (!o->dry_run)
			r = layout_drop_nameless(&s->layout, s->arena, &x.manifests[i].digest, err);
	}
	if (r < 0)
		return r;
	each_bundle(s, mark_bundle, &layers);
	if (o->build_cache)
		sweep(s, "cache", SWEEP_TMP, NULL, o, before, result);
	else if (o->limit_cache)
		r = gc_limit_cache(s, &blobs, &layers, o, before, result, err);
	else
		mark_cache(s, &blobs, &layers);
	if (r < 0)
		return r;
	gc_marks_sort(&blobs);
	gc_marks_sort(&layers);
	sweep(s, "layers", SWEEP_LAYERS, &layers, o, before, result);
	if (!o->layers_only) {
		sweep(s, "blobs/sha256", SWEEP_BLOBS, &blobs, o, before, result);
		sweep(s, "blobs/sha512", SWEEP_BLOBS, &blobs, o, before, result);
	}
	sweep(s, "tmp", SWEEP_TMP, NULL, o, before, result);
	flock(s->gc_lock, LOCK_SH);
	return 0;
}
