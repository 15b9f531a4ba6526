/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_SPECS_CONFIG_TABLES_H
#define OCI_RT_SPECS_CONFIG_TABLES_H

#include "base/json.h"
#include "specs/config.h"

/*
 * One descriptor per JSON object of the configuration; see base/json.h for what
 * they say.  Documents are read with specs/config_parse.h; these are for
 * readers of other documents that contain parts of a configuration.
 */
extern const struct json_object config_object;		  /* struct config */
extern const struct json_object config_process_object;	  /* struct config_process */
extern const struct json_object config_linux_object;	  /* struct config_linux */
extern const struct json_object config_resources_object;  /* struct config_resources */
extern const struct json_object config_seccomp_object;	  /* struct config_seccomp */
extern const struct json_object config_mount_object;	  /* struct config_mount */
extern const struct json_object config_id_mapping_object; /* struct config_id_mapping */

/* User and group ids: -1 as a 32-bit number means "no id" to the kernel. */
#define CONFIG_ID_MAX (UINT32_MAX - 1)

/* The kernel lets a mount namespace hold 100000 mounts; setting one up stays well below a second with this many. */
#define CONFIG_MAX_MOUNTS 4096u

#endif
