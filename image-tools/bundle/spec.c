/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: config.json from an image by the image-spec's conversion.md,
 * and for what that leaves open the defaults that people know from Docker: fourteen
 * capabilities (none inheritable), masked and read-only paths, the usual mounts, the
 * default system call filter.  Order of members is fixed: same input, same file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "image-tools/bundle/bundle.h"

#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const default_capabilities[] = { "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER",
	"CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
	"CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE" };
static const char *const all_capabilities[] = { "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",
	"CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE",
	"CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
	"CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE" };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/devices/virtual/powercap", "/sys/firmware" };
static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

static const struct bundle_mount default_mounts[] = {
	{ "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts", "devpts", "devpts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static bool listed(const struct string_list *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++) {
		const char *have = l->items[i];

		if (strcasecmp(have, "ALL") == 0 || strcasecmp(have, name) == 0 || strcasecmp(have, name + 4) == 0)
			return true;
	}
	return false;
}

static struct string_list capabilities(struct arena *a, const struct bundle_options *o)
{
	struct string_list l = { 0 };

	for (size_t i = 0; i < COUNT(all_capabilities); i++) {
		const char *name = all_capabilities[i];
		bool on = o->privileged;

		for (size_t k = 0; k < COUNT(default_capabilities); k++)
			on |= strcmp(name, default_capabilities[k]) == 0;
		if (listed(&o->cap_drop, name))
			on = false;
		if (listed(&o->cap_add, name))
			on = true;
		if (on)
			string_list_add(a, &l, name);
	}
	return l;
}

static void write_strings(struct json_writer *w, const char *name, const char *const *items, size_t n)
{
	json_write_member_array(w, name);
	for (size_t i = 0; i < n; i++)
		json_write_string(w, items[i]);
	json_write_end_array(w);
}

static bool has_variable(const struct string_list *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], name, n) == 0 && env->items[i][n] == '=')
			return true;
	return false;
}

/* The image's variables, the user's over them; defaults are added and never override. */
static struct string_list environment(struct arena *a, const struct bundle_spec *s)
{
	struct string_list env = { 0 };
	const struct string_list *ours = &s->options->env, *theirs = &s->image->config.config.env;

	for (size_t i = 0; i < theirs->count; i++) {
		const char *name = arena_strndup(a, theirs->items[i], strcspn(theirs->items[i], "="));

		if (strchr(theirs->items[i], '=') && !has_variable(ours, name))
			string_list_add(a, &env, theirs->items[i]);
	}
	for (size_t i = 0; i < ours->count; i++) {
		const char *value = strchr(ours->items[i], '=') ? NULL : getenv(ours->items[i]);

		if (strchr(ours->items[i], '='))
			string_list_add(a, &env, ours->items[i]);
		else if (value)
			string_list_add(a, &env, arena_printf(a, "%s=%s", ours->items[i], value));
	}
	if (!has_variable(&env, "PATH"))
		string_list_add(a, &env, PATH_DEFAULT);
	if (!has_variable(&env, "HOME"))
		string_list_add(a, &env, arena_printf(a, "HOME=%s", s->user.home ? s->user.home : "/"));
	if (s->options->tty && !has_variable(&env, "TERM"))
		string_list_add(a, &env, "TERM=xterm");
	return env;
}

static struct string_list arguments(struct arena *a, const struct bundle_spec *s)
{
	const struct image_run_config *c = &s->image->config.config;
	struct string_list args = { 0 };

	if (s->options->entrypoint) {
		if (*s->options->entrypoint)
			string_list_add(a, &args, s->options->entrypoint);
	} else {
		for (size_t i = 0; i < c->entrypoint.count; i++)
			string_list_add(a, &args, c->entrypoint.items[i]);
	}
	if (s->options->args.count) {
		for (size_t i = 0; i < s->options->args.count; i++)
			string_list_add(a, &args, s->options->args.items[i]);
	} else if (!s->options->entrypoint) {
		for (size_t i = 0; i < c->cmd.count; i++)
			string_list_add(a, &args, c->cmd.items[i]);
	}
	return args;
}

static void write_process(struct json_writer *w, const struct bundle_spec *s, const struct string_list *caps,
	const struct string_list *args)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	const struct bundle_options *o = s->options;
	const char *cwd = o->workdir ? o->workdir : s->image->config.config.working_dir;
	struct string_list env = environment(w->arena, s);

	json_write_member_object(w, "process");
	json_write_member_bool(w, "terminal", o->tty);
	json_write_member_object(w, "user");
	json_write_member_u64(w, "uid", s->user.uid);
	json_write_member_u64(w, "gid", s->user.gid);
	/* Always there: what is left out would be inherited from the caller. */
	json_write_member_array(w, "additionalGids");
	if ((!s->unprivileged || s->uids.count > 1) && !s->single_id) {
		json_write_u64(w, s->user.gid);
		for (size_t i = 0; i < s->user.groups_count; i++)
			json_write_u64(w, s->user.groups[i]);
	}
	json_write_end_array(w);
	json_write_end_object(w);
	write_strings(w, "args", args->items, args->count);
	write_strings(w, "env", env.items, env.count);
	json_write_member_string(w, "cwd", cwd && *cwd ? (*cwd == '/' ? cwd : arena_printf(w->arena, "/%s", cwd)) : "/");
	json_write_member_object(w, "capabilities");
	for (size_t i = 0; i < COUNT(sets); i++) {
		/* As the kernel does at execve for a user who is not root. */
		bool empty = s->user.uid != 0 && i > 0;

		write_strings(w, sets[i], caps->items, empty ? 0 : caps->count);
	}
	json_write_end_object(w);
	if (s->rlimits_count) {
		json_write_member_array(w, "rlimits");
		for (size_t i = 0; i < s->rlimits_count; i++) {
			json_write_object(w);
			json_write_member_string(w, "type", s->rlimits[i].type);
			json_write_member_u64(w, "soft", s->rlimits[i].soft);
			json_write_member_u64(w, "hard", s->rlimits[i].hard);
			json_write_end_object(w);
		}
		json_write_end_array(w);
	}
	json_write_member_bool(w, "noNewPrivileges", o->no_new_privileges);
	/* A user may raise his score (sessions often have it raised), not lower it. */
	if (!s->unprivileged)
		json_write_member_i64(w, "oomScoreAdj", 0);
	json_write_end_object(w);
}

static void write_mount(struct json_writer *w, const struct bundle_mount *m, bool one_id)
{
	json_write_object(w);
	json_write_member_string(w, "destination", m->destination);
	json_write_member_string(w, "type", m->type);
	json_write_member_string(w, "source", m->source);
	json_write_member_array(w, "options");
	for (size_t i = 0; i < COUNT(m->options) && m->options[i]; i++)
		if (!(one_id && strcmp(m->options[i], "gid=5") == 0))
			json_write_string(w, m->options[i]);
	json_write_end_array(w);
	json_write_end_object(w);
}

static bool is_network(const struct bundle_spec *s, const char *net)
{
	return strcmp(s->options->net, net) == 0;
}

static void write_mounts(struct json_writer *w, const struct bundle_spec *s)
{
	static const struct bundle_mount host_sys = { "/sys", "bind", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" } };

	json_write_member_array(w, "mounts");
	if (s->root_options.count) {
		json_write_object(w);
		json_write_member_string(w, "destination", "/");
		json_write_member_string(w, "type", "overlay");
		json_write_member_string(w, "source", "oci-image");
		write_strings(w, "options", s->root_options.items, s->root_options.count);
		json_write_end_object(w);
	}
	for (size_t i = 0; i < COUNT(default_mounts); i++) {
		const struct bundle_mount *m = &default_mounts[i];

		/* sysfs can be mounted only by the owner of the network namespace. */
		if ((s->unprivileged || s->nested) && strcmp(m->type, "sysfs") == 0 && is_network(s, "host"))
			m = &host_sys;
		if ((s->unprivileged || s->nested) && strcmp(m->type, "cgroup") == 0)
			continue;
		write_mount(w, m, (s->unprivileged && s->uids.count <= 1) || s->nested);
	}
	for (size_t i = 0; i < s->mounts_count; i++)
		write_mount(w, &s->mounts[i], s->unprivileged && s->uids.count <= 1);
	json_write_end_array(w);
}

static void write_hook(struct json_writer *w, const char *stage, const struct bundle_spec *s, const char *verb)
{
	json_write_member_array(w, stage);
	json_write_object(w);
	json_write_member_string(w, "path", s->program);
	json_write_member_array(w, "args");
	json_write_string(w, "oci-image");
	json_write_string(w, "hook");
	json_write_string(w, verb);
	json_write_string(w, s->bundle);
	json_write_end_array(w);
	json_write_member_array(w, "env");
	json_write_string(w, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	json_write_end_array(w);
	json_write_member_i64(w, "timeout", 60);
	json_write_end_object(w);
	json_write_end_array(w);
}

static int write_resources(struct json_writer *w, const struct bundle_spec *s, struct error *err)
{
	const struct bundle_options *o = s->options;
	int64_t n;
	int r;

	json_write_member_object(w, "resources");
	if (!s->unprivileged && !s->nested) {
		json_write_member_array(w, "devices");
		json_write_object(w);
		json_write_member_bool(w, "allow", o->privileged);
		json_write_member_string(w, "access", "rwm");
		json_write_end_object(w);
		json_write_end_array(w);
	}
	if (o->memory) {
		r = bundle_parse_size(o->memory, &n, err);
		if (r < 0)
			return error_wrap(err, "--memory");
		json_write_member_object(w, "memory");
		json_write_member_i64(w, "limit", n);
		json_write_end_object(w);
	}
	if (o->cpus) {
		char *end;
		double cpus = strtod(o->cpus, &end);

		if (*end || !(cpus >= 0.01 && cpus <= 8192))
			return error_set(err, ERR_USAGE, EINVAL, "--cpus \"%.40s\": a number from 0.01 on expected", o->cpus);
		json_write_member_object(w, "cpu");
		json_write_member_i64(w, "quota", (int64_t)(cpus * 100000 + 0.5));
		json_write_member_u64(w, "period", 100000);
		json_write_end_object(w);
	}
	if (o->pids) {
		char *end;
		long long pids = strtoll(o->pids, &end, 10);

		if (*end || !*o->pids || pids < -1 || pids == 0)
			return error_set(err, ERR_USAGE, EINVAL, "--pids \"%.40s\": a positive number or -1 expected", o->pids);
		json_write_member_object(w, "pids");
		json_write_member_i64(w, "limit", pids);
		json_write_end_object(w);
	}
	json_write_end_object(w);
	return 0;
}

/* Without a map: root is the caller, and nobody else is there. */
static void write_mapping(struct json_writer *w, const char *name, const struct id_map *map, unsigned int own)
{
	const struct id_map single = { .ranges = { { 0, own, 1 } }, .count = 1 };

	if (map->count == 0)
		map = &single;
	json_write_member_array(w, name);
	for (size_t i = 0; i < map->count; i++) {
		json_write_object(w);
		json_write_member_u64(w, "containerID", map->ranges[i].inside);
		json_write_member_u64(w, "hostID", map->ranges[i].outside);
		json_write_member_u64(w, "size", map->ranges[i].count);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static int write_linux(struct json_writer *w, const struct bundle_spec *s, const struct string_list *caps, struct error *err)
{
	static const char *const namespaces[] = { "pid", "ipc", "uts", "mount" };
	struct statfs fs;
	int r;

	json_write_member_object(w, "linux");
	r = write_resources(w, s, err);
	if (r < 0)
		return r;
	json_write_member_array(w, "namespaces");
	for (size_t i = 0; i < COUNT(namespaces) + 3; i++) {
		const char *type = i < COUNT(namespaces) ? namespaces[i] : i == COUNT(namespaces) ? "network" :
				i == COUNT(namespaces) + 1 ? "cgroup" : "user";

		if (strcmp(type, "network") == 0 && is_network(s, "host"))
			continue;
		if (strcmp(type, "cgroup") == 0 &&
			(statfs("/sys/fs/cgroup", &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC))
			continue;
		if (strcmp(type, "user") == 0 && !s->unprivileged && !s->uids.count)
			continue;
		json_write_object(w);
		json_write_member_string(w, "type", type);
		if (s->network_path && strcmp(type, "network") == 0)
			json_write_member_string(w, "path", s->network_path);
		json_write_end_object(w);
	}
	json_write_end_array(w);
	if (s->cgroups_path)
		json_write_member_string(w, "cgroupsPath", s->cgroups_path);
	if (s->uids.count || s->unprivileged) {
		write_mapping(w, "uidMappings", &s->uids, geteuid());
		write_mapping(w, "gidMappings", &s->gids, getegid());
	}
	if (!s->options->privileged) {
		write_strings(w, "maskedPaths", masked, COUNT(masked));
		write_strings(w, "readonlyPaths", read_only, COUNT(read_only));
		bundle_seccomp_write(w, caps);
	}
	json_write_end_object(w);
	return 0;
}

static const char *joined_sorted(struct arena *a, const struct image_set_item *items, size_t n)
{
	const char **names = arena_array(a, const char *, n + 1), *out = "";

	for (size_t i = 0; i < n; i++) {
		size_t k = i;

		for (; k > 0 && strcmp(names[k - 1], items[i].name) > 0; k--)
			names[k] = names[k - 1];
		names[k] = items[i].name;
	}
	for (size_t i = 0; i < n; i++)
		out = arena_printf(a, "%s%s%s", out, *out ? "," : "", names[i]);
	return out;
}

/* conversion.md, "Annotation Fields": labels win over the implied ones. */
static void write_annotations(struct json_writer *w, const struct bundle_spec *s)
{
	const struct image_config *c = &s->image->config;
	struct string_map m = { 0 };
	const struct {
		const char *key, *value;
	} implied[] = {
		{ "org.opencontainers.image.os", c->os },
		{ "org.opencontainers.image.architecture", c->architecture },
		{ "org.opencontainers.image.variant", c->variant },
		{ "org.opencontainers.image.os.version", c->os_version },
		{ "org.opencontainers.image.author", c->author },
		{ "org.opencontainers.image.created", c->created },
		{ "org.opencontainers.image.stopSignal", c->config.stop_signal },
		{ "org.opencontainers.image.exposedPorts",
			joined_sorted(w->arena, c->config.exposed_ports.items, c->config.exposed_ports.count) },
	};

	for (size_t i = 0; i < COUNT(implied); i++)
		if (implied[i].value && *implied[i].value)
			string_map_set(w->arena, &m, implied[i].key, implied[i].value);
	for (size_t i = 0; i < c->config.labels.count; i++)
		if (*c->config.labels.items[i].key)
			string_map_set(w->arena, &m, c->config.labels.items[i].key, c->config.labels.items[i].value);
	for (size_t i = 0; i < s->options->labels.count; i++) {
		const char *text = s->options->labels.items[i];

		string_map_set(w->arena, &m, arena_strndup(w->arena, text, strcspn(text, "=")),
			strchr(text, '=') ? strchr(text, '=') + 1 : "");
	}
	json_write_member_object(w, "annotations");
	for (size_t i = 0; i < m.count; i++)
		json_write_member_string(w, m.items[i].key, m.items[i].value);
	json_write_end_object(w);
}

const char *bundle_spec_write(struct arena *a, const struct bundle_spec *s, size_t *len, struct error *err)
{
	struct string_list caps = capabilities(a, s->options), args = arguments(a, s);
	struct json_writer w;

	if (args.count == 0) {
		error_set(err, ERR_CONFIG, EINVAL, "the image has neither an entrypoint nor a command");
		error_hint(err, "give the command behind --");
		return NULL;
	}
	json_writer_init(&w, a, true);
	json_write_object(&w);
	json_write_member_string(&w, "ociVersion", "1.0.2");
	write_process(&w, s, &caps, &args);
	json_write_member_object(&w, "root");
	json_write_member_string(&w, "path", "rootfs");
	json_write_member_bool(&w, "readonly", s->options->read_only);
	json_write_end_object(&w);
	json_write_member_string(&w, "hostname", s->options->hostname);
	write_mounts(&w, s);
	if (is_network(s, "bridge")) {
		json_write_member_object(&w, "hooks");
		write_hook(&w, "createRuntime", s, "network-add");
		write_hook(&w, "poststop", s, "network-remove");
		json_write_end_object(&w);
	}
	write_annotations(&w, s);
	if (write_linux(&w, s, &caps, err) < 0)
		return NULL;
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}
