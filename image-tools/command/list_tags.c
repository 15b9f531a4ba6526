/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: GET tags/list, page after page (Link: rel=next), whatever a page's length. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"

struct options {
	struct registry_flags registry;
};

static const struct option_spec specs[] = { REGISTRY_OPTIONS(struct options), MIRROR_OPTION(struct options), { 0 } };

struct tags {
	struct string_list tags;
};
static const struct json_field fields[] = { JSON_F_LIST(JSON_STRINGS, struct tags, tags, "tags") };
static const struct json_object object = JSON_OBJECT_OF("answer", struct tags, fields);

struct context {
	struct program *p;
	struct reference ref;
	struct string_list all;
};

static int list(struct registry *r, const struct reference *ref, void *opaque, struct error *err)
{
	struct context *x = opaque;
	struct arena *a = &x->p->arena;
	const char *url = arena_printf(a, "%s/v2/%s/tags/list?n=1000", registry_base(r), ref->path);
	struct connection c;
	int rc = connection_open(&c, r, a, err);

	for (int page = 0; rc == 0 && url && page < 10000; page++) {
		struct call call = { .request = { .method = "GET", .url = url }, .scope = { scope_for(a, ref->path, "pull") } };
		struct http_response resp;
		struct tags t = { 0 };
		struct json_errors errors = { 0 };
		const char *here = url;

		rc = registry_call(&c, &call, &resp, err);
		if (rc < 0)
			break;
		if (json_read(&object, resp.body ? resp.body : "", resp.body_length, a, &t, &errors) < 0)
			rc = json_errors_first(&errors, ERR_CONFIG, NULL, err);
		for (size_t i = 0; i < t.tags.count; i++)
			string_list_add(a, &x->all, t.tags.items[i]);
		url = NULL;
		if (resp.link && *resp.link == '<' && strstr(resp.link, "next"))
			url = url_resolve(a, here, arena_strndup(a, resp.link + 1, strcspn(resp.link + 1, ">")));
	}
	connection_close(&c);
	return rc;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct context x = { .p = p };
	struct json_writer w;
	const char *text = strncmp(argv[0], "docker://", 9) == 0 ? argv[0] + 9 : argv[0];
	int r = reference_parse(&p->arena, text, &x.ref, err);

	(void)argc;
	if (r == 0)
		r = registry_with(p, &o->registry, &x.ref, true, list, &x, err);
	if (r < 0)
		return r;
	json_writer_init(&w, &p->arena, true);
	json_write_array(&w);
	for (size_t i = 0; i < x.all.count; i++) {
		json_write_string(&w, x.all.items[i]);
		if (!p->json)
			puts(x.all.items[i]);
	}
	json_write_end_array(&w);
	if (p->json)
		print_json(&w);
	return 0;
}

const struct command command_list_tags = { "list-tags", "REPOSITORY", "list a repository's tags in its registry", specs,
	sizeof(struct options), 1, 1, run };
