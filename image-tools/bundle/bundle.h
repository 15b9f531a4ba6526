/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUNDLE_BUNDLE_H
#define OCI_RT_IMAGE_TOOLS_BUNDLE_BUNDLE_H

#include "image-tools/layer/apply.h"
#include "image-tools/store/store.h"

/*
 * A bundle: a directory with config.json and rootfs, made from an image.
 *
 *     config.json            what the runtime reads
 *     rootfs/                the root: an overlay mounted here, or a flat tree; empty where config.json has the overlay
 *     upper/ work/           the overlay's writable layer
 *     bundle.json            what made it, for rm-bundle, commit and mount
 *     tree                   of a flat tree: what it was, for commit
 *     hosts hostname resolv.conf   bound into the container when it has a network
 *     volumes/               anonymous volumes of the image
 *     network.json           while a container with --net bridge exists
 */
struct port_mapping {
	unsigned int host, container;
	const char *protocol, *address; /* address NULL: all */
};

struct bundle_volume {
	const char *source; /* absolute path, or the name of a named volume */
	const char *target;
	bool read_only, named;
};

struct bundle_options {
	bool flat, overlay, no_config; /* neither: overlay where that can be had */
	/* process */
	struct string_list env, args, volumes, tmpfs, ports, cap_add, cap_drop, labels;
	const char *user, *workdir, *entrypoint, *hostname;
	bool tty, read_only, privileged, no_new_privileges, strict_groups;
	/* resources */
	const char *memory, *cpus, *pids;
	/* network: "none", "host", "bridge" */
	const char *net;
	struct id_map uids, gids; /* count 0: no user namespace for root */
	const char *spec_file; /* merged over config.json, or NULL */
	const char *volumes_mode; /* anonymous volumes: "bind" (default), "tmpfs", "ignore" */
};

/* Unpack an image into a new directory.  After a failure nothing is left mounted and the directory is gone. */
int bundle_unpack(struct store *s, const struct store_image *image, const char *path, const struct platform *platform,
	const struct bundle_options *o, struct error *err);
/* Undo it: network, mounts, record, directory.  Named volumes stay.  -EBUSY while a process runs in it, unless force. */
int bundle_remove(struct store *s, const char *path, bool force, struct error *err);
/* The root as it is now, for reading. */
int bundle_open_root(struct store *s, const char *path, struct error *err);
/* Mount the overlay again (after a reboot). */
int bundle_mount(struct store *s, const char *path, struct error *err);

#define BUNDLE_TREE "tree"

/* What bundle.json says. */
struct bundle_info {
	const char *image, *manifest, *path;
	const char *tree; /* digest of the file "tree", or NULL */
	bool overlay, inside; /* inside: mounted by the runtime */
	struct string_list layers; /* layer names, bottom first */
	struct string_list uid_map, gid_map; /* "CONTAINER:HOST:SIZE" of a flat tree with the ids of a user namespace */
	struct id_map uids, gids; /* these, parsed */
};
int bundle_info_read(const char *path, struct arena *a, struct bundle_info *info, struct error *err);

/* --- parts ------------------------------------------------------------------ */

struct bundle_user {
	uint32_t uid, gid;
	uint32_t *groups;
	size_t groups_count;
	const char *home; /* NULL: unknown */
};
/* Resolve "user[:group]" against the image's own passwd and group files below root. */
int bundle_find_user(int root, const char *text, bool strict, struct arena *a, struct bundle_user *u, struct error *err);

/* One mount of config.json beyond the defaults. */
struct bundle_mount {
	const char *destination, *type, *source;
	const char *options[8];
};
struct bundle_rlimit {
	const char *type; /* "RLIMIT_NOFILE" */
	uint64_t soft, hard;
};
struct bundle_spec {
	const struct image *image;
	const struct bundle_options *options;
	struct bundle_user user;
	const char *bundle, *program; /* program: our own path, for hooks */
	struct bundle_mount *mounts;
	size_t mounts_count;
	struct port_mapping *ports;
	size_t ports_count;
	struct string_list root_options; /* of the overlay that the runtime mounts on "/"; count 0: none */
	struct id_map uids, gids; /* count 0: no user namespace, or one for the caller alone when unprivileged */
	bool unprivileged;
	/* Builds. */
	bool nested;		   /* root of a user namespace already: none of its own, no cgroups, no devices rules */
	bool single_id;		   /* and of one without further ids: no groups */
	const char *network_path;  /* join this network namespace */
	const char *cgroups_path;
	struct bundle_rlimit *rlimits;
	size_t rlimits_count;
};
const char *bundle_spec_write(struct arena *a, const struct bundle_spec *spec, size_t *len, struct error *err);
/* The text `base` with the file's JSON merged over it (RFC 7396). */
const char *bundle_spec_merge(struct arena *a, const char *base, const char *file, size_t *len, struct error *err);
/* The default system call filter as linux.seccomp, given the capabilities. */
void bundle_seccomp_write(struct json_writer *w, const struct string_list *capabilities);

/* -v SRC:DST[:ro], -p [ADDR:]HOST:CTR[/proto] */
int bundle_parse_volume(struct arena *a, const char *text, struct bundle_volume *v, struct error *err);
int bundle_parse_port(struct arena *a, const char *text, struct port_mapping *p, struct error *err);
/* "CTR:HOST:SIZE" added to a map; overlaps are refused. */
int bundle_parse_id_range(const char *text, struct id_map *map, struct error *err);
/* "512m" → bytes. */
int bundle_parse_size(const char *text, int64_t *bytes, struct error *err);

/* Copy the content of a directory of the root into a volume that is new (copy-up). */
int bundle_copy_tree(int from, int to, struct error *err);

/* A user's overlay of layers (bottom first) and the bundle's upper directory, as options of a mount in config.json;
 * the descriptor is that overlay, mounted nowhere.  Not writable: the upper directory is one more layer. */
int bundle_inside_overlay(const struct store *s, const char *const *names, size_t n, const char *bundle, bool writable,
	struct string_list *options, struct error *err);
/* A process that has it mounted, or 0. */
pid_t bundle_inside_user(struct arena *a, const char *bundle);

/* Hooks: the network of a container.  state: the JSON that the runtime gives to hooks. */
int network_add(const char *bundle, const char *state, size_t len, struct arena *a, struct error *err);
int network_remove(const char *bundle, struct arena *a, struct error *err);
/* The ports of one container (JSON of bundle.json), noted below run/ports as `own`; -EADDRINUSE when another container
 * or a program of the host has one. */
int ports_claim(const char *run, const char *own, const char *id, const char *ports, struct arena *a, struct error *err);
void ports_release(const char *run, const char *own, struct arena *a);

#endif
