/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: see device.h.
 *
 * runc appends its default list behind the configuration's rules, so that a
 * configuration cannot deny /dev/null or a terminal at all; here the list stands
 * right behind "deny all", which gives the same result for every configuration
 * that engines write (deny all, then allow some), and obeys explicit denials.
 */
#include "runtime/cgroup/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct device_rule defaults[] = {
	{ true, 'c', -1, -1, DEVICE_MKNOD }, /* making a node is harmless: using it is checked */
	{ true, 'b', -1, -1, DEVICE_MKNOD },
	{ true, 'c', 1, 3, DEVICE_ALL },   /* null */
	{ true, 'c', 1, 5, DEVICE_ALL },   /* zero */
	{ true, 'c', 1, 7, DEVICE_ALL },   /* full */
	{ true, 'c', 1, 8, DEVICE_ALL },   /* random */
	{ true, 'c', 1, 9, DEVICE_ALL },   /* urandom */
	{ true, 'c', 5, 0, DEVICE_ALL },   /* tty */
	{ true, 'c', 5, 2, DEVICE_ALL },   /* ptmx */
	{ true, 'c', 136, -1, DEVICE_ALL }, /* pts */
	{ true, 'c', 10, 200, DEVICE_ALL }, /* tun */
};
#define DEFAULTS (sizeof defaults / sizeof *defaults)

static int parse_access(const char *s, unsigned int *access)
{
	*access = 0;
	if (!s)
		s = "rwm";
	for (; *s; s++) {
		unsigned int bit = *s == 'r' ? DEVICE_READ : *s == 'w' ? DEVICE_WRITE : *s == 'm' ? DEVICE_MKNOD : 0;

		if (!bit)
			return -EINVAL;
		*access |= bit;
	}
	return *access ? 0 : -EINVAL;
}

static int parse_number(struct opt_i64 n, int64_t *value)
{
	*value = n.set ? n.value : -1;
	return *value < -1 || *value > INT32_MAX ? -EINVAL : 0;
}

static void add(struct device_rules *rules, struct device_rule rule)
{
	rules->items[rules->count++] = rule;
}

static void reset(struct device_rules *rules, bool allow)
{
	rules->default_allow = allow;
	rules->count = 0;
	for (size_t i = 0; !allow && i < DEFAULTS; i++)
		add(rules, defaults[i]);
}

int device_rules_make(struct arena *a, const struct config_resources *res, struct device_rules *rules, struct error *err)
{
	size_t n = res ? res->devices_count : 0;

	rules->items = arena_array(a, struct device_rule, DEFAULTS + 2 * n);
	reset(rules, false);
	for (size_t i = 0; i < n; i++) {
		const struct config_device_rule *in = &res->devices[i];
		struct device_rule rule = { .allow = in->allow, .type = in->type ? in->type : 'a' };

		if (!strchr("abc", rule.type) || parse_access(in->access, &rule.access) < 0 ||
			parse_number(in->major, &rule.major) < 0 || parse_number(in->minor, &rule.minor) < 0) {
			error_path(err, "linux.resources.devices[%zu]", i);
			return error_set(err, ERR_CONFIG, EINVAL, "not a device rule: type '%c', access \"%s\"", rule.type,
				in->access ? in->access : "rwm");
		}
		if (rule.type != 'a') {
			add(rules, rule);
		} else if (rule.major < 0 && rule.minor < 0 && rule.access == DEVICE_ALL) {
			reset(rules, rule.allow);
		} else {
			rule.type = 'c';
			add(rules, rule);
			rule.type = 'b';
			add(rules, rule);
		}
	}
	return 0;
}

static bool covers(const struct device_rule *wide, const struct device_rule *narrow)
{
	return wide->type == narrow->type && (wide->major < 0 || wide->major == narrow->major) &&
	       (wide->minor < 0 || wide->minor == narrow->minor);
}

static bool overlap(const struct device_rule *a, const struct device_rule *b)
{
	return a->type == b->type && (a->major < 0 || b->major < 0 || a->major == b->major) &&
	       (a->minor < 0 || b->minor < 0 || a->minor == b->minor);
}

bool device_rules_decide(const struct device_rules *rules, char type, int64_t major, int64_t minor, unsigned int access)
{
	struct device_rule request = { .type = type, .major = major, .minor = minor };

	for (size_t i = rules->count; i-- > 0 && access;) {
		if (!covers(&rules->items[i], &request) || !(rules->items[i].access & access))
			continue;
		if (!rules->items[i].allow)
			return false;
		access &= ~rules->items[i].access;
	}
	return access == 0 || rules->default_allow;
}

/* An exception: merged with one for the same devices. */
static void except(struct device_rules *flat, const struct device_rule *rule)
{
	for (size_t i = 0; i < flat->count; i++) {
		struct device_rule *e = &flat->items[i];

		if (covers(e, rule) && covers(rule, e)) {
			e->access |= rule->access;
			return;
		}
	}
	add(flat, *rule);
}

/*
 * "mknod of any device of this type" beside a narrower "this device: nothing at all", which Docker writes for
 * /dev/fuse.  v1 cannot make the hole; the wide rule stays, because a node that cannot be opened is harmless.
 */
static bool hole_in_mknod(const struct device_rule *wide, const struct device_rule *narrow)
{
	return wide->allow && wide->major < 0 && wide->minor < 0 && wide->access == DEVICE_MKNOD && narrow->access == DEVICE_ALL;
}

/* Back to the default: take the rule's bits from every exception that it covers. */
static int unexcept(struct device_rules *flat, const struct device_rule *rule)
{
	size_t kept = 0;

	for (size_t i = 0; i < flat->count; i++) {
		struct device_rule *e = &flat->items[i];

		if (overlap(e, rule) && (e->access & rule->access)) {
			if (covers(rule, e))
				e->access &= ~rule->access;
			else if (!hole_in_mknod(e, rule))
				return -EOPNOTSUPP;
		}
		if (e->access)
			flat->items[kept++] = *e;
	}
	flat->count = kept;
	return 0;
}

int device_rules_flatten(struct arena *a, const struct device_rules *rules, struct device_rules *flat, struct error *err)
{
	*flat = (struct device_rules){ .default_allow = rules->default_allow };
	flat->items = arena_array(a, struct device_rule, rules->count + 1);
	for (size_t i = 0; i < rules->count; i++) {
		const struct device_rule *rule = &rules->items[i];

		if (rule->allow != rules->default_allow) {
			except(flat, rule);
		} else if (unexcept(flat, rule) < 0) {
			error_hint(err, "put the narrow rules that are to hold in place of the wide one, or use cgroup v2");
			return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
				"cgroup v1 cannot %s %c %" PRId64 ":%" PRId64 " (-1: any) out of a wider rule", rule->allow ? "allow" : "deny",
				rule->type, rule->major, rule->minor);
		}
	}
	return 0;
}

int cgroup_devices(const struct cgroup *cg, const struct config_resources *res, bool update, struct error *err)
{
	const struct hierarchy *h;
	struct device_rules rules;
	int r;

	if (!cgroup_exists(cg))
		return 0;
	r = device_rules_make(cg->arena, res, &rules, err);
	if (r < 0)
		return r;
	if (cg->version == CGROUP_V2)
		return device_v2_apply(cg, cgroup_unified(cg), &rules, err);
	for (size_t i = 0; i < cg->count; i++)
		if (cg->h[i].controllers & CTRL_BIT(CTRL_DEVICES))
			return device_v1_apply(&cg->h[i], &rules, update, err);
	/* No v1 hierarchy of it: a program in the unified one works on hybrid hosts, too. */
	h = cgroup_unified(cg);
	if (h)
		return device_v2_apply(cg, h, &rules, err);
	return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "access to devices cannot be limited: no hierarchy has the controller \"devices\"");
}
