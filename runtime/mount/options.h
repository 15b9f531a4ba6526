/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_MOUNT_OPTIONS_H
#define OCI_RT_RUNTIME_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "specs/config.h"

/*
 * The options of one mount, taken apart (runtime-spec, "Linux mount options").
 * Pure: looks at nothing but the configuration.
 */
struct mount_propagation {
	uint64_t flag; /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE */
	bool recursive;
};

/* Options of the superblock; they mean something only for a new filesystem or a remount. */
enum mount_super {
	MOUNT_SUPER_SYNC = 1 << 0,
	MOUNT_SUPER_DIRSYNC = 1 << 1,
	MOUNT_SUPER_LAZYTIME = 1 << 2,
	MOUNT_SUPER_MAND = 1 << 3,
	MOUNT_SUPER_IVERSION = 1 << 4,
	MOUNT_SUPER_SILENT = 1 << 5,
};

struct mount_options {
	bool bind, recursive_bind, remount;
	bool readonly;			 /* ro was the last of ro and rw */
	uint64_t attr_set, attr_clear;	 /* MOUNT_ATTR_* of the mount itself */
	uint64_t rec_set, rec_clear;	 /* of the mount and everything below it */
	unsigned int super_set, super_clear; /* enum mount_super */
	struct mount_propagation propagation[8]; /* in their order */
	size_t propagation_count;
	bool idmap, recursive_idmap;
	bool tmpcopyup, copy_symlink, source_nofollow, dest_nofollow;
	const char **data; /* for the filesystem: "size=64k", "newinstance" */
	size_t data_count;
};

int mount_options_parse(const struct config_mount *m, struct arena *a, struct mount_options *o, struct error *err);

/* Every name the parser knows, for `features`; NULL-terminated. */
const char *const *mount_options_names(struct arena *a);

#endif
