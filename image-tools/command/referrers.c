/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the referrers API; where it is missing (404), the index under the tag sha256-<hex>. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"

struct options {
	struct registry_flags registry;
	const char *type;
};

static const struct option_spec specs[] = {
	{ "artifact-type", 0, OPTION_STRING, offsetof(struct options, type), "TYPE", "only artifacts of this type" },
	REGISTRY_OPTIONS(struct options),
	{ 0 },
};

struct context {
	struct program *p;
	struct reference ref;
	const char *type;
	struct image_index found;
};

static int ask(struct registry *r, const struct reference *ref, void *opaque, struct error *err)
{
	struct context *x = opaque;
	struct arena *a = &x->p->arena;
	struct digest digest = ref->digest;
	struct http_response resp;
	struct connection c;
	struct error ignored = { 0 };
	const char *type;
	char *buf, *tag;
	size_t len;
	int rc = connection_open(&c, r, a, err);

	if (rc == 0 && !digest.algorithm)
		rc = manifest_fetch(&c, ref->path, ref->tag, NULL, &buf, &len, &type, &digest, err);
	if (rc == 0) {
		struct call call = { .request = { .method = "GET",
					     .url = arena_printf(a, "/v2/%s/referrers/%s%s%s", ref->path, digest_string(a, &digest),
						     x->type ? "?artifactType=" : "", x->type ? url_escape(a, x->type) : "") },
			.scope = { scope_for(a, ref->path, "pull") }, .quiet_missing = true };

		rc = registry_call(&c, &call, &resp, err);
	}
	if (rc == 0 && resp.status == 404) {
		tag = arena_strdup(a, digest_string(a, &digest));
		tag[strcspn(tag, ":")] = '-';
		if (manifest_fetch(&c, ref->path, tag, NULL, &buf, &len, &type, &digest, &ignored) == 0)
			rc = index_parse(buf, len, "referrers", a, &x->found, err);
		else if (ignored.errnum != ENOENT)
			rc = -ignored.errnum, *err = ignored;
	} else if (rc == 0) {
		rc = index_parse(resp.body ? resp.body : "", resp.body_length, "referrers", a, &x->found, err);
	}
	connection_close(&c);
	return rc;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct context x = { .p = p, .type = o->type };
	struct json_writer w;
	const char *text = strncmp(argv[0], "docker://", 9) == 0 ? argv[0] + 9 : argv[0];
	int r = reference_parse(&p->arena, text, &x.ref, err);

	(void)argc;
	if (r == 0)
		r = registry_with(p, &o->registry, &x.ref, false, ask, &x, err);
	if (r < 0)
		return r;
	json_writer_init(&w, &p->arena, true);
	json_write_array(&w);
	for (size_t i = 0; i < x.found.manifests_count; i++) {
		const struct descriptor *d = &x.found.manifests[i];

		if (o->type && (!d->artifact_type || strcmp(d->artifact_type, o->type) != 0))
			continue;
		descriptor_write(&w, d);
		if (!p->json)
			printf("%s %s\n", d->digest_text, d->artifact_type ? d->artifact_type : d->media_type);
	}
	json_write_end_array(&w);
	if (p->json)
		print_json(&w);
	return 0;
}

const struct command command_referrers = { "referrers", "REF", "list what refers to an image in its registry", specs,
	sizeof(struct options), 1, 1, run };
