/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_BUILD_H
#define OCI_RT_IMAGE_TOOLS_BUILD_BUILD_H

#include "image-tools/command.h"

/*
 * From a Dockerfile to an image in the store.
 *
 *     struct build_options   what the command line says, checked by the verb
 *     build_run()            all of it: parse, stages, steps, outputs
 *
 * image-tools/README.md tells how the parts work together.
 */
enum build_progress_mode {
	BUILD_PROGRESS_AUTO,
	BUILD_PROGRESS_TERMINAL,
	BUILD_PROGRESS_PLAIN,
	BUILD_PROGRESS_JSON,
	BUILD_PROGRESS_QUIET
};
enum build_pull { BUILD_PULL_MISSING, BUILD_PULL_ALWAYS, BUILD_PULL_NEVER };
enum build_squash { BUILD_SQUASH_NO, BUILD_SQUASH_NEW, BUILD_SQUASH_ALL };
enum build_lock { BUILD_LOCK_NO, BUILD_LOCK_USE, BUILD_LOCK_UPDATE };

/* The time of what a build makes when nobody says otherwise: 1980-01-01, the first that a zip archive can hold. */
#define BUILD_EPOCH_DEFAULT 315532800

struct build_options {
	const char *context; /* directory, "-", URL */
	const char *file;    /* -f, NULL: Dockerfile in the context */
	struct string_list tags;
	const char *target;
	struct string_list arguments; /* "NAME=VALUE" */
	struct string_list contexts;  /* "NAME=LOCATION" */
	struct string_list secrets, ssh, hosts, labels, annotations, ulimits, allow, outputs, no_cache_stages;
	const char *platform, *network, *shm_size, *memory, *cpus, *cgroup_parent, *runtime;
	const char *iidfile, *metadata_file, *compress, *epoch, *lock_file;
	bool no_cache, push, explain, shell_on_fail;
	enum build_pull pull;
	enum build_progress_mode progress;
	enum build_squash squash;
	enum build_lock lock;
	unsigned int jobs; /* 0: as many as there are processors */
	struct transfer_flags transfer;
};

int build_run(struct program *p, const struct build_options *o, struct error *err);

#endif
