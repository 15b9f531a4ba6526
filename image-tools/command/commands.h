/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_COMMAND_COMMANDS_H
#define OCI_RT_IMAGE_TOOLS_COMMAND_COMMANDS_H

#include "image-tools/command.h"

/* One file per verb, each with one of these. */
extern const struct command command_build, command_pull, command_push, command_cp, command_unpack, command_commit, command_rm_bundle,
	command_mount, command_images, command_rmi, command_tag, command_history, command_inspect, command_df, command_save,
	command_load, command_import, command_export, command_config, command_index, command_login, command_logout,
	command_list_tags, command_delete, command_referrers, command_volume, command_gc, command_verify, command_hook;

#endif
