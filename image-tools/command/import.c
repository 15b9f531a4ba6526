/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: a tar of a root filesystem (compressed or not) becomes the only layer of a new image. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/command/commands.h"
#include "image-tools/compose.h"
#include "image-tools/layer/apply.h"
#include "image-tools/layer/plain.h"
#include "image-tools/layer/tar.h"

struct options {
	struct string_list changes;
	const char *message, *platform, *compress;
};

static const struct option_spec specs[] = {
	{ "change", 'c', OPTION_LIST, offsetof(struct options, changes), "'CMD [\"sh\"]'", "set the configuration" },
	{ "message", 'm', OPTION_STRING, offsetof(struct options, message), "TEXT", "for the history" },
	{ "platform", 0, OPTION_STRING, offsetof(struct options, platform), "P", "os/arch[/variant] (this machine's)" },
	{ "compress", 0, OPTION_STRING, offsetof(struct options, compress), "KIND[:LEVEL]", "gzip (default), zstd, none" },
	{ 0 },
};

/* The first block of a tar: a header, or the zeros at its end when there is nothing in it. */
static bool begins_tar(const char *buf, size_t n)
{
	static const char zeros[512];

	return n >= sizeof zeros && (memcmp(buf, zeros, sizeof zeros) == 0 || tar_is_header((const uint8_t *)buf));
}

static int read_layer(int fd, const char *name, struct layer_writer *l, struct error *err)
{
	struct plain *p;
	char buf[65536];
	size_t have = 0;
	ssize_t n = 0;
	int r = plain_open(&p, fd, PLAIN_STREAM, APPLY_BYTES_MAX, err);

	if (r < 0)
		return r;
	while (have < 512 && (n = plain_read(p, buf + have, sizeof buf - have, err)) > 0)
		have += (size_t)n;
	if (n >= 0 && !begins_tar(buf, have)) {
		r = error_set(err, ERR_CONFIG, EINVAL, "%s is not a tar archive", strcmp(name, "-") == 0 ? "standard input" : name);
		error_hint(err, "import takes the tar of a root filesystem; load takes what docker save and oci-image save write");
	}
	n = n < 0 ? n : (ssize_t)have;
	while (r == 0 && n != 0) {
		r = n < 0 ? (int)n : layer_write(l, buf, (size_t)n, err);
		if (r == 0)
			n = plain_read(p, buf, sizeof buf, err);
	}
	plain_close(p);
	return r;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct platform platform = platform_host();
	struct image image = { 0 };
	struct descriptor layer;
	struct digest diff_id;
	struct reference ref;
	struct layer_writer l;
	enum codec codec = CODEC_GZIP;
	_cleanup_fd_ int fd = -1;
	int level = 0, r = program_store(p, err);

	(void)argc;
	if (r == 0 && o->compress)
		r = codec_parse(o->compress, &codec, &level, err);
	if (r == 0 && o->platform)
		r = platform_parse(&p->arena, o->platform, &platform, err);
	if (r == 0)
		r = reference_parse(&p->arena, argv[1], &ref, err);
	if (r < 0)
		return r;
	fd = strcmp(argv[0], "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, ERR_NOT_FOUND, errno, "open %s: %s", argv[0], error_text(errno));
	r = layer_begin(&l, &p->store.layout, codec, level, err);
	if (r == 0)
		r = read_layer(fd, argv[0], &l, err);
	if (r < 0) {
		layer_abort(&l);
		return r;
	}
	r = layer_commit(&l, &p->arena, &layer, &diff_id, err);
	if (r < 0)
		return r;
	struct history_entry h = { .created = image_now(&p->arena), .created_by = "oci-image import", .comment = o->message };

	image.config.created = h.created;
	image.config.os = platform.os;
	image.config.architecture = platform.architecture;
	image.config.variant = platform.variant;
	image_add_layer(&p->arena, &image, &layer, &diff_id, &h);
	return program_publish(p, &image, &o->changes, &ref, err);
}

const struct command command_import = { "import", "FILE|- NAME", "make an image of a root filesystem's tar", specs,
	sizeof(struct options), 2, 2, run };
