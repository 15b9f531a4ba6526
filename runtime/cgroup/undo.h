/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_UNDO_H
#define OCI_RT_RUNTIME_CGROUP_UNDO_H

#include <stdbool.h>

struct cgroup;

/* The journal was already written when make saw that a directory of this cgroup is somebody else's: undo must not
 * touch what make did not make.  cg must live until the journal is replayed. */
void undo_disown(const struct cgroup *cg);
void undo_forget_disowned(void);
bool undo_is_disowned_unit(const char *unit);

/* Say of a directory that this program made it, so that it goes when it is empty, or that it was there before. */
void undo_mark(int dir, bool made);

#endif
