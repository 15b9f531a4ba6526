/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what the pipe says that the container side closes by its execve; see create.h. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "runtime/plan/create.h"

int exec_error(const char *name, int e, struct error *err)
{
	switch (e) {
	case ENOENT:
		return error_set(err, ERR_EXEC_NOT_FOUND, e, "exec: \"%s\": no such file or directory", name);
	case EACCES:
		return error_set(err, ERR_EXEC_DENIED, e, "exec: \"%s\": permission denied", name);
	case EPERM:
		return error_set(err, ERR_EXEC_DENIED, e, "exec: \"%s\": operation not permitted", name);
	case ENOEXEC:
		error_hint(err, "is it a script without #! or a program for another architecture?");
		return error_set(err, ERR_EXEC, e, "exec: \"%s\": exec format error", name);
	default:
		return error_set(err, ERR_EXEC, e, "exec: \"%s\": %s", name, error_text(e));
	}
}

int exec_failed(const char *name, int e, struct error *err)
{
	if (e == ENOENT) {
		/* It was there, and executable, when it was looked up. */
		error_hint(err, "its interpreter or dynamic loader is missing");
		return error_set(err, ERR_EXEC_NOT_FOUND, e, "exec %s: no such file or directory", name);
	}
	return exec_error(name, e, err);
}

/* Did the process end before it was the program?  The launcher's name is the kernel's choice: that of its file, or the
 * number of its descriptor. */
static bool died_early(int proc_fd, pid_t pid)
{
	char comm[64], state;

	if (proc_name(proc_fd, pid, comm, &state) < 0 || (state != 'Z' && state != 'X'))
		return false;
	return strcmp(comm, PROOF_NAME) == 0 || strncmp(comm, "memfd:oci-rt", 12) == 0 ||
	       strspn(comm, "0123456789") == strlen(comm);
}

int container_proof(int proof_fd, int proc_fd, pid_t pid, struct error *err)
{
	char buf[3 + sizeof(struct error)];
	ssize_t n = fd_read_full(proof_fd, buf, sizeof buf - 1);
	const char *p = buf;
	int errnum;

	if (n < 0)
		return error_sys(err, (int)-n, "wait for the program to start");
	buf[n] = '\0';
	if (n > 0 && *p == PROOF_EXECUTING) {
		p++;
		n--;
		if (n == 0 && !died_early(proc_fd, pid))
			return 0;
	}
	if (n >= 1 + (ssize_t)sizeof errnum && *p == PROOF_ERRNO) {
		memcpy(&errnum, p + 1, sizeof errnum);
		return exec_failed(p + 1 + sizeof errnum, errnum, err);
	}
	if (n == 1 + (ssize_t)sizeof *err && *p == PROOF_ERROR) {
		memcpy(err, p + 1, sizeof *err);
		return -(err->errnum ? err->errnum : EIO);
	}
	return error_set(err, ERR_SYSTEM, EIO, "the container's process died before it could execute the program");
}
