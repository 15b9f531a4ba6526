/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: instructions that change the configuration and nothing else.
 * They cost nothing and have no cache entry.  The history texts are those of the
 * builders that people know, so that tools which show or compare histories read ours.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image-tools/build/internal.h"

#define COMMENT "oci-image build"

void history_add(struct build_stage *s, const char *text, bool layer)
{
	struct history_entry h = {
		.created = s->b->created, .created_by = text, .comment = COMMENT, .empty_layer = !layer};
	size_t n = s->config.history_count;
	struct history_entry *entries = arena_array(&s->arena, struct history_entry, n + 1);

	if (n)
		memcpy(entries, s->config.history, n * sizeof *entries);
	entries[n] = h;
	s->config.history = entries;
	s->config.history_count = n + 1;
}

const char *list_value(const struct string_list *l, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < l->count; i++)
		if (strncmp(l->items[i], name, n) == 0 && l->items[i][n] == '=')
			return l->items[i] + n + 1;
	return NULL;
}

void list_set(struct arena *a, struct string_list *l, const char *name, const char *value)
{
	const char *text = arena_printf(a, "%s=%s", name, value);
	struct string_list copy = {0};
	size_t n = strlen(name);
	bool done = false;

	/* A copy: lists are shared with the base's configuration. */
	for (size_t i = 0; i < l->count; i++) {
		bool same = strncmp(l->items[i], name, n) == 0 && l->items[i][n] == '=';

		string_list_add(a, &copy, same ? text : l->items[i]);
		done |= same;
	}
	if (!done)
		string_list_add(a, &copy, text);
	*l = copy;
}

static const char *join(struct arena *a, const struct string_list *l, const char *between)
{
	const char *text = "";

	for (size_t i = 0; i < l->count; i++)
		text = arena_printf(a, "%s%s%s", text, i ? between : "", l->items[i]);
	return text;
}

/* ["a" "b"] */
static const char *quoted(struct arena *a, const struct string_list *l)
{
	const char *text = "[";

	for (size_t i = 0; i < l->count; i++) {
		char *out = arena_alloc(a, strlen(l->items[i]) * 4 + 1), *p = out;

		for (const char *c = l->items[i]; *c; c++) {
			static const char special[] = "\"\\\n\t\r", names[] = "\"\\ntr";
			const char *hit = strchr(special, *c);

			if (hit) {
				*p++ = '\\';
				*p++ = names[hit - special];
			} else if ((unsigned char)*c < 32) {
				p += sprintf(p, "\\x%02x", (unsigned char)*c);
			} else {
				*p++ = *c;
			}
		}
		text = arena_printf(a, "%s%s\"%s\"", text, i ? " " : "", out);
	}
	return arena_printf(a, "%s]", text);
}

static void duplicate_list(struct arena *a, struct string_list *to, const struct string_list *from)
{
	*to = (struct string_list){0};
	for (size_t i = 0; i < from->count; i++)
		string_list_add(a, to, from->items[i]);
}

static const char *const default_shell[] = {"/bin/sh", "-c"};

static void command_line(struct build_stage *s, const struct dockerfile_command *c, struct string_list *out)
{
	*out = (struct string_list){0};
	if (c->shell) {
		const struct string_list *shell = &s->config.config.shell;

		if (shell->count)
			duplicate_list(&s->arena, out, shell);
		else
			for (size_t i = 0; i < 2; i++)
				string_list_add(&s->arena, out, default_shell[i]);
	}
	for (size_t i = 0; i < c->args.count; i++)
		string_list_add(&s->arena, out, c->args.items[i]);
}

static void set_env(struct build_stage *s, const struct dockerfile_instruction *in)
{
	const char *text = "ENV";

	for (size_t i = 0; i < in->pairs.count; i++) {
		const struct dockerfile_pair *p = &in->pairs.items[i];

		list_set(&s->arena, &s->config.config.env, p->key, p->value ? p->value : "");
		text = arena_printf(&s->arena, "%s %s=%s", text, p->key, p->value ? p->value : "");
	}
	history_add(s, text, false);
}

static void set_labels(struct build_stage *s, const struct dockerfile_instruction *in)
{
	const char *text = "LABEL";

	for (size_t i = 0; i < in->pairs.count; i++) {
		const struct dockerfile_pair *p = &in->pairs.items[i];

		string_map_set(&s->arena, &s->config.config.labels, p->key, p->value ? p->value : "");
		text = arena_printf(&s->arena, "%s %s=%s", text, p->key, p->value ? p->value : "");
	}
	history_add(s, text, false);
}

/* The value of ARG: command line, own default, global scope. */
static void set_arguments(struct build_stage *s, const struct dockerfile_instruction *in)
{
	const char *text = "ARG";

	for (size_t i = 0; i < in->pairs.count; i++) {
		const struct dockerfile_pair *p = &in->pairs.items[i];
		const char *value = builder_argument(s->b, p->key);
		bool known = false;

		if (!value)
			value = p->value;
		if (!value)
			value = list_value(&s->b->globals, p->key);
		for (size_t k = 0; k < s->declared.count; k++)
			known |= strcmp(s->declared.items[k], p->key) == 0;
		if (!known)
			string_list_add(&s->arena, &s->declared, p->key);
		if (value)
			list_set(&s->arena, &s->arguments, p->key, value);
		text = arena_printf(&s->arena, "%s %s%s%s", text, p->key, value ? "=" : "", value ? value : "");
	}
	history_add(s, text, false);
}

static void add_item(struct arena *a, struct image_set_item **items, size_t *count, const char *name)
{
	struct image_set_item *bigger = arena_array(a, struct image_set_item, *count + 1);

	for (size_t i = 0; i < *count; i++) {
		if (strcmp((*items)[i].name, name) == 0)
			return;
		bigger[i] = (*items)[i];
	}
	bigger[(*count)++].name = name;
	*items = bigger;
}

static void expose(struct build_stage *s, const struct dockerfile_instruction *in)
{
	struct image_run_config *c = &s->config.config;
	const char *text = "";

	for (size_t i = 0; i < in->ports_count; i++) {
		const char *name = arena_printf(&s->arena, "%u/%s", in->ports[i].number, in->ports[i].protocol);

		add_item(&s->arena, &c->exposed_ports.items, &c->exposed_ports.count, name);
		text = arena_printf(&s->arena, "%s%s%s:{}", text, i ? " " : "", name);
	}
	history_add(s, arena_printf(&s->arena, "EXPOSE map[%s]", text), false);
}

static int volumes(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err)
{
	struct image_run_config *c = &s->config.config;

	for (size_t i = 0; i < in->args.count; i++) {
		if (!*in->args.items[i])
			return error_set(err, ERR_CONFIG, EINVAL, "a volume's path is empty");
		add_item(&s->arena, &c->volumes.items, &c->volumes.count, in->args.items[i]);
	}
	history_add(s, arena_printf(&s->arena, "VOLUME [%s]", join(&s->arena, &in->args, " ")), false);
	return 0;
}

static bool signal_valid(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text && !*end)
		return n > 0 && n <= SIGRTMAX;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncasecmp(text, "RTMIN", 5) == 0 || strncasecmp(text, "RTMAX", 5) == 0)
		return !text[5] || text[5] == '+' || text[5] == '-';
	for (int i = 1; i < NSIG; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(name, text) == 0)
			return true;
	}
	return strcasecmp(text, "IOT") == 0 || strcasecmp(text, "CLD") == 0;
}

/* 1500000000 as "1.5s" */
static const char *duration(struct arena *a, int64_t ns)
{
	int64_t hours = ns / 3600000000000, minutes = ns / 60000000000 % 60;
	double seconds = (double)(ns % 60000000000) / 1e9;

	if (ns == 0)
		return "0s";
	if (ns < 1000000000)
		return arena_printf(a, "%gms", (double)ns / 1e6);
	return arena_printf(a, "%s%s%gs", hours ? arena_printf(a, "%lldh", (long long)hours) : "",
		hours || minutes ? arena_printf(a, "%lldm", (long long)minutes) : "", seconds);
}

static void healthcheck(struct build_stage *s, const struct dockerfile_instruction *in)
{
	const struct dockerfile_health *h = &in->health;
	struct arena *a = &s->arena;
	struct string_list test = {0};
	struct json_writer w;
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {{"Interval", h->interval}, {"Timeout", h->timeout}, {"StartPeriod", h->start_period},
		{"StartInterval", h->start_interval}, {"Retries", h->retries}};

	string_list_add(a, &test, h->none ? "NONE" : in->command.shell ? "CMD-SHELL" : "CMD");
	for (size_t i = 0; !h->none && i < in->command.args.count; i++)
		string_list_add(a, &test, in->command.args.items[i]);
	json_writer_init(&w, a, false);
	json_write_object(&w);
	json_write_member_array(&w, "Test");
	for (size_t i = 0; i < test.count; i++)
		json_write_string(&w, test.items[i]);
	json_write_end_array(&w);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (numbers[i].value)
			json_write_member_i64(&w, numbers[i].name, numbers[i].value);
	json_write_end_object(&w);
	s->config.config.healthcheck = json_writer_finish(&w, NULL);
	history_add(s,
		arena_printf(a,
			"HEALTHCHECK {Test:[%s] Interval:%s Timeout:%s StartPeriod:%s StartInterval:%s Retries:%lld}",
			join(a, &test, " "), duration(a, h->interval), duration(a, h->timeout),
			duration(a, h->start_period), duration(a, h->start_interval), (long long)h->retries),
		false);
}

int meta_apply(struct build_stage *s, const struct dockerfile_instruction *in, struct error *err)
{
	struct image_run_config *c = &s->config.config;
	struct arena *a = &s->arena;

	switch (in->verb) {
	case DOCKERFILE_ENV:
		set_env(s, in);
		break;
	case DOCKERFILE_LABEL:
		set_labels(s, in);
		break;
	case DOCKERFILE_ARG:
		set_arguments(s, in);
		break;
	case DOCKERFILE_EXPOSE:
		expose(s, in);
		break;
	case DOCKERFILE_VOLUME:
		return volumes(s, in, err);
	case DOCKERFILE_USER:
		c->user = in->value;
		history_add(s, arena_printf(a, "USER %s", in->value), false);
		break;
	case DOCKERFILE_STOPSIGNAL:
		if (!signal_valid(in->value))
			return error_set(err, ERR_CONFIG, EINVAL, "\"%.80s\" is no signal", in->value);
		c->stop_signal = in->value;
		history_add(s, arena_printf(a, "STOPSIGNAL %s", in->value), false);
		break;
	case DOCKERFILE_SHELL:
		duplicate_list(a, &c->shell, &in->args);
		history_add(s, arena_printf(a, "SHELL [%s]", join(a, &in->args, " ")), false);
		break;
	case DOCKERFILE_MAINTAINER:
		s->config.author = in->value;
		history_add(s, arena_printf(a, "MAINTAINER %s", in->value), false);
		break;
	case DOCKERFILE_CMD:
		command_line(s, &in->command, &c->cmd);
		s->cmd_set = true;
		history_add(s, arena_printf(a, "CMD %s", quoted(a, &c->cmd)), false);
		break;
	case DOCKERFILE_ENTRYPOINT:
		command_line(s, &in->command, &c->entrypoint);
		/* A command of the base was meant for the base's entrypoint. */
		if (!s->cmd_set)
			c->cmd = (struct string_list){0};
		history_add(s, arena_printf(a, "ENTRYPOINT %s", quoted(a, &c->entrypoint)), false);
		break;
	case DOCKERFILE_HEALTHCHECK:
		healthcheck(s, in);
		break;
	case DOCKERFILE_ONBUILD: {
		struct string_list copy;

		duplicate_list(a, &copy, &c->onbuild);
		string_list_add(a, &copy, in->trigger);
		c->onbuild = copy;
		break;
	}
	default:
		return error_set(err, ERR_CONFIG, EINVAL, "%s cannot be used here", in->keyword);
	}
	return 0;
}
