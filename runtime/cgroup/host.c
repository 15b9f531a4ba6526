/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: which cgroup hierarchies does this host have, and where?
 *
 * Nearly every host answers with /sys/fs/cgroup alone: it is a cgroup2
 * filesystem, or a tmpfs that holds one directory per v1 hierarchy, named after
 * its controllers, links for controllers that share one ("cpu" →
 * "cpu,cpuacct"), "systemd" for the named hierarchy, and on hybrid hosts
 * "unified".  One listing and two calls per directory tell; /proc/self/mountinfo,
 * which may have thousands of lines, is read only when something there is not
 * of this form.
 *
 * A hierarchy that is mounted twice is counted once: its device number tells.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/cgroup/internal.h"

#define CGROUP_FS "/sys/fs/cgroup"
#define MOUNTINFO_MAX (UINT32_C(16) * 1024 * 1024)

static const char *const controllers[CTRL_COUNT] = {
	[CTRL_CPU] = "cpu",
	[CTRL_CPUACCT] = "cpuacct",
	[CTRL_CPUSET] = "cpuset",
	[CTRL_MEMORY] = "memory",
	[CTRL_BLKIO] = "blkio",
	[CTRL_PIDS] = "pids",
	[CTRL_HUGETLB] = "hugetlb",
	[CTRL_RDMA] = "rdma",
	[CTRL_MISC] = "misc",
	[CTRL_DMEM] = "dmem",
	[CTRL_DEVICES] = "devices",
	[CTRL_FREEZER] = "freezer",
	[CTRL_NET_CLS] = "net_cls",
	[CTRL_NET_PRIO] = "net_prio",
	[CTRL_PERF_EVENT] = "perf_event",
};

/* Directories of hierarchies that have a name and no controller. */
static const char *const named[] = { "systemd", "elogind", "openrc" };

const char *controller_name(enum controller c, bool v2)
{
	return v2 && c == CTRL_BLKIO ? "io" : controllers[c];
}

int controller_find(const char *name, size_t n)
{
	if (n == 2 && memcmp(name, "io", 2) == 0)
		return CTRL_BLKIO;
	for (int i = 0; i < CTRL_COUNT; i++)
		if (strlen(controllers[i]) == n && memcmp(controllers[i], name, n) == 0)
			return i;
	return -1;
}

/* Bits of a list joined by commas; 0 when any name in it is unknown. */
static uint32_t controller_list(const char *list)
{
	uint32_t bits = 0;

	while (*list) {
		const char *end = strchrnul(list, ',');
		int c = controller_find(list, (size_t)(end - list));

		if (c < 0)
			return 0;
		bits |= CTRL_BIT(c);
		list = *end ? end + 1 : end;
	}
	return bits;
}

static void add_link(struct arena *a, struct host_hierarchy *h, const char *link)
{
	if (strcmp(link, h->name) == 0)
		return;
	for (size_t i = 0; i < h->links_count; i++)
		if (strcmp(h->links[i], link) == 0)
			return;
	h->links = arena_grow(a, h->links, h->links_count * sizeof *h->links, (h->links_count + 1) * sizeof *h->links);
	h->links[h->links_count++] = link;
}

static struct host_hierarchy *by_dev(struct host *host, uint64_t dev)
{
	for (size_t i = 0; i < host->count; i++)
		if (dev && host->h[i].dev == dev)
			return &host->h[i];
	return NULL;
}

/* One directory of a v1 host's /sys/fs/cgroup.  1: it is a hierarchy or does not matter; 0: unusual. */
static int scan_directory(struct arena *a, int top, const char *fs_root, const char *name, struct host *host)
{
	_cleanup_fd_ int fd = openat(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct host_hierarchy *h, *twin;
	uint32_t bits = controller_list(name);
	struct statfs fs;
	struct stat st;
	uint64_t dev = 0;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != CGROUP_SUPER_MAGIC && fs.f_type != CGROUP2_SUPER_MAGIC)
		return 1;
	/* The identity of the filesystem; kernels before 5.9 do not tell it here. */
	memcpy(&dev, &fs.f_fsid, sizeof fs.f_fsid < sizeof dev ? sizeof fs.f_fsid : sizeof dev);
	if (dev == 0 && fstat(fd, &st) < 0)
		return -errno;
	if (dev == 0)
		dev = st.st_dev;
	twin = by_dev(host, dev);
	if (twin) {
		add_link(a, twin, arena_strdup(a, name));
		twin->controllers |= twin->unified ? 0 : bits;
		return 1;
	}
	if (host->count == HIERARCHY_MAX)
		return 0;
	h = &host->h[host->count];
	*h = (struct host_hierarchy){ .name = arena_strdup(a, name), .mount_root = "/", .dev = dev, .fd = -1 };
	h->mount_point = arena_printf(a, "%s/%s", fs_root, name);
	if (fs.f_type == CGROUP2_SUPER_MAGIC) {
		h->unified = true;
		h->key = KEY_UNIFIED;
	} else if (bits) {
		h->controllers = bits;
		h->key = h->name;
	} else {
		for (size_t i = 0; i < sizeof named / sizeof *named; i++)
			if (strcmp(name, named[i]) == 0)
				h->key = arena_printf(a, "name=%s", name);
		if (!h->key)
			return 0;
	}
	h->fd = fd_take(&fd);
	host->count++;
	return 1;
}

static void scan_link(struct arena *a, int top, const char *name, struct host *host)
{
	char target[256];
	ssize_t n = readlinkat(top, name, target, sizeof target - 1);
	char *base;

	if (n <= 0)
		return;
	target[n] = '\0';
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	for (size_t i = 0; i < host->count; i++)
		if (strcmp(host->h[i].name, base) == 0)
			add_link(a, &host->h[i], arena_strdup(a, name));
}

static int scan_v1(struct arena *a, int top, const char *fs_root, struct host *host)
{
	int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *dir;
	int r = 1;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r > 0 && (e = readdir(dir)))
		if (e->d_type != DT_LNK && e->d_name[0] != '.')
			r = scan_directory(a, top, fs_root, e->d_name, host);
	rewinddir(dir);
	while (r > 0 && (e = readdir(dir)))
		if (e->d_type == DT_LNK)
			scan_link(a, top, e->d_name, host);
	closedir(dir);
	if (r < 0)
		return r;
	if (r == 0 || host->count == 0)
		return -ENODATA;
	host->version = CGROUP_V1;
	return 0;
}

void host_close(struct host *host)
{
	for (size_t i = 0; i < host->count; i++) {
		cleanup_fd(&host->h[i].fd);
		host->h[i].fd = -1;
	}
}

int host_scan(struct arena *a, const char *fs_root, struct host *host, struct error *err)
{
	_cleanup_fd_ int top = -1;
	struct statfs fs;
	int r;

	if (!fs_root)
		fs_root = CGROUP_FS;
	*host = (struct host){ 0 };
	top = open(fs_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || fstatfs(top, &fs) < 0)
		return errno == ENOENT ? -ENODATA : error_sys(err, errno, "look at %s", fs_root);
	if (fs.f_type == CGROUP2_SUPER_MAGIC) {
		host->version = CGROUP_V2;
		host->count = 1;
		host->h[0] = (struct host_hierarchy){
			.key = KEY_UNIFIED, .name = "", .mount_point = fs_root, .mount_root = "/", .unified = true,
			.fd = fd_take(&top)
		};
		return 0;
	}
	if (fs.f_type != TMPFS_MAGIC)
		return -ENODATA;
	r = scan_v1(a, top, fs_root, host);
	if (r < 0)
		host_close(host);
	if (r < 0 && r != -ENODATA)
		return error_sys(err, -r, "look at %s", fs_root);
	return r;
}

/* Undo the octal escapes of mountinfo in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Controllers and name among the options of a v1 superblock. */
static bool mountinfo_v1(struct arena *a, struct host_hierarchy *h, char *options)
{
	const char *list = NULL;
	char *save = NULL;

	for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		int c = controller_find(o, strlen(o));

		if (strncmp(o, "name=", 5) == 0) {
			h->key = arena_strdup(a, o);
			h->name = h->key + 5;
		} else if (c >= 0) {
			h->controllers |= CTRL_BIT(c);
			list = list ? arena_printf(a, "%s,%s", list, o) : arena_strdup(a, o);
		}
	}
	if (!h->key) {
		h->key = list;
		h->name = list;
	}
	return h->key != NULL;
}

/* "31 23 0:28 ROOT POINT opts tags - TYPE source SUPEROPTS" */
static void mountinfo_line(struct arena *a, char *line, struct host *host)
{
	struct host_hierarchy h = { .fd = -1 };
	char *field[5], *save = NULL, *dash = strstr(line, " - "), *type, *options, *slash;

	if (!dash || host->count == HIERARCHY_MAX)
		return;
	*dash = '\0';
	for (int i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return;
	}
	type = strtok_r(dash + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " ", &save);
	if (!type || (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0))
		return;
	unescape(field[3]);
	unescape(field[4]);
	h.mount_root = arena_strdup(a, field[3]);
	h.mount_point = arena_strdup(a, field[4]);
	h.unified = strcmp(type, "cgroup2") == 0;
	if (h.unified) {
		h.key = KEY_UNIFIED;
	} else if (!options || !mountinfo_v1(a, &h, options)) {
		return;
	}
	/* Where /sys/fs/cgroup shows it, the directory's name is what the container will see. */
	slash = strrchr(field[4], '/');
	if (strcmp(field[4], CGROUP_FS) == 0)
		h.name = "";
	else if (!h.name || strncmp(field[4], CGROUP_FS "/", sizeof CGROUP_FS) == 0)
		h.name = arena_strdup(a, slash + 1);
	for (size_t i = 0; i < host->count; i++) {
		struct host_hierarchy *old = &host->h[i];

		if (strcmp(old->key, h.key) != 0)
			continue;
		/* Mounted twice: prefer the usual place, else the first. */
		if (strncmp(h.mount_point, CGROUP_FS, sizeof CGROUP_FS - 1) == 0 &&
			strncmp(old->mount_point, CGROUP_FS, sizeof CGROUP_FS - 1) != 0)
			*old = h;
		return;
	}
	host->h[host->count++] = h;
}

int host_from_mountinfo(struct arena *a, char *text, struct host *host, struct error *err)
{
	bool v1 = false;

	*host = (struct host){ 0 };
	while (*text) {
		char *end = strchrnul(text, '\n');
		bool more = *end == '\n';

		*end = '\0';
		mountinfo_line(a, text, host);
		text = more ? end + 1 : end;
	}
	for (size_t i = 0; i < host->count; i++)
		v1 = v1 || !host->h[i].unified;
	if (host->count == 0) {
		error_hint(err, "mount cgroup2 on " CGROUP_FS ", or run with --cgroup-manager=disabled");
		return error_set(err, ERR_UNSUPPORTED, ENODEV, "no cgroup filesystem is mounted");
	}
	host->version = v1 ? CGROUP_V1 : CGROUP_V2;
	return 0;
}

int host_proc_read(int proc_fd, pid_t pid, const char *file, struct arena *a, char **text, struct error *err)
{
	char path[64];

	if (pid > 0) {
		snprintf(path, sizeof path, "%d/%s", pid, file);
	} else {
		ssize_t n = readlinkat(proc_fd, "self", path, 20);

		if (n < 0)
			return error_sys(err, errno, "read /proc/self");
		snprintf(path + n, sizeof path - (size_t)n, "/%s", file);
	}
	return proc_read(proc_fd, path, a, MOUNTINFO_MAX, text, NULL, err);
}

bool host_in_userns(void)
{
	struct stat st;

	/* The number of the initial one is part of the kernel's interface (PROC_USER_INIT_INO). */
	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino != UINT32_C(0xEFFFFFFD);
}

uid_t host_owner(void)
{
	unsigned int inside, outside;
	char buf[4096];

	if (geteuid() == 0 && host_in_userns() && cg_read_at(AT_FDCWD, "/proc/self/uid_map", buf, sizeof buf) > 0 &&
		sscanf(buf, "%u %u", &inside, &outside) == 2 && inside == 0)
		return outside;
	return geteuid();
}

int host_find(struct arena *a, const char *fs_root, int proc_fd, struct host *host, struct error *err)
{
	char *text;
	int r = host_scan(a, fs_root, host, err);

	if (r != -ENODATA)
		return r;
	r = host_proc_read(proc_fd, 0, "mountinfo", a, &text, err);
	return r < 0 ? r : host_from_mountinfo(a, text, host, err);
}

/* Do two lists of controllers name the same hierarchy?  It is enough that one controller is in both. */
static bool same_hierarchy(const char *list, size_t n, const char *key)
{
	if (strncmp(key, "name=", 5) == 0)
		return strlen(key) == n && memcmp(key, list, n) == 0;
	for (const char *p = list; p < list + n;) {
		const char *end = memchr(p, ',', (size_t)(list + n - p));
		size_t len = (size_t)((end ? end : list + n) - p);

		for (const char *k = key; *k;) {
			const char *kend = strchrnul(k, ',');

			if ((size_t)(kend - k) == len && memcmp(k, p, len) == 0)
				return true;
			k = *kend ? kend + 1 : kend;
		}
		p += len + 1;
	}
	return false;
}

const char *host_proc_cgroup(struct arena *a, const char *text, const char *key)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');
		const char *list = memchr(text, ':', (size_t)(end - text));
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;

		if (path) {
			size_t n = (size_t)(path - list - 1);
			bool unified = strcmp(key, KEY_UNIFIED) == 0;

			if (unified ? n == 0 : n > 0 && same_hierarchy(list + 1, n, key))
				return arena_strndup(a, path + 1, (size_t)(end - path - 1));
		}
		text = *end ? end + 1 : end;
	}
	return NULL;
}
