/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: annotation run.oci.delegate-cgroup (crun).
 *
 *   SCOPE[/SUBGROUP]           the container's cgroup: limits, device program, root of its cgroup namespace
 *   SCOPE[/SUBGROUP]/PAYLOAD   no limits of its own; owned by the container's user; its processes are here
 *
 * A systemd in the container can then divide PAYLOAD as it likes without ever
 * touching the limits.  Only the unified hierarchy is safe to hand out.  A
 * further process (exec) goes where the first one is: the container's cgroup
 * hands controllers down and takes no process itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/internal.h"

#define ANNOTATION "run.oci.delegate-cgroup"

int payload_read(struct cgroup *cg, struct error *err)
{
	const char *name = cg->annotations ? config_map_get(cg->annotations, ANNOTATION) : NULL;
	int r;

	if (!name || !*name)
		return 0;
	error_path(err, "annotations[\"" ANNOTATION "\"]");
	if (cg->version != CGROUP_V2)
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "\"%s\": a cgroup is safely handed to a container on cgroup v2 only",
			name);
	r = cgroup_clean_path(cg->arena, name, &cg->payload, err);
	if (r == 0)
		error_clear(err);
	return r;
}

bool cgroup_has_payload(const struct cgroup *cg)
{
	return cgroup_exists(cg) && cg->payload;
}

int cgroup_enter_payload(const struct cgroup *cg, uid_t uid, pid_t pid, struct error *err)
{
	const struct hierarchy *h = cgroup_unified(cg);
	const char *path = arena_printf(cg->arena, "%s/%s", h->m->path, cg->payload);
	_cleanup_fd_ int dir = -1;
	char text[16];
	int r = 0;

	for (const char *p = cg->payload; *p && r == 0;) {
		const char *end = strchrnul(p, '/'), *name = strndupa(p, (size_t)(end - p));
		int at = dir >= 0 ? dir : h->m->fd, next = -1;

		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return error_sys(err, errno, "make cgroup %s", path);
		next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_sys(err, errno, "open cgroup %s", path);
		cleanup_fd(&dir);
		dir = next;
		if (uid != geteuid())
			r = v2_give(dir, path, uid, err);
		p = *end ? end + 1 : end;
	}
	if (r < 0)
		return r;
	snprintf(text, sizeof text, "%d", pid);
	r = fd_write_file(dir, "cgroup.procs", text);
	if (r < 0)
		return error_sys(err, -r, "move process %d to cgroup %s", pid, path);
	v2_hand_down(h);
	return 0;
}
