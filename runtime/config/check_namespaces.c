/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec config-linux.md, "Namespaces", "User
 * namespace mappings", "Offset for Time Namespace", "Sysctl": what may be set
 * depends on which namespaces the container has of its own.
 */
#include "runtime/config/check_internal.h"

#include <string.h>

#include "specs/enums.h"

static void check_user_mappings(struct check *c, const struct config_linux *l)
{
	const struct config_namespace *ns = c->namespaces[CONFIG_NS_USER];
	const struct {
		const char *path;
		const struct config_id_mapping *list;
		size_t count;
	} sides[] = {
		{"linux.uidMappings", l->uid_mappings, l->uid_mappings_count},
		{"linux.gidMappings", l->gid_mappings, l->gid_mappings_count},
	};

	for (size_t i = 0; i < 2; i++) {
		if (sides[i].count && !ns)
			check_error(c, sides[i].path, "needs a namespace of type \"user\" in linux.namespaces");
		else if (sides[i].count && ns->path)
			check_warning(c, sides[i].path, "is ignored: the user namespace that is joined has its own");
		else if (sides[i].count == 0 && ns && !ns->path)
			check_error(c, sides[i].path, "a new user namespace needs at least one mapping");
		check_mappings(c, sides[i].path, sides[i].list, sides[i].count);
	}
}

static void check_time_offsets(struct check *c, const struct config_linux *l)
{
	const struct config_namespace *ns = c->namespaces[CONFIG_NS_TIME];

	for (size_t i = 0; i < l->time_offsets_count; i++) {
		const char *clock = l->time_offsets[i].clock;
		int64_t number;

		if (!json_enum_find(&config_clock_names, clock, strlen(clock), &number))
			check_error(c, check_at(c, "linux.timeOffsets[%s]", json_quote(c->arena, clock)),
				"unknown clock (known: monotonic, boottime)");
	}
	if (l->time_offsets_count && !ns)
		check_error(c, "linux.timeOffsets", "needs a namespace of type \"time\" in linux.namespaces");
	else if (l->time_offsets_count && ns->path)
		check_error(c, "linux.timeOffsets", "cannot be set in a time namespace that is joined");
}

/* "%d" asks the kernel for the next free number; anything else with "%" it refuses. */
static bool is_name_template(const char *name)
{
	const char *percent = strchr(name, '%');

	return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static void check_net_devices(struct check *c, const struct config_linux *l)
{
	if (l->net_devices_count && !c->namespaces[CONFIG_NS_NETWORK])
		check_error(c, "linux.netDevices", "needs a namespace of type \"network\" in linux.namespaces");
	for (size_t i = 0; i < l->net_devices_count; i++) {
		const struct config_net_device *d = &l->net_devices[i];
		const char *name = d->name ? d->name : d->host_name, *other;

		if (!text_is_interface_name(d->host_name))
			check_error(c, check_at(c, "linux.netDevices[%s]", json_quote(c->arena, d->host_name)),
				"the name is no interface's: 1 to 15 characters, no \"/\", \":\" or blank");
		if (d->name && (!text_is_interface_name(d->name) || !is_name_template(d->name)))
			check_error(c, check_at(c, "linux.netDevices[%s].name", json_quote(c->arena, d->host_name)),
				"%s is no interface's name: 1 to 15 characters, no \"/\", \":\" or blank, \"%%\" only "
				"as "
				"one \"%%d\"",
				json_quote(c->arena, d->name));
		for (size_t k = 0; k < i && !strchr(name, '%'); k++) {
			other = l->net_devices[k].name ? l->net_devices[k].name : l->net_devices[k].host_name;
			if (strcmp(name, other) == 0)
				check_error(c, check_at(c, "linux.netDevices[%s]", json_quote(c->arena, d->host_name)),
					"is to be named %s, as linux.netDevices[%s] is", json_quote(c->arena, name),
					json_quote(c->arena, l->net_devices[k].host_name));
		}
	}
}

void check_namespaces(struct check *c)
{
	const struct config_linux *l = c->config->linux;

	for (size_t i = 0; i < l->namespaces_count; i++) {
		const struct config_namespace *ns = &l->namespaces[i];

		if (ns->path && !text_is_absolute(ns->path))
			check_error(c, check_at(c, "linux.namespaces[%zu].path", i),
				"expected an absolute path, found %s", json_quote(c->arena, ns->path));
		if (ns->type == CONFIG_NS_NONE)
			continue;
		if (c->namespaces[ns->type])
			check_error(c, check_at(c, "linux.namespaces[%zu].type", i),
				"\"%s\" is in linux.namespaces[%zu] already",
				json_enum_name(&config_namespace_types, ns->type),
				(size_t)(c->namespaces[ns->type] - l->namespaces));
		else
			c->namespaces[ns->type] = ns;
	}
	check_user_mappings(c, l);
	check_time_offsets(c, l);
	check_net_devices(c, l);
}

/* --- sysctl ------------------------------------------------------------------- */

/* Which namespace a key belongs to.  prefix: everything below it. */
static const struct sysctl_rule {
	const char *name;
	bool prefix;
	enum config_namespace_type type;
	const char *type_name;
} sysctl_rules[] = {
	{"net.", true, CONFIG_NS_NETWORK, "network"},
	{"fs.mqueue.", true, CONFIG_NS_IPC, "ipc"},
	{"kernel.msgmax", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.msgmnb", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.msgmni", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.sem", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.shmall", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.shmmax", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.shmmni", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.shm_rmid_forced", false, CONFIG_NS_IPC, "ipc"},
	{"kernel.domainname", false, CONFIG_NS_UTS, "uts"},
	{"user.", true, CONFIG_NS_USER, "user"},
};

/* sysctl(8): the first separator decides which of "." and "/" separates; the other one is then a plain character.
 * The result has "." between the components. */
static const char *dotted_key(struct check *c, const char *key)
{
	char *copy = arena_strdup(c->arena, key), *sep = strpbrk(copy, "./");

	if (!sep || *sep == '.')
		return copy;
	for (char *p = copy; *p; p++)
		if (*p == '/')
			*p = '.';
		else if (*p == '.')
			*p = '/';
	return copy;
}

/* Each component becomes a file name below /proc/sys, with "/" for ".". */
static bool key_is_well_formed(const char *dotted)
{
	for (;;) {
		size_t n = strcspn(dotted, ".");

		if (n == 0 || (n == 1 && dotted[0] == '/') || (n == 2 && dotted[0] == '/' && dotted[1] == '/'))
			return false;
		if (dotted[n] == '\0')
			return true;
		dotted += n + 1;
	}
}

static void check_sysctl_key(struct check *c, const char *path, const char *key)
{
	const char *dotted = dotted_key(c, key);

	if (text_has_control(key) || strchr(key, ' ') || !key_is_well_formed(dotted)) {
		check_error(c, path, "the name is no kernel parameter's");
		return;
	}
	if (strcmp(dotted, "kernel.hostname") == 0) {
		check_error(c, path, "is not allowed: use hostname");
		return;
	}
	for (size_t i = 0; i < sizeof sysctl_rules / sizeof sysctl_rules[0]; i++) {
		const struct sysctl_rule *rule = &sysctl_rules[i];

		if (rule->prefix ? strncmp(dotted, rule->name, strlen(rule->name)) != 0
				 : strcmp(dotted, rule->name) != 0)
			continue;
		if (!c->namespaces[rule->type])
			check_error(c, path,
				"needs a namespace of type \"%s\" in linux.namespaces: it would change the host",
				rule->type_name);
		return;
	}
	check_error(c, path, "is not allowed: no namespace separates it from the host");
}

void check_sysctl(struct check *c)
{
	const struct config_map *map = &c->config->linux->sysctl;

	for (size_t i = 0; i < map->count; i++) {
		const char *key = map->items[i].key, *path;

		if (!key)
			continue;
		path = check_at(c, "linux.sysctl[%s]", json_quote(c->arena, key));
		check_sysctl_key(c, path, key);
		if (strchr(map->items[i].value, '\n'))
			check_error(c, path, "the value contains a newline");
	}
}
