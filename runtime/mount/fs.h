/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_MOUNT_FS_H
#define OCI_RT_RUNTIME_MOUNT_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/error.h"
#include "base/arena.h"
#include "runtime/mount/options.h"
#include "specs/config.h"

/*
 * Mounts by descriptor: made detached, given all their flags, and only then
 * attached; there is no moment in which a weaker mount is visible.  Functions
 * return a descriptor or 0, or a negative errno with err filled.
 */

/* A new filesystem with its options, detached.  label: "context=LABEL" as mount_label() makes it, or NULL. */
int mount_new(const char *type, const char *source, const struct mount_options *o, const char *label, struct error *err);

/* The option that gives a filesystem linux.mountLabel, or NULL: "context=LABEL", or as the annotation
 * run.oci.mount_context_type (crun) says fscontext, defcontext or rootcontext. */
const char *mount_label(const struct config *config, struct arena *a);
/* Is what the annotation says one of these? */
int mount_label_check(const struct config *config, struct error *err);

/* A detached clone of what fd (O_PATH) refers to; path is for messages. */
int mount_clone(int fd, bool recursive, const char *path, struct error *err);

/* The per-mount attributes and propagation of the options, on a detached or attached mount. */
int mount_apply(int fd, const struct mount_options *o, struct error *err);

/* Set attributes on one mount, or on it and everything below. */
int mount_set(int fd, bool recursive, uint64_t set, uint64_t clear, uint64_t propagation);

/* Attach a detached mount on the object that target (O_PATH) refers to. */
int mount_attach(int fd, int target, const char *destination, struct error *err);

/* Attach a device on a file below root_fd, which is made where there is none.  A link there is refused: what it leads to
 * is the image's choice, and may be a file of /proc. */
int mount_attach_node(int fd, int root_fd, const char *path, struct error *err);

/* Filesystems whose options are longer than fsconfig(2) takes (overlay's lowerdir): mount(2) on the target's
 * descriptor, with all flags at once.  needed says whether that is the case. */
bool mount_needs_legacy(const struct mount_options *o);
int mount_legacy(const char *type, const char *source, const struct mount_options *o, const char *label, int target,
	struct error *err);

#endif
