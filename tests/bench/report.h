/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_BENCH_REPORT_H
#define OCI_RT_TESTS_BENCH_REPORT_H

#include <stdio.h>

#define SUBJECT "oci-rt" /* the peer the goals speak of */

/* The samples of one peer in one bench, sorted once statistics are asked for. */
struct series {
	char *peer;
	double *value;
	size_t count, size;
};

/* One bench: its series in order of appearance. */
struct group {
	char *name, *unit;
	struct series *series;
	size_t count;
};

struct table {
	struct group *group;
	size_t count;
	char *notes; /* the lines "#peer" and "#machine", as Markdown */
};

const struct group *table_find(const struct table *t, const char *name);
const struct series *group_find(const struct group *g, const char *peer);

/* Quantile by linear interpolation, 0 ≤ q ≤ 1. */
double series_quantile(const struct series *s, double q);

/* Horizontal bars of all time benches, one block per bench: median, with a line from minimum to third quartile. */
void svg_write(const struct table *t, FILE *out);

#endif
