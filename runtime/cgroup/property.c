/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what the systemd manager tells systemd.
 *
 * Every limit is also written to its file, because systemd cannot express them
 * all; telling systemd is what keeps them over a daemon-reload.  Values that
 * `unified` sets by name come last and replace converted ones, as in the files.
 */
#include "runtime/cgroup/property.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/cgroup/convert.h"
#include "runtime/cgroup/device.h"

#define ANNOTATION "org.systemd.property."

struct property *property_add(struct property_list *list, const char *name, enum property_type type)
{
	struct property *p = NULL;

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
			p = &list->items[i];
	if (!p) {
		if (list->count == list->room) {
			size_t room = list->room ? list->room * 2 : 32;

			list->items = arena_grow(list->arena, list->items, list->room * sizeof *p, room * sizeof *p);
			list->room = room;
		}
		p = &list->items[list->count++];
	}
	*p = (struct property){ .name = name, .type = type };
	return p;
}

static void add_u64(struct property_list *list, const char *name, uint64_t value)
{
	struct property *p = property_add(list, name, PROPERTY_U64);

	p->u = value;
	p->optional = true;
}

/* --- annotations: GVariant's text form ------------------------------------------------- */

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t");
}

/* A quoted string; *s is moved behind it. */
static const char *parse_quoted(struct arena *a, const char **s)
{
	const char quote = **s;
	const char *p = *s + 1;
	char *out, *to;

	if (quote != '\'' && quote != '"')
		return NULL;
	to = out = arena_alloc(a, strlen(p) + 1);
	while (*p && *p != quote) {
		if (*p == '\\') {
			static const char from[] = "ntrabfv", into[] = "\n\t\r\a\b\f\v";
			const char *e;

			p++;
			if (!*p)
				return NULL;
			e = strchr(from, *p);
			*to++ = e ? into[e - from] : *p;
			p++;
		} else {
			*to++ = *p++;
		}
	}
	if (*p != quote)
		return NULL;
	*to = '\0';
	*s = p + 1;
	return out;
}

static int parse_strings(struct arena *a, const char *s, struct property *p)
{
	p->type = PROPERTY_STRINGS;
	s = skip_space(s + 1);
	while (*s != ']') {
		const char *item = parse_quoted(a, &s);

		if (!item)
			return -EINVAL;
		p->strings = arena_grow(a, p->strings, p->count * sizeof *p->strings, (p->count + 1) * sizeof *p->strings);
		p->strings[p->count++] = item;
		s = skip_space(s);
		if (*s == ',')
			s = skip_space(s + 1);
		else if (*s != ']')
			return -EINVAL;
	}
	return *skip_space(s + 1) ? -EINVAL : 0;
}

static int parse_number(const char *s, struct property *p)
{
	static const struct {
		const char *word;
		enum property_type type;
		int64_t min;
		uint64_t max;
	} types[] = {
		{ "uint64 ", PROPERTY_U64, 0, UINT64_MAX },
		{ "int64 ", PROPERTY_I64, INT64_MIN, INT64_MAX },
		{ "uint32 ", PROPERTY_U32, 0, UINT32_MAX },
		{ "int32 ", PROPERTY_I32, INT32_MIN, INT32_MAX },
		{ "", PROPERTY_I32, INT32_MIN, INT32_MAX },
	};
	size_t i = 0;
	char *end;

	while (strncmp(s, types[i].word, strlen(types[i].word)) != 0)
		i++;
	s = skip_space(s + strlen(types[i].word));
	p->type = types[i].type;
	if (!isdigit((unsigned char)s[*s == '-']))
		return -EINVAL;
	errno = 0;
	if (*s == '-') {
		p->i = strtoll(s, &end, 0);
		if (p->i < types[i].min)
			return -ERANGE;
	} else {
		p->u = strtoull(s, &end, 0);
		if (p->u > types[i].max)
			return -ERANGE;
	}
	if (*end == '.' && !*types[i].word) {
		p->type = PROPERTY_DOUBLE;
		p->d = strtod(s, &end);
	}
	return errno ? -ERANGE : *skip_space(end) ? -EINVAL : 0;
}

int property_parse(struct arena *a, const char *text, struct property *p)
{
	const char *s = skip_space(text);

	if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
		p->type = PROPERTY_BOOL;
		p->boolean = *s == 't';
		return 0;
	}
	if (*s == '\'' || *s == '"') {
		p->type = PROPERTY_STRING;
		p->string = parse_quoted(a, &s);
		return p->string && !*skip_space(s) ? 0 : -EINVAL;
	}
	if (strncmp(s, "@as ", 4) == 0)
		s = skip_space(s + 4);
	if (*s == '[')
		return parse_strings(a, s, p);
	return parse_number(s, p);
}

/* "TimeoutStopSec" with a number → "TimeoutStopUSec" in microseconds. */
static int seconds_to_usec(struct arena *a, struct property *p)
{
	size_t n = strlen(p->name);
	double seconds;

	if (n < 4 || strcmp(p->name + n - 3, "Sec") != 0 || p->name[n - 4] == 'U')
		return 0;
	switch (p->type) {
	case PROPERTY_I32:
	case PROPERTY_I64:
		if (p->i < 0)
			return -ERANGE;
		__attribute__((fallthrough));
	case PROPERTY_U32:
	case PROPERTY_U64:
		if (p->u > UINT64_MAX / 1000000)
			return -ERANGE;
		p->u *= 1000000;
		break;
	case PROPERTY_DOUBLE:
		seconds = p->d;
		if (seconds < 0 || seconds > 1e12)
			return -ERANGE;
		p->u = (uint64_t)(seconds * 1e6);
		break;
	default:
		return -EINVAL;
	}
	p->type = PROPERTY_U64;
	p->name = arena_printf(a, "%.*sUSec", (int)(n - 3), p->name);
	return 0;
}

/* What decides where the unit is and whom it holds is not for annotations. */
static bool reserved(const char *name)
{
	static const char *const names[] = { "PIDs", "PIDFDs", "Slice", "Controller", "ControlGroup" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int property_add_annotations(struct property_list *list, const struct config_map *map, struct error *err)
{
	for (size_t i = 0; map && i < map->count; i++) {
		const char *key = map->items[i].key, *name = key + sizeof ANNOTATION - 1;
		struct property value = { 0 };
		int r = 0;

		if (strncmp(key, ANNOTATION, sizeof ANNOTATION - 1) != 0)
			continue;
		if (strlen(name) < 3 || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] || reserved(name)) {
			error_path(err, "annotations[\"%s\"]", key);
			return error_set(err, ERR_CONFIG, EINVAL, "\"%s\" is not a property that an annotation may set", name);
		}
		r = property_parse(list->arena, map->items[i].value, &value);
		value.name = name;
		if (r == 0)
			r = seconds_to_usec(list->arena, &value);
		if (r < 0) {
			error_path(err, "annotations[\"%s\"]", key);
			error_hint(err, "values are in GVariant's text form: true, 15, uint64 5, 'text', ['a', 'b']");
			return error_set(err, ERR_CONFIG, EINVAL, "\"%s\" does not parse", map->items[i].value);
		}
		*property_add(list, value.name, value.type) = value;
	}
	return 0;
}

/* --- resources --------------------------------------------------------------------------- */

static uint64_t limit(int64_t value)
{
	return value < 0 ? UINT64_MAX : (uint64_t)value;
}

static int add_memory(struct property_list *list, const struct config_memory *m, bool v2, struct error *err)
{
	char swap[CONVERT_TEXT];
	int r;

	if (m->limit.set && m->limit.value)
		add_u64(list, v2 ? "MemoryMax" : "MemoryLimit", limit(m->limit.value));
	if (!v2)
		return 0;
	if (m->reservation.set && m->reservation.value)
		add_u64(list, "MemoryLow", limit(m->reservation.value));
	if (m->swap.set && m->swap.value > 0 && (!m->limit.set || m->limit.value == 0))
		return 0; /* relative to a limit that only the file knows */
	r = convert_swap(m->limit, m->swap, swap, err);
	if (r < 0) {
		error_path(err, "linux.resources.memory");
		return r;
	}
	if (*swap)
		add_u64(list, "MemorySwapMax", *swap == 'm' ? UINT64_MAX : strtoull(swap, NULL, 10));
	return 0;
}

static int add_cpu_list(struct property_list *list, const char *name, const char *text, struct error *err)
{
	uint8_t *bits = arena_alloc(list->arena, 1024);
	int n = convert_cpu_list(text, bits, 1024);
	struct property *p;

	if (n < 0)
		return error_set(err, ERR_CONFIG, EINVAL, "\"%s\" is not a list of numbers and ranges", text);
	p = property_add(list, name, PROPERTY_BYTES);
	p->bytes = bits;
	p->count = (size_t)n;
	p->optional = true;
	return 0;
}

static int add_cpu(struct property_list *list, const struct config_cpu *c, bool v2, struct error *err)
{
	int64_t rounded;
	int r = 0;

	if (c->shares.set && c->shares.value) {
		if (v2)
			add_u64(list, "CPUWeight", convert_shares(c->shares.value));
		else
			add_u64(list, "CPUShares", c->shares.value);
	}
	if (v2 && c->idle.set && c->idle.value == 1)
		add_u64(list, "CPUWeight", 0);
	if (c->period.set && c->period.value)
		add_u64(list, "CPUQuotaPeriodUSec", c->period.value);
	if (c->quota.set && c->quota.value)
		add_u64(list, "CPUQuotaPerSecUSec",
			convert_quota_per_second(c->quota.value, c->period.set ? c->period.value : 0, &rounded));
	if (v2 && c->cpus && *c->cpus)
		r = add_cpu_list(list, "AllowedCPUs", c->cpus, err);
	if (r == 0 && v2 && c->mems && *c->mems)
		r = add_cpu_list(list, "AllowedMemoryNodes", c->mems, err);
	if (r < 0)
		error_path(err, "linux.resources.cpu");
	return r;
}

static int add_unified_cpu_max(struct property_list *list, const char *value, struct error *err)
{
	unsigned long long quota, period = 100000;
	int64_t rounded;

	if (strncmp(value, "max", 3) == 0) {
		/* Without a period the kernel leaves it, and so do we. */
		if (sscanf(value, "max %llu", &period) == 1)
			add_u64(list, "CPUQuotaPeriodUSec", period);
		add_u64(list, "CPUQuotaPerSecUSec", UINT64_MAX);
		return 0;
	}
	if (sscanf(value, "%llu %llu", &quota, &period) < 1 || quota > INT64_MAX || period == 0)
		return error_set(err, ERR_CONFIG, EINVAL, "\"%s\": expected \"QUOTA PERIOD\"", value);
	add_u64(list, "CPUQuotaPeriodUSec", period);
	add_u64(list, "CPUQuotaPerSecUSec", convert_quota_per_second((int64_t)quota, period, &rounded));
	return 0;
}

static int add_unified(struct property_list *list, const char *key, const char *value, bool create, struct error *err)
{
	static const struct {
		const char *key, *name;
	} numbers[] = {
		{ "memory.max", "MemoryMax" },	       { "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },	       { "memory.min", "MemoryMin" },
		{ "memory.swap.max", "MemorySwapMax" }, { "memory.zswap.max", "MemoryZSwapMax" },
		{ "cpu.weight", "CPUWeight" },	       { "pids.max", "TasksMax" },
	};
	char *end = NULL;
	uint64_t n;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (strcmp(key, numbers[i].key) != 0)
			continue;
		n = UINT64_MAX;
		if (strcmp(value, "max") != 0)
			n = strtoull(value, &end, 10);
		if (end && (end == value || *end))
			return error_set(err, ERR_CONFIG, EINVAL, "\"%s\": expected a number or \"max\"", value);
		add_u64(list, numbers[i].name, n == 0 && strcmp(key, "pids.max") == 0 ? 1 : n);
		return 0;
	}
	if (strcmp(key, "cpu.max") == 0)
		return add_unified_cpu_max(list, value, err);
	if (strcmp(key, "cpu.idle") == 0 && strcmp(value, "1") == 0)
		add_u64(list, "CPUWeight", 0);
	if (strcmp(key, "cpuset.cpus") == 0)
		return add_cpu_list(list, "AllowedCPUs", value, err);
	if (strcmp(key, "cpuset.mems") == 0)
		return add_cpu_list(list, "AllowedMemoryNodes", value, err);
	if (strcmp(key, "memory.oom.group") == 0 && create) {
		struct property *p = property_add(list, "OOMPolicy", PROPERTY_STRING);

		p->string = strcmp(value, "1") == 0 ? "kill" : "continue";
		p->optional = true;
	}
	return 0; /* the file is written all the same */
}

int property_add_resources(struct property_list *list, const struct config_resources *res, bool v2, bool create,
	struct error *err)
{
	int r = 0;

	if (res->memory)
		r = add_memory(list, res->memory, v2, err);
	if (r == 0 && res->cpu)
		r = add_cpu(list, res->cpu, v2, err);
	/* systemd takes 0 for nonsense; the file gets it. */
	if (r == 0 && res->pids.set && res->pids.limit.set)
		add_u64(list, "TasksMax", res->pids.limit.value == 0 ? 1 : limit(res->pids.limit.value));
	if (r == 0 && res->block_io && res->block_io->weight.set && res->block_io->weight.value) {
		if (v2)
			add_u64(list, "IOWeight", convert_blkio_weight(res->block_io->weight.value));
		else
			add_u64(list, "BlockIOWeight", res->block_io->weight.value);
	}
	for (size_t i = 0; r == 0 && v2 && i < res->unified.count; i++) {
		r = add_unified(list, res->unified.items[i].key, res->unified.items[i].value, create, err);
		if (r < 0)
			error_path(err, "linux.resources.unified[\"%s\"]", res->unified.items[i].key);
	}
	return r;
}

/* --- devices ------------------------------------------------------------------------------- */

/* systemd names all minors of a major by the driver's name in /proc/devices. */
static const char *driver_name(struct arena *a, const char *devices, char type, int64_t major)
{
	const char *p = strstr(devices, type == 'b' ? "Block devices:" : "Character devices:");
	const char *end = p && type == 'c' ? strstr(p, "Block devices:") : NULL;

	for (p = p ? strchr(p, '\n') : NULL; p && (!end || p < end); p = strchr(p + 1, '\n')) {
		char name[64];
		long long number;

		if (sscanf(p + 1, "%lld %63s", &number, name) == 2 && number == major)
			return arena_strdup(a, name);
	}
	return NULL;
}

static void add_device(struct property_list *list, struct property *p, const char *path, unsigned int access)
{
	p->strings = arena_grow(list->arena, p->strings, p->count * sizeof *p->strings, (p->count + 2) * sizeof *p->strings);
	p->strings[p->count++] = path;
	p->strings[p->count++] = arena_printf(list->arena, "%s%s%s", access & DEVICE_READ ? "r" : "",
		access & DEVICE_WRITE ? "w" : "", access & DEVICE_MKNOD ? "m" : "");
}

int property_add_devices(struct property_list *list, const struct config_resources *res, struct error *err)
{
	struct arena *a = list->arena;
	struct device_rules rules;
	struct property *policy, *allow;
	char *devices = NULL;
	int r = device_rules_make(a, res, &rules, err);

	if (r < 0)
		return r;
	policy = property_add(list, "DevicePolicy", PROPERTY_STRING);
	policy->string = rules.default_allow ? "auto" : "strict";
	allow = property_add(list, "DeviceAllow", PROPERTY_DEVICES);
	if (rules.default_allow)
		return 0; /* what is denied is denied by the runtime's own program */
	if (fd_read_file(AT_FDCWD, "/proc/devices", a, UINT32_C(1024) * 1024, &devices, NULL) < 0)
		devices = arena_strdup(a, "");
	for (size_t i = 0; i < rules.count; i++) {
		const struct device_rule *d = &rules.items[i];
		const char *kind = d->type == 'b' ? "block" : "char", *name;

		/* Denials inside wider rules are the program's business, too: both must agree to an access. */
		if (!d->allow)
			continue;
		if (d->major >= 0 && d->minor >= 0) {
			add_device(list, allow, arena_printf(a, "/dev/%s/%" PRId64 ":%" PRId64, kind, d->major, d->minor), d->access);
		} else if (d->major < 0) {
			add_device(list, allow, arena_printf(a, "%s-*", kind), d->access);
		} else {
			name = driver_name(a, devices, d->type, d->major);
			if (name)
				add_device(list, allow, arena_printf(a, "%s-%s", kind, name), d->access);
		}
	}
	return 0;
}
