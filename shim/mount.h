/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_MOUNT_H
#define OCI_RT_SHIM_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "specs/task/task.pb-c.h"

/*
 * The root filesystem of a container as containerd describes it: mounts that
 * are stacked in order on <bundle>/rootfs.  These functions can block in the
 * kernel and change the working directory: they run in a process of their own
 * (job_start with a function).
 */

/* Mount all; what was mounted is unmounted again when a later one fails. */
int rootfs_mount(Task__Mount *const *mounts, size_t count, const char *rootfs, struct error *err);

/* Unmount everything at path, however many mounts are stacked there, and what is mounted below it.
 * Nothing mounted, or no such path, is fine. */
int rootfs_unmount(const char *rootfs, struct error *err);

/* Options in fstab form, taken apart.  Exposed for tests. */
struct mount_options {
	unsigned long flags;	   /* MS_* */
	unsigned long propagation; /* MS_PRIVATE and so on, perhaps | MS_REC */
	bool loop, loop_direct_io, autoclear;
	const char *uidmap, *gidmap; /* idmapped mount, or NULL */
	const char **data;	     /* filesystem options */
	size_t data_count;
	size_t data_len; /* joined by commas */
};
void mount_options_parse(struct mount_options *o, char *const *options, size_t count, struct arena *a);

/* overlay, when the option string may not fit into a page: see overlay.c. */
int overlay_mount(
	const struct mount_options *o, const char *source, const char *target, struct arena *a, struct error *err);

/* Attach file to a free loop device: descriptor of the device (path_out has its name). */
int loop_attach(const char *file, bool read_only, bool direct_io, char path_out[static 32], struct error *err);

/* A user namespace with these maps, "container:host:size[,...]" (NULL: none of that kind): its descriptor. */
int idmap_namespace(const char *uidmap, const char *gidmap, struct error *err);

/* Make the detached mount fd an idmapped one. */
int idmap_mount(int fd, int userns, struct error *err);

#endif
