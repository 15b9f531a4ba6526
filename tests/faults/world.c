/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a world is a set of private namespaces in which the
 * yardsticks run runtimes, so that neither other users of the machine nor the
 * host's own mounts disturb a measurement, and so that "everything that is left"
 * is exactly what the snapshot of the whole world shows.
 *
 * - Mount namespace: private propagation; /run a tmpfs; on a v1 or hybrid host a
 *   new /sys/fs/cgroup with only the v1 hierarchies (crun 1.8 refuses a hybrid
 *   tree).
 * - isolate: also /tmp, /var/tmp and /dev/shm are empty, process ids are private
 *   (an orphan becomes a child of ours), and on v1 the cgroup namespace is rooted
 *   at a cgroup of our own in every hierarchy, so the whole visible cgroup tree is
 *   ours.  On a pure cgroup2 host the tree stays the host's: a namespace root
 *   holding processes could not delegate controllers.
 *
 * The outer process survives to remove the cgroups: their directories cannot be
 * removed from inside while we live in them.
 */
#include "tests/faults/world.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <dirent.h>
#include <linux/magic.h>
#include <unistd.h>

#include "tests/faults/support.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define MAX_HIERARCHIES 16

/* One v1 hierarchy: its controllers as /proc/self/cgroup names them, and our cgroup there on the host. */
struct hierarchy {
	char *controllers;
	char *host_dir;
};

static struct hierarchy hierarchies[MAX_HIERARCHIES];
static int hierarchy_count;
static char *mount_points[MAX_HIERARCHIES + 2];
static bool pure_v2;

bool world_is_v2(void)
{
	return pure_v2;
}

const char *const *world_hierarchies(void)
{
	return (const char *const *)mount_points;
}

static void must(int ret, const char *what)
{
	if (ret < 0)
		die("%s: %s", what, strerror(errno));
}

static const char *dir_of(const char *controllers)
{
	return strncmp(controllers, "name=", 5) ? controllers : controllers + 5;
}

/* The v1 hierarchies of the host, from /proc/self/cgroup ("9:name=systemd:/path"). */
static void find_hierarchies(bool without_cpu)
{
	char *text = read_text("/proc/self/cgroup"), *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(l, ':') + 1, *path = strchr(controllers, ':');

		*path++ = '\0';
		if (!*controllers || hierarchy_count == MAX_HIERARCHIES)
			continue;
		if (without_cpu && !strncmp(controllers, "cpu", 3) && strcmp(controllers, "cpuset"))
			continue;
		hierarchies[hierarchy_count].controllers = strdup(controllers);
		hierarchies[hierarchy_count++].host_dir = fmt_text(
			CGROUP_ROOT "/%s%s/yard-%d", dir_of(controllers), strcmp(path, "/") ? path : "", (int)getpid());
	}
	free(text);
}

/* Make our own cgroup in one hierarchy and move into it. */
static void join_own_cgroup(const struct hierarchy *h)
{
	char *file;

	if (mkdir(h->host_dir, 0755) < 0 && errno != EEXIST)
		die("mkdir %s: %s", h->host_dir, strerror(errno));
	if (!strcmp(h->controllers, "cpuset")) {
		static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			char *from = fmt_text("%s/../%s", h->host_dir, files[i]), *text = read_text(from);
			char *to = fmt_text("%s/%s", h->host_dir, files[i]);

			put_text(to, text ? text : "0");
			free(from);
			free(to);
			free(text);
		}
	}
	file = fmt_text("%s/cgroup.procs", h->host_dir);
	if (put_text(file, "0"))
		die("cannot enter %s", h->host_dir);
	free(file);
}

/* /sys/fs/cgroup anew, holding the v1 hierarchies (as the current cgroup namespace shows them). */
static void mount_v1(bool hybrid)
{
	int n = 0;

	if (hybrid)
		must(mount(CGROUP_ROOT "/unified", "/mnt", NULL, MS_BIND, NULL), "keep the cgroup2 mount");
	must(umount2(CGROUP_ROOT, MNT_DETACH), "umount " CGROUP_ROOT);
	must(mount("tmpfs", CGROUP_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"), "mount tmpfs");
	for (int i = 0; i < hierarchy_count; i++) {
		const char *c = hierarchies[i].controllers;
		char *dir = fmt_text(CGROUP_ROOT "/%s", dir_of(c));
		char *data = strncmp(c, "name=", 5) ? strdup(c) : fmt_text("none,%s", c);

		must(mkdir(dir, 0755), dir);
		must(mount("cgroup", dir, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, data), dir);
		free(data);
		mount_points[n++] = dir;
	}
	if (hybrid) {
		must(mkdir(CGROUP_ROOT "/unified", 0755), "mkdir unified");
		must(mount("/mnt", CGROUP_ROOT "/unified", NULL, MS_MOVE, NULL), "move the cgroup2 mount");
		mount_points[n++] = strdup(CGROUP_ROOT "/unified");
	}
}

/*
 * Other users' mounts below these directories came along with the namespace's copy; they would vanish from it
 * whenever their owner removes the mount point, and that would look like a difference.
 */
static void drop_mounts_below(const char *path)
{
	char *text = read_text("/proc/self/mountinfo"), *save = NULL;
	size_t len = strlen(path);

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
		char point[1024];

		if (sscanf(l, "%*d %*d %*s %*s %1023s", point) == 1 && !strncmp(point, path, len) && point[len] == '/')
			umount2(point, MNT_DETACH);
	}
	free(text);
}

static void private_tmpfs(const char *path)
{
	drop_mounts_below(path);
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
		die("mount a tmpfs on %s: %s", path, strerror(errno));
}

static void remove_cgroups(void)
{
	for (int i = 0; i < hierarchy_count; i++)
		for (int tries = 0; rmdir(hierarchies[i].host_dir) < 0 && errno == EBUSY && tries < 100; tries++)
			sleep_ms(10);
}

/* Leaf-first removal of whatever a faulty runtime left below our cgroups. */
static void remove_left_cgroups(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *sub;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = fmt_text("%s/%s", dir, e->d_name);
		remove_left_cgroups(sub);
		rmdir(sub);
		free(sub);
	}
	if (d)
		closedir(d);
}

/* Back to where we came from, so that our cgroups become empty. */
static void leave_cgroups(void)
{
	for (int i = 0; i < hierarchy_count; i++) {
		char *file = fmt_text("%s/../cgroup.procs", hierarchies[i].host_dir);

		put_text(file, "0");
		free(file);
	}
}

static void fork_into_world(void)
{
	pid_t pid = fork();
	int st;

	must(pid, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	leave_cgroups();
	while (waitpid(pid, &st, 0) < 0 && errno == EINTR)
		;
	for (int i = 0; i < hierarchy_count; i++)
		remove_left_cgroups(hierarchies[i].host_dir);
	remove_cgroups();
	_exit(WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
}

void world_enter(const struct world_options *o)
{
	int flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	struct statfs fs;

	must(statfs(CGROUP_ROOT, &fs), CGROUP_ROOT);
	pure_v2 = fs.f_type == CGROUP2_SUPER_MAGIC;
	if (!pure_v2)
		find_hierarchies(o->without_cpu);
	if (o->isolate) {
		for (int i = 0; i < hierarchy_count; i++)
			join_own_cgroup(&hierarchies[i]);
		if (hierarchy_count)
			flags |= CLONE_NEWCGROUP;
		must(unshare(flags), "unshare (root is needed)");
		fork_into_world();
	} else {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
	must(unshare(CLONE_NEWNS), "unshare the mount namespace (root is needed)");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
	if (pure_v2)
		mount_points[0] = strdup(CGROUP_ROOT);
	else
		mount_v1(o->hybrid);
	private_tmpfs("/run");
	if (o->isolate) {
		private_tmpfs("/tmp");
		private_tmpfs("/var/tmp");
		private_tmpfs("/dev/shm");
		private_tmpfs(WORLD_HARNESS);
		drop_mounts_below("/var/lib");
		must(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount proc");
	}
	make_dirs(WORLD_DIR);
}
