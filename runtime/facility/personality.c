/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: linux.personality, an execution domain for personality(2). */
#include <errno.h>
#include <string.h>
#include <sys/personality.h>

#include "runtime/facility/facility.h"

static int set(struct container *c, const struct step *s, struct error *err)
{
	const char *domain = c->config->linux->personality->domain;
	unsigned long value = strcmp(domain, "LINUX32") == 0 ? PER_LINUX32 : PER_LINUX;

	(void)s;
	return personality(value) < 0 ? error_sys(err, errno, "set the personality %s", domain) : 0;
}

int personality_plan(struct container *c, struct error *err)
{
	struct step *s;

	(void)err;
	if (!c->config->linux->personality)
		return 0;
	s = plan_add(&c->plan, STAGE_LIMIT, "personality", "linux.personality", set, NULL);
	step_text(&c->plan, s, "set the personality %s", c->config->linux->personality->domain);
	return 0;
}
