/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: --network=default is one network namespace for all RUNs of a
 * build, behind the bridge that "unpack --net bridge" uses.  It is made when the first
 * RUN wants it: a process that does nothing holds it until the plugins have furnished it.  Where
 * there are no plugins, or only a user's own privileges, it is the host's network; that
 * is said once.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
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

	if (pipe2(ready, O_CLOEXEC) < 0)
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
	pid_t holder = hold_namespace();
	int r;

	if (holder < 0)
		return error_sys(err, -holder, "make a network namespace");
	b->network_fd = open(arena_printf(&a, "/proc/%d/ns/net", (int)holder), O_RDONLY | O_CLOEXEC);
	pthread_mutex_lock(&b->lock);
	b->network_bundle = sandbox_directory(b, &b->shared, err);
	pthread_mutex_unlock(&b->lock);
	if (b->network_bundle)
		watch_tell(b, WATCH_NETWORK, strrchr(b->network_bundle, '/') + 1);
	state = arena_printf(&a, "{\"id\":\"build-%d\",\"pid\":%d}", (int)getpid(), (int)holder);
	r = !b->network_bundle || b->network_fd < 0 ? -EIO
						    : network_add(b->network_bundle, state, strlen(state), &a, err);
	arena_free(&a);
	/* The descriptor keeps the namespace. */
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	return r;
}

int network_prepare(struct builder *b, const char **path, struct error *err)
{
	int r = 0;

	pthread_mutex_lock(&b->network_lock);
	if (!b->network) {
		if (b->userns || geteuid() != 0 || !plugins_available()) {
			b->network = "host";
			build_progress_note(b->progress, 0, "RUN uses the host's network: %s",
				b->userns ? "a user can make no other" : "no network plugins are installed");
		} else {
			r = furnish(b, err);
			if (r == 0) {
				pthread_mutex_lock(&b->lock);
				b->network = arena_printf(&b->shared, "/proc/%d/fd/%d", (int)getpid(), b->network_fd);
				pthread_mutex_unlock(&b->lock);
			} else {
				error_hint(err, "--network host or --network none does without");
			}
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
	if (b->network_bundle)
		watch_tell(b, WATCH_NETWORK, "");
	cleanup_fd(&b->network_fd);
	b->network_fd = -1;
	b->network_bundle = NULL;
	arena_free(&a);
}
