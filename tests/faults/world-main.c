/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: run a command in a world of the yardsticks (world.c):
 *
 *	world [--isolate] [--hybrid] [--without-cpu] command [argument...]
 *
 * Everything the command leaves is gone when it ends.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults/support.h"
#include "tests/faults/world.h"

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"isolate", 0, NULL, 'i'}, {"hybrid", 0, NULL, 'h'}, {"without-cpu", 0, NULL, 'w'}, {0}};
	struct world_options w = {0};
	struct outcome o;
	int opt;

	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		w.isolate |= opt == 'i';
		w.hybrid |= opt == 'h';
		w.without_cpu |= opt == 'w';
		if (opt == '?')
			return 2;
	}
	if (optind == argc) {
		fputs("usage: world [--isolate] [--hybrid] [--without-cpu] command [argument...]\n", stderr);
		return 2;
	}
	world_enter(&w);
	o = command_run(
		&(struct command){.argv = argv + optind, .in = 0, .out = 1, .err = 2, .limit_ms = 86400000}, true);
	return o.status;
}
