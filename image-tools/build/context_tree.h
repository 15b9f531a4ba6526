/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_CONTEXT_TREE_H
#define OCI_RT_IMAGE_TOOLS_BUILD_CONTEXT_TREE_H

#include "image-tools/build/context.h"
#include "image-tools/dockerfile/ignore.h"

/* Inside contexts and copies: finding, walking and digesting what is below a root.  Used by context*.c and copy*.c. */
#define TREE_PATH_MAX 4096u
#define TREE_DEPTH_MAX 512u
#define TREE_LINKS_MAX 40u
#define TREE_ATTRIBUTES_MAX (64u * 1024) /* bytes of all names; bytes of one value */

/*
 * The path without links: every component is looked up below root, links are followed inside it, ".." stops at it.
 * *out: clean, relative ("" is the root).  With missing, components that are not there are kept as they are
 * (*exists says whether the whole path is there); else -ENOENT.
 */
int tree_resolve(int root, const char *path, bool missing, char out[static TREE_PATH_MAX], bool *exists);
/* Open a path that has no links in it; a link that has appeared is -ELOOP. */
int tree_open(int root, const char *path, int flags);

/* --parents: a pattern with ** against a path, saying more than yes and no. */
enum tree_match { TREE_NO, TREE_BELOW /* something below may match */, TREE_YES /* it or a parent matches */ };
enum tree_match tree_match(const char *pattern, const char *path);

struct tree_entry {
	const char *path;  /* below the context's root */
	const char *below; /* below the top of the walk; "" for the top itself */
	const char *name;  /* last component of path */
	int dir;	   /* descriptor of the directory that holds it */
	struct stat st;
	unsigned depth; /* components of below */
	bool leave;	/* second call for a directory, after what is in it */
	bool on_way;	/* directory that was not selected itself, only something in it */
};
/* Strings and dir are valid during the call. */
typedef int tree_visit(void *opaque, const struct tree_entry *e, struct error *err);

struct tree_filter {
	int root;
	const struct ignore *ignore;  /* of the context: patterns against path; may be NULL */
	const struct ignore *exclude; /* --exclude: patterns against below; may be NULL */
	const char *include;	      /* --parents: pattern against below; may be NULL */
	uint64_t hidden;	      /* counts what the filters left out */
};
/* Visit top (without links in it) and all below it that the filter lets through, parents before children, in order of
 * names byte by byte.  Directories not selected themselves come when the first thing in them does.  Sockets are left
 * out. */
int tree_walk(struct tree_filter *f, const char *top, tree_visit *fn, void *opaque, struct error *err);
/* Does .dockerignore exclude this path (without links in it)? */
bool tree_ignored(const struct ignore *ig, const char *path, bool directory);

/* An extended attribute that is copied: user.* (not overlayfs's own) and security.capability. */
bool tree_attribute_wanted(const char *name);

/* What identifies the state of a file without reading it. */
struct file_key {
	uint64_t dev, ino, size;
	int64_t mtime_sec, ctime_sec;
	uint32_t mtime_nsec, ctime_nsec, mode;
};
struct file_key file_key_of(const struct stat *st);
bool file_key_equal(const struct file_key *a, const struct file_key *b);
/* Are its times so recent that a change could go unnoticed?  now: CLOCK_REALTIME before the file was read. */
bool file_key_racy(const struct file_key *k, const struct timespec *now);

/* Digest of a regular file's data and attributes, from the table or by reading.  *settled: the key proves it.  -ESTALE
 * when it changed meanwhile. */
int file_digest(struct file_digests *f, const struct tree_entry *e, uint8_t out[static 32], bool *settled,
	struct error *err);
/* The same for a file being copied: feed the data, then end with the descriptor for the attributes. */
int file_digest_attributes(struct digest_stream *s, int fd, const char *path, struct error *err);

/* Digest of an entry: type, mode, owner (0:0 unless keep_owner), device number, link target, content. */
int tree_entry_digest(struct file_digests *f, const struct tree_entry *e, bool keep_owner, uint8_t out[static 32],
	uint8_t content[static 32], bool *settled, struct error *err);
/* 64 hex digits. */
char *tree_hex(const uint8_t digest[static 32], char buf[static 65]);

#endif
