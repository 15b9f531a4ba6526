/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the auth files of containers/image and Docker share one form:
 * {"auths": {KEY: {"auth": base64("user:password"), "identitytoken": ...}},
 *  "credHelpers": {HOST: SUFFIX}, "credsStore": SUFFIX}.
 * Keys go from most to least specific (host/a/b, host/a, host).  A helper is the
 * program docker-credential-SUFFIX found in PATH, executed without a shell; the
 * suffix may hold letters, digits, "_" and "-" only.
 */
#include "image-tools/registry/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/spawn.h"
#include "image-tools/rootless.h"
#include "image-tools/status.h"

#define AUTH_FILE_MAX (1u << 20)
#define HELPER_TIMEOUT_MS 60000

struct auth_entry {
	const char *key, *auth, *identity_token, *registry_token, *user, *password;
};
struct auth_file {
	struct {
		struct auth_entry *items;
		size_t count;
	} auths;
	struct {
		struct json_key_value *items;
		size_t count;
	} helpers;
	const char *store;
};

static const struct json_field entry_fields[] = {
	JSON_F(JSON_STRING, struct auth_entry, auth, "auth"),
	JSON_F(JSON_STRING, struct auth_entry, identity_token, "identitytoken"),
	JSON_F(JSON_STRING, struct auth_entry, registry_token, "registrytoken"),
	JSON_F(JSON_STRING, struct auth_entry, user, "username"),
	JSON_F(JSON_STRING, struct auth_entry, password, "password"),
};
static const struct json_object entry_object = JSON_OBJECT_OF("auth", struct auth_entry, entry_fields);
static const struct json_field file_fields[] = {
	JSON_F_LIST(JSON_KEYED, struct auth_file, auths, "auths", .object = &entry_object,
		.key_offset = offsetof(struct auth_entry, key)),
	JSON_F_LIST(JSON_MAP, struct auth_file, helpers, "credHelpers"),
	JSON_F(JSON_STRING, struct auth_file, store, "credsStore"),
};
static const struct json_object file_object = JSON_OBJECT_OF("auth file", struct auth_file, file_fields);

struct helper_answer {
	const char *user, *secret;
};
static const struct json_field helper_fields[] = {
	JSON_F(JSON_STRING, struct helper_answer, user, "Username"),
	JSON_F(JSON_STRING, struct helper_answer, secret, "Secret"),
};
static const struct json_object helper_object = JSON_OBJECT_OF("answer", struct helper_answer, helper_fields);

static int read_file(struct arena *a, const char *path, struct auth_file *f, struct error *err)
{
	struct json_errors errors = { 0 };
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *buf;
	size_t len;
	int r;

	*f = (struct auth_file){ 0 };
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? -ENOENT :
										error_sys(err, errno, "open %s", path);
	r = fd_read_all(fd, a, AUTH_FILE_MAX, &buf, &len);
	if (r < 0)
		return error_sys(err, -r, "read %s", path);
	if (json_read(&file_object, buf, len, a, f, &errors) < 0) {
		json_errors_first(&errors, ERR_CONFIG, NULL, err);
		return error_wrap(err, "%s", path);
	}
	return 0;
}

/* "https://index.docker.io/v1/" → "index.docker.io"; a path of another form is kept. */
static const char *plain_key(struct arena *a, const char *key)
{
	char *k;
	size_t n;

	if (strncmp(key, "https://", 8) == 0)
		key += 8;
	else if (strncmp(key, "http://", 7) == 0)
		key += 7;
	k = arena_strdup(a, key);
	n = strlen(k);
	while (n > 0 && k[n - 1] == '/')
		k[--n] = '\0';
	if (n > 3 && (strcmp(k + n - 3, "/v1") == 0 || strcmp(k + n - 3, "/v2") == 0))
		k[n - 3] = '\0';
	return strcmp(k, "index.docker.io") == 0 || strcmp(k, "registry-1.docker.io") == 0 ? "docker.io" : k;
}

static int run_helper(struct arena *a, const char *suffix, const char *verb, const char *input, const char **output,
	struct error *err)
{
	const char *path = getenv("PATH"), *found = NULL;
	const char *program;
	int status, r;

	if (!*suffix || strspn(suffix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(suffix))
		return error_set(err, ERR_CONFIG, EINVAL, "credential helper \"%.60s\": invalid name", suffix);
	for (const char *p = path ? path : "/usr/local/bin:/usr/bin:/bin"; *p && !found;) {
		size_t n = strcspn(p, ":");

		program = arena_printf(a, "%.*s/docker-credential-%s", (int)n, p, suffix);
		if (n > 0 && *p == '/' && access(program, X_OK) == 0)
			found = program;
		p += n + (p[n] == ':');
	}
	if (!found)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "credential helper docker-credential-%s is not in PATH", suffix);
	struct spawn s = {
		.path = found, .argv = (const char *const[]){ found, verb, NULL }, .envp = (const char *const *)environ,
		.input = input, .input_len = strlen(input), .timeout_ms = HELPER_TIMEOUT_MS, .stdout_fd = -1, .stderr_fd = -1,
		.capture = true,
	};
	r = spawn_run(&s, a, &status, err);
	if (r < 0)
		return r;
	*output = s.output ? s.output : "";
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (strstr(*output, "credentials not found"))
		return -ENOENT;
	return error_set(err, ERR_SYSTEM, IMAGE_EAUTH, "credential helper %s failed: %.200s", found, *output);
}

static int ask_helper(struct arena *a, const char *suffix, const char *host, struct credentials *c, struct error *err)
{
	const char *server = strcmp(host, "docker.io") == 0 ? "https://index.docker.io/v1/" : host, *text = "";
	struct helper_answer answer = { 0 };
	struct json_errors errors = { 0 };
	int r = run_helper(a, suffix, "get", server, &text, err);

	if (r < 0)
		return r;
	if (json_read(&helper_object, text, strlen(text), a, &answer, &errors) < 0 || !answer.secret)
		return error_set(err, ERR_CONFIG, EINVAL, "credential helper docker-credential-%s: invalid answer", suffix);
	if (answer.user && strcmp(answer.user, "<token>") == 0)
		c->identity_token = answer.secret;
	else
		c->user = answer.user, c->password = answer.secret;
	c->source = arena_printf(a, "docker-credential-%s", suffix);
	return 0;
}

static void use_entry(struct arena *a, const struct auth_entry *e, struct credentials *c)
{
	size_t len;
	char *plain = e->auth ? base64_decode(a, e->auth, &len) : NULL, *colon = plain ? strchr(plain, ':') : NULL;

	if (colon) {
		*colon = '\0';
		c->user = plain;
		c->password = colon + 1;
	} else {
		c->user = e->user;
		c->password = e->password;
	}
	c->identity_token = e->identity_token && *e->identity_token ? e->identity_token : NULL;
	c->registry_token = e->registry_token && *e->registry_token ? e->registry_token : NULL;
}

static int look_in_file(struct arena *a, const char *file, const char *host, const char *path, struct credentials *c,
	struct error *err)
{
	struct auth_file f;
	char *key = arena_printf(a, "%s/%s", host, path ? path : "");
	int r = read_file(a, file, &f, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < f.helpers.count; i++)
		if (strcmp(plain_key(a, f.helpers.items[i].key), host) == 0)
			return ask_helper(a, f.helpers.items[i].value, host, c, err);
	for (;;) {
		char *slash;

		for (size_t i = 0; i < f.auths.count; i++) {
			const struct auth_entry *e = &f.auths.items[i];

			if (strcmp(plain_key(a, e->key), key) != 0)
				continue;
			if (f.store && !e->auth && !e->identity_token)
				return ask_helper(a, f.store, host, c, err);
			use_entry(a, e, c);
			c->source = file;
			return 0;
		}
		slash = strrchr(key, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return f.store ? ask_helper(a, f.store, host, c, err) : -ENOENT;
}

static const char *default_file(struct arena *a)
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (run && *run == '/')
		return arena_printf(a, "%s/containers/auth.json", run);
	return arena_printf(a, "/run/containers/%u/auth.json", (unsigned int)rootless_uid());
}

int credentials_find(struct arena *a, const char *authfile, const char *host, const char *path, struct credentials *c,
	struct error *err)
{
	const char *files[8], *env, *home = getenv("HOME");
	int n = 0;

	*c = (struct credentials){ 0 };
	if (!authfile)
		authfile = getenv("REGISTRY_AUTH_FILE");
	if (authfile && *authfile) {
		files[n++] = authfile;
	} else {
		files[n++] = default_file(a);
		env = getenv("XDG_CONFIG_HOME");
		if (env && *env)
			files[n++] = arena_printf(a, "%s/containers/auth.json", env);
		else if (home)
			files[n++] = arena_printf(a, "%s/.config/containers/auth.json", home);
		env = getenv("DOCKER_CONFIG");
		if (env && *env)
			files[n++] = arena_printf(a, "%s/config.json", env);
		else if (home)
			files[n++] = arena_printf(a, "%s/.docker/config.json", home);
	}
	for (int i = 0; i < n; i++) {
		int r = look_in_file(a, files[i], host, path, c, err);

		if (r != -ENOENT)
			return r;
	}
	return 0;
}

static int write_file(struct arena *a, const char *path, const struct auth_file *f, struct error *err)
{
	struct json_writer w;
	char *dir = arena_strdup(a, path), *slash = strrchr(dir, '/');
	const char *text, *name = slash ? slash + 1 : dir;
	_cleanup_fd_ int fd = -1;
	size_t len;
	int r;

	json_writer_init(&w, a, true);
	json_write_object(&w);
	json_write_member_object(&w, "auths");
	for (size_t i = 0; i < f->auths.count; i++) {
		const struct auth_entry *e = &f->auths.items[i];

		json_write_member_object(&w, e->key);
		if (e->auth)
			json_write_member_string(&w, "auth", e->auth);
		if (e->identity_token)
			json_write_member_string(&w, "identitytoken", e->identity_token);
		if (e->registry_token)
			json_write_member_string(&w, "registrytoken", e->registry_token);
		json_write_end_object(&w);
	}
	json_write_end_object(&w);
	if (f->helpers.count) {
		json_write_member_object(&w, "credHelpers");
		for (size_t i = 0; i < f->helpers.count; i++)
			json_write_member_string(&w, f->helpers.items[i].key, f->helpers.items[i].value);
		json_write_end_object(&w);
	}
	if (f->store)
		json_write_member_string(&w, "credsStore", f->store);
	json_write_end_object(&w);
	text = json_writer_finish(&w, &len);
	if (slash) {
		*slash = '\0';
		for (char *p = dir + 1; *p; p++) {
			if (*p == '/') {
				*p = '\0';
				mkdir(dir, 0755);
				*p = '/';
			}
		}
		mkdir(dir, 0700);
	}
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : fd_replace_file(fd, name, text, len, 0600);
	return r < 0 ? error_sys(err, -r, "write %s", path) : 0;
}

/* Docker's rule: the host's own helper, else the store for all. */
static const char *helper_for(struct arena *a, const struct auth_file *f, const char *host)
{
	for (size_t i = 0; i < f->helpers.count; i++)
		if (strcmp(plain_key(a, f->helpers.items[i].key), host) == 0)
			return f->helpers.items[i].value;
	return f->store;
}

static int give_to_helper(struct arena *a, const char *suffix, const char *host, const struct credentials *c,
	struct error *err)
{
	const char *server = strcmp(host, "docker.io") == 0 ? "https://index.docker.io/v1/" : host, *output;
	struct json_writer w;
	int r;

	if (!c) {
		r = run_helper(a, suffix, "erase", server, &output, err);
		return r == -ENOENT ? error_set(err, ERR_NOT_FOUND, ENOENT, "not logged in to %s (%s)", host, suffix) : r;
	}
	json_writer_init(&w, a, false);
	json_write_object(&w);
	json_write_member_string(&w, "ServerURL", server);
	json_write_member_string(&w, "Username", c->identity_token ? "<token>" : c->user);
	json_write_member_string(&w, "Secret", c->identity_token ? c->identity_token : c->password);
	json_write_end_object(&w);
	return run_helper(a, suffix, "store", json_writer_finish(&w, NULL), &output, err);
}

int credentials_store(struct arena *a, const char *authfile, const char *host, const struct credentials *c,
	const char **file, struct error *err)
{
	struct auth_file f;
	struct auth_entry *items;
	size_t n = 0, before;
	const char *helper;
	int r;

	if (!authfile)
		authfile = getenv("REGISTRY_AUTH_FILE");
	*file = authfile && *authfile ? authfile : default_file(a);
	r = read_file(a, *file, &f, err);
	if (r < 0 && r != -ENOENT)
		return r;
	helper = helper_for(a, &f, host);
	if (helper) {
		*file = arena_printf(a, "docker-credential-%s", helper);
		return give_to_helper(a, helper, host, c, err);
	}
	before = f.auths.count;
	items = arena_array(a, struct auth_entry, before + 1);
	for (size_t i = 0; i < before; i++)
		if (strcmp(plain_key(a, f.auths.items[i].key), host) != 0)
			items[n++] = f.auths.items[i];
	if (!c && n == before)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "not logged in to %s (%s)", host, *file);
	if (c) {
		const char *plain = arena_printf(a, "%s:%s", c->user, c->password ? c->password : "");

		items[n++] = (struct auth_entry){ .key = host, .auth = base64_encode(a, plain, strlen(plain)),
			.identity_token = c->identity_token };
	}
	f.auths.items = items;
	f.auths.count = n;
	return write_file(a, *file, &f, err);
}
