/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_OPTIONS_H
#define OCI_RT_SHIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * Runtime options.  They come as containerd.runc.v1.Options, as
 * runtimeoptions.v1.Options (TOML, inline or in a file), or not at all, and are
 * kept in the bundle as options.json and runtime for a later delete.
 */
struct options {
	bool no_pivot_root, no_new_keyring, systemd_cgroup;
	uint32_t io_uid, io_gid;
	const char *shim_cgroup; /* strings are never NULL */
	const char *binary_name;
	const char *root;
	const char *criu_path, *criu_image_path, *criu_work_path;
};

/* Everything unset. */
void options_init(struct options *o);

/* Decode an Any.  An empty type URL leaves the defaults; an unknown one is an error. */
int options_from_any(
	struct options *o, const char *type_url, const void *value, size_t len, struct arena *a, struct error *err);

/* Decode TOML: the keys of runc's options (BinaryName, SystemdCgroup, ...), at the top level or in a table. */
int options_from_toml(struct options *o, const char *text, size_t len, struct arena *a, struct error *err);

/* Write options.json and runtime into the bundle; read them back (missing files: the defaults). */
int options_save(const struct options *o, const char *bundle, struct error *err);
int options_load(struct options *o, const char *bundle, struct arena *a, struct error *err);

/* Does a type URL name this message?  Compares what follows the last '/'. */
bool type_url_is(const char *type_url, const char *name);

/* Absolute path of the runtime: binary_name, or oci-rt; names without a slash are looked up in PATH, then beside
 * the shim. */
int options_runtime(const struct options *o, struct arena *a, const char **path, struct error *err);

/* The runtime's --root: <root or default>/<namespace>. */
const char *options_root(const struct options *o, const char *namespace_name, struct arena *a);

#endif
