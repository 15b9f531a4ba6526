/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: any bytes as config.json, as a process and as resources,
 * through parser and checks.  Beyond "no crash": the return value says whether
 * there are errors, and what is reported can be written as JSON and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"
#include "runtime/config/check.h"
#include "specs/config_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			abort();                                                                                       \
	} while (0)

/* The report that `oci-rt check` would print. */
static void report(struct arena *a, const struct json_errors *errors)
{
	static const struct json_field list = {.name = "", .kind = JSON_STRINGS, .count_offset = sizeof(char *)};
	struct {
		const char **items;
		size_t count;
	} again = {0};
	struct json_errors broken = {0};
	struct json_writer w;
	const char *text;
	size_t len;

	json_writer_init(&w, a, false);
	json_write_array(&w);
	for (size_t i = 0; i < errors->count; i++) {
		json_write_string(&w, errors->items[i].path);
		json_write_string(&w, errors->items[i].msg);
	}
	json_write_end_array(&w);
	text = json_writer_finish(&w, &len);
	MUST(json_read_field(&list, text, len, a, &again, &broken) == 0);
	MUST(again.count == errors->count * 2);
	for (size_t i = 0; i < errors->count; i++)
		MUST(*errors->items[i].msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_INIT;
	struct json_errors errors[3] = {0}, warnings = {0};
	const char *text = (const char *)data;
	struct config_resources *r;
	struct config_process *p;
	struct config *c;

	MUST((config_parse(text, size, &a, &c, &errors[0]) == 0) == (errors[0].count == 0));
	MUST(c->linux);
	config_check(c, &a, &errors[0], &warnings);
	MUST((process_parse(text, size, &a, &p, &errors[1]) == 0) == (errors[1].count == 0));
	process_check(p, &a, &errors[1], &warnings);
	MUST((resources_parse(text, size, &a, &r, &errors[2]) == 0) == (errors[2].count == 0));
	resources_check(r, &a, &errors[2], &warnings);
	for (int i = 0; i < 3; i++)
		report(&a, &errors[i]);
	report(&a, &warnings);
	arena_free(&a);
	return 0;
}
