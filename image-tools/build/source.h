/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_SOURCE_H
#define OCI_RT_IMAGE_TOOLS_BUILD_SOURCE_H

#include "image-tools/build/context.h"

/* Inside contexts and copies: what comes from elsewhere.  Nothing here looks at a destination. */

enum source_type { SOURCE_LOCAL, SOURCE_URL, SOURCE_GIT };
/* What a source of ADD is; context: as a build context, where github.com/... is a repository too. */
enum source_type source_type_of(const char *text, bool context);

/* A new directory in scratch, 0700; its descriptor, and its name (for programs; for messages). */
int source_scratch(const struct source_options *o, const char *what, char name[static 64], struct error *err);
/* A nameless file in scratch with the rest of fd: position 0. */
int source_spool(const struct source_options *o, int fd, struct error *err);

/* Take "user:password@" out of an http(s) URL: the rest; *user: decoded, or NULL.  Neither messages nor results show it. */
const char *source_split_user(struct arena *a, const char *url, const char **user);

/* --- URLs ---------------------------------------------------------------------------------------- */

struct source_file {
	int fd; /* position 0; the caller closes it */
	struct digest digest;
	uint64_t size;
	bool has_time;
	int64_t time;	  /* Last-Modified */
	const char *name; /* last component of the URL's path, or NULL when there is none */
};
/* Fetch.  want: what the content must be (NULL: anything); with it a copy in the cache is taken without asking anybody.
 * Otherwise a copy in the cache is confirmed by its ETag or date. */
int source_download(const struct source_options *o, struct arena *a, const char *url, const struct digest *want,
	struct source_file *f, struct error *err);

/* --- archives ------------------------------------------------------------------------------------- */

/* Does the file begin like a tar, after decompression (gzip, bzip2, xz, zstd)?  1, 0, or an error of reading. */
int source_is_archive(int fd, struct error *err);
/* Unpack it into a directory.  owner: uid and gid instead of the archive's, or NULL; context: for reading only, so that
 * owners and devices do not matter. */
int source_unpack(const struct source_options *o, int fd, int dir, const uint32_t *owner, bool context, struct error *err);

/* --- git ------------------------------------------------------------------------------------------ */

struct git_source {
	const char *remote; /* what git is told, without user and password of an http(s) URL */
	const char *user;   /* those, or NULL */
	const char *ref;    /* branch, tag, refs/..., commit; NULL: HEAD */
	const char *subdir; /* NULL: all */
	const char *commit; /* whole or beginning of the commit that it must be, or NULL */
	const char *name;   /* of the repository, for messages */
	int keep_git_dir, submodules; /* -1: not said */
	bool commit_time;	      /* files get the commit's time */
};
int git_parse(struct arena *a, const char *text, struct git_source *g, struct error *err);
/* Which commit is it now?  40 or 64 hex digits. */
int git_resolve(const struct source_options *o, struct arena *a, const struct git_source *g, const char **commit,
	struct error *err);
/* Check that commit out; the descriptor of the subdirectory.  *when: the commit's time. */
int git_checkout(const struct source_options *o, struct arena *a, const struct git_source *g, const char *commit,
	bool keep_git_dir, int64_t *when, struct error *err);

#endif
