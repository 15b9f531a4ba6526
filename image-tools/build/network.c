/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: --network=default is one network namespace for all RUNs of a
 * build, behind the bridge that "unpack --net bridge" uses.  It is made when the first
 * RUN wants it: a process that does nothing holds it while the plugins furnish it.  Where
 * there are no plugins, or only a user's own privileges, it is the host's network; that
 * is said once.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image-tools/build/internal.h"

static bool plugins_available(void)
{
	const char *env = getenv("CNI_PATH");
	char path[4096];

	if (env && *env == '/') {
		snprintf(path, sizeof path, "%s/bridge", env);
		return access(path, X_OK) == 0;
	}
	return access("/usr/lib/cni/bridge", X_OK) == 0 || access("/opt/cni/bin/bridge", X_OK) == 0;
}

static pid_t hold_namespace(void)
{
	int ready[2];
	pid_t pid, parent = getpid();
	char byte = 0;

	if (pipe(ready) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || unshare(CLONE_NEWNET) < 0)
			_exit(1);
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = -EPERM;
	}
	close(ready[0]);
	return pid;
}

static int furnish(struct builder *b, struct error *err)
{
	struct arena a = ARENA_INIT;
	const char *state;
	int r;

	b->network_holder = hold_namespace();
	if (b->network_holder < 0)
		return error_sys(err, -b->network_holder, "make a network namespace");
	b->network_bundle = sandbox_directory(b, b->arena, err);
	if (!b->network_bundle)
		return -EIO;
	state = arena_printf(&a, "{\"id\":\"build-%d\",\"pid\":%d}", (int)getpid(), (int)b->network_holder);
	r = network_add(b->network_bundle, state, strlen(state), &a, err);
	arena_free(&a);
	return r;
}

int network_prepare(struct builder *b, const char **path, struct error *err)
{
	int r = 0;

	pthread_mutex_lock(&b->network_lock);
	if (!b->network) {
		if (b->userns || geteuid() != 0 || !plugins_available()) {
			b->network = "host";
		} else {
			r = furnish(b, err);
			if (r == 0)
				b->network = arena_printf(b->arena, "/proc/%d/ns/net", (int)b->network_holder);
			else
				error_hint(err, "--network host or --network none does without");
		}
	}
	*path = b->network && *b->network == '/' ? b->network : NULL;
	pthread_mutex_unlock(&b->network_lock);
	return r;
}

void network_end(struct builder *b)
{
	struct arena a = ARENA_INIT;

	if (b->network_bundle)
		network_remove(b->network_bundle, &a, NULL);
	if (b->network_holder > 0) {
		kill(b->network_holder, SIGKILL);
		waitpid(b->network_holder, NULL, 0);
	}
	b->network_holder = 0;
	b->network_bundle = NULL;
	arena_free(&a);
}
