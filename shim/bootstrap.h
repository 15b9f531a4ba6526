/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_BOOTSTRAP_H
#define OCI_RT_SHIM_BOOTSTRAP_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

#define SHIM_NAME "containerd-shim-oci-rt-v2"

/* The command line, in the style of Go's flag package: -name value, -name=value, --name. */
struct flags {
	bool debug, version, info;
	const char *namespace_name, *id, *socket, *bundle, *address, *publish_binary;
	const char *action; /* "start", "delete", "" for the server */
};

/* How the result of start is printed. */
enum bootstrap_form { FORM_PLAIN, FORM_JSON, FORM_PROTOBUF };

/* start: make (or find) the socket of the container's group, start the server on it, print its address. */
int bootstrap_start(const struct flags *flags, struct error *err);

/* delete: clean up after a shim that is gone (or a container that was deleted); prints a DeleteResponse. */
int cleanup_delete(const struct flags *flags, struct error *err);

/* -info: print a RuntimeInfo. */
int info_print(struct error *err);

/* The server itself: serve on descriptor 3, or on -socket.  With the variable in its environment, descriptor 4 is a
 * pipe from the start command: a byte, when containerd has the address; or its end. */
#define SERVER_LISTEN_FD 3
#define SERVER_STARTER_FD 4
#define SERVER_STARTER_ENV "OCI_RT_SHIM_STARTER"
int server_run(const struct flags *flags, struct error *err);

/* Name of the socket of a group: DIR/sha256(address/namespace/key), the three joined as paths are. */
const char *bootstrap_socket_path(
	struct arena *a, const char *dir, const char *address, const char *namespace_name, const char *key);

/* What stdin of start (and -info) may carry. */
struct bootstrap_input {
	bool params; /* BootstrapParams, not an Any */
	const char *options_type;
	const void *options;
	size_t options_len;
	int log_level;
	const char *ttrpc_address, *grpc_address, *binary, *socket_dir, *namespace_name; /* "" when not given */
};

/* Take apart the bytes of stdin: an Any, BootstrapParams whose instance_id is `id`, or nothing. */
int bootstrap_input_parse(
	const void *data, size_t len, const char *id, struct arena *a, struct bootstrap_input *in, struct error *err);

/* Read stdin to its end (up to 10 MiB) and parse it.  A terminal is not read. */
int bootstrap_input_read(const char *id, struct arena *a, struct bootstrap_input *in, struct error *err);

#endif
