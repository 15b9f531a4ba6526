/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the test stand of the fault walk: one world, one runtime,
 * one container name, two bundles (the payload prints its view and ends, or stays
 * for exec, kill, update, delete).  Everything the walk compares with is recorded
 * here before the first fault: the snapshot of the world and, per operation, the
 * view of the container.
 *
 * A container's output goes to a memory file, a terminal's to our console socket.
 * The stand never trusts an exit status: a started program is one whose view
 * arrived, a killed one is one whose process is gone, an update is what the
 * cgroup files say.
 */
#include "tests/faults/stand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/faults/bundle.h"
#include "tests/faults/secdiff.h"
#include "tests/faults/world.h"

#define BIN WORLD_DIR "/bin"
#define STATE WORLD_DIR "/state"
#define PID_FILE WORLD_HARNESS "/pid"
#define RESOURCES WORLD_HARNESS "/resources.json"
#define CONSOLE WORLD_HARNESS "/console"
#define CGROUP "/yard/fw"
#define VIEW_MS 3000

static const char *const operation_names[OP_COUNT] = {
	"create", "start", "exec", "kill", "update", "delete", "delete-force", "run"};

static struct {
	struct stand_options o;
	char id[32];			/* the one container; unique on the machine, because keyrings are the whole machine's */
	const char *runtime;
	int out, err;	      /* memory files: the container's output, the runtime's messages */
	int listener, master; /* terminal variant */
	char tty[65536];
	size_t tty_len;
	struct leak_set before;
	struct leak_scope scope;
	struct stat payload;
	char *golden[OP_COUNT];
	char *argv[16];
} stand;

const char *operation_name(enum operation op)
{
	return operation_names[op];
}

int operation_by_name(const char *name)
{
	for (int i = 0; i < OP_COUNT; i++)
		if (!strcmp(operation_names[i], name))
			return i;
	return -1;
}

const struct stat *stand_payload(void)
{
	return &stand.payload;
}

/* ------------------------------------------------------------- output */

static void memory_clear(int fd)
{
	(void)!ftruncate(fd, 0);
	lseek(fd, 0, SEEK_SET);
}

static char *memory_text(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = calloc(1, (size_t)size + 1);

	if (!text)
		die("out of memory");
	(void)!pread(fd, text, (size_t)size, 0);
	return text;
}

char *stand_messages(void)
{
	return memory_text(stand.err);
}

static void drop_output(void)
{
	memory_clear(stand.out);
	memory_clear(stand.err);
	stand.tty_len = 0;
	if (stand.master >= 0)
		close(stand.master);
	stand.master = -1;
	for (int fd; stand.listener >= 0 && (fd = accept4(stand.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
		close(fd);
}

/* Take the terminal's master if it has arrived, and what it has to say. */
static void drain_terminal(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte[256];
	struct iovec iov = {byte, sizeof byte};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	if (stand.master < 0 && (fd = accept4(stand.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
		if (c && c->cmsg_type == SCM_RIGHTS) {
			memcpy(&stand.master, CMSG_DATA(c), sizeof stand.master);
			fcntl(stand.master, F_SETFL, O_NONBLOCK);
		}
		close(fd);
	}
	while (stand.master >= 0 && stand.tty_len < sizeof stand.tty - 1 &&
		(n = read(stand.master, stand.tty + stand.tty_len, sizeof stand.tty - 1 - stand.tty_len)) > 0)
		stand.tty_len += (size_t)n;
	stand.tty[stand.tty_len] = '\0';
}

static char *current_view(enum operation op)
{
	if (!stand.o.terminal || op == OP_EXEC)
		return memory_text(stand.out);
	drain_terminal();
	return strdup(stand.tty);
}

pid_t stand_init_pid(void)
{
	char *text = read_text(PID_FILE);
	pid_t pid = text ? atoi(text) : 0;

	free(text);
	return pid > 0 && kill(pid, 0) == 0 ? pid : 0;
}

/* The complete view, or NULL when it does not come. */
static char *wait_for_view(enum operation op)
{
	int64_t end = now_ns() + (int64_t)VIEW_MS * 1000000;

	for (;;) {
		bool last = now_ns() > end;
		char *view;

		if (op != OP_EXEC && op != OP_RUN) {
			reap_orphans();
			last = last || !stand_init_pid();
		}
		view = current_view(op);
		if (view_is_complete(view))
			return view;
		free(view);
		if (last)
			return NULL;
		sleep_ms(1);
	}
}

/* ------------------------------------------------------------ commands */

static bool uses_pause(enum operation op)
{
	return op != OP_CREATE && op != OP_START && op != OP_RUN;
}

static struct command make_command(const char *const *args)
{
	struct command c = {.argv = stand.argv, .in = -1, .out = stand.out, .err = stand.err, .limit_ms = HANG_MS};
	int n = 0;

	stand.argv[n++] = (char *)(uintptr_t)stand.runtime;
	stand.argv[n++] = (char *)(uintptr_t) "--root";
	stand.argv[n++] = (char *)(uintptr_t)STATE;
	for (int i = 0; args[i]; i++)
		stand.argv[n++] = (char *)(uintptr_t)args[i];
	stand.argv[n] = NULL;
	return c;
}

static struct command create_command(enum operation op)
{
	const char *bundle = uses_pause(op) ? WORLD_DIR "/bundle-pause" : WORLD_DIR "/bundle-view";
	const char *const plain[] = {"create", "--bundle", bundle, "--pid-file", PID_FILE, stand.id, NULL};
	const char *const tty[] = {
		"create", "--bundle", bundle, "--pid-file", PID_FILE, "--console-socket", CONSOLE, stand.id, NULL};

	return make_command(stand.o.terminal ? tty : plain);
}

struct command stand_command(enum operation op)
{
	const char *const start[] = {"start", stand.id, NULL};
	const char *const exec[] = {"exec", stand.id, "/bin/view", "exec", NULL};
	const char *const kill_it[] = {"kill", stand.id, "KILL", NULL};
	const char *const update[] = {"update", "--resources", RESOURCES, stand.id, NULL};
	const char *const del[] = {"delete", stand.id, NULL};
	const char *const force[] = {"delete", "--force", stand.id, NULL};
	const char *const run[] = {"run", "--bundle", WORLD_DIR "/bundle-view", stand.id, NULL};
	const char *const *const args[OP_COUNT] = {NULL, start, exec, kill_it, update, del, force, run};

	return op == OP_CREATE ? create_command(op) : make_command(args[op]);
}

static struct outcome plain_run(struct command c)
{
	return command_run(&c, true);
}

struct outcome stand_delete(void)
{
	struct outcome o = plain_run(stand_command(OP_DELETE_FORCE));

	/* An open terminal keeps the credentials, and with them the keyring, of who opened it. */
	if (stand.master >= 0)
		close(stand.master);
	stand.master = -1;
	return o;
}

/* Wait until the container's init is gone. */
static bool wait_for_death(void)
{
	for (int i = 0; i < 2000; i++) {
		reap_orphans();
		if (!stand_init_pid())
			return true;
		sleep_ms(1);
	}
	return false;
}

int stand_setup(enum operation op)
{
	struct outcome r;
	char *view;

	drop_output();
	unlink(PID_FILE);
	if (op == OP_CREATE || op == OP_RUN)
		return 0;
	r = plain_run(create_command(op));
	if (r.status || op == OP_START)
		return r.status;
	r = plain_run(stand_command(OP_START));
	if (r.status)
		return r.status;
	view = wait_for_view(op == OP_EXEC ? OP_START : op);
	if (!view)
		return 254;
	free(view);
	if (op == OP_DELETE) {
		r = plain_run(stand_command(OP_KILL));
		if (r.status || !wait_for_death())
			return r.status ? r.status : 253;
	}
	drop_output();
	return 0;
}

/* -------------------------------------------------------------- judging */

/* What the kernel has as limits of the container. */
static char *limits_view(void)
{
	static const char *const files[] = {"/sys/fs/cgroup/memory" CGROUP "/memory.limit_in_bytes",
		"/sys/fs/cgroup/pids" CGROUP "/pids.max", "/sys/fs/cgroup" CGROUP "/memory.max",
		"/sys/fs/cgroup" CGROUP "/pids.max"};
	char *all = strdup("");

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *text = read_text(files[i]), *more;

		if (!text)
			continue;
		more = fmt_text("%s%s: %s", all, files[i], text);
		free(text);
		free(all);
		all = more;
	}
	return all;
}

/* The view that shows whether op did what it said; NULL when it did not. */
static char *effect_of(enum operation op, FILE *out)
{
	struct outcome r;

	switch (op) {
	case OP_CREATE:
		if (!stand_init_pid()) {
			fputs("created, but no process; ", out);
			return NULL;
		}
		r = plain_run(stand_command(OP_START));
		if (r.status) {
			fprintf(out, "late: start says %d; ", r.status);
			return strdup("late");
		}
		return wait_for_view(op);
	case OP_START:
	case OP_EXEC:
	case OP_RUN:
		return wait_for_view(op);
	case OP_KILL:
		return wait_for_death() ? strdup("dead\n") : NULL;
	case OP_UPDATE:
		return limits_view();
	default:
		return strdup("");
	}
}

bool stand_judge_success(enum operation op, int *weaker, FILE *out)
{
	char *view = effect_of(op, out), *normal;

	*weaker = 0;
	if (!view) {
		fputs("success without effect; ", out);
		return false;
	}
	/* A created container whose start fails loudly is closed, not open. */
	if (strcmp(view, "late")) {
		normal = view_normalise(view);
		*weaker = view_diff(stand.golden[op], normal, out);
		free(normal);
	}
	free(view);
	return true;
}

int stand_left(FILE *out)
{
	return leak_settle(&stand.before, &stand.scope, SETTLE_MS, out);
}

int stand_left_now(FILE *out)
{
	return leak_settle(&stand.before, &stand.scope, 0, out);
}

bool stand_reusable(FILE *out)
{
	struct outcome r;
	char *view;
	int left;

	if (stand.o.terminal) {
		/* run would need a terminal of its own */
		if (stand_setup(OP_START))
			return false;
		r = plain_run(stand_command(OP_START));
		view = wait_for_view(OP_START);
		if (r.status == 0)
			r = stand_delete();
	} else {
		stand_setup(OP_RUN);
		r = plain_run(stand_command(OP_RUN));
		view = current_view(OP_RUN);
	}
	left = stand_left(out);
	if (r.status || r.hung || !view_is_complete(view)) {
		char *messages = stand_messages();

		messages[strcspn(messages, "\n")] = '\0';
		fprintf(out, "second use: status %d: %s; ", r.status, messages);
		free(messages);
		left = 1;
	}
	free(view);
	return left == 0;
}

/* --------------------------------------------------------------- restore */

static void undo_line(const char *line)
{
	char path[1024];
	int pid;

	if (sscanf(line, "process %d", &pid) == 1)
		kill(pid, SIGKILL);
	else if (sscanf(line, "mount %1023s", path) == 1)
		umount2(path, MNT_DETACH);
	else if (sscanf(line, "cgroup %1023s", path) == 1)
		rmdir(path);
	else if (sscanf(line, "file %1023s", path) == 1)
		remove_tree(path);
}

void stand_restore(void)
{
	for (int round = 0; round < 6; round++) {
		struct leak_set now;

		reap_orphans();
		leak_snapshot(&now, &stand.scope);
		/* Backwards: children sort after their parents. */
		for (size_t i = now.count, j = stand.before.count; i-- > 0;) {
			int c;

			while (j > 0 && (c = strcmp(stand.before.line[j - 1], now.line[i])) > 0)
				j--;
			if (j == 0 || c != 0)
				undo_line(now.line[i]);
		}
		leak_free(&now);
		sleep_ms(20 * round);
	}
}

/* ---------------------------------------------------------------- set-up */

static void open_listener(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = CONSOLE};

	stand.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (stand.listener < 0 || bind(stand.listener, (struct sockaddr *)&a, sizeof a) < 0 ||
		listen(stand.listener, 8) < 0)
		die("console socket: %s", strerror(errno));
}

static void make_bundles(const char *seccomp)
{
	static const char *const programs[] = {BIN "/view", "view", NULL};
	static const char *const view[] = {"/bin/view", NULL}, *const pause_too[] = {"/bin/view", "pause", NULL};
	struct bundle b = {.dir = WORLD_DIR "/bundle-view",
		.cgroup = CGROUP,
		.programs = programs,
		.args = view,
		.seccomp = seccomp,
		.memory_limit = 64 << 20,
		.rich = true,
		.hook = BIN "/noop",
		.user_namespace = stand.o.user_namespace,
		.terminal = stand.o.terminal,
		.v2 = world_is_v2(),
		.volume = WORLD_DIR "/volume"};

	bundle_write(&b);
	if (stat(WORLD_DIR "/bundle-view/rootfs/bin/view", &stand.payload) < 0)
		die("no payload");
	b.dir = WORLD_DIR "/bundle-pause";
	b.args = pause_too;
	bundle_write(&b);
	/* One inode for both, so that the tracer knows the payload. */
	unlink(WORLD_DIR "/bundle-pause/rootfs/bin/view");
	if (link(WORLD_DIR "/bundle-view/rootfs/bin/view", WORLD_DIR "/bundle-pause/rootfs/bin/view") < 0)
		die("link: %s", strerror(errno));
	write_text(RESOURCES, "{\"memory\":{\"limit\":50331648},\"pids\":{\"limit\":32}}");
}

/* One fault-free pass of op; its normalised view. */
static char *golden_pass(enum operation op)
{
	char *view, *normal, *messages;
	struct outcome r = {0};
	int status = 0;

	/* Again when it fails: crun 1.8 loses a race now and then on a busy machine. */
	for (int tries = 0; tries < 4; tries++) {
		status = stand_setup(op);
		if (!status)
			r = plain_run(stand_command(op));
		if (!status && !r.status)
			break;
		fprintf(stderr, "# %s without faults: status %d\n", operation_names[op], status ? status : r.status);
		if (tries < 3)
			stand_delete();
	}
	if (status || r.status) {
		messages = stand_messages();
		die("%s without faults: status %d: %s", operation_names[op], status ? status : r.status, messages);
	}
	view = effect_of(op, stderr);
	if (!view)
		die("%s without faults: the container's view did not arrive", operation_names[op]);
	normal = view_normalise(view);
	free(view);
	stand_delete();
	return normal;
}

/* The kernel collects the first pass's keyrings late. */
static void wait_for_keys(void)
{
	const struct leak_scope keys = {.class = "key", .match = stand.id};
	struct leak_set none = {0};

	if (leak_settle(&none, &keys, 10000, stderr))
		die("keyrings of the first pass stay");
}

static void record_golden(void)
{
	/* The first pass also makes directories and caches that stay on purpose. */
	free(golden_pass(stand.o.terminal ? OP_CREATE : OP_RUN));
	wait_for_keys();
	leak_snapshot(&stand.before, &stand.scope);
	for (enum operation op = 0; op < OP_COUNT; op++) {
		char *again;

		if (!(stand.o.ops & 1u << op) || (stand.o.terminal && op == OP_RUN))
			continue;
		stand.golden[op] = golden_pass(op);
		again = golden_pass(op);
		if (view_diff(stand.golden[op], again, stderr))
			die("%s: two views without faults differ", operation_names[op]);
		free(again);
	}
	if (stand_left(stderr))
		die("the fault-free passes leave something behind");
}

void stand_open(const struct stand_options *o)
{
	struct world_options w = {.isolate = true, .hybrid = o->hybrid};
	char *view = fmt_text("%s/view", o->tools), *noop = fmt_text("%s/../bench/noop", o->tools);
	char *seccomp = o->seccomp ? read_text(o->seccomp) : NULL;
	int programs[2] = {open(o->runtime, O_PATH | O_CLOEXEC), o->golden ? open(o->golden, O_PATH | O_CLOEXEC) : -1};
	int tool_fds[2] = {open(view, O_PATH | O_CLOEXEC), open(noop, O_PATH | O_CLOEXEC)};
	static const char *const copies[] = {BIN "/runtime", BIN "/golden", BIN "/view", BIN "/noop"};

	stand.o = *o;
	snprintf(stand.id, sizeof stand.id, "yardfw%d", (int)getpid());
	if (programs[0] < 0 || tool_fds[0] < 0 || tool_fds[1] < 0)
		die("%s: %s", programs[0] < 0 ? o->runtime : o->tools, strerror(errno));
	if (o->seccomp && !seccomp)
		die("%s: %s", o->seccomp, strerror(errno));
	world_enter(&w);
	make_dirs(BIN);
	make_dirs(STATE);
	make_dirs(WORLD_DIR "/volume");
	for (int i = 0; i < 4; i++) {
		char *from = fmt_text("/proc/self/fd/%d", i < 2 ? programs[i] : tool_fds[i - 2]);

		if ((i < 2 ? programs[i] : tool_fds[i - 2]) >= 0)
			copy_file(from, copies[i]);
		free(from);
	}
	stand.out = memfd_create("container", MFD_CLOEXEC);
	stand.err = memfd_create("messages", MFD_CLOEXEC);
	stand.master = stand.listener = -1;
	open_listener();
	make_bundles(seccomp);
	stand.scope.hierarchies = world_hierarchies();
	stand.scope.key_match = stand.id;
	stand.runtime = o->golden ? copies[1] : copies[0];
	if (o->golden)
		setenv("REAL", copies[1], 1); /* for broken-runtime: the original may be hidden here */
	record_golden();
	stand.runtime = copies[0];
	free(view);
	free(noop);
	free(seccomp);
}
