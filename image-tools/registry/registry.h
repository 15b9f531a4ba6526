/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REGISTRY_REGISTRY_H
#define OCI_RT_IMAGE_TOOLS_REGISTRY_REGISTRY_H

#include "image-tools/manifest.h"
#include "image-tools/reference.h"
#include "image-tools/registry/auth.h"
#include "image-tools/registry/http.h"

/*
 * A registry as one speaks to it (distribution-spec): which scheme, which
 * credentials, which tokens.  The struct registry is shared by threads; each
 * thread has a struct connection of its own.
 */
struct registry_options {
	const char *authfile;
	const char *user, *password; /* instead of the auth files */
	const char *cacert;	     /* PEM file, besides the system's */
	const struct string_list *cas; /* further ones, or NULL */
	const char *cert, *key;	     /* client certificate, or NULL; key NULL: it is in the same file */
	const struct string_list *headers; /* "Name: value" for this server and no other, or NULL */
	bool plain;		     /* plain HTTP from the start */
	bool skip_verify;	     /* any certificate will do */
	bool insecure_host;	     /* this very host is as if listed in insecure */
	const char *ns;		     /* sent along as ?ns=, or NULL */
	const char *const *insecure; /* hosts with plain HTTP or unverified TLS; NULL-terminated, or NULL */
};

struct registry;
struct connection {
	struct registry *registry;
	struct http *http;
	struct arena *arena;
};

/* Find out how to speak to the registry of a reference's domain: https, or http when it is on this machine or was
 * declared insecure.  server: host[/path] to ask instead, or NULL. */
int registry_open(struct registry **r, const char *domain, const char *server, const struct registry_options *options,
	struct error *err);
void registry_close(struct registry *r);
/* Is it on this machine, or declared insecure? */
bool registry_allows_plain(const struct registry *r);
const char *registry_base(const struct registry *r); /* "https://host" */
const char *registry_domain(const struct registry *r);

int connection_open(struct connection *c, struct registry *r, struct arena *a, struct error *err);
void connection_close(struct connection *c);

/* What a call may do: "repository:NAME:pull".  Several for a mount. */
struct call {
	struct http_request request; /* url: absolute, or a path below the registry */
	const char *scope[2];
	bool quiet_missing; /* 404 is an expected answer: 0 is returned, see status */
	int attempts;	    /* 0: the usual number */
};

/* Perform with authentication, redirects (GET and HEAD; credentials never leave the host) and, unless the request
 * has a sink, retries.  0 with a 2xx answer (or 404 with quiet_missing); an error otherwise. */
int registry_call(struct connection *c, struct call *call, struct http_response *resp, struct error *err);

/* One attempt of it.  Retryable failures are -IMAGE_ENETWORK. */
int registry_call_once(struct connection *c, struct call *call, struct http_response *resp, struct error *err);

/* Waiting between attempts: exponential with full jitter, or what Retry-After says.  False when no attempt is left;
 * progress starts the count again. */
struct retry {
	int attempt;
};
bool retry_wait(struct retry *r, const struct http_response *resp, const struct error *why, bool progress);

const char *scope_for(struct arena *a, const char *path, const char *actions);
/* Error text of a JSON answer ({"errors": [...]}), or "". */
const char *registry_error_text(struct arena *a, const struct http_response *resp);

#endif
