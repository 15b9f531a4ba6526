/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: every directory of the state root that is an id, without
 * locks.  A container that vanishes meanwhile is left out; one that cannot be
 * read is shown with the status "unknown" and a warning, never hidden.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "base/log.h"
#include "runtime/command/command.h"

struct row {
	const char *id;
	bool known;
	enum status status;
	struct state state;
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->id, ((const struct row *)b)->id);
}

/* 1: a row was filled; 0: nothing there. */
static int read_one(struct runtime *rt, const char *id, struct row *row)
{
	struct error err = { 0 };
	struct opened o;
	int r;

	if (state_check_id(id, &err) < 0)
		return 0;
	error_clear(&err);
	r = container_open(rt, id, false, &o, &err);
	container_close(&o);
	if (r < 0 && err.code == ERR_NOT_FOUND)
		return 0;
	*row = (struct row){ .id = arena_strdup(rt->arena, id), .known = r == 0, .status = o.status, .state = o.state };
	if (r == -ENOENT && err.code == ERR_STATE)
		row->status = STATUS_CREATING;
	else if (r < 0)
		log_warning("%s", err.msg);
	return 1;
}

static int read_all(struct runtime *rt, struct row **rows, size_t *count, struct error *err)
{
	struct dirent *entry;
	DIR *dir = opendir(rt->root);

	*rows = NULL;
	*count = 0;
	if (!dir)
		return errno == ENOENT ? 0 : error_sys(err, errno, "open the state root %s", rt->root);
	while ((entry = readdir(dir))) {
		struct row row;

		if (entry->d_name[0] == '.' || !read_one(rt, entry->d_name, &row))
			continue;
		*rows = arena_grow(rt->arena, *rows, *count * sizeof row, (*count + 1) * sizeof row);
		(*rows)[(*count)++] = row;
	}
	closedir(dir);
	if (*count)
		qsort(*rows, *count, sizeof **rows, by_id);
	return 0;
}

int list_ids(struct runtime *rt, const char ***ids, size_t *count, struct error *err)
{
	struct row *rows;
	int r = read_all(rt, &rows, count, err);

	if (r < 0)
		return r;
	*ids = arena_array(rt->arena, const char *, *count + 1);
	for (size_t i = 0; i < *count; i++)
		(*ids)[i] = rows[i].id;
	return 0;
}

static void print_json(struct runtime *rt, const struct row *rows, size_t count)
{
	printf("[");
	for (size_t i = 0; i < count; i++) {
		struct json_writer w;

		if (i)
			printf(",");
		if (rows[i].known) {
			printf("%s", state_json(rt->arena, &rows[i].state, rows[i].status, rows[i].state.pid, true, false));
			continue;
		}
		json_writer_init(&w, rt->arena, false);
		json_write_object(&w);
		json_write_member_string(&w, "id", rows[i].id);
		json_write_member_i64(&w, "pid", 0);
		json_write_member_string(&w, "status", rows[i].status == STATUS_CREATING ? "creating" : "unknown");
		json_write_end_object(&w);
		printf("%s", json_writer_finish(&w, NULL));
	}
	printf("]\n");
}

static void print_table(struct runtime *rt, const struct row *rows, size_t count)
{
	int id_width = 2, bundle_width = 6;

	for (size_t i = 0; i < count; i++) {
		if ((int)strlen(rows[i].id) > id_width)
			id_width = (int)strlen(rows[i].id);
		if (rows[i].known && (int)strlen(rows[i].state.bundle) > bundle_width)
			bundle_width = (int)strlen(rows[i].state.bundle);
	}
	printf("%-*s  %-8s  %-8s  %-*s  %-30s  %s\n", id_width, "ID", "PID", "STATUS", bundle_width, "BUNDLE", "CREATED",
		"OWNER");
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];

		if (!r->known) {
			printf("%-*s  %-8d  %-8s\n", id_width, r->id, 0, r->status == STATUS_CREATING ? "creating" : "unknown");
			continue;
		}
		printf("%-*s  %-8d  %-8s  %-*s  %-30s  %s\n", id_width, r->id, r->status == STATUS_STOPPED ? 0 : r->state.pid,
			status_name(r->status), bundle_width, r->state.bundle, r->state.created,
			state_owner(&r->state, rt->arena));
	}
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *format = argument(args, "format");
	struct row *rows;
	size_t count;
	int r;

	if (format && strcmp(format, "json") != 0 && strcmp(format, "table") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "--format %s: expected table or json", format);
	r = read_all(rt, &rows, &count, err);
	if (r < 0)
		return r;
	if (argument_switch(args, "quiet")) {
		for (size_t i = 0; i < count; i++)
			printf("%s\n", rows[i].id);
	} else if (format && strcmp(format, "json") == 0) {
		print_json(rt, rows, count);
	} else {
		print_table(rt, rows, count);
	}
	return fflush(stdout) == 0 ? 0 : error_sys(err, errno, "write to stdout");
}

static const struct command_option options[] = {
	{ .name = "format", .letter = 'f', .value = "FORMAT", .help = "table (default) or json" },
	{ .name = "quiet", .letter = 'q', .help = "only the ids" },
	{ 0 },
};

const struct command command_list = {
	.name = "list",
	.usage = "[options]",
	.summary = "list the containers of the state root",
	.options = options,
	.run = run,
};
