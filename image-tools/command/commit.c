/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what changed in a bundle becomes one more layer: an overlay's upper directory as it is, a flat
 * tree by comparison with what unpack wrote down about it, else with a fresh copy of the image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "image-tools/bundle/bundle.h"
#include "image-tools/command/commands.h"
#include "image-tools/compose.h"
#include "image-tools/layer/diff.h"
#include "image-tools/store/unpacked.h"

struct options {
	struct string_list changes;
	const char *message, *author, *compress;
	bool squash;
};

static const struct option_spec specs[] = {
	{ "change", 'c', OPTION_LIST, offsetof(struct options, changes), "'ENV A=B'", "change the configuration too" },
	{ "message", 'm', OPTION_STRING, offsetof(struct options, message), "TEXT", "for the history" },
	{ "author", 'a', OPTION_STRING, offsetof(struct options, author), "NAME", "author" },
	{ "squash", 0, OPTION_FLAG, offsetof(struct options, squash), NULL, "one layer with everything, instead of one more" },
	{ "compress", 0, OPTION_STRING, offsetof(struct options, compress), "KIND[:LEVEL]", "gzip (default), zstd, none" },
	{ 0 },
};

static int flat_base(struct program *p, const struct bundle_info *info, const struct image *image, struct error *err)
{
	char name[32];
	int r = store_run_dir(&p->store, err), fd;

	if (r < 0)
		return r;
	unpacked_scratch_name(name);
	if (mkdirat(p->store.run, name, 0755) < 0)
		return error_sys(err, errno, "create a directory");
	fd = openat(p->store.run, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? error_sys(err, errno, "open a directory") :
		     unpacked_flat_mapped(&p->store, image, fd, geteuid() != 0, &info->uids, &info->gids, err);
	return r < 0 ? r : fd;
}

struct base {
	struct program *p;
	const struct bundle_info *info;
	const struct image *image;
};

static int open_base(void *opaque, struct error *err)
{
	const struct base *b = opaque;

	return flat_base(b->p, b->info, b->image, err);
}

static bool read_tree(struct program *p, const struct bundle_info *info, struct tree_reader *tree)
{
	_cleanup_fd_ int dir = open(info->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct digest d;

	return info->tree && dir >= 0 && digest_parse(info->tree, &d, NULL) == 0 &&
		tree_read_begin(tree, dir, BUNDLE_TREE, &d, &p->arena) == 0;
}

static int write_layer(struct program *p, const struct bundle_info *info, const struct image *image, bool squash,
	struct layer_writer *l, struct error *err)
{
	struct tar_writer w = { .sink = layer_write, .opaque = l, .uids = &info->uids, .gids = &info->gids };
	_cleanup_fd_ int now = -1, before = -1;
	struct tree_reader tree;

	if (squash) {
		now = bundle_open_root(&p->store, info->path, err);
		return now < 0 ? now : diff_write_tree(now, &w, err);
	}
	if (info->overlay) {
		now = open(arena_printf(&p->arena, "%s/upper", info->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		return now < 0 ? error_sys(err, errno, "open %s/upper", info->path) : diff_write_upper(now, &w, err);
	}
	now = open(arena_printf(&p->arena, "%s/rootfs", info->path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (now < 0)
		return error_sys(err, errno, "open %s/rootfs", info->path);
	if (read_tree(p, info, &tree))
		return diff_write_changes_since(&tree, open_base, &(struct base){ p, info, image }, now, &w, err);
	before = flat_base(p, info, image, err);
	return before < 0 ? before : diff_write_changes(before, now, &w, err);
}

/* What was done stays in the history, without the layers that it made. */
static void forget_layers(struct image *image)
{
	image->manifest.layers_count = 0;
	image->config.diff_id_texts.count = 0;
	for (size_t i = 0; i < image->config.history_count; i++)
		image->config.history[i].empty_layer = true;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct descriptor base = { .size = -1 }, layer;
	struct bundle_info info;
	struct image image;
	struct reference ref;
	struct digest diff_id;
	struct layer_writer l;
	enum codec codec = CODEC_GZIP;
	int level = 0, r = program_store(p, err);

	(void)argc;
	if (r == 0 && o->compress)
		r = codec_parse(o->compress, &codec, &level, err);
	if (r == 0)
		r = bundle_info_read(argv[0], &p->arena, &info, err);
	if (r == 0)
		r = reference_parse(&p->arena, argv[1], &ref, err);
	if (r == 0) {
		base.digest_text = info.manifest;
		base.media_type = NULL;
		r = digest_parse(info.manifest, &base.digest, err);
	}
	if (r == 0)
		r = image_load(&p->store.layout, &p->arena, &base, NULL, &image, err);
	if (r == 0)
		r = layer_begin(&l, &p->store.layout, codec, level, err);
	if (r < 0)
		return r;
	r = write_layer(p, &info, &image, o->squash, &l, err);
	if (r < 0) {
		layer_abort(&l);
		return r;
	}
	r = layer_commit(&l, &p->arena, &layer, &diff_id, err);
	if (r < 0)
		return r;
	struct history_entry h = { .created = image_now(&p->arena), .author = o->author, .created_by = "oci-image commit",
		.comment = o->message };

	image.config.created = h.created;
	if (o->author)
		image.config.author = o->author;
	if (o->squash)
		forget_layers(&image);
	image_add_layer(&p->arena, &image, &layer, &diff_id, &h);
	return program_publish(p, &image, &o->changes, &ref, err);
}

const struct command command_commit = { "commit", "BUNDLE NAME", "make an image of a changed bundle", specs,
	sizeof(struct options), 2, 2, run };
