/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: a new network namespace has a loopback device that is down; bring it up. */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "runtime/facility/facility.h"

static int loopback_up(struct container *c, const struct step *s, struct error *err)
{
	_cleanup_fd_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_flags = IFF_UP | IFF_RUNNING };

	(void)c;
	(void)s;
	if (sock < 0)
		return error_sys(err, errno, "make a socket to bring up the loopback device");
	strcpy(req.ifr_name, "lo");
	if (ioctl(sock, SIOCSIFFLAGS, &req) < 0)
		return error_sys(err, errno, "bring up the loopback device");
	return 0;
}

int network_plan(struct container *c, struct error *err)
{
	struct step *s;

	(void)err;
	if (!(c->namespaces & CLONE_NEWNET))
		return 0;
	s = plan_add(&c->plan, STAGE_NETWORK, "network", NULL, loopback_up, NULL);
	step_text(&c->plan, s, "bring up the loopback device");
	return 0;
}
