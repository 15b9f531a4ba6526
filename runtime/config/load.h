/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CONFIG_LOAD_H
#define OCI_RT_RUNTIME_CONFIG_LOAD_H

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "specs/config.h"

/* A configuration as it was read.  All memory is in the arena given to the functions below. */
struct config_document {
	const char *text; /* the file's bytes, for the copy in the state directory */
	size_t len;
	struct config *config; /* not NULL after a successful read; config->linux is never NULL */
	struct json_errors errors, warnings;
};

/* Read, parse and check the regular file `name` (at most JSON_MAX_INPUT bytes) below dirfd.  bundle names the
 * directory in messages.  On errors in the document err holds the first one, its path, and how to see the others;
 * doc->errors holds them all.  Returns 0 or a negative errno. */
int config_load(int dirfd, const char *name, const char *bundle, struct arena *a, struct config_document *doc,
	struct error *err);

/* The copy in the state directory: what create took is parsed, not judged again (another version of the rules, or another
 * environment, must not cut a living container off). */
int config_load_copy(int state_fd, const char *name, struct arena *a, struct config_document *doc, struct error *err);

/* The same for text that was read already.  more (may be NULL) is what the message says about the other errors. */
int config_load_text(const char *text, size_t len, const char *more, struct arena *a, struct config_document *doc,
	struct error *err);

/* A process document (exec --process): path below dirfd (AT_FDCWD for the working directory). */
int process_load(int dirfd, const char *path, struct arena *a, struct config_process **out,
	struct json_errors *warnings, struct error *err);

/* A resources document (update --resources) from an open file, a pipe too. */
int resources_load(int fd, const char *name, struct arena *a, struct config_resources **out,
	struct json_errors *warnings, struct error *err);

#endif
