/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-oci-rt-v2: the process between containerd and a runtime.
 *
 * Theory of operation: one program, four roles.  `start` and `delete` are run by
 * containerd and end at once; -info and -v only tell; without any of them this
 * is the server that `start` has put in place (see bootstrap.c, server.c).
 * Flags are those of Go's flag package, because containerd writes them so;
 * unknown ones are ignored, with their value when one follows.
 */
#include <stdio.h>
#include <string.h>

#include "shim/bootstrap.h"

static const struct {
	const char *name;
	size_t offset;
} string_flags[] = {
	{"namespace", offsetof(struct flags, namespace_name)},
	{"id", offsetof(struct flags, id)},
	{"socket", offsetof(struct flags, socket)},
	{"bundle", offsetof(struct flags, bundle)},
	{"address", offsetof(struct flags, address)},
	{"publish-binary", offsetof(struct flags, publish_binary)},
	{"debug-socket", (size_t)-1},
};

static bool truth(const char *value)
{
	return !value || (strcmp(value, "false") != 0 && strcmp(value, "0") != 0);
}

/* One flag; returns whether the next argument was its value. */
static bool take_flag(struct flags *f, const char *name, const char *value, const char *next)
{
	size_t n = value ? (size_t)(value - name - 1) : strlen(name);

	for (size_t i = 0; i < sizeof string_flags / sizeof string_flags[0]; i++) {
		const char *text = value ? value : next ? next : "";

		if (strlen(string_flags[i].name) != n || strncmp(string_flags[i].name, name, n) != 0)
			continue;
		if (string_flags[i].offset != (size_t)-1)
			*(const char **)((char *)f + string_flags[i].offset) = text;
		return !value && next;
	}
	if (n == 5 && strncmp(name, "debug", n) == 0)
		f->debug = truth(value);
	else if ((n == 1 && name[0] == 'v') || (n == 7 && strncmp(name, "version", n) == 0))
		f->version = truth(value);
	else if (n == 4 && strncmp(name, "info", n) == 0)
		f->info = truth(value);
	else /* unknown: a following word that is neither a flag nor a verb is its value */
		return !value && next && next[0] != '-' && strcmp(next, "start") != 0 && strcmp(next, "delete") != 0;
	return false;
}

static void parse(int argc, char **argv, struct flags *f)
{
	*f = (struct flags){.namespace_name = "",
		.id = "",
		.socket = "",
		.bundle = "",
		.address = "",
		.publish_binary = "",
		.action = ""};
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (arg[0] != '-') {
			f->action = arg;
			continue;
		}
		arg += arg[1] == '-' ? 2 : 1;
		if (take_flag(
			    f, arg, strchr(arg, '=') ? strchr(arg, '=') + 1 : NULL, i + 1 < argc ? argv[i + 1] : NULL))
			i++;
	}
}

int main(int argc, char **argv)
{
	struct error err = {0};
	struct flags f;
	int r;

	parse(argc, argv, &f);
	if (f.version) {
		printf("%s:\n  Version:  %s\n  Protocol: task v2, v3 (ttrpc)\n", SHIM_NAME, PACKAGE_VERSION);
		return 0;
	}
	if (f.info)
		r = info_print(&err);
	else if (strcmp(f.action, "start") == 0)
		r = bootstrap_start(&f, &err);
	else if (strcmp(f.action, "delete") == 0)
		r = cleanup_delete(&f, &err);
	else if (!*f.action && *f.namespace_name)
		r = server_run(&f, &err);
	else
		r = error_set(&err, ERR_USAGE, 22, "%s",
			*f.action ? "unknown action: start or delete is expected" : "-namespace is required");
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", SHIM_NAME, err.msg);
		return 1;
	}
	return 0;
}
