/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: one pass over the file; its memory is given back at once. */
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "shim/json.h"

#define CONFIG_MAX (16u << 20)

struct reading {
	struct spec *spec;
	struct arena *a;
	bool is_pid, has_path, runc_group;
};

static void on_value(void *context, const struct json_value *v)
{
	struct reading *r = context;

	if (json_at(v, "annotations", "io.containerd.runc.v2.group", NULL) && v->kind == JSON_STRING) {
		r->spec->group = arena_strdup(r->a, v->text);
		r->runc_group = true;
	} else if (json_at(v, "annotations", "io.kubernetes.cri.sandbox-id", NULL) && v->kind == JSON_STRING) {
		if (!r->runc_group)
			r->spec->group = arena_strdup(r->a, v->text);
	} else if (json_at(v, "linux", "cgroupsPath", NULL) && v->kind == JSON_STRING) {
		const char *first = strchr(v->text, ':');

		r->spec->systemd_cgroup = first && strchr(first + 1, ':') && !strchr(v->text, '/');
	} else if (json_at(v, "linux", "namespaces", "[]", "type", NULL)) {
		r->is_pid = strcmp(v->text, "pid") == 0;
	} else if (json_at(v, "linux", "namespaces", "[]", "path", NULL)) {
		r->has_path = v->len > 0;
	} else if (json_at(v, "linux", "namespaces", "[]", NULL) && v->kind == JSON_OBJECT_END) {
		if (r->is_pid)
			r->spec->private_pidns = !r->has_path;
		r->is_pid = r->has_path = false;
	}
}

int spec_read(const char *bundle, struct arena *a, struct spec *spec, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena tmp = ARENA_INIT;
	struct reading reading = {.spec = spec, .a = a};
	char *text;
	size_t len;
	int r;

	*spec = (struct spec){.group = ""};
	r = fd_read_file(AT_FDCWD, arena_printf(&tmp, "%s/config.json", bundle), &tmp, CONFIG_MAX, &text, &len);
	if (r < 0)
		return error_sys(err, -r, "read %s/config.json", bundle);
	r = json_scan(text, len, on_value, &reading);
	return r < 0 ? error_set(err, ERR_CONFIG, EINVAL, "%s/config.json is not valid JSON", bundle) : 0;
}
