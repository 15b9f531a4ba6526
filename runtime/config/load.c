/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a configuration file comes from outside and may be
 * anything: a FIFO (hence O_NONBLOCK, and only regular files), endless (hence
 * the limit), broken.  Whatever is wrong with it is collected by the parser and
 * by the checks into one list; the struct error tells the first and how many
 * there are.  Links are followed: engines own the bundle.
 */
#include "runtime/config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "runtime/config/check.h"
#include "specs/config_parse.h"

static int read_bounded(int fd, const char *name, struct arena *a, char **text, size_t *len, struct error *err)
{
	int r = fd_read_all(fd, a, JSON_MAX_INPUT, text, len);

	if (r == -EFBIG)
		return error_set(err, ERR_CONFIG, EFBIG, "%s is larger than %u MiB", name, JSON_MAX_INPUT >> 20);
	if (r < 0)
		return error_sys(err, -r, "read %s", name);
	return 0;
}

static int read_regular(int dirfd, const char *name, struct arena *a, char **text, size_t *len, struct error *err)
{
	_cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return error_sys(err, errno, "open %s", name);
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "stat %s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_CONFIG, EINVAL, "%s is not a regular file", name);
	if (st.st_size > (off_t)JSON_MAX_INPUT)
		return error_set(err, ERR_CONFIG, EFBIG, "%s is larger than %u MiB", name, JSON_MAX_INPUT >> 20);
	return read_bounded(fd, name, a, text, len, err);
}

int config_load_text(
	const char *text, size_t len, const char *more, struct arena *a, struct config_document *doc, struct error *err)
{
	*doc = (struct config_document){.text = text, .len = len};
	config_parse(text, len, a, &doc->config, &doc->errors);
	/* After a syntax error (the only one without a path) everything else would just be missing. */
	if (doc->errors.count == 0 || *doc->errors.items[doc->errors.count - 1].path)
		config_check(doc->config, a, &doc->errors, &doc->warnings);
	return json_errors_first(&doc->errors, ERR_CONFIG, more, err);
}

int config_load(int dirfd, const char *name, const char *bundle, struct arena *a, struct config_document *doc,
	struct error *err)
{
	char *text = NULL;
	size_t len = 0;
	int r;

	*doc = (struct config_document){0};
	r = read_regular(dirfd, name, a, &text, &len, err);
	if (r < 0)
		return error_wrap(err, "bundle %s", bundle);
	r = config_load_text(text, len, arena_printf(a, "run oci-rt check %s", bundle), a, doc, err);
	return r < 0 ? error_wrap(err, "%s", name) : 0;
}

int config_load_copy(int state_fd, const char *name, struct arena *a, struct config_document *doc, struct error *err)
{
	char *text = NULL;
	size_t len = 0;
	int r;

	*doc = (struct config_document){0};
	r = read_regular(state_fd, name, a, &text, &len, err);
	if (r == 0) {
		*doc = (struct config_document){.text = text, .len = len};
		config_parse(text, len, a, &doc->config, &doc->errors);
		r = json_errors_first(&doc->errors, ERR_CORRUPT, NULL, err);
	}
	return r < 0 ? error_wrap(err, "%s in the state directory", name) : 0;
}

int process_load(int dirfd, const char *path, struct arena *a, struct config_process **out,
	struct json_errors *warnings, struct error *err)
{
	struct json_errors errors = {0};
	char *text = NULL;
	size_t len = 0;
	int named = fd_of_path(path);
	struct stat st;
	int r;

	/* The caller named a descriptor: of a shell's <(program) it is a pipe, and meant to be waited for. */
	if (named >= 0 && fstat(named, &st) == 0 && S_ISFIFO(st.st_mode))
		r = read_bounded(named, path, a, &text, &len, err);
	else
		r = read_regular(dirfd, path, a, &text, &len, err);
	if (r < 0)
		return r;
	process_parse(text, len, a, out, &errors);
	if (errors.count == 0 || *errors.items[errors.count - 1].path)
		process_check(*out, a, &errors, warnings);
	r = json_errors_first(&errors, ERR_CONFIG, NULL, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

int resources_load(int fd, const char *name, struct arena *a, struct config_resources **out,
	struct json_errors *warnings, struct error *err)
{
	struct json_errors errors = {0};
	char *text = NULL;
	size_t len = 0;
	int r = read_bounded(fd, name, a, &text, &len, err);

	if (r < 0)
		return r;
	resources_parse(text, len, a, out, &errors);
	if (errors.count == 0 || *errors.items[errors.count - 1].path)
		resources_check(*out, a, &errors, warnings);
	r = json_errors_first(&errors, ERR_CONFIG, NULL, err);
	return r < 0 ? error_wrap(err, "%s", name) : 0;
}
