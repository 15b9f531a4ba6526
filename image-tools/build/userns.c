/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a user without subordinate ids (rootless.h serves one who has them)
 * builds as root of a user namespace with one id: everything an image holds belongs to that
 * root, and programs that change ids fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/build/internal.h"

static int map_one(unsigned int uid, unsigned int gid)
{
	char text[64];
	int r = fd_write_file(AT_FDCWD, "/proc/self/setgroups", "deny");

	snprintf(text, sizeof text, "0 %u 1\n", uid);
	if (r == 0)
		r = fd_write_file(AT_FDCWD, "/proc/self/uid_map", text);
	snprintf(text, sizeof text, "0 %u 1\n", gid);
	return r < 0 ? r : fd_write_file(AT_FDCWD, "/proc/self/gid_map", text);
}

int userns_enter(struct builder *b, struct error *err)
{
	unsigned int uid = getuid(), gid = getgid();

	if (!b->p->store_path)
		b->p->store_path = store_default_path(b->arena);
	if (unshare(CLONE_NEWUSER) < 0) {
		error_hint(err, "this host does not let users do that: build as root");
		return error_sys(err, errno, "make a user namespace");
	}
	if (map_one(uid, gid) < 0)
		return error_sys(err, EPERM, "map our own id into the user namespace");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_sys(err, errno, "become root of the user namespace");
	build_progress_note(b->progress, 0,
		"one id only (no range in /etc/subuid): all files belong to root, programs cannot change their user");
	return 0;
}
