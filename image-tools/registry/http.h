/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REGISTRY_HTTP_H
#define OCI_RT_IMAGE_TOOLS_REGISTRY_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * One HTTP exchange over libcurl: no redirect is followed and nothing is retried
 * here, because both need to know about credentials and digests.
 */
#define HTTP_CHALLENGES_MAX 8

/* A body goes here while it arrives, for statuses 200 and 206 only.  status and offset (of Content-Range, 0 for 200)
 * come with the first call.  Return 0 or a negative errno to break off. */
typedef int http_sink(void *opaque, long status, uint64_t offset, const void *buf, size_t len, struct error *err);

struct http_request {
	const char *method; /* GET, HEAD, POST, PUT, PATCH, DELETE */
	const char *url;
	const char *const *headers; /* NULL-terminated "Name: value", or NULL */
	const char *bearer;	    /* token, or NULL */
	const char *basic;	    /* "user:password", or NULL */
	const void *body;	    /* bytes in memory, or */
	int body_fd;		    /* a file (with body_length > 0 and body NULL) */
	uint64_t body_offset, body_length;
	http_sink *sink;
	void *sink_opaque;
	size_t max_body; /* of bodies kept in memory; 0: 4 MiB */
};

struct http_response {
	long status;
	const char *content_type, *location, *digest, *link, *range, *retry_after, *subject, *min_chunk, *warning;
	const char *etag, *last_modified;
	const char *challenges[HTTP_CHALLENGES_MAX];
	int challenge_count;
	int64_t content_length; /* -1: unknown */
	int64_t range_start;	/* of Content-Range, -1: none */
	char *body;		/* NUL-terminated */
	size_t body_length;
	bool tls_refused; /* the failure was in the TLS handshake: perhaps the server speaks plain HTTP */
};

struct http_options {
	bool insecure;		/* do not verify the certificate */
	const char *ca_pem;	/* system and own certificates, or NULL for the system's */
	size_t ca_length;
	const char *cert, *key; /* client certificate files, or NULL */
};

struct http; /* one connection cache; not shared between threads */
struct http *http_new(const struct http_options *options);
void http_free(struct http *h);

/* 0 when a response came, whatever its status; -IMAGE_ENETWORK, or what the sink returned.  Strings in the arena. */
int http_perform(struct http *h, struct arena *a, const struct http_request *req, struct http_response *resp,
	struct error *err);

/* Initialise libcurl; once, before threads. */
void http_global_init(void);

struct url_parts {
	const char *scheme, *host; /* host with port when there is one; lower case */
	const char *name;	   /* host without port and brackets */
};
/* Split an absolute http or https URL; false when it is none. */
bool url_split(struct arena *a, const char *url, struct url_parts *parts);
/* Resolve a Location, which may be relative, against the URL of its request. */
const char *url_resolve(struct arena *a, const char *base, const char *location);
/* Is the host this machine by name or address? */
bool host_is_loopback(const char *name);
/* Is it an address literal that no public server has (private, link-local, loopback)? */
bool host_is_private_literal(const char *name);
const char *url_escape(struct arena *a, const char *text);

#endif
