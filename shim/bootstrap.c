/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: `start` runs in the bundle of a container.  Containers of
 * one group (a pod) share a server: the socket's name is a hash of the group,
 * so whoever binds it first is the server's maker, and everybody else finds it
 * bound, connects once to see that it lives, and prints the same address.
 *
 * The server is this program again, executed anew (so that it begins with clean
 * memory), with the listening socket as descriptor 3.  The caller reads our
 * output until its end, so the server must hold neither stdout nor stderr, and
 * nothing but the address may be printed.
 */
#include "shim/bootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "shim/cgroup.h"
#include "shim/options.h"
#include "shim/sha256.h"
#include "shim/spec.h"
#include "specs/task/bootstrap.pb-c.h"

#define SOCKET_DIR "/run/containerd/s"
#define SUN_PATH_USED 106

/* Append the components of one more path, as Go's filepath.Join does: "." and empty ones go, ".." goes up. */
static void join(char *out, size_t size, const char *more)
{
	while (*more) {
		size_t n = strcspn(more, "/");
		size_t len = strlen(out);

		if (n == 2 && more[0] == '.' && more[1] == '.') {
			char *slash = strrchr(out, '/');

			if (slash)
				*slash = '\0';
		} else if (n && !(n == 1 && more[0] == '.')) {
			snprintf(out + len, size - len, "%s%.*s", len ? "/" : "", (int)n, more);
		}
		more += n;
		while (*more == '/')
			more++;
	}
}

const char *bootstrap_socket_path(
	struct arena *a, const char *dir, const char *address, const char *namespace_name, const char *key)
{
	char joined[2 * PATH_MAX] = "", hex[65];
	const char *parts[] = {address, namespace_name, key};
	const char *text;

	for (int i = 0; i < 3; i++)
		join(joined, sizeof joined, parts[i]);
	text = address[0] == '/' ? arena_printf(a, "/%s", joined) : joined;
	sha256_hex(text, strlen(text), hex);
	return arena_printf(a, "%s/%s", dir, hex);
}

static int make_directory(const char *path, struct arena *a, struct error *err)
{
	char *copy = arena_strdup(a, path);

	for (char *p = copy + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (mkdir(copy, 0711) < 0 && errno != EEXIST)
			return error_sys(err, errno, "make directory %s", copy);
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_sys(err, errno, "make directory %s", path);
	return 0;
}

static bool alive(const struct sockaddr_un *addr)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* EAGAIN: its backlog is full, so there is somebody. */
	return fd >= 0 && (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 || errno == EAGAIN);
}

/* Bind and listen: the descriptor; -EADDRINUSE when a living server has it. */
static int bind_socket(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t old;
	int r;

	if (fd < 0)
		return error_sys(err, errno, "make a socket");
	if (strlen(path) > SUN_PATH_USED)
		return error_set(err, ERR_SYSTEM, ENAMETOOLONG, "socket path %s is too long", path);
	strcpy(addr.sun_path, path);
	for (int attempt = 0;; attempt++) {
		old = umask(0177);
		r = bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
		umask(old);
		if (r == 0)
			break;
		if (r != -EADDRINUSE)
			return error_sys(err, -r, "bind socket %s", path);
		if (alive(&addr))
			return -EADDRINUSE;
		if (attempt > 0)
			return error_sys(err, EADDRINUSE, "bind socket %s", path);
		unlink(path);
	}
	if (listen(fd, 128) < 0)
		return error_sys(err, errno, "listen on %s", path);
	return fd_take(&fd);
}

static int read_score(const char *path, int *score)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[16] = "";

	if (fd < 0 || read(fd, buf, sizeof buf - 1) <= 0)
		return -EIO;
	*score = atoi(buf);
	return 0;
}

/* The server should go before containerd when memory is short: containerd's score plus one. */
static void adjust_oom_score(pid_t pid)
{
	char path[64], text[16];
	int parent, own;

	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", getppid());
	if (read_score(path, &parent) < 0 || read_score("/proc/self/oom_score_adj", &own) < 0)
		return;
	parent = parent >= 1000 ? 1000 : parent + 1;
	if (parent == own)
		return;
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
	snprintf(text, sizeof text, "%d", parent);
	(void)fd_write_file(AT_FDCWD, path, text);
}

static void __attribute__((noreturn))
become_server(const struct flags *f, const struct bootstrap_input *in, int sock, int starter)
{
	const char *argv[16];
	sigset_t none;
	int n = 0, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	argv[n++] = SHIM_NAME;
	argv[n++] = "-namespace";
	argv[n++] = f->namespace_name;
	argv[n++] = "-id";
	argv[n++] = f->id;
	argv[n++] = "-address";
	argv[n++] = f->address;
	if (f->publish_binary && *f->publish_binary) {
		argv[n++] = "-publish-binary";
		argv[n++] = f->publish_binary;
	}
	if (f->debug || in->log_level <= -4)
		argv[n++] = "-debug";
	argv[n] = NULL;
	if (*in->ttrpc_address)
		setenv("TTRPC_ADDRESS", in->ttrpc_address, 1);
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	if (sock == 3)
		fcntl(3, F_SETFD, 0);
	else if (dup2(sock, 3) < 0)
		_exit(127);
	if (dup2(starter, SERVER_STARTER_FD) < 0)
		_exit(127);
	setenv(SERVER_STARTER_ENV, "", 1);
	fd_cloexec_from(SERVER_STARTER_FD + 1);
	execv("/proc/self/exe", (char *const *)argv);
	_exit(127);
}

/* *told: a byte written here says that the address has been printed; closed without one, the server ends again, because
 * nobody can know of it. */
static int spawn_server(const struct flags *f, const struct bootstrap_input *in, const struct options *o, int sock,
	int *told, struct error *err)
{
	const char *core = getenv("SCHED_CORE");
	_cleanup_fd_ int starter = -1;
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make a pipe for the server");
	*told = p[1];
	/* out of the way of the numbers that the server expects */
	starter = fcntl(p[0], F_DUPFD_CLOEXEC, 16);
	close(p[0]);
	if (starter < 0)
		return error_sys(err, errno, "make a pipe for the server");

	/* Core scheduling: the server and with it all its containers share a cookie of their own. */
	if (core && *core && prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_PROCESS_GROUP, 0) < 0)
		return error_sys(err, errno, "create a core scheduling domain");
	pid = fork();
	if (pid < 0)
		return error_sys(err, errno, "start the server");
	if (pid == 0)
		become_server(f, in, sock, starter);
	if (*o->shim_cgroup) {
		int r = cgroup_join(o->shim_cgroup, pid, err);

		if (r < 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return r;
		}
	}
	adjust_oom_score(pid);
	return 0;
}

static int print_address(const char *address, enum bootstrap_form form, struct arena *a, struct error *err)
{
	Bootstrap__Result result = BOOTSTRAP__RESULT__INIT;
	const char *text = address;
	size_t len = strlen(address);
	uint8_t *packed;
	int r;

	if (form == FORM_JSON) {
		text = arena_printf(a, "{\"version\":2,\"address\":\"%s\",\"protocol\":\"ttrpc\"}", address);
		len = strlen(text);
	} else if (form == FORM_PROTOBUF) {
		result.version = 3;
		result.address = (char *)address;
		result.protocol = (char *)"ttrpc";
		len = bootstrap__result__get_packed_size(&result);
		packed = arena_alloc(a, len);
		bootstrap__result__pack(&result, packed);
		text = (const char *)packed;
	}
	r = fd_write_all(STDOUT_FILENO, text, len);
	return r < 0 ? error_sys(err, -r, "print the address") : 0;
}

/* Nothing tells 1.7 from 2.2, and a plain address is understood by all: the other forms are asked for by name. */
static enum bootstrap_form choose_form(const struct bootstrap_input *in)
{
	const char *wish = getenv("OCI_RT_SHIM_BOOTSTRAP");

	if (wish && strcmp(wish, "json") == 0)
		return FORM_JSON;
	if (wish && strcmp(wish, "protobuf") == 0 && in->params)
		return FORM_PROTOBUF;
	return FORM_PLAIN;
}

int bootstrap_start(const struct flags *flags, struct error *err)
{
	__attribute__((cleanup(cleanup_arena))) struct arena a = ARENA_INIT;
	_cleanup_fd_ int sock = -1, told = -1;
	struct flags f = *flags;
	struct bootstrap_input in;
	struct options o;
	struct spec spec;
	const char *dir, *path, *address;
	int r;

	options_init(&o);
	r = bootstrap_input_read(f.id, &a, &in, err);
	if (r == 0)
		r = options_from_any(&o, in.options_type, in.options, in.options_len, &a, err);
	if (r < 0)
		return r;
	if (!*f.namespace_name && *in.namespace_name)
		f.namespace_name = in.namespace_name;
	if (!*f.address && *in.grpc_address)
		f.address = in.grpc_address;
	if (!*f.publish_binary && *in.binary)
		f.publish_binary = in.binary;
	if (!*f.namespace_name || !*f.id)
		return error_set(err, ERR_USAGE, EINVAL, "-namespace and -id are required");
	dir = *in.socket_dir ? in.socket_dir : SOCKET_DIR;
	/* Outside a bundle (or with a config the runtime will refuse) a container is a group of its own. */
	if (spec_read(".", &a, &spec, NULL) < 0)
		spec.group = "";
	path = bootstrap_socket_path(&a, dir, f.address, f.namespace_name, *spec.group ? spec.group : f.id);
	address = arena_printf(&a, "unix://%s", path);
	r = make_directory(dir, &a, err);
	if (r < 0)
		return r;
	sock = bind_socket(path, err);
	if (sock < 0 && sock != -EADDRINUSE)
		return sock;
	/* containerd 1.6 and 1.7 find a shim again by this file only. */
	r = fd_replace_file(AT_FDCWD, "address", address, strlen(address), 0600);
	if (r < 0)
		error_sys(err, -r, "write the file address");
	if (r == 0 && sock >= 0)
		r = spawn_server(&f, &in, &o, sock, &told, err);
	if (r < 0) {
		if (sock >= 0)
			unlink(path);
		return r;
	}
	r = print_address(address, choose_form(&in), &a, err);
	if (r == 0 && told >= 0)
		(void)!write(told, "k", 1);
	return r;
}
