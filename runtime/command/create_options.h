/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_COMMAND_CREATE_OPTIONS_H
#define OCI_RT_RUNTIME_COMMAND_CREATE_OPTIONS_H

/* The rows of an option table that create and run share. */
/* clang-format off */
#define CREATE_OPTIONS \
	{ .name = "bundle", .letter = 'b', .value = "DIR", .help = "the bundle (the working directory)" }, \
	{ .name = "config", .letter = 'f', .value = "FILE", .help = "configuration file (config.json in the bundle)" }, \
	{ .name = "console-socket", .value = "PATH", .help = "socket that receives the terminal" }, \
	{ .name = "pidfd-socket", .value = "PATH", .help = "socket that receives a pidfd of the process" }, \
	{ .name = "pid-file", .value = "FILE", .help = "write the process id there" }, \
	{ .name = "no-pivot", .help = "change the root with MS_MOVE and chroot (initrd hosts; less isolated)" }, \
	{ .name = "no-new-keyring", .help = "keep the caller's session keyring" }, \
	{ .name = "preserve-fds", .value = "N", .help = "pass N descriptors after stderr to the program" }, \
	{ .name = "no-subreaper" }
/* clang-format on */

#endif
