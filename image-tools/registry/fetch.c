/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: manifest first, by tag or digest; of an index one platform's
 * entry, or everything.  Then configurations, because they hold the diff-ids; then all
 * layers by a few threads; their names are synced once.  The manifest itself is stored last, so that whatever has a
 * manifest in the layout is complete.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "image-tools/registry/transfer.h"
#include "image-tools/status.h"
#include "image-tools/store/unpacked.h"

struct pool {
	pthread_mutex_t lock;
	struct registry *registry;
	transfer_fn *fn;
	char *jobs;
	size_t job_size, n, next;
	int result;
	struct error error;
};

static void *worker(void *opaque)
{
	struct pool *p = opaque;
	struct arena a = ARENA_INIT;
	struct connection c = { 0 };
	struct error err = { 0 };
	int r = connection_open(&c, p->registry, &a, &err);

	for (;;) {
		char *job = NULL;

		pthread_mutex_lock(&p->lock);
		if (r < 0 && p->result == 0) {
			p->result = r;
			p->error = err;
		}
		if (p->result == 0 && p->next < p->n)
			job = p->jobs + p->job_size * p->next++;
		pthread_mutex_unlock(&p->lock);
		if (!job)
			break;
		r = p->fn(&c, job, &err);
	}
	connection_close(&c);
	arena_free(&a);
	return NULL;
}

int transfer_parallel(struct registry *r, transfer_fn *fn, void *jobs, size_t job_size, size_t n, unsigned int threads,
	struct error *err)
{
	struct pool p = { .registry = r, .fn = fn, .jobs = jobs, .job_size = job_size, .n = n };
	pthread_t ids[32];
	unsigned int started = 0;

	if (threads == 0)
		threads = 4;
	if (threads > 32)
		threads = 32;
	if (threads > n)
		threads = (unsigned int)n;
	pthread_mutex_init(&p.lock, NULL);
	while (started < threads && pthread_create(&ids[started], NULL, worker, &p) == 0)
		started++;
	if (started == 0 && n > 0)
		worker(&p);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	pthread_mutex_destroy(&p.lock);
	if (p.result < 0 && err)
		*err = p.error;
	return p.result;
}

int manifest_fetch(struct connection *c, const char *path, const char *reference, const struct digest *expected,
	char **buf, size_t *len, const char **type, struct digest *digest, struct error *err)
{
	struct call call = { .request = { .method = "GET",
				     .url = arena_printf(c->arena, "/v2/%s/manifests/%s", path, reference),
				     .headers = (const char *const[]){ "Accept: " MEDIA_ACCEPT_MANIFESTS, NULL },
				     .max_body = MANIFEST_MAX },
		.scope = { scope_for(c->arena, path, "pull") } };
	struct http_response resp;
	struct digest claimed;
	char a[DIGEST_TEXT_MAX], b[DIGEST_TEXT_MAX];
	int r = registry_call(c, &call, &resp, err);

	if (r < 0)
		return r;
	if (resp.content_length >= 0 && (uint64_t)resp.content_length != resp.body_length)
		return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "manifest %s:%s: truncated", path, reference);
	if (!expected && resp.digest && digest_parse(resp.digest, &claimed, NULL) == 0)
		expected = &claimed;
	*buf = resp.body ? resp.body : arena_strdup(c->arena, "");
	*len = resp.body_length;
	*type = resp.content_type;
	r = digest_of(expected ? expected->algorithm : DIGEST_SHA256, *buf, *len, digest);
	if (r < 0)
		return error_sys(err, -r, "hash a manifest");
	if (expected && !digest_equal(expected, digest))
		return error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "manifest %s: %s expected, the content has digest %s", path,
			digest_format(expected, a), digest_format(digest, b));
	return 0;
}

/* A manifest or index that was fetched and is stored when all below it is there. */
struct document {
	struct document *next;
	char *buf;
	size_t len;
};

struct fetch {
	struct connection *c;
	const struct reference *ref;
	const struct layout *layout;
	struct arena *a;
	const struct fetch_options *o;
	struct document *documents; /* innermost first */
	struct blob_job *jobs;
	size_t count, capacity, entries;
};

static void add_job(struct fetch *f, const struct descriptor *d, const struct digest *diff_id, bool first)
{
	for (size_t i = 0; i < f->count; i++)
		if (digest_equal(&f->jobs[i].descriptor.digest, &d->digest))
			return;
	if (f->count == f->capacity) {
		size_t bigger = f->capacity ? f->capacity * 2 : 32;

		f->jobs = arena_grow(f->a, f->jobs, f->capacity * sizeof *f->jobs, bigger * sizeof *f->jobs);
		f->capacity = bigger;
	}
	f->jobs[f->count++] = (struct blob_job){ .layout = f->layout, .path = f->ref->path, .descriptor = *d,
		.unpack = diff_id ? f->o->unpack : NULL, .diff_id = diff_id ? *diff_id : (struct digest){ 0 }, .first = first,
		.foreign = f->o->foreign };
}

static int add_manifest(struct fetch *f, const char *buf, size_t len, struct error *err)
{
	struct image_config config = { 0 };
	struct manifest m;
	bool image;
	int r = manifest_parse(buf, len, "manifest", f->a, &m, err);

	if (r < 0)
		return r;
	image = media_role(m.config.media_type) == MEDIA_CONFIG;
	if (image && m.config.size > (int64_t)IMAGE_CONFIG_MAX)
		return error_set(err, ERR_CONFIG, EFBIG, "image config: larger than %u bytes", IMAGE_CONFIG_MAX);
	if (image) {
		struct blob_job job = { .layout = f->layout, .path = f->ref->path, .descriptor = m.config };
		char *text;
		size_t text_len;

		r = blob_download(f->c, &job, err);
		if (r == 0)
			r = layout_blob_read(f->layout, &m.config, IMAGE_CONFIG_MAX, f->a, &text, &text_len, err);
		if (r == 0)
			r = image_config_parse(text, text_len, "image config", f->a, &config, err);
		if (r < 0)
			return r;
		if (config.diff_id_texts.count != m.layers_count)
			return error_set(err, ERR_CONFIG, EINVAL, "image config lists %zu layers, the manifest %zu",
				config.diff_id_texts.count, m.layers_count);
	} else {
		add_job(f, &m.config, NULL, false);
	}
	for (size_t i = 0; i < m.layers_count; i++)
		add_job(f, &m.layers[i], image && f->o->unpack ? &config.diff_ids[i] : NULL, i == 0);
	return 0;
}

static int add_document(struct fetch *f, const char *reference, const struct digest *expected, const char *promised,
	int depth, struct descriptor *d, struct error *err);

static int add_index(struct fetch *f, const char *buf, size_t len, int depth, struct descriptor *d, bool keep,
	struct error *err)
{
	struct platform host = platform_host();
	const struct descriptor *chosen;
	struct image_index x;
	struct descriptor child;
	int r = index_parse(buf, len, "index", f->a, &x, err);

	if (r < 0)
		return r;
	f->entries += x.manifests_count;
	if (depth >= 4 || f->entries > INDEX_ENTRIES_MAX)
		return error_set(err, ERR_CONFIG, ELOOP, "index: nested too deeply or too large");
	if (!keep) {
		r = index_select(&x, f->o->platform ? f->o->platform : &host, f->a, &chosen, err);
		if (r < 0)
			return r;
		r = add_document(f, chosen->digest_text, &chosen->digest, chosen->media_type, depth + 1, d, err);
		if (r == 0) {
			d->platform = chosen->platform;
			d->platform_raw = chosen->platform_raw;
		}
		return r;
	}
	for (size_t i = 0; r == 0 && i < f->o->several_count; i++) {
		r = index_select(&x, &f->o->several[i], f->a, &chosen, err);
		if (r == 0)
			r = add_document(f, chosen->digest_text, &chosen->digest, chosen->media_type, depth + 1, &child, err);
	}
	for (size_t i = 0; r == 0 && !f->o->several_count && i < x.manifests_count; i++) {
		enum media_role role = media_role(x.manifests[i].media_type);

		if (x.manifests[i].digest.algorithm && (role == MEDIA_MANIFEST || role == MEDIA_INDEX))
			r = add_document(f, x.manifests[i].digest_text, &x.manifests[i].digest, x.manifests[i].media_type,
				depth + 1, &child, err);
	}
	return r;
}

static int add_document(struct fetch *f, const char *reference, const struct digest *expected, const char *promised,
	int depth, struct descriptor *d, struct error *err)
{
	enum media_role role;
	struct digest digest;
	const char *type;
	struct document *doc;
	char *buf;
	size_t len;
	bool keep;
	int r = manifest_fetch(f->c, f->ref->path, reference, expected, &buf, &len, &type, &digest, err);

	if (r < 0)
		return r;
	r = document_role(buf, len, type && media_role(type) != MEDIA_UNKNOWN ? type : promised, f->a, &role, err);
	if (r < 0)
		return error_wrap(err, "%s", reference_familiar(f->a, f->ref));
	if (promised && media_role(promised) != MEDIA_UNKNOWN && media_role(promised) != role)
		return error_set(err, ERR_CONFIG, EINVAL, "index promises %s, the content is something else", promised);
	keep = role == MEDIA_MANIFEST || f->o->all_platforms || f->o->several_count;
	if (keep) {
		*d = descriptor_make(f->a, type && media_role(type) == role ? arena_strndup(f->a, type, strcspn(type, "; ")) :
				role == MEDIA_INDEX ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST, &digest, len);
		doc = arena_new(f->a, struct document);
		*doc = (struct document){ f->documents, buf, len };
		f->documents = doc;
	}
	return role == MEDIA_MANIFEST ? add_manifest(f, buf, len, err) : add_index(f, buf, len, depth, d, keep, err);
}

static int download_job(struct connection *c, void *job, struct error *err)
{
	const struct blob_job *b = job;

	return blob_download(c, b, err);
}

int registry_fetch(struct registry *r, const struct reference *ref, const struct layout *layout, struct arena *a,
	const struct fetch_options *o, struct descriptor *d, struct error *err)
{
	struct connection c;
	struct fetch f = { .c = &c, .ref = ref, .layout = layout, .a = a, .o = o };
	const char *name = ref->digest.algorithm ? digest_string(a, &ref->digest) : ref->tag;
	int rc = connection_open(&c, r, a, err);

	if (rc == 0)
		rc = add_document(&f, name, ref->digest.algorithm ? &ref->digest : NULL, NULL, 0, d, err);
	if (rc == 0)
		rc = transfer_parallel(r, download_job, f.jobs, sizeof *f.jobs, f.count, o->jobs, err);
	/* Names are on disk before anything refers to them. */
	if (rc == 0)
		rc = layout_sync_names(layout, err);
	if (rc == 0 && o->unpack)
		rc = unpacked_sync_names(o->unpack, err);
	for (struct document *doc = f.documents; rc == 0 && doc; doc = doc->next)
		rc = layout_blob_put(layout, doc->buf, doc->len, NULL, err);
	connection_close(&c);
	return rc;
}
