/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_TESTS_FAULTS_SECDIFF_H
#define OCI_RT_TESTS_FAULTS_SECDIFF_H

#include <stdbool.h>
#include <stdio.h>

/* Has the view been printed to its end? */
bool view_is_complete(const char *view);

/*
 * Bring a view into comparable form (malloc'ed): lines whose order the kernel
 * does not promise are sorted, namespaces become "own" or "shared with the
 * runtime", serial numbers go.
 */
char *view_normalise(const char *view);

/* Print differing lines ("- expected", "+ got") of two normalised views to out (may be NULL); their number. */
int view_diff(const char *expected, const char *got, FILE *out);

#endif
