/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_PLAN_CONTAINER_H
#define OCI_RT_RUNTIME_PLAN_CONTAINER_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/plan/plan.h"
#include "specs/config.h"

/*
 * One run of the runtime on one container: what was asked for, what is open,
 * what is known so far.  Facilities find here what they share; what belongs to
 * one facility alone is in its step's data.
 */
enum cgroup_manager { CGROUP_MANAGER_CGROUPFS, CGROUP_MANAGER_SYSTEMD, CGROUP_MANAGER_DISABLED };

/* Global options and the environment, the same for every command. */
struct runtime {
	struct arena *arena;
	const char *root; /* state root, absolute */
	enum cgroup_manager cgroup_manager;
	bool rootless;	  /* the caller lacks privileges over the initial user namespace */
	bool debug;
	char **argv; /* of the program, to execute it again */
	const char *trace_file;
	const char *log_file;
	bool log_json;
};

/* Options of create, run, restore. */
struct create_options {
	const char *bundle; /* absolute */
	const char *config_file; /* NULL: config.json in the bundle */
	const char *console_socket, *pidfd_socket, *pid_file;
	bool no_pivot, no_new_keyring, detach, keep;
	unsigned int preserve_fds; /* descriptors after stdio that the container inherits, LISTEN_FDS included */
	unsigned int listen_fds;   /* how many of them come from LISTEN_FDS */
};

struct cgroup; /* runtime/cgroup/cgroup.h */

enum container_mode {
	CONTAINER_CREATE, /* create: the process waits for `start` */
	CONTAINER_RUN,	  /* run: started as soon as it is created, by the same process */
	CONTAINER_EXEC,	  /* exec: a further process in an existing container */
	CONTAINER_RESTORE, /* restore: criu makes the processes */
	CONTAINER_EXPLAIN /* plan: nothing is done */
};

struct container {
	const struct runtime *rt;
	struct arena *arena;
	enum container_mode mode;
	const struct config *config;
	const struct config_process *process; /* the configuration's, or exec's; NULL: none */
	struct create_options options;
	struct plan plan;
	const char *id;
	const char *rootfs; /* absolute path of the root filesystem, for messages and for the child's lookup */
	const char *config_raw; /* the document as read, for the copy in the state directory */
	size_t config_raw_len;

	int proc_fd;   /* the host's /proc, verified; usable on both sides, also after the pivot */
	int state_fd;  /* the state directory, locked */
	int bundle_fd; /* the bundle directory */
	int sync_fd;   /* this side's end of the socket pair between host side and container side */
	int start_fd;  /* container side, create: becomes readable when `start` comes */
	int proof_fd;  /* host side: end of file means that the program really runs; container side: a struct error
			* is written here when it does not */

	struct cgroup *cgroup; /* located before the plan is built; NULL when disabled */

	uint32_t namespaces; /* CLONE_NEW* of the namespaces made new */
	uint32_t joined;     /* CLONE_NEW* of those joined by path */
	int namespace_fd[CONFIG_NS_COUNT]; /* of those joined, -1 otherwise; exec: a pidfd */
	int init_pidfd;	     /* exec: the container's first process */
	uint32_t init_namespaces; /* exec: CLONE_NEWTIME when its time namespace is another one */
	bool userns;	     /* the container's user namespace is not the runtime's (new or joined) */
	bool host_opens;     /* mount sources are opened on the host side: the container side may not reach them */

	/* Host side, after the clone. */
	pid_t pid;
	int pidfd;
	uint64_t start_time; /* clock ticks since boot */
	bool hooks_ran;	     /* a prestart or createRuntime hook was started: poststop hooks are due on failure */

	int pid_file_dir_fd; /* directory of --pid-file, -1: none wanted */
	int pidfd_socket_fd; /* connected --pidfd-socket, -1: none wanted */

	/* Root filesystem. */
	int root_source_fd; /* host side: O_PATH of the directory, or the detached mount when host_opens */
	int root_fd;	    /* container side: O_PATH of the mounted root; every path below it starts here */

	int hook_stdout_fd, hook_stderr_fd; /* where hooks write, -1: into the error message */

	/* Terminal. */
	int console_socket_fd; /* connected, or the host side's end for `run` without --console-socket; -1: none */
	int agent_fd;	       /* connected to the seccomp agent until the filter is loaded, -1: none */
	int devpts_fd;	       /* container side: the devpts mounted on /dev/pts, -1: none */
	int console_fd;	       /* container side: the terminal's slave, -1: none */
	int terminal_master_fd; /* host side of run and exec without --console-socket, -1: none */

	/* `run` with NOTIFY_SOCKET: who forwards READY=1; ends with the container. */
	pthread_t notify_thread;
	bool notify_listens;

	int launcher_fd;      /* the sealed launcher, -1: this process runs from a sealed copy itself */

	/* What execve gets. */
	const char *exec_path; /* the program, found in the container */
	const char **envp;

};

#define CONTAINER_INIT                                                                                                 \
	{                                                                                                              \
		.proc_fd = -1, .state_fd = -1, .bundle_fd = -1, .sync_fd = -1, .start_fd = -1, .proof_fd = -1,         \
		.pidfd = -1, .pid_file_dir_fd = -1, .pidfd_socket_fd = -1, .root_source_fd = -1, .root_fd = -1, .console_socket_fd = -1, .agent_fd = -1, .hook_stdout_fd = -1, .hook_stderr_fd = -1, .devpts_fd = -1,            \
		.console_fd = -1, .terminal_master_fd = -1, .launcher_fd = -1,                                   \
		.namespace_fd = { -1, -1, -1, -1, -1, -1, -1, -1, -1 }                                                 \
	}

/* No mount namespace of its own: what it mounts is mounted on the host. */
static inline bool container_in_host_mounts(const struct container *c)
{
	return !((c->namespaces | c->joined) & CLONE_NEWNS);
}

/* Does the program run with a system call filter: linux.seccomp, or a compiled one (crun)? */
#define SECCOMP_RAW_ANNOTATION "run.oci.seccomp_bpf_data"
static inline bool container_has_filter(const struct container *c)
{
	return c->config->linux->seccomp || config_map_get(&c->config->annotations, SECCOMP_RAW_ANNOTATION);
}

#endif
