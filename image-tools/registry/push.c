/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: blobs before manifests, inner manifests before outer ones.  A
 * blob that the registry has (HEAD) is left out, one that another repository there has
 * is mounted.  Large blobs go in chunks; the session's address is kept beside the
 * partial downloads, so another process goes on with an upload that was cut off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/progress.h"
#include "image-tools/registry/transfer.h"
#include "image-tools/status.h"

#define CHUNK_DEFAULT (64ull << 20)

struct upload_job {
	const struct layout *layout;
	const char *path;
	struct descriptor descriptor;
	const struct push_options *o;
};

struct upload {
	struct connection *c;
	const struct upload_job *job;
	const char *scope, *mount_scope;
	const char *session; /* absolute URL */
	char state_name[DIGEST_TEXT_MAX];
	int fd;
	uint64_t sent, chunk;
};

static struct call new_call(const struct upload *u, const char *method, const char *url)
{
	return (struct call){ .request = { .method = method, .url = url }, .scope = { u->scope, u->mount_scope } };
}

static void state_name(struct upload *u)
{
	struct digest d;
	char hex[DIGEST_TEXT_MAX];
	const char *key = arena_printf(u->c->arena, "%s %s %s", registry_base(u->c->registry), u->job->path,
		u->job->descriptor.digest_text);

	digest_of(DIGEST_SHA256, key, strlen(key), &d);
	snprintf(u->state_name, sizeof u->state_name, "upload.%.64s", digest_hex(&d, hex));
}

static void remember(struct upload *u)
{
	if (u->job->layout->parts >= 0)
		fd_replace_file(u->job->layout->parts, u->state_name, u->session, strlen(u->session), 0600);
}

static void forget(struct upload *u)
{
	if (u->job->layout->parts >= 0)
		unlinkat(u->job->layout->parts, u->state_name, 0);
}

/* Where did the session stop?  204 with "Range: 0-n". */
static bool ask_session(struct upload *u)
{
	struct call call = new_call(u, "GET", u->session);
	struct http_response resp;
	struct error ignored = { 0 };
	const char *dash;

	if (registry_call(u->c, &call, &resp, &ignored) < 0)
		return false;
	dash = resp.range ? strrchr(resp.range, '-') : NULL;
	u->sent = dash ? strtoull(dash + 1, NULL, 10) + 1 : 0;
	if (u->sent == 1 && dash && strcmp(resp.range, "0-0") == 0)
		u->sent = 0; /* docker-registry's way to say "nothing yet" */
	if (resp.location)
		u->session = url_resolve(u->c->arena, u->session, resp.location);
	return u->session && u->sent <= (uint64_t)u->job->descriptor.size;
}

static bool resume(struct upload *u)
{
	char *text;
	size_t len;

	if (u->job->layout->parts < 0 ||
		fd_read_file(u->job->layout->parts, u->state_name, u->c->arena, 65536, &text, &len) < 0)
		return false;
	u->session = text;
	if (ask_session(u)) {
		log_info("upload of %s goes on at byte %llu", u->job->descriptor.digest_text, (unsigned long long)u->sent);
		return true;
	}
	forget(u);
	return false;
}

/* 1: there already (mounted); 0: a session was opened. */
static int start(struct upload *u, struct error *err)
{
	const char *from = u->job->o->mount_from, *base = registry_base(u->c->registry);
	const char *url = arena_printf(u->c->arena, "%s/v2/%s/blobs/uploads/", base, u->job->path);
	struct http_response resp;
	struct call call;
	int r;

	if (from)
		url = arena_printf(u->c->arena, "%s?mount=%s&from=%s", url, u->job->descriptor.digest_text, url_escape(u->c->arena, from));
	call = new_call(u, "POST", url);
	r = registry_call(u->c, &call, &resp, err);
	if (r < 0)
		return r;
	if (resp.status == 201)
		return 1;
	if (!resp.location)
		return error_set(err, ERR_SYSTEM, EPROTO, "%s: the registry opens no upload session", url);
	u->session = url_resolve(u->c->arena, url, resp.location);
	if (!u->session)
		return error_set(err, ERR_SYSTEM, EPROTO, "%s: the upload session's address is invalid", url);
	if (resp.min_chunk && strtoull(resp.min_chunk, NULL, 10) > u->chunk)
		u->chunk = strtoull(resp.min_chunk, NULL, 10);
	u->sent = 0;
	return 0;
}

static int send_chunks(struct upload *u, int line, struct error *err)
{
	uint64_t size = (uint64_t)u->job->descriptor.size;
	struct retry retry = { 0 };

	while (size - u->sent > u->chunk) {
		const char *range = arena_printf(u->c->arena, "Content-Range: %llu-%llu", (unsigned long long)u->sent,
			(unsigned long long)(u->sent + u->chunk - 1));
		const char *headers[] = { "Content-Type: application/octet-stream", range, NULL };
		struct call call = new_call(u, "PATCH", u->session);
		struct error local = { 0 };
		struct http_response resp;
		uint64_t before = u->sent;
		int r;

		call.request.headers = headers;
		call.request.body_fd = u->fd;
		call.request.body_offset = u->sent;
		call.request.body_length = u->chunk;
		r = registry_call_once(u->c, &call, &resp, &local);
		if (r == 0) {
			u->sent += u->chunk;
			if (resp.location)
				u->session = url_resolve(u->c->arena, u->session, resp.location);
			remember(u);
			progress_update(line, u->sent);
			retry.attempt = 0;
			continue;
		}
		if ((r != -IMAGE_ENETWORK && r != -ERANGE && r != -ENOENT) || !retry_wait(&retry, &resp, &local, false)) {
			if (err)
				*err = local;
			return r;
		}
		/* A session that is gone starts over. */
		if (r == -ENOENT || !ask_session(u)) {
			forget(u);
			r = start(u, err);
			if (r != 0)
				return r;
		}
		if (u->sent > before)
			retry.attempt = 0;
	}
	return 0;
}

static int finish(struct upload *u, struct error *err)
{
	const char *headers[] = { "Content-Type: application/octet-stream", NULL };
	struct retry retry = { 0 };

	for (;;) {
		struct call call = new_call(u, "PUT", arena_printf(u->c->arena, "%s%cdigest=%s", u->session,
			strchr(u->session, '?') ? '&' : '?', url_escape(u->c->arena, u->job->descriptor.digest_text)));
		struct error local = { 0 };
		struct http_response resp;
		int r;

		call.request.headers = headers;
		call.request.body_fd = u->fd;
		call.request.body_offset = u->sent;
		call.request.body_length = (uint64_t)u->job->descriptor.size - u->sent;
		r = registry_call_once(u->c, &call, &resp, &local);
		if (r == 0)
			return 0;
		if ((r != -IMAGE_ENETWORK && r != -ERANGE) || !retry_wait(&retry, &resp, &local, false)) {
			if (err)
				*err = local;
			return r;
		}
		/* A session that is gone starts over. */
		if (!ask_session(u)) {
			r = start(u, err);
			if (r != 0)
				return r < 0 ? r : 0;
		}
	}
}

static int upload_blob(struct connection *c, void *opaque, struct error *err)
{
	const struct upload_job *job = opaque;
	struct upload u = { .c = c, .job = job, .fd = -1, .chunk = job->o->chunk ? job->o->chunk : CHUNK_DEFAULT };
	struct http_response resp;
	struct call head;
	char label[40];
	uint64_t size = 0;
	int r, line;

	u.scope = scope_for(c->arena, job->path, "pull,push");
	if (job->o->mount_from)
		u.mount_scope = scope_for(c->arena, job->o->mount_from, "pull");
	head = new_call(&u, "HEAD", arena_printf(c->arena, "/v2/%s/blobs/%s", job->path, job->descriptor.digest_text));
	head.quiet_missing = true;
	snprintf(label, sizeof label, "%.19s", job->descriptor.digest_text);
	line = progress_add(label, (uint64_t)job->descriptor.size);
	r = registry_call(c, &head, &resp, err);
	if (r < 0)
		return r;
	if (resp.status == 200) {
		progress_end(line, "there already");
		return 0;
	}
	u.fd = layout_blob_open(job->layout, &job->descriptor.digest, &size);
	if (u.fd < 0 || size != (uint64_t)job->descriptor.size) {
		cleanup_fd(&u.fd);
		return error_set(err, ERR_NOT_FOUND, ENOENT, "blob %s is not complete in %s", job->descriptor.digest_text,
			job->layout->path);
	}
	state_name(&u);
	r = resume(&u) ? 0 : start(&u, err);
	if (r == 0)
		r = send_chunks(&u, line, err);
	if (r == 0)
		r = finish(&u, err);
	else if (r == 1)
		r = 2;
	if (r >= 0)
		forget(&u);
	close(u.fd);
	progress_end(line, r == 2 ? "mounted" : r == 0 ? "pushed" : "failed");
	return r < 0 ? r : 0;
}

struct push {
	struct connection *c;
	const struct reference *ref;
	const struct layout *layout;
	struct arena *a;
	const struct push_options *o;
	struct upload_job *jobs;
	size_t count, capacity;
	struct pushed {
		struct pushed *next;
		const char *text, *type, *digest;
		size_t len;
		struct descriptor subject;
		struct descriptor self;
	} *documents; /* outermost first */
};

static void add_blob(struct push *p, const struct descriptor *d)
{
	for (size_t i = 0; i < p->count; i++)
		if (digest_equal(&p->jobs[i].descriptor.digest, &d->digest))
			return;
	if (p->count == p->capacity) {
		size_t bigger = p->capacity ? p->capacity * 2 : 32;

		p->jobs = arena_grow(p->a, p->jobs, p->capacity * sizeof *p->jobs, bigger * sizeof *p->jobs);
		p->capacity = bigger;
	}
	p->jobs[p->count++] = (struct upload_job){ p->layout, p->ref->path, *d, p->o };
}

static int collect(struct push *p, const struct descriptor *d, int depth, struct error *err)
{
	struct pushed *doc = arena_new(p->a, struct pushed), **tail = &p->documents;
	enum media_role role;
	struct image_index x;
	struct manifest m = { 0 };
	char *buf;
	size_t len;
	int r = layout_blob_read(p->layout, d, MANIFEST_MAX, p->a, &buf, &len, err);

	if (r == 0)
		r = document_role(buf, len, d->media_type, p->a, &role, err);
	if (r < 0)
		return r;
	while (*tail)
		tail = &(*tail)->next;
	*doc = (struct pushed){ .text = buf, .len = len, .digest = digest_string(p->a, &d->digest), .self = *d,
		.type = d->media_type ? d->media_type : role == MEDIA_INDEX ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST };
	*tail = doc;
	if (role == MEDIA_INDEX) {
		r = depth > 4 ? error_set(err, ERR_CONFIG, ELOOP, "index: nested too deeply") :
				index_parse(buf, len, "index", p->a, &x, err);
		for (size_t i = 0; r == 0 && i < x.manifests_count; i++) {
			enum media_role inner = media_role(x.manifests[i].media_type);

			if (inner == MEDIA_MANIFEST || inner == MEDIA_INDEX)
				r = collect(p, &x.manifests[i], depth + 1, err);
		}
		return r;
	}
	r = manifest_parse(buf, len, "manifest", p->a, &m, err);
	if (r < 0)
		return r;
	doc->subject = m.subject;
	add_blob(p, &m.config);
	for (size_t i = 0; i < m.layers_count; i++)
		if (media_role(m.layers[i].media_type) != MEDIA_FOREIGN_LAYER ||
			layout_blob_exists(p->layout, &m.layers[i].digest, m.layers[i].size))
			add_blob(p, &m.layers[i]);
	return 0;
}

/* A registry without the referrers API: the client keeps the index under the tag sha256-<hex> (distribution-spec,
 * "Referrers Tag Schema"). */
static int update_referrers(struct push *p, const struct pushed *doc, struct error *err)
{
	char *tag = arena_strdup(p->a, doc->subject.digest_text);
	struct image_index x = { 0 };
	struct descriptor *items;
	const char *type, *text;
	struct digest digest;
	struct error ignored = { 0 };
	struct http_response resp;
	char *buf;
	size_t len;

	tag[strcspn(tag, ":")] = '-';
	if (manifest_fetch(p->c, p->ref->path, tag, NULL, &buf, &len, &type, &digest, &ignored) == 0)
		index_parse(buf, len, "referrers", p->a, &x, &ignored);
	for (size_t i = 0; i < x.manifests_count; i++)
		if (digest_equal(&x.manifests[i].digest, &doc->self.digest))
			return 0;
	items = arena_array(p->a, struct descriptor, x.manifests_count + 1);
	if (x.manifests_count)
		memcpy(items, x.manifests, x.manifests_count * sizeof *items);
	items[x.manifests_count++] = descriptor_make(p->a, doc->type, &doc->self.digest, doc->len);
	x.manifests = items;
	x.media_type = MEDIA_OCI_INDEX;
	text = index_write(p->a, &x, &len);
	struct call call = { .request = { .method = "PUT",
				     .url = arena_printf(p->a, "/v2/%s/manifests/%s", p->ref->path, tag), .body = text,
				     .body_length = len,
				     .headers = (const char *const[]){ "Content-Type: " MEDIA_OCI_INDEX, NULL } },
		.scope = { scope_for(p->a, p->ref->path, "pull,push") } };

	return registry_call(p->c, &call, &resp, err);
}

/* Inner documents under their digest, the outermost under the tag. */
static int put_documents(struct push *p, struct pushed *doc, bool outermost, struct error *err)
{
	struct http_response resp;
	const char *name;
	int r;

	if (!doc)
		return 0;
	r = put_documents(p, doc->next, false, err);
	if (r < 0)
		return r;
	name = outermost && p->ref->tag ? p->ref->tag : doc->digest;
	struct call call = { .request = { .method = "PUT",
				     .url = arena_printf(p->a, "/v2/%s/manifests/%s", p->ref->path, name), .body = doc->text,
				     .body_length = doc->len,
				     .headers = (const char *const[]){ arena_printf(p->a, "Content-Type: %s", doc->type), NULL } },
		.scope = { scope_for(p->a, p->ref->path, "pull,push") } };

	r = registry_call(p->c, &call, &resp, err);
	if (r == 0 && doc->subject.digest.algorithm && !resp.subject)
		r = update_referrers(p, doc, err);
	return r;
}

int registry_push(struct registry *r, const struct reference *ref, const struct layout *layout, struct arena *a,
	const struct descriptor *d, const struct push_options *o, struct error *err)
{
	struct connection c;
	struct push p = { .c = &c, .ref = ref, .layout = layout, .a = a, .o = o };
	int rc = connection_open(&c, r, a, err);

	if (rc == 0)
		rc = collect(&p, d, 0, err);
	if (rc == 0)
		rc = transfer_parallel(r, upload_blob, p.jobs, sizeof *p.jobs, p.count, o->jobs, err);
	if (rc == 0)
		rc = put_documents(&p, p.documents, true, err);
	connection_close(&c);
	return rc;
}
