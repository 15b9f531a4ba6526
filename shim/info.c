/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: -info answers without a container: name and version of
 * the shim, the options it was given, and the runtime's `features` (JSON, as it
 * printed them).  A runtime that has none is reported without.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "shim/bootstrap.h"
#include "shim/options.h"
#include "specs/task/bootstrap.pb-c.h"

#define FEATURES_MS 5000
#define FEATURES_MAX (1u << 20)

/* The output is larger than what spawn captures: through a pipe file of our own. */
static int read_features(const char *runtime, struct arena *a, char **text, size_t *len)
{
	const char *argv[] = {runtime, "features", NULL};
	_cleanup_fd_ int fd = -1;
	struct spawn s = {.path = runtime,
		.argv = argv,
		.envp = (const char *const *)environ,
		.timeout_ms = FEATURES_MS,
		.stderr_fd = -1};
	_cleanup_fd_ int null = -1;
	int status = 0, r;

	fd = memfd_create("features", MFD_CLOEXEC);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0 || null < 0)
		return -1;
	s.stdout_fd = fd;
	s.stderr_fd = null;
	r = spawn_run(&s, a, &status, NULL);
	if (r < 0 || status != 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return fd_read_all(fd, a, FEATURES_MAX, text, len);
}

int info_print(struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	Bootstrap__RuntimeInfo m = BOOTSTRAP__RUNTIME_INFO__INIT;
	Bootstrap__RuntimeVersion version = BOOTSTRAP__RUNTIME_VERSION__INIT;
	Bootstrap__Annotation mounts = BOOTSTRAP__ANNOTATION__INIT;
	Bootstrap__Annotation *annotations[] = {&mounts};
	Task__Any given = TASK__ANY__INIT, features = TASK__ANY__INIT;
	struct bootstrap_input in;
	const char *runtime;
	struct options o;
	uint8_t *packed;
	char *text;
	size_t len;
	int r;

	options_init(&o);
	r = bootstrap_input_read(NULL, &a, &in, err);
	if (r == 0)
		r = options_from_any(&o, in.options_type, in.options, in.options_len, &a, err);
	if (r < 0)
		return r;
	m.name = (char *)SHIM_NAME;
	version.version = (char *)PACKAGE_VERSION;
	m.version = &version;
	if (*in.options_type) {
		given.type_url = (char *)in.options_type;
		given.value.data = (uint8_t *)in.options;
		given.value.len = in.options_len;
		m.options = &given;
	}
	if (options_runtime(&o, &a, &runtime, NULL) == 0 && read_features(runtime, &a, &text, &len) == 0) {
		features.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/features/Features";
		features.value.data = (uint8_t *)text;
		features.value.len = len;
		m.features = &features;
	}
	mounts.key = (char *)"containerd.io/runtime-allow-mounts";
	mounts.value = (char *)"overlay,bind,erofs,ext4,xfs,btrfs,loop";
	m.annotations = annotations;
	m.n_annotations = 1;
	len = bootstrap__runtime_info__get_packed_size(&m);
	packed = arena_alloc(&a, len);
	bootstrap__runtime_info__pack(&m, packed);
	r = fd_write_all(STDOUT_FILENO, packed, len);
	return r < 0 ? error_sys(err, -r, "print the information") : 0;
}
