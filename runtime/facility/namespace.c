/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.namespaces and linux.timeOffsets.  New namespaces
 * become bits for the one clone3; those with a path are opened and their type
 * is checked on the host side, then entered by the joiner (runtime/plan/clone.h)
 * or, when that is enough, by the container side itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runtime/facility/facility.h"
#include "runtime/plan/clone.h"

static int open_step(struct container *c, const struct step *s, struct error *err)
{
	const struct config_namespace *ns = s->data;
	int fd, type;

	fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_sys(err, errno, "open the %s namespace %s", namespace_name(ns->type), ns->path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0) {
		close(fd);
		return error_set(err, ERR_CONFIG, EINVAL, "%s is not a namespace", ns->path);
	}
	if ((uint32_t)type != namespace_flag(ns->type)) {
		close(fd);
		return error_set(err, ERR_CONFIG, EINVAL, "%s is not a %s namespace", ns->path, namespace_name(ns->type));
	}
	c->namespace_fd[ns->type] = fd;
	return 0;
}

static int join_step(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	return container_join(c, err);
}

static int new_time_step(struct container *c, const struct step *s, struct error *err)
{
	(void)s;
	return container_new_time(c, err);
}

/* Without privileges it takes those over the new user namespace, and a kernel whose execve enters it. */
static int plan_unprivileged_time(struct container *c, struct error *err)
{
	struct utsname host;
	unsigned int major = 0, minor = 0;
	struct step *s;

	uname(&host);
	sscanf(host.release, "%u.%u", &major, &minor);
	if (major < 6 || (major == 6 && minor < 2)) {
		error_path(err, "linux.namespaces");
		return error_set(err, ERR_UNSUPPORTED, ENOSYS,
			"a new time namespace without privileges needs Linux 6.2, this is %s", host.release);
	}
	c->namespaces &= ~(uint32_t)CLONE_NEWTIME;
	/* The process is root in its user namespace by then. */
	s = plan_add(&c->plan, STAGE_CGROUP_NAMESPACE, "namespace", "linux.namespaces", new_time_step, NULL);
	step_text(&c->plan, s, "make a new time namespace for the program");
	return 0;
}

int namespace_plan(struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;
	struct plan *p = &c->plan;
	struct step *s;

	for (size_t i = 0; i < l->namespaces_count; i++) {
		const struct config_namespace *ns = &l->namespaces[i];

		if (!ns->path) {
			c->namespaces |= namespace_flag(ns->type);
			continue;
		}
		c->joined |= namespace_flag(ns->type);
		s = plan_add(p, STAGE_HOST, "namespace", "linux.namespaces", open_step, ns);
		s->index = (int)i;
		step_text(p, s, "open the %s namespace %s", namespace_name(ns->type), ns->path);
	}
	c->userns = ((c->namespaces | c->joined) & CLONE_NEWUSER) != 0;
	c->host_opens = c->userns && !c->rt->rootless;
	if (c->rt->rootless && c->namespaces & CLONE_NEWUSER && c->namespaces & CLONE_NEWTIME) {
		int r = plan_unprivileged_time(c, err);

		if (r < 0)
			return r;
	}
	/* The host's mounts belong to the host's user namespace. */
	if (container_in_host_mounts(c) && c->userns) {
		error_path(err, "linux.namespaces");
		error_hint(err, "add {\"type\": \"mount\"} to linux.namespaces");
		return error_set(err, ERR_CONFIG, EINVAL, "a user namespace needs a mount namespace beside it");
	}
	s = plan_add(p, STAGE_CLONE, "namespace", "linux.namespaces", NULL, NULL);
	if (p->explain) {
		char names[128] = "";
		char *q = names;

		for (int t = 1; t < CONFIG_NS_COUNT; t++)
			if (c->namespaces & namespace_flag((enum config_namespace_type)t)) {
				const char *n = namespace_name((enum config_namespace_type)t);

				*q++ = ' ';
				while (*n)
					*q++ = *n++;
				*q = '\0';
			}
		step_text(p, s, "clone the container's process; new namespaces:%s", *names ? names : " none");
	}
	if (c->joined && !container_needs_joiner(c)) {
		s = plan_add(p, STAGE_JOIN, "namespace", "linux.namespaces", join_step, NULL);
		step_text(p, s, "join the namespaces given by path");
	}
	return 0;
}
