/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a call is tried with the token we have for its scope; on 401
 * the challenges decide (Bearer first, then Basic), once per call.  Redirects are
 * followed here and not by curl: the Authorization header is sent only while host and
 * scheme stay those of the registry, and never from https to http.
 */
#include "image-tools/registry/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "image-tools/registry/registry_internal.h"
#include "image-tools/status.h"

#define REDIRECTS_MAX 8
#define ATTEMPTS_MAX 6
#define BACKOFF_MAX_MS 60000u
#define RETRY_AFTER_MAX 900

static bool listed(const char *const *list, const char *host)
{
	for (; list && *list; list++)
		if (strcasecmp(*list, host) == 0)
			return true;
	return false;
}

static const char *wire_host(const char *domain)
{
	return strcmp(domain, "docker.io") == 0 ? "registry-1.docker.io" : domain;
}

/* The headers of a request and those that the configuration adds for this server. */
static const char *const *with_headers(struct arena *a, const struct registry *r, const char *const *headers)
{
	const struct string_list *more = r->options.headers;
	size_t n = 0;
	const char **all;

	if (!more || more->count == 0)
		return headers;
	while (headers && headers[n])
		n++;
	all = arena_array(a, const char *, n + more->count + 1);
	for (size_t i = 0; i < n + more->count; i++)
		all[i] = i < n ? headers[i] : more->items[i - n];
	return all;
}

/* The scheme is found with GET /v2/: https, and only where it is allowed http after the handshake failed. */
static int ping(struct registry *r, struct error *err)
{
	struct http *http = http_new(&r->http_options);
	struct http_response resp;
	struct retry retry = { 0 };
	int rc;

	if (!http)
		return error_sys(err, ENOMEM, "start curl");
	for (;;) {
		r->base = arena_printf(&r->arena, "%s://%s%s", r->plain ? "http" : "https", r->host, r->path);
		struct http_request req = { .method = "GET", .url = arena_printf(&r->arena, "%s/v2/", r->base),
			.headers = with_headers(&r->arena, r, NULL) };

		rc = http_perform(http, &r->arena, &req, &resp, err);
		if (rc < 0 && !r->plain && r->may_be_plain && resp.tls_refused) {
			r->plain = true;
			error_clear(err);
			continue;
		}
		if (rc == 0 && resp.status != 429 && resp.status < 500)
			break;
		if (rc == 0)
			rc = error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "%s answers with status %ld", req.url, resp.status);
		if (!retry_wait(&retry, &resp, err, false))
			break;
		error_clear(err);
	}
	http_free(http);
	return rc;
}

int registry_open(struct registry **out, const char *domain, const char *server, const struct registry_options *options,
	struct error *err)
{
	struct registry *r = calloc(1, sizeof *r);
	struct url_parts parts;
	int rc;

	if (!r)
		return error_sys(err, ENOMEM, "open registry %s", domain);
	pthread_mutex_init(&r->lock, NULL);
	r->options = *options;
	r->domain = arena_strdup(&r->arena, domain);
	server = server ? server : wire_host(domain);
	r->host = arena_strndup(&r->arena, server, strcspn(server, "/"));
	r->path = arena_strdup(&r->arena, server + strcspn(server, "/"));
	r->plain = options->plain;
	if (!url_split(&r->arena, arena_printf(&r->arena, "https://%s/", r->host), &parts)) {
		registry_close(r);
		return error_set(err, ERR_USAGE, EINVAL, "registry \"%s\": invalid host", domain);
	}
	r->http_options.insecure = options->insecure_host || listed(options->insecure, r->host);
	r->may_be_plain = r->plain || r->http_options.insecure || host_is_loopback(parts.name);
	r->http_options.insecure |= options->skip_verify;
	rc = registry_certificates(r, err);
	if (rc == 0)
		rc = ping(r, err);
	if (rc == 0 && options->user)
		r->credentials = (struct credentials){ .user = options->user, .password = options->password,
			.source = "the command line" };
	if (rc < 0) {
		registry_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

void registry_close(struct registry *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	arena_free(&r->arena);
	free(r);
}

bool registry_allows_plain(const struct registry *r)
{
	return r->may_be_plain;
}

const char *registry_base(const struct registry *r)
{
	return r->base;
}

const char *registry_domain(const struct registry *r)
{
	return r->domain;
}

int connection_open(struct connection *c, struct registry *r, struct arena *a, struct error *err)
{
	*c = (struct connection){ .registry = r, .arena = a, .http = http_new(&r->http_options) };
	return c->http ? 0 : error_sys(err, ENOMEM, "start curl");
}

void connection_close(struct connection *c)
{
	http_free(c->http);
	c->http = NULL;
}

const char *scope_for(struct arena *a, const char *path, const char *actions)
{
	return arena_printf(a, "repository:%s:%s", path, actions);
}

struct error_item {
	const char *code, *message;
};
struct error_body {
	struct {
		struct error_item *items;
		size_t count;
	} errors;
};
static const struct json_field error_item_fields[] = {
	JSON_F(JSON_STRING, struct error_item, code, "code"),
	JSON_F(JSON_STRING, struct error_item, message, "message"),
};
static const struct json_object error_item_object = JSON_OBJECT_OF("error", struct error_item, error_item_fields);
static const struct json_field error_body_fields[] = {
	JSON_F_LIST(JSON_OBJECTS, struct error_body, errors, "errors", .object = &error_item_object),
};
static const struct json_object error_body_object = JSON_OBJECT_OF("answer", struct error_body, error_body_fields);

const char *registry_error_text(struct arena *a, const struct http_response *resp)
{
	struct error_body body = { 0 };
	struct json_errors errors = { 0 };

	if (!resp->body || resp->body_length == 0 || resp->body[0] != '{')
		return "";
	json_read(&error_body_object, resp->body, resp->body_length, a, &body, &errors);
	if (body.errors.count == 0)
		return "";
	return arena_printf(a, ": %s%s%.300s", body.errors.items[0].code ? body.errors.items[0].code : "",
		body.errors.items[0].message ? ": " : "", body.errors.items[0].message ? body.errors.items[0].message : "");
}

static void show_warning(struct registry *r, const struct http_response *resp)
{
	if (!resp->warning || strncmp(resp->warning, "299 ", 4) != 0)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->warned || strcmp(r->warned, resp->warning) != 0) {
		r->warned = arena_strdup(&r->arena, resp->warning);
		log_warning("%s says: %s", r->host, resp->warning + 4);
	}
	pthread_mutex_unlock(&r->lock);
}

static int status_error(struct connection *c, const struct http_request *req, const struct http_response *resp,
	struct error *err)
{
	const char *text = registry_error_text(c->arena, resp);

	switch (resp->status) {
	case 401:
	case 403:
		error_set(err, ERR_PERMISSION, IMAGE_EAUTH, "%s %.300s: access denied (status %ld)%s", req->method, req->url,
			resp->status, text);
		error_hint(err, "oci-image login %s, and check the repository's name", c->registry->domain);
		return -IMAGE_EAUTH;
	case 404:
		return error_set(err, ERR_NOT_FOUND, ENOENT, "%s %.300s: not found%s", req->method, req->url, text);
	case 408:
	case 429:
		return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "%s %.300s: status %ld%s", req->method, req->url,
			resp->status, text);
	case 416:
		return error_set(err, ERR_SYSTEM, ERANGE, "%s %.300s: status 416%s", req->method, req->url, text);
	default:
		return error_set(err, ERR_SYSTEM, resp->status >= 500 ? IMAGE_ENETWORK : EPROTO, "%s %.300s: status %ld%s",
			req->method, req->url, resp->status, text);
	}
}

/* Follow redirects of one request.  Credentials, and headers of the configuration, go along only on the same scheme and
 * host. */
static int exchange(struct connection *c, struct http_request req, bool same_host, struct http_response *resp,
	struct error *err)
{
	const char *const *headers = req.headers;
	bool read = strcmp(req.method, "GET") == 0 || strcmp(req.method, "HEAD") == 0;
	struct url_parts from, to;

	if (same_host)
		req.headers = with_headers(c->arena, c->registry, headers);
	for (int i = 0;; i++) {
		int r = http_perform(c->http, c->arena, &req, resp, err);
		const char *next;

		if (r < 0)
			return r;
		show_warning(c->registry, resp);
		if (!read || resp->status < 300 || resp->status >= 400 || resp->status == 304 || !resp->location)
			return 0;
		if (i == REDIRECTS_MAX)
			return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "%.300s: too many redirects", req.url);
		next = url_resolve(c->arena, req.url, resp->location);
		if (!next || !url_split(c->arena, req.url, &from) || !url_split(c->arena, next, &to))
			return error_set(err, ERR_SYSTEM, EPROTO, "%.300s: redirect to an invalid address", req.url);
		if (strcmp(from.scheme, "https") == 0 && strcmp(to.scheme, "https") != 0 && !c->registry->http_options.insecure)
			return error_set(err, ERR_SYSTEM, EPROTO, "%.300s: refusing a redirect from https to http (%.200s)",
				req.url, to.host);
		if (strcmp(from.host, to.host) != 0 || strcmp(from.scheme, to.scheme) != 0) {
			if (host_is_private_literal(to.name) && !c->registry->may_be_plain)
				return error_set(err, ERR_SYSTEM, EPROTO, "%.300s: refusing a redirect to the private address %s",
					req.url, to.host);
			req.bearer = NULL;
			req.basic = NULL;
			req.headers = headers;
		}
		req.url = next;
	}
}

int registry_call_once(struct connection *c, struct call *call, struct http_response *resp, struct error *err)
{
	struct http_request req = call->request;
	struct url_parts ours, target;
	bool same_host;
	int r;

	if (req.url[0] == '/' && c->registry->options.ns)
		req.url = arena_printf(c->arena, "%s%s%cns=%s", c->registry->base, req.url, strchr(req.url, '?') ? '&' : '?',
			url_escape(c->arena, c->registry->options.ns));
	else if (req.url[0] == '/')
		req.url = arena_printf(c->arena, "%s%s", c->registry->base, req.url);
	/* An upload location may be on another host: it gets no credentials of ours. */
	same_host = url_split(c->arena, c->registry->base, &ours) && url_split(c->arena, req.url, &target) &&
		strcmp(ours.host, target.host) == 0 && strcmp(ours.scheme, target.scheme) == 0;
	for (int i = 0;; i++) {
		if (same_host)
			registry_authorize(c, call, &req);
		r = exchange(c, req, same_host, resp, err);
		if (r < 0)
			return r;
		if (resp->status != 401 || !same_host || i == 2 || resp->challenge_count == 0)
			break;
		r = registry_authenticate(c, call, resp, i > 0, err);
		if (r < 0)
			return r;
	}
	if (resp->status >= 200 && resp->status < 300)
		return 0;
	if (resp->status == 404 && call->quiet_missing)
		return 0;
	return status_error(c, &req, resp, err);
}

bool retry_wait(struct retry *r, const struct http_response *resp, const struct error *why, bool progress)
{
	uint64_t ms = 1000, random = 0;
	const char *scale = getenv("OCI_IMAGE_RETRY_MS"); /* for tests */

	if (progress)
		r->attempt = 0;
	if (++r->attempt >= ATTEMPTS_MAX)
		return false;
	if (scale)
		ms = strtoull(scale, NULL, 10);
	ms <<= r->attempt - 1;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) == sizeof random)
		ms = ms / 4 + random % (ms * 3 / 4 + 1);
	if (resp && resp->status >= 400 && resp->retry_after) {
		struct tm tm = { 0 };
		long seconds = strtol(resp->retry_after, NULL, 10);

		if (strptime(resp->retry_after, "%a, %d %b %Y %H:%M:%S GMT", &tm))
			seconds = timegm(&tm) - time(NULL);
		if (seconds > RETRY_AFTER_MAX)
			seconds = RETRY_AFTER_MAX;
		if (seconds > 0)
			ms = (uint64_t)seconds * 1000;
	}
	log_info("%s; trying again in %.1f s", why && why->msg[0] ? why->msg : "failed", (double)ms / 1000);
	nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
	return true;
}

int registry_call(struct connection *c, struct call *call, struct http_response *resp, struct error *err)
{
	struct retry retry = { 0 };

	for (;;) {
		struct error local = { 0 };
		int r = registry_call_once(c, call, resp, &local);

		if (r != -IMAGE_ENETWORK || (call->attempts && retry.attempt + 1 >= call->attempts) ||
			!retry_wait(&retry, resp, &local, false)) {
			if (r < 0 && err)
				*err = local;
			return r;
		}
	}
}
