/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_ROOT_MOUNT_H
#define OCI_RT_RUNTIME_PLAN_ROOT_MOUNT_H

#include "base/arena.h"
#include "base/error.h"

/*
 * The root filesystem of a container without a mount namespace of its own is a
 * mount on the host.  The journal's line tells what was there before, so that
 * its undo takes away nothing else.
 */

/* The journal's argument, before the mount is made: fd is the directory path. */
int root_mount_undo_arg(int fd, const char *path, struct arena *a, const char **arg, struct error *err);

/* Detach what covers the directory since then, with everything in it. */
int root_mount_undo(const char *arg, struct error *err);

#endif
