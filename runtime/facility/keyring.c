/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a session keyring of the container's own, so that it
 * does not possess the caller's keys (keyrings(7)).  Possessors get only what
 * they need; the key's owner may search it.  A kernel without keyrings, or a
 * caller whose filter forbids them, has no keys to protect; a full quota is an
 * error, because going on would leave the caller's keyring in place.
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/facility/facility.h"

#define KEY_POS_ALL 0x3f000000L
#define KEY_USR_SEARCH 0x00080000L

static int join(struct container *c, const struct step *s, struct error *err)
{
	const char *name = s->data;
	long key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	(void)c;
	if (key < 0) {
		if (errno == ENOSYS)
			return 0;
		if (errno == EDQUOT)
			error_hint(err, "raise /proc/sys/kernel/keys/maxkeys, or use --no-new-keyring");
		return error_sys(err, errno, "join the session keyring %s", name);
	}
	if (syscall(SYS_keyctl, KEYCTL_SETPERM, (int32_t)key, KEY_POS_ALL | KEY_USR_SEARCH) < 0)
		return error_sys(err, errno, "set the permissions of the session keyring %s", name);
	return 0;
}

int keyring_plan(struct container *c, struct error *err)
{
	struct step *s;

	(void)err;
	if (c->options.no_new_keyring)
		return 0;
	s = plan_add(&c->plan, STAGE_JOIN, "keyring", NULL, join, arena_printf(c->arena, "_ses.%s", c->id));
	step_text(&c->plan, s, "join the new session keyring _ses.%s", c->id);
	return 0;
}
