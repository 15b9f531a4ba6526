/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: a tag is resolved first, because registries delete by digest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image-tools/command/commands.h"

struct options {
	struct registry_flags registry;
};

static const struct option_spec specs[] = { REGISTRY_OPTIONS(struct options), { 0 } };

struct context {
	struct program *p;
	struct reference ref;
};

static int delete(struct registry *r, const struct reference *ref, void *opaque, struct error *err)
{
	struct context *x = opaque;
	struct arena *a = &x->p->arena;
	struct digest digest = ref->digest;
	struct http_response resp;
	struct connection c;
	const char *type;
	char *buf;
	size_t len;
	int rc = connection_open(&c, r, a, err);

	if (rc == 0 && !digest.algorithm)
		rc = manifest_fetch(&c, ref->path, ref->tag, NULL, &buf, &len, &type, &digest, err);
	if (rc == 0) {
		struct call call = { .request = { .method = "DELETE",
					     .url = arena_printf(a, "/v2/%s/manifests/%s", ref->path, digest_string(a, &digest)) },
			.scope = { scope_for(a, ref->path, "pull,push,delete") } };

		rc = registry_call(&c, &call, &resp, err);
		if (rc < 0 && resp.status == 405)
			error_hint(err, "the registry is configured not to delete");
	}
	connection_close(&c);
	return rc;
}

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	struct context x = { .p = p };
	const char *text = strncmp(argv[0], "docker://", 9) == 0 ? argv[0] + 9 : argv[0];
	int r = reference_parse(&p->arena, text, &x.ref, err);

	(void)argc;
	return r < 0 ? r : registry_with(p, &o->registry, &x.ref, false, delete, &x, err);
}

const struct command command_delete = { "delete", "REF", "delete a manifest from its registry", specs, sizeof(struct options), 1,
	1, run };
