/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_CLOCK_H
#define OCI_RT_BASE_CLOCK_H

#define CLOCK_RFC3339_SIZE 36

/* The present time in UTC as RFC 3339 with nanoseconds: "2026-11-21T03:34:14.743889438Z".  Without the C library's
 * calendar functions, which read the time zone from disk. */
const char *clock_rfc3339(char buf[static CLOCK_RFC3339_SIZE]);

#endif
