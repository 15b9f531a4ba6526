/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: forget what login kept. */
#include <stdio.h>

#include "image-tools/command/commands.h"

struct options {
	const char *authfile;
};

static const struct option_spec specs[] = {
	{ "authfile", 0, OPTION_STRING, offsetof(struct options, authfile), "FILE", "credentials (also $REGISTRY_AUTH_FILE)" },
	{ 0 },
};

static int run(struct program *p, void *opaque, int argc, char **argv, struct error *err)
{
	struct options *o = opaque;
	const char *host = argc ? argv[0] : "docker.io", *file;
	int r = credentials_store(&p->arena, o->authfile, host, NULL, &file, err);

	if (r == 0 && !p->quiet)
		printf("logged out of %s\n", host);
	return r;
}

const struct command command_logout = { "logout", "[HOST]", "forget a registry's credentials", specs, sizeof(struct options), 0, 1,
	run };
