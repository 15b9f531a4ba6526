/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: process.apparmorProfile and process.selinuxLabel.  Both
 * are requests for the next execve(2), written to a file in /proc about the
 * process itself:
 *
 *   STAGE_HOST      is the security module there at all?  An unlabelled container is not what was asked for
 *   STAGE_JOIN      SELinux: the label of the session keyring that is about to be made
 *   STAGE_IDENTITY  the label of the program: as late as root, before no_new_privs
 *
 * The file is reached through the host's verified /proc, by process id and
 * without links, so no mount of the container can put another file there
 * (CVE-2019-16884, CVE-2025-52881).  The request belongs to the task and ends
 * with its execve; startContainer hooks, children of the task, inherit it.
 *
 * Podman looks for the path in backticks to tell a wrong label from other
 * failures.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/facility/facility.h"


struct profile {
	const char *name;
	bool moot; /* "unconfined" where everything is */
};

/* Write about ourselves; -ENOENT without a message when there is no such file. */
static int write_attribute(struct container *c, const char *file, const char *text, const char *what, struct error *err)
{
	char path[64];
	_cleanup_fd_ int fd = -1;
	ssize_t n = readlinkat(c->proc_fd, "self", path, 32);

	if (n < 0)
		return error_sys(err, errno, "read /proc/self");
	path[n++] = '/';
	snprintf(path + n, sizeof path - (size_t)n, "%s", file);
	fd = path_open_beneath(c->proc_fd, path, O_WRONLY | O_NOFOLLOW);
	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0)
		return error_sys(err, -fd, "open `/proc/%s` to set %s", path, what);
	do
		n = write(fd, text, strlen(text));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, errno, "set %s: write \"%s\" to `/proc/%s`", what, text, path);
	if ((size_t)n != strlen(text))
		return error_set(err, ERR_SYSTEM, EIO, "set %s: `/proc/%s` took %zd bytes only", what, path, n);
	return 0;
}

/* --- AppArmor ------------------------------------------------------------------ */

static bool apparmor_enabled(void)
{
	_cleanup_fd_ int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	char c = 'N';

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

static int check_apparmor(struct container *c, const struct step *s, struct error *err)
{
	struct profile *p = (struct profile *)s->data;

	(void)c;
	if (apparmor_enabled())
		return 0;
	p->moot = strcmp(p->name, "unconfined") == 0;
	if (p->moot)
		return 0;
	error_hint(err, "boot with AppArmor, or remove process.apparmorProfile");
	return error_set(err, ERR_UNSUPPORTED, ENOTSUP,
		"the profile \"%s\" is asked for, but AppArmor is not enabled on this "
		"host",
		p->name);
}

static int apply_apparmor(struct container *c, const struct step *s, struct error *err)
{
	const struct profile *p = s->data;
	const char *text = arena_printf(c->arena, "exec %s", p->name), *what = "the AppArmor profile";
	int r;

	if (p->moot)
		return 0;
	/* "attr/exec" belongs to the first security module; AppArmor's own file exists since 5.8. */
	r = write_attribute(c, "attr/apparmor/exec", text, what, err);
	if (r == -ENOENT && !err->msg[0])
		r = write_attribute(c, "attr/exec", text, what, err);
	if (r == -ENOENT && err->msg[0])
		error_hint(err, "load the profile first: apparmor_parser -r FILE");
	if (r == -ENOENT && !err->msg[0])
		r = error_set(err, ERR_UNSUPPORTED, ENOTSUP, "set %s: there is no `/proc/self/attr/exec`", what);
	return r;
}

/* --- SELinux ------------------------------------------------------------------- */

static int check_selinux(struct container *c, const struct step *s, struct error *err)
{
	struct statfs fs;

	(void)c;
	/* As libselinux: a read-only selinuxfs is that of a host which hides SELinux from its containers. */
	if (statfs("/sys/fs/selinux", &fs) == 0 && (uint32_t)fs.f_type == SELINUX_MAGIC && !(fs.f_flags & ST_RDONLY))
		return 0;
	error_hint(err, "enable SELinux, or remove process.selinuxLabel");
	return error_set(err, ERR_UNSUPPORTED, ENOTSUP,
		"the label \"%s\" is asked for, but SELinux is not enabled on this "
		"host",
		(const char *)s->data);
}

static int set_selinux(struct container *c, const char *file, const char *label, const char *what, struct error *err)
{
	int r = write_attribute(c, file, label, what, err);

	if (r == -ENOENT && !err->msg[0])
		return error_set(err, ERR_UNSUPPORTED, ENOTSUP, "set %s: there is no `/proc/self/%s`", what, file);
	if (r == -EINVAL)
		error_hint(err, "the loaded policy does not know the label");
	return r;
}

static int apply_selinux(struct container *c, const struct step *s, struct error *err)
{
	return set_selinux(c, "attr/exec", s->data, "the SELinux label", err);
}

static int apply_key_label(struct container *c, const struct step *s, struct error *err)
{
	int r = set_selinux(c, "attr/keycreate", s->data, "the SELinux label of keys", err);

	/* A label that does not exist: Podman knows it by the other file, which refuses it too. */
	if (r == -EINVAL) {
		error_clear(err);
		r = apply_selinux(c, s, err);
	}
	return r;
}

/* --- plan ---------------------------------------------------------------------- */

static const char *selinux_label(const struct container *c)
{
	return c->process ? c->process->selinux_label : NULL;
}

/* Forgotten by the kernel at execve. */
int lsm_key_plan(struct container *c, struct error *err)
{
	const char *label = selinux_label(c);
	struct step *s;

	(void)err;
	if (!label || c->options.no_new_keyring)
		return 0;
	s = plan_add(&c->plan, STAGE_JOIN, "lsm", "process.selinuxLabel", apply_key_label, label);
	step_text(&c->plan, s, "label new keys %s", label);
	return 0;
}

int lsm_plan(struct container *c, struct error *err)
{
	const char *label = selinux_label(c), *profile = c->process ? c->process->apparmor_profile : NULL;
	struct step *s;

	(void)err;
	if (label) {
#ifndef HAVE_SELINUX
		error_path(err, "process.selinuxLabel");
		return error_set(err, ERR_UNSUPPORTED, ENOTSUP, "built without SELinux");
#endif
		s = plan_add(&c->plan, STAGE_HOST, "lsm", "process.selinuxLabel", check_selinux, label);
		step_text(&c->plan, s, "check that SELinux is enabled");
		s = plan_add(&c->plan, STAGE_IDENTITY, "lsm", "process.selinuxLabel", apply_selinux, label);
		step_text(&c->plan, s, "label the program %s", label);
	}
	if (profile) {
		struct profile *p = arena_new(c->arena, struct profile);

		p->name = profile;
		s = plan_add(&c->plan, STAGE_HOST, "lsm", "process.apparmorProfile", check_apparmor, p);
		step_text(&c->plan, s, "check that AppArmor is enabled");
		s = plan_add(&c->plan, STAGE_IDENTITY, "lsm", "process.apparmorProfile", apply_apparmor, p);
		step_text(&c->plan, s, "confine the program by the AppArmor profile %s", profile);
	}
	return 0;
}
