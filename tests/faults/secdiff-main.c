/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: secdiff EXPECTED GOT compares two files written by view; status 1 when they differ. */
#include <string.h>

#include "tests/faults/secdiff.h"
#include "tests/faults/support.h"

int main(int argc, char **argv)
{
	char *a, *b;

	if (argc != 3) {
		fputs("usage: secdiff EXPECTED GOT\n", stderr);
		return 2;
	}
	a = read_text(argv[1]);
	b = read_text(argv[2]);
	if (!a || !b)
		die("cannot read %s", a ? argv[2] : argv[1]);
	if (!view_is_complete(b))
		die("%s: not a complete view", argv[2]);
	return view_diff(view_normalise(a), view_normalise(b), stdout) ? 1 : 0;
}
