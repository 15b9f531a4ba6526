/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the documents of an image as they are (--raw, --config), a summary, its files, or what
 * distinguishes the trees of two images. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
	bool raw, config, files, diff, layers;
};
#define AT(M) offsetof(struct options, M)

static const struct option_spec specs[] = {
	{ "raw", 0, OPTION_FLAG, AT(raw), NULL, "the manifest or index as it is" },
	{ "config", 0, OPTION_FLAG, AT(config), NULL, "the configuration as it is" },
	{ "files", 0, OPTION_FLAG, AT(files), NULL, "list the files of the merged tree, or of one layer (1 is the lowest; or its digest)" },
	{ "layers", 0, OPTION_FLAG, AT(layers), NULL, "list the layers" },
	{ "diff", 0, OPTION_FLAG, AT(diff), NULL, "compare the trees of two images" },
	{ "platform", 0, OPTION_STRING, AT(f.platform), "P", "os/arch[/variant]" },
	REGISTRY_OPTIONS(struct options),
	{ 0 },
};

/* The image, its blobs in the store. */
static int image_of(struct program *p, struct options *o, const char *text, struct image *image, struct error *err)
{
	struct location loc;
	struct layout layout;
	struct descriptor d;
	const char *name;
	int r = location_parse(&p->arena, text, &loc, err);

	if (r == 0)
		r = program_store(p, err);
	if (r == 0)
		r = location_get(p, &loc, &o->f, &layout, &d, &name, err);
	if (r == 0)
		r = image_load(&layout, &p->arena, &d, NULL, image, err);
	if (r == 0 && layout.dir != p->store.layout.dir)
		r = layout_copy(&layout, &p->store.layout, &p->arena, &d, err);
	return r;
}

static int tree_of(struct program *p, struct options *o, const char *text, struct error *err)
{
	struct image image;
	char scratch[32];
	int fd, r = image_of(p, o, text, &image, err);

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

static int print_of_layer(void *opaque, char kind, const char *path, struct error *err)
{
	const int *fs = opaque;
	struct stat st;

	(void)kind;
	(void)err;
	if (fstatat(*fs, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0)
		printf("/%s (removed)\n", path);
	else
		printf("/%s\n", path);
	return 0;
}

/* Number from 1, the lowest, or the beginning of a digest or diff-id. */
static int find_layer(const struct image *image, const char *text, size_t *found, struct error *err)
{
	size_t n = image->manifest.layers_count, length = strlen(text);
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (!*end && number >= 1 && number <= n) {
		*found = number - 1;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		const char *const ids[] = { image->manifest.layers[i].digest_text, image->config.diff_id_texts.items[i] };

		for (size_t k = 0; length >= 6 && k < 2; k++) {
			*found = i;
			if (strncmp(ids[k], text, length) == 0 || strncmp(ids[k] + strcspn(ids[k], ":") + 1, text, length) == 0)
				return 0;
		}
	}
	return error_set(err, ERR_NOT_FOUND, ENOENT, "no layer \"%.80s\": a number from 1 to %zu or a digest expected", text, n);
}

static int layer_files(struct program *p, struct options *o, char **argv, struct error *err)
{
	const char **names;
	struct image image;
	_cleanup_fd_ int fs = -1;
	size_t i;
	int r = image_of(p, o, argv[0], &image, err);

	if (r == 0)
		r = find_layer(&image, argv[1], &i, err);
	if (r == 0)
		r = unpacked_ensure(&p->store, &image, &names, err);
	if (r < 0)
		return r;
	fs = openat(p->store.layers, arena_printf(&p->arena, "%s/fs", names[i]), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fs < 0)
		return error_sys(err, errno, "open layer %s", names[i]);
	return diff_list(-1, fs, print_of_layer, &fs, err);
}

static void print_layers(struct program *p, const struct image *image)
{
	for (size_t i = 0; i < image->manifest.layers_count; i++) {
		const struct descriptor *l = &image->manifest.layers[i];

		printf("%3zu  %s  %10s  %s\n", i + 1, l->digest_text, human_size(&p->arena, (uint64_t)l->size), l->media_type);
	}
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
	if (o->files && !o->diff && argc == 2)
		return layer_files(p, o, argv, err);
	if (o->diff || o->files) {
		if (argc != (o->diff ? 2 : 1))
			return error_set(err, ERR_USAGE, EINVAL, "inspect: --diff takes two images");
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
	if (o->layers && !p->json)
		print_layers(p, &image);
	else if (o->config)
		fwrite(image.config_json, 1, image.config_length, stdout);
	else
		summary(p, name, &d, &image);
	return 0;
}

const struct command command_inspect = { "inspect", "IMAGE [OTHER|LAYER]", "look inside an image", specs, sizeof(struct options), 1, 2,
	run };
