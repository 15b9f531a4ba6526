/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what CRIU calls "external" has a name that it computes
 * itself: "pipe:[inode]", "file[mount:inode]" for a file on a mount the container
 * does not have, "tty[rdev:device]" for a terminal, both in hexadecimal.  A pipe
 * with both ends inside the container is the container's own business, also as
 * its stdin: CRIU knows by itself.
 *
 * CRIU wants a file in the place of a file, of the same size; so a container that
 * had the host's /dev/null gets that again, whatever the caller has.  The file says
 * so behind the three strings that others know: "null:" and CRIU's name.
 *
 * descriptors.json comes with the image, from anywhere: only these forms count.
 */
#include "runtime/criu/stdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/procfs.h"
#include "runtime/criu/mountinfo.h"

#define NULL_PREFIX "null:"
#define NAME_MAX_LEN 256
#define FILE_MAX (64 * 1024)

struct descriptors {
	const char **items;
	size_t items_count;
};

static const struct json_field file_field = JSON_F_ARRAY(JSON_STRINGS, struct descriptors, items, "descriptors");

/* A number in fdinfo; 0: unknown. */
static uint64_t info_of(int proc_fd, pid_t pid, int fd, const char *name, int base, struct arena *a)
{
	struct error ignored = { 0 };
	char path[48], *text, *at;
	size_t len;

	snprintf(path, sizeof path, "%d/fdinfo/%d", pid, fd);
	if (proc_read(proc_fd, path, a, FILE_MAX, &text, &len, &ignored) < 0)
		return 0;
	at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

/* Which ends of the pipe a process has: 1 to read, 2 to write. */
static int ends_of(int proc_fd, pid_t pid, const char *pipe, struct arena *a)
{
	char path[32], target[64];
	struct dirent *e;
	int dir_fd, ends = 0;
	DIR *dir;

	snprintf(path, sizeof path, "%d/fd", pid);
	dir_fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	if (!dir)
		return 0;
	while ((e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, pipe) == 0)
			ends |= (info_of(proc_fd, pid, atoi(e->d_name), "flags:", 8, a) & O_ACCMODE) == O_RDONLY ? 1 : 2;
	}
	closedir(dir);
	return ends;
}

static bool is_own_pipe(const struct stdio_process *p, const char *name, struct arena *a)
{
	int ends = 0;

	if (strncmp(name, "pipe:", 5) != 0)
		return false;
	for (size_t i = 0; i < p->all_count && ends != 3; i++)
		ends |= ends_of(p->proc_fd, p->all[i], name, a);
	return ends == 3;
}

static bool has_mount(const struct mountinfo *mounts, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (mounts[i].id == id)
			return true;
	return false;
}

enum place { PLACE_INSIDE, PLACE_OUTSIDE, PLACE_NULL };

/* The name of one descriptor.  Outside: CRIU must be told not to dump it. */
static const char *name_of(int proc_fd, pid_t pid, int fd, const struct mountinfo *mounts, size_t count, struct arena *a,
	enum place *place)
{
	char path[48], target[4096];
	struct stat st;
	uint64_t mount;
	ssize_t n;

	*place = PLACE_INSIDE;
	snprintf(path, sizeof path, "%d/fd/%d", pid, fd);
	n = readlinkat(proc_fd, path, target, sizeof target - 1);
	if (n < 0 || fstatat(proc_fd, path, &st, 0) < 0)
		return "";
	target[n] = '\0';
	if (target[0] != '/')
		return arena_strdup(a, target);
	mount = info_of(proc_fd, pid, fd, "mnt_id:", 10, a);
	if (mount == 0 || has_mount(mounts, count, mount) || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)))
		return arena_strdup(a, target);
	*place = S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) ? PLACE_NULL : PLACE_OUTSIDE;
	if (S_ISCHR(st.st_mode) && (strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0))
		return arena_printf(a, "tty[%llx:%llx]", (unsigned long long)st.st_rdev, (unsigned long long)st.st_dev);
	return arena_printf(a, "file[%llx:%llx]", (unsigned long long)mount, (unsigned long long)st.st_ino);
}

static void add_external(struct criu_opts *opts, struct arena *a, const char *name)
{
	for (size_t i = 0; i < opts->external_count; i++)
		if (strcmp(opts->external[i], name) == 0)
			return;
	opts->external = arena_grow(a, opts->external, opts->external_count * sizeof *opts->external,
		(opts->external_count + 1) * sizeof *opts->external);
	opts->external[opts->external_count++] = name;
}

int stdio_dump(const struct stdio_process *p, int image_fd, struct arena *a, struct criu_opts *opts, struct error *err)
{
	struct mountinfo *mounts;
	struct json_writer w;
	size_t count, len;
	const char *text, *null = NULL;
	int r = mountinfo_read(p->proc_fd, p->pid, a, &mounts, &count, err);

	if (r < 0)
		return r;
	json_writer_init(&w, a, false);
	json_write_array(&w);
	for (int fd = 0; fd < 3; fd++) {
		enum place place;
		const char *name = name_of(p->proc_fd, p->pid, fd, mounts, count, a, &place);

		json_write_string(&w, place == PLACE_NULL ? "/dev/null" : is_own_pipe(p, name, a) ? "" : name);
		if (place != PLACE_INSIDE)
			add_external(opts, a, name);
		if (place == PLACE_NULL)
			null = name;
	}
	if (null)
		json_write_string(&w, arena_printf(a, NULL_PREFIX "%s", null));
	json_write_end_array(&w);
	text = json_writer_finish(&w, &len);
	r = fd_replace_file(image_fd, STDIO_FILE, text, len, 0600);
	return r < 0 ? error_sys(err, -r, "write %s beside the image", STDIO_FILE) : 0;
}

static bool has_form(const char *name)
{
	size_t n = strlen(name);

	return n < NAME_MAX_LEN && name[n - (n > 0)] == ']' &&
		(strncmp(name, "pipe:[", 6) == 0 || strncmp(name, "file[", 5) == 0 || strncmp(name, "tty[", 4) == 0);
}

static void inherit(struct criu_opts *opts, const char *name, int fd)
{
	if (!has_form(name))
		return;
	/* Two descriptors on one pipe need only one replacement. */
	for (size_t i = 0; i < opts->inherit_fd_count; i++)
		if (strcmp(opts->inherit_fd[i].key, name) == 0)
			return;
	opts->inherit_fd[opts->inherit_fd_count++] = (struct criu_inherit){ name, { true, fd } };
}

int stdio_restore(int image_fd, struct arena *a, struct criu_opts *opts, int null_fd, struct error *err)
{
	const size_t prefix = sizeof NULL_PREFIX - 1;

	struct json_errors errors = { 0 };
	struct descriptors d = { 0 };
	size_t len;
	char *text;
	int r = fd_read_file(image_fd, STDIO_FILE, a, FILE_MAX, &text, &len);

	if (r == -ENOENT)
		return error_set(err, ERR_CORRUPT, ENOENT, "%s is missing: this is not the image of a checkpoint", STDIO_FILE);
	if (r < 0)
		return error_sys(err, -r, "read %s", STDIO_FILE);
	if (json_read_field(&file_field, text, len, a, &d, &errors) < 0) {
		json_errors_first(&errors, ERR_CORRUPT, NULL, err);
		return error_wrap(err, "%s", STDIO_FILE);
	}
	for (size_t i = 0; i < d.items_count && i < 3; i++)
		inherit(opts, d.items[i], (int)i);
	if (d.items_count > 3 && strncmp(d.items[3], NULL_PREFIX, prefix) == 0)
		inherit(opts, d.items[3] + prefix, null_fd);
	return 0;
}
