/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: any bytes as a layer, compressed or not, applied flat and as an overlay layer to a fresh
 * directory; beside it a directory that must stay empty. */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/layer/apply.h"
#include "image-tools/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *data;
	size_t size;
};

static ssize_t from_memory(void *opaque, void *buf, size_t size, struct error *err)
{
	struct memory *m = opaque;
	size_t n = size < m->size ? size : m->size;

	(void)err;
	memcpy(buf, m->data, n);
	m->data += n;
	m->size -= n;
	return (ssize_t)n;
}

static void apply(int top, const uint8_t *data, size_t size, bool overlay)
{
	struct memory m = { data, size };
	struct apply_options o = { .overlay = overlay, .squash = geteuid() != 0, .userns = true, .max_bytes = 1 << 20 };
	struct apply_result result;
	struct error err = { 0 };
	struct decoder *d;

	mkdirat(top, "root", 0700);
	_cleanup_fd_ int root = openat(top, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	o.root = root;
	if (decoder_open(&d, from_memory, &m, 1 << 22, &err) == 0) {
		apply_layer(d, DIGEST_SHA256, &o, &result, &err);
		decoder_close(d);
	}
	store_remove_tree(top, "root");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[] = "/dev/shm/fuzz-layer.XXXXXX";
	static int top = -1;

	if (top < 0) {
		setlocale(LC_CTYPE, "C.UTF-8");
		if (!mkdtemp(path))
			abort();
		top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		mkdirat(top, "beside", 0700);
	}
	apply(top, data, size, false);
	apply(top, data, size, true);
	/* rmdir works only as long as it is empty. */
	if (unlinkat(top, "beside", AT_REMOVEDIR) < 0 || mkdirat(top, "beside", 0700) < 0)
		abort();
	return 0;
}
