/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_LAYER_APPLY_INTERNAL_H
#define OCI_RT_IMAGE_TOOLS_LAYER_APPLY_INTERNAL_H

#include <sys/stat.h>
#include <time.h>

#include "base/arena.h"
#include "image-tools/layer/apply.h"

struct archive;
struct archive_entry;

/* Hashes of names; keyed at random so that nobody can aim for a collision. */
struct apply_set {
	uint64_t *slots;
	size_t count, capacity;
	uint64_t key;
};
void apply_set_init(struct apply_set *s);
void apply_set_add(struct apply_set *s, const char *path);
bool apply_set_has(const struct apply_set *s, const char *path);
void apply_set_free(struct apply_set *s);

struct deferred_times {
	struct deferred_times *next;
	const char *path;
	struct timespec times[2];
};

/* The run of one apply_layer(). */
struct apply {
	const struct apply_options *options;
	struct apply_result *result;
	struct decoder *decoder;
	struct digest_stream stream;
	struct error source_error; /* of the decoder, which libarchive cannot carry */
	struct arena arena;
	uint8_t *buffer;
	const char *raw;	   /* the entry's name as it came */
	char path[APPLY_PATH_MAX]; /* cleaned */
	char parent_path[APPLY_PATH_MAX];
	int parent; /* descriptor of parent_path, or -1 */
	gid_t parent_gid;
	bool parent_setgid;
	uid_t uid; /* ours */
	gid_t gid;
	struct apply_set made;
	struct deferred_times *deferred; /* newest first, so deepest first */
};

int apply_clean_path(const char *raw, char out[static APPLY_PATH_MAX]);
int apply_open_dir(struct apply *c, const char *path);
int apply_archive_error(struct apply *c, struct archive *ar, struct error *err);

/* whiteout.c: c->parent is the directory of the marker `name`. */
int apply_whiteout(struct apply *c, const char *name, struct error *err);
int apply_set_opaque(struct apply *c, int fd);
bool apply_is_whiteout(const struct stat *st);

/* metadata.c.  The mode of something that was there before, or that has more than was asked for. */
#define APPLY_MODE_UNKNOWN ((mode_t)010700)
/* Owner, mode (unless it is `made_with` already), attributes and, with times, times. */
bool apply_map_id(const struct id_map *map, int64_t id, uint32_t *mapped);
/* The entry's owner on disk. */
int apply_owner(struct apply *c, struct archive_entry *e, uid_t *uid, gid_t *gid, struct error *err);
int apply_metadata(struct apply *c, struct archive_entry *e, int fd, mode_t made_with, bool times, struct error *err);
/* Does a thing just made in c->parent have this owner already?  Its group is that of the directory where that has
 * S_ISGID, and everywhere on file systems mounted with grpid. */
bool apply_owner_is_given(const struct apply *c, uid_t uid, gid_t gid);
/* Is that, beside the mode, all there is to it? */
bool apply_metadata_is_given(const struct apply *c, struct archive_entry *e);
void apply_times(struct archive_entry *e, struct timespec times[static 2]);
void apply_defer_times(struct apply *c, const char *path, struct archive_entry *e);
int apply_deferred_times(struct apply *c, struct error *err);

#endif
