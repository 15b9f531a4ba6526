/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec config.md, "Mounts", and the ranges of id
 * mappings, which mounts and user namespaces share.  The rules for ranges are
 * the kernel's (map_write() in kernel/user_namespace.c).
 */
#include "runtime/config/check_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAPPINGS_MAX 340 /* extents in one uid_map, since Linux 4.15 */

struct range {
	uint32_t first, last;
	size_t index;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Overlaps among the ranges of one side. */
static void check_overlap(struct check *c, const char *path, const char *member, struct range *ranges, size_t count)
{
	size_t widest = 0;

	qsort(ranges, count, sizeof *ranges, compare_ranges);
	for (size_t i = 1; i < count; i++) {
		if (ranges[i].first <= ranges[widest].last) {
			size_t a = ranges[i].index, b = ranges[widest].index;

			check_error(c, arena_printf(c->arena, "%s[%zu].%s", path, a > b ? a : b, member),
				"the range overlaps with that of %s[%zu]", path, a > b ? b : a);
		}
		if (ranges[i].last > ranges[widest].last)
			widest = i;
	}
}

void check_mappings(struct check *c, const char *path, const struct config_id_mapping *list, size_t count)
{
	struct range *container, *host;
	size_t n = 0;

	if (count == 0)
		return;
	if (count > MAPPINGS_MAX) {
		check_error(c, path, "has %zu mappings: the kernel's limit is %d", count, MAPPINGS_MAX);
		return;
	}
	container = arena_array(c->arena, struct range, count);
	host = arena_array(c->arena, struct range, count);
	for (size_t i = 0; i < count; i++) {
		const struct config_id_mapping *m = &list[i];

		if (m->size == 0) {
			check_error(c, arena_printf(c->arena, "%s[%zu].size", path, i), "must not be 0");
			continue;
		}
		if ((uint64_t)m->container_id + m->size > UINT32_MAX) {
			check_error(c, arena_printf(c->arena, "%s[%zu].size", path, i),
				"%" PRIu32 " ids from container id %" PRIu32 " on go beyond 4294967294", m->size,
				m->container_id);
			continue;
		}
		if ((uint64_t)m->host_id + m->size > UINT32_MAX) {
			check_error(c, arena_printf(c->arena, "%s[%zu].size", path, i),
				"%" PRIu32 " ids from host id %" PRIu32 " on go beyond 4294967294", m->size,
				m->host_id);
			continue;
		}
		container[n] = (struct range){m->container_id, m->container_id + m->size - 1, i};
		host[n++] = (struct range){m->host_id, m->host_id + m->size - 1, i};
	}
	check_overlap(c, path, "containerID", container, n);
	check_overlap(c, path, "hostID", host, n);
}

static void check_idmap(struct check *c, const struct config_mount *m, size_t i)
{
	const char *const *options = m->options;
	bool idmap = text_has_option(options, m->options_count, "idmap"),
	     ridmap = text_has_option(options, m->options_count, "ridmap");

	if (m->uid_mappings_count && m->gid_mappings_count == 0)
		check_error(c, check_at(c, "mounts[%zu].gidMappings", i), "must be given, as uidMappings is");
	else if (m->gid_mappings_count && m->uid_mappings_count == 0)
		check_error(c, check_at(c, "mounts[%zu].uidMappings", i), "must be given, as gidMappings is");
	if (m->uid_mappings_count)
		check_mappings(c, check_at(c, "mounts[%zu].uidMappings", i), m->uid_mappings, m->uid_mappings_count);
	if (m->gid_mappings_count)
		check_mappings(c, check_at(c, "mounts[%zu].gidMappings", i), m->gid_mappings, m->gid_mappings_count);
	if (idmap && ridmap)
		check_error(c, check_at(c, "mounts[%zu].options", i), "\"idmap\" and \"ridmap\" exclude one another");
	if ((idmap || ridmap) && m->uid_mappings_count == 0 && m->gid_mappings_count == 0 &&
		!c->namespaces[CONFIG_NS_USER])
		check_error(c, check_at(c, "mounts[%zu].options", i),
			"\"%s\" needs uidMappings and gidMappings, or a user namespace whose mappings it can take",
			idmap ? "idmap" : "ridmap");
}

static void check_mount(struct check *c, const struct config_mount *m, size_t i)
{
	bool bind = text_has_option(m->options, m->options_count, "bind") ||
		    text_has_option(m->options, m->options_count, "rbind");
	bool remount = text_has_option(m->options, m->options_count, "remount");

	if (m->destination && *m->destination == '\0')
		check_error(c, check_at(c, "mounts[%zu].destination", i), "must not be empty");
	else if (m->destination && !text_is_absolute(m->destination))
		check_warning(c, check_at(c, "mounts[%zu].destination", i),
			"%s is relative, which is deprecated: it is taken as relative to /",
			json_quote(c->arena, m->destination));
	if (bind && !m->source && !remount)
		check_error(c, check_at(c, "mounts[%zu].source", i), "a bind mount needs a source");
	check_idmap(c, m, i);
}

void check_mounts(struct check *c)
{
	for (size_t i = 0; i < c->config->mounts_count; i++)
		check_mount(c, &c->config->mounts[i], i);
}
