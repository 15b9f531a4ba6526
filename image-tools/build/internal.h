/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_BUILD_INTERNAL_H
#define OCI_RT_IMAGE_TOOLS_BUILD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "image-tools/build/build.h"
#include "image-tools/build/cache.h"
#include "image-tools/build/context.h"
#include "image-tools/build/copy.h"
#include "image-tools/build/layer.h"
#include "image-tools/build/progress.h"
#include "image-tools/bundle/bundle.h"
#include "image-tools/dockerfile/dockerfile.h"
#include "image-tools/dockerfile/ignore.h"

/*
 * Shared by the files of build/.  A build is a set of stages, each with a thread, an
 * arena and a view of the store of its own; a stage is what its name names: a stage of
 * the Dockerfile, an image, or a named context.  What threads share is in struct builder
 * and guarded by its lock, or does not change once threads run.
 */
enum stage_kind { STAGE_DOCKERFILE, STAGE_IMAGE, STAGE_CONTEXT };

struct build_stage {
	struct build_stage *next;
	struct builder *b;
	enum stage_kind kind;
	const struct dockerfile_stage *stage; /* STAGE_DOCKERFILE */
	const char *name;		      /* reference, name, or "stage-2" */
	const char *location;		      /* of a context or image */
	struct platform platform;
	struct arena arena;
	struct store store; /* as the program's, with our arena */

	/* The tree and the configuration so far. */
	struct image_config config;
	struct build_layer *layers;
	size_t layers_count, base_layers; /* base_layers: those that FROM brought */
	struct string_list arguments;	  /* "NAME=VALUE" of ARG, in order */
	struct string_list declared;	  /* names of all ARG, with or without value */
	bool cmd_set;			  /* CMD was here, not in the base */
	struct context context;		  /* STAGE_CONTEXT */

	/* Running. */
	pthread_t thread;
	bool started, finished; /* under the builder's lock */
	int result;
	struct error err;
	unsigned int number, total; /* of steps that are shown */
	unsigned int ordinal;	    /* of steps with a key, for --explain */

	/* The tree mounted read-only for those who copy from it; under root_lock. */
	pthread_mutex_t root_lock;
	int root;
	const char *root_path;
};

struct named_value {
	const char *name, *value;
	bool used;
};

struct builder {
	struct program *p;
	const struct build_options *o;
	struct arena *arena; /* the main thread's; while threads run, whoever holds pull_lock */
	struct arena shared; /* of whoever holds `lock` */
	struct dockerfile file;
	const char *file_name;
	struct context context;
	struct ignore ignore;
	struct file_digests *digests;
	struct source_options sources;
	struct cache cache;
	struct platform target, host;
	int64_t epoch;
	const char *created; /* the epoch as RFC 3339 */
	struct build_progress *progress;
	const char *runtime;
	struct string_list globals; /* "NAME=VALUE": automatic and ARG before FROM */
	struct named_value *build_arguments;
	size_t build_arguments_count;
	struct lock_table *pins;
	bool userns;

	/* Our mount namespace. */
	int host_namespace;
	const char *mounts; /* a tmpfs in it: bundles, secrets, roots of stages */
	atomic_uint mounts_count;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct build_stage *stages;
	unsigned int busy, jobs;
	atomic_bool cancel;
	pthread_mutex_t pull_lock;
	pthread_mutex_t network_lock;
	const char *network; /* path of the namespace, "host", or NULL: not looked at yet */
	const char *network_bundle;
	int network_fd;
	const char *failed_bundle;
	pid_t watcher;
	int watch;
};

/* --- userns.c ------------------------------------------------------------------------------------- */
/* Become root of a user namespace with one id. */
int userns_enter(struct builder *b, struct error *err);

/* --- graph.c: who needs whom ------------------------------------------------------------------- */
/* The stage, image or context that a name means for the stage with index `before`; started at once.  from: message. */
struct build_stage *graph_find(struct builder *b, const char *name, size_t before, const struct platform *platform,
	bool base, struct error *err);
struct build_stage *graph_dockerfile_stage(struct builder *b, const struct dockerfile_stage *s);
/* Wait for it; its error is copied. */
int graph_wait(struct build_stage *s, struct error *err);
void graph_join(struct builder *b);
void graph_free(struct builder *b);
/* One of --jobs places for work. */
int graph_enter(struct builder *b);
void graph_leave(struct builder *b);

/* --- stage.c ------------------------------------------------------------------------------------ */
int stage_run(struct build_stage *s, struct error *err);
int stage_load_image(struct build_stage *s, struct error *err);
int stage_open_context(struct build_stage *s, struct error *err);
/* Root of a finished stage or context for COPY and mounts, as a context; the caller closes it. */
int stage_context(struct build_stage *s, struct context *c, struct error *err);
/* Text that names a stage's content: chain-id of its layers. */
const char *stage_chain(const struct build_stage *s, struct arena *a);
expand_lookup stage_lookup;
/* Variables of a RUN: ENV, and ARG where ENV has none. */
void stage_environment(const struct build_stage *s, struct arena *a, struct string_list *env);
const char *builder_argument(struct builder *b, const char *name);
void builder_add_argument(struct builder *b, const char *name, const char *value);
const char *list_value(const struct string_list *l, const char *name);
void list_set(struct arena *a, struct string_list *l, const char *name, const char *value);

/* --- meta.c: instructions that change the configuration only -------------------------------------- */
int meta_apply(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err);
void history_add(struct build_stage *s, const char *text, bool layer);

/* --- step.c, step_copy.c: instructions that make layers ---------------------------------------------- */
int step_run(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err);
int step_copy(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err);
int step_workdir(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err);

/* --- sandbox.c: one RUN ---------------------------------------------------------------------------- */
struct run_request {
	struct build_stage *stage;
	const struct dockerfile_instruction *in;
	struct string_list argv, env;
	int step;
	struct bundle_mount *mounts; /* by mounts.c */
	size_t mounts_count;
	struct string_list secret_env;
	struct string_list directories, files; /* mount points to provide */
	int *locks;
	size_t locks_count;
	struct string_list places; /* where sources are bound: to be unmounted */
	const char *bundle, *id;   /* path on the tmpfs; the container's name */
	struct bundle_user user;
};
int sandbox_run(struct run_request *q, struct scratch *x, struct error *err);
/* Attach an overlay of the stage's layers, with upper and work unless x is NULL, at path.  points: a further lowest
 * layer, named as for unpacked_overlay(), or NULL. */
int sandbox_overlay(struct build_stage *s, const char *points, struct scratch *x, const char *path, struct error *err);
int sandbox_detach(const char *path);
/* A new directory on the tmpfs. */
const char *sandbox_directory(struct builder *b, struct arena *a, struct error *err);
/* Mount namespace and tmpfs; back to the first one. */
int sandbox_enter(struct builder *b, struct error *err);
int sandbox_open(struct builder *b, struct error *err);
int sandbox_leave(struct builder *b, struct error *err);
void sandbox_close(struct builder *b);
int sandbox_find_runtime(struct builder *b, struct error *err);
/* The network namespace of this build's RUNs: a path, or "host". */
int network_prepare(struct builder *b, const char **path, struct error *err);
void network_end(struct builder *b);

/* Execute the runtime with its state on the tmpfs; args end with NULL; output: descriptor for both streams. */
int sandbox_runtime(struct builder *b, const char *const *args, int output, int *status, struct error *err);

/* --- watch.c: containers die with the build ---------------------------------------------------------- */
int watch_begin(struct builder *b, struct error *err);
/* id: of a container; WATCH_NETWORK: the last component of the network's bundle, "" when it is gone. */
enum watch_event { WATCH_BEGIN = '+', WATCH_END = '-', WATCH_NETWORK = 'n' };
void watch_tell(struct builder *b, enum watch_event event, const char *id);
void watch_end(struct builder *b);

/* --- failed.c: --shell-on-fail ---------------------------------------------------------------------- */
/* Make a bundle of what the step has written, in x and mounted nowhere.  Then, with all threads gone, mount it. */
int failed_keep(struct run_request *q, struct scratch *x, struct error *err);
int failed_mount(struct builder *b, struct error *err);

/* --- mounts.c: RUN --mount -------------------------------------------------------------------------- */
/* Parts of the key; content: digests of what is mounted instead of the chain-ids of where it comes from. */
int mounts_key(struct run_request *q, struct key *k, bool content, bool *has_stages, struct error *err);
int mounts_prepare(struct run_request *q, struct error *err);
void mounts_release(struct run_request *q);
/* The value of a secret; NULL when there is none of this id. */
const char *secret_value(struct builder *b, struct arena *a, const char *id, size_t *len, struct error *err);

/* --- epoch.c: the time of everything new ----------------------------------------------------------- */
int epoch_read(struct builder *b, const struct dockerfile_stage *target, struct error *err);

/* --- output.c ---------------------------------------------------------------------------------------- */
int output_write(struct builder *b, struct build_stage *s, struct error *err);
int output_check(const struct build_options *o, struct arena *a, struct error *err);

/* --- lockfile.c: --lock ------------------------------------------------------------------------------- */
int pins_open(struct builder *b, struct error *err);
/* What a name was pinned to; NULL: not pinned (an error with --lock).  kind: "image", "url", "git". */
int pins_get(struct builder *b, const char *kind, const char *name, const char **value, struct error *err);
void pins_set(struct builder *b, const char *kind, const char *name, const char *value);
int pins_save(struct builder *b, struct error *err);
void pins_close(struct builder *b);

#endif
