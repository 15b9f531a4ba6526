/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see net_device_netlink.h.  Lengths inside a message are
 * 16 bits (attributes) and 32 bits (messages); runc lost a container's
 * namespaces to one that wrapped (CVE-2021-43784).  So a request has room for
 * what we send and nothing else: what does not fit is not sent.  What comes in
 * is believed only as far as the datagram reaches.
 */
#include "runtime/facility/net_device_netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

_Static_assert(sizeof(struct nlmsghdr) == NLMSG_HDRLEN, "the payload follows the header");

/* The kernel fills no larger datagram for a dump. */
#define DATAGRAM_MAX 65536
#define TIMEOUT_S 10

void netlink_request_init(struct netlink_request *q, uint16_t type, uint16_t flags, const void *fixed, size_t size)
{
	memset(q, 0, sizeof *q);
	q->header.nlmsg_type = type;
	q->header.nlmsg_flags = NLM_F_REQUEST | flags;
	q->header.nlmsg_len = NLMSG_HDRLEN;
	if (size > sizeof q->payload) {
		q->overflow = true;
		return;
	}
	memcpy(q->payload, fixed, size);
	q->header.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + NLMSG_ALIGN(size));
}

void netlink_request_put(struct netlink_request *q, uint16_t type, const void *data, size_t size)
{
	size_t at = q->header.nlmsg_len - NLMSG_HDRLEN;
	struct rtattr a = {.rta_type = type};

	if (q->overflow || size > sizeof q->payload || RTA_SPACE(size) > sizeof q->payload - at) {
		q->overflow = true;
		return;
	}
	a.rta_len = (uint16_t)RTA_LENGTH(size);
	memcpy(q->payload + at, &a, sizeof a);
	memcpy(q->payload + at + RTA_LENGTH(0), data, size);
	q->header.nlmsg_len += (uint32_t)RTA_SPACE(size);
}

void netlink_request_put_string(struct netlink_request *q, uint16_t type, const char *s)
{
	netlink_request_put(q, type, s, strlen(s) + 1);
}

void netlink_request_put_u32(struct netlink_request *q, uint16_t type, uint32_t v)
{
	netlink_request_put(q, type, &v, sizeof v);
}

/* The number in an acknowledgement or at the end of a dump: 0 or a negative errno. */
static int result_of(const struct nlmsghdr *h)
{
	int value;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof value))
		return h->nlmsg_type == NLMSG_DONE ? 0 : -EPROTO;
	memcpy(&value, (const char *)h + NLMSG_HDRLEN, sizeof value);
	return value > 0 || value < -4095 ? -EPROTO : value;
}

int netlink_parse(const void *buf, size_t len, uint32_t sequence, netlink_answer *answer, void *data)
{
	const char *p = buf;
	bool interrupted = false;

	while (len > 0) {
		const struct nlmsghdr *h = (const void *)p;
		size_t step;
		int r;

		if (len < sizeof *h || h->nlmsg_len < sizeof *h || h->nlmsg_len > len)
			return -EPROTO;
		step = NLMSG_ALIGN(h->nlmsg_len);
		if (h->nlmsg_seq == sequence) {
			interrupted = interrupted || h->nlmsg_flags & NLM_F_DUMP_INTR;
			switch (h->nlmsg_type) {
			case NLMSG_ERROR:
			case NLMSG_DONE:
				r = result_of(h);
				return r < 0 ? r : interrupted ? -EINTR : NETLINK_END;
			case NLMSG_NOOP:
				break;
			case NLMSG_OVERRUN:
				return -EPROTO;
			default:
				r = answer ? answer(h, data) : 0;
				if (r < 0)
					return r;
			}
		}
		if (step >= len)
			break;
		p += step;
		len -= step;
	}
	return interrupted ? -EINTR : NETLINK_MORE;
}

bool netlink_attributes(const struct nlmsghdr *h, size_t fixed, const struct rtattr **table, unsigned int max)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(fixed), len = h->nlmsg_len;

	for (unsigned int i = 0; i <= max; i++)
		table[i] = NULL;
	if (len < NLMSG_HDRLEN + fixed)
		return false;
	while (at < len) {
		const struct rtattr *a = (const void *)((const char *)h + at);
		unsigned int type;

		if (len - at < sizeof *a || a->rta_len < sizeof *a || a->rta_len > len - at)
			return false;
		type = a->rta_type & NLA_TYPE_MASK;
		if (type <= max)
			table[type] = a;
		at += RTA_ALIGN(a->rta_len);
	}
	return true;
}

const void *netlink_payload(const struct rtattr *a, size_t size)
{
	return a && a->rta_len == RTA_LENGTH(size) ? (const char *)a + RTA_LENGTH(0) : NULL;
}

const char *netlink_string(const struct rtattr *a)
{
	const char *s;

	if (!a || a->rta_len <= RTA_LENGTH(0))
		return NULL;
	s = (const char *)a + RTA_LENGTH(0);
	return memchr(s, '\0', a->rta_len - RTA_LENGTH(0)) ? s : NULL;
}

int netlink_open(void)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	const struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), r;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0 ||
		bind(fd, (const struct sockaddr *)&self, sizeof self) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int receive(int sock, char *buf, uint32_t sequence, netlink_answer *answer, void *data)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		struct iovec iov = {.iov_base = buf, .iov_len = DATAGRAM_MAX};
		struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n = recvmsg(sock, &msg, 0);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (from.nl_pid != 0)
			continue; /* not from the kernel */
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		r = netlink_parse(buf, (size_t)n, sequence, answer, data);
		if (r != NETLINK_MORE)
			return r < 0 ? r : 0;
	}
}

int netlink_talk(int sock, struct netlink_request *q, netlink_answer *answer, void *data)
{
	static uint32_t sequence;
	char *buf;
	int r = 0;

	if (q->overflow)
		return -EMSGSIZE;
	buf = malloc(DATAGRAM_MAX);
	if (!buf)
		return -ENOMEM;
	/* Two bits, which mean something else in a request that creates. */
	if ((q->header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		q->header.nlmsg_flags |= NLM_F_ACK;
	q->header.nlmsg_seq = ++sequence;
	do
		r = send(sock, q, q->header.nlmsg_len, 0) < 0 ? -errno : 0;
	while (r == -EINTR);
	if (r == 0)
		r = receive(sock, buf, q->header.nlmsg_seq, answer, data);
	free(buf);
	return r;
}
