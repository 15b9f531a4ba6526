/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a JSON merge patch (RFC 7396): objects are merged member by
 * member, null removes, anything else replaces.  Both texts become yajl's trees; the
 * result is written at once, numbers as they stood.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "image-tools/bundle/bundle.h"

#define DEPTH_MAX 64

static bool write_value(struct json_writer *w, yajl_val v, int depth);

static yajl_val member(yajl_val object, const char *name)
{
	for (size_t i = 0; YAJL_IS_OBJECT(object) && i < object->u.object.len; i++)
		if (strcmp(object->u.object.keys[i], name) == 0)
			return object->u.object.values[i];
	return NULL;
}

/* base may be NULL or of another type: then the patch alone, without its nulls. */
static bool write_merged(struct json_writer *w, yajl_val base, yajl_val patch, int depth)
{
	bool ok = depth < DEPTH_MAX;

	if (!YAJL_IS_OBJECT(patch))
		return write_value(w, patch, depth);
	json_write_object(w);
	for (size_t i = 0; ok && YAJL_IS_OBJECT(base) && i < base->u.object.len; i++) {
		yajl_val over = member(patch, base->u.object.keys[i]);

		if (over && YAJL_IS_NULL(over))
			continue;
		json_write_key(w, base->u.object.keys[i]);
		ok = over ? write_merged(w, base->u.object.values[i], over, depth + 1) :
			    write_value(w, base->u.object.values[i], depth + 1);
	}
	for (size_t i = 0; ok && i < patch->u.object.len; i++) {
		if (member(base, patch->u.object.keys[i]) || YAJL_IS_NULL(patch->u.object.values[i]))
			continue;
		json_write_key(w, patch->u.object.keys[i]);
		ok = write_merged(w, NULL, patch->u.object.values[i], depth + 1);
	}
	json_write_end_object(w);
	return ok;
}

static bool write_value(struct json_writer *w, yajl_val v, int depth)
{
	bool ok = depth < DEPTH_MAX;

	switch (v->type) {
	case yajl_t_string:
		json_write_string(w, v->u.string);
		break;
	case yajl_t_number:
		json_write_raw(w, v->u.number.r, strlen(v->u.number.r));
		break;
	case yajl_t_true:
	case yajl_t_false:
		json_write_bool(w, v->type == yajl_t_true);
		break;
	case yajl_t_object:
		json_write_object(w);
		for (size_t i = 0; ok && i < v->u.object.len; i++) {
			json_write_key(w, v->u.object.keys[i]);
			ok = write_value(w, v->u.object.values[i], depth + 1);
		}
		json_write_end_object(w);
		break;
	case yajl_t_array:
		json_write_array(w);
		for (size_t i = 0; ok && i < v->u.array.len; i++)
			ok = write_value(w, v->u.array.values[i], depth + 1);
		json_write_end_array(w);
		break;
	default:
		json_write_null(w);
	}
	return ok;
}

const char *bundle_spec_merge(struct arena *a, const char *base, const char *file, size_t *len, struct error *err)
{
	_cleanup_fd_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	yajl_val below = NULL, above = NULL;
	const char *text = NULL;
	struct json_writer w;
	char why[512] = "";
	char *patch;
	size_t n;
	int r = fd < 0 ? -errno : fd_read_all(fd, a, 16 << 20, &patch, &n);

	if (r < 0) {
		error_sys(err, -r, "read %s", file);
		return NULL;
	}
	above = yajl_tree_parse(patch, why, sizeof why);
	below = yajl_tree_parse(base, NULL, 0);
	if (!above || !below || strlen(patch) != n || !YAJL_IS_OBJECT(above)) {
		why[strcspn(why, "\n")] = '\0';
		error_set(err, ERR_CONFIG, EINVAL, "--spec %s: not a JSON object%s%s", file, *why ? ": " : "", why);
	} else {
		json_writer_init(&w, a, true);
		if (write_merged(&w, below, above, 0))
			text = json_writer_finish(&w, len);
		else
			error_set(err, ERR_CONFIG, ELOOP, "--spec %s: nested too deeply", file);
	}
	yajl_tree_free(above);
	yajl_tree_free(below);
	return text;
}
