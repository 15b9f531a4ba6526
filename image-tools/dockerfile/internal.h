/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_DOCKERFILE_INTERNAL_H
#define OCI_RT_IMAGE_TOOLS_DOCKERFILE_INTERNAL_H

#include "image-tools/dockerfile/dockerfile.h"
#include "image-tools/dockerfile/text.h"
#include "image-tools/dockerfile/unicode.h"

/* What the files of the parser share. */

#define DOCKERFILE_MAX_PORTS 65536u
#define DOCKERFILE_MAX_EXPANDED (64u * EXPAND_MAX_RESULT) /* bytes that one instruction may expand to */

/* A NUL character that a JSON string asked for, as it is kept in our strings: no UTF-8, so nothing else looks so. */
#define NUL_IN_JSON "\xc0\x80"

struct parser {
	struct arena *arena;
	struct dockerfile *d; /* name, escape */
	struct error *err;
	unsigned depth;	  /* of ONBUILD */
	bool syntax_only; /* what is wrong with an instruction is noted in it */
};

/* --- words.c: how arguments are split ------------------------------------------- */

/* ENV, LABEL, ARG: words end at blanks outside quotes; quotes and escapes stay. */
void split_words(struct arena *a, const char *text, char escape, struct string_list *out);
/* COPY, EXPOSE, FROM, ...: at runs of blanks, whatever stands around them. */
void split_blanks(struct arena *a, const char *text, struct string_list *out);
/* The first run of blanks: its begin and end, or false. */
bool find_blanks(const char *text, size_t *begin, size_t *end);
/* Leading --flag words; returns what follows. */
const char *split_flags(struct arena *a, const char *text, struct string_list *flags);
/* A JSON array of strings: 1 and the list; 0: not JSON, -EINVAL: an array that holds something else. */
int split_json(struct arena *a, const char *text, struct string_list *out);
/* One line of comma-separated values, as --mount and --device have it. */
int split_csv(struct arena *a, const char *text, struct string_list *out, struct error *err);

/* --- heredoc.c ------------------------------------------------------------------ */

/* Is the word "<<NAME", "<<-NAME", "3<<NAME"?  1, 0, or an error for a quote that is not closed. */
int heredoc_word(struct arena *a, const char *word, struct dockerfile_heredoc *h, struct error *err);
/* Those that an instruction announces, in order, without contents. */
int heredocs_announced(struct arena *a, const char *line, struct dockerfile_heredoc **out, size_t *count, struct error *err);
/* Without the tabs at the begin of each line. */
const char *heredoc_chomp(struct arena *a, const char *content);

/* --- typed.c: from words to fields ---------------------------------------------- */

/* verb, keyword, original, text, flags, args, json and heredocs are filled in. */
int instruction_type(struct parser *p, struct dockerfile_instruction *in);
/* EXPOSE's words to in->ports. */
int instruction_ports(struct arena *a, const struct string_list *words, struct dockerfile_instruction *in,
	struct error *err);
/* A mount without variables, or one that is marked deferred. */
int mount_from_text(struct arena *a, const char *text, char escape, struct dockerfile_mount *m, struct error *err);
int mount_expand(struct arena *a, const char *text, const struct expand_options *o, struct dockerfile_mount *m,
	struct error *err);
int parse_device(struct arena *a, const char *text, struct dockerfile_device *d, struct error *err);
bool signal_is_known(const char *text);
/* The verb of a keyword in any case, or -1. */
int verb_find(const char *keyword);
extern const char *const verb_names[]; /* ends with NULL */

/* Split an instruction's text, without heredocs, and see what kind it is.  */
int instruction_split(struct parser *p, const char *line, struct dockerfile_instruction *in);
bool instruction_takes_heredocs(const struct dockerfile_instruction *in);

/* An error with "did you mean": names ends with NULL. */
int fail_unknown(struct error *err, const char *what, const char *word, const char *const *names);

#endif
