/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the token protocol of registries.  GET realm?service=&scope=
 * with Basic credentials if there are any; with an identity token, a POSTed form
 * (OAuth2, grant_type refresh_token) first.  The realm comes from the server, so it is
 * checked before anything is sent there: https unless the registry itself is plain,
 * and no private address unless it is the registry's own host.
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "image-tools/registry/registry_internal.h"
#include "image-tools/status.h"

#define EXPIRES_DEFAULT 60
#define EXPIRES_EARLY 10

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static const char *joined_scope(struct arena *a, const struct call *call)
{
	if (!call->scope[0])
		return "";
	return call->scope[1] ? arena_printf(a, "%s %s", call->scope[0], call->scope[1]) : call->scope[0];
}

void registry_authorize(struct connection *c, const struct call *call, struct http_request *req)
{
	struct registry *r = c->registry;
	const char *scope = joined_scope(c->arena, call);

	req->bearer = req->basic = NULL;
	pthread_mutex_lock(&r->lock);
	if (r->basic) {
		req->basic = r->basic_pair;
	} else {
		for (struct token *t = r->tokens; t; t = t->next) {
			if (strcmp(t->scope, scope) == 0 && t->expires > now()) {
				req->bearer = t->text;
				break;
			}
		}
	}
	pthread_mutex_unlock(&r->lock);
}

static int learn_credentials(struct registry *r, const struct call *call, struct error *err)
{
	const char *scope = call->scope[0];
	char *path = NULL;
	int rc;

	if (r->credentials_known || r->credentials.user)
		return 0;
	if (scope && strncmp(scope, "repository:", 11) == 0) {
		path = arena_strdup(&r->arena, scope + 11);
		path[strcspn(path, ":")] = '\0';
	}
	rc = credentials_find(&r->arena, r->options.authfile, r->domain, path, &r->credentials, err);
	if (rc == 0)
		r->credentials_known = true;
	return rc;
}

static int check_realm(struct registry *r, const char *realm, struct error *err)
{
	struct url_parts parts, ours;

	if (!realm || !url_split(&r->arena, realm, &parts) || !url_split(&r->arena, r->base, &ours))
		return error_set(err, ERR_SYSTEM, IMAGE_EAUTH, "%s: the token server's address is invalid", r->host);
	if (strcmp(parts.scheme, "https") != 0 && !r->plain)
		return error_set(err, ERR_SYSTEM, IMAGE_EAUTH, "%s: refusing a token server without TLS (%.200s)", r->host, realm);
	if (host_is_private_literal(parts.name) && strcmp(parts.host, ours.host) != 0 &&
		strcmp(parts.name, ours.name) != 0)
		return error_set(err, ERR_SYSTEM, IMAGE_EAUTH, "%s: refusing a token server on a private address (%.200s)",
			r->host, realm);
	return 0;
}

struct token_answer {
	const char *token, *access_token;
	int64_t expires_in;
};
static const struct json_field token_fields[] = {
	JSON_F(JSON_STRING, struct token_answer, token, "token"),
	JSON_F(JSON_STRING, struct token_answer, access_token, "access_token"),
	JSON_F(JSON_INT, struct token_answer, expires_in, "expires_in"),
};
static const struct json_object token_object = JSON_OBJECT_OF("token", struct token_answer, token_fields);

/* The token server may redirect; each hop is checked like the realm itself, and only the same host sees credentials. */
static int ask(struct connection *c, struct http_request *req, struct http_response *resp, struct error *err)
{
	for (int i = 0; i < 5; i++) {
		struct url_parts from, to;
		const char *next;
		int rc = http_perform(c->http, c->arena, req, resp, err);

		if (rc < 0 || resp->status < 300 || resp->status >= 400 || !resp->location || strcmp(req->method, "GET") != 0)
			return rc;
		next = url_resolve(c->arena, req->url, resp->location);
		rc = check_realm(c->registry, next, err);
		if (rc < 0)
			return rc;
		if (!url_split(c->arena, req->url, &from) || !url_split(c->arena, next, &to) ||
			strcmp(from.host, to.host) != 0 || strcmp(from.scheme, to.scheme) != 0)
			req->basic = NULL;
		req->url = next;
	}
	return error_set(err, ERR_SYSTEM, IMAGE_EAUTH, "token server: too many redirects");
}

static const char *query(struct arena *a, const struct challenge *ch, const struct call *call)
{
	const char *url = arena_printf(a, "%s%cservice=%s", ch->realm, strchr(ch->realm, '?') ? '&' : '?',
		ch->service ? url_escape(a, ch->service) : "");
	int n = 0;

	/* The wanted scope first: some servers read only the first. */
	for (int i = 0; i < 2 && call->scope[i]; i++, n++)
		url = arena_printf(a, "%s&scope=%s", url, url_escape(a, call->scope[i]));
	if (ch->scope && *ch->scope && n == 0)
		url = arena_printf(a, "%s&scope=%s", url, url_escape(a, ch->scope));
	return url;
}

static int fetch_token(struct connection *c, const struct challenge *ch, const struct call *call, const char **token,
	int64_t *expires, struct error *err)
{
	struct registry *r = c->registry;
	const struct credentials *cred = &r->credentials;
	struct token_answer answer = { 0 };
	struct json_errors errors = { 0 };
	struct http_response resp = { 0 };
	int rc = 0;

	if (cred->identity_token) {
		const char *form = arena_printf(c->arena, "grant_type=refresh_token&service=%s&client_id=oci-image&scope=%s&refresh_token=%s",
			url_escape(c->arena, ch->service ? ch->service : ""),
			url_escape(c->arena, joined_scope(c->arena, call)), url_escape(c->arena, cred->identity_token));
		struct http_request post = { .method = "POST", .url = ch->realm, .body = form, .body_length = strlen(form),
			.headers = (const char *const[]){ "Content-Type: application/x-www-form-urlencoded", NULL } };

		rc = ask(c, &post, &resp, err);
	}
	if (rc == 0 && resp.status != 200) {
		struct http_request get = { .method = "GET", .url = query(c->arena, ch, call) };

		if (cred->user)
			get.basic = arena_printf(c->arena, "%s:%s", cred->user, cred->password ? cred->password : "");
		rc = ask(c, &get, &resp, err);
	}
	if (rc < 0)
		return rc;
	if (resp.status == 429 || resp.status >= 500)
		return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "token server %.200s: status %ld", ch->realm, resp.status);
	if (resp.status != 200) {
		error_set(err, ERR_PERMISSION, IMAGE_EAUTH, "token server %.200s: access denied (status %ld)%s", ch->realm,
			resp.status, registry_error_text(c->arena, &resp));
		error_hint(err, cred->source ? "the credentials come from %s" : "oci-image login", cred->source);
		return -IMAGE_EAUTH;
	}
	json_read(&token_object, resp.body ? resp.body : "", resp.body_length, c->arena, &answer, &errors);
	*token = answer.token && *answer.token ? answer.token : answer.access_token;
	*expires = answer.expires_in > 0 ? answer.expires_in : EXPIRES_DEFAULT;
	if (!*token || !**token || strpbrk(*token, "\r\n"))
		return error_set(err, ERR_SYSTEM, IMAGE_EAUTH, "token server %.200s: the answer holds no token", ch->realm);
	return 0;
}

static void keep_token(struct registry *r, const char *scope, const char *text, int64_t expires)
{
	struct token *t = arena_new(&r->arena, struct token);

	*t = (struct token){ .next = r->tokens, .scope = arena_strdup(&r->arena, scope),
		.text = arena_strdup(&r->arena, text),
		.expires = now() + (expires > EXPIRES_EARLY * 2 ? expires - EXPIRES_EARLY : expires) };
	r->tokens = t;
}

static int answer_challenge(struct connection *c, const struct call *call, const struct challenge *ch, int n, bool again,
	struct error *err)
{
	struct registry *r = c->registry;
	const char *scope = joined_scope(c->arena, call), *token = NULL;
	int64_t expires = 0;
	int rc = learn_credentials(r, call, err);

	if (rc < 0)
		return rc;
	for (int i = 0; i < n; i++) {
		if (strcmp(ch[i].scheme, "bearer") != 0)
			continue;
		if (r->credentials.registry_token && !again) {
			keep_token(r, scope, r->credentials.registry_token, 3600);
			return 0;
		}
		for (struct token *t = r->tokens; t; t = t->next)
			if (strcmp(t->scope, scope) == 0)
				t->expires = 0;
		rc = check_realm(r, ch[i].realm, err);
		if (rc == 0)
			rc = fetch_token(c, &ch[i], call, &token, &expires, err);
		if (rc == 0)
			keep_token(r, scope, token, expires);
		return rc;
	}
	for (int i = 0; i < n; i++) {
		/* Another thread may have begun to use them meanwhile; this call has not, unless it is here again. */
		if (strcmp(ch[i].scheme, "basic") != 0 || !r->credentials.user || again)
			continue;
		r->basic = true;
		r->basic_pair = arena_printf(&r->arena, "%s:%s", r->credentials.user,
			r->credentials.password ? r->credentials.password : "");
		return 0;
	}
	error_set(err, ERR_PERMISSION, IMAGE_EAUTH, r->credentials.user ? "%s: the credentials are not accepted" : "%s: authentication required", r->domain);
	if (r->credentials.source)
		error_hint(err, "they come from %s; oci-image login %s", r->credentials.source, r->domain);
	else
		error_hint(err, "oci-image login %s", r->domain);
	return -IMAGE_EAUTH;
}

int registry_authenticate(struct connection *c, const struct call *call, const struct http_response *resp, bool again,
	struct error *err)
{
	struct challenge ch[16];
	int n = 0, rc;

	for (int i = 0; i < resp->challenge_count && n < 16; i++)
		n += challenge_parse(c->arena, resp->challenges[i], ch + n, 16 - n);
	pthread_mutex_lock(&c->registry->lock);
	rc = answer_challenge(c, call, ch, n, again, err);
	pthread_mutex_unlock(&c->registry->lock);
	return rc;
}

static int add_pem(struct registry *r, int dir, const char *name, struct error *err)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	const char *old = r->http_options.ca_pem;
	char *buf;
	size_t len;
	int rc = fd < 0 ? -errno : fd_read_all(fd, &r->arena, 8u << 20, &buf, &len);

	if (rc < 0)
		return error_sys(err, -rc, "read certificate %s", name);
	r->http_options.ca_pem = arena_printf(&r->arena, "%s\n%s", old ? old : "", buf);
	r->http_options.ca_length = strlen(r->http_options.ca_pem);
	return 0;
}

static int read_directory(struct registry *r, const char *path, struct error *err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int rc = 0;

	while (d && rc == 0 && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n > 4 && strcmp(e->d_name + n - 4, ".crt") == 0) {
			rc = add_pem(r, dirfd(d), e->d_name, err);
		} else if (n > 5 && strcmp(e->d_name + n - 5, ".cert") == 0) {
			r->http_options.cert = arena_printf(&r->arena, "%s/%s", path, e->d_name);
			r->http_options.key = arena_printf(&r->arena, "%s/%.*s.key", path, (int)(n - 5), e->d_name);
		}
	}
	if (d)
		closedir(d);
	return rc;
}

int registry_certificates(struct registry *r, struct error *err)
{
	const char *home = getenv("HOME"), *extra = getenv("OCI_IMAGE_CERTS_DIR");
	struct error ignored = { 0 };
	int rc = 0;

	if (extra)
		rc = read_directory(r, arena_printf(&r->arena, "%s/%s", extra, r->host), err);
	if (rc == 0 && home)
		rc = read_directory(r, arena_printf(&r->arena, "%s/.config/containers/certs.d/%s", home, r->host), err);
	if (rc == 0)
		rc = read_directory(r, arena_printf(&r->arena, "/etc/containers/certs.d/%s", r->host), err);
	if (rc == 0)
		rc = read_directory(r, arena_printf(&r->arena, "/etc/docker/certs.d/%s", r->host), err);
	if (rc == 0 && r->options.cacert)
		rc = add_pem(r, AT_FDCWD, r->options.cacert, err);
	for (size_t i = 0; rc == 0 && r->options.cas && i < r->options.cas->count; i++)
		rc = add_pem(r, AT_FDCWD, r->options.cas->items[i], err);
	if (r->options.cert) {
		r->http_options.cert = r->options.cert;
		r->http_options.key = r->options.key ? r->options.key : r->options.cert;
	}
	/* curl takes one list: ours replaces the system's, so put that in front again. */
	if (rc == 0 && r->http_options.ca_pem)
		add_pem(r, AT_FDCWD, "/etc/ssl/certs/ca-certificates.crt", &ignored);
	return rc;
}
