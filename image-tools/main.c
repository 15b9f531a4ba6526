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
#include "image-tools/compose.h"
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

int program_publish(struct program *p, struct image *image, const struct string_list *changes, const struct reference *ref,
	struct error *err)
{
	struct descriptor stored;
	int r = 0;

	for (size_t i = 0; r == 0 && changes && i < changes->count; i++)
		r = image_change(&p->arena, &image->config, changes->items[i], err);
	if (r == 0)
		r = image_store(&p->store.layout, &p->arena, image, &stored, err);
	if (r == 0)
		r = store_name(&p->store, reference_canonical(&p->arena, ref), &stored, err);
	if (r == 0 && !p->quiet)
		printf("%s %s\n", reference_familiar(&p->arena, ref), stored.digest_text);
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

static int run_command(struct program *p, const struct command *c, void *options, int argc, char **argv, struct error *err)
{
	int r = c->run(p, options, argc, argv, err);

	progress_finish();
	if (p->store_is_open)
		store_close(&p->store);
	return r;
}

/* Both halves of the command line: c stays NULL when there is nothing to run. */
static int parse(struct program *p, int argc, char **argv, const struct command **c, void **options, int *positional,
	struct error *err)
{
	int at = cli_parse_program(p, argc, argv, err);
	const struct command *found;

	if (at < 0 || p->version || p->help || at >= argc)
		return at;
	found = find_command(argv[at]);
	if (!found)
		return error_set(err, ERR_USAGE, EINVAL, "unknown verb \"%.40s\"; oci-image --help lists them", argv[at]);
	*c = found;
	*options = arena_alloc(&p->arena, found->options_size + 1);
	at++;
	return cli_parse(found, p, argc - at, argv + at, *options, positional, err) < 0 ? -EINVAL : at;
}

int main(int argc, char **argv)
{
	struct program p = { 0 };
	struct error err = { 0 };
	struct log_options log = { .program = "oci-image", .level = LOG_LEVEL_WARNING };
	const struct command *c = NULL;
	void *options = NULL;
	int at, n = 0, r;

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
	at = parse(&p, argc, argv, &c, &options, &n, &err);
	if (at >= 0 && (p.version || p.help)) {
		if (p.version)
			puts("oci-image " PACKAGE_VERSION);
		else if (c)
			cli_usage(c);
		else
			usage(stdout);
		arena_free(&p.arena);
		return IMAGE_EXIT_OK;
	}
	if (p.verbose)
		log.level = LOG_LEVEL_DEBUG;
	else if (!p.quiet)
		log.level = LOG_LEVEL_INFO;
	log_open(&log, err.errnum ? NULL : &err);
	progress_init(p.quiet || p.json);
	http_global_init();
	if (!err.errnum && !c) {
		usage(stderr);
		return IMAGE_EXIT_USAGE;
	}
	/* Hooks of a container run in its namespaces already; credentials are the user's own. */
	if (!err.errnum && strcmp(c->name, "hook") != 0 && strncmp(c->name, "log", 3) != 0)
		rootless_enter(&err);
	r = err.errnum ? -err.errnum : run_command(&p, c, options, n, argv + at, &err);
	if (r >= 0 && fflush(stdout) != 0)
		r = error_sys(&err, errno, "write to standard output");
	if (r < 0)
		log_error(&err);
	log_flush();
	arena_free(&p.arena);
	return r < 0 ? exit_status(&err) : IMAGE_EXIT_OK;
}
