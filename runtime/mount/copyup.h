/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_MOUNT_COPYUP_H
#define OCI_RT_RUNTIME_MOUNT_COPYUP_H

#include "base/arena.h"
#include "base/error.h"
#include "runtime/mount/options.h"

/* tmpcopyup: copy everything below the directory `from` (O_PATH) into the detached mount `to`: owners, modes,
 * times, extended attributes, links, devices.  Never follows a link. */
int mount_copy_up(int from, int to, struct error *err);

/* Give a tmpfs without "mode=" the mode of the directory it covers. */
int mount_inherit_mode(struct mount_options *o, int target, struct arena *a, struct error *err);

#endif
