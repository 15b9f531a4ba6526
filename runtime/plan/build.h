/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_BUILD_H
#define OCI_RT_RUNTIME_PLAN_BUILD_H

#include "runtime/plan/container.h"

/* Ask every facility for its steps.  c->config, c->process, c->cgroup and c->options are set.  Modes create, run and
 * explain take all facilities; exec takes those that concern a process. */
int plan_build(struct container *c, struct error *err);

/* Add the steps that compare what the process really has with the configuration (STAGE_VERIFY). */
int verify_plan(struct container *c, struct error *err);

#endif
