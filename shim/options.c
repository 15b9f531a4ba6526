/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one table of members serves the TOML keys, the JSON keys
 * and the JSON output; only the protobuf form is read by hand.
 */
#include "shim/options.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/frame.h"
#include "shim/json.h"
#include "shim/toml.h"
#include "specs/task/options.pb-c.h"

enum kind { BOOL, UINT, STRING };

static const struct member {
	const char *toml, *json;
	enum kind kind;
	size_t offset;
} members[] = {
	{"NoPivotRoot", "no_pivot_root", BOOL, offsetof(struct options, no_pivot_root)},
	{"NoNewKeyring", "no_new_keyring", BOOL, offsetof(struct options, no_new_keyring)},
	{"ShimCgroup", "shim_cgroup", STRING, offsetof(struct options, shim_cgroup)},
	{"IoUid", "io_uid", UINT, offsetof(struct options, io_uid)},
	{"IoGid", "io_gid", UINT, offsetof(struct options, io_gid)},
	{"BinaryName", "binary_name", STRING, offsetof(struct options, binary_name)},
	{"Root", "root", STRING, offsetof(struct options, root)},
	{"CriuPath", "criu_path", STRING, offsetof(struct options, criu_path)},
	{"SystemdCgroup", "systemd_cgroup", BOOL, offsetof(struct options, systemd_cgroup)},
	{"CriuImagePath", "criu_image_path", STRING, offsetof(struct options, criu_image_path)},
	{"CriuWorkPath", "criu_work_path", STRING, offsetof(struct options, criu_work_path)},
};
#define MEMBERS (sizeof members / sizeof members[0])

void options_init(struct options *o)
{
	*o = (struct options){.shim_cgroup = "",
		.binary_name = "",
		.root = "",
		.criu_path = "",
		.criu_image_path = "",
		.criu_work_path = ""};
}

static void set_member(struct options *o, const struct member *m, const char *text, struct arena *a)
{
	char *at = (char *)o + m->offset;

	switch (m->kind) {
	case BOOL:
		*(bool *)at = strcmp(text, "true") == 0;
		break;
	case UINT:
		*(uint32_t *)at = (uint32_t)strtoul(text, NULL, 0);
		break;
	case STRING:
		*(const char **)at = arena_strdup(a, text);
		break;
	}
}

bool type_url_is(const char *type_url, const char *name)
{
	const char *slash = strrchr(type_url, '/');

	return strcmp(slash ? slash + 1 : type_url, name) == 0;
}

static int from_runc(struct options *o, const void *value, size_t len, struct arena *a, struct error *err)
{
	ProtobufCAllocator allocator = arena_allocator(a);
	Options__Runc *m = options__runc__unpack(&allocator, len, value);

	if (!m)
		return error_set(err, ERR_USAGE, EINVAL, "the runc options do not parse");
	*o = (struct options){
		.no_pivot_root = m->no_pivot_root,
		.no_new_keyring = m->no_new_keyring,
		.systemd_cgroup = m->systemd_cgroup,
		.io_uid = m->io_uid,
		.io_gid = m->io_gid,
		.shim_cgroup = m->shim_cgroup,
		.binary_name = m->binary_name,
		.root = m->root,
		.criu_path = m->criu_path,
		.criu_image_path = m->criu_image_path,
		.criu_work_path = m->criu_work_path,
	};
	return 0;
}

/* Part of the options only: what else was said stays. */
static int from_create(struct options *o, const void *value, size_t len, struct arena *a, struct error *err)
{
	ProtobufCAllocator allocator = arena_allocator(a);
	Options__Create *m = options__create__unpack(&allocator, len, value);

	if (!m)
		return error_set(err, ERR_USAGE, EINVAL, "the create options do not parse");
	o->no_pivot_root = m->no_pivot_root;
	o->no_new_keyring = m->no_new_keyring;
	o->shim_cgroup = m->shim_cgroup;
	o->io_uid = m->io_uid;
	o->io_gid = m->io_gid;
	o->criu_work_path = m->criu_work_path;
	o->criu_image_path = m->criu_image_path;
	return 0;
}

static int from_toml_any(struct options *o, const void *value, size_t len, struct arena *a, struct error *err)
{
	ProtobufCAllocator allocator = arena_allocator(a);
	Options__Runtime *m = options__runtime__unpack(&allocator, len, value);
	char *text;
	size_t n;
	int r;

	if (!m)
		return error_set(err, ERR_USAGE, EINVAL, "the runtime options do not parse");
	if (m->config_body.len)
		return options_from_toml(o, (const char *)m->config_body.data, m->config_body.len, a, err);
	if (!*m->config_path)
		return 0;
	r = fd_read_file(AT_FDCWD, m->config_path, a, 1 << 20, &text, &n);
	if (r < 0)
		return error_sys(err, -r, "read runtime options %s", m->config_path);
	return options_from_toml(o, text, n, a, err);
}

int options_from_any(
	struct options *o, const char *type_url, const void *value, size_t len, struct arena *a, struct error *err)
{
	if (!type_url || !*type_url)
		return 0;
	if (type_url_is(type_url, "containerd.runc.v1.Options"))
		return from_runc(o, value, len, a, err);
	if (type_url_is(type_url, "runtimeoptions.v1.Options") ||
		type_url_is(type_url, "cri.runtimeoptions.v1.Options"))
		return from_toml_any(o, value, len, a, err);
	if (type_url_is(type_url, "containerd.linux.runc.CreateOptions"))
		return from_create(o, value, len, a, err);
	return error_set(err, ERR_USAGE, EINVAL, "unsupported option type %s", type_url);
}

struct sink {
	struct options *o;
	struct arena *a;
};

static void on_toml(void *context, const char *key, const char *value)
{
	struct sink *s = context;

	for (size_t i = 0; i < MEMBERS; i++) {
		if (strcasecmp(key, members[i].toml) == 0 || strcmp(key, members[i].json) == 0)
			set_member(s->o, &members[i], value, s->a);
	}
}

int options_from_toml(struct options *o, const char *text, size_t len, struct arena *a, struct error *err)
{
	struct sink s = {o, a};

	return toml_scan(text, len, on_toml, &s, a, err);
}

static void on_json(void *context, const struct json_value *v)
{
	struct sink *s = context;

	for (size_t i = 0; i < MEMBERS && v->kind != JSON_OBJECT_END; i++) {
		if (json_at(v, members[i].json, NULL))
			set_member(s->o, &members[i], v->text, s->a);
	}
}

int options_save(const struct options *o, const char *bundle, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	_cleanup_fd_ int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *text = "{", *comma = "";
	int r;

	if (dir < 0)
		return error_sys(err, errno, "open bundle %s", bundle);
	for (size_t i = 0; i < MEMBERS; i++) {
		const char *at = (const char *)o + members[i].offset;
		const char *value = NULL;

		if (members[i].kind == BOOL && *(const bool *)at)
			value = "true";
		else if (members[i].kind == UINT && *(const uint32_t *)at)
			value = arena_printf(&a, "%u", *(const uint32_t *)at);
		else if (members[i].kind == STRING && **(const char *const *)at)
			value = json_quote(&a, *(const char *const *)at);
		if (!value)
			continue;
		text = arena_printf(&a, "%s%s\"%s\":%s", text, comma, members[i].json, value);
		comma = ",";
	}
	text = arena_printf(&a, "%s}", text);
	r = fd_replace_file(dir, "options.json", text, strlen(text), 0600);
	if (r == 0)
		r = fd_replace_file(dir, "runtime", o->binary_name, strlen(o->binary_name), 0600);
	return r < 0 ? error_sys(err, -r, "write the options into bundle %s", bundle) : 0;
}

int options_load(struct options *o, const char *bundle, struct arena *a, struct error *err)
{
	_cleanup_fd_ int dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sink s = {o, a};
	char *text;
	size_t len;
	int r;

	options_init(o);
	if (dir < 0)
		return error_sys(err, errno, "open bundle %s", bundle);
	r = fd_read_file(dir, "options.json", a, 1 << 20, &text, &len);
	if (r == 0)
		r = json_scan(text, len, on_json, &s);
	if (r < 0 && r != -ENOENT)
		return error_sys(err, -r, "read %s/options.json", bundle);
	/* The older of the two files; a shim of another make may have written only this one. */
	if (!*o->binary_name && fd_read_file(dir, "runtime", a, PATH_MAX, &text, &len) == 0)
		o->binary_name = text;
	return 0;
}

static const char *beside_us(struct arena *a, const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	return arena_printf(a, "%s/%s", dirname(self), name);
}

int options_runtime(const struct options *o, struct arena *a, const char **path, struct error *err)
{
	const char *name = *o->binary_name ? o->binary_name : "oci-rt";
	const char *dirs = getenv("PATH"), *candidate;

	if (name[0] == '/') {
		*path = name;
		return 0;
	}
	if (strchr(name, '/'))
		return error_set(err, ERR_USAGE, EINVAL, "runtime %s is neither a name nor an absolute path", name);
	for (const char *p = dirs ? dirs : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; *p;) {
		size_t n = strcspn(p, ":");

		if (n > 0 && *p == '/') {
			candidate = arena_printf(a, "%.*s/%s", (int)n, p, name);
			if (access(candidate, X_OK) == 0) {
				*path = candidate;
				return 0;
			}
		}
		p += n + (p[n] == ':');
	}
	candidate = beside_us(a, name);
	if (candidate && access(candidate, X_OK) == 0) {
		*path = candidate;
		return 0;
	}
	return error_set(err, ERR_NOT_FOUND, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

const char *options_root(const struct options *o, const char *namespace_name, struct arena *a)
{
	const char *root = *o->root ? o->root : *o->binary_name ? "/run/containerd/runc" : "/run/containerd/oci-rt";

	return arena_printf(a, "%s/%s", root, namespace_name);
}
