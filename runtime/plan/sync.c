/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: see sync.h. */
#include "runtime/plan/sync.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct packet {
	char what;
	struct error err;
};

int sync_send(int fd, enum sync_message what, struct error *err)
{
	char byte = (char)what;

	while (write(fd, &byte, 1) < 0) {
		if (errno != EINTR)
			return error_sys(err, errno, "tell the other side of the container's set-up to go on");
	}
	return 0;
}

void sync_send_error(int fd, const struct error *err)
{
	struct packet p = { .what = SYNC_ERROR, .err = *err };

	while (write(fd, &p, sizeof p) < 0) {
		if (errno != EINTR)
			return; /* nobody listens any more */
	}
}

int sync_receive(int fd, struct error *err)
{
	struct packet p;
	ssize_t n;

	do
		n = read(fd, &p, sizeof p);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, errno, "wait for the other side of the container's set-up");
	if (n == 0) {
		error_set(err, ERR_SYSTEM, EPIPE, "the other side of the container's set-up died");
		return -EPIPE;
	}
	if (p.what == SYNC_ERROR && n == sizeof p) {
		*err = p.err;
		return -(err->errnum ? err->errnum : EIO);
	}
	if (n != 1)
		return error_set(err, ERR_SYSTEM, EPROTO, "unexpected message of %zd bytes during set-up", n);
	return p.what;
}

int sync_expect(int fd, enum sync_message what, struct error *err)
{
	int r = sync_receive(fd, err);

	if (r < 0 || r == (int)what)
		return r < 0 ? r : 0;
	return error_set(err, ERR_SYSTEM, EPROTO, "unexpected message '%c' during set-up, expected '%c'", r, what);
}
