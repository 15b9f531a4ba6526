/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the runtime (or the container's init on its behalf)
 * connects, sends one message with one descriptor, and may wait for us to have
 * taken it before it goes on; so it is accepted in the loop, not at the end.
 * The sender can be mapped to another user, so access is limited by the
 * directory, not by peer credentials.
 */
#include "shim/console.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

static void receive(struct console *con)
{
	char name[4096];
	int fd = fd_recv(con->conn.fd, name, sizeof name);

	if (fd == -EAGAIN)
		return;
	watch_remove(&con->conn);
	cleanup_fd(&con->conn.fd);
	con->conn.fd = -1;
	if (fd >= 0 && con->master < 0)
		con->master = fd;
	else if (fd >= 0)
		close(fd);
}

static void on_conn(struct watch *w, uint32_t events)
{
	(void)events;
	receive((struct console *)((char *)w - offsetof(struct console, conn)));
}

static void on_accept(struct watch *w, uint32_t events)
{
	struct console *con = (struct console *)((char *)w - offsetof(struct console, listener));
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (con->conn.fd >= 0) {
		close(fd);
		return;
	}
	con->conn = (struct watch){.fd = fd, .cb = on_conn};
	watch_set(&con->conn, EPOLLIN);
}

int console_listen(struct console *con, const char *dir, struct error *err)
{
	static unsigned int serial;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r;

	*con = (struct console){.listener = {.fd = -1, .cb = on_accept}, .conn.fd = -1, .master = -1};
	if (snprintf(con->path, sizeof con->path, "%s/pty-%d-%u", dir, getpid(), serial++) >= (int)sizeof con->path) {
		con->path[0] = '\0';
		return error_set(err, ERR_SYSTEM, ENAMETOOLONG, "directory %s is too long for a console socket", dir);
	}
	strcpy(addr.sun_path, con->path);
	unlink(con->path);
	con->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (con->listener.fd < 0 || bind(con->listener.fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
		listen(con->listener.fd, 1) < 0)
		return error_sys(err, errno, "make console socket %s", con->path);
	r = watch_set(&con->listener, EPOLLIN);
	return r < 0 ? error_sys(err, -r, "watch console socket %s", con->path) : 0;
}

int console_take(struct console *con, struct error *err)
{
	if (con->master < 0 && con->conn.fd < 0)
		on_accept(&con->listener, EPOLLIN);
	if (con->master < 0 && con->conn.fd >= 0)
		receive(con);
	if (con->master < 0)
		return error_set(err, ERR_SYSTEM, ENOTTY, "the runtime has sent no terminal");
	return fd_take(&con->master);
}

void console_close(struct console *con)
{
	watch_remove(&con->listener);
	watch_remove(&con->conn);
	cleanup_fd(&con->listener.fd);
	cleanup_fd(&con->conn.fd);
	cleanup_fd(&con->master);
	con->listener.fd = con->conn.fd = con->master = -1;
	if (con->path[0])
		unlink(con->path);
	con->path[0] = '\0';
}
