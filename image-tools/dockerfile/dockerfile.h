/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_DOCKERFILE_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json_write.h"
#include "image-tools/dockerfile/expand.h"
#include "image-tools/manifest.h"

/*
 * The Dockerfile language: text to a list of typed instructions.  Nothing here knows a store, a context or a build.
 *
 *     dockerfile_parse()   text -> struct dockerfile: directives, instructions in order, stages
 *     dockerfile_expand()  one instruction and an environment -> a copy of it with every word expanded that the
 *                          language expands; with typed fields (mounts, ports) read from the expanded text
 *     dockerfile_dump()    the same as JSON (image-tools/README.md describes it)
 *
 * What parse leaves in an instruction's fields is the text of the file: quotes and variables are still in it.  A
 * builder calls dockerfile_expand() with its environment at that point (one snapshot per instruction) and uses only
 * the copy.  Everything lives in the arena.  Errors: "Dockerfile:12: COPY: what is wrong", with a hint.
 */
#define DOCKERFILE_MAX_SIZE 16777216u  /* bytes of a file */
#define DOCKERFILE_MAX_LINE 65535u     /* bytes of a physical line */
#define DOCKERFILE_MAX_INSTRUCTIONS 32768u
#define DOCKERFILE_MAX_JOINED 1048576u /* bytes of an instruction with its continuation lines, without heredocs */

enum dockerfile_verb {
	DOCKERFILE_ADD,
	DOCKERFILE_ARG,
	DOCKERFILE_CMD,
	DOCKERFILE_COPY,
	DOCKERFILE_ENTRYPOINT,
	DOCKERFILE_ENV,
	DOCKERFILE_EXPOSE,
	DOCKERFILE_FROM,
	DOCKERFILE_HEALTHCHECK,
	DOCKERFILE_LABEL,
	DOCKERFILE_MAINTAINER,
	DOCKERFILE_ONBUILD,
	DOCKERFILE_RUN,
	DOCKERFILE_SHELL,
	DOCKERFILE_STOPSIGNAL,
	DOCKERFILE_USER,
	DOCKERFILE_VOLUME,
	DOCKERFILE_WORKDIR,
	DOCKERFILE_VERB_COUNT
};
/* "ADD", ... */
const char *dockerfile_verb_name(enum dockerfile_verb verb);

struct dockerfile_heredoc {
	const char *name;    /* "EOF": the terminator, and the file's name in COPY and ADD */
	const char *content; /* as it stands in the file, each line with its newline */
	const char *data;    /* content, without leading tabs when `chomp` */
	bool expand;	     /* no part of the terminator was quoted */
	bool chomp;	     /* <<- */
	unsigned descriptor; /* the number before <<, 0 when there was none */
};

struct dockerfile_pair {
	const char *key, *value; /* value NULL: ARG without default */
	bool legacy;		 /* ENV and LABEL: "KEY value", without "=" */
};
struct dockerfile_pairs {
	struct dockerfile_pair *items;
	size_t count;
};

enum dockerfile_mount_type { DOCKERFILE_BIND, DOCKERFILE_CACHE, DOCKERFILE_TMPFS, DOCKERFILE_SECRET, DOCKERFILE_SSH };
enum dockerfile_sharing { DOCKERFILE_SHARED, DOCKERFILE_PRIVATE, DOCKERFILE_LOCKED };

/* RUN --mount.  Defaults are filled in where the language has them. */
struct dockerfile_mount {
	enum dockerfile_mount_type type;
	const char *from;   /* bind, cache: stage, context or image; NULL: the build context (bind), nothing (cache) */
	const char *source; /* bind, cache: path in from, "" = all of it; secret: the old spelling of id */
	const char
		*target; /* absolute or relative to the working directory; NULL: not given (secret, ssh: see below) */
	const char *id;	 /* cache: as given or target; secret: as given, source or basename of target; ssh: "default" */
	const char *env; /* secret: variable that gets the value; without target then no file */
	bool read_only;	 /* bind: true unless rw; cache, tmpfs: false unless ro */
	bool required;	 /* secret, ssh */
	enum dockerfile_sharing sharing; /* cache */
	bool has_mode, has_uid, has_gid;
	uint32_t mode, uid, gid; /* default: cache 0755, secret 0400, ssh 0600; 0; 0 */
	int64_t size;		 /* tmpfs: bytes, 0: no limit of its own */
	bool deferred; /* only from dockerfile_parse(): the text has variables; the fields other than from are not read
			  yet */
	const char *text; /* what stood behind --mount= */
};

struct dockerfile_command { /* RUN, CMD, ENTRYPOINT, and HEALTHCHECK CMD */
	bool shell;	    /* shell form: args has one item, to be handed to SHELL; false: exec form, args is argv */
	struct string_list args;
	/* RUN whose only heredoc begins with "#!": write file_data to /dev/pipes/<file_name>, mode 0755, read-only
	 * mount, and execute that path without SHELL (args is then { that path } and shell is false). */
	const char *file_name, *file_data;
};

enum dockerfile_network { DOCKERFILE_NETWORK_DEFAULT, DOCKERFILE_NETWORK_NONE, DOCKERFILE_NETWORK_HOST };

struct dockerfile_device { /* RUN --device */
	const char *name;
	bool required;
};

struct dockerfile_port { /* one EXPOSE key; ranges are spread out by dockerfile_expand() */
	uint16_t number;
	const char *protocol; /* "tcp", "udp", "sctp" */
};

struct dockerfile_health {
	bool none; /* HEALTHCHECK NONE */
	/* nanoseconds; 0: not given, which means what it inherits from the runtime: 30 s, 30 s, 0 s, 5 s */
	int64_t interval, timeout, start_period, start_interval;
	int64_t retries; /* 0: not given (3) */
};

struct dockerfile_instruction {
	enum dockerfile_verb verb;
	const char *keyword;	     /* as written: "copy" */
	const char *original;	     /* the instruction with continuation lines joined, heredoc bodies not included */
	const char *text;	     /* what follows the keyword and the flags, trimmed */
	unsigned line, end_line;     /* from 1; end_line includes heredoc bodies */
	struct string_list flags;    /* "--from=x" in order */
	struct string_list args;     /* words as this instruction's syntax splits them; ENV, LABEL: name, value, ... */
	bool json;		     /* the arguments were a JSON array */
	struct string_list comments; /* comment lines immediately before */
	struct dockerfile_heredoc *heredocs;
	size_t heredocs_count;

	/* FROM */
	const char *platform;	/* --platform, NULL */
	const char *base;	/* image, stage or "scratch" */
	const char *stage_name; /* lower case, NULL: unnamed */
	/* ARG, ENV, LABEL */
	struct dockerfile_pairs pairs;
	/* RUN, CMD, ENTRYPOINT, HEALTHCHECK */
	struct dockerfile_command command;
	/* RUN */
	struct dockerfile_mount *mounts;
	size_t mounts_count;
	enum dockerfile_network network;
	bool insecure; /* --security=insecure */
	struct dockerfile_device *devices;
	size_t devices_count;
	/* COPY, ADD */
	struct string_list sources;	  /* paths, URLs; in order, heredocs are not among them */
	struct dockerfile_heredoc *files; /* heredoc sources; after dockerfile_expand() data is what to write */
	size_t files_count;
	const char *destination;
	const char *from, *chown, *chmod, *checksum; /* NULL: not given */
	bool link, parents;
	struct opt_bool keep_git_dir, unpack; /* ADD */
	struct string_list excludes;
	/* EXPOSE */
	struct dockerfile_port *ports; /* by dockerfile_expand() */
	size_t ports_count;
	/* VOLUME: args.  SHELL: args.  WORKDIR, USER, STOPSIGNAL, MAINTAINER: */
	const char *value;
	/* HEALTHCHECK */
	struct dockerfile_health health;
	/* ONBUILD */
	const char *trigger;			  /* text to store in the configuration, heredocs included */
	struct dockerfile_instruction *triggered; /* the same, parsed */
	/* dockerfile_parse_syntax() only: what is wrong with it; the typed fields are not filled in */
	const char *error;
};

struct dockerfile_stage {
	size_t index;	     /* 0, 1, ... */
	size_t from;	     /* its FROM in instructions */
	size_t first, count; /* instructions[first .. first + count): what follows the FROM */
	const char *name;    /* NULL: unnamed */
	const char *base, *platform;
	const char *comment; /* description: the comment lines before FROM that begin with the stage's name, NULL */
};

struct dockerfile {
	const char *name;   /* for messages: "Dockerfile" */
	char escape;	    /* '\\' or '`' */
	const char *syntax; /* # syntax=, NULL */
	const char *check;  /* # check=, NULL */
	struct dockerfile_instruction *instructions;
	size_t count;
	size_t globals; /* ARG instructions before the first FROM: instructions[0 .. globals) */
	struct dockerfile_stage *stages;
	size_t stages_count;
	/* For lint: empty lines inside continuations, as line numbers of the instruction. */
	unsigned *empty_continuations;
	size_t empty_continuations_count;
	unsigned syntax_line, escape_line, check_line;
};

/* Parse a whole file.  name is what messages call it.  A file without FROM is an error. */
int dockerfile_parse(
	struct arena *a, const char *name, const char *text, size_t len, struct dockerfile *d, struct error *err);

/* Lines and words only: an unknown instruction (verb DOCKERFILE_VERB_COUNT), wrong flags and arguments are noted in .error of
 * the instruction and FROM need not be there.  Errors are what makes it impossible to go on: directives, lines, heredocs,
 * arrays, ENV without "=".  For dumps; builds use dockerfile_parse(). */
int dockerfile_parse_syntax(struct arena *a, const char *name, const char *text, size_t len, struct dockerfile *d,
	struct error *err);

/* Parse one instruction without a file around it: an ONBUILD trigger of a base image.  origin ("ONBUILD of alpine")
 * stands for the file's name in messages. */
int dockerfile_parse_instruction(struct arena *a, const char *origin, const char *text, char escape,
	struct dockerfile_instruction *in, struct error *err);

/* *out: a copy of *in with its words expanded; what the language never expands is as it was.  unset, when not NULL,
 * gets the names that were asked for and not found. */
int dockerfile_expand(struct arena *a, const struct dockerfile *d, const struct dockerfile_instruction *in,
	expand_lookup *lookup, void *opaque, struct string_list *unset, struct dockerfile_instruction *out,
	struct error *err);

/* Stage by name (any case) or decimal index; NULL when there is none.  Only stages before `before` count. */
const struct dockerfile_stage *dockerfile_stage_find(const struct dockerfile *d, const char *name, size_t before);

/* HTTP_PROXY and the like: usable without ARG, and no part of cache keys and history. */
bool dockerfile_is_proxy_argument(const char *name);
/* TARGETPLATFORM, BUILDARCH, ...: defined in the global scope by the builder. */
bool dockerfile_is_platform_argument(const char *name);

/* "%s:%u: %s: ..." in front of an error's message: file, line, instruction. */
int dockerfile_error_wrap(struct error *err, const struct dockerfile *d, const struct dockerfile_instruction *in);

/* The nearest of names (ends with NULL) to a misspelt word: at most two edits away, or NULL. */
const char *dockerfile_suggest(const char *word, const char *const *names);

/* Grammars that options of the builder share with the language. */
int dockerfile_parse_duration(const char *text, int64_t *nanoseconds, struct error *err); /* Go: "1h30m", "1.5s" */
int dockerfile_parse_size(const char *text, int64_t *bytes, struct error *err);		  /* "64m", "1gb", "512" */
int dockerfile_parse_bool(const char *text, bool *value);				  /* Go's spellings; -EINVAL */
int dockerfile_parse_mount(struct arena *a, const char *text, struct dockerfile_mount *m, struct error *err);

/* The parse as JSON, see image-tools/README.md. */
void dockerfile_dump(const struct dockerfile *d, struct json_writer *w);
/* One word expanded in the environment env ("NAME=VALUE"), as one JSON object.  lex: NULL or a list of raw-quotes,
 * raw-escapes, skip-quotes, skip-unset, escape=X.  An error in the word is part of the output. */
int dockerfile_dump_words(struct arena *a, const char *word, const struct string_list *env, const char *lex,
	struct json_writer *w, struct error *err);

#endif
