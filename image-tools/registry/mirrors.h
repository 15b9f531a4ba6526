/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REGISTRY_MIRRORS_H
#define OCI_RT_IMAGE_TOOLS_REGISTRY_MIRRORS_H

#include "image-tools/manifest.h"
#include "image-tools/reference.h"
#include "image-tools/registry/registry.h"

/*
 * Where a reference is really asked for: containerd's certs.d/HOST/hosts.toml if there is one, else containers'
 * registries.conf (version 2).  Both say the same things in other words: mirrors in order, for reading only;
 * hosts with plain HTTP or unverified TLS; and registries.conf also renames and blocks.
 */
struct endpoint {
	struct reference ref; /* domain and path as they are there */
	const char *server;   /* host[:port][/path] when it is not ref.domain's own, or NULL */
	bool insecure;	      /* plain HTTP or unverified TLS */
	bool plain;	      /* plain HTTP, said by the scheme */
	bool skip_verify;
	struct string_list cas;	    /* PEM files */
	const char *cert, *key;	    /* client certificate, or NULL */
	struct string_list headers; /* "Name: value", for this server only */
	const char *ns;	      /* original domain, sent along as ?ns= (containerd's mirrors), or NULL */
	bool origin;	      /* the registry itself, not a mirror: the last one */
};

struct endpoints {
	struct endpoint *items;
	size_t count;
};

/* What to try, in order; without `mirrors` the registry itself alone.  An error when the reference is blocked or a file
 * does not parse.  Files: $OCI_IMAGE_HOSTS_DIR or /etc/containerd/certs.d; $CONTAINERS_REGISTRIES_CONF,
 * ~/.config/containers/registries.conf or /etc/containers/registries.conf, and *.conf in registries.conf.d beside it. */
int endpoints_find(struct arena *a, const struct reference *ref, bool mirrors, struct endpoints *e, struct error *err);

#endif
