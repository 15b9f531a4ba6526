/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: device rules on cgroup v2.
 *
 * v2 has no files for devices but a hook for a program (BPF_CGROUP_DEVICE, Linux
 * 4.15).  The program gets type, numbers and wanted access bits, and answers 1 or
 * 0.  Ours walks the rules from the last to the first with the bits not yet
 * decided in r2: a matching deny that names one of them ends it with 0, a matching
 * allow takes its bits away, and no bit left ends it with 1.  It is straight-line
 * code, seven instructions a rule.
 *
 * It is attached with BPF_F_ALLOW_MULTI: systemd may attach one of its own for the
 * same scope, and both must agree.  Programs carry a name, so that an update finds
 * the one to replace; the new one is attached before the old one goes.
 *
 * Loading needs privileges over the initial user namespace.  Without them the
 * kernel does not let the container make or use nodes of devices that the caller
 * cannot use, so a rootless caller goes on without the program; for everyone else
 * a failure is an error.  Rules that allow everything need no program.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/cgroup/device.h"

#define PROGRAM_NAME "oci_rt_device"
#define PROGRAMS_MAX 64

#ifndef BPF_F_REPLACE
#define BPF_F_REPLACE (1U << 2)
#endif

/* --- the generator -------------------------------------------------------------- */

enum { R_RESULT, R_CONTEXT, R_ACCESS, R_TYPE, R_MAJOR, R_MINOR };

static void emit(struct device_program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	p->insns[p->count++] = (struct bpf_insn){ .code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm };
}

static void emit_return(struct device_program *p, int value)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, value);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Jump to the next rule when the register differs; the distance is filled in later. */
static void emit_unless(struct device_program *p, uint8_t reg, int64_t value)
{
	emit(p, BPF_JMP | BPF_JNE | BPF_K, reg, 0, 0, (int32_t)value);
}

static void emit_rule(struct device_program *p, const struct device_rule *rule)
{
	size_t first = p->count, tests;

	emit_unless(p, R_TYPE, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->major >= 0)
		emit_unless(p, R_MAJOR, rule->major);
	if (rule->minor >= 0)
		emit_unless(p, R_MINOR, rule->minor);
	tests = p->count;
	if (rule->allow) {
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, R_ACCESS, 0, 0, (int32_t)(DEVICE_ALL & ~rule->access));
		emit(p, BPF_JMP | BPF_JNE | BPF_K, R_ACCESS, 0, 2, 0);
		emit_return(p, 1);
	} else {
		emit(p, BPF_JMP | BPF_JSET | BPF_K, R_ACCESS, 0, 1, (int32_t)rule->access);
		emit(p, BPF_JMP | BPF_JA, 0, 0, 2, 0);
		emit_return(p, 0);
	}
	for (size_t i = first; i < tests; i++)
		p->insns[i].off = (int16_t)(p->count - i - 1);
}

void device_program_make(struct arena *a, const struct device_rules *rules, struct device_program *p)
{
	p->insns = arena_array(a, struct bpf_insn, 8 + 7 * rules->count);
	p->count = 0;
	emit(p, BPF_LDX | BPF_MEM | BPF_W, R_TYPE, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, R_ACCESS, R_TYPE, 0, 0);
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, R_TYPE, 0, 0, 0xffff);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, R_ACCESS, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, R_MAJOR, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, R_MINOR, R_CONTEXT, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	for (size_t i = rules->count; i-- > 0;)
		emit_rule(p, &rules->items[i]);
	emit_return(p, rules->default_allow ? 1 : 0);
}

/* --- loading and attaching ---------------------------------------------------------- */

static int bpf(int cmd, union bpf_attr *attr)
{
	int r = (int)syscall(SYS_bpf, cmd, attr, sizeof *attr);

	return r < 0 ? -errno : r;
}

static int load_once(const struct device_program *p, char *log, uint32_t log_size)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)p->insns;
	attr.insn_cnt = (uint32_t)p->count;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	attr.log_buf = (uint64_t)(uintptr_t)log;
	attr.log_size = log_size;
	attr.log_level = log ? 1 : 0;
	strcpy(attr.prog_name, PROGRAM_NAME);
	return bpf(BPF_PROG_LOAD, &attr);
}

static int load(const struct device_program *p)
{
	struct rlimit old, all = { RLIM_INFINITY, RLIM_INFINITY };
	int fd = load_once(p, NULL, 0);

	/* Kernels before 5.11 charge programs to locked memory. */
	if (fd == -EPERM && getrlimit(RLIMIT_MEMLOCK, &old) == 0 && setrlimit(RLIMIT_MEMLOCK, &all) == 0) {
		fd = load_once(p, NULL, 0);
		setrlimit(RLIMIT_MEMLOCK, &old);
	}
	return fd;
}

static int load_error(const struct device_program *p, int errnum, struct error *err)
{
	char log[1024] = "";

	if (errnum == EINVAL || errnum == EACCES)
		load_once(p, log, sizeof log);
	log[sizeof log - 1] = '\0';
	for (char *c = log; *c; c++)
		if (*c == '\n')
			*c = ' ';
	error_path(err, "linux.resources.devices");
	if (errnum == ENOSYS || errnum == EINVAL)
		error_hint(err, "cgroup v2 limits devices with BPF: the kernel needs CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF");
	else
		error_hint(err, "loading the device program needs CAP_BPF or CAP_SYS_ADMIN in the initial user namespace");
	return error_sys(err, errnum, "load the device program of %zu instructions%s%s", p->count, *log ? ": " : "", log);
}

/* Descriptors of our programs that are attached to the cgroup. */
static size_t find_ours(int dir, int fds[static PROGRAMS_MAX])
{
	uint32_t ids[PROGRAMS_MAX] = { 0 };
	union bpf_attr attr;
	size_t found = 0;

	memset(&attr, 0, sizeof attr);
	attr.query.target_fd = (uint32_t)dir;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = PROGRAMS_MAX;
	if (bpf(BPF_PROG_QUERY, &attr) < 0)
		return 0;
	for (uint32_t i = 0; i < attr.query.prog_cnt && i < PROGRAMS_MAX; i++) {
		struct bpf_prog_info info = { 0 };
		union bpf_attr get;
		int fd;

		memset(&get, 0, sizeof get);
		get.prog_id = ids[i];
		fd = bpf(BPF_PROG_GET_FD_BY_ID, &get);
		if (fd < 0)
			continue;
		memset(&get, 0, sizeof get);
		get.info.bpf_fd = (uint32_t)fd;
		get.info.info_len = sizeof info;
		get.info.info = (uint64_t)(uintptr_t)&info;
		if (bpf(BPF_OBJ_GET_INFO_BY_FD, &get) == 0 && strcmp(info.name, PROGRAM_NAME) == 0)
			fds[found++] = fd;
		else
			close(fd);
	}
	return found;
}

static int attach(int dir, int program, int replace)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (replace >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replace;
	}
	return bpf(BPF_PROG_ATTACH, &attr);
}

static int detach(int dir, int program)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return bpf(BPF_PROG_DETACH, &attr);
}

/* Put program (-1: none) in the place of the old ones. */
static int exchange(int dir, int program, int *old, size_t count)
{
	size_t first = 0;
	int r = 0;

	if (program >= 0) {
		r = attach(dir, program, count ? old[0] : -1);
		if (r == 0 && count)
			first = 1;
		else if (r == -EINVAL && count)
			r = attach(dir, program, -1); /* before 5.6 */
	}
	for (size_t i = first; r == 0 && i < count; i++)
		r = detach(dir, old[i]);
	return r;
}

int device_v2_apply(const struct cgroup *cg, const struct hierarchy *h, const struct device_rules *rules, struct error *err)
{
	bool everything = rules->default_allow && rules->count == 0;
	struct arena a = ARENA_INIT;
	struct device_program p;
	int fd = -1, r = hierarchy_open(h), old[PROGRAMS_MAX];
	size_t count = 0;

	if (r < 0)
		return error_sys(err, -r, "open cgroup %s", h->m->path);
	if (!everything) {
		device_program_make(&a, rules, &p);
		fd = load(&p);
		if (fd == -EPERM && (cg->rootless || host_in_userns())) {
			log_debug("no device program: the caller has no privileges over the initial user namespace");
			arena_free(&a);
			return 0;
		}
		r = fd < 0 ? load_error(&p, -fd, err) : 0;
		arena_free(&a);
		if (r < 0)
			return r;
	}
	/* A cgroup that create just made has none of ours. */
	if (cg->saved || h->missing >= strlen(h->rel))
		count = find_ours(h->m->fd, old);
	r = exchange(h->m->fd, fd, old, count);
	for (size_t i = 0; i < count; i++)
		close(old[i]);
	if (fd >= 0)
		close(fd);
	return r < 0 ? error_sys(err, -r, "attach the device program to cgroup %s", h->m->path) : 0;
}
