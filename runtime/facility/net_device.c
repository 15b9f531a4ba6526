/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.netDevices (runtime-spec 1.3 config-linux.md,
 * "Network Devices").
 *
 * The host side moves each device, while the container's process waits:
 *
 *   in the runtime's namespace    the device's index, its permanent addresses of global scope
 *   in the container's            the new name is free, or the first free one of a template ("eth%d")
 *   in the runtime's namespace    one message moves and renames
 *   in the container's            the addresses again, the device up
 *
 * The kernel takes the device down and forgets its addresses when it moves.  It
 * renames only after it has moved, so a name that is taken would leave the
 * device behind in the container: hence the look before.
 *
 * There is no way back (the specification forbids one): when the namespace
 * ends, the kernel returns physical devices to the initial namespace and
 * destroys virtual ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/facility/facility.h"
#include "runtime/facility/net_device_netlink.h"

#define ADDRESSES_MAX 4096
#define TEMPLATE_MAX 4096

struct link {
	int index;
	bool found;
};

struct address {
	struct ifaddrmsg fixed;
	uint32_t flags;
	uint32_t priority;
	unsigned char local[16], address[16], broadcast[4];
	bool has_local, has_address, has_broadcast, has_priority;
	struct address *next;
};

struct addresses {
	struct arena *arena;
	int index;
	size_t count;
	struct address *first, **last;
};

/* --- questions ----------------------------------------------------------------- */

static int take_link(const struct nlmsghdr *h, void *data)
{
	struct link *l = data;
	struct ifinfomsg i;

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof i))
		return 0;
	memcpy(&i, (const char *)h + NLMSG_HDRLEN, sizeof i);
	l->index = i.ifi_index;
	l->found = true;
	return 0;
}

/* 0 and l->found, or a negative errno. */
static int find_link(int sock, const char *name, struct link *l)
{
	const struct ifinfomsg any = {.ifi_family = AF_UNSPEC};
	struct netlink_request q;
	int r;

	*l = (struct link){0};
	netlink_request_init(&q, RTM_GETLINK, 0, &any, sizeof any);
	netlink_request_put_string(&q, IFLA_IFNAME, name);
	r = netlink_talk(sock, &q, take_link, l);
	return r == -ENODEV ? 0 : r;
}

static bool copy(const struct rtattr *a, size_t size, unsigned char *to)
{
	const void *p = netlink_payload(a, size);

	if (p)
		memcpy(to, p, size);
	return p;
}

static int take_address(const struct nlmsghdr *h, void *data)
{
	const struct rtattr *attrs[IFA_MAX + 1];
	struct addresses *list = data;
	struct address *a;
	struct ifaddrmsg i;
	const uint32_t *flags, *priority;
	size_t size;

	if (h->nlmsg_type != RTM_NEWADDR)
		return 0;
	if (!netlink_attributes(h, sizeof i, attrs, IFA_MAX))
		return -EPROTO;
	memcpy(&i, (const char *)h + NLMSG_HDRLEN, sizeof i);
	flags = netlink_payload(attrs[IFA_FLAGS], sizeof *flags);
	if ((int)i.ifa_index != list->index || i.ifa_scope != RT_SCOPE_UNIVERSE ||
		!((flags ? *flags : i.ifa_flags) & IFA_F_PERMANENT))
		return 0;
	if (i.ifa_family != AF_INET && i.ifa_family != AF_INET6)
		return 0;
	if (++list->count > ADDRESSES_MAX)
		return -E2BIG;
	size = i.ifa_family == AF_INET ? 4 : 16;
	a = arena_new(list->arena, struct address);
	a->fixed = i;
	a->flags = flags ? *flags : i.ifa_flags;
	a->has_local = copy(attrs[IFA_LOCAL], size, a->local);
	a->has_address = copy(attrs[IFA_ADDRESS], size, a->address);
	a->has_broadcast = i.ifa_family == AF_INET && copy(attrs[IFA_BROADCAST], 4, a->broadcast);
	priority = netlink_payload(attrs[IFA_RT_PRIORITY], sizeof *priority);
	if (priority) {
		a->priority = *priority;
		a->has_priority = true;
	}
	*list->last = a;
	list->last = &a->next;
	return 0;
}

static int list_addresses(int sock, struct addresses *list, struct arena *arena, int index)
{
	const struct ifaddrmsg any = {.ifa_family = AF_UNSPEC};
	struct netlink_request q;
	int r;

	/* A dump that raced with a change is repeated. */
	for (int i = 0; i < 10; i++) {
		*list = (struct addresses){.arena = arena, .index = index};
		list->last = &list->first;
		netlink_request_init(&q, RTM_GETADDR, NLM_F_DUMP, &any, sizeof any);
		r = netlink_talk(sock, &q, take_address, list);
		if (r != -EINTR)
			return r;
	}
	return -EBUSY;
}

/* --- changes ------------------------------------------------------------------- */

static int move_link(int sock, int index, int netns, const char *name)
{
	const struct ifinfomsg i = {.ifi_family = AF_UNSPEC, .ifi_index = index};
	struct netlink_request q;

	netlink_request_init(&q, RTM_NEWLINK, 0, &i, sizeof i);
	netlink_request_put_u32(&q, IFLA_NET_NS_FD, (uint32_t)netns);
	netlink_request_put_string(&q, IFLA_IFNAME, name);
	return netlink_talk(sock, &q, NULL, NULL);
}

static int add_address(int sock, int index, const struct address *a)
{
	/* What the kernel sets by itself is not for us to say. */
	const uint32_t keep =
		IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;
	struct ifaddrmsg i = {.ifa_family = a->fixed.ifa_family,
		.ifa_prefixlen = a->fixed.ifa_prefixlen,
		.ifa_scope = a->fixed.ifa_scope,
		.ifa_index = (uint32_t)index};
	size_t size = a->fixed.ifa_family == AF_INET ? 4 : 16;
	struct netlink_request q;

	netlink_request_init(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof i);
	if (a->has_local)
		netlink_request_put(&q, IFA_LOCAL, a->local, size);
	if (a->has_address)
		netlink_request_put(&q, IFA_ADDRESS, a->address, size);
	if (a->has_broadcast)
		netlink_request_put(&q, IFA_BROADCAST, a->broadcast, 4);
	if (a->has_priority)
		netlink_request_put_u32(&q, IFA_RT_PRIORITY, a->priority);
	netlink_request_put_u32(&q, IFA_FLAGS, a->flags & keep);
	return netlink_talk(sock, &q, NULL, NULL);
}

static int set_up(int sock, int index)
{
	const struct ifinfomsg i = {
		.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct netlink_request q;

	netlink_request_init(&q, RTM_NEWLINK, 0, &i, sizeof i);
	return netlink_talk(sock, &q, NULL, NULL);
}

/* --- namespaces ---------------------------------------------------------------- */

static int open_namespace(const struct container *c, pid_t pid, struct error *err)
{
	char path[32];
	_cleanup_fd_ int dir = -1;
	int fd;

	snprintf(path, sizeof path, "%d/ns", pid);
	dir = path_open_beneath(c->proc_fd, path, O_PATH | O_DIRECTORY);
	/* The last component is the kernel's own link to the namespace. */
	fd = dir < 0 ? dir : openat(dir, "net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, dir < 0 ? -dir : errno, "open the network namespace of process %d", pid);
	return fd;
}

/* A route socket in another namespace.  A socket stays where it was made. */
static int open_socket_in(const struct container *c, int netns, struct error *err)
{
	_cleanup_fd_ int own = open_namespace(c, getpid(), err);
	int sock;

	if (own < 0)
		return own;
	if (setns(netns, CLONE_NEWNET) < 0)
		return error_sys(err, errno, "enter the container's network namespace");
	sock = netlink_open();
	if (setns(own, CLONE_NEWNET) < 0) {
		int errnum = errno;

		/* Everything after this would happen in the wrong place. */
		cleanup_fd(&sock);
		return error_sys(err, errnum, "return from the container's network namespace");
	}
	return sock < 0 ? error_sys(err, -sock, "open a route socket in the container's network namespace") : sock;
}

/* --- steps --------------------------------------------------------------------- */

/* The name in the container: as given, or the first free one of a template. */
static int choose_name(int sock, const char *wish, char name[IFNAMSIZ], struct error *err)
{
	const char *percent = strchr(wish, '%');
	struct link l;
	int r;

	for (int i = 0; i < TEMPLATE_MAX; i++) {
		int n = percent ? snprintf(name, IFNAMSIZ, "%.*s%d%s", (int)(percent - wish), wish, i, percent + 2)
				: snprintf(name, IFNAMSIZ, "%s", wish);

		if (n >= IFNAMSIZ)
			break;
		r = find_link(sock, name, &l);
		if (r < 0)
			return error_sys(err, -r, "look for %s in the container's network namespace", name);
		if (!l.found)
			return 0;
		if (!percent)
			return error_set(err, ERR_CONFIG, EEXIST,
				"the container's network namespace has a device %s already", name);
	}
	return error_set(
		err, ERR_CONFIG, EEXIST, "no name of the form %s is free in the container's network namespace", wish);
}

static int fill(int sock, const char *name, const struct addresses *list, struct error *err)
{
	struct link l;
	int r = find_link(sock, name, &l);

	if (r == 0 && !l.found)
		r = -ENODEV;
	if (r < 0)
		return error_sys(err, -r, "find the moved device %s", name);
	for (const struct address *a = list->first; a; a = a->next) {
		r = add_address(sock, l.index, a);
		if (r < 0)
			return error_sys(err, -r, "give the moved device %s its IPv%d address", name,
				a->fixed.ifa_family == AF_INET ? 4 : 6);
	}
	r = set_up(sock, l.index);
	return r < 0 ? error_sys(err, -r, "set the moved device %s up", name) : 0;
}

static int move(struct container *c, const struct step *s, struct error *err)
{
	const struct config_net_device *d = s->data;
	_cleanup_fd_ int opened = -1, here = -1, there = -1;
	int netns = c->namespace_fd[CONFIG_NS_NETWORK], r;
	struct addresses list;
	char name[IFNAMSIZ];
	struct link l;

	if (netns < 0) {
		opened = open_namespace(c, c->pid, err);
		if (opened < 0)
			return opened;
		netns = opened;
	}
	there = open_socket_in(c, netns, err);
	if (there < 0)
		return there;
	here = netlink_open();
	if (here < 0)
		return error_sys(err, -here, "open a route socket");
	r = find_link(here, d->host_name, &l);
	if (r < 0)
		return error_sys(err, -r, "look for the network device %s", d->host_name);
	if (!l.found)
		return error_set(err, ERR_CONFIG, ENODEV, "there is no network device %s", d->host_name);
	r = list_addresses(here, &list, c->arena, l.index);
	if (r < 0)
		return error_sys(err, -r, "list the addresses of %s", d->host_name);
	r = choose_name(there, d->name ? d->name : d->host_name, name, err);
	if (r < 0)
		return r;
	r = move_link(here, l.index, netns, name);
	if (r < 0) {
		if (r == -EINVAL)
			error_hint(err, "some devices, such as loopback and bridges of old kernels, cannot be moved");
		return error_sys(err, -r, "move the network device %s to the container", d->host_name);
	}
	return fill(there, name, &list, err);
}

int net_device_plan(struct container *c, struct error *err)
{
	const struct config_linux *l = c->config->linux;

	if (l->net_devices_count == 0)
		return 0;
	if (!((c->namespaces | c->joined) & CLONE_NEWNET)) {
		error_path(err, "linux.netDevices");
		return error_set(err, ERR_CONFIG, EINVAL, "a network device needs a network namespace to go to");
	}
	if (c->rt->rootless) {
		error_path(err, "linux.netDevices");
		return error_set(
			err, ERR_PERMISSION, EPERM, "moving a network device needs privileges over the host's network");
	}
	for (size_t i = 0; i < l->net_devices_count; i++) {
		const struct config_net_device *d = &l->net_devices[i];
		struct step *s = plan_add(&c->plan, STAGE_MAP, "net_device",
			arena_printf(c->arena, "linux.netDevices[\"%s\"]", d->host_name), move, d);

		step_text(&c->plan, s, "move the network device %s to the container%s%s", d->host_name,
			d->name ? " as " : "", d->name ? d->name : "");
	}
	return 0;
}
