/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the container side, from the clone to execve.
 *
 * Everything that needs thought was done before the clone; here stages run one
 * after the other.  An error before "created" goes to the host side over the
 * socket, later ones to whoever starts the container over the proof pipe.
 *
 * We must not outlive a host side that dies before the container is recorded:
 * the kernel kills us at its death as long as our credentials do not change,
 * and every wait for it ends with end of file.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/procfs.h"
#include "runtime/plan/create.h"
#include "runtime/plan/sync.h"

/* The program starts with default dispositions and nothing blocked, whatever our caller ignored. */
static int reset_signals(struct error *err)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		/* The C library keeps two for itself. */
		if (sig != SIGKILL && sig != SIGSTOP && !(sig > 31 && sig < SIGRTMIN) && sigaction(sig, &dfl, NULL) < 0)
			return error_sys(err, errno, "reset signal %d", sig);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return error_sys(err, errno, "unblock the signals");
	return 0;
}

static void end(int sig)
{
	_exit(128 + sig);
}

/*
 * A created container can be killed by more than SIGKILL: the kernel takes no signal for a first process of a PID
 * namespace that has no handler.  execve resets them.
 */
static int die_of_signals(struct error *err)
{
	static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2 };
	struct sigaction action = { .sa_handler = end };

	for (size_t i = 0; getpid() == 1 && i < sizeof fatal / sizeof *fatal; i++)
		if (sigaction(fatal[i], &action, NULL) < 0)
			return error_sys(err, errno, "handle signal %d", fatal[i]);
	return 0;
}

static int set_up(struct container *c, struct error *err)
{
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_sys(err, errno, "ask to die with the runtime");
	r = reset_signals(err);
	umask(0);
	if (r == 0 && plan_has(&c->plan, STAGE_MAP))
		r = sync_expect(c->sync_fd, SYNC_MAPPED, err);
	if (r == 0)
		r = plan_run(c, STAGE_JOIN, STAGE_DEVICE, err);
	if (r == 0 && plan_has(&c->plan, STAGE_RUNTIME_HOOK)) {
		r = sync_send(c->sync_fd, SYNC_HOOKS, err);
		if (r == 0)
			r = sync_expect(c->sync_fd, SYNC_HOOKED, err);
	}
	/* The set-up's memory is not the container's: where no hook has to be in the cgroup, it is entered late; but before
	 * the scheduler is set, which the cpu controller has a say in. */
	if (r == 0 && plan_has(&c->plan, STAGE_CONTAINER_HOOK))
		r = plan_run_stage(c, STAGE_CGROUP, err);
	if (r == 0)
		r = plan_run(c, STAGE_CONTAINER_HOOK, STAGE_SETTLE, err);
	if (r == 0 && !plan_has(&c->plan, STAGE_CONTAINER_HOOK))
		r = plan_run_stage(c, STAGE_CGROUP, err);
	if (r == 0)
		r = plan_run(c, STAGE_LIMIT, STAGE_IDENTITY, err);
	/* Before the filter, which may forbid prctl().  The name is what container_proof() looks at; from here on the socket
	 * alone tells us that the runtime died: its end must not kill a recorded container. */
	if (r == 0 && prctl(PR_SET_NAME, PROOF_NAME) < 0)
		r = error_sys(err, errno, "name the process");
	if (r == 0 && prctl(PR_SET_PDEATHSIG, 0) < 0)
		r = error_sys(err, errno, "outlive the runtime");
	if (r == 0)
		r = die_of_signals(err);
	if (r == 0)
		r = plan_run_stage(c, STAGE_SECCOMP, err);
	/* While it waits nothing of the host is open but the pipes it waits on.  A filter may forbid close(): then the
	 * descriptor stays until execve. */
	if (r == 0) {
		close(c->proc_fd);
		c->proc_fd = -1;
	}
	if (r == 0)
		r = sync_send(c->sync_fd, SYNC_READY, err);
	return r;
}

/* Wait until we may execute.  Only read(): the container's filter may be in force. */
static int wait_for_start(struct container *c, struct error *err)
{
	int r = sync_receive(c->sync_fd, err);
	char byte;

	if (r < 0)
		return r;
	if (r == SYNC_START)
		return 0;
	if (r != SYNC_CREATED)
		return error_set(err, ERR_SYSTEM, EPROTO, "unexpected message '%c' from the runtime", r);
	close(c->sync_fd);
	c->sync_fd = -1;
	while ((r = (int)read(c->start_fd, &byte, 1)) != 1) {
		if (r < 0 && errno == EINTR)
			continue;
		return error_sys(err, r < 0 ? errno : EPIPE, "wait for start");
	}
	return 0;
}

struct report {
	char what;
	struct error err;
} __attribute__((packed));

static void report_failure(const struct container *c, const struct error *err)
{
	struct report report = { .what = PROOF_ERROR, .err = *err };

	fd_write_all(c->proof_fd, &report, sizeof report);
}

/* Ends in execve and returns only with an error. */
static void launch(struct container *c)
{
	struct error err = { 0 };

	if (plan_run_stage(c, STAGE_LAUNCH, &err) == 0)
		error_set(&err, ERR_SYSTEM, EINVAL, "the plan has no step that executes the program");
	report_failure(c, &err);
}

void container_init(struct container *c)
{
	struct error err = { 0 };
	int r;

	/* The lock belongs to the open file, which we share until we close it. */
	close(c->state_fd);
	c->state_fd = -1;
	r = set_up(c, &err);
	if (r < 0)
		sync_send_error(c->sync_fd, &err);
	else if (wait_for_start(c, &err) == 0)
		launch(c);
	_exit(1);
}

static bool needs_proc(const struct container *c)
{
	return c->process->oom_score_adj.set || c->process->apparmor_profile || c->process->selinux_label;
}

/* exec: nobody verifies and nobody waits; every error goes over the proof pipe. */
void container_init_exec(struct container *c)
{
	struct error err = { 0 };
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = error_sys(&err, errno, "ask to die with the runtime");
	if (r == 0)
		r = reset_signals(&err);
	umask(0);
	if (r == 0 && plan_has(&c->plan, STAGE_MAP))
		r = sync_expect(c->sync_fd, SYNC_MAPPED, &err);
	if (r == 0 && c->proc_fd < 0 && needs_proc(c)) {
		c->proc_fd = proc_open_private(&err);
		r = c->proc_fd < 0 ? c->proc_fd : 0;
	}
	/* The stages of the cgroup were the intermediate process's. */
	if (r == 0)
		r = plan_run(c, STAGE_JOIN, STAGE_JOIN, &err);
	if (r == 0)
		r = plan_run(c, STAGE_NETWORK, STAGE_RUNTIME_HOOK - 1, &err);
	if (r == 0)
		r = plan_run(c, STAGE_CONTAINER_HOOK, STAGE_IDENTITY, &err);
	if (r == 0 && prctl(PR_SET_NAME, PROOF_NAME) < 0)
		r = error_sys(&err, errno, "name the process");
	if (r == 0 && prctl(PR_SET_PDEATHSIG, 0) < 0)
		r = error_sys(&err, errno, "outlive the runtime");
	if (r == 0)
		r = plan_run_stage(c, STAGE_SECCOMP, &err);
	if (r == 0)
		launch(c);
	else
		report_failure(c, &err);
	_exit(1);
}
