/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_PATH_H
#define OCI_RT_BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Paths below a directory that somebody else shapes: a container's root
 * filesystem, an image being unpacked.
 *
 * The only way in is a descriptor of the top directory.  Every lookup is one
 * openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: absolute links and
 * ".." stay below the top, whatever is renamed meanwhile.  What is created is
 * created with one single component relative to its parent's descriptor.  No
 * other file may open, create or mount by a path string below a root; a lint
 * in the test suite looks for that.
 *
 * All functions return 0 or a descriptor, or a negative errno; the caller
 * knows what it was doing and words the error.
 */

/* Open an existing object below root.  flags as for open(2); O_CLOEXEC is added.  path may be absolute
 * (relative to root then) and may contain links.  A rename race is retried a bounded number of times. */
int path_open_in_root(int root, const char *path, int flags);

/* The same with all bits of openat2's struct: resolve is added to IN_ROOT | NO_MAGICLINKS. */
int path_open_in_root_how(int root, const char *path, int flags, mode_t mode, uint64_t resolve);

/* Open the directory path below root, creating missing components with mode; O_PATH descriptor.  A link to something that
 * does not exist is followed below root and what it names is created, here and in path_mkfile_in_root(): images have
 * links like /etc/resolv.conf into a /run that is empty. */
int path_mkdir_in_root(int root, const char *path, mode_t mode);

/* Open the file path below root as O_PATH, creating it empty (mode) with its directories when missing. */
int path_mkfile_in_root(int root, const char *path, mode_t mode, mode_t dir_mode);

/* Open the parent directory of path below root (created with dir_mode when create), and copy the last
 * component to name (at least NAME_MAX + 1 bytes).  path must not end in "..", "." or nothing. */
int path_open_parent(int root, const char *path, bool create, mode_t dir_mode, char name[static 256]);

/* Open below a directory of ours (state directory, cgroup, private procfs): no links at all, no way up,
 * no mount crossed. */
int path_open_beneath(int dir, const char *path, int flags);

/* Text of the path a descriptor refers to, for messages only; writes into buf and returns it. */
const char *path_of_fd(int fd, char *buf, size_t size);

#endif
