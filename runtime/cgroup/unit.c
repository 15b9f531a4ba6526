/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: names of systemd units for containers.
 *
 * Engines write linux.cgroupsPath as "slice:prefix:name" for this manager: the
 * unit is "prefix-name.scope" in slice "slice"; a name that ends in ".slice" is
 * a slice itself.  A path without colons (crun's extension) is a name.  Slices
 * nest by their dashes: "a-b.slice" lives in "/a.slice/a-b.slice"
 * (systemd.slice(5)).
 */
#include <errno.h>
#include <string.h>

#include "runtime/cgroup/internal.h"

#define UNIT_NAME_MAX 255
#define DEFAULT_PREFIX "oci-rt"

static int bad(struct error *err, const char *path, const char *why)
{
	error_path(err, "linux.cgroupsPath");
	error_hint(err, "the systemd cgroup manager wants \"slice:prefix:name\", for example \"system.slice:oci-rt:web\"");
	return error_set(err, ERR_CONFIG, EINVAL, "\"%s\": %s", path, why);
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

/* systemd.unit(5): letters, digits and ":-_.\"; "@" marks instances. */
static bool valid_name(const char *name)
{
	return *name && strlen(name) <= UNIT_NAME_MAX &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@")] == '\0';
}

/* Bytes that a unit name cannot hold ("+" of container ids), as systemd-escape(1) does. */
static const char *escape(struct arena *a, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	char *out = arena_alloc(a, strlen(s) * 4 + 1), *to = out;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '+') {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		} else {
			*to++ = (char)c;
		}
	}
	*to = '\0';
	return out;
}

int unit_from_path(struct arena *a, const char *path, const char *id, bool user, const char **slice, const char **unit,
	struct error *err)
{
	const char *default_slice = user ? "user.slice" : "system.slice";
	const char *prefix = DEFAULT_PREFIX, *name = id, *c1, *c2;

	*slice = default_slice;
	if (path && *path) {
		c1 = strchr(path, ':');
		c2 = c1 ? strchr(c1 + 1, ':') : NULL;
		if (c1 && (!c2 || strchr(c2 + 1, ':')))
			return bad(err, path, "expected two colons");
		if (c1) {
			if (c1 > path)
				*slice = arena_strndup(a, path, (size_t)(c1 - path));
			prefix = arena_strndup(a, c1 + 1, (size_t)(c2 - c1 - 1));
			name = c2 + 1;
		} else {
			prefix = "";
			name = path[0] == '/' ? path + 1 : path;
			if (strchr(name, '/'))
				return bad(err, path, "a path in the filesystem");
		}
		if (!*name)
			return bad(err, path, "the name is empty");
	}
	if (strcmp(*slice, "-") == 0)
		*slice = "-.slice";
	if (!ends_with(*slice, ".slice") || !valid_name(*slice))
		return bad(err, *slice, "not the name of a slice");
	name = escape(a, name);
	if (ends_with(name, ".slice"))
		*unit = name;
	else if (*prefix)
		*unit = arena_printf(a, "%s-%s.scope", escape(a, prefix), name);
	else
		*unit = ends_with(name, ".scope") ? name : arena_printf(a, "%s.scope", name);
	if (!valid_name(*unit))
		return bad(err, *unit, "not the name of a systemd unit");
	return 0;
}

int unit_expand_slice(struct arena *a, const char *slice, const char **path, struct error *err)
{
	size_t n = strlen(slice);
	const char *stem, *out = "";

	if (n <= 6 || !ends_with(slice, ".slice") || strchr(slice, '/'))
		return bad(err, slice, "not the name of a slice");
	*path = "";
	if (strcmp(slice, "-.slice") == 0)
		return 0;
	stem = arena_strndup(a, slice, n - 6);
	if (stem[0] == '-' || ends_with(stem, "-") || strstr(stem, "--"))
		return bad(err, slice, "a dash in the name of a slice stands between two names");
	for (const char *dash = strchr(stem, '-');; dash = strchr(dash + 1, '-')) {
		int len = dash ? (int)(dash - stem) : (int)strlen(stem);

		out = arena_printf(a, "%s%s%.*s.slice", out, *out ? "/" : "", len, stem);
		if (!dash)
			break;
	}
	*path = out;
	return 0;
}
