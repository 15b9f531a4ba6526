/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: runtime-spec config-linux.md, "Seccomp".  A filter that
 * notifies an agent of write() would stop the runtime itself between loading
 * the filter and handing its descriptor over, so it is refused.
 */
#include "runtime/config/check_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "specs/enums.h"

#define MAX_ERRNO 4095u

static void check_errno(
	struct check *c, const char *path, enum config_seccomp_action action, const struct opt_u64 *errno_ret)
{
	uint64_t max = action == CONFIG_SCMP_ACT_TRACE ? UINT16_MAX : MAX_ERRNO;

	if (!errno_ret->set || action == CONFIG_SCMP_NONE)
		return;
	if (action != CONFIG_SCMP_ACT_ERRNO && action != CONFIG_SCMP_ACT_TRACE)
		check_error(c, path, "%s returns no errno: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do",
			json_enum_name(&config_seccomp_actions, action));
	else if (errno_ret->value > max)
		check_error(
			c, path, "expected an integer from 0 to %" PRIu64 ", found %" PRIu64, max, errno_ret->value);
}

static void check_rule(struct check *c, const struct config_seccomp_rule *r, size_t i)
{
	if (r->names_count == 0)
		check_error(c, check_at(c, "linux.seccomp.syscalls[%zu].names", i), "must have at least one element");
	for (size_t n = 0; n < r->names_count; n++) {
		if (!r->names[n])
			continue;
		if (*r->names[n] == '\0')
			check_error(
				c, check_at(c, "linux.seccomp.syscalls[%zu].names[%zu]", i, n), "must not be empty");
		else if (r->action == CONFIG_SCMP_ACT_NOTIFY && strcmp(r->names[n], "write") == 0)
			check_error(c, check_at(c, "linux.seccomp.syscalls[%zu].names[%zu]", i, n),
				"SCMP_ACT_NOTIFY cannot be used for the write syscall: the runtime needs it to reach the agent");
	}
	if (r->errno_ret.set)
		check_errno(c, check_at(c, "linux.seccomp.syscalls[%zu].errnoRet", i), r->action, &r->errno_ret);
}

/* crun's ways to name the agent's socket, which Podman's users know. */
static bool has_receiver(struct check *c)
{
	const struct config_map *map = &c->config->annotations;

	for (size_t i = 0; i < map->count; i++)
		if (map->items[i].key && strcmp(map->items[i].key, "run.oci.seccomp.receiver") == 0)
			return true;
	return getenv("RUN_OCI_SECCOMP_RECEIVER") != NULL;
}

void check_seccomp(struct check *c, const struct config_seccomp *s)
{
	bool notify = false;

	if (s->default_action == CONFIG_SCMP_ACT_NOTIFY)
		check_error(c, "linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY cannot be the default action");
	check_errno(c, "linux.seccomp.defaultErrnoRet", s->default_action, &s->default_errno_ret);
	for (size_t i = 0; i < s->syscalls_count; i++) {
		check_rule(c, &s->syscalls[i], i);
		notify = notify || s->syscalls[i].action == CONFIG_SCMP_ACT_NOTIFY;
	}
	if (s->listener_metadata && !s->listener_path)
		check_error(c, "linux.seccomp.listenerMetadata", "must not be set without linux.seccomp.listenerPath");
	if (notify && !s->listener_path && !has_receiver(c))
		check_error(c, "linux.seccomp.listenerPath", "SCMP_ACT_NOTIFY needs it: nobody would answer");
	if (!notify && text_has_option(s->flags, s->flags_count, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"))
		check_error(c, "linux.seccomp.flags",
			"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY");
}
