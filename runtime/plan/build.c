/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: each facility adds its steps.  The order below matters
 * only inside one stage: where two facilities share a stage, the one above goes
 * first (keyring before LSM labels of the process, rootfs before mounts, the
 * read-only root after everything that writes to it).
 */
#include "runtime/plan/build.h"

#include "runtime/facility/facility.h"

static const struct {
	facility_fn *plan;
	bool for_exec, for_restore;
} facilities[] = {
	{ namespace_plan, false, true },
	{ user_plan, false, false },
	{ lsm_key_plan, false, false },
	{ keyring_plan, false, false },
	{ cgroup_plan, false, true },
	{ intel_rdt_plan, true, true },
	{ network_plan, false, false },
	{ net_device_plan, false, false },
	{ rootfs_plan, false, true },
	{ mount_plan, false, false },
	{ device_plan, false, false },
	{ terminal_plan, true, true },
	{ hook_plan, false, true },
	{ notify_plan, false, false },
	{ sysctl_plan, false, false },
	{ hostname_plan, false, false },
	{ mask_plan, false, false },
	{ oom_plan, true, false },
	{ rlimit_plan, true, false },
	{ scheduler_plan, true, false },
	{ personality_plan, true, false },
	{ lsm_plan, true, false },
	{ credential_plan, true, false },
	{ seccomp_plan, true, false },
	{ credential_final_plan, true, false },
	{ process_plan, true, false },
	{ verify_plan, false, false },
};

int plan_build(struct container *c, struct error *err)
{
	for (size_t i = 0; i < sizeof facilities / sizeof *facilities; i++) {
		int r;

		if (c->mode == CONTAINER_EXEC && !facilities[i].for_exec)
			continue;
		/* The image has the rest. */
		if (c->mode == CONTAINER_RESTORE && !facilities[i].for_restore)
			continue;
		r = facilities[i].plan(c, err);
		if (r < 0)
			return r;
	}
	return 0;
}
