/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: all errors and warnings of a bundle's configuration at once; nothing is done. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "runtime/command/command.h"
#include "runtime/config/load.h"

static void print_text(const char *kind, const struct json_errors *list)
{
	for (size_t i = 0; i < list->count; i++)
		printf("%s: %s%s%s\n", kind, list->items[i].path, *list->items[i].path ? ": " : "", list->items[i].msg);
	if (list->dropped)
		printf("%s: and %zu more\n", kind, list->dropped);
}

static void write_list(struct json_writer *w, const char *name, const struct json_errors *list)
{
	json_write_member_array(w, name);
	for (size_t i = 0; i < list->count; i++) {
		json_write_object(w);
		json_write_member_string(w, "path", list->items[i].path);
		json_write_member_string(w, "msg", list->items[i].msg);
		json_write_end_object(w);
	}
	json_write_end_array(w);
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	const char *bundle = args->operands_count ? args->operands[0] : argument(args, "bundle"), *format = argument(args, "format");
	bool json = format && strcmp(format, "json") == 0;
	struct config_document doc = { 0 };
	_cleanup_fd_ int dir = -1;
	struct json_writer w;
	int r;

	if (format && !json && strcmp(format, "text") != 0)
		return error_set(err, ERR_USAGE, EINVAL, "--format %s: expected text or json", format);
	if (!bundle)
		bundle = ".";
	dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_sys(err, errno, "open bundle %s", bundle);
	r = config_load(dir, "config.json", bundle, rt->arena, &doc, err);
	/* Without a list the file itself could not be read. */
	if (r < 0 && doc.errors.count == 0)
		return r;
	if (json) {
		json_writer_init(&w, rt->arena, true);
		json_write_object(&w);
		json_write_member_bool(&w, "valid", r == 0);
		write_list(&w, "errors", &doc.errors);
		write_list(&w, "warnings", &doc.warnings);
		json_write_end_object(&w);
		printf("%s\n", json_writer_finish(&w, NULL));
	} else {
		print_text("error", &doc.errors);
		print_text("warning", &doc.warnings);
		if (r == 0)
			printf("%s/config.json is valid\n", bundle);
	}
	if (fflush(stdout) != 0)
		return error_sys(err, errno, "write to stdout");
	return r < 0 ? 1 : 0;
}

static const struct command_option options[] = {
	{ .name = "bundle", .letter = 'b', .value = "DIR", .help = "the bundle (the working directory)" },
	{ .name = "format", .letter = 'f', .value = "FORMAT", .help = "text (default) or json" },
	{ 0 },
};

const struct command command_check = {
	.name = "check",
	.usage = "[options] [BUNDLE]",
	.summary = "report every error of a bundle's configuration",
	.options = options,
	.operands_max = 1,
	.run = run,
};
