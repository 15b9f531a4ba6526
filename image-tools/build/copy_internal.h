/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_COPY_INTERNAL_H
#define OCI_RT_IMAGE_TOOLS_BUILD_COPY_INTERNAL_H

#include "image-tools/build/context_tree.h"
#include "image-tools/build/copy.h"
#include "image-tools/build/source.h"

/* Between copy.c (find, digest), copy_write.c (write) and copy_mode.c (flags). */

/* --chmod: octal, or clauses as of chmod(1) without the influence of a umask. */
#define COPY_CLAUSES_MAX 32
struct copy_clause {
	mode_t who;	/* bits that may change */
	char operator; /* + - = */
	mode_t bits;
	char from; /* u g o: copy those; else 0 */
	bool execute; /* X */
};
struct copy_mode {
	bool given, octal;
	mode_t mode;
	struct copy_clause clauses[COPY_CLAUSES_MAX];
	size_t count;
};
int copy_mode_parse(const char *text, struct copy_mode *m, struct error *err);
mode_t copy_mode_apply(const struct copy_mode *m, mode_t mode, bool directory);

/* --chown: numbers, or names looked up in the root `users` (-1: only numbers). */
int copy_owner_parse(const char *text, int users, struct arena *a, uint32_t owner[static 2], struct error *err);

/* One thing to copy: a source, or one match of a wildcard. */
struct copy_item {
	struct copy_source *source;
	const char *top;     /* path: below the context, without links */
	const char *base;    /* name below a destination that is a directory; NULL: none can be told */
	const char *include; /* --parents: pattern below top; NULL: all */
	bool tree;	     /* its content goes into the destination, which is a directory */
	struct source_file file; /* URL */
	struct git_source git;
	const char *commit;
	bool keep_git_dir;
};

/* What copy_digest() saw. */
struct copy_seen {
	const char *path;
	struct file_key key;
	uint32_t uid, gid;
	uint8_t digest[32], content[32];
	bool settled; /* the key alone proves the content */
};

/* Names by inode: which one came first. */
struct copy_inodes {
	struct copy_inode {
		uint64_t dev, ino;
		const char *path; /* NULL: free */
	} *slots;
	size_t capacity, count;
};
/* The path recorded for this inode; NULL when there was none, then `path` (which must stay) is recorded. */
const char *copy_inode(struct copy_inodes *t, const struct stat *st, const char *path);

struct copy {
	struct arena arena;
	const struct copy_request *request;
	const struct source_options *sources;
	struct copy_item *items;
	size_t count;
	const struct ignore *exclude;
	struct ignore exclude_patterns;
	struct copy_mode mode;
	const char *destination; /* absolute, clean */
	bool into;		 /* it is said to be a directory: "/" or "." at its end */
	bool digested;
	struct copy_seen *seen;
	size_t seen_count, seen_capacity;
	struct copy_inodes inodes; /* of copy_digest() */
};

struct tree_filter copy_filter(const struct copy *c, const struct copy_item *item);

/* Copy what the context shows at a place (without links) into an empty directory, with owners as they are when the
 * context keeps them. */
int copy_tree(const struct context *c, const char *place, int to, struct error *err);

#endif
