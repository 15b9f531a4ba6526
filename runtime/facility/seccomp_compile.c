/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: linux.seccomp → BPF.
 *
 * libseccomp knows the numbers of the system calls on every architecture and
 * the odd ones among them (socketcall, ipc, x32), so rules go through it.  The
 * meaning of a rule is the one that runc and crun gave it: several conditions
 * all hold (and), unless two of them look at the same argument, then each is a
 * rule of its own (or); a rule whose action is the default action is void; a
 * name that this libseccomp does not know is ignored.
 *
 * In front goes a part that answers ENOSYS.  A profile that denies by
 * default was written when the kernel had fewer system calls.  A C library that
 * tries a newer one falls back on ENOSYS, but not on EPERM.  So a number above
 * the highest one that the profile names on that architecture answers ENOSYS.
 * Not when the default action lets calls pass (ALLOW, LOG), asks somebody who
 * may know better (TRACE, NOTIFY).
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/facility/seccomp_program.h"

#define X32_BIT 0x40000000u
#define ARCHS_MAX 24
/* libseccomp up to 2.5.4 makes a wrong binary tree of no rules; below this a list is as good. */
#define TREE_MIN_RULES 32

static void cleanup_ctx(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

struct compiler {
	const struct seccomp_profile *profile;
	scmp_filter_ctx ctx;
	struct arena *arena;
	uint32_t default_action;
	uint32_t archs[ARCHS_MAX]; /* native first */
	size_t archs_count;
};

static uint32_t action_of(enum config_seccomp_action action, const struct opt_u64 *errno_ret)
{
	/* The range was checked with the configuration. */
	uint32_t code = errno_ret->set ? (uint32_t)errno_ret->value : EPERM;

	switch (action) {
	case CONFIG_SCMP_ACT_KILL:
	case CONFIG_SCMP_ACT_KILL_THREAD:
		return SCMP_ACT_KILL_THREAD;
	case CONFIG_SCMP_ACT_KILL_PROCESS:
		return SCMP_ACT_KILL_PROCESS;
	case CONFIG_SCMP_ACT_TRAP:
		return SCMP_ACT_TRAP;
	case CONFIG_SCMP_ACT_ERRNO:
		return SCMP_ACT_ERRNO(code);
	case CONFIG_SCMP_ACT_TRACE:
		return SCMP_ACT_TRACE(code);
	case CONFIG_SCMP_ACT_ALLOW:
		return SCMP_ACT_ALLOW;
	case CONFIG_SCMP_ACT_LOG:
		return SCMP_ACT_LOG;
	case CONFIG_SCMP_ACT_NOTIFY:
		return SCMP_ACT_NOTIFY;
	case CONFIG_SCMP_NONE:
		break;
	}
	return SCMP_ACT_KILL_PROCESS;
}

static enum scmp_compare operator_of(enum config_seccomp_operator op)
{
	static const enum scmp_compare map[] = {
		[CONFIG_SCMP_CMP_NE] = SCMP_CMP_NE,
		[CONFIG_SCMP_CMP_LT] = SCMP_CMP_LT,
		[CONFIG_SCMP_CMP_LE] = SCMP_CMP_LE,
		[CONFIG_SCMP_CMP_EQ] = SCMP_CMP_EQ,
		[CONFIG_SCMP_CMP_GE] = SCMP_CMP_GE,
		[CONFIG_SCMP_CMP_GT] = SCMP_CMP_GT,
		[CONFIG_SCMP_CMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};

	return map[op];
}

static int add_archs(struct compiler *s, struct error *err)
{
	const struct config_seccomp *p = s->profile->config;

	s->archs[s->archs_count++] = seccomp_arch_native();
	for (size_t i = 0; i < p->architectures_count; i++) {
		char name[32];
		uint32_t arch;
		size_t n = 0, k;
		int r;

		/* "SCMP_ARCH_X86_64" is "x86_64" in libseccomp. */
		for (const char *c = p->architectures[i] + strlen("SCMP_ARCH_"); *c && n < sizeof name - 1; c++) {
			name[n] = *c;
			if (*c >= 'A' && *c <= 'Z')
				name[n] |= 'a' ^ 'A';
			n++;
		}
		name[n] = '\0';
		arch = seccomp_arch_resolve_name(name);
		if (arch == 0) {
			error_path(err, "linux.seccomp.architectures[%zu]", i);
			return error_set(err, ERR_UNSUPPORTED, ENOTSUP, "libseccomp %u.%u.%u does not know %s",
				seccomp_version()->major, seccomp_version()->minor, seccomp_version()->micro,
				p->architectures[i]);
		}
		for (k = 0; k < s->archs_count && s->archs[k] != arch; k++)
			;
		if (k < s->archs_count)
			continue;
		r = s->archs_count == ARCHS_MAX ? -E2BIG : seccomp_arch_add(s->ctx, arch);
		if (r < 0) {
			error_path(err, "linux.seccomp.architectures[%zu]", i);
			return error_sys(err, -r, "add the architecture %s", p->architectures[i]);
		}
		s->archs[s->archs_count++] = arch;
	}
	return 0;
}

static int add_call(struct compiler *s, const struct config_seccomp_rule *rule, int nr, uint32_t action)
{
	struct scmp_arg_cmp args[6];
	bool again = false;
	unsigned int seen = 0;

	if (rule->args_count == 0)
		return seccomp_rule_add_array(s->ctx, action, nr, 0, NULL);
	for (size_t i = 0; i < rule->args_count; i++) {
		again = again || seen & 1u << rule->args[i].index;
		seen |= 1u << rule->args[i].index;
	}
	for (size_t i = 0; i < rule->args_count; i++) {
		const struct config_seccomp_arg *arg = &rule->args[i];
		struct scmp_arg_cmp *cmp = &args[again ? 0 : i];
		int r;

		*cmp = (struct scmp_arg_cmp){.arg = arg->index,
			.op = operator_of(arg->op),
			.datum_a = arg->value,
			.datum_b = arg->value_two};
		if (!again)
			continue;
		r = seccomp_rule_add_array(s->ctx, action, nr, 1, cmp);
		if (r < 0)
			return r;
	}
	return again ? 0 : seccomp_rule_add_array(s->ctx, action, nr, (unsigned int)rule->args_count, args);
}

static int add_rule(struct compiler *s, size_t index, struct error *err)
{
	const struct config_seccomp_rule *rule = &s->profile->config->syscalls[index];
	uint32_t action = action_of(rule->action, &rule->errno_ret);

	if (action == s->default_action)
		return 0;
	for (size_t i = 0; i < rule->names_count; i++) {
		int nr = seccomp_syscall_resolve_name(rule->names[i]), r;

		if (nr == __NR_SCMP_ERROR) {
			if (s->profile->fail_unknown) {
				error_path(err, "linux.seccomp.syscalls[%zu].names[%zu]", index, i);
				return error_set(err, ERR_CONFIG, EINVAL,
					"libseccomp does not know the system call \"%s\"", rule->names[i]);
			}
			log_debug("linux.seccomp.syscalls[%zu]: the system call \"%s\" is unknown and ignored", index,
				rule->names[i]);
			continue;
		}
		r = add_call(s, rule, nr, action);
		if (r < 0) {
			error_path(err, "linux.seccomp.syscalls[%zu]", index);
			if (r == -EEXIST)
				error_hint(err, "an earlier rule gives it another action");
			return error_sys(err, -r, "add the rule for the system call %s", rule->names[i]);
		}
	}
	return 0;
}

/* --- ENOSYS ------------------------------------------------------------------ */

/* The architecture as the kernel reports it to a filter.  libseccomp's other names are the kernel's. */
static uint32_t audit_arch(uint32_t arch)
{
	return arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch;
}

/* The highest number that the profile names on an architecture, or -1. */
static int64_t highest(const struct compiler *s, uint32_t arch)
{
	const struct config_seccomp *p = s->profile->config;
	int64_t max = -1;

	for (size_t i = 0; i < p->syscalls_count; i++) {
		for (size_t k = 0; k < p->syscalls[i].names_count; k++) {
			/* Negative: unknown, or libseccomp's own number for a call the architecture lacks. */
			int nr = seccomp_syscall_resolve_name_arch(arch, p->syscalls[i].names[k]);

			if (nr > max)
				max = nr;
		}
	}
	return max;
}

/* With the number in A: one of the two ABIs of x86_64, or all there is. */
static size_t enosys_arch(const struct compiler *s, uint32_t arch, struct sock_filter *out)
{
	const struct sock_filter deny = BPF_STMT(BPF_RET | BPF_K, SCMP_ACT_ERRNO(ENOSYS));
	int64_t max = highest(s, arch);
	struct sock_filter *p = out;

	if (max < 0)
		return 0;
	/* The x32 bit decides whose number it is. */
	if (audit_arch(arch) == AUDIT_ARCH_X86_64)
		*p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, arch == SCMP_ARCH_X32 ? 0 : 2,
			arch == SCMP_ARCH_X32 ? 2 : 0);
	/* s390 passes large numbers in a register and shows 0 for those that its kernel does not have; the true
	 * number 0, setup(2), is long gone. */
	if (arch == SCMP_ARCH_S390 || arch == SCMP_ARCH_S390X) {
		*p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		*p++ = deny;
	}
	*p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)max, 0, 1);
	*p++ = deny;
	return (size_t)(p - out);
}

static bool passes(enum config_seccomp_action action)
{
	return action == CONFIG_SCMP_ACT_ALLOW || action == CONFIG_SCMP_ACT_LOG || action == CONFIG_SCMP_ACT_TRACE ||
	       action == CONFIG_SCMP_ACT_NOTIFY;
}

/* A block per architecture: "not mine" goes to the next block, the others to the filter behind the last. */
static size_t enosys(const struct compiler *s, struct sock_filter out[ARCHS_MAX * 8 + 1])
{
	size_t n = 0, ends[ARCHS_MAX], ends_count = 0;

	if (passes(s->profile->config->default_action))
		return 0;
	out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < s->archs_count; i++) {
		uint32_t arch = audit_arch(s->archs[i]);
		size_t start = n, k;

		for (k = 0; k < i && audit_arch(s->archs[k]) != arch; k++)
			;
		if (k < i)
			continue; /* the other ABI of an earlier block */
		n += 2;
		for (k = i; k < s->archs_count; k++)
			if (audit_arch(s->archs[k]) == arch)
				n += enosys_arch(s, s->archs[k], out + n);
		if (n == start + 2) {
			n = start;
			continue;
		}
		ends[ends_count++] = n++;
		out[start] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, (uint8_t)(n - start - 1));
		out[start + 1] =
			(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	}
	for (size_t i = 0; i < ends_count; i++)
		out[ends[i]] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(n - ends[i] - 1));
	return ends_count ? n : 0;
}

/* --- the program ------------------------------------------------------------- */

static int export(struct compiler *s, struct seccomp_program *out, struct error *err)
{
	_cleanup_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter front[ARCHS_MAX * 8 + 1];
	size_t front_count, len;
	off_t end;
	int r;

	if (fd < 0)
		return error_sys(err, errno, "make a memory file for the filter");
	r = seccomp_export_bpf(s->ctx, fd);
	if (r < 0)
		return error_sys(err, -r, "generate the filter");
	end = lseek(fd, 0, SEEK_END);
	if (end <= 0 || end % (off_t)sizeof(struct sock_filter) || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, ERR_SYSTEM, EIO, "libseccomp generated a filter of %lld bytes", (long long)end);
	len = (size_t)end;
	front_count = enosys(s, front);
	out->count = front_count + len / sizeof(struct sock_filter);
	out->insns = arena_array(s->arena, struct sock_filter, out->count);
	memcpy(out->insns, front, front_count * sizeof *front);
	if (fd_read_full(fd, out->insns + front_count, len) != (ssize_t)len)
		return error_set(err, ERR_SYSTEM, EIO, "read the generated filter");
	return 0;
}

int seccomp_compile_plain(
	const struct seccomp_profile *profile, struct arena *a, struct seccomp_program *out, struct error *err)
{
	const struct config_seccomp *p = profile->config;
	__attribute__((cleanup(cleanup_ctx))) scmp_filter_ctx ctx = NULL;
	struct compiler s = {
		.profile = profile, .arena = a, .default_action = action_of(p->default_action, &p->default_errno_ret)};
	size_t rules = 0;
	int r;

	s.ctx = ctx = seccomp_init(s.default_action);
	if (!ctx)
		return error_set(
			err, ERR_UNSUPPORTED, ENOTSUP, "libseccomp does not take the default action on this host");
	r = add_archs(&s, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->syscalls_count; i++) {
		rules += p->syscalls[i].names_count;
		r = add_rule(&s, i, err);
		if (r < 0)
			return r;
	}
	if (rules > TREE_MIN_RULES)
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* speed only: before 2.5 there is none */
	return export(&s, out, err);
}

int seccomp_compile(
	const struct seccomp_profile *profile, struct arena *a, struct seccomp_program *out, struct error *err)
{
	struct seccomp_program plain;
	int r = seccomp_compile_plain(profile, a, &plain, err);

	if (r < 0)
		return r;
	if (!seccomp_shrink(&plain, a, out))
		*out = plain;
	if (out->count > BPF_MAXINSNS)
		return error_set(err, ERR_UNSUPPORTED, E2BIG, "the filter has %zu instructions, the kernel takes %d",
			out->count, BPF_MAXINSNS);
	return 0;
}
