/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a user's overlay.  A mount that a user makes lives in a mount
 * namespace of his and ends with it, so unpack cannot leave one behind.  The bundle has
 * it as the first mount of config.json instead, on "/": the runtime makes it inside the
 * container's user namespace (Linux 5.11: userxattr; 6.7: lowerdir+), and what is
 * mounted on "/" is the root.  The very strings that are written are tried here first;
 * where the kernel does not take them the bundle becomes a flat tree.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/bundle/bundle.h"

/* fsconfig() takes no longer strings, and escapes mean different things to different kernels. */
#define VALUE_MAX 255

static int add_option(struct arena *a, struct string_list *options, const char *key, const char *value, struct error *err)
{
	if (strlen(value) > VALUE_MAX || strpbrk(value, "\\:,"))
		return error_set(err, ERR_UNSUPPORTED, ENAMETOOLONG,
			"overlay: the path %.300s is too long, or has a character that means something else there", value);
	string_list_add(a, options, arena_printf(a, "%s=%s", key, value));
	return 0;
}

static int add_layers(const struct store *s, const char *const *names, size_t n, struct string_list *options,
	struct error *err)
{
	int r = 0;

	/* Topmost first; below itself a layer changes nothing. */
	for (size_t i = n; r == 0 && i-- > 0;) {
		bool again = false;

		for (size_t k = i + 1; k < n; k++)
			again |= strcmp(names[i], names[k]) == 0;
		if (!again)
			r = add_option(s->arena, options, "lowerdir+", arena_printf(s->arena, "%s/layers/%s/fs", s->path, names[i]), err);
	}
	return r;
}

/* Older kernels have one option for all of them. */
static void join_layers(struct arena *a, struct string_list *options)
{
	struct string_list joined = { 0 };
	const char *all = NULL;

	for (size_t i = 0; i < options->count; i++) {
		const char *o = options->items[i];

		if (strncmp(o, "lowerdir+=", 10) == 0)
			all = all ? arena_printf(a, "%s:%s", all, o + 10) : arena_printf(a, "lowerdir=%s", o + 10);
		else
			string_list_add(a, &joined, o);
	}
	if (all)
		string_list_add(a, &joined, all);
	*options = joined;
}

static int try_options(const struct string_list *options, struct error *err)
{
	_cleanup_fd_ int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	char key[32], why[256];
	ssize_t n;
	int fd;

	if (fs < 0)
		return error_sys(err, errno, "open file system overlay");
	for (size_t i = 0; i < options->count; i++) {
		const char *value = strchr(options->items[i], '=');

		snprintf(key, sizeof key, "%.*s", (int)strcspn(options->items[i], "="), options->items[i]);
		if (syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value ? value + 1 : NULL, 0) < 0)
			return error_sys(err, errno, "overlay option %s", options->items[i]);
	}
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		fd = errno;
		n = read(fs, why, sizeof why - 1);
		why[n > 0 ? n : 0] = '\0';
		why[strcspn(why, "\n")] = '\0';
		return error_sys(err, fd, "mount an overlay as this user%s%s", *why ? ": " : "", why);
	}
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? error_sys(err, errno, "mount an overlay as this user") : fd;
}

int bundle_inside_overlay(const struct store *s, const char *const *names, size_t n, const char *bundle, bool writable,
	struct string_list *options, struct error *err)
{
	struct arena *a = s->arena;
	const char *upper = arena_printf(a, "%s/upper", bundle), *work = arena_printf(a, "%s/work", bundle);
	struct error first = { 0 };
	int r;

	*options = (struct string_list){ 0 };
	string_list_add(a, options, "userxattr");
	r = writable ? 0 : add_option(a, options, "lowerdir+", upper, err);
	if (r == 0)
		r = add_layers(s, names, n, options, err);
	if (r == 0 && writable)
		r = add_option(a, options, "upperdir", upper, err);
	if (r == 0 && writable)
		r = add_option(a, options, "workdir", work, err);
	if (r < 0)
		return r;
	r = try_options(options, &first);
	if (r == -EINVAL) {
		join_layers(a, options);
		r = try_options(options, &first);
	}
	if (r < 0 && err)
		*err = first;
	return r;
}

/* Is this overlay mounted for the process? */
static bool uses(int proc, const char *pid, const char *upper)
{
	char name[300];
	_cleanup_fd_ int fd = -1;
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f;

	snprintf(name, sizeof name, "%s/mountinfo", pid);
	fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f)
		return false;
	fd = -1;
	while (!found && getline(&line, &size, f) > 0) {
		const char *option = strstr(line, ",upperdir=");

		found = option && strncmp(option + 10, upper, strlen(upper)) == 0 && strchr(",\n ", option[10 + strlen(upper)]);
	}
	free(line);
	fclose(f);
	return found;
}

pid_t bundle_inside_user(struct arena *a, const char *bundle)
{
	const char *upper = arena_printf(a, "%s/upper", bundle);
	DIR *proc = opendir("/proc");
	pid_t user = 0;

	for (struct dirent *e; proc && user == 0 && (e = readdir(proc));)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && uses(dirfd(proc), e->d_name, upper))
			user = (pid_t)strtol(e->d_name, NULL, 10);
	if (proc)
		closedir(proc);
	return user;
}
