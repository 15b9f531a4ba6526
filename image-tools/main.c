/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: global options, the table of verbs, the exit status.  Only
 * this file and the verbs print.  Results go to stdout, progress and log to stderr.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "image-tools/command.h"
#include "image-tools/layer/plain.h"
#include "image-tools/layer/worker.h"
#include "image-tools/progress.h"
#include "image-tools/rootless.h"
#include "image-tools/status.h"

int program_store(struct program *p, struct error *err)
{
	int r;

	if (p->store_is_open)
		return 0;
	r = store_open(&p->store, &p->arena, p->store_path ? p->store_path : store_default_path(&p->arena), err);
	p->store_is_open = r == 0;
	return r;
}

static void usage(FILE *out)
{
	fputs("usage: oci-image [--store DIR] [--json] [-q|-v] VERB [ARGUMENT...]\n\n", out);
	for (const struct command *const *c = commands; *c; c++)
		if ((*c)->summary)
			fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
	fputs("\nImages: NAME (store, then registry) | docker://REF | oci:DIR[:TAG|@DIGEST] | tar:FILE[:TAG] | -\n"
	      "Exit status: 0 ok, 1 failure, 2 usage, 3 not found, 4 authentication, 5 network, 6 digest mismatch, 7 build step\n"
	      "oci-image VERB --help shows a verb's options.\n",
		out);
}

static int exit_status(const struct error *err)
{
	if (err->code == ERR_USAGE)
		return IMAGE_EXIT_USAGE;
	switch (err->errnum) {
	case ENOENT:
		return err->code == ERR_NOT_FOUND ? IMAGE_EXIT_NOT_FOUND : IMAGE_EXIT_FAILURE;
	case IMAGE_EAUTH:
		return IMAGE_EXIT_AUTH;
	case IMAGE_ENETWORK:
		return IMAGE_EXIT_NETWORK;
	case IMAGE_EDIGEST:
		return IMAGE_EXIT_DIGEST;
	case IMAGE_ESTEP:
		return IMAGE_EXIT_STEP;
	default:
		return IMAGE_EXIT_FAILURE;
	}
}

static const struct command *find_command(const char *name)
{
	for (const struct command *const *c = commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

static int run_command(struct program *p, const struct command *c, int argc, char **argv, struct error *err)
{
	void *options = arena_alloc(&p->arena, c->options_size + 1);
	int n, r;

	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			cli_usage(c);
			return 0;
		}
	}
	r = cli_parse(c, &p->arena, argc, argv, options, &n, err);
	if (r == 0)
		r = c->run(p, options, n, argv, err);
	progress_finish();
	if (p->store_is_open)
		store_close(&p->store);
	return r;
}

int main(int argc, char **argv)
{
	struct program p = { 0 };
	struct error err = { 0 };
	struct log_options log = { .program = "oci-image", .level = LOG_LEVEL_WARNING };
	const struct command *c = NULL;
	int i, r;

	fd_sanitise_stdio();
	/* Names in layers are bytes; libarchive converts only what it takes for text. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		setlocale(LC_CTYPE, "");
	umask(0);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strcmp(argv[1], WORKER_ARGUMENT) == 0)
		return worker_main();
	if (argc == 2 && (r = plain_main(argv[1])) >= 0)
		return r;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--store") == 0 && i + 1 < argc) {
			p.store_path = argv[++i];
		} else if (strncmp(argv[i], "--store=", 8) == 0) {
			p.store_path = argv[i] + 8;
		} else if (strcmp(argv[i], "--json") == 0) {
			p.json = true;
		} else if (strcmp(argv[i], "-q") == 0 || strcmp(argv[i], "--quiet") == 0) {
			p.quiet = true;
		} else if (strcmp(argv[i], "-v") == 0 || strcmp(argv[i], "--verbose") == 0) {
			p.verbose = true;
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("oci-image " PACKAGE_VERSION);
			return 0;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(stdout);
			return 0;
		} else {
			error_set(&err, ERR_USAGE, EINVAL, "unknown option %.80s", argv[i]);
			break;
		}
	}
	if (p.verbose)
		log.level = LOG_LEVEL_DEBUG;
	else if (!p.quiet)
		log.level = LOG_LEVEL_INFO;
	if (!err.errnum)
		log_open(&log, &err);
	progress_init(p.quiet || p.json);
	http_global_init();
	if (!err.errnum && i >= argc) {
		usage(stderr);
		return IMAGE_EXIT_USAGE;
	}
	if (!err.errnum && !(c = find_command(argv[i])))
		error_set(&err, ERR_USAGE, EINVAL, "unknown verb \"%.40s\"; oci-image --help lists them", argv[i]);
	/* Hooks of a container run in its namespaces already; credentials are the user's own. */
	if (!err.errnum && strcmp(c->name, "hook") != 0 && strncmp(c->name, "log", 3) != 0)
		rootless_enter(&err);
	r = err.errnum ? -err.errnum : run_command(&p, c, argc - i - 1, argv + i + 1, &err);
	if (r >= 0 && fflush(stdout) != 0)
		r = error_sys(&err, errno, "write to standard output");
	if (r < 0)
		log_error(&err);
	log_flush();
	arena_free(&p.arena);
	return r < 0 ? exit_status(&err) : IMAGE_EXIT_OK;
}
