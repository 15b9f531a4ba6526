/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_CHECKPOINT_OPTIONS_H
#define OCI_RT_RUNTIME_COMMAND_CHECKPOINT_OPTIONS_H

#include "runtime/command/command.h"
#include "runtime/criu/job.h"

/* The rows of an option table that checkpoint and restore share. */
/* clang-format off */
#define CHECKPOINT_OPTIONS \
	{ .name = "image-path", .value = "DIR", .help = "directory of the image (./checkpoint)" }, \
	{ .name = "work-path", .value = "DIR", .help = "directory of criu's log and work files (that of the image)" }, \
	{ .name = "tcp-established", .help = "allow open TCP connections" }, \
	{ .name = "ext-unix-sk", .help = "allow unix sockets whose other end is outside" }, \
	{ .name = "shell-job", .help = "allow a terminal that is not the container's own" }, \
	{ .name = "file-locks", .help = "handle file locks" }, \
	{ .name = "manage-cgroups-mode", .value = "MODE", .help = "soft (default), full, strict or ignore" }, \
	{ .name = "empty-ns", .value = "NAMESPACE", .repeatable = true, .help = "network: make it, but leave its content alone" }, \
	{ .name = "auto-dedup", .help = "drop pages of a pre-dump that are not needed" }, \
	{ .name = "lazy-pages", .help = "fetch memory on demand (criu lazy-pages)" }, \
	{ .name = "network-lock", .value = "METHOD", .help = "iptables, nftables or skip" }
/* clang-format on */

#define CRIU_JOB_INIT                                                                                                  \
	{                                                                                                              \
		.image_fd = -1, .work_fd = -1, .status_fd = -1, .session = CRIU_SESSION_INIT                           \
	}

/* Fill the job from the shared options; the caller is root. */
int checkpoint_options(const struct runtime *rt, const struct arguments *args, struct criu_job *job, struct error *err);

#endif
