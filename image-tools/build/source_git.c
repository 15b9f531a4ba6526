/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: git repositories as contexts and as sources of ADD, through the
 * git program of the host.
 *
 * First `git ls-remote` says which commit a name stands for: that is all a cached build
 * needs.  Only a step that really runs fetches: that one commit if the server gives it,
 * else the name, else everything.  What is checked out is always compared with the commit
 * that the key of the step was made of.
 *
 * The repository is foreign, so git gets an environment of our own: no configuration of
 * the host or the user (no aliases, filters, credential helpers, hooks), no questions, and
 * GIT_ALLOW_PROTOCOL without file: and ext:, which submodules could use to read the
 * host's disk or run programs.  There is no exception to this, not for tests either.
 * Nothing of the text reaches a command line where it could be an option.  The
 * subdirectory is opened by openat2 below the checkout.
 */
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/spawn.h"
#include "image-tools/build/source.h"
#include "image-tools/dockerfile/dockerfile.h"
#include "image-tools/registry/auth.h"
#include "image-tools/status.h"
#include "image-tools/store/store.h"

#define LOOK_MS (2 * 60 * 1000)
#define FETCH_MS (60 * 60 * 1000)
#define ARGS_MAX 32

/* --- what the text says ------------------------------------------------------------------------------ */

static bool is_commit(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return s[n] == '\0' && (n == 40 || n == 64);
}

static int bad(struct error *err, const char *text, const char *why)
{
	const char *at = strstr(text, "://") ? memrchr(text, '@', strcspn(text, "?#")) : NULL;

	/* Not what is in front of the host: it may be a password. */
	return error_set(err, ERR_CONFIG, EINVAL, "git source \"%.300s\": %s", at ? at + 1 : text, why);
}

static int flag_value(const char *value, int *flag)
{
	bool yes = true;

	if (*value && dockerfile_parse_bool(value, &yes) < 0)
		return -EINVAL;
	*flag = yes;
	return 0;
}

/* A value that is said twice must be said alike. */
static bool agree(const char **old, const char *now)
{
	if (*old && strcmp(*old, now) != 0)
		return false;
	*old = now;
	return true;
}

static const char *under(struct arena *a, const char *prefix, const char *name)
{
	return strncmp(name, prefix, strlen(prefix)) == 0 ? name : arena_printf(a, "%s%s", prefix, name);
}

static const char *query_item(struct arena *a, struct git_source *g, const char *key, const char *value)
{
	if (strcmp(key, "submodules") == 0)
		return flag_value(value, &g->submodules) < 0 ? "submodules= expects true or false" : NULL;
	if (strcmp(key, "keep-git-dir") == 0)
		return flag_value(value, &g->keep_git_dir) < 0 ? "keep-git-dir= expects true or false" : NULL;
	if (!*value)
		return "a part of the query has no value";
	if (strcmp(key, "ref") == 0)
		return agree(&g->ref, value) ? NULL : "it names two different refs";
	if (strcmp(key, "tag") == 0)
		return agree(&g->ref, under(a, "refs/tags/", value)) ? NULL : "it names two different refs";
	if (strcmp(key, "branch") == 0)
		return agree(&g->ref, under(a, "refs/heads/", value)) ? NULL : "it names two different refs";
	if (strcmp(key, "subdir") == 0)
		return agree(&g->subdir, value) ? NULL : "it names two different directories";
	if (strcmp(key, "commit") == 0 || strcmp(key, "checksum") == 0)
		return agree(&g->commit, value) ? NULL : "it names two different commits";
	if (strcmp(key, "mtime") == 0) {
		g->commit_time = strcmp(value, "commit") == 0;
		return g->commit_time || strcmp(value, "checkout") == 0 ? NULL : "mtime= is \"commit\" or \"checkout\"";
	}
	/* How to fetch is our own business: a commit is always asked for first. */
	if (strcmp(key, "fetch-by-commit") == 0)
		return NULL;
	return "the query has an unknown part (known: ref tag branch commit checksum subdir submodules keep-git-dir mtime)";
}

static int parse_query(struct arena *a, const char *text, const char *query, struct git_source *g, struct error *err)
{
	char *copy = arena_strdup(a, query), *save = NULL;

	for (char *item = strtok_r(copy, "&", &save); item; item = strtok_r(NULL, "&", &save)) {
		char *value = strchr(item, '='), *plain;
		const char *why;
		int n = 0;

		if (value)
			*value++ = '\0';
		plain = curl_easy_unescape(NULL, value ? value : "", 0, &n);
		why = plain && strlen(plain) == (size_t)n ? query_item(a, g, item, arena_strdup(a, plain)) :
							    "the query cannot be decoded";
		curl_free(plain);
		if (why)
			return bad(err, text, why);
	}
	return 0;
}

static const char *check_words(const struct git_source *g)
{
	if (g->remote[0] == '-')
		return "it begins with a dash";
	for (const char *p = g->remote; *p; p++)
		if (iscntrl((unsigned char)*p) || *p == ' ')
			return "the URL has a blank or control character";
	for (const char *p = g->ref; p && *p; p++)
		if (iscntrl((unsigned char)*p) || strchr(" ~^:?*[\\", *p))
			return "the ref has a character that no ref has";
	if (g->ref && (g->ref[0] == '-' || strstr(g->ref, "..")))
		return "this is no ref";
	if (g->commit && (strlen(g->commit) < 7 || strspn(g->commit, "0123456789abcdef") != strlen(g->commit) || strlen(g->commit) > 64))
		return "a commit is 7 to 64 hexadecimal digits";
	return NULL;
}

int git_parse(struct arena *a, const char *text, struct git_source *g, struct error *err)
{
	char *remote = arena_strdup(a, text), *fragment = strchr(remote, '#'), *query, *colon;
	const char *why, *slash;
	int r = 0;

	*g = (struct git_source){ .keep_git_dir = -1, .submodules = -1 };
	if (fragment) {
		*fragment++ = '\0';
		colon = strchr(fragment, ':');
		if (colon)
			*colon++ = '\0';
		g->ref = *fragment ? fragment : NULL;
		g->subdir = colon && *colon ? colon : NULL;
	}
	query = strstr(remote, "://") ? strchr(remote, '?') : NULL;
	if (query) {
		*query++ = '\0';
		r = parse_query(a, text, query, g, err);
	}
	if (r < 0)
		return r;
	g->remote = source_split_user(a, remote, &g->user);
	if (strncmp(remote, "github.com/", 11) == 0)
		g->remote = arena_printf(a, "https://%s", remote);
	slash = strrchr(g->remote, '/');
	g->name = slash && slash[1] ? slash + 1 : g->remote;
	why = check_words(g);
	if (why)
		return bad(err, text, why);
	/* A commit alone is a ref as well. */
	if (!g->ref && g->commit && is_commit(g->commit))
		g->ref = g->commit;
	return 0;
}

/* --- running git ----------------------------------------------------------------------------------------- */

struct environment {
	struct arena *a;
	const char *items[64];
	size_t count, configs;
};

static void put(struct environment *e, const char *item)
{
	if (e->count + 1 < sizeof e->items / sizeof e->items[0])
		e->items[e->count++] = item;
}

static void put_config(struct environment *e, const char *key, const char *value)
{
	put(e, arena_printf(e->a, "GIT_CONFIG_KEY_%zu=%s", e->configs, key));
	put(e, arena_printf(e->a, "GIT_CONFIG_VALUE_%zu=%s", e->configs, value));
	e->configs++;
}

/* A secret for the repository's own host, as a header bound to that host. */
static void put_credentials(struct environment *e, const struct source_options *o, const struct git_source *g)
{
	const char *remote = g->remote, *host, *value = NULL, *header = NULL;

	if (strncasecmp(remote, "https://", 8) != 0 && strncasecmp(remote, "http://", 7) != 0)
		return;
	host = strstr(remote, "://") + 3;
	host = arena_strndup(e->a, host, strcspn(host, "/"));
	for (int specific = 1; o->secret && specific >= 0 && !header; specific--) {
		const char *suffix = specific ? arena_printf(e->a, ".%s", host) : "";

		header = o->secret(o->secret_opaque, arena_printf(e->a, "GIT_AUTH_HEADER%s", suffix));
		value = header ? NULL : o->secret(o->secret_opaque, arena_printf(e->a, "GIT_AUTH_TOKEN%s", suffix));
		if (value) {
			value = arena_printf(e->a, "x-access-token:%.*s", (int)strcspn(value, "\r\n"), value);
			header = arena_printf(e->a, "basic %s", base64_encode(e->a, value, strlen(value)));
		}
	}
	if (!header && g->user)
		header = arena_printf(e->a, "basic %s", base64_encode(e->a, g->user, strlen(g->user)));
	if (header)
		put_config(e,
			arena_printf(e->a, "http.%.*s://%s/.extraHeader", (int)(strstr(remote, "://") - remote), remote, host),
			arena_printf(e->a, "Authorization: %.*s", (int)strcspn(header, "\r\n"), header));
}

static void make_environment(struct environment *e, const struct source_options *o, const struct git_source *g)
{
	static const char *const passed[] = { "PATH", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO" };

	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
		if (getenv(passed[i]))
			put(e, arena_printf(e->a, "%s=%s", passed[i], getenv(passed[i])));
	if (!getenv("PATH"))
		put(e, "PATH=/usr/local/bin:/usr/bin:/bin");
	put(e, "HOME=/nonexistent");
	put(e, "LC_ALL=C");
	put(e, "GIT_CONFIG_NOSYSTEM=1");
	put(e, "GIT_CONFIG_SYSTEM=/dev/null");
	put(e, "GIT_CONFIG_GLOBAL=/dev/null");
	put(e, "GIT_ATTR_NOSYSTEM=1");
	put(e, "GIT_TERMINAL_PROMPT=0");
	put(e, "GIT_ASKPASS=/bin/false");
	put(e, "GIT_ALLOW_PROTOCOL=http:https:git:ssh");
	put(e, "GIT_SSH_COMMAND=ssh -F /dev/null -o BatchMode=yes");
	put(e, "GIT_LFS_SKIP_SMUDGE=1");
	if (o->ssh_auth_sock)
		put(e, arena_printf(e->a, "SSH_AUTH_SOCK=%s", o->ssh_auth_sock));
	put_config(e, "core.hooksPath", "/dev/null");
	put_config(e, "core.attributesFile", "/dev/null");
	put_config(e, "core.fsmonitor", "false");
	put_config(e, "core.autocrlf", "false");
	put_config(e, "core.symlinks", "true");
	put_config(e, "advice.detachedHead", "false");
	put_config(e, "gc.auto", "0");
	put_config(e, "http.lowSpeedLimit", "1000");
	put_config(e, "http.lowSpeedTime", "60");
	put_credentials(e, o, g);
	put(e, arena_printf(e->a, "GIT_CONFIG_COUNT=%zu", e->configs));
	e->items[e->count] = NULL;
}

static const char *find_git(struct arena *a)
{
	const char *path = getenv("PATH");
	char *copy = arena_strdup(a, path && *path ? path : "/usr/local/bin:/usr/bin:/bin"), *save = NULL;

	for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		const char *file = arena_printf(a, "%s/git", dir);

		if (*dir == '/' && faccessat(AT_FDCWD, file, X_OK, 0) == 0)
			return file;
	}
	return NULL;
}

struct git {
	const struct source_options *o;
	struct arena *a;
	const struct git_source *g;
	struct environment env;
	const char *program, *directory; /* directory: NULL, or what -C gets */
	char *output;
};

static int git_begin(struct git *git, struct error *err)
{
	git->program = find_git(git->a);
	git->env.a = git->a;
	if (!git->program) {
		error_set(err, ERR_UNSUPPORTED, ENOENT, "git source \"%.300s\": there is no git program in $PATH", git->g->remote);
		error_hint(err, "install git");
		return -ENOENT;
	}
	make_environment(&git->env, git->o, git->g);
	return 0;
}

/* The last line that says something, for the message. */
static const char *complaint(struct arena *a, const char *output)
{
	char *copy = arena_strdup(a, output), *save = NULL;
	const char *best = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!best || strncmp(line, "fatal:", 6) == 0 || strncmp(line, "error:", 6) == 0)
			best = line;
	return best ? best : "no message";
}

/* words end with NULL.  The shell is there for the mask alone (files become 644 and 755): ours belongs to all threads. */
static int git_run(struct git *git, const char *doing, int timeout, const char *const *words, struct error *err)
{
	const char *argv[ARGS_MAX] = { "sh", "-c", "umask 022; exec \"$0\" \"$@\"", git->program };
	struct spawn s = { .path = "/bin/sh", .argv = argv, .envp = git->env.items, .stdout_fd = -1, .stderr_fd = -1,
		.timeout_ms = timeout, .capture = true };
	char text[64];
	size_t n = 4;
	int status, r;

	if (git->directory) {
		argv[n++] = "-C";
		argv[n++] = git->directory;
	}
	for (; *words && n + 1 < ARGS_MAX; words++)
		argv[n++] = *words;
	r = spawn_run(&s, git->a, &status, err);
	if (r < 0)
		return error_wrap(err, "git source \"%.300s\": %s", git->g->remote, doing);
	git->output = s.output;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return error_set(err, ERR_SYSTEM, IMAGE_ENETWORK, "git source \"%.300s\": %s: %.400s (%s)", git->g->remote, doing,
		complaint(git->a, s.output), spawn_status_text(status, text));
}

#define GIT_RUN(git, doing, timeout, err, ...)                                                                         \
	git_run(git, doing, timeout, (const char *const[]){ __VA_ARGS__, NULL }, err)

/* --- which commit ------------------------------------------------------------------------------------------- */

/* Lines "<commit>\t<ref>": what the name stands for, in the order in which git looks. */
static const char *pick(struct arena *a, const char *output, const char *ref)
{
	static const char *const order[] = { "%s", "refs/%s", "refs/tags/%s", "refs/heads/%s" };
	char *copy, *save;

	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		const char *plain = i == 0 ? ref : arena_printf(a, "%.*s%s", (int)(strlen(order[i]) - 2), order[i], ref);
		const char *peeled = arena_printf(a, "%s^{}", plain), *found = NULL;

		copy = arena_strdup(a, output);
		save = NULL;
		for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			char *tab = strchr(line, '\t');

			if (!tab)
				continue;
			*tab++ = '\0';
			if (is_commit(line) && ((strcmp(tab, plain) == 0 && !found) || strcmp(tab, peeled) == 0))
				found = line;
		}
		if (found)
			return found;
	}
	return NULL;
}

static int check_commit(const struct git_source *g, const char *commit, struct error *err)
{
	if (!g->commit || strncmp(commit, g->commit, strlen(g->commit)) == 0)
		return 0;
	error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "git source \"%.300s\": expected commit %s, %s is %s", g->remote, g->commit,
		g->ref ? g->ref : "HEAD", commit);
	return -IMAGE_EDIGEST;
}

int git_resolve(const struct source_options *o, struct arena *a, const struct git_source *g, const char **commit,
	struct error *err)
{
	const char *ref = g->ref ? g->ref : "HEAD";
	struct git git = { .o = o, .a = a, .g = g };
	int r;

	if (is_commit(ref)) {
		*commit = ref;
		return check_commit(g, ref, err);
	}
	if (o->offline)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "git source \"%.300s\": the network is not to be used", g->remote);
	r = git_begin(&git, err);
	if (r == 0)
		r = GIT_RUN(&git, "look for the commit", LOOK_MS, err, "ls-remote", "--quiet", "--", g->remote, ref,
			arena_printf(a, "%s^{}", ref));
	if (r < 0)
		return r;
	*commit = pick(a, git.output, ref);
	if (!*commit) {
		error_set(err, ERR_NOT_FOUND, ENOENT, "git source \"%.300s\": no branch or tag \"%.100s\"", g->remote, ref);
		error_hint(err, "a commit must be given with all of its digits");
		return -ENOENT;
	}
	return check_commit(g, *commit, err);
}

/* --- the checkout ---------------------------------------------------------------------------------------------- */

static int fetch(struct git *git, const char *commit, struct error *err)
{
	const char *ref = git->g->ref ? git->g->ref : "HEAD";
	struct error first = { 0 };
	int r;

	r = GIT_RUN(git, "fetch", FETCH_MS, &first, "fetch", "-q", "--no-tags", "--depth=1", "origin", commit);
	if (r == -IMAGE_ENETWORK && !is_commit(ref))
		r = GIT_RUN(git, "fetch", FETCH_MS, &first, "fetch", "-q", "--no-tags", "--depth=1", "origin", ref);
	/* Servers of plain files know no shallow history. */
	if (r == -IMAGE_ENETWORK || GIT_RUN(git, "look", LOOK_MS, NULL, "cat-file", "-e", arena_printf(git->a, "%s^{commit}", commit)) < 0)
		r = GIT_RUN(git, "fetch", FETCH_MS, err, "fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*");
	if (r < 0 && err && !err->errnum)
		*err = first;
	return r;
}

static int submodules(struct git *git, int dir, struct error *err)
{
	struct stat st;

	if (git->g->submodules == 0 || fstatat(dir, ".gitmodules", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (GIT_RUN(git, "fetch submodules", FETCH_MS, err, "submodule", "--quiet", "update", "--init", "--recursive",
		    "--depth=1") == 0)
		return 0;
	error_clear(err);
	return GIT_RUN(git, "fetch submodules", FETCH_MS, err, "submodule", "--quiet", "update", "--init", "--recursive");
}

/* What says how and when, not what. */
static int tidy(struct git *git, int dir, bool keep, struct error *err)
{
	static const char *const traces[] = { ".git/FETCH_HEAD", ".git/ORIG_HEAD", ".git/description" };
	int r;

	if (!keep) {
		r = store_remove_tree(dir, ".git");
		return r < 0 ? error_sys(err, -r, "remove .git of a checkout") : 0;
	}
	_cleanup_fd_ int inside = openat(dir, ".git", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (inside < 0)
		return error_sys(err, errno, "open .git of a checkout");
	for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++)
		unlinkat(inside, traces[i] + 5, 0);
	store_remove_tree(inside, "logs");
	store_remove_tree(inside, "hooks");
	(void)git;
	return 0;
}

static int open_subdir(const struct git_source *g, int dir, struct error *err)
{
	int fd = path_open_in_root(dir, g->subdir ? g->subdir : ".", O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return error_sys(err, -fd, "git source \"%.300s\": open directory \"%.200s\"", g->remote, g->subdir ? g->subdir : ".");
	return fd;
}

int git_checkout(const struct source_options *o, struct arena *a, const struct git_source *g, const char *commit,
	bool keep_git_dir, int64_t *when, struct error *err)
{
	struct git git = { .o = o, .a = a, .g = g };
	char name[64], scratch[4096];
	_cleanup_fd_ int dir = -1;
	int r;

	if (o->offline)
		return error_set(err, ERR_NOT_FOUND, ENOENT, "git source \"%.300s\": the network is not to be used", g->remote);
	r = git_begin(&git, err);
	if (r < 0)
		return r;
	dir = source_scratch(o, "git", name, err);
	if (dir < 0)
		return dir;
	git.directory = arena_printf(a, "%s/%s", path_of_fd(o->scratch, scratch, sizeof scratch), name);
	r = GIT_RUN(&git, "make a repository", LOOK_MS, err, "init", "-q", "--template=",
		strlen(commit) == 64 ? "--object-format=sha256" : "--object-format=sha1");
	if (r == 0)
		r = GIT_RUN(&git, "name the origin", LOOK_MS, err, "config", "--add", "remote.origin.url", g->remote);
	if (r == 0)
		r = fetch(&git, commit, err);
	if (r == 0)
		r = GIT_RUN(&git, "check out", FETCH_MS, err, "checkout", "-q", "--force", "--detach", commit);
	if (r == 0)
		r = GIT_RUN(&git, "look at the commit", LOOK_MS, err, "log", "-1", "--format=%H %ct", "HEAD");
	if (r == 0 && (strncmp(git.output, commit, strlen(commit)) != 0 || git.output[strlen(commit)] != ' '))
		r = error_set(err, ERR_CORRUPT, IMAGE_EDIGEST, "git source \"%.300s\": checked out %.64s instead of %s", g->remote,
			git.output, commit);
	if (r == 0)
		*when = strtoll(git.output + strlen(commit) + 1, NULL, 10);
	if (r == 0)
		r = submodules(&git, dir, err);
	if (r == 0)
		r = tidy(&git, dir, keep_git_dir, err);
	return r < 0 ? r : open_subdir(g, dir, err);
}
