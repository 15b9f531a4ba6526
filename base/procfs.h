/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_PROCFS_H
#define OCI_RT_BASE_PROCFS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * /proc through a handle that is known to be procfs.
 *
 * A path string below /proc can be redirected by whoever shapes the mount
 * table: to another filesystem, or to another file of the real procfs.  So the
 * handle is checked once (filesystem magic, root inode), and everything below
 * it is opened without links and without crossing a mount.
 */

/* Open the host's /proc and verify it: descriptor or negative errno with err filled. */
int proc_open_host(struct error *err);

/* A new procfs instance for the caller's pid namespace that is attached nowhere: nobody can mount over
 * parts of it.  Needs CAP_SYS_ADMIN in the user namespace that owns the pid namespace. */
int proc_open_private(struct error *err);

/* Write text to PATH below the handle in one write(). */
int proc_write(int proc, const char *path, const char *text, struct error *err);

/* Read PATH below the handle. */
int proc_read(int proc, const char *path, struct arena *a, size_t max, char **buf, size_t *len, struct error *err);

/* The next line of a mountinfo file's text (proc_pid_mountinfo(5)), which is cut up: its mount point, unescaped, and the
 * filesystem's type.  NULL at the end. */
char *proc_next_mount(char **text, char **type);

/* Start time of a process in clock ticks since boot (proc_pid_stat(5), field 22), and its state letter
 * when state is not NULL.  -ESRCH when it is gone. */
int proc_start_time(int proc, pid_t pid, uint64_t *ticks, char *state);

/* Name (comm) and state letter of a process.  -ESRCH when it is gone. */
int proc_name(int proc, pid_t pid, char name[static 64], char *state);

#endif
