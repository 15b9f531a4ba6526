/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one easy handle per thread keeps its connections.  Headers
 * that matter are copied by a table.  The body of a success goes to the sink as it
 * arrives; other bodies (errors, JSON) are kept in memory up to a limit.  A transfer
 * slower than 1 KB/s for 30 s is broken off; the caller goes on where it stopped.
 */
#include "image-tools/registry/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "image-tools/status.h"

#define LOW_SPEED_BYTES 1000L
#define LOW_SPEED_SECONDS 30L
#define CONNECT_SECONDS 30L
#define BODY_MAX (4u * 1024 * 1024)

struct http {
	CURL *curl;
	struct http_options options;
};

struct exchange {
	struct http *http;
	struct arena *a;
	const struct http_request *req;
	struct http_response *resp;
	struct error *err;
	size_t capacity;
	uint64_t sent;
	int failure; /* negative errno of the sink or of a limit */
};

void http_global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *http_new(const struct http_options *options)
{
	struct http *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->options = *options;
	h->curl = curl_easy_init();
	if (!h->curl) {
		free(h);
		return NULL;
	}
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

static const struct {
	const char *name;
	size_t offset;
} headers[] = {
	{ "content-type", offsetof(struct http_response, content_type) },
	{ "location", offsetof(struct http_response, location) },
	{ "docker-content-digest", offsetof(struct http_response, digest) },
	{ "link", offsetof(struct http_response, link) },
	{ "range", offsetof(struct http_response, range) },
	{ "retry-after", offsetof(struct http_response, retry_after) },
	{ "oci-subject", offsetof(struct http_response, subject) },
	{ "oci-chunk-min-length", offsetof(struct http_response, min_chunk) },
	{ "warning", offsetof(struct http_response, warning) },
	{ "etag", offsetof(struct http_response, etag) },
	{ "last-modified", offsetof(struct http_response, last_modified) },
};

static size_t on_header(char *line, size_t size, size_t n, void *opaque)
{
	struct exchange *x = opaque;
	size_t len = size * n;
	char *colon = memchr(line, ':', len), *value;
	size_t name_len, value_len;

	/* A new status line (after "100 Continue", for instance) starts over. */
	if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
		*x->resp = (struct http_response){ .content_length = -1, .range_start = -1 };
		return len;
	}
	if (!colon)
		return len;
	name_len = (size_t)(colon - line);
	value = colon + 1;
	value_len = len - name_len - 1;
	while (value_len > 0 && isspace((unsigned char)*value))
		value++, value_len--;
	while (value_len > 0 && isspace((unsigned char)value[value_len - 1]))
		value_len--;
	if (value_len > 16384)
		return len;
	if (name_len == 16 && strncasecmp(line, "www-authenticate", 16) == 0 &&
		x->resp->challenge_count < HTTP_CHALLENGES_MAX)
		x->resp->challenges[x->resp->challenge_count++] = arena_strndup(x->a, value, value_len);
	if (name_len == 13 && strncasecmp(line, "content-range", 13) == 0 && value_len > 6 &&
		strncasecmp(value, "bytes ", 6) == 0)
		x->resp->range_start = strtoll(value + 6, NULL, 10);
	if (name_len == 14 && strncasecmp(line, "content-length", 14) == 0)
		x->resp->content_length = strtoll(value, NULL, 10);
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		if (strlen(headers[i].name) == name_len && strncasecmp(line, headers[i].name, name_len) == 0)
			*(const char **)((char *)x->resp + headers[i].offset) = arena_strndup(x->a, value, value_len);
	return len;
}

static size_t on_body(char *buf, size_t size, size_t n, void *opaque)
{
	struct exchange *x = opaque;
	struct http_response *resp = x->resp;
	size_t len = size * n, max = x->req->max_body ? x->req->max_body : BODY_MAX;
	long status = 0;

	curl_easy_getinfo(x->http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (x->req->sink && (status == 200 || status == 206)) {
		uint64_t offset = status == 206 && resp->range_start >= 0 ? (uint64_t)resp->range_start : 0;

		x->failure = x->req->sink(x->req->sink_opaque, status, offset + x->sent, buf, len, x->err);
		x->sent += len;
		return x->failure < 0 ? 0 : len;
	}
	if (resp->body_length + len > max) {
		if (status >= 200 && status < 300)
			x->failure = error_set(x->err, ERR_CONFIG, EFBIG, "%s: the answer is larger than %zu bytes",
				x->req->url, max);
		return status >= 200 && status < 300 ? 0 : len;
	}
	if (resp->body_length + len + 1 > x->capacity || !resp->body) {
		size_t bigger = (resp->body_length + len + 1) * 2;

		resp->body = arena_grow(x->a, resp->body, resp->body ? x->capacity : 0, bigger);
		x->capacity = bigger;
	}
	memcpy(resp->body + resp->body_length, buf, len);
	resp->body_length += len;
	resp->body[resp->body_length] = '\0';
	return len;
}

static size_t on_upload(char *buf, size_t size, size_t n, void *opaque)
{
	struct exchange *x = opaque;
	uint64_t left = x->req->body_length - x->sent;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got;

	if (x->req->body) {
		memcpy(buf, (const char *)x->req->body + x->sent, want);
		got = (ssize_t)want;
	} else {
		got = pread(x->req->body_fd, buf, want, (off_t)(x->req->body_offset + x->sent));
	}
	if (got < 0 || (got == 0 && want > 0))
		return CURL_READFUNC_ABORT;
	x->sent += (uint64_t)got;
	return (size_t)got;
}

static int on_seek(void *opaque, curl_off_t offset, int origin)
{
	struct exchange *x = opaque;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	x->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static void set_transport(struct http *h, const char *url)
{
	CURL *c = h->curl;
	const char *proxy = getenv("HTTP_PROXY");

	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_UNRESTRICTED_AUTH, 0L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
		getenv("OCI_IMAGE_STALL_SECONDS") ? atol(getenv("OCI_IMAGE_STALL_SECONDS")) : LOW_SPEED_SECONDS);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 512L * 1024);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "oci-image/" PACKAGE_VERSION);
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	/* curl does not look at the upper-case name because of CGI; we are no CGI program. */
	if (proxy && *proxy && !getenv("http_proxy") && strncmp(url, "http:", 5) == 0)
		curl_easy_setopt(c, CURLOPT_PROXY, proxy);
	if (h->options.insecure) {
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (h->options.ca_pem) {
		struct curl_blob blob = { (void *)h->options.ca_pem, h->options.ca_length, CURL_BLOB_NOCOPY };

		curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (h->options.cert) {
		curl_easy_setopt(c, CURLOPT_SSLCERT, h->options.cert);
		curl_easy_setopt(c, CURLOPT_SSLKEY, h->options.key);
	}
}

static struct curl_slist *set_request(struct http *h, struct exchange *x)
{
	const struct http_request *req = x->req;
	struct curl_slist *list = NULL;
	CURL *c = h->curl;

	curl_easy_setopt(c, CURLOPT_URL, req->url);
	if (strcmp(req->method, "HEAD") == 0) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	} else if (req->body || req->body_length || strcmp(req->method, "PUT") == 0 || strcmp(req->method, "PATCH") == 0 ||
		strcmp(req->method, "POST") == 0) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_upload);
		curl_easy_setopt(c, CURLOPT_READDATA, x);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body_length);
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
		list = curl_slist_append(list, "Expect:");
	} else {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
	}
	for (const char *const *p = req->headers; p && *p; p++)
		list = curl_slist_append(list, *p);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	if (req->bearer) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, req->bearer);
	} else if (req->basic) {
		curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(c, CURLOPT_USERPWD, req->basic);
	}
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	return list;
}

int http_perform(struct http *h, struct arena *a, const struct http_request *req, struct http_response *resp,
	struct error *err)
{
	struct exchange x = { .http = h, .a = a, .req = req, .resp = resp, .err = err };
	char detail[CURL_ERROR_SIZE] = "";
	struct curl_slist *list;
	CURLcode code;

	*resp = (struct http_response){ .content_length = -1, .range_start = -1 };
	curl_easy_reset(h->curl);
	set_transport(h, req->url);
	list = set_request(h, &x);
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, detail);
	code = curl_easy_perform(h->curl);
	curl_slist_free_all(list);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &resp->status);
	if (x.failure < 0)
		return x.failure;
	if (code == CURLE_OK)
		return 0;
	resp->tls_refused = code == CURLE_SSL_CONNECT_ERROR;
	error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "%s %.300s: %s", req->method, req->url,
		*detail ? detail : curl_easy_strerror(code));
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		error_hint(err, "put the registry's CA certificate (*.crt) into /etc/containers/certs.d/HOST:PORT/");
	return -IMAGE_ENETWORK;
}

static const char *part(struct arena *a, CURLU *u, CURLUPart what)
{
	char *text = NULL;
	const char *copy;

	if (curl_url_get(u, what, &text, 0) != CURLUE_OK)
		return NULL;
	copy = arena_strdup(a, text);
	curl_free(text);
	return copy;
}

bool url_split(struct arena *a, const char *url, struct url_parts *parts)
{
	CURLU *u = curl_url();
	const char *host, *port;
	bool ok = false;

	*parts = (struct url_parts){ 0 };
	if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK) {
		parts->scheme = part(a, u, CURLUPART_SCHEME);
		host = part(a, u, CURLUPART_HOST);
		port = part(a, u, CURLUPART_PORT);
		ok = host && parts->scheme && (strcmp(parts->scheme, "http") == 0 || strcmp(parts->scheme, "https") == 0);
		if (ok) {
			char *name = arena_strdup(a, host);

			for (char *p = name; *p; p++)
				*p = (char)tolower((unsigned char)*p);
			parts->host = port ? arena_printf(a, "%s:%s", name, port) : name;
			if (name[0] == '[') {
				name++;
				name[strcspn(name, "]")] = '\0';
			}
			parts->name = name;
		}
	}
	curl_url_cleanup(u);
	return ok;
}

const char *url_resolve(struct arena *a, const char *base, const char *location)
{
	CURLU *u = curl_url();
	const char *result = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
		curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK)
		result = part(a, u, CURLUPART_URL);
	curl_url_cleanup(u);
	return result;
}

bool host_is_loopback(const char *name)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcasecmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool host_is_private_literal(const char *name)
{
	struct in_addr v4;
	struct in6_addr v6;
	uint32_t ip;

	if (strcasecmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET6, name, &v6) == 1) {
		if (!IN6_IS_ADDR_V4MAPPED(&v6))
			return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6) ||
				(v6.s6_addr[0] & 0xfe) == 0xfc;
		memcpy(&v4, v6.s6_addr + 12, 4);
	} else if (inet_aton(name, &v4) == 0) { /* also takes 2130706433 and 0x7f.1, as resolvers do */
		return false;
	}
	ip = ntohl(v4.s_addr);
	return (ip >> 24) == 127 || (ip >> 24) == 10 || (ip >> 24) == 0 || (ip >> 20) == (0xac1) ||
		(ip >> 16) == 0xc0a8 || (ip >> 16) == 0xa9fe || (ip >> 22) == (0x64400000u >> 22);
}

const char *url_escape(struct arena *a, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = arena_alloc(a, strlen(text) * 3 + 1), *p = out;

	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text)) {
			*p++ = *text;
		} else {
			*p++ = '%';
			*p++ = hex[(uint8_t)*text >> 4];
			*p++ = hex[(uint8_t)*text & 15];
		}
	}
	return out;
}
