/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: netlink messages are built and taken apart in memory; what the kernel would send is made here.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/facility/net_device_netlink.h"

#define SEQUENCE 77

/* Answers of the kernel, end to end. */
struct datagram {
	_Alignas(8) char bytes[2048];
	size_t len;
};

static struct nlmsghdr *add(struct datagram *d, uint16_t type, uint16_t flags, const void *payload, size_t size)
{
	struct nlmsghdr *h = (void *)(d->bytes + d->len);

	*h = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
		.nlmsg_type = type,
		.nlmsg_flags = flags,
		.nlmsg_seq = SEQUENCE};
	memcpy((char *)h + NLMSG_HDRLEN, payload, size);
	d->len += NLMSG_SPACE(size);
	return h;
}

static void add_result(struct datagram *d, uint16_t type, int value)
{
	struct nlmsgerr e = {.error = value};

	add(d, type, 0, &e, type == NLMSG_DONE ? sizeof value : sizeof e);
}

static int count(const struct nlmsghdr *h, void *data)
{
	(void)h;
	++*(int *)data;
	return 0;
}

static int refuse(const struct nlmsghdr *h, void *data)
{
	(void)h;
	(void)data;
	return -E2BIG;
}

static void test_build(void **state)
{
	const struct ifinfomsg fixed = {.ifi_index = 5};
	const struct rtattr *attrs[IFLA_NET_NS_FD + 1];
	struct netlink_request q;

	(void)state;
	netlink_request_init(&q, RTM_NEWLINK, NLM_F_ACK, &fixed, sizeof fixed);
	assert_int_equal(q.header.nlmsg_len, NLMSG_LENGTH(sizeof fixed));
	assert_int_equal(q.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	netlink_request_put_string(&q, IFLA_IFNAME, "eth0");
	netlink_request_put_u32(&q, IFLA_NET_NS_FD, 9);
	assert_false(q.overflow);
	/* A string of five bytes takes eight, and says five. */
	assert_int_equal(q.header.nlmsg_len, NLMSG_LENGTH(sizeof fixed) + 12 + 8);
	assert_true(netlink_attributes(&q.header, sizeof fixed, attrs, IFLA_NET_NS_FD));
	assert_int_equal(attrs[IFLA_IFNAME]->rta_len, 9);
	assert_string_equal(netlink_string(attrs[IFLA_IFNAME]), "eth0");
	assert_int_equal(*(const uint32_t *)netlink_payload(attrs[IFLA_NET_NS_FD], 4), 9);
	assert_null(netlink_payload(attrs[IFLA_NET_NS_FD], 8));
	assert_null(attrs[IFLA_MTU]);
}

static void test_overflow(void **state)
{
	static char large[70000];
	const struct ifinfomsg fixed = {0};
	struct netlink_request q;

	(void)state;
	/* Larger than a 16-bit length can say. */
	netlink_request_init(&q, RTM_NEWLINK, 0, &fixed, sizeof fixed);
	netlink_request_put(&q, IFLA_IFNAME, large, sizeof large);
	assert_true(q.overflow);
	assert_int_equal(q.header.nlmsg_len, NLMSG_LENGTH(sizeof fixed));
	/* Once over, always over: nothing smaller slips in behind. */
	netlink_request_put_u32(&q, IFLA_MTU, 1);
	assert_int_equal(q.header.nlmsg_len, NLMSG_LENGTH(sizeof fixed));
	assert_int_equal(netlink_talk(-1, &q, NULL, NULL), -EMSGSIZE);

	netlink_request_init(&q, RTM_NEWLINK, 0, large, sizeof large);
	assert_true(q.overflow);

	/* Exactly full, then one more. */
	netlink_request_init(&q, RTM_NEWLINK, 0, &fixed, sizeof fixed);
	while (q.header.nlmsg_len + 8 <= NETLINK_REQUEST_MAX)
		netlink_request_put_u32(&q, IFLA_MTU, 1);
	assert_false(q.overflow);
	netlink_request_put_u32(&q, IFLA_MTU, 1);
	assert_true(q.overflow);
	assert_true(q.header.nlmsg_len <= NETLINK_REQUEST_MAX);
	netlink_request_init(&q, RTM_NEWLINK, 0, &fixed, sizeof fixed);
	netlink_request_put(&q, IFLA_IFNAME, large, SIZE_MAX);
	assert_true(q.overflow);
}

static void test_parse(void **state)
{
	const struct ifaddrmsg a = {.ifa_family = 2};
	struct datagram d = {0};
	int n = 0;

	(void)state;
	assert_int_equal(netlink_parse(d.bytes, 0, SEQUENCE, count, &n), NETLINK_MORE);
	add(&d, RTM_NEWADDR, NLM_F_MULTI, &a, sizeof a);
	add(&d, RTM_NEWADDR, NLM_F_MULTI, &a, sizeof a);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, count, &n), NETLINK_MORE);
	assert_int_equal(n, 2);
	add_result(&d, NLMSG_DONE, 0);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, count, &n), NETLINK_END);
	assert_int_equal(n, 4);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), NETLINK_END);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, refuse, NULL), -E2BIG);
	/* Not ours. */
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE + 1, refuse, NULL), NETLINK_MORE);

	d.len = 0;
	add_result(&d, NLMSG_ERROR, 0);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), NETLINK_END);
	d.len = 0;
	add_result(&d, NLMSG_ERROR, -EEXIST);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), -EEXIST);
	d.len = 0;
	add_result(&d, NLMSG_DONE, -ENOBUFS);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), -ENOBUFS);
	d.len = 0;
	add_result(&d, NLMSG_ERROR, 12345);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), -EPROTO);

	/* A dump during which something changed. */
	d.len = 0;
	add(&d, RTM_NEWADDR, NLM_F_MULTI | NLM_F_DUMP_INTR, &a, sizeof a);
	add_result(&d, NLMSG_DONE, 0);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, count, &n), -EINTR);
}

static void test_malformed(void **state)
{
	const struct ifaddrmsg a = {.ifa_family = 2};
	struct datagram d = {0};
	struct nlmsghdr *h = add(&d, RTM_NEWADDR, 0, &a, sizeof a);

	(void)state;
	assert_int_equal(netlink_parse(d.bytes, 10, SEQUENCE, NULL, NULL), -EPROTO);
	assert_int_equal(netlink_parse(d.bytes, d.len - 1, SEQUENCE, NULL, NULL), -EPROTO);
	h->nlmsg_len = 15;
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), -EPROTO);
	h->nlmsg_len = 0;
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), -EPROTO);
	h->nlmsg_len = UINT32_MAX;
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), -EPROTO);
	d.len = 0;
	h = add(&d, NLMSG_ERROR, 0, "", 1);
	assert_int_equal(netlink_parse(d.bytes, d.len, SEQUENCE, NULL, NULL), -EPROTO);
}

static void test_attributes(void **state)
{
	const struct rtattr *attrs[IFA_MAX + 1];
	struct {
		struct ifaddrmsg fixed;
		struct rtattr a;
		char text[8];
	} m = {.a = {.rta_type = IFA_LABEL | NLA_F_NESTED, .rta_len = RTA_LENGTH(5)}, .text = "eth0"};
	struct datagram d = {0};
	struct nlmsghdr *h = add(&d, RTM_NEWADDR, 0, &m, sizeof m.fixed + RTA_LENGTH(5));

	(void)state;
	assert_true(netlink_attributes(h, sizeof m.fixed, attrs, IFA_MAX));
	assert_string_equal(netlink_string(attrs[IFA_LABEL]), "eth0");
	/* Without its NUL it is no string. */
	d.len = 0;
	m.a.rta_len = RTA_LENGTH(4);
	h = add(&d, RTM_NEWADDR, 0, &m, sizeof m.fixed + RTA_LENGTH(4));
	assert_true(netlink_attributes(h, sizeof m.fixed, attrs, IFA_MAX));
	assert_null(netlink_string(attrs[IFA_LABEL]));
	/* Longer than the message, shorter than itself. */
	for (uint16_t len = 0; len < 4; len++) {
		d.len = 0;
		m.a.rta_len = len;
		h = add(&d, RTM_NEWADDR, 0, &m, sizeof m.fixed + RTA_LENGTH(4));
		assert_false(netlink_attributes(h, sizeof m.fixed, attrs, IFA_MAX));
	}
	d.len = 0;
	m.a.rta_len = UINT16_MAX;
	h = add(&d, RTM_NEWADDR, 0, &m, sizeof m.fixed + RTA_LENGTH(4));
	assert_false(netlink_attributes(h, sizeof m.fixed, attrs, IFA_MAX));
	/* A message without its fixed part. */
	d.len = 0;
	h = add(&d, RTM_NEWADDR, 0, &m, sizeof m.fixed - 1);
	assert_false(netlink_attributes(h, sizeof m.fixed, attrs, IFA_MAX));
	/* A type beyond the table is skipped. */
	d.len = 0;
	m.a = (struct rtattr){.rta_type = 200, .rta_len = RTA_LENGTH(5)};
	h = add(&d, RTM_NEWADDR, 0, &m, sizeof m.fixed + RTA_LENGTH(5));
	assert_true(netlink_attributes(h, sizeof m.fixed, attrs, IFA_MAX));
	assert_null(netlink_string(NULL));
}

static int walk(const struct nlmsghdr *h, void *data)
{
	const struct rtattr *attrs[IFA_MAX + 1];

	(void)data;
	if (netlink_attributes(h, sizeof(struct ifaddrmsg), attrs, IFA_MAX))
		for (int i = 0; i <= IFA_MAX; i++)
			netlink_string(attrs[i]);
	return 0;
}

/* Bytes at random and bytes changed at random; the sanitizers watch. */
static void test_random(void **state)
{
	const struct ifaddrmsg a = {.ifa_family = 2};
	char noise[64];

	(void)state;
	srand(1);
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (char)(rand() % 12);
	for (int i = 0; i < 20000; i++) {
		struct datagram d = {0};
		char *exact;
		size_t len;

		add(&d, RTM_NEWADDR, NLM_F_MULTI, &a, sizeof a);
		add(&d, RTM_NEWADDR, NLM_F_MULTI, noise, sizeof noise);
		add_result(&d, NLMSG_DONE, 0);
		for (int k = 0; k < 4; k++)
			d.bytes[(size_t)rand() % d.len] = (char)rand();
		len = (size_t)rand() % (d.len + 1);
		exact = malloc(len + 1); /* so that reading beyond is seen */
		memcpy(exact, d.bytes, len);
		netlink_parse(exact, len, SEQUENCE, walk, NULL);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
