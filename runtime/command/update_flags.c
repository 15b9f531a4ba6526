/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the flags of `update` become the same struct that a
 * resources document is read into, so everything behind it is one way.  Types
 * and names are runc's; an empty value counts as not given, as there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "runtime/command/update_internal.h"

struct update {
	struct config_memory memory;
	struct config_cpu cpu;
	struct config_block_io block_io;
	struct opt_i64 pids;
};

enum kind { I64, U64, SIZE };

#define FLAG(NAME, KIND, MEMBER)                                                                                       \
	{                                                                                                              \
		NAME, KIND, offsetof(struct update, MEMBER)                                                            \
	}
static const struct {
	const char *name;
	enum kind kind;
	size_t offset;
} flags[] = {
	FLAG("blkio-weight", U64, block_io.weight),
	FLAG("cpu-burst", U64, cpu.burst),
	FLAG("cpu-idle", I64, cpu.idle),
	FLAG("cpu-period", U64, cpu.period),
	FLAG("cpu-quota", I64, cpu.quota),
	FLAG("cpu-rt-period", U64, cpu.realtime_period),
	FLAG("cpu-rt-runtime", I64, cpu.realtime_runtime),
	FLAG("cpu-share", U64, cpu.shares),
	FLAG("memory", SIZE, memory.limit),
	FLAG("memory-reservation", SIZE, memory.reservation),
	FLAG("memory-swap", SIZE, memory.swap),
	FLAG("pids-limit", I64, pids),
};

static int bad_size(const char *flag, const char *text, struct error *err)
{
	return error_set(err, ERR_USAGE, EINVAL, "--%s %s: expected a size as in 67108864, 64m or 1.5GiB, or -1", flag, text);
}

int update_size(const char *flag, const char *text, int64_t *bytes, struct error *err)
{
	static const char suffixes[] = "kmgtp";
	const char *p = text, *suffix;
	unsigned __int128 value = 0, scale = 1;
	unsigned int shift = 0;

	*bytes = -1;
	if (strcmp(text, "-1") == 0)
		return 0;
	if (*p < '0' || *p > '9')
		return bad_size(flag, text, err);
	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (unsigned int)(*p - '0');
		if (value > INT64_MAX)
			return error_set(err, ERR_USAGE, ERANGE, "--%s %s: is too large", flag, text);
	}
	if (*p == '.' && p[1] >= '0' && p[1] <= '9')
		for (p++; *p >= '0' && *p <= '9'; p++) {
			if (scale >= 1000000000)
				continue;
			value = value * 10 + (unsigned int)(*p - '0');
			scale *= 10;
		}
	if (*p == ' ')
		p++;
	suffix = *p ? strchr(suffixes, *p | 0x20) : NULL;
	if (suffix) {
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
		p++;
		if (*p == 'i' || *p == 'I')
			p++;
	}
	if (*p == 'b' || *p == 'B')
		p++;
	if (*p)
		return bad_size(flag, text, err);
	value = (value << shift) / scale;
	if (value > INT64_MAX)
		return error_set(err, ERR_USAGE, ERANGE, "--%s %s: is too large", flag, text);
	*bytes = (int64_t)value;
	return 0;
}

static int parse_flag(size_t i, const char *text, struct update *u, struct error *err)
{
	void *member = (char *)u + flags[i].offset;
	char *end;
	int r = 0;

	errno = 0;
	if (flags[i].kind == U64) {
		struct opt_u64 *v = member;

		*v = (struct opt_u64){ true, strtoull(text, &end, 10) };
		if (errno || *end || *text < '0' || *text > '9')
			r = error_set(err, ERR_USAGE, EINVAL, "--%s %s: expected a number", flags[i].name, text);
	} else if (flags[i].kind == I64) {
		struct opt_i64 *v = member;

		*v = (struct opt_i64){ true, strtoll(text, &end, 10) };
		if (errno || *end || !strchr("-0123456789", *text))
			r = error_set(err, ERR_USAGE, EINVAL, "--%s %s: expected a number", flags[i].name, text);
	} else {
		struct opt_i64 *v = member;

		v->set = true;
		r = update_size(flags[i].name, text, &v->value, err);
	}
	return r;
}

const char *update_flag(const struct arguments *args, const char *name)
{
	const char *text = argument(args, name);

	return text && *text ? text : NULL;
}

int update_flags(const struct arguments *args, struct arena *a, struct config_resources *change, bool *any,
	struct error *err)
{
	static const char *const ignored[] = { "kernel-memory", "kernel-memory-tcp" };
	struct update *u = arena_new(a, struct update);

	*any = false;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		const char *text = update_flag(args, flags[i].name);
		int r = text ? parse_flag(i, text, u, err) : 0;

		if (r < 0)
			return r;
		if (!text)
			continue;
		*any = true;
		if (strncmp(flags[i].name, "mem", 3) == 0)
			change->memory = &u->memory;
		else if (strncmp(flags[i].name, "cpu", 3) == 0)
			change->cpu = &u->cpu;
		else if (strncmp(flags[i].name, "blk", 3) == 0)
			change->block_io = &u->block_io;
	}
	change->pids.limit = u->pids;
	change->pids.set = u->pids.set;
	u->cpu.cpus = update_flag(args, "cpuset-cpus");
	u->cpu.mems = update_flag(args, "cpuset-mems");
	if (u->cpu.cpus || u->cpu.mems) {
		change->cpu = &u->cpu;
		*any = true;
	}
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		if (update_flag(args, ignored[i])) {
			log_warning("--%s is ignored: the kernel has no such limit any more", ignored[i]);
			*any = true;
		}
	return 0;
}
