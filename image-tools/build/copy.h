/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_COPY_H
#define OCI_RT_IMAGE_TOOLS_BUILD_COPY_H

#include "image-tools/build/context.h"
#include "image-tools/manifest.h"

/*
 * COPY and ADD: one engine, two calls.
 *
 *     copy_prepare()   words → sources: cleaned, matched, looked up, URLs fetched, repositories cloned
 *     copy_digest()    content checksum of what was selected: part of the step's cache key
 *     copy_apply()     write it into a root
 *     copy_free()
 *
 * Between the two calls files may not change: copy_apply() compares what it copies with what copy_digest() saw and
 * fails with -ESTALE otherwise, so that no step is ever stored under the key of other content.  (Without a preceding
 * copy_digest() nothing is compared.)
 *
 * The key of the step is: H(parent unless link, copy_key(), copy_digest()).
 */
enum copy_source_kind {
	COPY_SOURCE_PATH,    /* a path or wildcard below the context */
	COPY_SOURCE_HEREDOC, /* text of the Dockerfile */
	COPY_SOURCE_URL,     /* ADD http(s)://... */
	COPY_SOURCE_GIT,     /* ADD of a git repository */
};

struct copy_source {
	const char *text; /* the word after expansion: path, URL; name of a heredoc */
	bool heredoc;	  /* text is a heredoc's name and content its body (already expanded) */
	const char *content;
	size_t content_length;
	const char *pin; /* from the lock file: what `resolved` must be, or NULL */

	/* set by copy_prepare() */
	enum copy_source_kind kind;
	const char
		*resolved; /* for the lock file: "sha256:..." of a URL's body, the commit of a repository; else NULL */
};

struct copy_request {
	bool add;		       /* ADD: URLs, git, archives are unpacked */
	const struct context *context; /* of --from, or the main one */
	struct copy_source *sources;
	size_t sources_count;
	const char *destination;    /* as in the Dockerfile, expanded */
	const char *workdir;	    /* absolute; relative destinations join it.  NULL: "/" */
	const char *chown, *chmod;  /* flags' values, expanded; NULL: not given */
	struct string_list exclude; /* --exclude patterns */
	bool link, parents, keep_git_dir;
	int unpack;	      /* --unpack: 1 true, 0 false, -1 not given */
	const char *checksum; /* --checksum of ADD, or NULL */
	/* What the engine makes on its own (missing directories, heredoc files, downloads without a time) gets this
	 * time. */
	struct timespec now;
};

struct copy_result {
	uint64_t files, directories, bytes; /* bytes: of file content written */
};

struct copy;

/* Check the request and find its sources.  The request, its strings and the context must live as long as the copy.
 * Errors name the source or flag. */
int copy_prepare(struct copy **out, const struct copy_request *request, struct error *err);
void copy_free(struct copy *c); /* NULL is fine */

/* The flags and the destination in a canonical form, one line, for the key (and for --explain).  Arena memory. */
const char *copy_key(const struct copy *c, struct arena *a);

/* Content checksum of the selected sources, in order: type, name below the destination, mode, owner, link target,
 * attributes, data; no times. */
int copy_digest(struct copy *c, struct digest *d, struct error *err);

/* After copy_digest(): what went into it, one call per entry, for --explain.  path: as in the context. */
typedef int copy_found(void *opaque, const char *path, const char *digest_hex, struct error *err);
int copy_list(const struct copy *c, copy_found *fn, void *opaque, struct error *err);

/*
 * Write into the directory `root` (an overlay of the stage mounted for this step, or an empty directory with link).
 * users: root in whose /etc/passwd and /etc/group names of --chown are looked up, usually the same; -1: numbers only.
 * After a failure the tree holds a part; the caller throws it away.
 */
int copy_apply(struct copy *c, int root, int users, struct copy_result *result, struct error *err);

/* Check --chown and --chmod without a root: their syntax.  For lint and early errors. */
int copy_check_flags(const char *chown, const char *chmod, struct error *err);

#endif
