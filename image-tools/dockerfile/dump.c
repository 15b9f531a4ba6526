/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the parse as JSON for tests and tools.  The format is described in image-tools/README.md and only
 * grows: members that have no meaning for an instruction, or their default value, are left out.
 */
#include <errno.h>
#include <string.h>

#include "image-tools/dockerfile/internal.h"

static const char *const mount_types[] = { "bind", "cache", "tmpfs", "secret", "ssh" };
static const char *const sharings[] = { "shared", "private", "locked" };
static const char *const networks[] = { "default", "none", "host" };

/* A NUL character from a JSON string is written as \u0000. */
static void string(struct json_writer *w, const char *s)
{
	const char *nul = strstr(s, NUL_IN_JSON);
	struct text t = { .arena = w->arena };

	for (; nul; nul = strstr(s, NUL_IN_JSON)) {
		text_add(&t, s, (size_t)(nul - s));
		text_add(&t, "", 1);
		s = nul + 2;
	}
	text_add(&t, s, strlen(s));
	json_write_string_n(w, t.data, t.len);
}

static void member(struct json_writer *w, const char *name, const char *s)
{
	if (!s)
		return;
	json_write_key(w, name);
	string(w, s);
}

static void member_true(struct json_writer *w, const char *name, bool v)
{
	if (v)
		json_write_member_bool(w, name, true);
}

static void member_list(struct json_writer *w, const char *name, const struct string_list *l)
{
	json_write_member_array(w, name);
	for (size_t i = 0; i < l->count; i++)
		string(w, l->items[i]);
	json_write_end_array(w);
}

static void member_list_if(struct json_writer *w, const char *name, const struct string_list *l)
{
	if (l->count)
		member_list(w, name, l);
}

static void heredocs(struct json_writer *w, const char *name, const struct dockerfile_heredoc *h, size_t count)
{
	if (count == 0)
		return;
	json_write_member_array(w, name);
	for (size_t i = 0; i < count; i++) {
		json_write_object(w);
		member(w, "name", h[i].name);
		member(w, "content", h[i].content);
		if (strcmp(h[i].data, h[i].content) != 0)
			member(w, "data", h[i].data);
		json_write_member_bool(w, "expand", h[i].expand);
		json_write_member_bool(w, "chomp", h[i].chomp);
		json_write_member_u64(w, "descriptor", h[i].descriptor);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static void mount(struct json_writer *w, const struct dockerfile_mount *m)
{
	json_write_object(w);
	member(w, "text", m->text);
	member(w, "from", m->from);
	if (m->deferred) {
		json_write_member_bool(w, "deferred", true);
		json_write_end_object(w);
		return;
	}
	member(w, "type", mount_types[m->type]);
	member(w, "source", m->source);
	member(w, "target", m->target);
	member(w, "id", m->id);
	member(w, "env", m->env);
	json_write_member_bool(w, "readOnly", m->read_only);
	member_true(w, "required", m->required);
	if (m->type == DOCKERFILE_CACHE)
		member(w, "sharing", sharings[m->sharing]);
	if (m->has_mode || (m->type != DOCKERFILE_BIND && m->type != DOCKERFILE_TMPFS))
		json_write_member_u64(w, "mode", m->mode);
	if (m->has_uid)
		json_write_member_u64(w, "uid", m->uid);
	if (m->has_gid)
		json_write_member_u64(w, "gid", m->gid);
	if (m->type == DOCKERFILE_TMPFS)
		json_write_member_i64(w, "size", m->size);
	json_write_end_object(w);
}

static void command(struct json_writer *w, const struct dockerfile_command *c)
{
	json_write_member_object(w, "command");
	json_write_member_bool(w, "shell", c->shell);
	member_list(w, "args", &c->args);
	member(w, "fileName", c->file_name);
	member(w, "fileData", c->file_data);
	json_write_end_object(w);
}

static void run(struct json_writer *w, const struct dockerfile_instruction *in)
{
	command(w, &in->command);
	if (in->mounts_count) {
		json_write_member_array(w, "mounts");
		for (size_t i = 0; i < in->mounts_count; i++)
			mount(w, &in->mounts[i]);
		json_write_end_array(w);
	}
	member(w, "network", networks[in->network]);
	member(w, "security", in->insecure ? "insecure" : "sandbox");
	if (in->devices_count == 0)
		return;
	json_write_member_array(w, "devices");
	for (size_t i = 0; i < in->devices_count; i++) {
		json_write_object(w);
		member(w, "name", in->devices[i].name);
		json_write_member_bool(w, "required", in->devices[i].required);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static void copy(struct json_writer *w, const struct dockerfile_instruction *in)
{
	member_list(w, "sources", &in->sources);
	heredocs(w, "files", in->files, in->files_count);
	member(w, "destination", in->destination);
	member(w, "from", in->from);
	member(w, "chown", in->chown);
	member(w, "chmod", in->chmod);
	member(w, "checksum", in->checksum);
	member_true(w, "link", in->link);
	member_true(w, "parents", in->parents);
	if (in->keep_git_dir.set)
		json_write_member_bool(w, "keepGitDir", in->keep_git_dir.value);
	if (in->unpack.set)
		json_write_member_bool(w, "unpack", in->unpack.value);
	member_list_if(w, "excludes", &in->excludes);
}

static void health(struct json_writer *w, const struct dockerfile_instruction *in)
{
	const struct dockerfile_health *h = &in->health;

	json_write_member_object(w, "health");
	json_write_member_array(w, "test");
	string(w, h->none ? "NONE" : in->command.shell ? "CMD-SHELL" : "CMD");
	for (size_t i = 0; i < in->command.args.count; i++)
		string(w, in->command.args.items[i]);
	json_write_end_array(w);
	json_write_member_i64(w, "interval", h->interval);
	json_write_member_i64(w, "timeout", h->timeout);
	json_write_member_i64(w, "startPeriod", h->start_period);
	json_write_member_i64(w, "startInterval", h->start_interval);
	json_write_member_i64(w, "retries", h->retries);
	json_write_end_object(w);
}

static void pairs(struct json_writer *w, const struct dockerfile_pairs *p)
{
	json_write_member_array(w, "pairs");
	for (size_t i = 0; i < p->count; i++) {
		json_write_object(w);
		member(w, "key", p->items[i].key);
		member(w, "value", p->items[i].value);
		member_true(w, "legacy", p->items[i].legacy);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static void ports(struct json_writer *w, const struct dockerfile_instruction *in)
{
	if (in->ports_count == 0)
		return;
	json_write_member_array(w, "ports");
	for (size_t i = 0; i < in->ports_count; i++)
		json_write_string(w, arena_printf(w->arena, "%u/%s", in->ports[i].number, in->ports[i].protocol));
	json_write_end_array(w);
}

static void instruction(struct json_writer *w, const struct dockerfile_instruction *in);

static void typed(struct json_writer *w, const struct dockerfile_instruction *in)
{
	switch (in->verb) {
	case DOCKERFILE_FROM:
		member(w, "base", in->base);
		member(w, "platform", in->platform);
		member(w, "name", in->stage_name);
		return;
	case DOCKERFILE_ARG:
	case DOCKERFILE_ENV:
	case DOCKERFILE_LABEL:
		pairs(w, &in->pairs);
		return;
	case DOCKERFILE_RUN:
		run(w, in);
		return;
	case DOCKERFILE_CMD:
	case DOCKERFILE_ENTRYPOINT:
		command(w, &in->command);
		return;
	case DOCKERFILE_HEALTHCHECK:
		health(w, in);
		return;
	case DOCKERFILE_ADD:
	case DOCKERFILE_COPY:
		copy(w, in);
		return;
	case DOCKERFILE_EXPOSE:
		ports(w, in);
		return;
	case DOCKERFILE_ONBUILD:
		member(w, "trigger", in->trigger);
		if (!in->triggered)
			return;
		json_write_key(w, "triggered");
		instruction(w, in->triggered);
		return;
	case DOCKERFILE_MAINTAINER:
	case DOCKERFILE_STOPSIGNAL:
	case DOCKERFILE_USER:
	case DOCKERFILE_WORKDIR:
		member(w, "value", in->value);
		return;
	default:
		return;
	}
}

static void instruction(struct json_writer *w, const struct dockerfile_instruction *in)
{
	json_write_object(w);
	member(w, "instruction", in->verb < DOCKERFILE_VERB_COUNT ? dockerfile_verb_name(in->verb) : in->keyword);
	member(w, "keyword", in->keyword);
	json_write_member_u64(w, "line", in->line);
	json_write_member_u64(w, "endLine", in->end_line);
	member(w, "original", in->original);
	member_list(w, "flags", &in->flags);
	json_write_member_bool(w, "json", in->json);
	member_list(w, "args", &in->args);
	heredocs(w, "heredocs", in->heredocs, in->heredocs_count);
	member_list_if(w, "comments", &in->comments);
	if (in->error)
		member(w, "error", in->error);
	else
		typed(w, in);
	json_write_end_object(w);
}

void dockerfile_dump(const struct dockerfile *d, struct json_writer *w)
{
	const char escape[] = { d->escape, 0 };

	json_write_object(w);
	member(w, "file", d->name);
	member(w, "escape", escape);
	member(w, "syntax", d->syntax);
	member(w, "check", d->check);
	json_write_member_array(w, "instructions");
	for (size_t i = 0; i < d->count; i++)
		instruction(w, &d->instructions[i]);
	json_write_end_array(w);
	json_write_member_u64(w, "globals", d->globals);
	json_write_member_array(w, "stages");
	for (size_t i = 0; i < d->stages_count; i++) {
		const struct dockerfile_stage *s = &d->stages[i];

		json_write_object(w);
		json_write_member_u64(w, "index", s->index);
		member(w, "name", s->name);
		member(w, "base", s->base);
		member(w, "platform", s->platform);
		member(w, "description", s->comment);
		json_write_member_u64(w, "from", s->from);
		json_write_member_u64(w, "first", s->first);
		json_write_member_u64(w, "count", s->count);
		json_write_end_object(w);
	}
	json_write_end_array(w);
	if (d->empty_continuations_count) {
		json_write_member_array(w, "emptyContinuations");
		for (size_t i = 0; i < d->empty_continuations_count; i++)
			json_write_u64(w, d->empty_continuations[i]);
		json_write_end_array(w);
	}
	json_write_end_object(w);
}

/* --- words --------------------------------------------------------------------------------------- */

static int lex_options(const char *list, struct expand_options *o, struct error *err)
{
	static const char *const names[] = { "raw-quotes", "raw-escapes", "skip-quotes", "skip-unset", "escape=\\", "escape=`",
		NULL };
	bool *const flags[] = { &o->raw_quotes, &o->raw_escapes, &o->skip_quotes, &o->skip_unset };

	while (list && *list) {
		size_t n = strcspn(list, ","), i = 0;

		while (names[i] && (strlen(names[i]) != n || strncmp(names[i], list, n) != 0))
			i++;
		if (!names[i])
			return error_set(err, ERR_USAGE, EINVAL,
				"--lex %.40s: raw-quotes, raw-escapes, skip-quotes, skip-unset, escape=\\ or escape=` is expected",
				list);
		if (i < 4)
			*flags[i] = true;
		else
			o->escape = names[i][7];
		list += n + (list[n] == ',');
	}
	return 0;
}

int dockerfile_dump_words(struct arena *a, const char *word, const struct string_list *env, const char *lex,
	struct json_writer *w, struct error *err)
{
	struct string_list used = { 0 }, unset = { 0 }, words = { 0 }, environment = { 0 };
	struct expand_options o = { .lookup = expand_lookup_environ, .used = &used, .unset = &unset };
	struct error failure = { 0 };
	const char *result = NULL;
	int r = lex_options(lex, &o, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < env->count; i++)
		list_add(a, &environment, env->items[i]);
	list_add(a, &environment, NULL);
	o.opaque = environment.items;
	r = expand_word(a, word, &o, &result, &failure);
	if (r == 0)
		r = expand_words(a, word, &o, &words, &failure);
	json_write_object(w);
	json_write_member_string(w, "word", word);
	if (r < 0) {
		json_write_member_string(w, "error", failure.msg);
	} else {
		json_write_member_string(w, "result", result);
		member_list(w, "words", &words);
	}
	member_list(w, "used", &used);
	member_list(w, "unset", &unset);
	json_write_end_object(w);
	return 0;
}
