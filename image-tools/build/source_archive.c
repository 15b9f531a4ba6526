/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: archives that ADD unpacks and that contexts come in.  What
 * they are is read off their first bytes, after decompression; names and media types
 * do not count.  gzip, zstd, bzip2 and xz, all by processes without privileges:
 * layer/plain to look, layer/worker to unpack, with its limits and its descriptors.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "image-tools/build/source.h"
#include "image-tools/layer/plain.h"
#include "image-tools/layer/worker.h"

/* The first header of a tar: its checksum fits, and it is not the end. */
static bool is_tar_header(const uint8_t h[static 512])
{
	unsigned long sum = 0, said = 0;
	const uint8_t *p = h + 148;

	if (h[0] == 0)
		return false;
	for (int i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	while (p < h + 156 && *p == ' ')
		p++;
	if (p == h + 156 || *p < '0' || *p > '7')
		return false;
	for (; p < h + 156 && *p >= '0' && *p <= '7'; p++)
		said = said * 8 + (unsigned long)(*p - '0');
	return sum == said;
}

/* As layer/filter and layer/codec see it. */
static bool looks_compressed(const uint8_t h[static 4])
{
	return (h[0] == 0x1f && h[1] == 0x8b) || memcmp(h, "\x28\xb5\x2f\xfd", 4) == 0 ||
		((h[0] & 0xf0) == 0x50 && h[1] == 0x2a && h[2] == 0x4d && h[3] == 0x18) || memcmp(h, "BZh", 3) == 0 ||
		memcmp(h, "\xfd" "7zX", 4) == 0;
}

int source_is_archive(int fd, struct error *err)
{
	struct error ignored = { 0 };
	struct plain *p = NULL;
	uint8_t head[512];
	size_t have = 0;
	ssize_t n = 0;
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "go back in an archive");
	/* A file that is neither compressed nor a tar, as most are, needs no process. */
	n = pread(fd, head, sizeof head, 0);
	if (n < 4)
		return n < 0 ? error_sys(err, errno, "read an archive") : 0;
	if (!looks_compressed(head))
		return n == (ssize_t)sizeof head && is_tar_header(head);
	r = plain_open(&p, fd, PLAIN_STREAM, APPLY_BYTES_MAX, &ignored);
	while (r == 0 && have < sizeof head && (n = plain_read(p, head + have, sizeof head - have, &ignored)) > 0)
		have += (size_t)n;
	plain_close(p);
	/* What cannot be decompressed is a file like any other. */
	return have == sizeof head && is_tar_header(head);
}

int source_unpack(const struct source_options *o, int fd, int dir, const uint32_t *owner, bool context, struct error *err)
{
	struct apply_options options = { .root = dir, .filters = true, .owner = owner, .userns = o->userns || context,
		.squash = o->single_id || context };
	struct apply_result result = { 0 };
	int r;

	r = worker_apply(&(struct layer_source){ .fd = fd }, DIGEST_SHA256, &options, &result, err);
	if (r == 0 && result.devices_skipped)
		log_warning("%llu device nodes of an archive were left out", (unsigned long long)result.devices_skipped);
	return r;
}
