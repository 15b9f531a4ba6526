/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: sd_notify(3) for the program in the container.
 *
 * When the runtime has NOTIFY_SOCKET, a service manager waits for READY=1.  The
 * manager's socket itself must not be visible inside: who can write to it may
 * also tell the manager which process to watch.  So the container gets a socket
 * of ours, and of what arrives there only READY=1 goes on.
 *
 *   STAGE_HOST       bind a datagram socket in the state directory
 *   STAGE_MOUNT      mount it on /run/notify/notify.sock, NOTIFY_SOCKET in the environment names it
 *   then who listens depends on who stays:
 *     run            a thread, to the end of the container: managers believe the main process first of all;
 *                    `run` waits for it, or the last word of a short program would be lost
 *     run --detach   the runtime waits for READY=1, says which process to watch now, and ends
 *     create         a process that stays for READY=1 or the end of the container
 *
 * A configuration that has NOTIFY_SOCKET in its own environment is left alone:
 * then the engine does all this.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/facility/facility.h"
#include "runtime/mount/fs.h"

#define SOCKET_NAME "notify" /* in the state directory; state_remove() knows it */
#define SOCKET_IN_CONTAINER "/run/notify/notify.sock"
#define VARIABLE "NOTIFY_SOCKET="
#define DATAGRAM_MAX 16384

struct notify {
	struct sockaddr_un manager;
	socklen_t manager_len;
	int sock; /* bound, host side */
	int tree; /* detached mount of the socket, when the host side opens sources */
	/* Of the listener. */
	int pidfd;
	pid_t pid;
	bool name_process; /* tell the manager to watch the container's process */
	bool once;
};

/* --- forwarding ---------------------------------------------------------------- */

static void tell(const struct notify *n, const char *text)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = 5 };

	/* A manager that is gone is its own problem, and so is one that does not read. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0)
		sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->manager, n->manager_len);
}

static bool says_ready(char *text)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")))
		if (strcmp(line, "READY=1") == 0)
			return true;
	return false;
}

/* Take what has arrived; true when the container said that it is ready. */
static bool take(const struct notify *n)
{
	char buf[DATAGRAM_MAX + 1];
	bool ready = false;
	ssize_t got;

	/* Descriptors that came along are closed by the kernel: there is no room for them. */
	while ((got = recv(n->sock, buf, sizeof buf - 1, MSG_DONTWAIT)) >= 0) {
		buf[got] = '\0';
		ready = ready || says_ready(buf);
	}
	return ready;
}

static void forward(const struct notify *n)
{
	struct pollfd p[] = {{.fd = n->sock, .events = POLLIN}, {.fd = n->pidfd, .events = POLLIN}};
	char text[64] = "READY=1";

	if (n->name_process)
		snprintf(text, sizeof text, "READY=1\nMAINPID=%d", n->pid);
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (take(n)) {
			tell(n, text);
			if (n->once)
				return;
		}
		if (p[1].revents)
			return;
	}
}

static void *forward_thread(void *data)
{
	forward(data);
	return NULL;
}

/* A process of its own, which nobody waits for: no descriptors, terminal or directory of the caller's. */
static void forward_alone(struct notify *n) __attribute__((noreturn));
static void forward_alone(struct notify *n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[2] = {fcntl(n->sock, F_DUPFD_CLOEXEC, 10), fcntl(n->pidfd, F_DUPFD_CLOEXEC, 10)};

	if (null < 0 || fds[0] < 0 || fds[1] < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	n->sock = dup2(fds[0], 3);
	n->pidfd = dup2(fds[1], 4);
	close_range(5, ~0U, 0);
	setsid();
	if (chdir("/") < 0)
		_exit(1);
	forward(n);
	_exit(0);
}

static int listen_in_thread(struct container *c, const struct step *s, struct error *err)
{
	/* The thread may still run when the arena is given back at the program's end. */
	static struct notify lasting;
	struct notify *n = (struct notify *)s->data;
	sigset_t all, old;
	int r;

	n->pidfd = c->pidfd;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	lasting = *n;
	r = pthread_create(&c->notify_thread, NULL, forward_thread, &lasting);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r > 0)
		return error_sys(err, r, "make the thread that listens on the notify socket");
	c->notify_listens = true;
	return 0;
}

static int listen_here(struct container *c, const struct step *s, struct error *err)
{
	struct notify *n = (struct notify *)s->data;

	(void)err;
	n->pidfd = c->pidfd;
	n->pid = c->pid;
	n->name_process = n->once = true;
	forward(n);
	close(n->sock);
	return 0;
}

static int listen_in_process(struct container *c, const struct step *s, struct error *err)
{
	struct notify *n = (struct notify *)s->data;
	pid_t pid;

	n->pidfd = c->pidfd;
	n->pid = c->pid;
	n->name_process = n->once = true;
	pid = fork();
	if (pid < 0)
		return error_sys(err, errno, "make the process that listens on the notify socket");
	if (pid == 0)
		forward_alone(n);
	close(n->sock);
	return 0;
}

/* --- the socket ---------------------------------------------------------------- */

static int bind_socket(struct container *c, const struct step *s, struct error *err)
{
	struct notify *n = (struct notify *)s->data;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_fd_ int fd = -1;

	n->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->sock < 0)
		return error_sys(err, errno, "make the notify socket");
	/* The state directory's own path may be longer than an address. */
	snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" SOCKET_NAME, c->state_fd);
	if (bind(n->sock, (const struct sockaddr *)&addr, sizeof addr) < 0)
		return error_sys(err, errno, "bind the notify socket in the state directory");
	/* Any user of the container may be ready; others cannot reach the directory. */
	if (fchmodat(c->state_fd, SOCKET_NAME, 0777, 0) < 0)
		return error_sys(err, errno, "open up the notify socket");
	if (!c->host_opens)
		return 0;
	fd = openat(c->state_fd, SOCKET_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open the notify socket");
	n->tree = mount_clone(fd, false, SOCKET_NAME, err);
	return n->tree < 0 ? n->tree : 0;
}

static int clone_socket(const struct container *c, struct error *err)
{
	const char *path = arena_printf(c->arena, "%s/%s/" SOCKET_NAME, c->rt->root, c->id);
	_cleanup_fd_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "open the notify socket %s", path);
	return mount_clone(fd, false, path, err);
}

/* NOTIFY_SOCKET last, and room for one more entry. */
static void set_environment(struct container *c)
{
	const char **env;
	size_t n = 0;

	while (c->envp && c->envp[n])
		n++;
	env = arena_array(c->arena, const char *, n + 3);
	if (n)
		memcpy(env, c->envp, n * sizeof *env);
	env[n] = VARIABLE SOCKET_IN_CONTAINER;
	c->envp = env;
}

static int mount_socket(struct container *c, const struct step *s, struct error *err)
{
	struct notify *n = (struct notify *)s->data;
	_cleanup_fd_ int tree = fd_take(&n->tree), target = -1;
	int r;

	if (tree < 0)
		tree = clone_socket(c, err);
	if (tree < 0)
		return tree;
	r = mount_set(tree, false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0,
		MS_PRIVATE);
	if (r < 0)
		return error_sys(err, -r, "restrict the mount of the notify socket");
	target = path_mkfile_in_root(c->root_fd, SOCKET_IN_CONTAINER, 0644, 0755);
	if (target < 0)
		return error_sys(err, -target, "make " SOCKET_IN_CONTAINER);
	r = mount_attach(tree, target, SOCKET_IN_CONTAINER, err);
	if (r == 0)
		set_environment(c);
	return r;
}

/* --- plan ---------------------------------------------------------------------- */

/* "/path" or "@abstract"; anything else is not for us. */
static bool parse_address(const char *text, struct notify *n)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof n->manager.sun_path)
		return false;
	n->manager.sun_family = AF_UNIX;
	memcpy(n->manager.sun_path, text, len);
	n->manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (text[0] == '@')
		n->manager.sun_path[0] = '\0';
	else
		n->manager_len++;
	return true;
}

static bool has_own(const struct config_process *p)
{
	for (size_t i = 0; i < p->env_count; i++)
		if (strncmp(p->env[i], VARIABLE, strlen(VARIABLE)) == 0)
			return true;
	return false;
}

int notify_plan(struct container *c, struct error *err)
{
	const char *address = getenv("NOTIFY_SOCKET");
	struct plan *p = &c->plan;
	struct notify *n;
	struct step *s;

	(void)err;
	if (!address || !c->process || has_own(c->process))
		return 0;
	n = arena_new(c->arena, struct notify);
	if (!parse_address(address, n))
		return 0;
	n->sock = n->tree = n->pidfd = -1;
	s = plan_add(p, STAGE_HOST, "notify", NULL, bind_socket, n);
	step_text(p, s, "make a socket for the container's readiness");
	s = plan_add(p, STAGE_MOUNT, "notify", NULL, mount_socket, n);
	step_text(p, s, "mount it on %s", SOCKET_IN_CONTAINER);
	if (c->mode == CONTAINER_CREATE || c->mode == CONTAINER_EXPLAIN) {
		s = plan_add(p, STAGE_VERIFY, "notify", NULL, listen_in_process, n);
		step_text(p, s, "leave a process that forwards READY=1 to the service manager");
	} else if (c->options.detach) {
		s = plan_add(p, STAGE_POSTSTART, "notify", NULL, listen_here, n);
		step_text(p, s, "wait for READY=1 and forward it");
	} else {
		s = plan_add(p, STAGE_POSTSTART, "notify", NULL, listen_in_thread, n);
		step_text(p, s, "forward READY=1 to the service manager");
	}
	return 0;
}
