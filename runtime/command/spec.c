/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a configuration to begin with: a shell on a terminal,
 * with few capabilities and a root filesystem that is read-only.  It is the one
 * that `runc spec` is known for, with a cgroup namespace in addition on cgroup v2.
 *
 * --rootless makes it one for a caller without privileges: a user namespace
 * that maps the caller alone, the caller's network, /sys of the host (a new
 * sysfs needs the network namespace's owner), read-only with all below it, no
 * ids in mount options (only one is mapped), no limits.  On cgroup v2 the
 * container's own cgroup covers the host's; v1 hierarchies cannot be mounted so.
 *
 * An existing file is never touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "runtime/command/command.h"
#include "runtime/command/features.h"

static const char *const capabilities[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL };

static const char *const masked_paths[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	"/sys/devices/virtual/tpm", "/sys/devices/virtual/powercap", NULL };

static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
	NULL };

static const struct mount {
	const char *destination, *type, *source;
	const char *options[8];
} mounts[] = {
	{ "/proc", "proc", "proc", { NULL } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts", "devpts", "devpts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};
static const struct mount rootless_sys = { "/sys", "none", "/sys",
	{ "rbind", "nosuid", "noexec", "nodev", "ro", "rro" } };

static void write_strings(struct json_writer *w, const char *member, const char *const *strings)
{
	json_write_member_array(w, member);
	for (; *strings; strings++)
		json_write_string(w, *strings);
	json_write_end_array(w);
}

static void write_process(struct json_writer *w)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	json_write_member_object(w, "process");
	json_write_member_bool(w, "terminal", true);
	json_write_member_object(w, "user");
	json_write_member_u64(w, "uid", 0);
	json_write_member_u64(w, "gid", 0);
	json_write_end_object(w);
	write_strings(w, "args", (const char *const[]){ "sh", NULL });
	write_strings(w, "env",
		(const char *const[]){ "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL });
	json_write_member_string(w, "cwd", "/");
	json_write_member_object(w, "capabilities");
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		write_strings(w, sets[i], capabilities);
	json_write_end_object(w);
	json_write_member_array(w, "rlimits");
	json_write_object(w);
	json_write_member_string(w, "type", "RLIMIT_NOFILE");
	json_write_member_u64(w, "hard", 1024);
	json_write_member_u64(w, "soft", 1024);
	json_write_end_object(w);
	json_write_end_array(w);
	json_write_member_bool(w, "noNewPrivileges", true);
	json_write_end_object(w);
}

static void write_mount(struct json_writer *w, const struct mount *m, bool rootless)
{
	json_write_object(w);
	json_write_member_string(w, "destination", m->destination);
	json_write_member_string(w, "type", m->type);
	json_write_member_string(w, "source", m->source);
	if (m->options[0])
		json_write_member_array(w, "options");
	for (const char *const *o = m->options; *o; o++)
		if (!rootless || strncmp(*o, "gid=", 4) != 0)
			json_write_string(w, *o);
	if (m->options[0])
		json_write_end_array(w);
	json_write_end_object(w);
}

static void write_mapping(struct json_writer *w, const char *member, unsigned int host)
{
	json_write_member_array(w, member);
	json_write_object(w);
	json_write_member_u64(w, "containerID", 0);
	json_write_member_u64(w, "hostID", host);
	json_write_member_u64(w, "size", 1);
	json_write_end_object(w);
	json_write_end_array(w);
}

static bool unified(void)
{
	struct statfs st;

	return statfs("/sys/fs/cgroup", &st) < 0 || st.f_type == CGROUP2_SUPER_MAGIC;
}

static void write_linux(struct json_writer *w, bool rootless)
{
	static const char *const namespaces[] = { "pid", "network", "ipc", "uts", "mount", "cgroup" };
	size_t count = sizeof namespaces / sizeof *namespaces;

	/* As in both peers: with cgroup v1 the container sees its whole path. */
	if (!unified())
		count--;

	json_write_member_object(w, "linux");
	if (rootless) {
		write_mapping(w, "uidMappings", geteuid());
		write_mapping(w, "gidMappings", getegid());
	} else {
		json_write_member_object(w, "resources");
		json_write_member_array(w, "devices");
		json_write_object(w);
		json_write_member_bool(w, "allow", false);
		json_write_member_string(w, "access", "rwm");
		json_write_end_object(w);
		json_write_end_array(w);
		json_write_end_object(w);
	}
	json_write_member_array(w, "namespaces");
	for (size_t i = 0; i < count; i++) {
		const char *type = rootless && strcmp(namespaces[i], "network") == 0 ? "user" : namespaces[i];

		json_write_object(w);
		json_write_member_string(w, "type", type);
		json_write_end_object(w);
	}
	json_write_end_array(w);
	write_strings(w, "maskedPaths", masked_paths);
	write_strings(w, "readonlyPaths", readonly_paths);
	json_write_end_object(w);
}

static const char *document(struct arena *a, bool rootless, size_t *len)
{
	struct json_writer w;

	json_writer_init(&w, a, true);
	json_write_object(&w);
	json_write_member_string(&w, "ociVersion", OCI_VERSION_MAX);
	write_process(&w);
	json_write_member_object(&w, "root");
	json_write_member_string(&w, "path", "rootfs");
	json_write_member_bool(&w, "readonly", true);
	json_write_end_object(&w);
	json_write_member_string(&w, "hostname", "oci-rt");
	json_write_member_array(&w, "mounts");
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
		if (rootless && strcmp(mounts[i].type, "sysfs") == 0)
			write_mount(&w, &rootless_sys, rootless);
		else if (!rootless || strcmp(mounts[i].type, "cgroup") != 0 || unified())
			write_mount(&w, &mounts[i], rootless);
	json_write_end_array(&w);
	write_linux(&w, rootless);
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *bundle = argument(args, "bundle"), *name = argument(args, "file"), *text;
	_cleanup_fd_ int dir = -1, fd = -1;
	size_t len;
	int r;

	if (!bundle)
		bundle = ".";
	if (!name)
		name = "config.json";
	dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_sys(err, errno, "open bundle %s", bundle);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST) {
		error_hint(err, "remove it first, or choose another name with --file");
		return error_set(err, ERR_EXISTS, EEXIST, "file %s%s%s exists", *name == '/' ? "" : bundle,
			*name == '/' ? "" : "/", name);
	}
	if (fd < 0)
		return error_sys(err, errno, "make file %s in %s", name, bundle);
	text = document(rt->arena, argument_switch(args, "rootless"), &len);
	r = fd_write_all(fd, text, len);
	if (r < 0) {
		unlinkat(dir, name, 0);
		return error_sys(err, -r, "write file %s in %s", name, bundle);
	}
	return 0;
}

static const struct command_option options[] = {
	{ .name = "bundle", .letter = 'b', .value = "DIR", .help = "the bundle (the working directory)" },
	{ .name = "file", .letter = 'f', .value = "FILE", .help = "name of the file in the bundle (config.json)" },
	{ .name = "rootless", .help = "a configuration for a caller without privileges" },
	{ 0 },
};

const struct command command_spec = {
	.name = "spec",
	.usage = "[options]",
	.summary = "write a configuration to begin with",
	.options = options,
	.run = run,
};
