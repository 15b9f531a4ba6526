/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_MOUNT_IDMAP_H
#define OCI_RT_RUNTIME_MOUNT_IDMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "runtime/mount/options.h"
#include "runtime/plan/container.h"
#include "specs/config.h"

/* Idmap a detached mount (recursively): Linux 5.12.  userns carries the mapping and stays the caller's.  Host side
 * only. */
int mount_idmap(int tree, bool recursive, int userns, struct error *err);

/* A user namespace with these mappings and nobody in it; a short-lived helper process lends it. */
int userns_for_mapping(const struct config_id_mapping *uids, size_t uids_count, const struct config_id_mapping *gids,
	size_t gids_count, const struct container *c, struct error *err);

#endif
