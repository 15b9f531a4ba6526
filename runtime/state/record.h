/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_STATE_RECORD_H
#define OCI_RT_RUNTIME_STATE_RECORD_H

#include "base/json.h"
#include "runtime/state/state.h"

/* state.json as text and back (specs/state.md).  Parsing fills err with the first error. */
const char *record_format(struct arena *a, const struct state *s, size_t *len);
int record_parse(const char *buf, size_t len, struct arena *a, struct state *s, struct error *err);

#endif
