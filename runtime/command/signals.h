/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_SIGNALS_H
#define OCI_RT_RUNTIME_COMMAND_SIGNALS_H

/* "TERM", "SIGTERM", "sigterm", "15", "RTMIN+3": the signal's number, or -1. */
int signal_parse(const char *text);

#endif
