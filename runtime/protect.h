/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PROTECT_H
#define OCI_RT_RUNTIME_PROTECT_H

#include "base/error.h"

/*
 * Protection of the runtime's own binary (CVE-2019-5736): a process that the
 * container can see, or whose /proc/self/exe it can make somebody execute, must
 * not lead to the file on the host.  The program is executed again from a
 * sealed memory file, which nobody can write, whatever their privileges.
 *
 * Returns 0 when the process runs from such a copy already; otherwise it does
 * not return, or returns a negative errno.
 */
int protect_self(char **argv, struct error *err);

#endif
