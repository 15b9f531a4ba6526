/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what ADD fetches over HTTP.
 *
 * The cache directory holds <sha256 of content>.body and, by URL, <sha256 of URL>.meta
 * with the content's digest, its ETag and its date.  A known URL is asked for with
 * If-None-Match; "not modified" means the body at hand.  With a digest given by the
 * Dockerfile or the lock file the body alone is enough and nobody is asked.
 *
 * A body gets its name only when it is complete and its digest known.  Redirects are
 * followed here, ten at most, because credentials must not follow them: each host gets
 * those that a secret names for that very host.
 */
#include "image-tools/build/source.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/registry/http.h"
#include "image-tools/status.h"

#define REDIRECTS_MAX 10
#define TRIES 4
#define CACHE_MAX (4ull << 30) /* bytes of bodies kept */

int source_scratch(const struct source_options *o, const char *what, char name[static 64], struct error *err)
{
	uint64_t random;
	int fd;

	for (int i = 0; i < 16; i++) {
		if (getrandom(&random, sizeof random, 0) != sizeof random)
			break;
		snprintf(name, 64, "%.20s-%016llx", what, (unsigned long long)random);
		if (mkdirat(o->scratch, name, 0700) == 0) {
			fd = openat(o->scratch, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			return fd < 0 ? error_sys(err, errno, "open a scratch directory") : fd;
		}
		if (errno != EEXIST)
			break;
	}
	return error_sys(err, errno, "make a scratch directory");
}

static int nameless(int dir, struct error *err)
{
	int fd = openat(dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

	return fd < 0 ? error_sys(err, errno, "make a scratch file") : fd;
}

int source_spool(const struct source_options *o, int fd, struct error *err)
{
	_cleanup_fd_ int out = nameless(o->scratch, err);
	char buf[65536];
	ssize_t n = 0;
	int r;

	if (out < 0)
		return out;
	do {
		n = read(fd, buf, sizeof buf);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		r = n > 0 ? fd_write_all(out, buf, (size_t)n) : 0;
		if (r < 0)
			return error_sys(err, -r, "keep what is read from standard input");
	} while (n > 0);
	if (n < 0)
		return error_sys(err, errno, "read from standard input");
	if (lseek(out, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "go back in a scratch file");
	return fd_take(&out);
}

const char *source_split_user(struct arena *a, const char *url, const char **user)
{
	const char *host = strstr(url, "://"), *at;
	char *plain;
	int n = 0;

	*user = NULL;
	if (!host || strncasecmp(url, "http", 4) != 0)
		return url;
	/* More slashes are an error that curl forgives. */
	host += 3 + strspn(host + 3, "/");
	at = memrchr(host, '@', strcspn(host, "/?#"));
	if (!at)
		return url;
	plain = curl_easy_unescape(NULL, host, (int)(at - host), &n);
	*user = arena_strndup(a, plain ? plain : "", (size_t)n);
	curl_free(plain);
	return arena_printf(a, "%.*s%s", (int)(host - url), url, at + 1);
}

/* Is there ".git" at the end of the path, before a query or fragment? */
static bool names_git(const char *text)
{
	size_t n = strcspn(text, "?#");

	while (n > 0 && text[n - 1] == '/')
		n--;
	return n > 4 && memcmp(text + n - 4, ".git", 4) == 0;
}

enum source_type source_type_of(const char *text, bool context)
{
	const char *at, *colon, *slash;

	if (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0)
		return names_git(text) ? SOURCE_GIT : SOURCE_URL;
	if (strncasecmp(text, "git://", 6) == 0 || strncasecmp(text, "ssh://", 6) == 0)
		return SOURCE_GIT;
	if (strncasecmp(text, "file://", 7) == 0 && names_git(text))
		return SOURCE_GIT;
	if (context && strncmp(text, "github.com/", 11) == 0)
		return SOURCE_GIT;
	/* user@host:path */
	at = strchr(text, '@');
	colon = at ? strchr(at, ':') : NULL;
	slash = strchr(text, '/');
	if (at && at != text && colon && colon > at + 1 && (!slash || slash > colon) && (names_git(text) || strncmp(text, "git@", 4) == 0))
		return SOURCE_GIT;
	return SOURCE_LOCAL;
}

/* --- the cache ------------------------------------------------------------------------------------------ */

struct meta {
	const char *url, *etag, *last_modified;
	struct digest digest; /* DIGEST_NONE: nothing is known */
	bool fresh;	      /* it came over the network just now */
	const char *user;     /* "user:password" of the URL, or NULL */
};

static const char *meta_name(struct arena *a, const char *url)
{
	char hex[DIGEST_TEXT_MAX];
	struct digest d;

	digest_of(DIGEST_SHA256, url, strlen(url), &d);
	return arena_printf(a, "%s.meta", digest_hex(&d, hex));
}

static const char *body_name(struct arena *a, const struct digest *d)
{
	char hex[DIGEST_TEXT_MAX];

	return arena_printf(a, "%s.body", digest_hex(d, hex));
}

static void meta_read(const struct source_options *o, struct arena *a, const char *url, struct meta *m)
{
	char *text, *save = NULL;
	size_t len;

	*m = (struct meta){ 0 };
	if (o->cache < 0 || fd_read_file(o->cache, meta_name(a, url), a, 65536, &text, &len) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "url ", 4) == 0)
			m->url = line + 4;
		else if (strncmp(line, "etag ", 5) == 0)
			m->etag = line + 5;
		else if (strncmp(line, "last-modified ", 14) == 0)
			m->last_modified = line + 14;
		else if (strncmp(line, "digest ", 7) == 0 && digest_parse(line + 7, &m->digest, NULL) < 0)
			m->digest.algorithm = DIGEST_NONE;
	}
	if (!m->url || strcmp(m->url, url) != 0)
		*m = (struct meta){ 0 };
}

static void meta_write(const struct source_options *o, struct arena *a, const struct meta *m)
{
	char digest[DIGEST_TEXT_MAX];
	const char *text;

	if (o->cache < 0 || strchr(m->url, '\n'))
		return;
	text = arena_printf(a, "url %s\n%s%s%s%s%s%sdigest %s\n", m->url, m->etag ? "etag " : "", m->etag ? m->etag : "",
		m->etag ? "\n" : "", m->last_modified ? "last-modified " : "", m->last_modified ? m->last_modified : "",
		m->last_modified ? "\n" : "", digest_format(&m->digest, digest));
	/* Only a convenience: without it the next build asks again. */
	(void)fd_replace_file(o->cache, meta_name(a, m->url), text, strlen(text), 0600);
}

/* A body of the cache, marked as used. */
static int body_open(const struct source_options *o, struct arena *a, const struct digest *d)
{
	int fd;

	if (o->cache < 0 || d->algorithm != DIGEST_SHA256)
		return -ENOENT;
	fd = openat(o->cache, body_name(a, d), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	futimens(fd, NULL);
	return fd;
}

/* Keep the cache below its limit: the bodies not used for longest go first. */
static void cache_trim(const struct source_options *o)
{
	for (int round = 0; round < 64; round++) {
		int copy = openat(o->cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = copy < 0 ? NULL : fdopendir(copy);
		char oldest[NAME_MAX + 1] = "";
		struct timespec when = { 0 };
		uint64_t total = 0;
		struct dirent *e;
		struct stat st;

		if (!d) {
			cleanup_fd(&copy);
			return;
		}
		while ((e = readdir(d))) {
			size_t n = strlen(e->d_name);

			if (n < 5 || strcmp(e->d_name + n - 5, ".body") != 0 || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
			total += (uint64_t)st.st_size;
			if (!*oldest || st.st_mtim.tv_sec < when.tv_sec) {
				strcpy(oldest, e->d_name);
				when = st.st_mtim;
			}
		}
		closedir(d);
		if (total <= CACHE_MAX || !*oldest)
			return;
		unlinkat(o->cache, oldest, 0);
	}
}

static void body_keep(const struct source_options *o, struct arena *a, int fd, const struct digest *d)
{
	char path[64];

	if (o->cache < 0)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, o->cache, body_name(a, d), AT_SYMLINK_FOLLOW) == 0)
		cache_trim(o);
}

/* --- fetching --------------------------------------------------------------------------------------------- */

struct fetch {
	int fd;
	struct digest_stream digest;
	bool digesting;
};

static int on_data(void *opaque, long status, uint64_t offset, const void *buf, size_t len, struct error *err)
{
	struct fetch *f = opaque;
	int r;

	(void)offset;
	if (status != 200)
		return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "the server sent a part although all was asked for");
	r = fd_write_all(f->fd, buf, len);
	if (r < 0)
		return error_sys(err, -r, "keep a download");
	digest_feed(&f->digest, buf, len);
	return 0;
}

static int restart(struct fetch *f, struct error *err)
{
	if (f->digesting)
		digest_abort(&f->digest);
	f->digesting = digest_begin(&f->digest, DIGEST_SHA256) == 0;
	if (!f->digesting || ftruncate(f->fd, 0) < 0 || lseek(f->fd, 0, SEEK_SET) < 0)
		return error_sys(err, ENOMEM, "begin a download");
	return 0;
}

static const char *authorization(const struct source_options *o, struct arena *a, const char *url)
{
	const char *value, *hosts[2];
	struct url_parts parts;

	if (!o->secret || !url_split(a, url, &parts))
		return NULL;
	hosts[0] = parts.host;
	hosts[1] = parts.name;
	for (int i = 0; i < 2; i++) {
		value = o->secret(o->secret_opaque, arena_printf(a, "HTTP_AUTH_HEADER_%s", hosts[i]));
		if (value)
			return arena_printf(a, "Authorization: %.*s", (int)strcspn(value, "\r\n"), value);
		value = o->secret(o->secret_opaque, arena_printf(a, "HTTP_AUTH_TOKEN_%s", hosts[i]));
		if (value)
			return arena_printf(a, "Authorization: Bearer %.*s", (int)strcspn(value, "\r\n"), value);
	}
	return NULL;
}

/* One answer that is no redirect. */
static int ask(const struct source_options *o, struct arena *a, struct http *h, const char *url, const struct meta *m,
	struct fetch *f, struct http_response *resp, struct error *err)
{
	const char *headers[4], *auth, *at = url;

	for (int hops = 0; hops <= REDIRECTS_MAX; hops++) {
		struct http_request req = { .method = "GET", .url = at, .headers = headers, .sink = on_data, .sink_opaque = f };
		size_t n = 0;
		int r;

		auth = authorization(o, a, at);
		if (auth)
			headers[n++] = auth;
		else if (hops == 0)
			req.basic = m->user;
		if (m->etag)
			headers[n++] = arena_printf(a, "If-None-Match: %s", m->etag);
		else if (m->last_modified)
			headers[n++] = arena_printf(a, "If-Modified-Since: %s", m->last_modified);
		headers[n] = NULL;
		r = restart(f, err);
		if (r == 0)
			r = http_perform(h, a, &req, resp, err);
		if (r < 0)
			return r;
		if (resp->status / 100 != 3 || resp->status == 304)
			return 0;
		at = resp->location ? url_resolve(a, at, resp->location) : NULL;
		if (at)
			at = source_split_user(a, at, &(const char *){ NULL });
		if (!at || (strncmp(at, "http://", 7) != 0 && strncmp(at, "https://", 8) != 0))
			return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "%.300s: redirected to nowhere", url);
	}
	return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "%.300s: redirected more than %d times", url, REDIRECTS_MAX);
}

static void wait_before(int attempt)
{
	const char *text = getenv("OCI_IMAGE_RETRY_MS");
	long ms = (text ? atol(text) : 500) << attempt;

	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static int ask_again(const struct source_options *o, struct arena *a, const char *url, const struct meta *m,
	struct fetch *f, struct http_response *resp, struct error *err)
{
	struct http_options options = { 0 };
	struct http *h = http_new(&options);
	int r = 0;

	if (!h)
		return error_sys(err, ENOMEM, "fetch %.300s", url);
	for (int i = 0; i < TRIES; i++) {
		if (i > 0) {
			error_clear(err);
			wait_before(i - 1);
		}
		r = ask(o, a, h, url, m, f, resp, err);
		if (r == 0 && resp->status >= 500)
			r = error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "GET %.300s: status %ld", url, resp->status);
		if (r != -IMAGE_ENETWORK)
			break;
	}
	http_free(h);
	return r;
}

static int check_status(const char *url, const struct http_response *resp, struct error *err)
{
	if (resp->status == 200 || resp->status == 304)
		return 0;
	if (resp->status == 401 || resp->status == 403) {
		error_set(err, ERR_PERMISSION, IMAGE_EAUTH, "GET %.300s: status %ld", url, resp->status);
		error_hint(err, "give a secret HTTP_AUTH_TOKEN_<host> or HTTP_AUTH_HEADER_<host> with --secret");
		return -IMAGE_EAUTH;
	}
	if (resp->status == 404 || resp->status == 410)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "GET %.300s: status %ld", url, resp->status);
	return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "GET %.300s: status %ld", url, resp->status);
}

/* The name of the file: the last component of the path, decoded. */
static const char *url_name(struct arena *a, const char *url)
{
	const char *path = strstr(url, "://"), *last;
	char *name;
	int n = 0;

	path = path ? strchr(path + 3, '/') : NULL;
	if (!path)
		return NULL;
	name = curl_easy_unescape(NULL, path, (int)strcspn(path, "?#"), &n);
	last = name ? arena_strndup(a, name, (size_t)n) : "";
	curl_free(name);
	if ((size_t)n != strlen(last))
		return NULL;
	while (n > 0 && last[n - 1] == '/')
		n--;
	last = arena_strndup(a, last, (size_t)n);
	if (strrchr(last, '/'))
		last = strrchr(last, '/') + 1;
	return !*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0 || strlen(last) > NAME_MAX ? NULL : last;
}

static int mismatch(const char *url, const struct digest *want, const struct digest *got, struct error *err)
{
	char a[DIGEST_TEXT_MAX], b[DIGEST_TEXT_MAX];

	error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "%.300s: expected %s, got %s", url, digest_format(want, a),
		digest_format(got, b));
	error_hint(err, "look at what the server sends now; if it is right, change --checksum or the lock file");
	return -IMAGE_EDIGEST;
}

/* Digest of a file in an algorithm other than the one it is kept under. */
static int digest_fd(int fd, enum digest_algorithm algorithm, struct digest *d, struct error *err)
{
	struct digest_stream s;
	char buf[65536];
	off_t at = 0;
	ssize_t n;

	if (digest_begin(&s, algorithm) < 0)
		return error_sys(err, ENOMEM, "digest a download");
	while ((n = pread(fd, buf, sizeof buf, at)) > 0) {
		digest_feed(&s, buf, (size_t)n);
		at += n;
	}
	digest_end(&s, d);
	return n < 0 ? error_sys(err, errno, "read a download") : 0;
}

/* What the server has now: f->fd and f->digest. */
static int fetch_now(const struct source_options *o, struct arena *a, const char *url, struct meta *m,
	struct source_file *out, struct error *err)
{
	struct fetch f = { .fd = nameless(o->cache >= 0 ? o->cache : o->scratch, err) };
	struct http_response resp;
	int r;

	if (f.fd < 0)
		return f.fd;
	out->fd = body_open(o, a, &m->digest);
	if (out->fd < 0)
		m->etag = m->last_modified = NULL;
	r = ask_again(o, a, url, m, &f, &resp, err);
	if (r == 0)
		r = check_status(url, &resp, err);
	if (r == 0 && resp.status == 304 && out->fd < 0)
		r = error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "GET %.300s: \"not modified\" although nothing was said about it", url);
	if (r == 0 && resp.status == 200) {
		cleanup_fd(&out->fd);
		out->fd = fd_take(&f.fd);
		digest_end(&f.digest, &m->digest);
		f.digesting = false;
		m->fresh = true;
		m->etag = resp.etag;
		m->last_modified = resp.last_modified;
		body_keep(o, a, out->fd, &m->digest);
		meta_write(o, a, m);
	}
	if (f.digesting)
		digest_abort(&f.digest);
	cleanup_fd(&f.fd);
	out->digest = m->digest;
	return r;
}

/* One attempt; m->fresh tells afterwards where it came from. */
static int obtain(const struct source_options *o, struct arena *a, const char *url, const char *user,
	const struct digest *want, struct meta *m, struct source_file *f, struct error *err)
{
	struct digest got;
	int r = 0;

	meta_read(o, a, url, m);
	m->url = url;
	m->user = user;
	if (want && want->algorithm == DIGEST_SHA256) {
		f->fd = body_open(o, a, want);
		f->digest = *want;
		if (f->fd >= 0 && !digest_equal(&m->digest, want))
			m->last_modified = NULL;
	}
	if (f->fd < 0 && o->offline)
		return error_set(err, ERR_NOT_FOUND, ENOENT,
			"%.300s is not in the cache, and the network is not to be used", url);
	if (f->fd < 0)
		r = fetch_now(o, a, url, m, f, err);
	/* What comes from the cache is looked at again: it lay on a disk. */
	if (r == 0)
		r = digest_fd(f->fd, want ? want->algorithm : f->digest.algorithm, &got, err);
	if (r == 0 && !digest_equal(&got, want ? want : &f->digest))
		r = mismatch(url, want ? want : &f->digest, &got, err);
	return r;
}

int source_download(const struct source_options *o, struct arena *a, const char *url, const struct digest *want,
	struct source_file *f, struct error *err)
{
	struct meta m;
	struct stat st;
	const char *user;
	time_t when;
	int r;

	url = source_split_user(a, url, &user);
	*f = (struct source_file){ .fd = -1, .name = url_name(a, url) };
	r = obtain(o, a, url, user, want, &m, f, err);
	if (r == -IMAGE_EDIGEST && !m.fresh && f->fd >= 0) {
		/* The cache's copy is damaged, or was of another time: away with it, and ask again. */
		unlinkat(o->cache, body_name(a, &f->digest), 0);
		cleanup_fd(&f->fd);
		f->fd = -1;
		error_clear(err);
		r = obtain(o, a, url, user, want, &m, f, err);
	}
	if (r == 0 && (fstat(f->fd, &st) < 0 || lseek(f->fd, 0, SEEK_SET) < 0))
		r = error_sys(err, errno, "examine a download");
	if (r < 0) {
		cleanup_fd(&f->fd);
		f->fd = -1;
		return r;
	}
	f->size = (uint64_t)st.st_size;
	when = m.last_modified ? curl_getdate(m.last_modified, NULL) : -1;
	f->has_time = when >= 0;
	f->time = when;
	return 0;
}
