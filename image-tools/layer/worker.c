/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the caller starts /proc/self/exe again with five descriptors:
 *
 *	0  pipe to the worker: a struct job, then how many bytes of the file can be read (each time a whole
 *	   uint64_t; FINAL set with the last one).  Its end without FINAL means that the file stays incomplete.
 *	1  pipe from the worker: one struct answer
 *	2  standard error
 *	3  the layer's file, read-only: the worker reads behind whoever writes it
 *	4  the directory, as root of a detached mount without devices and set-id programs where that can be made
 *
 * exec, not fork alone, because the caller has threads, and so that the worker's memory holds
 * no credentials.  What comes back is not trusted: strings are cut, numbers checked.
 */
#include "image-tools/layer/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <linux/mount.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "image-tools/layer/filter.h"

enum { FD_JOB = 0, FD_ANSWER = 1, FD_LAYER = 3, FD_ROOT = 4, FD_FIRST_UNUSED = 5 };
#define FINAL (1ull << 63)

struct job {
	enum digest_algorithm algorithm;
	struct apply_options options;
	uint32_t owner[2]; /* what options.owner points to, which is another process's memory */
};

struct answer {
	int r;
	struct apply_result result;
	struct error error;
};
_Static_assert(sizeof(struct answer) <= 4096, "an answer is one write to a pipe");

/* --- the worker ------------------------------------------------------------- */

struct input {
	uint64_t position, available;
	bool final;
};

static int wait_for_more(struct input *in, struct error *err)
{
	uint64_t counts[64];
	ssize_t n;

	do
		n = read(FD_JOB, counts, sizeof counts);
	while (n < 0 && errno == EINTR);
	/* Whole numbers are written at once, and pipes do not tear what is shorter than PIPE_BUF; a read may still end
	 * between two of them only. */
	if (n <= 0 || n % (ssize_t)sizeof counts[0] != 0)
		return error_set(err, ERR_SYSTEM, ECANCELED, "the layer did not arrive completely");
	in->available = counts[n / (ssize_t)sizeof counts[0] - 1] & ~FINAL;
	in->final = counts[n / (ssize_t)sizeof counts[0] - 1] & FINAL;
	return 0;
}

static ssize_t read_layer(void *opaque, void *buf, size_t size, struct error *err)
{
	struct input *in = opaque;
	ssize_t n;

	while (in->position == in->available && !in->final) {
		int r = wait_for_more(in, err);

		if (r < 0)
			return r;
	}
	if (size > in->available - in->position)
		size = (size_t)(in->available - in->position);
	if (size == 0)
		return 0;
	do
		n = pread(FD_LAYER, buf, size, (off_t)in->position);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return error_sys(err, n < 0 ? errno : EIO, "read a layer");
	in->position += (uint64_t)n;
	return n;
}

/* What libraries open on first use has to be open before the doors are shut. */
void worker_warm_up(enum digest_algorithm algorithm)
{
	struct digest ignored;
	iconv_t cd = iconv_open("UTF-8", "UTF-8");

	if (cd != (iconv_t)-1)
		iconv_close(cd);
	digest_of(algorithm, "", 0, &ignored);
}

static int work(struct apply_result *result, struct error *err)
{
	struct sandbox_options sandbox = { .root = FD_ROOT };
	struct input in = { 0 };
	struct decoder *decoder = NULL;
	struct filter *filter = NULL;
	struct job job;
	int r;

	if (fd_read_full(FD_JOB, &job, sizeof job) != sizeof job)
		return error_set(err, ERR_SYSTEM, EPROTO, "unpacking process: no job");
	job.options.root = FD_ROOT;
	job.options.owner = job.options.owner ? job.owner : NULL;
	sandbox.devices = !job.options.userns;
	sandbox.trusted_xattr = !job.options.userns;
	worker_warm_up(job.algorithm);
	r = sandbox_self(&sandbox, err);
	if (r == 0 && job.options.filters)
		r = filter_open(&filter, read_layer, &in, err);
	if (r == 0)
		r = decoder_open(&decoder, filter ? filter_read : read_layer, filter ? (void *)filter : &in, APPLY_BYTES_MAX, err);
	if (r == 0)
		r = apply_layer(decoder, job.algorithm, &job.options, result, err);
	decoder_close(decoder);
	filter_close(filter);
	return r;
}

int worker_main(void)
{
	struct log_options log = { .program = "oci-image", .level = LOG_LEVEL_WARNING };
	struct answer answer = { 0 };

	log_open(&log, NULL);
	/* Nobody reads the answer of an orphan. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (syscall(SYS_close_range, FD_FIRST_UNUSED, ~0u, 0) < 0 && errno != ENOSYS)
		return 1;
	answer.r = work(&answer.result, &answer.error);
	_exit(fd_write_all(FD_ANSWER, &answer, sizeof answer) < 0);
}

/* --- its caller ------------------------------------------------------------- */

/* The directory once more, as a mount that is ours alone, on which device nodes are only names. */
static int own_mount(int root)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	int fd = (int)syscall(SYS_open_tree, root, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	/* Already a detached mount, which Linux before 6.15 does not clone: change that one. */
	if (fd < 0)
		fd = fcntl(root, F_DUPFD_CLOEXEC, FD_FIRST_UNUSED);
	if (fd >= 0)
		(void)!syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof attr);
	return fd;
}

/* A loader's or a sanitizer's settings go along, and nothing else: an environment may hold secrets. */
static char **worker_environment(struct arena *a)
{
	static const char *const prefixes[] = { "LD_", "ASAN_", "UBSAN_", "LSAN_" };
	size_t n = 0, count = 0;
	char **env;

	while (environ[count])
		count++;
	env = arena_array(a, char *, count + 1);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++)
			if (strncmp(environ[i], prefixes[k], strlen(prefixes[k])) == 0)
				env[n++] = environ[i];
	return env;
}

int worker_spawn(const char *argument, const int *fds, int n, pid_t *pid)
{
	const char *const argv[] = { "oci-image", argument, NULL };
	posix_spawn_file_actions_t actions;
	struct arena a = ARENA_INIT;
	int high[WORKER_FDS_MAX], r = 0;

	posix_spawn_file_actions_init(&actions);
	/* First out of the way, so that no dup2 overwrites what the next one needs. */
	for (int i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 32);
		if (high[i] < 0)
			r = errno;
	}
	for (int i = 0; r == 0 && i < n; i++)
		r = posix_spawn_file_actions_adddup2(&actions, high[i], i);
	if (r == 0)
		r = posix_spawn(pid, "/proc/self/exe", &actions, NULL, (char *const *)argv, worker_environment(&a));
	posix_spawn_file_actions_destroy(&actions);
	for (int i = 0; i < n; i++)
		cleanup_fd(&high[i]);
	arena_free(&a);
	return -r;
}

/* Tell the worker how far it may read.  That it does not listen any more is no error here: its answer says why. */
static int feed(const struct layer_source *source, int pipe, struct error *err)
{
	uint64_t available = 0, message;
	struct stat st;
	int r = 0;

	if (!source->feed) {
		if (fstat(source->fd, &st) < 0)
			return error_sys(err, errno, "examine a layer");
		message = (uint64_t)st.st_size | FINAL;
		fd_write_all(pipe, &message, sizeof message);
		return 0;
	}
	while (r == 0) {
		r = source->feed(source->opaque, available, &available, err);
		if (r < 0)
			return r;
		message = available | (r > 0 ? FINAL : 0);
		if (fd_write_all(pipe, &message, sizeof message) < 0)
			return 0;
	}
	return 0;
}

int worker_believe(int r, struct error *said, struct error *err)
{
	said->step[sizeof said->step - 1] = '\0';
	said->path[sizeof said->path - 1] = '\0';
	said->msg[sizeof said->msg - 1] = '\0';
	said->hint[sizeof said->hint - 1] = '\0';
	if (r > 0 || r < -4095 || (unsigned int)said->code >= ERR_CODE_COUNT)
		return error_set(err, ERR_SYSTEM, EPROTO, "a process that reads what is not trusted gave an invalid answer");
	if (r < 0 && err)
		*err = *said;
	return r;
}

static int take_answer(int pipe, pid_t pid, struct apply_result *result, struct error *err)
{
	struct answer answer;
	ssize_t n = fd_read_full(pipe, &answer, sizeof answer);
	char text[64];
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof answer)
		return error_set(err, ERR_SYSTEM, EIO, "the process that unpacks the layer failed: %s",
			spawn_status_text(status, text));
	*result = answer.result;
	return worker_believe(answer.r, &answer.error, err);
}

int worker_apply(const struct layer_source *source, enum digest_algorithm algorithm, const struct apply_options *options,
	struct apply_result *result, struct error *err)
{
	int job_pipe[2] = { -1, -1 }, answer_pipe[2] = { -1, -1 }, r = 0, fed;
	struct job job = { .algorithm = algorithm, .options = *options };
	struct error feed_error = { 0 };
	_cleanup_fd_ int layer = -1, root = -1;
	char link[64];
	pid_t pid = -1;

	*result = (struct apply_result){ 0 };
	if (options->owner)
		memcpy(job.owner, options->owner, sizeof job.owner);
	snprintf(link, sizeof link, "/proc/self/fd/%d", source->fd);
	layer = openat(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
	root = own_mount(options->root);
	if (layer < 0 || root < 0 || pipe2(job_pipe, O_CLOEXEC) < 0 || pipe2(answer_pipe, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = worker_spawn(WORKER_ARGUMENT, (const int[]){ job_pipe[0], answer_pipe[1], STDERR_FILENO, layer, root }, 5, &pid);
	cleanup_fd(&job_pipe[0]);
	cleanup_fd(&answer_pipe[1]);
	if (r < 0) {
		cleanup_fd(&job_pipe[1]);
		cleanup_fd(&answer_pipe[0]);
		return error_sys(err, -r, "start a process to unpack the layer");
	}
	fed = fd_write_all(job_pipe[1], &job, sizeof job) < 0 ? 0 : feed(source, job_pipe[1], &feed_error);
	close(job_pipe[1]);
	r = take_answer(answer_pipe[0], pid, result, err);
	close(answer_pipe[0]);
	if (fed < 0 && err)
		*err = feed_error;
	return fed < 0 ? fed : r;
}
