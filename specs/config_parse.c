/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: read with the tables, then put the few values in order
 * for which the specification or an engine has two spellings of "not set".
 */
#include "specs/config_parse.h"
#include "specs/config_tables.h"

static void normalise_resources(struct config_resources *r)
{
	for (size_t i = 0; i < r->devices_count; i++)
		if (r->devices[i].type == 0)
			r->devices[i].type = 'a';
	/* Docker passes its own "not set", -1, as an unsigned number. */
	if (r->memory && r->memory->swappiness.value == UINT64_MAX)
		r->memory->swappiness = (struct opt_u64){false, 0};
}

int config_parse(const char *buf, size_t len, struct arena *a, struct config **out, struct json_errors *errors)
{
	struct config *c = arena_new(a, struct config);
	int r = json_read(&config_object, buf, len, a, c, errors);

	if (!c->linux)
		c->linux = arena_new(a, struct config_linux);
	if (c->linux->resources)
		normalise_resources(c->linux->resources);
	*out = c;
	return r;
}

int process_parse(const char *buf, size_t len, struct arena *a, struct config_process **out, struct json_errors *errors)
{
	*out = arena_new(a, struct config_process);
	return json_read(&config_process_object, buf, len, a, *out, errors);
}

int resources_parse(
	const char *buf, size_t len, struct arena *a, struct config_resources **out, struct json_errors *errors)
{
	int r;

	*out = arena_new(a, struct config_resources);
	r = json_read(&config_resources_object, buf, len, a, *out, errors);
	normalise_resources(*out);
	return r;
}
