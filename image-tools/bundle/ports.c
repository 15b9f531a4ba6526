/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a published port is a rule of the packet filter, and two rules
 * for one port do not disturb each other: the second container would start and never be
 * reached.  So each container's ports are noted in a file below /run/oci-image/ports,
 * named like its network namespace below netns/ (without which the note is stale), and
 * compared before the rules are made; and a port that a process of the host listens on
 * is found by trying to take it.  The caller holds the network's lock.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image-tools/bundle/bundle.h"

struct noted_port {
	int64_t port;
	const char *protocol, *address;
};
struct noted {
	struct noted_port *items;
	size_t count;
};
static const struct json_field port_fields[] = {
	JSON_F(JSON_INT, struct noted_port, port, "hostPort", .required = true),
	JSON_F(JSON_STRING, struct noted_port, protocol, "protocol", .required = true),
	JSON_F(JSON_STRING, struct noted_port, address, "hostIP"),
};
static const struct json_object port_object = JSON_OBJECT_OF("port", struct noted_port, port_fields);
static const struct json_field noted_root = { .name = "", .kind = JSON_OBJECTS, .object = &port_object,
	.offset = offsetof(struct noted, items), .count_offset = offsetof(struct noted, count) };

static bool read_noted(struct arena *a, const char *text, size_t len, struct noted *n)
{
	struct json_errors errors = { 0 };

	*n = (struct noted){ 0 };
	return json_read_field(&noted_root, text, len, a, n, &errors) == 0;
}

static bool everywhere(const struct noted_port *p)
{
	return !p->address || !*p->address || strcmp(p->address, "0.0.0.0") == 0 || strcmp(p->address, "::") == 0;
}

static bool collide(const struct noted_port *x, const struct noted_port *y)
{
	return x->port == y->port && strcmp(x->protocol, y->protocol) == 0 &&
		(everywhere(x) || everywhere(y) || strcmp(x->address, y->address) == 0);
}

static int in_use(const struct noted_port *p, const char *by, struct error *err)
{
	error_set(err, ERR_STATE, EADDRINUSE, "publish port %s%s%lld/%s: it is in use by %s", everywhere(p) ? "" : p->address,
		everywhere(p) ? "" : ":", (long long)p->port, p->protocol, by);
	error_hint(err, "stop that, or unpack with another -p HOST:CTR");
	return -EADDRINUSE;
}

/* Does somebody listen? */
static int try_port(const struct noted_port *p, struct error *err)
{
	bool udp = strcmp(p->protocol, "udp") == 0;
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)p->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)p->port) };
	bool is_v6 = p->address && strchr(p->address, ':');
	const struct sockaddr *address = is_v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
	_cleanup_fd_ int fd = -1;

	if ((!udp && strcmp(p->protocol, "tcp") != 0) ||
		(!everywhere(p) && inet_pton(is_v6 ? AF_INET6 : AF_INET, p->address, is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1))
		return 0;
	fd = socket(is_v6 ? AF_INET6 : AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	/* Connections on their way out do not count; sockets that listen do. */
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, address, is_v6 ? sizeof v6 : sizeof v4) == 0)
		return 0;
	if (errno == EADDRNOTAVAIL) {
		error_set(err, ERR_CONFIG, EADDRNOTAVAIL, "publish port %s:%lld: this machine does not have that address", p->address,
			(long long)p->port);
		return -EADDRNOTAVAIL;
	}
	return errno == EADDRINUSE ? in_use(p, "a program on this machine", err) : 0;
}

static int compare_notes(int dir, int netns, const char *own, const struct noted *want, struct arena *a, struct error *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	while (d && r == 0 && (e = readdir(d))) {
		struct noted have;
		char *text;
		size_t len, name;

		if (e->d_name[0] == '.' || strcmp(e->d_name, own) == 0)
			continue;
		if (faccessat(netns, e->d_name, F_OK, 0) < 0) {
			unlinkat(dir, e->d_name, 0);
			continue;
		}
		/* The id of the container, a line's end, its ports. */
		if (fd_read_file(dir, e->d_name, a, 1 << 20, &text, &len) < 0)
			continue;
		name = strcspn(text, "\n");
		if (!text[name] || !read_noted(a, text + name + 1, len - name - 1, &have))
			continue;
		text[name] = '\0';
		for (size_t i = 0; r == 0 && i < want->count; i++)
			for (size_t k = 0; r == 0 && k < have.count; k++)
				if (collide(&want->items[i], &have.items[k]))
					r = in_use(&want->items[i], arena_printf(a, "container %s", text), err);
	}
	if (d)
		closedir(d);
	return r;
}

int ports_claim(const char *run, const char *own, const char *id, const char *ports, struct arena *a, struct error *err)
{
	const char *path = arena_printf(a, "%s/ports", run), *text;
	_cleanup_fd_ int dir = -1, netns = -1;
	struct noted want;
	int r = 0;

	if (!read_noted(a, ports, strlen(ports), &want))
		return error_set(err, ERR_CORRUPT, EINVAL, "the bundle's list of ports cannot be read");
	mkdir(path, 0700);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	netns = open(arena_printf(a, "%s/netns", run), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 || netns < 0)
		return error_sys(err, errno, "open %s", path);
	for (size_t i = 0; r == 0 && i < want.count; i++)
		for (size_t k = 0; r == 0 && k < i; k++)
			if (collide(&want.items[i], &want.items[k]))
				r = in_use(&want.items[i], "another -p of the same container", err);
	if (r == 0)
		r = compare_notes(dir, netns, own, &want, a, err);
	for (size_t i = 0; r == 0 && i < want.count; i++)
		r = try_port(&want.items[i], err);
	if (r < 0)
		return r;
	text = arena_printf(a, "%s\n%s\n", id, ports);
	r = fd_replace_file(dir, own, text, strlen(text), 0600);
	return r < 0 ? error_sys(err, -r, "write %s/%s", path, own) : 0;
}

void ports_release(const char *run, const char *own, struct arena *a)
{
	unlink(arena_printf(a, "%s/ports/%s", run, own));
}
