/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_IMAGE_TOOLS_ROOTLESS_H
#define OCI_RT_IMAGE_TOOLS_ROOTLESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "image-tools/layer/apply.h"

/* A caller who is not root but has subordinate ids works as root of a user namespace with these. */

/* Go on in such a namespace if there can be one (newuidmap, /etc/subuid); otherwise go on as before.  The caller's
 * process then only waits for the one that goes on and exits with its status. */
int rootless_enter(struct error *err);
bool rootless_active(void);
/* The user who started the program. */
uid_t rootless_uid(void);
/* How ids look from outside; empty when not active. */
const struct id_map *rootless_uid_map(void);
const struct id_map *rootless_gid_map(void);

#endif
