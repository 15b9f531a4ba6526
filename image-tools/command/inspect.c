/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the documents of an image as they are (--raw, --config), a summary, its files, or what
 * distinguishes the trees of two images. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/command/commands.h"
#include "image-tools/layer/diff.h"
#include "image-tools/store/unpacked.h"

struct options {
	struct transfer_flags f;
	struct registry_flags registry;
	bool raw, config, files, diff;
};
#define AT(M) offsetof(struct options, M)

static const struct option_spec specs[] = {
	{ "raw", 0, OPTION_FLAG, AT(raw), NULL, "the manifest or index as it is" },
	{ "config", 0, OPTION_FLAG, AT(config), NULL, "the configuration as it is" },
	{ "files", 0, OPTION_FLAG, AT(files), NULL, "list the files of the merged tree" },
	{ "diff", 0, OPTION_FLAG, AT(diff), NULL, "compare the trees of two images" },
	{ "platform", 0, OPTION_STRING, AT(f.platform), "P", "os/arch[/variant]" },
	REGISTRY_OPTIONS(struct options),
	{ 0 },
};

static int tree_of(struct program *p, struct options *o, const char *text, struct error *err)
{
	struct location loc;
	struct layout layout;
	struct descriptor d;
	struct image image;
	const char *name;
	char scratch[32];
	int fd, r = location_parse(&p->arena, text, &loc, err);

	if (r == 0)
		r = program_store(p, err);
	if (r == 0)
		r = location_get(p, &loc, &o->f, &layout, &d, &name, err);
	if (r == 0)
		r = image_load(&layout, &p->arena, &d, NULL, &image, err);
	if (r == 0 && layout.dir != p->store.layout.dir)
		r = layout_copy(&layout, &p->store.layout, &p->arena, &d, err);
	if (r == 0)
		r = store_run_dir(&p->store, err);
	if (r < 0)
		return r;
	unpacked_scratch_name(scratch);
	if (mkdirat(p->store.run, scratch, 0755) < 0)
		return error_sys(err, errno, "create a directory");
	fd = openat(p->store.run, scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? error_sys(err, errno, "open a directory") : unpacked_flat(&p->store, &image, fd, geteuid() != 0, err);
	return r < 0 ? r : fd;
}

static int print_difference(void *opaque, char kind, const char *path, struct error *err)
{
	const bool *plain = opaque;

	(void)err;
	if (*plain)
		printf("/%s\n", path);
	else
		printf("%c /%s\n", kind, path);
	return 0;
}

static int compare(struct program *p, struct options *o, int argc, char **argv, struct error *err)
{
	bool plain = argc == 1;
	_cleanup_fd_ int a = tree_of(p, o, argv[0], err), b = -1;

	if (a < 0)
		return a;
	if (plain)
		return diff_list(-1, a, print_difference, &plain, err);
	b = tree_of(p, o, argv[1], err);
	return b < 0 ? b : diff_list(a, b, print_difference, &plain, err);
}

static void summary(struct program *p, const char *name, const struct descriptor *d, const struct image *image)
{
	const struct image_config *c = &image->config;
	struct platform platform = { c->os, c->architecture, c->variant };
	struct json_writer w;
	uint64_t size = 0;

	json_writer_init(&w, &p->arena, true);
	json_write_object(&w);
	json_write_member_string(&w, "name", name);
	json_write_member_string(&w, "digest", d->digest_text);
	json_write_member_string(&w, "mediaType", d->media_type);
	json_write_member_string(&w, "manifest", image->manifest_descriptor.digest_text);
	json_write_member_string(&w, "id", image->manifest.config.digest_text);
	json_write_member_string(&w, "platform", platform_format(&p->arena, &platform));
	json_write_member_string(&w, "created", c->created);
	json_write_member_array(&w, "layers");
	for (size_t i = 0; i < image->manifest.layers_count; i++) {
		json_write_object(&w);
		json_write_member_string(&w, "digest", image->manifest.layers[i].digest_text);
		json_write_member_string(&w, "diffId", c->diff_id_texts.items[i]);
		json_write_member_string(&w, "mediaType", image->manifest.layers[i].media_type);
		json_write_member_i64(&w, "size", image->manifest.layers[i].size);
		json_write_end_object(&w);
		size += (uint64_t)image->manifest.layers[i].size;
	}
	json_write_end_array(&w);
	json_write_member_u64(&w, "size", size);
	json_write_key(&w, "config");
	json_write_raw(&w, image->config_json, image->config_length);
	json_write_end_object(&w);
	print_json(&w);
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct platform platform;
	struct location loc;
	struct layout layout;
	struct descriptor d;
	struct image image;
	const char *name;
	char *buf;
	size_t len;
	int r;

	o->f.registry = o->registry;
	if (o->diff || o->files) {
		if (argc != (o->diff ? 2 : 1))
			return error_set(err, ERR_USAGE, EINVAL, "inspect: --diff takes two images, --files one");
		return compare(p, o, argc, argv, err);
	}
	r = location_parse(&p->arena, argv[0], &loc, err);
	if (r == 0 && loc.kind == LOCATION_STORE) {
		struct store_image found;

		/* Of the store by name or id; the registry must be asked for. */
		r = program_store(p, err);
		if (r == 0)
			r = store_find(&p->store, argv[0], &found, err);
		d = found.descriptor;
		name = found.name;
		layout = p->store.layout;
	} else if (r == 0) {
		r = location_get(p, &loc, &o->f, &layout, &d, &name, err);
	}
	if (r < 0)
		return r;
	if (o->raw) {
		r = layout_blob_read(&layout, &d, MANIFEST_MAX, &p->arena, &buf, &len, err);
		if (r == 0)
			fwrite(buf, 1, len, stdout);
		return r;
	}
	if (o->f.platform)
		r = platform_parse(&p->arena, o->f.platform, &platform, err);
	if (r == 0)
		r = image_load(&layout, &p->arena, &d, o->f.platform ? &platform : d.platform.os ? &d.platform : NULL, &image, err);
	if (r < 0)
		return r;
	if (o->config)
		fwrite(image.config_json, 1, image.config_length, stdout);
	else
		summary(p, name, &d, &image);
	return 0;
}

const struct command command_inspect = { "inspect", "IMAGE [OTHER]", "look inside an image", specs, sizeof(struct options), 1, 2,
	run };
