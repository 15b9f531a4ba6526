/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the values of RUN --mount and --device, comma-separated lists of key=value.  Keys are read from left
 * to right and some are allowed only behind the type= that has them, as other builders have it.  A value with variables
 * can be read only when they are known: until then the mount is `deferred` and only its from is there, which must do
 * without variables since it decides what is built.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image-tools/dockerfile/ignore.h"
#include "image-tools/dockerfile/internal.h"

static const char *const types[] = { "bind", "cache", "tmpfs", "secret", "ssh", NULL };
static const char *const sharings[] = { "shared", "private", "locked", NULL };
static const char *const keys[] = { "type", "from", "source", "target", "readonly", "id", "sharing", "required", "size",
	"mode", "uid", "gid", "env", "src", "dst", "destination", "ro", "rw", "readwrite", NULL };

struct mount_state {
	struct arena *arena;
	struct dockerfile_mount *m;
	bool read_only_given, sharing_given;
	struct error *err;
};

static int name_index(const char *const *names, const char *s)
{
	for (int i = 0; names[i]; i++)
		if (strcasecmp(names[i], s) == 0)
			return i;
	return -1;
}

static bool is_one_of(const char *s, const char *a, const char *b, const char *c)
{
	return strcmp(s, a) == 0 || (b && strcmp(s, b) == 0) || (c && strcmp(s, c) == 0);
}

static int bad_value(struct mount_state *st, const char *key, const char *value, const char *expected)
{
	return error_set(st->err, ERR_CONFIG, EINVAL, "%s=%.80s: %s is expected", key, value, expected);
}

static int not_for_type(struct mount_state *st, const char *key)
{
	error_set(st->err, ERR_CONFIG, EINVAL, "%s has no meaning for type=%s", key, types[st->m->type]);
	error_hint(st->err, "type= stands before the keys that belong to it");
	return -EINVAL;
}

static int unsigned_value(struct mount_state *st, const char *key, const char *value, int base, uint32_t *out, bool *given)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(value, &end, base);
	if (!*value || strspn(value, "0123456789") != strlen(value) || *end || errno || v > UINT32_MAX)
		return bad_value(st, key, value, base == 8 ? "an octal number" : "a number");
	*out = (uint32_t)v;
	*given = true;
	return 0;
}

static int bool_value(struct mount_state *st, const char *key, const char *value, bool *out)
{
	return dockerfile_parse_bool(value, out) < 0 ? bad_value(st, key, value, "true or false") : 0;
}

static int bare_key(struct mount_state *st, const char *key)
{
	struct dockerfile_mount *m = st->m;

	if (is_one_of(key, "readonly", "ro", NULL) || is_one_of(key, "readwrite", "rw", NULL)) {
		m->read_only = key[4] == 'o' || strcmp(key, "ro") == 0;
		st->read_only_given = true;
		return 0;
	}
	if (strcmp(key, "required") == 0) {
		if (m->type != DOCKERFILE_SECRET && m->type != DOCKERFILE_SSH)
			return not_for_type(st, key);
		m->required = true;
		return 0;
	}
	if (name_index(keys, key) >= 0)
		return error_set(st->err, ERR_CONFIG, EINVAL, "%s needs a value", key);
	return fail_unknown(st->err, "key", key, keys);
}

static int type_value(struct mount_state *st, const char *value)
{
	int i = name_index(types, value);

	if (i < 0)
		return fail_unknown(st->err, "type of mount", value, types);
	st->m->type = (enum dockerfile_mount_type)i;
	return 0;
}

static int sharing_value(struct mount_state *st, const char *value)
{
	int i = name_index(sharings, value);

	if (i < 0)
		return fail_unknown(st->err, "sharing", value, sharings);
	st->m->sharing = (enum dockerfile_sharing)i;
	st->sharing_given = true;
	return 0;
}

static int key_value(struct mount_state *st, const char *key, const char *value)
{
	struct dockerfile_mount *m = st->m;
	int r;

	if (strcmp(key, "type") == 0)
		return type_value(st, value);
	if (strcmp(key, "sharing") == 0)
		return sharing_value(st, value);
	if (strcmp(key, "from") == 0) {
		m->from = *value ? value : NULL;
	} else if (is_one_of(key, "source", "src", NULL)) {
		m->source = value;
	} else if (is_one_of(key, "target", "dst", "destination")) {
		m->target = *value ? value : NULL;
	} else if (strcmp(key, "id") == 0) {
		m->id = *value ? value : NULL;
	} else if (is_one_of(key, "readonly", "ro", NULL) || is_one_of(key, "readwrite", "rw", NULL)) {
		r = bool_value(st, key, value, &m->read_only);
		m->read_only ^= strcmp(key, "rw") == 0 || strcmp(key, "readwrite") == 0;
		st->read_only_given = true;
		return r;
	} else if (strcmp(key, "required") == 0) {
		if (m->type != DOCKERFILE_SECRET && m->type != DOCKERFILE_SSH)
			return not_for_type(st, key);
		return bool_value(st, key, value, &m->required);
	} else if (strcmp(key, "size") == 0) {
		return m->type == DOCKERFILE_TMPFS ? dockerfile_parse_size(value, &m->size, st->err) : not_for_type(st, key);
	} else if (strcmp(key, "env") == 0) {
		if (m->type != DOCKERFILE_SECRET)
			return not_for_type(st, key);
		m->env = *value ? value : NULL;
	} else if (strcmp(key, "mode") == 0) {
		return unsigned_value(st, key, value, 8, &m->mode, &m->has_mode);
	} else if (strcmp(key, "uid") == 0) {
		return unsigned_value(st, key, value, 10, &m->uid, &m->has_uid);
	} else if (strcmp(key, "gid") == 0) {
		return unsigned_value(st, key, value, 10, &m->gid, &m->has_gid);
	} else {
		return fail_unknown(st->err, "key", key, keys);
	}
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The rules between keys, and the defaults. */
static int finish(struct mount_state *st)
{
	struct dockerfile_mount *m = st->m;
	bool owned = m->type == DOCKERFILE_SECRET || m->type == DOCKERFILE_SSH || m->type == DOCKERFILE_CACHE;

	if (!owned && (m->has_mode || m->has_uid || m->has_gid))
		return not_for_type(st, m->has_mode ? "mode" : m->has_uid ? "uid" : "gid");
	if (st->sharing_given && m->type != DOCKERFILE_CACHE)
		return not_for_type(st, "sharing");
	if (m->from && m->type != DOCKERFILE_BIND && m->type != DOCKERFILE_CACHE)
		return not_for_type(st, "from");
	if (!st->read_only_given)
		m->read_only = m->type != DOCKERFILE_CACHE && m->type != DOCKERFILE_TMPFS;
	if (!m->has_mode)
		m->mode = m->type == DOCKERFILE_CACHE ? 0755 : m->type == DOCKERFILE_SSH ? 0600 : 0400;
	if (m->type == DOCKERFILE_SECRET) {
		if (m->source && *m->source && m->id)
			return error_set(st->err, ERR_CONFIG, EINVAL, "a secret has an id or a source, not both");
		if (!m->id)
			m->id = m->source && *m->source ? m->source : m->target ? base_name(m->target) : NULL;
		if (!m->id)
			return error_set(st->err, ERR_CONFIG, EINVAL, "a secret needs an id or a target");
		if (!m->target && !m->env)
			m->target = arena_printf(st->arena, "/run/secrets/%s", base_name(m->id));
		return 0;
	}
	if (m->type == DOCKERFILE_SSH) {
		if (m->source && *m->source)
			return not_for_type(st, "source");
		if (!m->id)
			m->id = "default";
		return 0;
	}
	if (!m->target)
		m->target = ".";
	if (!m->source)
		m->source = "";
	if (m->type == DOCKERFILE_CACHE && !m->id)
		m->id = path_clean(st->arena, m->target);
	return 0;
}

static const char *lower(struct arena *a, const char *s, size_t n)
{
	char *t = arena_strndup(a, s, n);

	for (char *c = t; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return t;
}

int mount_expand(struct arena *a, const char *text, const struct expand_options *o, struct dockerfile_mount *m,
	struct error *err)
{
	struct mount_state st = { .arena = a, .m = m, .err = err };
	struct string_list fields;
	int r;

	*m = (struct dockerfile_mount){ .text = text };
	r = split_csv(a, text, &fields, err);
	for (size_t i = 0; r == 0 && i < fields.count; i++) {
		const char *field = fields.items[i], *equals = strchr(field, '='), *value;

		if (!equals) {
			r = bare_key(&st, lower(a, field, strlen(field)));
			continue;
		}
		value = equals + 1;
		if (o)
			r = expand_word(a, value, o, &value, err);
		if (r == 0)
			r = key_value(&st, lower(a, field, (size_t)(equals - field)), value);
	}
	return r < 0 ? r : finish(&st);
}

int dockerfile_parse_mount(struct arena *a, const char *text, struct dockerfile_mount *m, struct error *err)
{
	return mount_expand(a, text, NULL, m, err);
}

int mount_from_text(struct arena *a, const char *text, char escape, struct dockerfile_mount *m, struct error *err)
{
	const char special[] = { '$', '\'', '"', escape, 0 };
	struct string_list fields;
	bool deferred = false;
	int r = split_csv(a, text, &fields, err);

	*m = (struct dockerfile_mount){ .text = text };
	for (size_t i = 0; r == 0 && i < fields.count; i++) {
		const char *field = fields.items[i], *equals = strchr(field, '='), *variable;

		if (!equals || !strpbrk(equals, special))
			continue;
		deferred = true;
		variable = strchr(equals, '$');
		if (strcmp(lower(a, field, (size_t)(equals - field)), "from") == 0 && variable && variable[1]) {
			error_set(err, ERR_CONFIG, EINVAL, "from=%.80s: variables are not expanded here", equals + 1);
			error_hint(err, "define a stage, FROM %.80s AS name, and use from=name", equals + 1);
			return -EINVAL;
		}
	}
	if (r < 0 || !deferred)
		return r < 0 ? r : mount_expand(a, text, NULL, m, err);
	m->deferred = true;
	for (size_t i = 0; i < fields.count; i++)
		if (strncasecmp(fields.items[i], "from=", 5) == 0 && fields.items[i][5])
			m->from = fields.items[i] + 5;
	return 0;
}

int parse_device(struct arena *a, const char *text, struct dockerfile_device *d, struct error *err)
{
	static const char *const device_keys[] = { "name", "required", NULL };
	struct string_list fields;
	int r = split_csv(a, text, &fields, err);

	*d = (struct dockerfile_device){ 0 };
	for (size_t i = 0; r == 0 && i < fields.count; i++) {
		const char *field = fields.items[i], *equals = strchr(field, '=');
		const char *key = lower(a, field, equals ? (size_t)(equals - field) : strlen(field));

		if (strcmp(key, "required") == 0) {
			d->required = true;
			if (equals && dockerfile_parse_bool(equals + 1, &d->required) < 0)
				r = error_set(err, ERR_CONFIG, EINVAL, "required=%.40s: true or false is expected", equals + 1);
		} else if (equals && strcmp(key, "name") == 0) {
			if (d->name)
				r = error_set(err, ERR_CONFIG, EINVAL, "the name of the device is given twice");
			d->name = equals + 1;
		} else if (!d->name) {
			d->name = field;
		} else {
			r = fail_unknown(err, "key", key, device_keys);
		}
	}
	if (r == 0 && (!d->name || !*d->name))
		return error_set(err, ERR_CONFIG, EINVAL, "a device needs a name");
	return r;
}
