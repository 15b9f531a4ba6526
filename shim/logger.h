/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SHIM_LOGGER_H
#define OCI_RT_SHIM_LOGGER_H

#include "base/error.h"
#include "shim/stdio.h"

/*
 * A logger is a program that is given the reading ends of a container's output
 * pipes as descriptors 3 and 4 and tells over descriptor 5 that it is ready.
 * The shim keeps the reading ends too: when the logger dies the container does
 * not, and the logger is started again.
 */

/* Start the logger of a binary:// URI.  out[0] and out[1] receive the writing ends for the container. */
int logger_start(
	struct logger **logger, const char *uri, const struct stdio_params *params, int out[2], struct error *err);

/* Call ready(context, ok) once: when the logger has said so, closed the descriptor, or died.  May call at once. */
void logger_await(struct logger *l, void (*ready)(void *context, bool ok), void *context);

/* The container has ended: let the logger read to the end of its pipes; after 2 s it gets SIGTERM, 12 s later
 * SIGKILL.  The logger frees itself. */
void logger_stop(struct logger *l);

#endif
