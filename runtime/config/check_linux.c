/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the parts of runtime-spec config-linux.md that stand
 * alone: devices, paths, labels, cgroupsPath, Intel RDT, memory policy,
 * personality.
 */
#include "runtime/config/check_internal.h"

#include <string.h>

#include "specs/enums.h"

static void check_device(struct check *c, const struct config_device *d, size_t i)
{
	const char *last, *end;
	size_t n;

	if (d->path && !text_is_absolute(d->path)) {
		check_error(c, check_at(c, "linux.devices[%zu].path", i), "expected an absolute path, found %s",
			json_quote(c->arena, d->path));
	} else if (d->path) {
		/* "/dev/foo/" is /dev/foo, as it is for both peers. */
		for (end = d->path + strlen(d->path); end > d->path + 1 && end[-1] == '/'; end--)
			;
		for (last = end; last[-1] != '/'; last--)
			;
		n = (size_t)(end - last);
		if (n == 0 || (n <= 2 && strncmp(last, "..", n) == 0))
			check_error(c, check_at(c, "linux.devices[%zu].path", i), "%s does not name a file",
				json_quote(c->arena, d->path));
	}
	if (d->type == 0 || d->type == 'p')
		return;
	if (!d->major.set)
		check_error(c, check_at(c, "linux.devices[%zu].major", i), "a device of type \"%c\" needs it", d->type);
	if (!d->minor.set)
		check_error(c, check_at(c, "linux.devices[%zu].minor", i), "a device of type \"%c\" needs it", d->type);
}

void check_devices(struct check *c)
{
	const struct config_linux *l = c->config->linux;

	for (size_t i = 0; i < l->devices_count; i++)
		check_device(c, &l->devices[i], i);
}

static void check_paths(struct check *c, const char *path, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] && !text_is_absolute(list[i]))
			check_error(c, check_at(c, "%s[%zu]", path, i), "expected an absolute path, found %s",
				json_quote(c->arena, list[i]));
}

/* Both forms, a path and systemd's slice:prefix:name. */
static void check_cgroups_path(struct check *c, const char *path)
{
	if (!path)
		return;
	if (text_has_dotdot(path, "/:"))
		check_error(c, "linux.cgroupsPath", "%s contains \"..\"", json_quote(c->arena, path));
	else if (text_has_control(path))
		check_error(c, "linux.cgroupsPath", "contains a control character");
}

static bool is_reserved_clos(const char *id)
{
	static const char *const names[] = {".", "..", "info", "mon_data", "mon_groups"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(id, names[i]) == 0)
			return true;
	return false;
}

static void check_intel_rdt(struct check *c, const struct config_intel_rdt *r)
{
	/* "/" is the default class (1.3). */
	if (r->clos_id && strcmp(r->clos_id, "/") != 0) {
		if (strchr(r->clos_id, '/') || is_reserved_clos(r->clos_id) || text_has_control(r->clos_id))
			check_error(c, "linux.intelRdt.closID", "%s cannot be the name of a class of service",
				json_quote(c->arena, r->clos_id));
	}
	for (size_t i = 0; i < r->schemata_count; i++) {
		if (r->schemata[i] && strchr(r->schemata[i], '\n'))
			check_error(c, check_at(c, "linux.intelRdt.schemata[%zu]", i),
				"contains a newline: each line is an element of its own");
		else if (r->schemata[i] && *r->schemata[i] == '\0')
			check_error(c, check_at(c, "linux.intelRdt.schemata[%zu]", i), "must not be empty");
	}
	if (r->l3_cache_schema && strncmp(r->l3_cache_schema, "L3", 2) != 0)
		check_warning(c, "linux.intelRdt.l3CacheSchema", "should start with \"L3:\"");
	if (r->l3_cache_schema && strchr(r->l3_cache_schema, '\n'))
		check_warning(c, "linux.intelRdt.l3CacheSchema", "should not contain a newline");
	if (r->mem_bw_schema && strncmp(r->mem_bw_schema, "MB:", 3) != 0)
		check_error(c, "linux.intelRdt.memBwSchema", "must start with \"MB:\"");
	else if (r->mem_bw_schema && strchr(r->mem_bw_schema, '\n'))
		check_error(c, "linux.intelRdt.memBwSchema", "must not contain a newline");
}

/* set_mempolicy(2): what the kernel answers with EINVAL. */
static void check_memory_policy(struct check *c, const struct config_memory_policy *p)
{
	enum { NUMA_BALANCING = 1 << 13, RELATIVE_NODES = 1 << 14, STATIC_NODES = 1 << 15 };
	const char *mode = json_enum_name(&config_memory_policy_modes, p->mode);

	if (p->nodes && !text_is_number_list(p->nodes))
		check_error(c, "linux.memoryPolicy.nodes", "expected a list of memory nodes as in \"0-3,7\", found %s",
			json_quote(c->arena, p->nodes));
	switch (p->mode) {
	case CONFIG_MPOL_NONE:
		return;
	case CONFIG_MPOL_DEFAULT:
	case CONFIG_MPOL_LOCAL:
		if (p->nodes)
			check_error(c, "linux.memoryPolicy.nodes", "%s takes no nodes", mode);
		if (p->flags)
			check_error(c, "linux.memoryPolicy.flags", "%s takes no flags", mode);
		return;
	case CONFIG_MPOL_PREFERRED:
		if (!p->nodes && p->flags & (RELATIVE_NODES | STATIC_NODES))
			check_error(c, "linux.memoryPolicy.flags",
				"MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES need nodes");
		break;
	default:
		if (!p->nodes)
			check_error(c, "linux.memoryPolicy.nodes", "%s needs nodes", mode);
		break;
	}
	if ((p->flags & (RELATIVE_NODES | STATIC_NODES)) == (RELATIVE_NODES | STATIC_NODES))
		check_error(c, "linux.memoryPolicy.flags",
			"MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude one another");
	if (p->flags & NUMA_BALANCING && p->mode != CONFIG_MPOL_BIND && p->mode != CONFIG_MPOL_PREFERRED_MANY)
		check_error(
			c, "linux.memoryPolicy.flags", "MPOL_F_NUMA_BALANCING needs MPOL_BIND or MPOL_PREFERRED_MANY");
}

void check_linux(struct check *c)
{
	const struct config_linux *l = c->config->linux;

	check_cgroups_path(c, l->cgroups_path);
	check_paths(c, "linux.maskedPaths", l->masked_paths, l->masked_paths_count);
	check_paths(c, "linux.readonlyPaths", l->readonly_paths, l->readonly_paths_count);
	if (l->mount_label && !text_is_selinux_label(l->mount_label))
		check_error(c, "linux.mountLabel", "expected user:role:type:level, found %s",
			json_quote(c->arena, l->mount_label));
	if (l->intel_rdt)
		check_intel_rdt(c, l->intel_rdt);
	if (l->memory_policy)
		check_memory_policy(c, l->memory_policy);
	if (l->personality && l->personality->flags_count)
		check_error(c, "linux.personality.flags", "no flags are supported");
}
