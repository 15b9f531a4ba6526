/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one RUN in a container.
 *
 * The whole build has a mount namespace of its own, so whatever ends it, nothing stays
 * mounted.  A tmpfs in it holds the bundles: configurations (they may hold secrets'
 * values), files of secrets, mount points.
 *
 *     mount points  lowest: empty ones (/proc, /dev, /etc/resolv.conf, targets of --mount), so that
 *                   making them never shows in what the step wrote
 *     parent layers
 *     upper         what the step writes: the new layer
 *
 * The runtime is a program that is executed: "run --bundle", and "kill" when the build
 * is canceled.  The container's profile is the one that unpack gives to containers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/spawn.h"
#include "image-tools/build/internal.h"
#include "image-tools/status.h"
#include "image-tools/store/unpacked.h"

#define HOSTNAME "buildsandbox"

int sandbox_enter(struct builder *b, struct error *err)
{
	b->host_namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNS) < 0) {
		error_sys(err, errno, "make a mount namespace for the build");
		error_hint(err, "a build needs CAP_SYS_ADMIN, or a user namespace of its own");
		return -err->errnum;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_sys(err, errno, "separate the build's mounts from the host's");
	return 0;
}

int sandbox_open(struct builder *b, struct error *err)
{
	struct store *s = &b->p->store;

	b->mounts = arena_printf(b->arena, "%s/tmp/%s/mnt", s->path, s->run_name);
	if (mkdirat(s->run, "mnt", 0700) < 0)
		return error_sys(err, errno, "create %s", b->mounts);
	if (mount("oci-image", b->mounts, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") < 0)
		return error_sys(err, errno, "mount a tmpfs on %s", b->mounts);
	return 0;
}

void sandbox_close(struct builder *b)
{
	if (b->mounts)
		umount2(b->mounts, MNT_DETACH | UMOUNT_NOFOLLOW);
	b->mounts = NULL;
	cleanup_fd(&b->host_namespace);
	b->host_namespace = -1;
}

int sandbox_leave(struct builder *b, struct error *err)
{
	char *cwd = getcwd(NULL, 0);
	int r = setns(b->host_namespace, CLONE_NEWNS) < 0 ? error_sys(err, errno, "return to the host's mounts") : 0;

	if (r == 0 && cwd)
		(void)!chdir(cwd);
	free(cwd);
	return r;
}

const char *sandbox_directory(struct builder *b, struct arena *a, struct error *err)
{
	const char *path = arena_printf(a, "%s/%u", b->mounts, atomic_fetch_add(&b->mounts_count, 1));

	if (mkdir(path, 0755) < 0) {
		error_sys(err, errno, "create %s", path);
		return NULL;
	}
	return path;
}

int sandbox_overlay(struct build_stage *s, const char *points, struct scratch *x, const char *path, struct error *err)
{
	const char **names = arena_array(&s->arena, const char *, s->layers_count + 2);
	_cleanup_fd_ int mount = -1;
	struct stat st;
	size_t n = 0;

	if (points)
		names[n++] = points;
	for (size_t i = 0; i < s->layers_count; i++)
		names[n++] = s->layers[i].name;
	/* The merged root shows the upper directory's owner and mode: take the top layer's. */
	if (x && s->layers_count &&
		fstatat(s->store.layers, arena_printf(&s->arena, "%s/fs", names[n - 1]), &st, 0) == 0) {
		(void)!fchown(x->fs, st.st_uid, st.st_gid);
		(void)!fchmod(x->fs, st.st_mode & 07777);
	}
	mount = x ? unpacked_overlay_volatile(&s->store, names, n, x->fs, x->work, err)
		  : unpacked_overlay(&s->store, names, n, -1, -1, err);
	if (mount == -EINVAL && x)
		error_hint(err, "the store must be on a file system that overlayfs can write to (ext4, xfs, tmpfs); "
				"--store names another place");
	if (mount < 0)
		return mount;
	if (syscall(SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_sys(err, errno, "mount %s", path);
	return 0;
}

int sandbox_detach(const char *path)
{
	/* Busy means that somebody of the container is still dying: let go, it ends by itself. */
	if (umount2(path, UMOUNT_NOFOLLOW) < 0 && errno == EBUSY)
		return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
	return 0;
}

/* --- the bundle ----------------------------------------------------------------------------------------- */

static int write_file(struct run_request *q, const char *name, const char *text, mode_t mode, struct error *err)
{
	int fd = open(arena_printf(&q->stage->arena, "%s/%s", q->bundle, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		mode);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

	cleanup_fd(&fd);
	return r < 0 ? error_sys(err, -r, "write %s/%s", q->bundle, name) : 0;
}

static void add_mount(struct run_request *q, struct bundle_mount m)
{
	struct bundle_mount *items = arena_array(&q->stage->arena, struct bundle_mount, q->mounts_count + 1);

	if (q->mounts_count)
		memcpy(items, q->mounts, q->mounts_count * sizeof *items);
	items[q->mounts_count++] = m;
	q->mounts = items;
}

static int add_etc(struct run_request *q, struct error *err)
{
	struct build_stage *s = q->stage;
	struct arena *a = &s->arena;
	const char *hosts =
		"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" HOSTNAME "\n";
	_cleanup_fd_ int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
	char *resolv = NULL;
	int r;

	if (fd < 0 || fd_read_all(fd, a, 1 << 20, &resolv, NULL) < 0)
		resolv = arena_strdup(a, "");
	for (size_t i = 0; i < s->b->o->hosts.count; i++) {
		const char *text = s->b->o->hosts.items[i], *split = text + strcspn(text, ":=");

		hosts = arena_printf(a, "%s%s\t%.*s\n", hosts, split + 1, (int)(split - text), text);
	}
	r = write_file(q, "resolv.conf", resolv, 0644, err);
	if (r == 0)
		r = write_file(q, "hosts", hosts, 0644, err);
	add_mount(q, (struct bundle_mount){"/etc/resolv.conf", "bind", arena_printf(a, "%s/resolv.conf", q->bundle),
			     {"bind", "rprivate"}});
	add_mount(q, (struct bundle_mount){
			     "/etc/hosts", "bind", arena_printf(a, "%s/hosts", q->bundle), {"bind", "rprivate"}});
	string_list_add(a, &q->files, "/etc/resolv.conf");
	string_list_add(a, &q->files, "/etc/hosts");
	return r;
}

static int add_script(struct run_request *q, struct error *err)
{
	const struct dockerfile_command *c = &q->in->command;
	int r;

	if (!c->file_data)
		return 0;
	r = write_file(q, "script", c->file_data, 0755, err);
	add_mount(q, (struct bundle_mount){arena_printf(&q->stage->arena, "/dev/pipes/%s", c->file_name), "bind",
			     arena_printf(&q->stage->arena, "%s/script", q->bundle), {"bind", "rprivate", "ro"}});
	return r;
}

/* Mount points as the lowest layer; its name for unpacked_overlay(). */
static int make_points(struct run_request *q, const struct scratch *x, const char **name, struct error *err)
{
	static const char *const always[] = {"/proc", "/sys", "/dev", "/etc"};
	struct build_stage *s = q->stage;
	const char *base = arena_printf(&s->arena, "%s.points", x->name), *tree = arena_printf(&s->arena, "%s/fs", base);
	_cleanup_fd_ int root = -1;

	if (mkdirat(s->store.run, base, 0700) < 0 || mkdirat(s->store.run, tree, 0755) < 0)
		return error_sys(err, errno, "create a directory for mount points");
	root = openat(s->store.run, tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
		close(path_mkdir_in_root(root, always[i], 0755));
	for (size_t i = 0; i < q->directories.count; i++) {
		int fd = path_mkdir_in_root(root, q->directories.items[i], 0755);

		if (fd < 0)
			return error_sys(err, -fd, "create mount point %s", q->directories.items[i]);
		close(fd);
	}
	for (size_t i = 0; i < q->files.count; i++) {
		int fd = path_mkfile_in_root(root, q->files.items[i], 0644, 0755);

		if (fd < 0)
			return error_sys(err, -fd, "create mount point %s", q->files.items[i]);
		close(fd);
	}
	*name = arena_printf(&s->arena, "../tmp/%s/%s", s->store.run_name, base);
	return 0;
}

static int parse_ulimit(struct arena *a, const char *text, struct bundle_rlimit *l, struct error *err)
{
	const char *equals = strchr(text, '=');
	char *end, *name;

	if (!equals)
		return error_set(err, ERR_USAGE, EINVAL, "--ulimit \"%.80s\": NAME=SOFT[:HARD] expected", text);
	name = arena_printf(a, "RLIMIT_%.*s", (int)(equals - text), text);
	for (char *p = name; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	l->type = name;
	l->soft = l->hard = equals[1] == '-' ? UINT64_MAX : strtoull(equals + 1, &end, 10);
	if (equals[1] == '-')
		end = (char *)equals + 3;
	if (*end == ':')
		l->hard = end[1] == '-' ? UINT64_MAX : strtoull(end + 1, &end, 10);
	return 0;
}

static int write_config(struct run_request *q, int root, struct error *err)
{
	struct build_stage *s = q->stage;
	const struct build_options *o = s->b->o;
	struct arena *a = &s->arena;
	struct image image = {.config = s->config};
	struct bundle_options options = {.entrypoint = "",
		.args = q->argv,
		.workdir = s->config.config.working_dir,
		.hostname = HOSTNAME,
		.memory = o->memory,
		.cpus = o->cpus,
		.privileged = q->in->insecure,
		.net = "none"};
	struct bundle_spec spec = {.image = &image,
		.options = &options,
		.bundle = q->bundle,
		.program = "/proc/self/exe",
		.mounts = q->mounts,
		.mounts_count = q->mounts_count,
		.nested = s->b->userns,
		.single_id = s->store.single_id};
	const char *network = o->network && q->in->network == DOCKERFILE_NETWORK_DEFAULT ? o->network : "default",
		   *text;
	size_t len;
	int r;

	image.config.config.env = q->env;
	image.config.config.labels = (struct string_map){0};
	options.env = q->secret_env;
	if (q->in->network == DOCKERFILE_NETWORK_NONE || strcmp(network, "none") == 0) {
		options.net = "none";
	} else if (q->in->network == DOCKERFILE_NETWORK_HOST || strcmp(network, "host") == 0) {
		options.net = "host";
	} else {
		r = network_prepare(s->b, &spec.network_path, err);
		if (r < 0)
			return r;
		options.net = spec.network_path ? "path" : "host";
	}
	if (o->cgroup_parent)
		spec.cgroups_path = arena_printf(a, "%s/%s", o->cgroup_parent, q->id);
	spec.rlimits = arena_array(a, struct bundle_rlimit, o->ulimits.count + 1);
	for (size_t i = 0; i < o->ulimits.count; i++) {
		r = parse_ulimit(a, o->ulimits.items[i], &spec.rlimits[spec.rlimits_count++], err);
		if (r < 0)
			return r;
	}
	r = bundle_find_user(root, s->config.config.user, false, a, &q->user, err);
	if (r < 0)
		return r;
	spec.user = q->user;
	text = bundle_spec_write(a, &spec, &len, err);
	return text ? write_file(q, "config.json", text, 0600, err) : -EINVAL;
}

/* --- running it ------------------------------------------------------------------------------------------- */

struct reader {
	struct run_request *q;
	int fd;
};

int sandbox_runtime(struct builder *b, const char *const *args, int output, int *status, struct error *err)
{
	struct arena a = ARENA_INIT;
	const char *argv[12] = {b->runtime, "--root", arena_printf(&a, "%s/state", b->mounts)};
	const char *path = getenv("PATH"), *runtime_dir = getenv("XDG_RUNTIME_DIR");
	const char *env[] = {arena_printf(&a, "PATH=%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"),
		runtime_dir ? arena_printf(&a, "XDG_RUNTIME_DIR=%s", runtime_dir) : NULL, NULL};
	struct spawn s = {.path = b->runtime, .argv = argv, .envp = env, .stdout_fd = output, .stderr_fd = output};
	int r;

	for (int i = 0; args[i]; i++)
		argv[3 + i] = args[i];
	r = spawn_run(&s, &a, status, err);
	arena_free(&a);
	return r;
}

static void *read_output(void *opaque)
{
	struct reader *o = opaque;
	struct builder *b = o->q->stage->b;
	char buf[16384];
	bool killed = false;

	for (;;) {
		struct pollfd p = {.fd = o->fd, .events = POLLIN};
		int n = poll(&p, 1, killed ? 1000 : 200);
		ssize_t got;

		if (atomic_load(&b->cancel) && !killed) {
			_cleanup_fd_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
			int status;

			/* Until it took: the container may not be there yet. */
			killed = sandbox_runtime(b, (const char *const[]){"kill", o->q->id, "KILL", NULL}, null,
					 &status, NULL) == 0 &&
				 status == 0;
		}
		if (n <= 0)
			continue;
		got = read(o->fd, buf, sizeof buf);
		if (got > 0)
			build_progress_output(b->progress, o->q->step, buf, (size_t)got);
		else if (got == 0 || errno != EINTR)
			return NULL;
	}
}

static int run_container(struct run_request *q, int *status, struct error *err)
{
	struct builder *b = q->stage->b;
	struct reader reader = {.q = q};
	int out[2], r;
	pthread_t thread;

	if (pipe2(out, O_CLOEXEC) < 0)
		return error_sys(err, errno, "create a pipe");
	reader.fd = out[0];
	r = pthread_create(&thread, NULL, read_output, &reader);
	if (r) {
		close(out[0]);
		close(out[1]);
		return error_sys(err, r, "start a thread");
	}
	watch_tell(b, WATCH_BEGIN, q->id);
	r = sandbox_runtime(b, (const char *const[]){"run", "--bundle", q->bundle, q->id, NULL}, out[1], status, err);
	close(out[1]);
	pthread_join(thread, NULL);
	close(out[0]);
	if (r < 0 || !WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
		_cleanup_fd_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		int ignored;

		sandbox_runtime(b, (const char *const[]){"delete", "--force", q->id, NULL}, null, &ignored, NULL);
	}
	watch_tell(b, WATCH_END, q->id);
	return r;
}

/* Mount points that the runtime had to make after all, behind a link of the image. */
static void remove_made(struct run_request *q, int root, const bool *missing)
{
	for (size_t i = 0; i < q->mounts_count; i++) {
		_cleanup_fd_ int fd = missing[i] ? path_open_in_root(root, q->mounts[i].destination, O_PATH) : -1;
		_cleanup_fd_ int parent = -1;
		char link[64], path[4096], *slash;
		struct stat st;
		ssize_t n;
		size_t prefix = strlen(q->bundle) + strlen("/rootfs");

		if (fd < 0 || fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size))
			continue;
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof path - 1);
		path[n > 0 ? n : 0] = '\0';
		slash = strrchr(path, '/');
		if (n <= 0 || (size_t)n <= prefix || (size_t)(slash - path) < prefix)
			continue;
		*slash = '\0';
		parent = path_open_in_root(root, path + prefix, O_RDONLY | O_DIRECTORY);
		if (parent >= 0)
			unlinkat(parent, slash + 1, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
}

static const char *random_id(struct arena *a)
{
	unsigned char bytes[8];
	uint64_t n;

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		abort();
	memcpy(&n, bytes, sizeof n);
	return arena_printf(a, "build-%016llx", (unsigned long long)n);
}

static int failed(const struct run_request *q, int status, struct error *err)
{
	char text[64];

	if (atomic_load(&q->stage->b->cancel))
		return error_set(err, ERR_SYSTEM, ECANCELED, "canceled");
	return error_set(
		err, ERR_HOOK, IMAGE_ESTEP, "\"%.400s\" failed: %s", q->in->text, spawn_status_text(status, text));
}

static int in_overlay(struct run_request *q, const char *rootfs, struct error *err)
{
	struct build_stage *s = q->stage;
	const char *cwd = s->config.config.working_dir;
	_cleanup_fd_ int root = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool *missing = arena_array(&s->arena, bool, q->mounts_count + 1);
	int status = 0, r = 0;

	if (root < 0)
		return error_sys(err, errno, "open %s", rootfs);
	for (size_t i = 0; i < q->mounts_count; i++) {
		_cleanup_fd_ int fd = path_open_in_root(root, q->mounts[i].destination, O_PATH);

		missing[i] = fd < 0 && strncmp(q->mounts[i].destination, "/dev/", 5) != 0;
	}
	if (cwd && *cwd) {
		int fd = path_mkdir_in_root(root, cwd, 0755);

		if (fd < 0)
			return error_sys(err, -fd, "working directory %s", cwd);
		close(fd);
	}
	r = write_config(q, root, err);
	if (r == 0)
		r = run_container(q, &status, err);
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		return failed(q, status, err);
	if (r == 0)
		remove_made(q, root, missing);
	return r;
}

int sandbox_run(struct run_request *q, struct scratch *x, struct error *err)
{
	struct build_stage *s = q->stage;
	const char *points = NULL, *rootfs;
	int r;

	q->bundle = sandbox_directory(s->b, &s->arena, err);
	if (!q->bundle)
		return -EIO;
	q->id = random_id(&s->arena);
	rootfs = arena_printf(&s->arena, "%s/rootfs", q->bundle);
	r = mkdir(rootfs, 0755) < 0 ? error_sys(err, errno, "create %s", rootfs) : 0;
	if (r == 0)
		r = add_etc(q, err);
	if (r == 0)
		r = add_script(q, err);
	if (r == 0)
		r = mounts_prepare(q, err);
	if (r == 0)
		r = make_points(q, x, &points, err);
	if (r == 0)
		r = sandbox_overlay(s, points, x, rootfs, err);
	if (r == 0) {
		r = in_overlay(q, rootfs, err);
		sandbox_detach(rootfs);
	}
	if (r == -IMAGE_ESTEP && s->b->o->shell_on_fail) {
		struct error why = {0};

		if (failed_keep(q, x, &why) < 0)
			log_warning("--shell-on-fail: %s", why.msg);
	}
	mounts_release(q);
	store_remove_tree(s->store.run, arena_printf(&s->arena, "%s.points", x->name));
	/* Secrets and configuration go at once, not only with the tmpfs. */
	store_remove_tree(AT_FDCWD, q->bundle);
	return r;
}

int sandbox_find_runtime(struct builder *b, struct error *err)
{
	const char *name = b->o->runtime ? b->o->runtime : "oci-rt", *path = getenv("PATH");
	char own[4096], *slash;
	ssize_t n;

	if (strchr(name, '/')) {
		b->runtime = name;
		return access(name, X_OK) < 0 ? error_sys(err, errno, "--runtime %s", name) : 0;
	}
	/* Beside ourselves first: a build tree or a private installation belongs together. */
	n = readlink("/proc/self/exe", own, sizeof own - 1);
	own[n > 0 ? n : 0] = '\0';
	slash = strrchr(own, '/');
	if (slash) {
		*slash = '\0';
		b->runtime = arena_printf(b->arena, "%s/%s", own, name);
		if (access(b->runtime, X_OK) == 0)
			return 0;
	}
	for (const char *p = path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"; *p;) {
		size_t len = strcspn(p, ":");

		b->runtime = arena_printf(b->arena, "%.*s/%s", (int)len, p, name);
		if (len && access(b->runtime, X_OK) == 0)
			return 0;
		p += len + (p[len] == ':');
	}
	b->runtime = NULL;
	error_set(err, ERR_NOT_FOUND, ENOENT, "runtime %s is neither beside oci-image nor in PATH", name);
	error_hint(err, "--runtime PATH names one");
	return -ENOENT;
}
