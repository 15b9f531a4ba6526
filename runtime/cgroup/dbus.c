/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: systemd is spoken to by a helper process.
 *
 * sd-bus comes in a shared library, and a program that is linked statically can
 * load none.  So the calls of dbus.h are messages (runtime/systemd/wire.h) to the
 * helper, a small dynamic program whose bytes are part of this one
 * (runtime/systemd/blob.S): it runs from a memory file, so there is one file to
 * install and nothing to find.  Only containers under the systemd manager pay for it.
 *
 * The helper lives as long as the handle and dies with its socket, or with the
 * thread that opened the handle.  It keeps the identity and the namespaces of the
 * moment it was started, which is what systemd is to see.
 */
#include "runtime/cgroup/dbus.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/systemd/wire.h"

struct dbus {
	struct arena arena;
	int fd;
	pid_t pid;
};

#ifdef HAVE_SYSTEMD
extern const char systemd_helper_begin[], systemd_helper_end[];
extern char **environ;

static void __attribute__((noreturn)) helper(int program, int sock, pid_t parent)
{
	static char *const argv[] = { (char *)"oci-rt-systemd", NULL };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(sock, 0) < 0)
		_exit(127);
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd_cloexec_from(3) == 0)
		syscall(SYS_execveat, program, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

static int start_helper(struct dbus *d, struct error *err)
{
	_cleanup_fd_ int program = fd_memory_program("oci-rt-systemd", systemd_helper_begin,
		(size_t)(systemd_helper_end - systemd_helper_begin), err);
	int pair[2];
	pid_t parent = getpid();

	if (program < 0)
		return program;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_sys(err, errno, "make a socket to the systemd helper");
	d->pid = fork();
	if (d->pid == 0)
		helper(program, pair[1], parent);
	close(pair[1]);
	d->fd = pair[0];
	return d->pid < 0 ? error_sys(err, errno, "start the systemd helper") : 0;
}
#endif

/* Send a request and read the reply: its text, if wanted, belongs to the handle's arena. */
static int ask(struct dbus *d, const struct wire *request, const char **text, struct error *err)
{
	struct wire reply = { .arena = &d->arena };
	const char *got;
	const void *e;
	size_t len;
	int r = wire_send(d->fd, request), result;

	if (r == 0)
		r = wire_receive(d->fd, &reply);
	if (r <= 0)
		return error_sys(err, r == 0 || r == -EPIPE ? ECONNRESET : -r, "talk to the systemd helper");
	result = -(int)wire_get_u64(&reply);
	got = wire_get_text(&reply);
	e = wire_get_bytes(&reply, &len);
	if (reply.bad || len != sizeof *err)
		return error_set(err, ERR_SYSTEM, EBADMSG, "the systemd helper's reply cannot be read");
	if (result < 0 && err)
		memcpy(err, e, sizeof *err);
	if (result == 0 && text)
		*text = got;
	return result;
}

static struct wire request(struct dbus *d, enum wire_request kind, const char *unit)
{
	struct wire w = { .arena = &d->arena };

	wire_put_u64(&w, kind);
	if (unit)
		wire_put_text(&w, unit);
	return w;
}

int dbus_open(bool user, struct dbus **out, struct error *err)
{
#ifndef HAVE_SYSTEMD
	(void)user;
	(void)out;
	return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "this oci-rt was built without the systemd cgroup manager");
#else
	struct dbus *d = calloc(1, sizeof *d);
	struct wire w;
	int r;

	if (!d)
		return error_sys(err, ENOMEM, "connect to systemd");
	d->fd = -1;
	r = start_helper(d, err);
	if (r == 0) {
		w = request(d, WIRE_OPEN, NULL);
		wire_put_u64(&w, user);
		r = ask(d, &w, NULL, err);
	}
	if (r < 0)
		dbus_close(d);
	else
		*out = d;
	return r;
#endif
}

void dbus_close(struct dbus *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	/* In a child of the process that opened it there is nothing to wait for. */
	if (d->pid > 0)
		while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
			;
	arena_free(&d->arena);
	free(d);
}

int dbus_start_transient(struct dbus *d, const char *unit, struct property_list *list, struct error *err)
{
	struct wire w = request(d, WIRE_START, unit);

	wire_put_properties(&w, list);
	return ask(d, &w, NULL, err);
}

int dbus_set_properties(struct dbus *d, const char *unit, struct property_list *list, struct error *err)
{
	struct wire w = request(d, WIRE_SET, unit);

	wire_put_properties(&w, list);
	return ask(d, &w, NULL, err);
}

int dbus_stop(struct dbus *d, const char *unit, struct error *err)
{
	struct wire w = request(d, WIRE_STOP, unit);

	return ask(d, &w, NULL, err);
}

int dbus_reset_failed(struct dbus *d, const char *unit, struct error *err)
{
	struct wire w = request(d, WIRE_RESET, unit);

	return ask(d, &w, NULL, err);
}

int dbus_attach(struct dbus *d, const char *unit, pid_t pid, struct error *err)
{
	struct wire w = request(d, WIRE_ATTACH, unit);

	wire_put_u64(&w, (uint64_t)pid);
	return ask(d, &w, NULL, err);
}

int dbus_control_group(struct dbus *d, const char *unit, struct arena *a, const char **path, struct error *err)
{
	struct wire w = request(d, WIRE_CONTROL_GROUP, unit);
	const char *text = NULL;
	int r = ask(d, &w, &text, err);

	if (r == 0)
		*path = arena_strdup(a, text ? text : "");
	return r;
}
