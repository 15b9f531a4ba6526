/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: mounts = add mounts to a living container, or take them
 * away.  FILE is a JSON array of mounts as in config.json, or an object that has
 * one as "mounts".
 *
 * What is to be bound is cloned and flagged here, on the host.  A child then enters
 * the container's namespaces and attaches, below the container's root by descriptor
 * alone; its own files are never found by a path there.  It goes on being a process
 * of the host's pid namespace, so a procfs it made would show the host: filesystems
 * of the kernel can be had at create only.
 *
 * When one mount cannot be made those before it are taken away again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/command/command.h"
#include "runtime/config/load.h"
#include "runtime/mount/copyup.h"
#include "runtime/mount/fs.h"
#include "runtime/mount/options.h"
#include "runtime/plan/clone.h"
#include "specs/config_tables.h"

#define DIR_MODE 0755
#define FILE_MODE 0644

struct item {
	const struct config_mount *m;
	struct mount_options o;
	int tree; /* bind: the detached clone */
	bool directory;
};

struct work {
	bool add;
	struct item *items;
	size_t count;
	const char *label;
	int init; /* pidfd of the container's first process */
	int namespaces;
	bool userns;
};

struct list {
	struct config_mount *mounts;
	size_t mounts_count;
};

static const struct json_field list_fields[] = {
	JSON_F_ARRAY(JSON_OBJECTS, struct list, mounts, "mounts", .object = &config_mount_object, .required = true),
};
static const struct json_object list_object = JSON_OBJECT_OF("mounts", struct list, list_fields);

/* --- the host's side ------------------------------------------------------------------ */

static int read_list(const char *file, struct arena *a, struct list *list, struct error *err)
{
	struct json_errors errors = { 0 };
	_cleanup_fd_ int fd = open(file, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	size_t len, at = 0;
	char *text;
	int r;

	if (fd < 0)
		return error_sys(err, errno, "open %s", file);
	r = fd_read_all(fd, a, JSON_MAX_INPUT, &text, &len);
	if (r < 0)
		return error_sys(err, -r, "read %s", file);
	at = strspn(text, " \t\r\n");
	r = text[at] == '[' ? json_read_field(&list_fields[0], text, len, a, list, &errors)
			    : json_read(&list_object, text, len, a, list, &errors);
	if (r < 0) {
		r = json_errors_first(&errors, ERR_CONFIG, NULL, err);
		return error_wrap(err, "%s", file);
	}
	return 0;
}

static int check_kind(const struct item *it, struct error *err)
{
	static const char *const kernel[] = { "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue" };
	const struct config_mount *m = it->m;

	if (it->o.remount || it->o.idmap || it->o.copy_symlink)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "option \"%s\" can be used at create only",
			it->o.remount ? "remount" : it->o.idmap ? "idmap" : "copy-symlink");
	if (it->o.bind)
		return m->source ? 0 : error_set(err, ERR_CONFIG, EINVAL, "a bind mount needs a source");
	if (!m->type)
		return error_set(err, ERR_CONFIG, EINVAL, "needs a type, or the option \"bind\"");
	for (size_t i = 0; i < sizeof kernel / sizeof *kernel; i++)
		if (strcmp(m->type, kernel[i]) == 0)
			return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "filesystem \"%s\" can be mounted at create only",
				m->type);
	return 0;
}

static int prepare_bind(struct item *it, int bundle, struct error *err)
{
	const char *source = it->m->source;
	_cleanup_fd_ int fd = openat(bundle, source, O_PATH | O_CLOEXEC | (it->o.source_nofollow ? O_NOFOLLOW : 0));
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "open source \"%s\"", source);
	it->directory = S_ISDIR(st.st_mode);
	it->tree = mount_clone(fd, it->o.recursive_bind, source, err);
	if (it->tree < 0)
		return it->tree;
	/* What happens in the container never goes out, unless asked for. */
	r = mount_set(it->tree, true, 0, 0, MS_SLAVE);
	return r < 0 ? error_sys(err, -r, "isolate the mount of \"%s\"", source) : mount_apply(it->tree, &it->o, err);
}

static int prepare(struct work *w, const struct list *list, const char *bundle, struct arena *a, struct error *err)
{
	_cleanup_fd_ int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);

	w->items = arena_array(a, struct item, list->mounts_count + 1);
	for (size_t i = 0; i < list->mounts_count; i++) {
		struct item *it = &w->items[w->count++];
		int r = 0;

		*it = (struct item){ .m = &list->mounts[i], .tree = -1, .directory = true };
		if (it->m->destination[0] != '/')
			r = error_set(err, ERR_CONFIG, EINVAL, "destination \"%s\" is not absolute", it->m->destination);
		if (r == 0 && w->add)
			r = mount_options_parse(it->m, a, &it->o, err);
		if (r == 0 && w->add)
			r = check_kind(it, err);
		if (r == 0 && it->o.bind)
			r = prepare_bind(it, dir, err);
		if (r < 0) {
			error_path(err, "mounts[%zu]", i);
			return error_wrap(err, "mount on \"%s\"", it->m->destination);
		}
	}
	return 0;
}

/* --- the container's side ---------------------------------------------------------------- */

static int open_target(const struct item *it, int root, struct error *err)
{
	const char *destination = it->m->destination;
	struct statfs fs;
	int fd;

	if (it->o.dest_nofollow)
		fd = path_open_in_root(root, destination, O_PATH | O_NOFOLLOW);
	else
		fd = it->directory ? path_mkdir_in_root(root, destination, DIR_MODE)
				   : path_mkfile_in_root(root, destination, FILE_MODE, DIR_MODE);
	if (fd < 0)
		return error_sys(err, -fd, "make destination \"%s\"", destination);
	if (fstatfs(fd, &fs) == 0 && fs.f_type != PROC_SUPER_MAGIC)
		return fd;
	close(fd);
	return error_set(err, ERR_CONFIG, EINVAL, "\"%s\" cannot be mounted because it is inside /proc", destination);
}

static int add_one(const struct work *w, struct item *it, int root, struct error *err)
{
	_cleanup_fd_ int target = open_target(it, root, err), tree = fd_take(&it->tree);
	uint64_t wanted = it->o.attr_set;
	int r = 0;

	if (target < 0)
		return target;
	if (mount_needs_legacy(&it->o))
		return mount_legacy(it->m->type, it->m->source, &it->o, w->label, target, err);
	if (tree < 0) {
		if (it->o.tmpcopyup)
			it->o.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		tree = mount_new(it->m->type, it->m->source ? it->m->source : it->m->type, &it->o, w->label, err);
		it->o.attr_set = wanted;
		if (tree < 0)
			return tree;
		if (it->o.tmpcopyup)
			r = mount_copy_up(target, tree, err);
		if (r == 0)
			r = mount_apply(tree, &it->o, err);
	}
	return r < 0 ? r : mount_attach(tree, target, it->m->destination, err);
}

static int remove_one(const struct item *it, int root, struct error *err)
{
	char name[256];
	_cleanup_fd_ int dir = path_open_parent(root, it->m->destination, false, 0, name);

	if (dir < 0 || fchdir(dir) < 0)
		return error_sys(err, dir < 0 ? -dir : errno, "open the directory of \"%s\"", it->m->destination);
	if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno == EINVAL)
		return error_set(err, ERR_CONFIG, EINVAL, "nothing is mounted on \"%s\"", it->m->destination);
	return error_sys(err, errno, "unmount \"%s\"", it->m->destination);
}

static int inside(struct work *w, struct error *err)
{
	_cleanup_fd_ int root = -1;
	struct error ignored = { 0 };
	int r = 0;

	if (setns(w->init, w->namespaces) < 0)
		return error_sys(err, errno, "enter the container's namespaces");
	if (w->userns && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		return error_sys(err, errno, "become user 0 of the user namespace");
	umask(0);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, errno, "open the container's root directory");
	for (size_t i = 0; i < w->count; i++) {
		/* What was mounted last is on top. */
		size_t index = w->add ? i : w->count - 1 - i;

		r = w->add ? add_one(w, &w->items[index], root, err) : remove_one(&w->items[index], root, err);
		if (r == 0)
			continue;
		error_path(err, "mounts[%zu]", index);
		error_wrap(err, "%s mount on \"%s\"", w->add ? "add" : "remove", w->items[index].m->destination);
		while (w->add && i-- > 0)
			remove_one(&w->items[i], root, &ignored);
		break;
	}
	return r;
}

static int carry_out(struct work *w, struct error *err)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct error failed;
	int pipes[2], status;
	ssize_t n;
	pid_t pid;

	/* Nobody inside may look at this process. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		return error_sys(err, errno, "prepare to enter the container");
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		return error_sys(err, errno, "make a process");
	if (pid == 0) {
		struct error mine = { 0 };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (inside(w, &mine) < 0)
			fd_write_all(pipes[1], &mine, sizeof mine);
		else
			fd_write_all(pipes[1], "", 1);
		_exit(0);
	}
	close(pipes[1]);
	n = fd_read_full(pipes[0], &failed, sizeof failed);
	close(pipes[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == 1)
		return 0;
	if (n != sizeof failed)
		return error_set(err, ERR_SYSTEM, EIO, "the process in the container died");
	*err = failed;
	return -(failed.errnum ? failed.errnum : EIO);
}

static int open_container(struct runtime *rt, const char *id, struct opened *o, struct work *w, struct error *err)
{
	struct config_document doc = { 0 };
	bool own = false;
	int r = container_open(rt, id, true, o, err);

	if (r == 0 && (o->status == STATUS_STOPPED || o->status == STATUS_CREATING))
		r = error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	if (r == 0)
		r = config_load_copy(o->state_fd, STATE_CONFIG_FILE, rt->arena, &doc, err);
	if (r < 0)
		return r;
	w->label = mount_label(doc.config, rt->arena);
	w->namespaces = CLONE_NEWNS;
	for (size_t i = 0; i < doc.config->linux->namespaces_count; i++) {
		w->userns |= doc.config->linux->namespaces[i].type == CONFIG_NS_USER;
		own |= doc.config->linux->namespaces[i].type == CONFIG_NS_MOUNT;
	}
	if (!own)
		return error_set(err, ERR_UNSUPPORTED, ENOTSUP, "container \"%s\" has no mount namespace of its own", id);
	if (w->userns)
		w->namespaces |= CLONE_NEWUSER;
	w->init = state_pidfd(&o->state, o->proc_fd);
	if (w->init == -ESRCH)
		return error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	return w->init < 0 ? error_sys(err, -w->init, "open process %d", o->state.pid) : 0;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct work w = { .init = -1 };
	struct list list = { 0 };
	struct opened o;
	int r;

	if (strcmp(args->operands[0], "add") != 0 && strcmp(args->operands[0], "remove") != 0) {
		error_hint(err, "see oci-rt mounts --help");
		return error_set(err, ERR_USAGE, EINVAL, "mounts %s: expected add or remove", args->operands[0]);
	}
	w.add = strcmp(args->operands[0], "add") == 0;
	r = read_list(args->operands[2], rt->arena, &list, err);
	if (r == 0)
		r = open_container(rt, args->operands[1], &o, &w, err);
	if (r == 0)
		r = prepare(&w, &list, o.state.bundle, rt->arena, err);
	return r < 0 ? r : carry_out(&w, err);
}

const struct command command_mounts = {
	.name = "mounts",
	.usage = "add|remove ID FILE",
	.summary = "add mounts to a living container, or remove them (experimental)",
	.operands_min = 3,
	.operands_max = 3,
	.enters = true,
	.run = run,
};
