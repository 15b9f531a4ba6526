/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_REFERENCE_H
#define OCI_RT_IMAGE_TOOLS_REFERENCE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "image-tools/digest.h"

/*
 * Image references by Docker's rules: [domain[:port]/]path[:tag][@digest].
 * A name without a domain is on docker.io, one component there is below
 * library/, and without tag and digest the tag is "latest".
 */
struct reference {
	const char *domain; /* "docker.io", "localhost:5000", "[::1]:5000" */
	const char *path;   /* "library/nginx" */
	const char *tag;    /* NULL when only a digest was given */
	bool tag_given;     /* false: "latest" was filled in */
	struct digest digest; /* algorithm DIGEST_NONE when there is none */
};

/* Parse; strings live in the arena.  -EINVAL with the reason in err. */
int reference_parse(struct arena *a, const char *text, struct reference *ref, struct error *err);

/* "docker.io/library/nginx:1.28.0", with "@sha256:..." when there is a digest. */
const char *reference_canonical(struct arena *a, const struct reference *ref);
/* What people type: "nginx:1.28.0". */
const char *reference_familiar(struct arena *a, const struct reference *ref);
/* Domain and path only. */
const char *reference_repository(struct arena *a, const struct reference *ref);
/* The host that speaks the protocol: registry-1.docker.io for docker.io. */
const char *reference_host(const struct reference *ref);

bool reference_valid_tag(const char *tag);

/* Where an image is or goes: one grammar for every verb that takes a location. */
enum location_kind { LOCATION_STORE, LOCATION_REGISTRY, LOCATION_LAYOUT, LOCATION_ARCHIVE };
struct location {
	enum location_kind kind;
	bool docker_archive;	/* LOCATION_ARCHIVE: "docker-archive:" was asked for */
	bool oci_archive;
	const char *path;	/* directory of the layout, file of the archive ("-": standard input or output) */
	const char *name;	/* tag or name inside the layout or archive; NULL: the only one, or the store's name */
	struct reference ref;	/* store and registry */
	struct digest digest;	/* layout: @DIGEST */
};

/* NAME, docker://REF, oci:DIR[:TAG|@DIGEST], tar:FILE[:TAG], docker-archive:..., oci-archive:..., - */
int location_parse(struct arena *a, const char *text, struct location *loc, struct error *err);
const char *location_describe(struct arena *a, const struct location *loc);

#endif
