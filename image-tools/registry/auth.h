/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REGISTRY_AUTH_H
#define OCI_RT_IMAGE_TOOLS_REGISTRY_AUTH_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

/* A challenge of a WWW-Authenticate header (RFC 9110, 11.6.1); absent parameters are NULL. */
struct challenge {
	const char *scheme; /* lower case: "bearer", "basic" */
	const char *realm, *service, *scope, *error;
};
/* Parse one header's value, which may hold several challenges.  Returns their number (at most max); text that does
 * not parse ends the reading. */
int challenge_parse(struct arena *a, const char *value, struct challenge *out, int max);

/* What a registry may be shown.  All members NULL: nobody. */
struct credentials {
	const char *user, *password;
	const char *identity_token; /* a refresh token for the token server */
	const char *registry_token; /* a bearer token for the registry itself */
	const char *source;	    /* where they come from, for messages */
};

/* Look up credentials for a repository on a host ("docker.io", "localhost:5000"): --authfile or $REGISTRY_AUTH_FILE,
 * else the files of containers and Docker in their usual order, with their credential helpers.  Finding none is no
 * error. */
int credentials_find(struct arena *a, const char *authfile, const char *host, const char *path, struct credentials *c,
	struct error *err);
/* Store or remove (c NULL) an entry for a host in the auth file (or its helper).  *file: which file. */
int credentials_store(struct arena *a, const char *authfile, const char *host, const struct credentials *c,
	const char **file, struct error *err);

#endif
