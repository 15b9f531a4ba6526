/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: builds the plan of a bundle as create would, and prints it instead of carrying it out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"
#include "runtime/command/command.h"
#include "runtime/plan/create.h"

static const char *property(struct arena *a, const struct step *s)
{
	if (!s->property)
		return NULL;
	return s->index >= 0 ? arena_printf(a, "%s[%d]", s->property, s->index) : s->property;
}

static void print_text(const struct container *c)
{
	unsigned int n = 0;

	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		if (!c->plan.first[stage])
			continue;
		printf("%s (%s side)\n", stage_name((enum stage)stage),
			stage_is_container_side((enum stage)stage) ? "container" : "host");
		for (const struct step *s = c->plan.first[stage]; s; s = s->next) {
			const char *from = property(c->arena, s);

			printf("  %3u  %-13s %s", ++n, s->facility, s->text ? s->text : "");
			if (from)
				printf("  [%s]", from);
			if (s->undo)
				printf("  (undo: %s %s)", s->undo, s->undo_arg);
			printf("\n");
		}
	}
}

static void print_json(const struct container *c)
{
	struct json_writer w;

	json_writer_init(&w, c->arena, true);
	json_write_array(&w);
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		for (const struct step *s = c->plan.first[stage]; s; s = s->next) {
			const char *from = property(c->arena, s);

			json_write_object(&w);
			json_write_member_string(&w, "stage", stage_name((enum stage)stage));
			json_write_member_string(&w, "side",
				stage_is_container_side((enum stage)stage) ? "container" : "host");
			json_write_member_string(&w, "facility", s->facility);
			if (from)
				json_write_member_string(&w, "path", from);
			json_write_member_string(&w, "text", s->text ? s->text : "");
			if (s->undo) {
				json_write_member_object(&w, "undo");
				json_write_member_string(&w, "kind", s->undo);
				json_write_member_string(&w, "argument", s->undo_arg);
				json_write_end_object(&w);
			}
			json_write_end_object(&w);
		}
	}
	json_write_end_array(&w);
	printf("%s\n", json_writer_finish(&w, NULL));
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *operand = args->operands_count ? args->operands[0] : ".", *format = argument(args, "format");
	struct container c = CONTAINER_INIT;
	char *path;
	int r;

	if (format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "--format %s: expected text or json", format);
	path = realpath(operand, NULL);
	if (!path)
		return error_sys(err, errno, "open bundle %s", operand);
	c.options.bundle = arena_strdup(rt->arena, path);
	free(path);
	c.rt = rt;
	c.arena = rt->arena;
	c.mode = CONTAINER_EXPLAIN;
	c.id = argument(args, "id") ? argument(args, "id") : "ID";
	r = container_prepare(&c, err);
	if (r < 0)
		return r;
	if (format && strcmp(format, "json") == 0)
		print_json(&c);
	else
		print_text(&c);
	return fflush(stdout) == 0 ? 0 : error_sys(err, errno, "write to stdout");
}

static const struct command_option options[] = {
	{ .name = "format", .letter = 'f', .value = "FORMAT", .help = "text (default) or json" },
	{ .name = "id", .value = "ID", .help = "the id that paths are made with" },
	{ 0 },
};

const struct command command_plan = {
	.name = "plan",
	.usage = "[options] [BUNDLE]",
	.summary = "print the steps that create and start would take; nothing is done",
	.options = options,
	.operands_max = 1,
	.run = run,
};
