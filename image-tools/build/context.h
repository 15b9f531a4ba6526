/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_CONTEXT_H
#define OCI_RT_IMAGE_TOOLS_BUILD_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/error.h"
#include "image-tools/digest.h"

/*
 * Build contexts: trees that COPY, ADD and RUN --mount read from.
 *
 * Whatever a context was (a directory of this host, a tar file, a URL, a git
 * repository, the root of another stage or image), afterwards it is a directory
 * descriptor.  Every lookup is an openat2 below it, so no link and no ".." of a
 * context leads to the host, and nothing but directories and regular files is
 * ever opened for reading.  Files that .dockerignore excludes do not exist for
 * anybody but context_read_file().
 */
struct ignore; /* image-tools/dockerfile/ignore.h */

/* --- digests of files, remembered between builds ------------------------------------------------ */

/*
 * A table from (dev, ino, size, mtime, ctime, mode) to the digest of a file's
 * content and attributes.  A file is only remembered when its times were at
 * least two seconds in the past when it was read: then no later change can
 * leave all of the key as it was.  So a rebuild without changes reads
 * directories and stats files, and opens none.  Thread-safe.
 */
struct file_digests;

struct file_digests_stats {
	uint64_t known, read, bytes; /* files answered by the table; files read; bytes read */
};

/* Load the table `name` in the directory dir (-1: keep it in memory only).  A damaged or missing one starts empty. */
int file_digests_open(struct file_digests **f, int dir, const char *name, struct error *err);
/* Write what is new (merged with what others wrote meanwhile; temporary file and rename).  Losing it costs time only,
 * so failures are a warning. */
void file_digests_save(struct file_digests *f);
struct file_digests_stats file_digests_count(struct file_digests *f);
/* Does not save.  NULL is fine. */
void file_digests_free(struct file_digests *f);

/* --- where things come from ----------------------------------------------------------------------- */

/* What reading from elsewhere needs; one per build, shared by threads, outlives all contexts and copies. */
struct source_options {
	int scratch; /* directory for unpacked archives, clones and downloads: the store's run directory */
	int cache;   /* directory that stays (store/cache/http): downloads with their ETag; -1: none */
	struct file_digests *digests; /* may be NULL */
	/* Value of a build secret (HTTP_AUTH_TOKEN_<host>, HTTP_AUTH_HEADER_<host>, GIT_AUTH_TOKEN[.<host>],
	 * GIT_AUTH_HEADER[.<host>]), NULL when there is none.  May be NULL. */
	const char *(*secret)(void *opaque, const char *id);
	void *secret_opaque;
	const char *ssh_auth_sock; /* agent for git over ssh, or NULL */
	bool userns;		   /* root of a user namespace only: no device nodes, no foreign ids beyond the map */
	bool single_id;		   /* that has no other id: everything belongs to 0:0 */
	bool offline;		   /* refuse the network: everything must be in `cache` (--lock with all pinned) */
};

/* --- contexts ----------------------------------------------------------------------------------- */

enum context_kind {
	CONTEXT_DIRECTORY, /* of this host */
	CONTEXT_EMPTY,	   /* `-` or a URL that was a Dockerfile: see dockerfile */
	CONTEXT_ARCHIVE,   /* tar from `-`, a file or a URL, unpacked into scratch */
	CONTEXT_GIT,	   /* a checkout in scratch */
	CONTEXT_ROOT,	   /* the root of a stage or image */
};

struct context {
	enum context_kind kind;
	const char *name;	/* for messages: "build context", "stage \"build\"", "context \"lib\"" */
	int root;		/* O_RDONLY | O_DIRECTORY; owned */
	bool keep_owner;	/* COPY keeps uid and gid (CONTEXT_ROOT); otherwise everything belongs to 0:0 */
	const char *dockerfile; /* CONTEXT_EMPTY: its text, NUL-terminated; else NULL */
	size_t dockerfile_length;
	const char
		*resolved; /* for --lock: "sha256:..." of an archive from a URL, the commit of a git context; or NULL */
	const struct ignore *ignore; /* NULL: nothing is excluded */
	const struct source_options *sources;
};

/* Is the location something else than a directory of this host (`-`, archive file, URL, git)?  No I/O beyond stat. */
bool context_is_remote(const char *location);

/*
 * Open a location as the build's main context or a --build-context:
 *   directory         as it is
 *   `-`               standard input: a tar (plain, gzip, bzip2, xz, zstd) or, when it is none, a Dockerfile
 *   file              a tar (for --build-context as for the main one)
 *   http(s)://...     a git repository when it ends in .git (or has #ref or a git query), else a tar or a Dockerfile
 *   git@..:, ssh://, git://, https://...git[#ref[:dir]]   a git repository
 * name is used in messages.  pin: NULL, or the `resolved` that it must have.  Strings live in the arena.
 */
int context_open(struct context *c, struct arena *a, const char *name, const char *location, const char *pin,
	const struct source_options *o, struct error *err);
/* The root of a stage or image: root is duplicated.  keep_owner becomes true, ignore NULL. */
int context_from_root(struct context *c, const char *name, int root, const struct source_options *o, struct error *err);
/* Close the descriptor.  What lies in scratch stays until the run directory is removed.  A zeroed context or one never
 * opened successfully (root == -1) is fine. */
void context_close(struct context *c);

/*
 * Read a regular file below the context whether .dockerignore excludes it or not: the Dockerfile, .dockerignore.
 * -ENOENT when it is not there.  Links stay inside.
 */
int context_read_file(const struct context *c, struct arena *a, const char *path, size_t max, char **text, size_t *len,
	struct error *err);

/*
 * Text of the ignore file that belongs to a Dockerfile: <dockerfile>.dockerignore beside it, else .dockerignore, else
 * .containerignore in the context's root; *text NULL when there is none.  dockerfile: path below the context, or NULL
 * when it is outside; *name: what was found, for messages.  The caller parses it and sets c->ignore.
 */
int context_find_ignore(const struct context *c, struct arena *a, const char *dockerfile, char **text, size_t *len,
	const char **name, struct error *err);

/* A file or directory for RUN --mount=type=bind: opened below the root (path "" or "/": the root itself).  When an
 * ignore file hides something below it, a filtered copy is made in scratch, once per call.  Returns an O_PATH
 * descriptor. */
int context_view(const struct context *c, struct arena *a, const char *path, struct error *err);

/* Content digest of what context_view() shows: for the key of a RUN with bind mounts.  Names, types, modes, owners
 * (when kept), link targets, attributes, data; no times. */
int context_digest(const struct context *c, const char *path, struct digest *d, struct error *err);

/* Call fn for everything that is not excluded, in order of names (`build --list-context`).  digest: hex of the entry's
 * own content and metadata when with_digest, else NULL. */
typedef int context_found(void *opaque, const char *path, const struct stat *st, const char *digest, struct error *err);
int context_list(const struct context *c, bool with_digest, context_found *fn, void *opaque, struct error *err);

#endif
