/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_COMPLETION_H
#define OCI_RT_RUNTIME_COMMAND_COMPLETION_H

#include "runtime/command/command.h"

/* The command line as the program knows it; runtime/main.c owns the tables. */
const struct command *const *command_table(size_t *count);
const struct command_option *command_global_options(void);

#endif
