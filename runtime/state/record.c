/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: one descriptor table reads what record_format() writes; the format is in specs/state.md. */
#include "runtime/state/record.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/json_write.h"

#define RECORD_VERSION 1
#define PASSWD_MAX (4u << 20)

struct document {
	int32_t version;
	struct state state;
};

static const struct json_field cgroup_fields[] = {
	JSON_F(JSON_STRING, struct cgroup_record, version, "version", .required = true),
	JSON_F(JSON_STRING, struct cgroup_record, manager, "manager", .required = true),
	JSON_F_LIST(JSON_MAP, struct cgroup_record, paths, "paths"),
	JSON_F(JSON_STRING, struct cgroup_record, scope, "scope"),
	JSON_F(JSON_BOOL, struct cgroup_record, user_bus, "userBus"),
};
static const struct json_object cgroup_object = JSON_OBJECT_OF("cgroup", struct cgroup_record, cgroup_fields);

#define F(KIND, MEMBER, NAME, ...) JSON_F(KIND, struct document, state.MEMBER, NAME, ##__VA_ARGS__)
static const struct json_field fields[] = {
	JSON_F_RANGE(JSON_INT, struct document, version, "version", RECORD_VERSION, RECORD_VERSION, .required = true),
	F(JSON_STRING, oci_version, "ociVersion", .required = true),
	F(JSON_STRING, id, "id", .required = true),
	JSON_F_RANGE(JSON_INT, struct document, state.pid, "pid", 1, INT32_MAX, .required = true),
	F(JSON_UINT, pid_start, "pidStart", .required = true),
	F(JSON_STRING, bundle, "bundle", .required = true),
	F(JSON_STRING, rootfs, "rootfs", .required = true),
	F(JSON_STRING, created, "created", .required = true),
	F(JSON_UINT, owner, "owner", .required = true),
	JSON_F_LIST(JSON_MAP, struct document, state.annotations, "annotations"),
	F(JSON_BOOL, poststart, "poststart"),
	F(JSON_BOOL, poststop, "poststop"),
	F(JSON_OBJECT, cgroup, "cgroup", .object = &cgroup_object, .required = true),
};
static const struct json_object document_object = JSON_OBJECT_OF("state", struct document, fields);

static void write_map(struct json_writer *w, const char *name, const struct config_map *map)
{
	if (map->count == 0)
		return;
	json_write_member_object(w, name);
	for (size_t i = 0; i < map->count; i++)
		json_write_member_string(w, map->items[i].key, map->items[i].value);
	json_write_end_object(w);
}

const char *record_format(struct arena *a, const struct state *s, size_t *len)
{
	struct json_writer w;

	json_writer_init(&w, a, false);
	json_write_object(&w);
	json_write_member_i64(&w, "version", RECORD_VERSION);
	json_write_member_string(&w, "ociVersion", s->oci_version);
	json_write_member_string(&w, "id", s->id);
	json_write_member_i64(&w, "pid", s->pid);
	json_write_member_u64(&w, "pidStart", s->pid_start);
	json_write_member_string(&w, "bundle", s->bundle);
	json_write_member_string(&w, "rootfs", s->rootfs);
	json_write_member_string(&w, "created", s->created);
	json_write_member_u64(&w, "owner", s->owner);
	write_map(&w, "annotations", &s->annotations);
	if (s->poststart)
		json_write_member_bool(&w, "poststart", true);
	if (s->poststop)
		json_write_member_bool(&w, "poststop", true);
	json_write_member_object(&w, "cgroup");
	json_write_member_string(&w, "version", s->cgroup.version);
	json_write_member_string(&w, "manager", s->cgroup.manager);
	write_map(&w, "paths", &s->cgroup.paths);
	if (s->cgroup.scope)
		json_write_member_string(&w, "scope", s->cgroup.scope);
	if (s->cgroup.user_bus)
		json_write_member_bool(&w, "userBus", true);
	json_write_end_object(&w);
	json_write_end_object(&w);
	return json_writer_finish(&w, len);
}

int record_parse(const char *buf, size_t len, struct arena *a, struct state *s, struct error *err)
{
	struct json_errors errors = { 0 };
	struct document d = { 0 };

	if (json_read(&document_object, buf, len, a, &d, &errors) < 0)
		return json_errors_first(&errors, ERR_CORRUPT, NULL, err);
	*s = d.state;
	return 0;
}

const char *state_owner(const struct state *s, struct arena *a)
{
	/* Not getpwuid(): it loads the C library's modules, which a static program cannot count on. */
	const char *name = s->owner ? NULL : "root";
	struct passwd *entry;
	FILE *file = NULL;
	char *text;
	size_t len;

	if (!name && fd_read_file(AT_FDCWD, "/etc/passwd", a, PASSWD_MAX, &text, &len) == 0 && len)
		file = fmemopen(text, len, "r");
	while (file && !name && (entry = fgetpwent(file)))
		if (entry->pw_uid == s->owner)
			name = arena_strdup(a, entry->pw_name);
	if (file)
		fclose(file);
	return name ? name : arena_printf(a, "#%u", s->owner);
}

const char *state_json(struct arena *a, const struct state *s, enum status status, pid_t pid, bool extended, bool pretty)
{
	struct json_writer w;

	json_writer_init(&w, a, pretty);
	json_write_object(&w);
	json_write_member_string(&w, "ociVersion", s->oci_version);
	json_write_member_string(&w, "id", s->id);
	json_write_member_i64(&w, "pid", status == STATUS_STOPPED ? 0 : pid);
	json_write_member_string(&w, "status", status_name(status));
	json_write_member_string(&w, "bundle", s->bundle);
	if (extended) {
		json_write_member_string(&w, "rootfs", s->rootfs);
		json_write_member_string(&w, "created", s->created);
		if (s->cgroup.scope)
			json_write_member_string(&w, "systemd-scope", s->cgroup.scope);
	}
	write_map(&w, "annotations", &s->annotations);
	if (extended)
		json_write_member_string(&w, "owner", state_owner(s, a));
	json_write_end_object(&w);
	return json_writer_finish(&w, NULL);
}
