/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_COMMAND_H
#define OCI_RT_IMAGE_TOOLS_COMMAND_H

#include <stddef.h>

#include "image-tools/registry/transfer.h"
#include "image-tools/store/store.h"

/* What all verbs share. */
struct program {
	struct arena arena;
	const char *store_path; /* --store, or the default */
	bool json, quiet, verbose, version, help, store_is_open;
	struct store store;
};

enum option_kind {
	OPTION_FLAG,
	OPTION_STRING,
	OPTION_LIST,
	OPTION_NUMBER,
	OPTION_OPTIONAL, /* a list; "--name" adds "", "--name=value" the value */
};

struct option_spec {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	size_t offset;	      /* bool, const char *, struct string_list, uint64_t of the options struct */
	const char *argument; /* its name in the usage text */
	const char *help;
};

struct command {
	const char *name, *arguments, *summary;
	const struct option_spec *options; /* ends with name NULL; or NULL */
	size_t options_size;
	int min, max; /* positional arguments; max -1: any number */
	/* argv holds the positional arguments, NULL-terminated. */
	int (*run)(struct program *p, void *options, int argc, char **argv, struct error *err);
};

extern const struct command *const commands[];

/* Open the store once. */
int program_store(struct program *p, struct error *err);
/* Change an image's configuration (changes may be NULL), store it under a name, and tell both. */
struct image;
int program_publish(struct program *p, struct image *image, const struct string_list *changes, const struct reference *ref,
	struct error *err);

/* Parse the program's options in front of the verb: the verb's place in argv. */
int cli_parse_program(struct program *p, int argc, char **argv, struct error *err);
/* Parse the verb's arguments, and what of the program's options stands among them.  Positional arguments are moved to the front of argv; everything behind "--" is
 * positional. */
int cli_parse(const struct command *c, struct program *p, int argc, char **argv, void *options, int *positional,
	struct error *err);
void cli_usage(const struct command *c);

/* Options that every verb that talks to a registry has. */
struct registry_flags {
	const char *authfile, *user, *cacert;
	struct string_list insecure, mirror;
};
#define REGISTRY_OPTIONS(T)                                                                                            \
	{ "authfile", 0, OPTION_STRING, offsetof(T, registry.authfile), "FILE", "credentials (also $REGISTRY_AUTH_FILE)" }, \
		{ "creds", 0, OPTION_STRING, offsetof(T, registry.user), "USER:PASSWORD", "credentials" },                \
		{ "cacert", 0, OPTION_STRING, offsetof(T, registry.cacert), "FILE", "further CA certificates" },          \
	{                                                                                                              \
		"insecure", 0, OPTION_LIST, offsetof(T, registry.insecure), "HOST",                                    \
			"speak plain HTTP or unverified TLS with HOST"                                                 \
	}
#define MIRROR_OPTION(T)                                                                                               \
	{                                                                                                              \
		"mirror", 0, OPTION_LIST, offsetof(T, registry.mirror), "HOST", "ask HOST first (reading only)"        \
	}
struct registry_options registry_flags_options(struct arena *a, const struct registry_flags *f);
/* Open the registry of a reference: with mirrors these first (--mirror, then the files of registry/mirrors.h), then
 * itself.  fn is called until it succeeds, with the reference as it is there. */
typedef int registry_use(struct registry *r, const struct reference *ref, void *opaque, struct error *err);
int registry_with(struct program *p, const struct registry_flags *f, const struct reference *ref, bool mirrors,
	registry_use *fn, void *opaque, struct error *err);

/* Write a finished JSON text or plain lines to stdout. */
void print_json(struct json_writer *w);
const char *human_size(struct arena *a, uint64_t bytes);

/* Move an image from any location into a layout, or out of it to any location.  The descriptor is that of the manifest
 * or index. */
struct transfer_flags {
	struct registry_flags registry;
	const char *platform;
	bool all, unpack, foreign;
	uint64_t jobs, chunk;
	const struct layout *direct; /* a registry's image goes here instead of the store, or NULL */
	const char *compress; /* for registries: "gzip", "zstd:19", ...; NULL or "keep": as it is */
	const char *format; /* archives: "oci", "docker" or NULL for both */
};
/* *into is where the blobs are: the store's layout, or that of an oci: source.  *name: the image's name there, or NULL */
int location_get(struct program *p, const struct location *src, const struct transfer_flags *f, struct layout *into,
	struct descriptor *d, const char **name, struct error *err);
int location_put(struct program *p, const struct layout *from, const struct descriptor *d, const struct location *dst,
	const char *source_name, const struct transfer_flags *f, struct error *err);
/* Copy everything below a descriptor from one layout to another. */
int layout_copy(const struct layout *from, const struct layout *to, struct arena *a, const struct descriptor *d,
	struct error *err);

#endif
