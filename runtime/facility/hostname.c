/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: hostname and domainname of the container's UTS namespace. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/facility/facility.h"

static int set_hostname(struct container *c, const struct step *s, struct error *err)
{
	const char *name = c->config->hostname;

	(void)s;
	return sethostname(name, strlen(name)) < 0 ? error_sys(err, errno, "set the host name \"%s\"", name) : 0;
}

static int set_domainname(struct container *c, const struct step *s, struct error *err)
{
	const char *name = c->config->domainname;

	(void)s;
	return setdomainname(name, strlen(name)) < 0 ? error_sys(err, errno, "set the domain name \"%s\"", name) : 0;
}

int hostname_plan(struct container *c, struct error *err)
{
	struct step *s;

	(void)err;
	if (c->config->hostname) {
		s = plan_add(&c->plan, STAGE_SETTLE, "hostname", "hostname", set_hostname, NULL);
		step_text(&c->plan, s, "set the host name %s", c->config->hostname);
	}
	if (c->config->domainname) {
		s = plan_add(&c->plan, STAGE_SETTLE, "hostname", "domainname", set_domainname, NULL);
		step_text(&c->plan, s, "set the domain name %s", c->config->domainname);
	}
	return 0;
}
