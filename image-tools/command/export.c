/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the merged tree of an image, or of a bundle as it is, as one tar. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/bundle/bundle.h"
#include "image-tools/command/commands.h"
#include "image-tools/layer/diff.h"
#include "image-tools/store/unpacked.h"

struct options {
	const char *output;
};

static const struct option_spec specs[] = {
	{ "output", 'o', OPTION_STRING, offsetof(struct options, output), "FILE", "instead of standard output" },
	{ 0 },
};

static int to_fd(void *opaque, const void *buf, size_t size, struct error *err)
{
	int r = fd_write_all(*(int *)opaque, buf, size);

	return r < 0 ? error_sys(err, -r, "write the archive") : 0;
}

static int open_image(struct program *p, const char *name, struct error *err)
{
	struct store_image found;
	struct image image;
	char scratch[32];
	int fd, r = store_find(&p->store, name, &found, err);

	if (r == 0)
		r = image_load(&p->store.layout, &p->arena, &found.descriptor, NULL, &image, err);
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

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	_cleanup_fd_ int root = -1, file = -1;
	int out = STDOUT_FILENO, r = program_store(p, err);
	struct bundle_info info = { 0 };
	struct stat st;

	(void)argc;
	if (r < 0)
		return r;
	if (stat(arena_printf(&p->arena, "%s/bundle.json", argv[0]), &st) == 0) {
		r = bundle_info_read(argv[0], &p->arena, &info, err);
		root = r < 0 ? r : bundle_open_root(&p->store, argv[0], err);
	} else {
		root = open_image(p, argv[0], err);
	}
	if (root < 0)
		return root;
	if (o->output) {
		out = file = open(o->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (file < 0)
			return error_sys(err, errno, "create %s", o->output);
	}
	struct tar_writer w = { .sink = to_fd, .opaque = &out, .uids = &info.uids, .gids = &info.gids };

	return diff_write_tree(root, &w, err);
}

const struct command command_export = { "export", "NAME|BUNDLE", "write a root filesystem as a tar", specs,
	sizeof(struct options), 1, 1, run };
