/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the command line of a build to struct build_options; build/ does
 * the work.  Options of other builders that we do not have are named here, so that they
 * are refused with a reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/build/build.h"
#include "image-tools/command/build_inspect.h"
#include "image-tools/command/commands.h"

struct options {
	struct build_options b;
	const char *progress;
	struct string_list no_cache, pull, squash, lock;
	struct string_list cache_from, cache_to;
	uint64_t jobs;
	bool quiet;
	struct build_inspect inspect;
	struct registry_flags registry;
};
#define AT(M) offsetof(struct options, M)

static const struct option_spec specs[] = {
	{ "file", 'f', OPTION_STRING, AT(b.file), "FILE", "the Dockerfile (CONTEXT/Dockerfile); - is standard input" },
	{ "tag", 't', OPTION_LIST, AT(b.tags), "NAME", "name of the image in the store" },
	{ "target", 0, OPTION_STRING, AT(b.target), "STAGE", "build up to this stage" },
	{ "build-arg", 0, OPTION_LIST, AT(b.arguments), "NAME[=VALUE]", "value of an ARG; without VALUE, our variable" },
	{ "build-context", 0, OPTION_LIST, AT(b.contexts), "NAME=LOCATION", "a further context, or what an image name means" },
	{ "secret", 0, OPTION_LIST, AT(b.secrets), "id=ID,src=FILE|env=VAR", "for RUN --mount=type=secret" },
	{ "ssh", 0, OPTION_LIST, AT(b.ssh), "ID[=SOCKET]", "an agent for RUN --mount=type=ssh" },
	{ "platform", 0, OPTION_STRING, AT(b.platform), "P", "os/arch[/variant] of the result" },
	{ "no-cache", 0, OPTION_OPTIONAL, AT(no_cache), "STAGE]", "run every step, or every step of STAGE" },
	{ "pull", 0, OPTION_OPTIONAL, AT(pull), "WHEN]", "fetch base images: always (also bare), missing (default), never" },
	{ "network", 0, OPTION_STRING, AT(b.network), "MODE", "of RUN: default, none, host" },
	{ "add-host", 0, OPTION_LIST, AT(b.hosts), "HOST:IP", "a line of RUN's /etc/hosts" },
	{ "label", 0, OPTION_LIST, AT(b.labels), "KEY=VALUE", "label of the image" },
	{ "annotation", 0, OPTION_LIST, AT(b.annotations), "KEY=VALUE", "annotation of the manifest" },
	{ "ulimit", 0, OPTION_LIST, AT(b.ulimits), "NAME=SOFT[:HARD]", "limit of RUN's processes" },
	{ "shm-size", 0, OPTION_STRING, AT(b.shm_size), "SIZE", "of RUN's /dev/shm" },
	{ "cgroup-parent", 0, OPTION_STRING, AT(b.cgroup_parent), "PATH", "of RUN's cgroup" },
	{ "memory", 'm', OPTION_STRING, AT(b.memory), "SIZE", "limit of each RUN" },
	{ "cpus", 0, OPTION_STRING, AT(b.cpus), "N", "limit of each RUN" },
	{ "allow", 0, OPTION_LIST, AT(b.allow), "WHAT", "network.host, security.insecure" },
	{ "output", 'o', OPTION_LIST, AT(b.outputs), "type=T,dest=D", "also write it: oci, docker, tar, local, bundle" },
	{ "push", 0, OPTION_FLAG, AT(b.push), NULL, "push to the registry of each -t" },
	{ "iidfile", 0, OPTION_STRING, AT(b.iidfile), "FILE", "write the image's id" },
	{ "metadata-file", 0, OPTION_STRING, AT(b.metadata_file), "FILE", "write digests as JSON" },
	{ "progress", 0, OPTION_STRING, AT(progress), "MODE", "auto, tty, plain, json, quiet" },
	{ "squash", 0, OPTION_OPTIONAL, AT(squash), "new|all]", "one layer instead of the new ones, or of all" },
	{ "compress", 0, OPTION_STRING, AT(b.compress), "KIND[:LEVEL]", "of new layers: gzip (default), zstd, none" },
	{ "source-date-epoch", 0, OPTION_STRING, AT(b.epoch), "WHEN", "time of everything new: seconds, context, image" },
	{ "explain", 0, OPTION_FLAG, AT(b.explain), NULL, "say why steps are not in the cache" },
	{ "lock", 0, OPTION_OPTIONAL, AT(lock), "update]", "use only what FILE.lock pins; write it" },
	BUILD_INSPECT_OPTIONS(struct options, inspect),
	{ "shell-on-fail", 0, OPTION_FLAG, AT(b.shell_on_fail), NULL, "keep a failed RUN as a bundle" },
	{ "jobs", 'j', OPTION_NUMBER, AT(jobs), "N", "steps at a time (processors)" },
	{ "runtime", 0, OPTION_STRING, AT(b.runtime), "PROGRAM", "what executes RUN (oci-rt)" },
	{ "quiet", 'q', OPTION_FLAG, AT(quiet), NULL, "print the digest only" },
	{ "cache-from", 0, OPTION_LIST, AT(cache_from), "LOCATION", "not supported" },
	{ "cache-to", 0, OPTION_LIST, AT(cache_to), "LOCATION", "not supported" },
	REGISTRY_OPTIONS(struct options),
	{ 0 },
};

static const char *last(const struct string_list *l)
{
	return l->count ? l->items[l->count - 1] : NULL;
}

static int choice(const char *option, const char *text, const char *const *names, struct error *err)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return error_set(err, ERR_USAGE, EINVAL, "build: --%s does not know \"%.40s\"", option, text);
}

static int read_modes(struct options *o, struct error *err)
{
	static const char *const progress[] = { "auto", "tty", "plain", "json", "quiet", NULL };
	static const char *const pull[] = { "missing", "always", "never", "true", "false", "", NULL };
	static const char *const squash[] = { "no", "new", "all", "", "false", "true", NULL };
	static const char *const lock[] = { "no", "", "update", "use", NULL };
	static const char *const network[] = { "default", "none", "host", NULL };
	int r = 0;

	if (o->progress) {
		r = choice("progress", o->progress, progress, err);
		o->b.progress = (enum build_progress_mode)r;
	}
	if (r >= 0 && o->pull.count) {
		r = choice("pull", last(&o->pull), pull, err);
		o->b.pull = r == 4 ? BUILD_PULL_MISSING : r > 2 ? BUILD_PULL_ALWAYS : (enum build_pull)r;
	}
	if (r >= 0 && o->squash.count) {
		r = choice("squash", last(&o->squash), squash, err);
		o->b.squash = r == 4 ? BUILD_SQUASH_NO : r == 3 || r == 5 ? BUILD_SQUASH_NEW : (enum build_squash)r;
	}
	if (r >= 0 && o->lock.count) {
		r = choice("lock", last(&o->lock), lock, err);
		o->b.lock = r == 3 ? BUILD_LOCK_USE : (enum build_lock)r;
	}
	if (r >= 0 && o->b.network)
		r = choice("network", o->b.network, network, err);
	return r < 0 ? r : 0;
}

static int refuse(const struct options *o, struct error *err)
{
	if (o->cache_from.count || o->cache_to.count) {
		error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "build: --cache-from and --cache-to are not supported");
		error_hint(err, "the cache is in the store: share that directory (--store)");
		return -EOPNOTSUPP;
	}
	if (o->b.platform && strchr(o->b.platform, ','))
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "build: --platform takes one platform");
	for (size_t i = 0; i < o->b.allow.count; i++) {
		static const char *const names[] = { "network.host", "security.insecure", NULL };
		int r = choice("allow", o->b.allow.items[i], names, err);

		if (r < 0)
			return r;
	}
	if (o->b.push && !o->b.tags.count)
		return error_set(err, ERR_USAGE, EINVAL, "build: --push needs -t");
	return 0;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct build_options *b = &o->b;
	int r = refuse(o, err);

	if (r == 0)
		r = read_modes(o, err);
	if (r < 0)
		return r;
	b->context = argc ? argv[0] : ".";
	if (build_inspect_wanted(&o->inspect))
		return build_inspect(p, &o->inspect, b->file, b->context, &b->arguments, b->target, err);
	b->jobs = (unsigned int)o->jobs;
	b->transfer.registry = o->registry;
	for (size_t i = 0; i < o->no_cache.count; i++) {
		if (strcmp(o->no_cache.items[i], "false") == 0)
			b->no_cache = false;
		else if (*o->no_cache.items[i] && strcmp(o->no_cache.items[i], "true") != 0)
			string_list_add(&p->arena, &b->no_cache_stages, o->no_cache.items[i]);
		else
			b->no_cache = true;
	}
	if (p->quiet || o->quiet)
		b->progress = BUILD_PROGRESS_QUIET;
	else if (p->json && !o->progress)
		b->progress = BUILD_PROGRESS_JSON;
	if (b->file && strcmp(b->file, "-") == 0 && strcmp(b->context, "-") == 0)
		return error_set(err, ERR_USAGE, EINVAL, "build: standard input can be the Dockerfile or the context, not both");
	b->lock_file = b->file && strcmp(b->file, "-") != 0 ? arena_printf(&p->arena, "%s.lock", b->file) :
		strstr(b->context, "://") || strcmp(b->context, "-") == 0 ? "Dockerfile.lock" :
									      arena_printf(&p->arena, "%s/Dockerfile.lock", b->context);
	return build_run(p, b, err);
}

const struct command command_build = { "build", "[CONTEXT]", "make an image from a Dockerfile", specs,
	sizeof(struct options), 0, 1, run };
