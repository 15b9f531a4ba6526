/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the smallest container program, static: ends at once
 * (/bin/true, and the hook of the fault walk), or with "pause" stays until killed.
 */
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "pause"))
		for (;;)
			pause();
	return 0;
}
