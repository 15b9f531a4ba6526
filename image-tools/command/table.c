/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: the table of verbs; a new one is a file here and a line below.  Aliases have no summary. */
#include "image-tools/command/commands.h"

static struct command images_alias, rm_alias;

const struct command *const commands[] = { &command_build, &command_pull, &command_push, &command_cp, &command_unpack, &command_commit,
	&command_rm_bundle, &command_mount, &command_images, &command_rmi, &command_tag, &command_history, &command_inspect,
	&command_df, &command_save, &command_load, &command_import, &command_export, &command_config, &command_index,
	&command_login, &command_logout, &command_list_tags, &command_delete, &command_referrers, &command_volume,
	&command_gc, &command_verify, &command_hook, &images_alias, &rm_alias, NULL };

__attribute__((constructor)) static void make_aliases(void)
{
	images_alias = command_images;
	images_alias.name = "ls";
	images_alias.summary = NULL;
	rm_alias = command_rmi;
	rm_alias.name = "rm";
	rm_alias.summary = NULL;
}
