/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the stages are walked in the order of the file, each with the variables that it would have: those of
 * its base (a stage above, or an image, of which perhaps only PATH is known), its ENV and its ARG.  Instructions are
 * expanded in a scratch arena with dockerfile_expand(), which tells the names that were not found; an instruction that
 * cannot be expanded is left to the build to complain about.  Values are kept only up to a size and names up to a number,
 * as all that matters here is mostly whether they are there.
 */
#include <string.h>
#include <strings.h>

#include "image-tools/dockerfile/ignore.h"
#include "image-tools/dockerfile/lint_rules.h"
#include "image-tools/platform.h"
#include "image-tools/reference.h"

#define MAX_VARIABLES 4096
#define MAX_VALUE 4096
#define MAX_STAGES 1000 /* further ones are not followed */

struct variable {
	const char *name, *value; /* value NULL: declared without one */
	bool env;		  /* by ENV: beats ARG */
};
struct scope {
	struct variable *items;
	size_t count, capacity;
};

struct stage_state {
	struct scope scope;
	bool has_shell, workdir_set;
	const struct dockerfile_instruction *once[DOCKERFILE_VERB_COUNT];
};

struct walk {
	struct linter *x;
	struct scope globals;  /* with --build-arg */
	struct scope defaults; /* without */
	struct stage_state *states;
	struct ignore ignore;
	const char *target_platform;
};

static void scope_set(struct arena *a, struct scope *s, const char *name, const char *value, bool env)
{
	const char *kept = value && strlen(value) <= MAX_VALUE ? arena_strdup(a, value) : value ? "" : NULL;
	size_t i = 0;

	while (i < s->count && strcmp(s->items[i].name, name) != 0)
		i++;
	if (i < s->count) {
		if (s->items[i].env && !env)
			return;
		s->items[i] = (struct variable){ s->items[i].name, kept, env };
		return;
	}
	if (s->count >= MAX_VARIABLES)
		return;
	if (s->count == s->capacity) {
		size_t more = s->capacity ? 2 * s->capacity : 16;

		s->items = arena_grow(a, s->items, s->capacity * sizeof *s->items, more * sizeof *s->items);
		s->capacity = more;
	}
	s->items[s->count++] = (struct variable){ arena_strdup(a, name), kept, env };
}

static const char *scope_lookup(void *opaque, const char *name)
{
	const struct scope *s = opaque;

	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].name, name) == 0)
			return s->items[i].value;
	return NULL;
}

static bool scope_has(const struct scope *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->items[i].name, name) == 0)
			return true;
	return false;
}

static const char *scope_suggest(const struct scope *s, const char *name)
{
	__attribute__((cleanup(cleanup_arena))) struct arena scratch = ARENA_INIT;
	const char **names = arena_array(&scratch, const char *, s->count + 1);

	for (size_t i = 0; i < s->count; i++)
		names[i] = s->items[i].name;
	return dockerfile_suggest(name, names);
}

/* The value of --build-arg, or NULL. */
static const char *build_argument(const struct linter *x, const char *name)
{
	const struct string_list *l = x->o->build_arguments;
	size_t n = strlen(name);
	const char *found = NULL;

	for (size_t i = 0; l && i < l->count; i++)
		if (strncmp(l->items[i], name, n) == 0 && l->items[i][n] == '=')
			found = l->items[i] + n + 1;
	return found;
}

/* --- FROM --------------------------------------------------------------------------------- */

static void set_platform(struct walk *k, struct scope *s)
{
	struct arena *a = k->x->arena;
	struct platform host = platform_host();
	static const char *const sides[] = { "BUILD", "TARGET" };

	k->target_platform = platform_format(a, &host);
	for (size_t i = 0; i < 2; i++) {
		scope_set(a, s, arena_printf(a, "%sPLATFORM", sides[i]), k->target_platform, false);
		scope_set(a, s, arena_printf(a, "%sOS", sides[i]), host.os, false);
		scope_set(a, s, arena_printf(a, "%sOSVERSION", sides[i]), "", false);
		scope_set(a, s, arena_printf(a, "%sARCH", sides[i]), host.architecture, false);
		scope_set(a, s, arena_printf(a, "%sVARIANT", sides[i]), host.variant ? host.variant : "", false);
	}
	scope_set(a, s, "TARGETSTAGE", k->x->o->target ? k->x->o->target : "default", false);
}

static void read_globals(struct walk *k, struct scope *s, bool arguments)
{
	const struct dockerfile *d = k->x->d;

	set_platform(k, s);
	for (size_t i = 0; i < d->globals; i++) {
		__attribute__((cleanup(cleanup_arena))) struct arena scratch = ARENA_INIT;
		struct dockerfile_instruction in;

		if (dockerfile_expand(&scratch, d, &d->instructions[i], scope_lookup, s, NULL, &in, NULL) < 0)
			continue;
		for (size_t j = 0; j < in.pairs.count; j++) {
			const char *given = arguments ? build_argument(k->x, in.pairs.items[j].key) : NULL;

			scope_set(k->x->arena, s, in.pairs.items[j].key, given ? given : in.pairs.items[j].value, false);
		}
	}
}

static void check_from_names(struct walk *k, const struct dockerfile_instruction *in, const struct string_list *unset)
{
	struct linter *x = k->x;

	for (size_t i = 0; i < unset->count; i++) {
		const char *near;

		if (scope_has(&k->globals, unset->items[i]))
			continue;
		near = scope_suggest(&k->globals, unset->items[i]);
		lint_report(x, RULE_UNDEFINED_ARG_IN_FROM, in->line, in->end_line,
			"FROM argument '%s' is not declared%s%s%s", unset->items[i], near ? " (did you mean " : "",
			near ? near : "", near ? "?)" : "");
	}
}

static void check_platform(struct walk *k, const struct dockerfile_instruction *in)
{
	struct linter *x = k->x;
	struct string_list used = { 0 }, unset = { 0 };
	struct expand_options o = { .escape = x->d->escape, .lookup = scope_lookup, .opaque = &k->globals, .used = &used,
		.unset = &unset };
	struct platform p;
	const char *result;

	if (!in->platform || expand_word(x->arena, in->platform, &o, &result, NULL) < 0)
		return;
	check_from_names(k, in, &unset);
	if (used.count == 1 && unset.count == 0 && strcmp(used.items[0], "TARGETPLATFORM") == 0 &&
		strcmp(result, k->target_platform) == 0)
		lint_report(x, RULE_REDUNDANT_TARGET_PLATFORM, in->line, in->end_line,
			"Setting platform to predefined %s in FROM is redundant as this is the default behavior", in->platform);
	if (used.count || unset.count || platform_parse(x->arena, result, &p, NULL) < 0)
		return;
	if (in->stage_name && (strstr(in->stage_name, p.os) || strstr(in->stage_name, p.architecture)))
		return;
	lint_report(x, RULE_FROM_PLATFORM_CONST, in->line, in->end_line,
		"FROM --platform flag should not use constant value \"%s\"", result);
}

static void check_from(struct walk *k, const struct dockerfile_instruction *in)
{
	struct linter *x = k->x;
	struct string_list used = { 0 }, unset = { 0 };
	struct expand_options o = { .escape = x->d->escape, .lookup = scope_lookup, .opaque = &k->globals, .unset = &unset };
	struct reference ref;
	const char *result;

	check_platform(k, in);
	if (expand_word(x->arena, in->base, &o, &result, NULL) == 0)
		check_from_names(k, in, &unset);
	o.opaque = &k->defaults;
	o.used = &used;
	if (expand_word(x->arena, in->base, &o, &result, NULL) < 0 || (used.count == 0 && unset.count == 0))
		return;
	if (reference_parse(x->arena, result, &ref, NULL) < 0)
		lint_report(x, RULE_INVALID_DEFAULT_ARG_IN_FROM, in->line, in->end_line,
			"Default value for ARG %s results in empty or invalid base image name", in->base);
}

/* --- instructions --------------------------------------------------------------------------- */

static void check_unset(struct walk *k, struct stage_state *s, const struct dockerfile_instruction *in,
	const struct string_list *unset)
{
	struct linter *x = k->x;

	for (size_t i = 0; i < unset->count; i++) {
		const char *name = unset->items[i], *near;

		if (!*name || scope_has(&s->scope, name) || dockerfile_is_proxy_argument(name))
			continue;
		near = scope_suggest(&s->scope, name);
		lint_report(x, RULE_UNDEFINED_VAR, in->line, in->end_line, "Usage of undefined variable '$%s'%s%s%s", name,
			near ? " (did you mean $" : "", near ? near : "", near ? "?)" : "");
	}
}

/* Is one of the words between underscores one of the list? */
static bool has_part(const char *name, const char *const *words)
{
	while (*name) {
		size_t n = strcspn(name, "_");

		for (size_t i = 0; words[i]; i++)
			if (strlen(words[i]) == n && strncasecmp(words[i], name, n) == 0)
				return true;
		name += n + (name[n] == '_');
	}
	return false;
}

static void check_secret(struct linter *x, const struct dockerfile_instruction *in, const char *name)
{
	static const char *const secret[] = { "apikey", "auth", "credential", "credentials", "key", "password", "pword",
		"passwd", "secret", "token", NULL };
	static const char *const harmless[] = { "public", "file", "version", NULL };

	if (has_part(name, secret) && !has_part(name, harmless))
		lint_report(x, RULE_SECRETS_USED, in->line, in->end_line,
			"Do not use ARG or ENV instructions for sensitive data (%s \"%s\")", dockerfile_verb_name(in->verb), name);
}

static void check_once(struct linter *x, struct stage_state *s, const struct dockerfile_instruction *in)
{
	const struct dockerfile_instruction *before = s->once[in->verb];

	/* the earlier one is reported, since that is the one without effect */
	if (before)
		lint_report(x, RULE_MULTIPLE_INSTRUCTIONS, before->line, before->end_line,
			"Multiple %s instructions should not be used in the same stage because only the last one will be used",
			in->keyword);
	s->once[in->verb] = in;
}

static void check_ports(struct linter *x, const struct dockerfile_instruction *in, const struct string_list *words)
{
	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->items[i], *slash = strrchr(word, '/');
		bool upper = false;

		for (const char *s = slash ? slash : ""; *s; s++)
			upper |= *s >= 'A' && *s <= 'Z';
		if (upper)
			lint_report(x, RULE_EXPOSE_PROTO_CASING, in->line, in->end_line,
				"Defined protocol '%s' in EXPOSE instruction should be lowercase", word);
		if (strchr(word, ':'))
			lint_report(x, RULE_EXPOSE_INVALID_FORMAT, in->line, in->end_line,
				"EXPOSE instruction should not define an IP address or host-port mapping, found '%s'", word);
	}
}

static void check_sources(struct walk *k, const struct dockerfile_instruction *in)
{
	for (size_t i = 0; i < in->sources.count && !in->from && k->ignore.count; i++) {
		const char *path;

		if (strstr(in->sources.items[i], "://"))
			continue;
		path = path_clean(k->x->arena, in->sources.items[i]);
		path += *path == '/';
		if (ignore_matches(&k->ignore, path))
			lint_report(k->x, RULE_COPY_IGNORED_FILE, in->line, in->end_line,
				"Attempting to %s file \"%s\" that is excluded by .dockerignore",
				in->verb == DOCKERFILE_ADD ? "Add" : "Copy", path);
	}
}

static void set_arguments(struct walk *k, struct stage_state *s, const struct dockerfile_instruction *in)
{
	struct linter *x = k->x;

	for (size_t i = 0; i < in->pairs.count; i++) {
		const char *name = in->pairs.items[i].key, *value = build_argument(x, name);

		check_secret(x, in, name);
		if (!value)
			value = in->pairs.items[i].value ? in->pairs.items[i].value : scope_lookup(&k->globals, name);
		scope_set(x->arena, &s->scope, name, value, false);
	}
}

/* in is expanded. */
static void check_instruction(struct walk *k, struct stage_state *s, const struct dockerfile_instruction *in,
	const struct dockerfile_instruction *written)
{
	struct linter *x = k->x;

	switch (in->verb) {
	case DOCKERFILE_ARG:
		set_arguments(k, s, in);
		return;
	case DOCKERFILE_ENV:
		for (size_t i = 0; i < in->pairs.count; i++) {
			check_secret(x, in, in->pairs.items[i].key);
			scope_set(x->arena, &s->scope, in->pairs.items[i].key, in->pairs.items[i].value, true);
		}
		return;
	case DOCKERFILE_CMD:
	case DOCKERFILE_ENTRYPOINT:
		check_once(x, s, written);
		if (in->command.shell && in->command.args.count && !s->has_shell)
			lint_report(x, RULE_JSON_ARGS_RECOMMENDED, in->line, in->end_line,
				"JSON arguments recommended for %s to prevent unintended behavior related to OS signals", in->keyword);
		return;
	case DOCKERFILE_HEALTHCHECK:
		check_once(x, s, written);
		return;
	case DOCKERFILE_SHELL:
		s->has_shell = true;
		return;
	case DOCKERFILE_WORKDIR:
		if (!s->workdir_set && *in->value != '/')
			lint_report(x, RULE_WORKDIR_RELATIVE_PATH, in->line, in->end_line,
				"Relative workdir \"%s\" can have unexpected results if the base image changes", in->value);
		s->workdir_set = true;
		return;
	case DOCKERFILE_EXPOSE:
		check_ports(x, in, &in->args);
		return;
	case DOCKERFILE_COPY:
	case DOCKERFILE_ADD:
		check_sources(k, in);
		return;
	default:
		return;
	}
}

static void begin_stage(struct walk *k, const struct dockerfile_stage *st, struct stage_state *s)
{
	struct linter *x = k->x;
	struct expand_options o = { .escape = x->d->escape, .lookup = scope_lookup, .opaque = &k->globals };
	const struct dockerfile_stage *parent;
	const char *base = st->base;
	const char *const *env;

	scope_set(x->arena, &s->scope, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", true);
	expand_word(x->arena, st->base, &o, &base, NULL);
	parent = base ? dockerfile_stage_find(x->d, base, st->index) : NULL;
	if (parent && parent->name) {
		const struct stage_state *p = &k->states[parent->index];

		s->scope = p->scope;
		s->scope.items = arena_array(x->arena, struct variable, p->scope.capacity);
		memcpy(s->scope.items, p->scope.items, p->scope.count * sizeof *p->scope.items);
		s->has_shell = p->has_shell;
		s->workdir_set = p->workdir_set;
		return;
	}
	env = base && x->o->base_environment ? x->o->base_environment(x->o->opaque, base) : NULL;
	for (; env && *env; env++) {
		size_t n = strcspn(*env, "=");

		scope_set(x->arena, &s->scope, arena_strndup(x->arena, *env, n), (*env)[n] ? *env + n + 1 : "", true);
	}
}

static void check_stage(struct walk *k, const struct dockerfile_stage *st)
{
	struct linter *x = k->x;
	struct stage_state *s = &k->states[st->index];

	check_from(k, &x->d->instructions[st->from]);
	begin_stage(k, st, s);
	for (size_t i = st->first; i < st->first + st->count; i++) {
		__attribute__((cleanup(cleanup_arena))) struct arena scratch = ARENA_INIT;
		const struct dockerfile_instruction *in = &x->d->instructions[i];
		struct string_list unset = { 0 };
		struct dockerfile_instruction out;
		int r = dockerfile_expand(&scratch, x->d, in, scope_lookup, &s->scope, &unset, &out, NULL);

		/* EXPOSE is split after expansion, and what is undefined there is not reported by others either */
		if (in->verb != DOCKERFILE_EXPOSE)
			check_unset(k, s, in, &unset);
		if (r == 0)
			check_instruction(k, s, &out, in);
	}
}

int lint_stage_rules(struct linter *x, struct error *err)
{
	struct walk k = { .x = x };
	const struct dockerfile_stage *target = x->o->target ? dockerfile_stage_find(x->d, x->o->target, x->d->stages_count) :
							       NULL;
	int r = 0;

	k.states = arena_array(x->arena, struct stage_state,
		x->d->stages_count < MAX_STAGES ? x->d->stages_count : MAX_STAGES);
	if (x->o->ignore_patterns)
		r = ignore_compile(x->arena, x->o->ignore_patterns, &k.ignore, err);
	if (r < 0)
		return r;
	read_globals(&k, &k.globals, true);
	read_globals(&k, &k.defaults, false);
	for (size_t i = 0; i < x->d->stages_count && i < MAX_STAGES && (!target || i <= target->index); i++)
		check_stage(&k, &x->d->stages[i]);
	return 0;
}
