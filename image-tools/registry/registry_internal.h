/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REGISTRY_INTERNAL_H
#define OCI_RT_IMAGE_TOOLS_REGISTRY_INTERNAL_H

#include <pthread.h>
#include <time.h>

#include "image-tools/registry/registry.h"

struct token {
	struct token *next;
	const char *scope; /* all scopes of the call, joined by a space */
	const char *text;
	time_t expires; /* monotonic seconds */
};

struct registry {
	pthread_mutex_t lock; /* arena, tokens, credentials, basic */
	struct arena arena;
	struct registry_options options;
	const char *domain, *host, *path, *base; /* path: "" or "/..." in front of /v2/ */
	bool plain, may_be_plain;
	struct http_options http_options;
	struct credentials credentials;
	bool credentials_known, basic;
	const char *basic_pair;
	struct token *tokens;
	const char *warned;
};

/* Put what we have into the request. */
void registry_authorize(struct connection *c, const struct call *call, struct http_request *req);
/* Answer the challenges of a 401.  again: a token was refused just now. */
int registry_authenticate(struct connection *c, const struct call *call, const struct http_response *resp, bool again,
	struct error *err);
/* CA and client certificates of certs.d and --cacert. */
int registry_certificates(struct registry *r, struct error *err);

#endif
