/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.sysctl.  Which keys belong to a namespace of the
 * container was checked with the configuration.  They are written by the
 * container's process, so that the kernel resolves them in its namespaces,
 * through the host's verified /proc: no mount of the container is involved.
 */
#include <string.h>

#include "base/procfs.h"
#include "runtime/facility/facility.h"

static int write_key(struct container *c, const struct step *s, struct error *err)
{
	const struct config_key_value *kv = s->data;
	char *path = arena_printf(c->arena, "sys/%s", kv->key);
	const char *first = kv->key + strcspn(kv->key, "./");

	/* "net.ipv4.conf.eth0/1.forwarding" and "net/ipv4/conf/eth0.1/forwarding" are the same: the separator that
	 * comes first separates, the other one belongs to names (sysctl.d(5)). */
	if (*first == '.') {
		for (char *p = path + 4; *p; p++)
			*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	}
	return proc_write(c->proc_fd, path, kv->value, err);
}

int sysctl_plan(struct container *c, struct error *err)
{
	const struct config_map *map = &c->config->linux->sysctl;

	(void)err;
	for (size_t i = 0; i < map->count; i++) {
		struct step *s = plan_add(&c->plan, STAGE_SETTLE, "sysctl",
			arena_printf(c->arena, "linux.sysctl[\"%s\"]", map->items[i].key), write_key, &map->items[i]);

		step_text(&c->plan, s, "set the kernel parameter %s to %s", map->items[i].key, map->items[i].value);
	}
	return 0;
}
