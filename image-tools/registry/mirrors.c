/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: both formats are read into the same list of endpoints.  Of
 * registries.conf the [[registry]] with the longest matching prefix counts (a later
 * file's replaces an earlier one's of the same prefix); "*.example.com" matches any host
 * below; location replaces the prefix, in mirrors too.  Of hosts.toml every [host."URL"]
 * that may pull, in the file's order, then `server`.  Nothing here is ever used for
 * writing but insecure, blocked and location.
 */
#include "image-tools/registry/mirrors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/registry/toml.h"

#define FILE_MAX (256u * 1024)

static bool table_is(const struct toml_item *item, const char *first, const char *second)
{
	if (!item->table[0] || strcmp(item->table[0], first) != 0)
		return false;
	return second ? item->table[1] && strcmp(item->table[1], second) == 0 && !item->table[2] : !item->table[1];
}

static bool key_is(const struct toml_item *item, const char *key, enum toml_kind kind)
{
	return item->key && item->kind == kind && strcmp(item->key, key) == 0;
}

static void append(struct arena *a, struct endpoints *e, struct endpoint one)
{
	struct endpoint *items = arena_array(a, struct endpoint, e->count + 1);

	if (e->count)
		memcpy(items, e->items, e->count * sizeof *items);
	items[e->count++] = one;
	e->items = items;
}

/* 1 when it was read, 0 when it is not there. */
static int read_toml(struct arena *a, int dir, const char *name, const char *shown, struct toml *t, struct error *err)
{
	char *text;
	size_t len;
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : error_sys(err, errno, "open %s", shown);
	r = fd_read_all(fd, a, FILE_MAX, &text, &len);
	if (r < 0)
		return error_sys(err, -r, "read %s", shown);
	r = toml_parse(a, text, len, shown, t, err);
	return r < 0 ? r : 1;
}

/* --- registries.conf -------------------------------------------------------- */

struct mirror_entry {
	const char *location;
	bool insecure, digests, tags;
};

struct registry_entry {
	const char *prefix, *location;
	bool insecure, blocked, mirror_by_digest_only;
	struct mirror_entry *mirrors;
	size_t mirrors_count;
};

static struct registry_entry *read_entries(struct arena *a, const struct toml *t, size_t *count)
{
	struct registry_entry *list = arena_array(a, struct registry_entry, t->count + 1), *e = NULL;
	struct mirror_entry *m = NULL;

	*count = 0;
	for (size_t i = 0; i < t->count; i++) {
		const struct toml_item *item = &t->items[i];

		if (!item->key) {
			m = NULL;
			if (item->array && table_is(item, "registry", NULL)) {
				e = &list[(*count)++];
				e->mirrors = arena_array(a, struct mirror_entry, t->count);
			} else if (e && item->array && table_is(item, "registry", "mirror")) {
				m = &e->mirrors[e->mirrors_count++];
				m->digests = m->tags = true;
			} else if (!table_is(item, "registry", "mirror")) {
				e = NULL;
			}
		} else if (m && table_is(item, "registry", "mirror")) {
			if (key_is(item, "location", TOML_STRING))
				m->location = item->string;
			else if (key_is(item, "insecure", TOML_BOOL))
				m->insecure = item->boolean;
			else if (key_is(item, "pull-from-mirror", TOML_STRING)) {
				m->digests = strcmp(item->string, "tag-only") != 0;
				m->tags = strcmp(item->string, "digest-only") != 0;
			}
		} else if (e && table_is(item, "registry", NULL)) {
			if (key_is(item, "prefix", TOML_STRING))
				e->prefix = item->string;
			else if (key_is(item, "location", TOML_STRING))
				e->location = item->string;
			else if (key_is(item, "insecure", TOML_BOOL))
				e->insecure = item->boolean;
			else if (key_is(item, "blocked", TOML_BOOL))
				e->blocked = item->boolean;
			else if (key_is(item, "mirror-by-digest-only", TOML_BOOL))
				e->mirror_by_digest_only = item->boolean;
		}
	}
	return list;
}

/* Length of the part of `name` ("host/path") that the prefix stands for; 0: no match. */
static size_t matches(const char *prefix, const char *name)
{
	size_t n = strlen(prefix);

	if (strncmp(prefix, "*.", 2) == 0) {
		size_t host = strcspn(name, "/");

		return host > n - 1 && memcmp(name + host - (n - 1), prefix + 1, n - 1) == 0 ? host : 0;
	}
	return n && strncmp(name, prefix, n) == 0 && (!name[n] || name[n] == '/') ? n : 0;
}

/* name with its first n bytes replaced by the location, as a reference. */
static int rewritten(struct arena *a, const struct reference *ref, const char *name, size_t n, const char *location,
	struct reference *out, struct error *err)
{
	const char *full = location ? arena_printf(a, "%s%s", location, name + n) : name;
	size_t host = strcspn(full, "/");

	if (!full[host] || !full[host + 1] || host == 0)
		return error_set(err, ERR_CONFIG, EINVAL, "registries.conf: location \"%.200s\" gives no repository for %.200s",
			location ? location : "", name);
	*out = *ref;
	out->domain = arena_strndup(a, full, host);
	out->path = full + host + 1;
	return 0;
}

static int use_entry(struct arena *a, const struct reference *ref, const char *name, size_t n,
	const struct registry_entry *entry, bool mirrors, struct endpoints *list, struct error *err)
{
	struct endpoint origin = { .origin = true, .insecure = entry->insecure };
	bool by_digest = ref->digest.algorithm != DIGEST_NONE;
	int r;

	if (entry->blocked) {
		error_set(err, ERR_PERMISSION, EACCES, "registry %s is blocked by registries.conf", entry->prefix);
		return -EACCES;
	}
	for (size_t i = 0; mirrors && i < entry->mirrors_count; i++) {
		const struct mirror_entry *m = &entry->mirrors[i];
		struct endpoint one = { .insecure = m->insecure };

		if (!m->location || (by_digest ? !m->digests : !m->tags || entry->mirror_by_digest_only))
			continue;
		r = rewritten(a, ref, name, n, m->location, &one.ref, err);
		if (r < 0)
			return r;
		append(a, list, one);
	}
	r = rewritten(a, ref, name, n, entry->location, &origin.ref, err);
	if (r == 0)
		append(a, list, origin);
	return r;
}

struct best {
	const char *name;
	const char *short_name, *alias; /* what users of containers' tools might mean by it; NULL: nothing else */
	struct registry_entry entry;
	size_t length; /* of the part matched, 0: none */
	size_t prefix; /* length of the prefix */
};

static int consider_file(struct arena *a, int dir, const char *file, const char *shown, struct best *best,
	struct error *err)
{
	struct registry_entry *entries;
	struct toml t;
	size_t count;
	int r = read_toml(a, dir, file, shown, &t, err);

	if (r <= 0)
		return r;
	for (size_t i = 0; best->short_name && i < t.count; i++)
		if (table_is(&t.items[i], "aliases", NULL) && key_is(&t.items[i], best->short_name, TOML_STRING))
			best->alias = t.items[i].string;
	entries = read_entries(a, &t, &count);
	for (size_t i = 0; i < count; i++) {
		struct registry_entry *e = &entries[i];
		size_t n;

		if (!e->prefix)
			e->prefix = e->location;
		if (!e->prefix)
			return error_set(err, ERR_CONFIG, EINVAL, "%s: a registry with neither prefix nor location", shown);
		if (strncmp(e->prefix, "*.", 2) == 0 && strchr(e->prefix, '/'))
			return error_set(err, ERR_CONFIG, EINVAL, "%s: prefix \"%.200s\": a wildcard has no path", shown, e->prefix);
		n = matches(e->prefix, best->name);
		if (n && strlen(e->prefix) >= best->prefix)
			*best = (struct best){ best->name, best->short_name, best->alias, *e, n, strlen(e->prefix) };
	}
	return 1;
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_conf(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".conf") == 0;
}

static int consider_directory(struct arena *a, const char *path, struct best *best, struct error *err)
{
	_cleanup_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **list;
	int n = dir < 0 ? 0 : scandir(path, &list, is_conf, compare_entries), r = 0;

	for (int i = 0; i < n; i++) {
		if (r >= 0)
			r = consider_file(a, dir, list[i]->d_name, arena_printf(a, "%s/%s", path, list[i]->d_name), best, err);
		free(list[i]);
	}
	if (n > 0)
		free(list);
	return r < 0 ? r : 0;
}

static int from_registries_conf(struct arena *a, const struct reference *ref, bool mirrors, struct endpoints *e,
	struct error *err)
{
	const char *env = getenv("CONTAINERS_REGISTRIES_CONF"), *home = getenv("HOME");
	bool library = strncmp(ref->path, "library/", 8) == 0;
	struct best best = { .name = arena_printf(a, "%s/%s", ref->domain, ref->path),
		.short_name = strcmp(ref->domain, "docker.io") != 0 ? NULL : library ? ref->path + 8 : ref->path };
	const char *path = env && *env ? env : home ? arena_printf(a, "%s/.config/containers/registries.conf", home) : "";
	int r = consider_file(a, AT_FDCWD, path, path, &best, err);

	if (r == 0 && !(env && *env)) {
		path = "/etc/containers/registries.conf";
		r = consider_file(a, AT_FDCWD, path, path, &best, err);
	}
	if (r >= 0 && !(env && *env))
		r = consider_directory(a, arena_printf(a, "%s.d", path), &best, err);
	if (r >= 0 && mirrors && best.alias && strcmp(best.alias, best.name) != 0)
		log_warning("%s is %s here, as with Docker; the alias %s of registries.conf is not used: write it out if it is meant",
			best.short_name, best.name, best.alias);
	if (r < 0 || best.length == 0)
		return r;
	return use_entry(a, ref, best.name, best.length, &best.entry, mirrors, e, err);
}

/* --- hosts.toml ------------------------------------------------------------- */

/* "http://host:port/path" → server, plain.  containerd puts /v2 behind the path unless override_path says that it is
 * there already; ours always does. */
static int use_url(struct arena *a, const char *shown, const char *url, bool override, struct endpoint *e,
	struct error *err)
{
	const char *rest = url;
	size_t n;

	if (strncmp(url, "http://", 7) == 0) {
		e->plain = true;
		rest = url + 7;
	} else if (strncmp(url, "https://", 8) == 0) {
		rest = url + 8;
	} else if (strstr(url, "://")) {
		return error_set(err, ERR_CONFIG, EINVAL, "%s: \"%.200s\": http or https expected", shown, url);
	}
	n = strlen(rest);
	while (n && rest[n - 1] == '/')
		n--;
	if (override && !(n > 3 && memcmp(rest + n - 3, "/v2", 3) == 0))
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "%s: \"%.200s\": with override_path a path that ends in /v2 "
			"expected", shown, url);
	if (n > 3 && memcmp(rest + n - 3, "/v2", 3) == 0)
		n -= 3;
	if (n == 0 || *rest == '/')
		return error_set(err, ERR_CONFIG, EINVAL, "%s: \"%.200s\": no host", shown, url);
	e->server = arena_strndup(a, rest, n);
	return 0;
}

struct host_entry {
	const char *url;
	bool pull, skip_verify, override_path;
	struct string_list cas, headers;
	const char *cert, *key;
};

static const char *below(struct arena *a, const char *directory, const char *file)
{
	return *file == '/' ? file : arena_printf(a, "%s/%s", directory, file);
}

/* client = "both.pem", ["one.pem", ...] or [["cert", "key"], ...]: we can show one certificate, the first. */
static void take_client(struct arena *a, const struct toml_item *item, const char *directory, struct host_entry *h)
{
	size_t count = item->kind == TOML_LISTS ? item->lists_count : item->kind == TOML_STRINGS ? item->strings.count : 1;
	const char *first = item->kind == TOML_STRING ? item->string : item->strings.count ? item->strings.items[0] : "";

	if (!*first)
		return;
	if (count > 1)
		log_warning("%s/hosts.toml: of %zu client certificates only %s is used", directory, count, first);
	h->cert = below(a, directory, first);
	h->key = item->kind == TOML_LISTS && item->strings.count > 1 && *item->strings.items[1] ?
		below(a, directory, item->strings.items[1]) : NULL;
}

/* The options of one [host."URL"] or of the top of the file. */
static void take_option(struct arena *a, const struct toml_item *item, const char *directory, struct host_entry *h)
{
	if (key_is(item, "capabilities", TOML_STRINGS)) {
		bool pull = false, resolve = false;

		for (size_t i = 0; i < item->strings.count; i++) {
			pull |= strcmp(item->strings.items[i], "pull") == 0;
			resolve |= strcmp(item->strings.items[i], "resolve") == 0;
		}
		h->pull = pull && resolve;
	} else if (key_is(item, "skip_verify", TOML_BOOL)) {
		h->skip_verify = item->boolean;
	} else if (key_is(item, "override_path", TOML_BOOL)) {
		h->override_path = item->boolean;
	} else if (key_is(item, "ca", TOML_STRING)) {
		string_list_add(a, &h->cas, below(a, directory, item->string));
	} else if (key_is(item, "ca", TOML_STRINGS)) {
		for (size_t i = 0; i < item->strings.count; i++)
			string_list_add(a, &h->cas, below(a, directory, item->strings.items[i]));
	} else if (strcmp(item->key, "client") == 0 && item->kind <= TOML_LISTS && item->kind != TOML_BOOL &&
		item->kind != TOML_NUMBER) {
		take_client(a, item, directory, h);
	}
}

/* [header] or [host."URL".header]: a string, or several. */
static int take_header(struct arena *a, const struct toml_item *item, const char *shown, struct host_entry *h,
	struct error *err)
{
	const struct string_list one = { .items = (const char *[]){ item->string }, .count = 1 };
	const struct string_list *values = item->kind == TOML_STRING ? &one : &item->strings;

	if (item->kind != TOML_STRING && item->kind != TOML_STRINGS)
		return error_set(err, ERR_CONFIG, EINVAL, "%s: header \"%.80s\": a string or strings expected", shown, item->key);
	for (size_t i = 0; i < values->count; i++) {
		/* A line's end would begin another header, or the body. */
		if (!*item->key || strpbrk(item->key, "\r\n: \t") || strpbrk(values->items[i], "\r\n"))
			return error_set(err, ERR_CONFIG, EINVAL, "%s: header \"%.80s\": not a valid name and value", shown, item->key);
		string_list_add(a, &h->headers, arena_printf(a, "%s: %s", item->key, values->items[i]));
	}
	return 0;
}

static int use_host(struct arena *a, const struct reference *ref, const char *shown, const struct host_entry *h,
	bool origin, struct endpoints *list, struct error *err)
{
	struct endpoint e = { .ref = *ref, .skip_verify = h->skip_verify, .cas = h->cas, .cert = h->cert, .key = h->key,
		.headers = h->headers, .origin = origin };
	int r = h->url ? use_url(a, shown, h->url, h->override_path, &e, err) : 0;

	if (r < 0)
		return r;
	if (!origin) {
		e.ref.domain = arena_strndup(a, e.server, strcspn(e.server, "/"));
		if (strcmp(e.ref.domain, ref->domain) != 0)
			e.ns = ref->domain;
	}
	append(a, list, e);
	return 0;
}

/* Is it a table below the one of this host? */
static bool of_host(const struct toml_item *item, const struct host_entry *h)
{
	return h->url && item->table[0] && strcmp(item->table[0], "host") == 0 && item->table[1] &&
		strcmp(item->table[1], h->url) == 0 && item->table[2];
}

static int read_hosts(struct arena *a, const struct reference *ref, const struct toml *t, const char *directory,
	bool mirrors, struct endpoints *list, struct error *err)
{
	const char *shown = arena_printf(a, "%s/hosts.toml", directory);
	struct host_entry server = { .pull = true }, host = { 0 };
	int r = 0;

	for (size_t i = 0; r >= 0 && i <= t->count; i++) {
		const struct toml_item *item = i < t->count ? &t->items[i] : NULL;

		if (!item || (!item->key && !of_host(item, &host))) {
			if (host.url && host.pull && mirrors)
				r = use_host(a, ref, shown, &host, false, list, err);
			host = (struct host_entry){ .pull = true };
			if (item && item->table[0] && strcmp(item->table[0], "host") == 0 && item->table[1] && !item->table[2])
				host.url = item->table[1];
		} else if (!item->key) {
			continue;
		} else if (!item->table[0]) {
			if (key_is(item, "server", TOML_STRING))
				server.url = item->string;
			else
				take_option(a, item, directory, &server);
		} else if (table_is(item, "header", NULL)) {
			r = take_header(a, item, shown, &server, err);
		} else if (of_host(item, &host)) {
			if (strcmp(item->table[2], "header") == 0)
				r = take_header(a, item, shown, &host, err);
		} else if (host.url && !item->table[2]) {
			take_option(a, item, directory, &host);
		}
	}
	return r < 0 ? r : use_host(a, ref, shown, &server, true, list, err);
}

/* 1 when there is a file for the domain. */
static int from_hosts_toml(struct arena *a, const struct reference *ref, bool mirrors, struct endpoints *list,
	struct error *err)
{
	const char *env = getenv("OCI_IMAGE_HOSTS_DIR"), *top = env && *env ? env : "/etc/containerd/certs.d";
	const char *names[] = { ref->domain, NULL, "_default" }, *colon = strrchr(ref->domain, ':');
	const char *directory = NULL, *shown = NULL;
	struct toml t;
	int r = 0;

	/* For file systems without colons. */
	if (colon && !strchr(colon, ']'))
		names[1] = arena_printf(a, "%.*s_%s_", (int)(colon - ref->domain), ref->domain, colon + 1);
	for (size_t i = 0; r == 0 && i < 3; i++) {
		if (!names[i])
			continue;
		directory = arena_printf(a, "%s/%s", top, names[i]);
		shown = arena_printf(a, "%s/hosts.toml", directory);
		r = read_toml(a, AT_FDCWD, shown, shown, &t, err);
	}
	if (r > 0)
		r = read_hosts(a, ref, &t, directory, mirrors, list, err);
	return r < 0 ? r : list->count > 0;
}

int endpoints_find(struct arena *a, const struct reference *ref, bool mirrors, struct endpoints *e, struct error *err)
{
	int r;

	*e = (struct endpoints){ 0 };
	r = from_hosts_toml(a, ref, mirrors, e, err);
	if (r == 0)
		r = from_registries_conf(a, ref, mirrors, e, err);
	if (r < 0)
		return r;
	if (e->count == 0)
		append(a, e, (struct endpoint){ .ref = *ref, .origin = true });
	return 0;
}
