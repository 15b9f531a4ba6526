/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one row per instruction says how its arguments are split, which flags it has and which function
 * fills in the typed fields.  Checks that need no environment are made here, so that a mistake is reported before
 * anything is built; what contains variables is checked by instantiate.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image-tools/dockerfile/flags.h"
#include "image-tools/dockerfile/internal.h"

enum syntax { WORDS, PAIRS, BLANKS, WHOLE, JSON_OR_WHOLE, JSON_OR_BLANKS, HEALTH, TRIGGER };
typedef int type_fn(struct parser *p, struct dockerfile_instruction *in);
static type_fn type_copy, type_pairs, type_command, type_run, type_from, type_health, type_onbuild, type_volume,
	type_list, type_shell, type_value;

static const struct {
	const char *name;
	enum syntax syntax;
	type_fn *type;
	struct flag_spec flags[MAX_FLAGS]; /* ends with name NULL */
} verbs[] = {
	[DOCKERFILE_ADD] = { "ADD", JSON_OR_BLANKS, type_copy,
		{ { "chown", FLAG_STRING }, { "chmod", FLAG_STRING }, { "link", FLAG_BOOL }, { "keep-git-dir", FLAG_BOOL },
			{ "checksum", FLAG_STRING }, { "unpack", FLAG_BOOL }, { "exclude", FLAG_STRINGS } } },
	[DOCKERFILE_ARG] = { "ARG", WORDS, type_pairs, { { 0 } } },
	[DOCKERFILE_CMD] = { "CMD", JSON_OR_WHOLE, type_command, { { 0 } } },
	[DOCKERFILE_COPY] = { "COPY", JSON_OR_BLANKS, type_copy,
		{ { "from", FLAG_STRING }, { "chown", FLAG_STRING }, { "chmod", FLAG_STRING }, { "link", FLAG_BOOL },
			{ "parents", FLAG_BOOL }, { "exclude", FLAG_STRINGS } } },
	[DOCKERFILE_ENTRYPOINT] = { "ENTRYPOINT", JSON_OR_WHOLE, type_command, { { 0 } } },
	[DOCKERFILE_ENV] = { "ENV", PAIRS, type_pairs, { { 0 } } },
	[DOCKERFILE_EXPOSE] = { "EXPOSE", BLANKS, type_list, { { 0 } } },
	[DOCKERFILE_FROM] = { "FROM", BLANKS, type_from, { { "platform", FLAG_STRING } } },
	[DOCKERFILE_HEALTHCHECK] = { "HEALTHCHECK", HEALTH, type_health,
		{ { "interval", FLAG_STRING }, { "timeout", FLAG_STRING }, { "start-period", FLAG_STRING },
			{ "start-interval", FLAG_STRING }, { "retries", FLAG_STRING } } },
	[DOCKERFILE_LABEL] = { "LABEL", PAIRS, type_pairs, { { 0 } } },
	[DOCKERFILE_MAINTAINER] = { "MAINTAINER", WHOLE, type_value, { { 0 } } },
	[DOCKERFILE_ONBUILD] = { "ONBUILD", TRIGGER, type_onbuild, { { 0 } } },
	[DOCKERFILE_RUN] = { "RUN", JSON_OR_WHOLE, type_run,
		{ { "mount", FLAG_STRINGS }, { "network", FLAG_STRING }, { "security", FLAG_STRING },
			{ "device", FLAG_STRINGS } } },
	[DOCKERFILE_SHELL] = { "SHELL", JSON_OR_WHOLE, type_shell, { { 0 } } },
	[DOCKERFILE_STOPSIGNAL] = { "STOPSIGNAL", WHOLE, type_value, { { 0 } } },
	[DOCKERFILE_USER] = { "USER", WHOLE, type_value, { { 0 } } },
	[DOCKERFILE_VOLUME] = { "VOLUME", JSON_OR_BLANKS, type_volume, { { 0 } } },
	[DOCKERFILE_WORKDIR] = { "WORKDIR", WHOLE, type_value, { { 0 } } },
};

const char *const verb_names[] = { "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK",
	"LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR", NULL };

const char *dockerfile_verb_name(enum dockerfile_verb verb)
{
	return verb < DOCKERFILE_VERB_COUNT ? verbs[verb].name : "?";
}

int verb_find(const char *keyword)
{
	for (int i = 0; i < DOCKERFILE_VERB_COUNT; i++)
		if (strcasecmp(verbs[i].name, keyword) == 0)
			return i;
	return -1;
}

static int fail(struct parser *p, const char *what)
{
	return error_set(p->err, ERR_CONFIG, EINVAL, "%s", what);
}

/* --- splitting -------------------------------------------------------------------------- */

static int check_pairs(struct parser *p, const struct string_list *words)
{
	for (size_t i = 0; i < words->count; i++) {
		if (strchr(words->items[i], '='))
			continue;
		error_set(p->err, ERR_CONFIG, EINVAL, "\"%.80s\": NAME=VALUE is expected", words->items[i]);
		error_hint(p->err, "a value with blanks needs quotes");
		return -EINVAL;
	}
	return 0;
}

static int split_pairs(struct parser *p, struct dockerfile_instruction *in)
{
	size_t begin, end;

	split_words(p->arena, in->text, p->d->escape, &in->args);
	if (in->args.count == 0)
		return 0;
	if (strchr(in->args.items[0], '='))
		return check_pairs(p, &in->args);
	/* the old form: a name, blanks, and the rest of the line as it is */
	if (!find_blanks(in->text, &begin, &end)) {
		error_set(p->err, ERR_CONFIG, EINVAL, "\"%.80s\": a value is expected", in->text);
		error_hint(p->err, "write %s %.80s=value", verbs[in->verb].name, in->text);
		return -EINVAL;
	}
	in->args = (struct string_list){ 0 };
	list_add(p->arena, &in->args, arena_strndup(p->arena, in->text, begin));
	list_add(p->arena, &in->args, arena_strdup(p->arena, in->text + end));
	in->pairs.items = arena_new(p->arena, struct dockerfile_pair);
	in->pairs.items[0] = (struct dockerfile_pair){ in->args.items[0], in->args.items[1], true };
	in->pairs.count = 1;
	return 0;
}

static int split_maybe_json(struct parser *p, struct dockerfile_instruction *in, const char *text, bool whole)
{
	int n;

	if (!*text)
		return 0;
	n = split_json(p->arena, text, &in->args);
	if (n < 0) {
		error_set(p->err, ERR_CONFIG, EINVAL, "an array holds something else than strings: %.120s", text);
		error_hint(p->err, "put every element in double quotes");
		return n;
	}
	in->json = n == 1;
	if (in->json)
		return 0;
	in->args = (struct string_list){ 0 };
	if (whole)
		list_add(p->arena, &in->args, text);
	else
		split_blanks(p->arena, text, &in->args);
	return 0;
}

static int split_health(struct parser *p, struct dockerfile_instruction *in)
{
	size_t n = strcspn(in->text, " \t\n\v\f\r"), gap = strspn(in->text + n, " \t\n\v\f\r");
	struct string_list all = { 0 };
	int r;

	if (n == 0)
		return 0;
	r = split_maybe_json(p, in, in->text + n + gap, true);
	list_add(p->arena, &all, arena_strndup(p->arena, in->text, n));
	for (size_t i = 0; r == 0 && i < in->args.count; i++)
		list_add(p->arena, &all, in->args.items[i]);
	in->args = all;
	return r;
}

static int split_trigger(struct parser *p, struct dockerfile_instruction *in)
{
	struct dockerfile_instruction *sub = arena_new(p->arena, struct dockerfile_instruction);
	char *word = arena_strndup(p->arena, in->text, strcspn(in->text, " \t\v\f\r"));
	int verb = verb_find(word), r;

	if (!*in->text)
		return 0;
	if ((verb == DOCKERFILE_ONBUILD && (!p->syntax_only || ++p->depth > 8)) ||
		(!p->syntax_only && (verb == DOCKERFILE_FROM || verb == DOCKERFILE_MAINTAINER)))
		return error_set(p->err, ERR_CONFIG, EINVAL, "ONBUILD cannot hold %s", verbs[verb].name);
	sub->line = in->line;
	r = instruction_split(p, in->text, sub);
	if (r < 0)
		return r;
	in->triggered = sub;
	list_add(p->arena, &in->args, sub->error ? sub->keyword : verbs[sub->verb].name);
	for (size_t i = 0; i < sub->args.count; i++)
		list_add(p->arena, &in->args, sub->args.items[i]);
	return 0;
}

int fail_unknown(struct error *err, const char *what, const char *word, const char *const *names)
{
	const char *near = dockerfile_suggest(word, names);

	error_set(err, ERR_CONFIG, EINVAL, "unknown %s \"%.80s\"%s%s%s", what, word, near ? " (did you mean " : "",
		near ? near : "", near ? "?)" : "");
	if (near) {
		error_hint(err, "did you mean %s?", near);
	} else {
		struct error list = { 0 };
		size_t n = 0;

		for (; *names && n < sizeof list.hint - 40; names++)
			n += (size_t)snprintf(list.hint + n, sizeof list.hint - n, "%s%s", n ? ", " : "", *names);
		error_hint(err, "known are %.400s", n ? list.hint : "none");
	}
	return -EINVAL;
}

int instruction_split(struct parser *p, const char *line, struct dockerfile_instruction *in)
{
	size_t len = strlen(line), begin, end;
	const char *s = line;
	int verb;

	unicode_trim(&s, &len);
	in->original = arena_strndup(p->arena, s, len);
	s = in->original;
	if (!find_blanks(s, &begin, &end))
		end = begin;
	in->keyword = arena_strndup(p->arena, s, begin);
	verb = verb_find(in->keyword);
	if (verb < 0) {
		int r = fail_unknown(p->err, "instruction", in->keyword, verb_names);

		if (!p->syntax_only)
			return r;
		in->verb = DOCKERFILE_VERB_COUNT;
		in->error = arena_strdup(p->arena, p->err->msg);
		in->text = "";
		error_clear(p->err);
		return 0;
	}
	in->verb = (enum dockerfile_verb)verb;
	s = split_flags(p->arena, s + end, &in->flags);
	len = strlen(s);
	unicode_trim(&s, &len);
	in->text = arena_strndup(p->arena, s, len);
	switch (verbs[verb].syntax) {
	case WORDS:
		split_words(p->arena, in->text, p->d->escape, &in->args);
		return 0;
	case PAIRS:
		return split_pairs(p, in);
	case BLANKS:
		split_blanks(p->arena, in->text, &in->args);
		return 0;
	case WHOLE:
		if (*in->text)
			list_add(p->arena, &in->args, in->text);
		return 0;
	case JSON_OR_WHOLE:
		return split_maybe_json(p, in, in->text, true);
	case JSON_OR_BLANKS:
		return split_maybe_json(p, in, in->text, false);
	case HEALTH:
		return split_health(p, in);
	case TRIGGER:
		return split_trigger(p, in);
	}
	return 0;
}

bool instruction_takes_heredocs(const struct dockerfile_instruction *in)
{
	if (in->verb == DOCKERFILE_ONBUILD && in->triggered)
		in = in->triggered;
	return !in->json && (in->verb == DOCKERFILE_RUN || in->verb == DOCKERFILE_COPY || in->verb == DOCKERFILE_ADD);
}

/* --- fields --------------------------------------------------------------------------------- */

static int type_from(struct parser *p, struct dockerfile_instruction *in)
{
	char *name;

	if (in->args.count != 1 && !(in->args.count == 3 && strcasecmp(in->args.items[1], "as") == 0)) {
		if (in->args.count == 0)
			return fail(p, "the name of an image is missing");
		return fail(p, "one argument is expected, or three: IMAGE AS NAME");
	}
	in->base = in->args.items[0];
	in->platform = flag(in, "platform");
	if (in->args.count == 1)
		return 0;
	name = arena_strdup(p->arena, in->args.items[2]);
	for (char *s = name; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
		if (!((*s >= 'a' && *s <= 'z') || (s > name && ((*s >= '0' && *s <= '9') || strchr("-_.", *s))))) {
			error_set(p->err, ERR_CONFIG, EINVAL, "AS %.80s is no name for a stage", in->args.items[2]);
			error_hint(p->err, "a stage's name begins with a letter; letters, digits, - _ and . follow");
			return -EINVAL;
		}
	}
	in->stage_name = name;
	return 0;
}

static int type_pairs(struct parser *p, struct dockerfile_instruction *in)
{
	const char *verb = verbs[in->verb].name;

	if (in->args.count == 0)
		return error_set(p->err, ERR_CONFIG, EINVAL, "%s needs at least one argument",
			in->verb == DOCKERFILE_ARG ? "ARG" : verb);
	if (in->pairs.count)
		return 0;
	in->pairs.items = arena_array(p->arena, struct dockerfile_pair, in->args.count);
	for (size_t i = 0; i < in->args.count; i++) {
		const char *word = in->args.items[i], *equals = strchr(word, '=');

		if (equals == word)
			return error_set(p->err, ERR_CONFIG, EINVAL, "\"%.80s\": a name is expected before =", word);
		in->pairs.items[i].key = equals ? arena_strndup(p->arena, word, (size_t)(equals - word)) : word;
		in->pairs.items[i].value = equals ? equals + 1 : NULL;
	}
	in->pairs.count = in->args.count;
	if (in->verb != DOCKERFILE_ARG) {
		/* name, value, name, value, as in the old form */
		in->args = (struct string_list){ 0 };
		for (size_t i = 0; i < in->pairs.count; i++) {
			list_add(p->arena, &in->args, in->pairs.items[i].key);
			list_add(p->arena, &in->args, in->pairs.items[i].value);
		}
	}
	return 0;
}

static void command_from(struct parser *p, struct dockerfile_command *c, const struct string_list *args, bool json)
{
	(void)p;
	c->shell = !json;
	c->args = *args;
}

static int type_command(struct parser *p, struct dockerfile_instruction *in)
{
	command_from(p, &in->command, &in->args, in->json);
	return 0;
}

/* What is executed when a RUN has heredocs. */
static void run_script(struct parser *p, struct dockerfile_instruction *in)
{
	struct dockerfile_command *c = &in->command;
	struct dockerfile_heredoc *h = in->heredocs, alone;
	const char *script;

	if (heredoc_word(p->arena, in->args.items[0], &alone, NULL) != 1) {
		struct text t = { .arena = p->arena };

		/* the shell gets the text back as it was */
		text_add(&t, in->args.items[0], strlen(in->args.items[0]));
		for (size_t i = 0; i < in->heredocs_count; i++) {
			text_add_char(&t, '\n');
			text_add(&t, h[i].content, strlen(h[i].content));
			text_add(&t, h[i].name, strlen(h[i].name));
		}
		script = text_finish(&t);
	} else if (strncmp(h->content, "#!", 2) == 0) {
		c->shell = false;
		c->file_name = h->name;
		c->file_data = h->data;
		script = arena_printf(p->arena, "/dev/pipes/%s", h->name);
	} else {
		script = h->data;
	}
	c->args = (struct string_list){ 0 };
	list_add(p->arena, &c->args, script);
}

static int run_flags(struct parser *p, struct dockerfile_instruction *in)
{
	static const char *const networks[] = { "default", "none", "host", NULL };
	const char *value = flag(in, "network");
	size_t at = 0;
	int r;

	in->mounts = arena_array(p->arena, struct dockerfile_mount, in->flags.count);
	in->devices = arena_array(p->arena, struct dockerfile_device, in->flags.count);
	if (value) {
		if (strcmp(value, "none") == 0)
			in->network = DOCKERFILE_NETWORK_NONE;
		else if (strcmp(value, "host") == 0)
			in->network = DOCKERFILE_NETWORK_HOST;
		else if (strcmp(value, "default") != 0)
			return fail_unknown(p->err, "network", value, networks);
	}
	value = flag(in, "security");
	if (value) {
		static const char *const levels[] = { "sandbox", "insecure", NULL };

		in->insecure = strcmp(value, "insecure") == 0;
		if (!in->insecure && strcmp(value, "sandbox") != 0)
			return fail_unknown(p->err, "security", value, levels);
	}
	while ((value = flag_next(in, "mount", &at))) {
		struct dockerfile_mount *m = &in->mounts[in->mounts_count++];

		r = mount_from_text(p->arena, value, p->d->escape, m, p->err);
		if (r < 0)
			return error_wrap(p->err, "--mount=%.120s", value);
	}
	at = 0;
	while ((value = flag_next(in, "device", &at))) {
		r = parse_device(p->arena, value, &in->devices[in->devices_count++], p->err);
		if (r < 0)
			return error_wrap(p->err, "--device=%.120s", value);
	}
	return 0;
}

static int type_run(struct parser *p, struct dockerfile_instruction *in)
{
	int r = run_flags(p, in);

	if (r < 0)
		return r;
	command_from(p, &in->command, &in->args, in->json);
	if (in->heredocs_count)
		run_script(p, in);
	return 0;
}

static int copy_arguments(struct parser *p, struct dockerfile_instruction *in)
{
	size_t last = in->args.count - 1;
	struct dockerfile_heredoc h;

	in->destination = in->args.items[last];
	if (!in->json && heredoc_word(p->arena, in->destination, &h, NULL) == 1)
		return fail(p, "a heredoc cannot be the destination");
	in->files = arena_array(p->arena, struct dockerfile_heredoc, last + 1);
	for (size_t i = 0; i < last; i++) {
		const char *word = in->args.items[i];

		if (in->json || heredoc_word(p->arena, word, &h, NULL) != 1) {
			list_add(p->arena, &in->sources, word);
			continue;
		}
		h.content = h.data = "";
		for (size_t j = 0; j < in->heredocs_count; j++)
			if (strcmp(in->heredocs[j].name, h.name) == 0)
				h.content = in->heredocs[j].content;
		h.data = h.chomp ? heredoc_chomp(p->arena, h.content) : h.content;
		in->files[in->files_count++] = h;
	}
	return 0;
}

static int type_copy(struct parser *p, struct dockerfile_instruction *in)
{
	const char *value;
	size_t at = 0;

	if (in->args.count < 2) {
		error_set(p->err, ERR_CONFIG, EINVAL, "at least two arguments are expected, a source and a destination");
		error_hint(p->err, "names with blanks need the form [\"source\", \"destination\"]");
		return -EINVAL;
	}
	in->from = flag(in, "from");
	in->chown = flag(in, "chown");
	in->chmod = flag(in, "chmod");
	in->checksum = flag(in, "checksum");
	in->link = flag_true(in, "link");
	in->parents = flag_true(in, "parents");
	in->keep_git_dir = flag_opt(in, "keep-git-dir");
	in->unpack = flag_opt(in, "unpack");
	while ((value = flag_next(in, "exclude", &at)))
		list_add(p->arena, &in->excludes, value);
	if (in->from && strchr(in->from, '$') && in->from[strcspn(in->from, "$") + 1]) {
		error_set(p->err, ERR_CONFIG, EINVAL, "--from=%.80s: variables are not expanded here", in->from);
		error_hint(p->err, "define a stage, FROM %.80s AS name, and use --from=name", in->from);
		return -EINVAL;
	}
	if (in->from && !*in->from)
		return fail(p, "--from= needs the name of a stage, a context or an image");
	return copy_arguments(p, in);
}

static int type_list(struct parser *p, struct dockerfile_instruction *in)
{
	return in->args.count ? 0 : fail(p, "at least one argument is expected");
}

static int type_volume(struct parser *p, struct dockerfile_instruction *in)
{
	for (size_t i = 0; i < in->args.count; i++) {
		const char *s = in->args.items[i];
		size_t len = strlen(s);

		unicode_trim(&s, &len);
		if (len == 0)
			return fail(p, "a volume cannot be an empty string");
		in->args.items[i] = arena_strndup(p->arena, s, len);
	}
	return type_list(p, in);
}

static int type_shell(struct parser *p, struct dockerfile_instruction *in)
{
	if (in->args.count == 0)
		return fail(p, "at least one argument is expected");
	if (in->json)
		return 0;
	error_set(p->err, ERR_CONFIG, EINVAL, "a JSON array is expected");
	error_hint(p->err, "write SHELL [\"executable\", \"argument\"], with double quotes");
	return -EINVAL;
}

static int type_value(struct parser *p, struct dockerfile_instruction *in)
{
	if (in->args.count != 1)
		return fail(p, "exactly one argument is expected");
	in->value = in->args.items[0];
	if (in->verb == DOCKERFILE_STOPSIGNAL && !strpbrk(in->value, "$\\`'\"") && !signal_is_known(in->value)) {
		error_set(p->err, ERR_CONFIG, EINVAL, "unknown signal \"%.80s\"", in->value);
		error_hint(p->err, "a name such as SIGTERM, TERM or SIGRTMIN+3, or a number is expected");
		return -EINVAL;
	}
	return 0;
}

static int health_duration(struct parser *p, const struct dockerfile_instruction *in, const char *name, int64_t *out)
{
	const char *text = flag(in, name);
	int r;

	*out = 0;
	if (!text || !*text)
		return 0;
	r = dockerfile_parse_duration(text, out, p->err);
	if (r < 0)
		return error_wrap(p->err, "--%s", name);
	if (*out != 0 && *out < 1000000)
		return error_set(p->err, ERR_CONFIG, EINVAL, "--%s=%.40s: at least 1ms is expected", name, text);
	return 0;
}

static int type_health(struct parser *p, struct dockerfile_instruction *in)
{
	static const char *const kinds[] = { "CMD", "NONE", NULL };
	struct dockerfile_health *h = &in->health;
	struct string_list rest;
	const char *retries;
	char *end;
	int r;

	if (in->args.count == 0)
		return fail(p, "CMD with a command, or NONE is expected");
	rest = (struct string_list){ in->args.items + 1, in->args.count - 1 };
	if (strcasecmp(in->args.items[0], "NONE") == 0) {
		h->none = true;
		return rest.count ? fail(p, "NONE takes no arguments") : 0;
	}
	if (strcasecmp(in->args.items[0], "CMD") != 0)
		return fail_unknown(p->err, "kind of check", in->args.items[0], kinds);
	if (rest.count == 0)
		return fail(p, "a command is expected behind CMD");
	command_from(p, &in->command, &rest, in->json);
	r = health_duration(p, in, "interval", &h->interval);
	if (r == 0)
		r = health_duration(p, in, "timeout", &h->timeout);
	if (r == 0)
		r = health_duration(p, in, "start-period", &h->start_period);
	if (r == 0)
		r = health_duration(p, in, "start-interval", &h->start_interval);
	retries = flag(in, "retries");
	if (r < 0 || !retries || !*retries)
		return r;
	errno = 0;
	h->retries = strtol(retries, &end, 10);
	if (*end || errno || h->retries < 0 || h->retries > INT32_MAX || strchr(" \t", *retries))
		return error_set(p->err, ERR_CONFIG, EINVAL, "--retries=%.40s: a number from 0 on is expected", retries);
	return 0;
}

static int type_onbuild(struct parser *p, struct dockerfile_instruction *in)
{
	struct dockerfile_instruction *sub = in->triggered;
	struct text t = { .arena = p->arena };
	const char *s = in->original + strlen(in->keyword);
	size_t len = strlen(s);
	int r;

	if (!sub)
		return fail(p, "an instruction is expected");
	unicode_trim_left(&s, &len);
	text_add(&t, s, len);
	for (size_t i = 0; i < in->heredocs_count; i++) {
		text_add_char(&t, '\n');
		text_add(&t, in->heredocs[i].content, strlen(in->heredocs[i].content));
		text_add(&t, in->heredocs[i].name, strlen(in->heredocs[i].name));
	}
	in->trigger = text_finish(&t);
	sub->end_line = in->end_line;
	sub->heredocs = in->heredocs;
	sub->heredocs_count = in->heredocs_count;
	if (sub->verb == DOCKERFILE_ONBUILD || sub->verb == DOCKERFILE_FROM || sub->verb == DOCKERFILE_MAINTAINER)
		return error_set(p->err, ERR_CONFIG, EINVAL, "ONBUILD cannot hold %s", verbs[sub->verb].name);
	r = instruction_type(p, sub);
	return r < 0 ? error_wrap(p->err, "%s", verbs[sub->verb].name) : 0;
}

int instruction_type(struct parser *p, struct dockerfile_instruction *in)
{
	int r;

	if (in->error)
		return 0;
	r = flags_check(p->arena, in, verbs[in->verb].flags, p->err);
	if (r == 0)
		r = verbs[in->verb].type(p, in);
	if (r == 0 || !p->syntax_only)
		return r;
	in->error = arena_strdup(p->arena, p->err->msg);
	error_clear(p->err);
	return 0;
}
