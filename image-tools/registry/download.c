/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one pass.  The downloading thread appends to the part file and
 * hashes; an unpacking process (layer/worker.c) reads the same file behind it (from the
 * page cache), decompresses, hashes again and extracts.  So a broken connection, a retry with
 * Range or a part left by another process are invisible to the unpacking side.  The
 * blob and the layer get their names only when both digests fit.
 *
 * curl hands over pieces of 16 KiB however much it has read.  They are gathered, because every
 * write wakes two more threads; a shorter piece says that no more is at hand, and goes on at once.
 */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/progress.h"
#include "image-tools/registry/transfer.h"
#include "image-tools/status.h"
#include "image-tools/store/unpacked.h"

#define GATHER_SIZE (256u * 1024)

/* A file that grows while somebody reads it. */
struct growing {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	uint64_t available;
	bool done, failed;
};

struct download {
	const struct blob_job *job;
	struct growing file;
	struct digest_stream stream;
	uint64_t have;	   /* bytes received, of which the last ones are in the buffer */
	uint8_t *gathered; /* GATHER_SIZE */
	size_t gathered_length;
	int line;
	/* the unpacking thread */
	pthread_t thread;
	bool unpacking, dependent;
	int unpack_result;
	struct error unpack_error;
};

static int feed_growing(void *opaque, uint64_t known, uint64_t *available, struct error *err)
{
	struct growing *g = opaque;
	int r;

	pthread_mutex_lock(&g->lock);
	while (g->available == known && !g->done && !g->failed)
		pthread_cond_wait(&g->changed, &g->lock);
	*available = g->available;
	r = g->failed ? -ECANCELED : g->done;
	pthread_mutex_unlock(&g->lock);
	return r < 0 ? error_set(err, ERR_SYSTEM, ECANCELED, "the download failed") : r;
}

static void announce(struct growing *g, uint64_t available, bool done, bool failed)
{
	pthread_mutex_lock(&g->lock);
	g->available = available;
	g->done |= done;
	g->failed |= failed;
	pthread_cond_signal(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void *unpack_thread(void *opaque)
{
	struct download *d = opaque;

	struct layer_source source = { .fd = d->file.fd, .feed = feed_growing, .opaque = &d->file };

	d->unpack_result = unpacked_from_stream(d->job->unpack, &d->job->diff_id, d->job->first, &source, &d->dependent,
		&d->unpack_error);
	return NULL;
}

/* What was received so far: into the file, into the digest, and to whoever unpacks. */
static int flush(struct download *d, struct error *err)
{
	size_t n = d->gathered_length;
	int r = fd_write_all(d->file.fd, d->gathered, n);

	d->gathered_length = 0;
	if (r < 0)
		return error_sys(err, -r, "write blob %s", d->job->descriptor.digest_text);
	if (n == 0)
		return 0;
	digest_feed(&d->stream, d->gathered, n);
	announce(&d->file, d->have, false, false);
	return 0;
}

static int gather(struct download *d, const uint8_t *buf, size_t len, struct error *err)
{
	bool more = len >= CURL_MAX_WRITE_SIZE;
	int r = 0;

	while (r == 0 && len > 0) {
		size_t room = GATHER_SIZE - d->gathered_length, n = len < room ? len : room;

		memcpy(d->gathered + d->gathered_length, buf, n);
		d->gathered_length += n;
		d->have += n;
		buf += n;
		len -= n;
		if (d->gathered_length == GATHER_SIZE)
			r = flush(d, err);
	}
	return r == 0 && !more ? flush(d, err) : r;
}

/* Bytes that we have already (the server ignored the range) are passed over; a gap is an error. */
static int take_bytes(void *opaque, long status, uint64_t offset, const void *buf, size_t len, struct error *err)
{
	struct download *d = opaque;
	uint64_t size = (uint64_t)d->job->descriptor.size;
	size_t skip;
	int r;

	(void)status;
	if (offset > d->have)
		return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "blob %s: the server answered with another range",
			d->job->descriptor.digest_text);
	if (offset + len > size)
		return error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "blob %s: longer than the %llu bytes the manifest says",
			d->job->descriptor.digest_text, (unsigned long long)size);
	skip = d->have - offset < len ? (size_t)(d->have - offset) : len;
	r = gather(d, (const uint8_t *)buf + skip, len - skip, err);
	if (r < 0)
		return r;
	progress_update(d->line, d->have);
	return 0;
}

/* What an earlier try left: hash it and stand behind it. */
static int rehash(struct download *d, struct error *err)
{
	char *buf = malloc(1 << 20);
	uint64_t at = 0;
	ssize_t n = 0;

	if (!buf)
		return error_sys(err, ENOMEM, "resume a download");
	while (at < d->have && (n = pread(d->file.fd, buf, 1 << 20, (off_t)at)) > 0) {
		digest_feed(&d->stream, buf, (size_t)n);
		at += (uint64_t)n;
	}
	free(buf);
	if (n < 0 || at != d->have || lseek(d->file.fd, (off_t)d->have, SEEK_SET) < 0)
		return error_sys(err, EIO, "read a partial download");
	announce(&d->file, d->have, false, false);
	return 0;
}

static int receive(struct connection *c, struct download *d, const char *url, struct error *err)
{
	const struct descriptor *desc = &d->job->descriptor;
	struct retry retry = { 0 };

	while (d->have < (uint64_t)desc->size) {
		const char *range[] = { arena_printf(c->arena, "Range: bytes=%llu-", (unsigned long long)d->have), NULL };
		struct call call = { .request = { .method = "GET", .url = url, .sink = take_bytes, .sink_opaque = d,
						 .headers = d->have ? range : NULL },
			.scope = { scope_for(c->arena, d->job->path, "pull") } };
		struct http_response resp = { 0 };
		struct error local = { 0 }, unwritten = { 0 };
		uint64_t before = d->have;
		int r, flushed;

			r = registry_call_once(c, &call, &resp, &local);
		flushed = flush(d, &unwritten);
		if (flushed < 0) {
			r = flushed;
			local = unwritten;
		}
		if (r == 0 && d->have == (uint64_t)desc->size)
			break;
		if (r == 0)
			r = error_set(&local, ERR_SYSTEM, IMAGE_ENETWORK, "blob %s: the transfer ended after %llu of %lld bytes",
				desc->digest_text, (unsigned long long)d->have, (long long)desc->size);
		if (r != -IMAGE_ENETWORK || !retry_wait(&retry, &resp, &local, d->have > before)) {
			if (err)
				*err = local;
			return r;
		}
	}
	return 0;
}

static int check_and_store(struct download *d, struct error *err)
{
	const struct descriptor *desc = &d->job->descriptor;
	struct digest found;
	char text[DIGEST_TEXT_MAX];

	digest_end(&d->stream, &found);
	if (!digest_equal(&found, &desc->digest)) {
		layout_part_discard(d->job->layout, &desc->digest);
		return error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "blob %s: the content received has digest %s",
			desc->digest_text, digest_format(&found, text));
	}
	return layout_part_commit(d->job->layout, &desc->digest, d->file.fd, err);
}

/* A layer that its maker does not let registries carry (image-spec, layer.md, "Non-Distributable Layers"): from the
 * addresses in the manifest, which anybody may have written, so only when asked for, without credentials, and not
 * from addresses inside. */
static int receive_foreign(struct connection *c, struct download *d, struct error *err)
{
	const struct descriptor *desc = &d->job->descriptor;
	int r = -ENOENT;

	if (!d->job->foreign) {
		error_hint(err, "it is a foreign layer%s%.200s; --foreign fetches it from there", desc->urls.count ? ", at " : "",
			desc->urls.count ? desc->urls.items[0] : "");
		return -ENOENT;
	}
	for (size_t i = 0; r < 0 && i < desc->urls.count; i++) {
		struct url_parts to;

		error_clear(err);
		if (!url_split(c->arena, desc->urls.items[i], &to) ||
			(!registry_allows_plain(c->registry) && (strcmp(to.scheme, "https") != 0 || host_is_private_literal(to.name))))
			r = error_set(err, ERR_PERMISSION, EACCES, "foreign layer: refusing the address %.200s", desc->urls.items[i]);
		else
			r = receive(c, d, desc->urls.items[i], err);
	}
	return r;
}

static int run(struct connection *c, struct download *d, struct error *err)
{
	const struct descriptor *desc = &d->job->descriptor;
	const char *url = arena_printf(c->arena, "/v2/%s/blobs/%s", d->job->path, desc->digest_text);
	bool resumed = d->have > 0;
	int r = 0;

	if (d->have > (uint64_t)desc->size) {
		d->have = 0;
		r = ftruncate(d->file.fd, 0) < 0 ? error_sys(err, errno, "start a download again") : 0;
	}
	if (r == 0 && d->job->unpack) {
		d->unpacking = pthread_create(&d->thread, NULL, unpack_thread, d) == 0;
		if (!d->unpacking)
			r = error_sys(err, EAGAIN, "start a thread");
	}
	if (r == 0 && d->have)
		r = rehash(d, err);
	if (r == 0)
		r = receive(c, d, url, err);
	if (r == -ENOENT && media_role(desc->media_type) == MEDIA_FOREIGN_LAYER)
		r = receive_foreign(c, d, err);
	if (r == 0)
		r = check_and_store(d, err);
	if (r == -IMAGE_EDIGEST && resumed)
		log_info("blob %s: what was left of an earlier download is damaged; it is discarded", desc->digest_text);
	announce(&d->file, d->have, r == 0, r < 0);
	if (d->unpacking) {
		pthread_join(d->thread, NULL);
		if (r == 0 && d->unpack_result < 0) {
			r = d->unpack_result;
			if (err)
				*err = d->unpack_error;
		}
	}
	return r;
}

int blob_download(struct connection *c, const struct blob_job *job, struct error *err)
{
	const struct descriptor *desc = &job->descriptor;
	char label[40];
	int r = 0;

	if (!desc->digest.algorithm)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "blob %s: digest algorithm is not supported", desc->digest_text);
	snprintf(label, sizeof label, "%.19s", desc->digest_text);
	for (int i = 0; i < 2; i++) {
		struct download d = { .job = job, .file = { .fd = -1 }, .line = -1 };

		if (layout_blob_exists(job->layout, &desc->digest, desc->size))
			return 0;
		d.file.fd = layout_part_open(job->layout, &desc->digest, &d.have, err);
		if (d.file.fd == -EEXIST)
			return 0;
		if (d.file.fd < 0)
			return d.file.fd;
		bool resumed = d.have > 0;

		d.line = progress_add(label, (uint64_t)desc->size);
		pthread_mutex_init(&d.file.lock, NULL);
		pthread_cond_init(&d.file.changed, NULL);
		d.gathered = malloc(GATHER_SIZE);
		r = d.gathered ? digest_begin(&d.stream, desc->digest.algorithm) : -ENOMEM;
		r = r < 0 ? error_sys(err, ENOMEM, "hash a download") : run(c, &d, err);
		digest_abort(&d.stream);
		free(d.gathered);
		pthread_cond_destroy(&d.file.changed);
		pthread_mutex_destroy(&d.file.lock);
		close(d.file.fd);
		progress_end(d.line, r == 0 ? (d.unpacking && !d.dependent ? "unpacked" : "done") : "failed");
		if (r != -IMAGE_EDIGEST || !resumed)
			break;
		error_clear(err);
	}
	return r;
}
