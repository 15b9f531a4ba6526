/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the plan knows every side effect outside the container
 * before the first one happens, so the whole journal is one write().
 */
#include "runtime/plan/undo.h"

#include <errno.h>
#include <string.h>

#include "runtime/cgroup/cgroup.h"
#include "runtime/plan/resctrl.h"
#include "runtime/plan/root_mount.h"
#include "runtime/state/journal.h"

static const struct {
	const char *kind;
	int (*undo)(const char *arg, struct error *err);
} kinds[] = {
	{ "cgroup", cgroup_undo },
	{ "scope", cgroup_undo_scope },
	{ "resctrl", resctrl_undo },
	{ "root", root_mount_undo },
};

int undo_record(struct container *c, struct error *err)
{
	size_t len = 0;
	char *text, *p;

	for (int stage = 0; stage < STAGE_COUNT; stage++)
		for (const struct step *s = c->plan.first[stage]; s; s = s->next)
			if (s->undo)
				len += strlen(s->undo) + strlen(s->undo_arg) + 2;
	if (len == 0)
		return 0;
	p = text = arena_alloc(c->arena, len + 1);
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		for (const struct step *s = c->plan.first[stage]; s; s = s->next) {
			if (!s->undo)
				continue;
			if (strchr(s->undo_arg, '\n'))
				return error_set(err, ERR_CONFIG, EINVAL, "%s: a newline in \"%s\"", s->undo, s->undo_arg);
			p = stpcpy(p, s->undo);
			*p++ = ' ';
			p = stpcpy(p, s->undo_arg);
			*p++ = '\n';
		}
	}
	return journal_append(c->state_fd, text, len, err);
}

static int undo_one(const char *kind, const char *arg, struct error *err)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].undo(arg, err);
	return error_set(err, ERR_CORRUPT, EINVAL, "the journal has a line of an unknown kind");
}

int undo_replay(int state_fd, struct arena *a, struct error *err)
{
	return journal_replay(state_fd, a, undo_one, err);
}
