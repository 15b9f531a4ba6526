/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: options of a container to struct bundle_options; bundle/ does the work. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image-tools/bundle/bundle.h"
#include "image-tools/command/commands.h"
#include "image-tools/rootless.h"

struct options {
	struct bundle_options b;
	const char *platform;
	struct string_list uids, gids;
};
#define AT(M) offsetof(struct options, M)

static const struct option_spec specs[] = {
	{ "overlay", 0, OPTION_FLAG, AT(b.overlay), NULL, "writable layer over shared ones (default)" },
	{ "flat", 0, OPTION_FLAG, AT(b.flat), NULL, "a tree of its own, nothing mounted" },
	{ "platform", 0, OPTION_STRING, AT(platform), "P", "os/arch[/variant]" },
	{ "no-config", 0, OPTION_FLAG, AT(b.no_config), NULL, "make only the root filesystem" },
	{ "spec", 0, OPTION_STRING, AT(b.spec_file), "FILE", "JSON merged over config.json (RFC 7396; null removes)" },
	{ "uid-map", 0, OPTION_LIST, AT(uids), "CTR:HOST:SIZE", "run in a user namespace, flat, with these ids" },
	{ "gid-map", 0, OPTION_LIST, AT(gids), "CTR:HOST:SIZE", "the same for groups (default: as --uid-map)" },
	{ "env", 'e', OPTION_LIST, AT(b.env), "NAME[=VALUE]", "set a variable, or pass ours on" },
	{ "user", 'u', OPTION_STRING, AT(b.user), "USER[:GROUP]", "instead of the image's" },
	{ "workdir", 'w', OPTION_STRING, AT(b.workdir), "DIR", "instead of the image's" },
	{ "entrypoint", 0, OPTION_STRING, AT(b.entrypoint), "PROGRAM", "instead of the image's" },
	{ "hostname", 'h', OPTION_STRING, AT(b.hostname), "NAME", "host name (the bundle's)" },
	{ "tty", 't', OPTION_FLAG, AT(b.tty), NULL, "with a terminal" },
	{ "volume", 'v', OPTION_LIST, AT(b.volumes), "SRC:DST[:ro]", "bind a directory, or a named volume" },
	{ "tmpfs", 0, OPTION_LIST, AT(b.tmpfs), "DST[:OPTIONS]", "an empty directory in memory" },
	{ "volumes", 0, OPTION_STRING, AT(b.volumes_mode), "MODE", "the image's own: bind (default), tmpfs, ignore" },
	{ "memory", 'm', OPTION_STRING, AT(b.memory), "SIZE", "limit" },
	{ "cpus", 0, OPTION_STRING, AT(b.cpus), "N", "limit, as in 1.5" },
	{ "pids", 0, OPTION_STRING, AT(b.pids), "N", "limit" },
	{ "read-only", 0, OPTION_FLAG, AT(b.read_only), NULL, "root filesystem read-only" },
	{ "net", 0, OPTION_STRING, AT(b.net), "MODE", "none (default), host, bridge (default with -p)" },
	{ "publish", 'p', OPTION_LIST, AT(b.ports), "[ADDR:]HOST:CTR[/udp]", "make a port reachable" },
	{ "cap-add", 0, OPTION_LIST, AT(b.cap_add), "CAP", "further capability, or ALL" },
	{ "cap-drop", 0, OPTION_LIST, AT(b.cap_drop), "CAP", "without this capability, or ALL" },
	{ "privileged", 0, OPTION_FLAG, AT(b.privileged), NULL, "all capabilities and devices, no filter, no masks" },
	{ "no-new-privileges", 0, OPTION_FLAG, AT(b.no_new_privileges), NULL, "set-id programs gain nothing" },
	{ "strict-groups", 0, OPTION_FLAG, AT(b.strict_groups), NULL, "no groups for numeric users" },
	{ "label", 'l', OPTION_LIST, AT(b.labels), "KEY=VALUE", "annotation" },
	{ 0 },
};

static int id_maps(struct options *o, struct error *err)
{
	int r = 0;

	if ((o->uids.count || o->gids.count) && (geteuid() != 0 || rootless_active()))
		return error_set(err, ERR_USAGE, EINVAL, "--uid-map is for root; others get their subordinate ids anyway");
	if (o->gids.count && !o->uids.count)
		return error_set(err, ERR_USAGE, EINVAL, "--gid-map needs --uid-map");
	if (o->uids.count && o->b.overlay)
		return error_set(err, ERR_USAGE, EINVAL, "--uid-map and --overlay exclude one another");
	for (size_t i = 0; r == 0 && i < o->uids.count; i++)
		r = bundle_parse_id_range(o->uids.items[i], &o->b.uids, err);
	for (size_t i = 0; r == 0 && i < o->gids.count; i++)
		r = bundle_parse_id_range(o->gids.items[i], &o->b.gids, err);
	if (o->b.gids.count == 0)
		o->b.gids = o->b.uids;
	return r;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct platform platform;
	struct store_image image;
	const char *slash = strrchr(argv[1], '/');
	int r = program_store(p, err);

	if (o->b.overlay && o->b.flat)
		return error_set(err, ERR_USAGE, EINVAL, "unpack: --overlay and --flat exclude one another");
	if (r == 0)
		r = id_maps(o, err);
	if (r < 0)
		return r;
	if (!o->b.net)
		o->b.net = o->b.ports.count ? "bridge" : geteuid() == 0 && !rootless_active() ? "none" : "host";
	if (strcmp(o->b.net, "none") != 0 && strcmp(o->b.net, "host") != 0 && strcmp(o->b.net, "bridge") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "--net %s: none, host or bridge expected", o->b.net);
	if (o->b.ports.count && strcmp(o->b.net, "bridge") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "-p needs --net bridge");
	if (!o->b.hostname)
		o->b.hostname = slash && slash[1] ? slash + 1 : argv[1];
	for (int i = 2; i < argc; i++)
		string_list_add(&p->arena, &o->b.args, argv[i]);
	if (r == 0 && o->platform)
		r = platform_parse(&p->arena, o->platform, &platform, err);
	if (r == 0)
		r = store_find(&p->store, argv[0], &image, err);
	return r < 0 ? r : bundle_unpack(&p->store, &image, argv[1], o->platform ? &platform : NULL, &o->b, err);
}

const struct command command_unpack = { "unpack", "NAME BUNDLE [-- ARG...]", "make a bundle that a runtime can run", specs,
	sizeof(struct options), 2, -1, run };
