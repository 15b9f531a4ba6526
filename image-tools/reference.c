/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the text is cut from the right (digest, tag), then the
 * first component is judged a domain or not, then each part is checked against
 * its grammar (distribution/reference; image-facts 2.1).  No registry is searched:
 * short names always mean docker.io, so nobody can squat on them.
 */
#include "image-tools/reference.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define NAME_TOTAL_MAX 255
#define TAG_MAX 128
#define DOCKER_DOMAIN "docker.io"

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool ascii_alnum(char c)
{
	return lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool reference_valid_tag(const char *tag)
{
	size_t n = strlen(tag);

	if (n == 0 || n > TAG_MAX || !(ascii_alnum(tag[0]) || tag[0] == '_'))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!ascii_alnum(tag[i]) && !strchr("_.-", tag[i]))
			return false;
	return true;
}

/* Runs of lower-case letters and digits, joined by ".", "_", "__" or any number of "-". */
static bool valid_component(const char *p, size_t n)
{
	size_t i = 0;

	if (n == 0 || !lower_alnum(p[0]))
		return false;
	while (i < n) {
		size_t run = 0;

		while (i < n && lower_alnum(p[i]))
			i++;
		if (i == n)
			return true;
		if (p[i] == '.') {
			run = 1;
		} else if (p[i] == '_') {
			run = i + 1 < n && p[i + 1] == '_' ? 2 : 1;
		} else if (p[i] == '-') {
			while (i + run < n && p[i + run] == '-')
				run++;
		} else {
			return false;
		}
		i += run;
		if (i >= n || !lower_alnum(p[i]))
			return false;
	}
	return true;
}

static bool valid_path(const char *path)
{
	for (;;) {
		const char *end = strchrnul(path, '/');

		if (!valid_component(path, (size_t)(end - path)))
			return false;
		if (!*end)
			return true;
		path = end + 1;
	}
}

static bool valid_port(const char *p)
{
	size_t n = strspn(p, "0123456789");

	return n > 0 && n <= 5 && !p[n];
}

static bool valid_domain(const char *domain)
{
	const char *p = domain;

	if (*p == '[') {
		const char *close = strchr(p, ']');

		if (!close || close == p + 1 || strspn(p + 1, "0123456789abcdefABCDEF:") != (size_t)(close - p - 1))
			return false;
		return !close[1] || (close[1] == ':' && valid_port(close + 2));
	}
	for (;;) {
		size_t n = 0;

		while (ascii_alnum(p[n]) || p[n] == '-')
			n++;
		if (n == 0 || p[0] == '-' || p[n - 1] == '-')
			return false;
		p += n;
		if (*p != '.')
			break;
		p++;
	}
	return !*p || (*p == ':' && valid_port(p + 1));
}

/* Is the first component a domain?  It is when it is localhost or has a dot, a colon or an upper-case letter. */
static bool is_domain(const char *p, size_t n)
{
	if (n == 9 && memcmp(p, "localhost", 9) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (p[i] == '.' || p[i] == ':' || (p[i] >= 'A' && p[i] <= 'Z') || p[i] == '[')
			return true;
	return false;
}

static bool is_bare_id(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int fail(struct error *err, const char *text, const char *why)
{
	return error_set(err, ERR_USAGE, EINVAL, "image reference \"%.300s\": %s", text, why);
}

int reference_parse(struct arena *a, const char *text, struct reference *ref, struct error *err)
{
	char *work, *at, *slash, *colon, *rest;
	int r;

	*ref = (struct reference){ 0 };
	if (!*text)
		return fail(err, text, "is empty");
	if (strlen(text) > 1024)
		return fail(err, text, "is too long");
	if (is_bare_id(text))
		return fail(err, text, "64 hexadecimal digits are an image id, not a name");
	work = arena_strdup(a, text);
	at = strchr(work, '@');
	if (at) {
		*at = '\0';
		r = digest_parse(at + 1, &ref->digest, err);
		if (r < 0)
			return error_wrap(err, "image reference \"%.300s\"", text);
	}
	slash = strchr(work, '/');
	if (slash && is_domain(work, (size_t)(slash - work))) {
		*slash = '\0';
		ref->domain = work;
		rest = slash + 1;
	} else {
		ref->domain = DOCKER_DOMAIN;
		rest = work;
	}
	if (strcmp(ref->domain, "index.docker.io") == 0)
		ref->domain = DOCKER_DOMAIN;
	colon = strrchr(rest, ':');
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		ref->tag = colon + 1;
		ref->tag_given = true;
		if (!reference_valid_tag(ref->tag))
			return fail(err, text, "the tag must be 1 to 128 letters, digits, '_', '.' or '-' and not begin with '.' or '-'");
	} else if (!at) {
		ref->tag = "latest";
	}
	if (!valid_domain(ref->domain))
		return fail(err, text, "the registry's name is invalid");
	for (const char *p = rest; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return fail(err, text, "the repository's name must be in lower case");
	if (!valid_path(rest))
		return fail(err, text, "the repository's name is invalid");
	if (strcmp(ref->domain, DOCKER_DOMAIN) == 0 && !strchr(rest, '/'))
		rest = arena_printf(a, "library/%s", rest);
	if (strlen(ref->domain) + strlen(rest) + 1 > NAME_TOTAL_MAX)
		return fail(err, text, "the name is longer than 255 characters");
	ref->path = rest;
	return 0;
}

const char *reference_repository(struct arena *a, const struct reference *ref)
{
	return arena_printf(a, "%s/%s", ref->domain, ref->path);
}

static const char *with_suffix(struct arena *a, const char *name, const struct reference *ref)
{
	char buf[DIGEST_TEXT_MAX];

	return arena_printf(a, "%s%s%s%s%s", name, ref->tag ? ":" : "", ref->tag ? ref->tag : "",
		ref->digest.algorithm ? "@" : "", ref->digest.algorithm ? digest_format(&ref->digest, buf) : "");
}

const char *reference_canonical(struct arena *a, const struct reference *ref)
{
	return with_suffix(a, reference_repository(a, ref), ref);
}

const char *reference_familiar(struct arena *a, const struct reference *ref)
{
	const char *path = ref->path;

	if (strcmp(ref->domain, DOCKER_DOMAIN) != 0)
		return reference_canonical(a, ref);
	if (strncmp(path, "library/", 8) == 0 && !strchr(path + 8, '/'))
		path += 8;
	/* "ghcr.io/x" below docker.io would read as a domain: keep it long. */
	if (strchr(path, '/') && is_domain(path, strcspn(path, "/")))
		return reference_canonical(a, ref);
	return with_suffix(a, path, ref);
}

const char *reference_host(const struct reference *ref)
{
	return strcmp(ref->domain, DOCKER_DOMAIN) == 0 ? "registry-1.docker.io" : ref->domain;
}

/* PATH[:NAME] or PATH[@DIGEST]: the name is behind the first colon that follows the last slash. */
static int split_path(struct arena *a, const char *text, const char *what, struct location *loc, struct error *err)
{
	char *path = arena_strdup(a, text), *at, *colon;

	loc->path = path;
	at = strchr(path, '@');
	if (at && strncmp(at, "@sha", 4) == 0) {
		int r = digest_parse(at + 1, &loc->digest, err);

		if (r < 0)
			return r;
		*at = '\0';
	}
	/* A name may hold slashes and colons ("oci:dir:localhost:5000/app:1"): the path ends at the first colon. */
	colon = strchr(path, ':');
	if (colon) {
		*colon = '\0';
		if (colon[1])
			loc->name = colon + 1;
	}
	if (!*path)
		return error_set(err, ERR_USAGE, EINVAL, "location \"%s\": %s is missing", text, what);
	return 0;
}

int location_parse(struct arena *a, const char *text, struct location *loc, struct error *err)
{
	static const struct {
		const char *prefix;
		enum location_kind kind;
		bool docker, oci;
	} prefixes[] = {
		{ "oci-archive:", LOCATION_ARCHIVE, false, true },
		{ "docker-archive:", LOCATION_ARCHIVE, true, false },
		{ "oci:", LOCATION_LAYOUT, false, false },
		{ "tar:", LOCATION_ARCHIVE, false, false },
	};

	*loc = (struct location){ 0 };
	if (strcmp(text, "-") == 0) {
		*loc = (struct location){ .kind = LOCATION_ARCHIVE, .path = "-" };
		return 0;
	}
	if (strncmp(text, "docker://", 9) == 0) {
		loc->kind = LOCATION_REGISTRY;
		return reference_parse(a, text + 9, &loc->ref, err);
	}
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		size_t n = strlen(prefixes[i].prefix);

		if (strncmp(text, prefixes[i].prefix, n) == 0) {
			loc->kind = prefixes[i].kind;
			loc->docker_archive = prefixes[i].docker;
			loc->oci_archive = prefixes[i].oci;
			return split_path(a, text + n, loc->kind == LOCATION_LAYOUT ? "the directory" : "the file", loc, err);
		}
	}
	loc->kind = LOCATION_STORE;
	return reference_parse(a, text, &loc->ref, err);
}

const char *location_describe(struct arena *a, const struct location *loc)
{
	switch (loc->kind) {
	case LOCATION_STORE:
		return reference_familiar(a, &loc->ref);
	case LOCATION_REGISTRY:
		return arena_printf(a, "docker://%s", reference_canonical(a, &loc->ref));
	case LOCATION_LAYOUT:
		return arena_printf(a, "oci:%s%s%s", loc->path, loc->name ? ":" : "", loc->name ? loc->name : "");
	case LOCATION_ARCHIVE:
		return arena_printf(a, "tar:%s%s%s", loc->path, loc->name ? ":" : "", loc->name ? loc->name : "");
	}
	return "?";
}
