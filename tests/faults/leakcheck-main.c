/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the command around leakcheck.c, for test suites:
 *
 *	leakcheck snapshot FILE		before
 *	leakcheck diff FILE		after; prints what came and what went, status 1
 *	leakcheck show
 *
 * --class a,b looks only at some classes, --match TEXT only at lines that hold
 * the text (useful outside a private world), --dir DIR (repeatable) replaces the
 * searched trees, --settle MS is how long asynchronous clean-up may take (2000).
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/leakcheck.h"
#include "tests/faults/support.h"

#define MAX_DIRS 32

static int usage(void)
{
	fputs("usage: leakcheck [--class LIST] [--match TEXT] [--dir DIR]... [--settle MS] snapshot FILE|diff "
	      "FILE|show\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"class", 1, NULL, 'c'}, {"match", 1, NULL, 'm'}, {"dir", 1, NULL, 'd'}, {"settle", 1, NULL, 's'}, {0}};
	const char *dirs[MAX_DIRS + 1] = {NULL};
	struct leak_scope scope = {0};
	int settle = 2000, n = 0, opt;
	struct leak_set set;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c')
			scope.class = optarg;
		else if (opt == 'm')
			scope.match = optarg;
		else if (opt == 's')
			settle = atoi(optarg);
		else if (opt == 'd' && n < MAX_DIRS)
			dirs[n++] = optarg;
		else
			return usage();
	}
	if (n)
		scope.dirs = dirs;
	if (argc - optind == 1 && !strcmp(argv[optind], "show")) {
		leak_snapshot(&set, &scope);
		leak_save(&set, "/dev/stdout");
		return 0;
	}
	if (argc - optind != 2)
		return usage();
	if (!strcmp(argv[optind], "snapshot")) {
		leak_snapshot(&set, &scope);
		leak_save(&set, argv[optind + 1]);
		return 0;
	}
	if (strcmp(argv[optind], "diff"))
		return usage();
	if (leak_load(&set, argv[optind + 1]) < 0)
		die("cannot read %s", argv[optind + 1]);
	return leak_settle(&set, &scope, settle, stdout) ? 1 : 0;
}
