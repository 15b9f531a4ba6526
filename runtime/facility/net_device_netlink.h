/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_FACILITY_NET_DEVICE_NETLINK_H
#define OCI_RT_RUNTIME_FACILITY_NET_DEVICE_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * rtnetlink(7), as much as moving a device needs: one request, its answers, one
 * acknowledgement.  Building and taking apart know nothing about sockets, so
 * that they can be tested and fuzzed.
 */

/* --- building ---------------------------------------------------------------- */

#define NETLINK_REQUEST_MAX 512

struct netlink_request {
	struct nlmsghdr header;
	char payload[NETLINK_REQUEST_MAX - sizeof(struct nlmsghdr)]; /* right behind it */
	bool overflow; /* something did not fit: the request is not sent */
};

/* A request of a type (RTM_*), with flags (NLM_F_REQUEST is added) and the fixed part of the type. */
void netlink_request_init(struct netlink_request *q, uint16_t type, uint16_t flags, const void *fixed, size_t size);

/* Append an attribute; too large a one sets q->overflow. */
void netlink_request_put(struct netlink_request *q, uint16_t type, const void *data, size_t size);
void netlink_request_put_string(struct netlink_request *q, uint16_t type, const char *s);
void netlink_request_put_u32(struct netlink_request *q, uint16_t type, uint32_t v);

/* --- taking apart ------------------------------------------------------------ */

/* Called for each message that is an answer; returns 0 or a negative errno, which ends the conversation. */
typedef int netlink_answer(const struct nlmsghdr *h, void *data);

enum { NETLINK_MORE = 0, NETLINK_END = 1 };

/* Walk through a datagram of len bytes: NETLINK_MORE when the answer goes on, NETLINK_END after the acknowledgement or
 * the end of a dump, a negative errno: the kernel's, the callback's, -EINTR when a dump has to be repeated, -EPROTO
 * when the datagram is malformed.  Messages of other sequence numbers are skipped. */
int netlink_parse(const void *buf, size_t len, uint32_t sequence, netlink_answer *answer, void *data);

/* Attributes behind the fixed part of a message, by type: table[0..max], NULL when absent.  False when the message is
 * shorter than its fixed part or an attribute leaves it. */
bool netlink_attributes(const struct nlmsghdr *h, size_t fixed, const struct rtattr **table, unsigned int max);

/* The payload when it has the size (or at least one byte and a NUL for a string), else NULL. */
const void *netlink_payload(const struct rtattr *a, size_t size);
const char *netlink_string(const struct rtattr *a);

/* --- talking ----------------------------------------------------------------- */

/* A route socket in the caller's network namespace: descriptor or negative errno. */
int netlink_open(void);

/* Send the request and take all answers (answer may be NULL): 0 or a negative errno. */
int netlink_talk(int sock, struct netlink_request *q, netlink_answer *answer, void *data);

#endif
