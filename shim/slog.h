/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_SLOG_H
#define OCI_RT_SHIM_SLOG_H

#include <stdbool.h>

/*
 * The shim's own log: logfmt lines (time= level= msg=) into the FIFO `log` of
 * the bundle, which containerd copies to its stderr.  While containerd is down
 * the FIFO fills; a line that does not fit is dropped, never waited for.
 */

/* Open the FIFO `log` of the current directory and make it stderr; without one stderr is /dev/null. */
void slog_open(bool debug);

void slog_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void slog_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void slog_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
