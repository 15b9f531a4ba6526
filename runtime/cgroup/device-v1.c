/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: device rules on cgroup v1.
 *
 * The kernel keeps a default ("a" written to devices.deny or devices.allow) and
 * exceptions to it.  A new cgroup has its parent's, so create writes everything.
 * Update must not close a device for a moment that stays open: it reads
 * devices.list, allows what is new, then denies what is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "runtime/cgroup/device.h"

static const char *number(int64_t n, char buf[static 24])
{
	if (n < 0)
		return "*";
	snprintf(buf, 24, "%" PRId64, n);
	return buf;
}

/* devices.allow and devices.deny, each opened once: a file takes one rule per write. */
struct rule_files {
	const struct hierarchy *h;
	int fd[2];
};
#define RULE_FILES(h) { (h), { -1, -1 } }

static void cleanup_rule_files(struct rule_files *f)
{
	cleanup_fd(&f->fd[0]);
	cleanup_fd(&f->fd[1]);
}
#define _cleanup_rule_files_ __attribute__((cleanup(cleanup_rule_files)))

static const char *rule_file(bool allow)
{
	return allow ? "devices.allow" : "devices.deny";
}

static int write_text(struct rule_files *f, bool allow, const char *text)
{
	int r = hierarchy_open(f->h);

	if (r == 0 && f->fd[allow] < 0) {
		f->fd[allow] = openat(f->h->m->fd, rule_file(allow), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		r = f->fd[allow] < 0 ? -errno : 0;
	}
	return r < 0 ? r : cg_write_fd(f->fd[allow], text);
}

static int write_rule(struct rule_files *f, bool allow, const struct device_rule *rule, unsigned int access,
	struct error *err)
{
	char major[24], minor[24], text[80];
	int r;

	snprintf(text, sizeof text, "%c %s:%s %s%s%s", rule->type, number(rule->major, major), number(rule->minor, minor),
		access & DEVICE_READ ? "r" : "", access & DEVICE_WRITE ? "w" : "", access & DEVICE_MKNOD ? "m" : "");
	r = write_text(f, allow, text);
	if (r == -EPERM && host_in_userns())
		return 0; /* the namespace's owner decides; what it denied stays denied */
	if (r == -EPERM)
		error_hint(err, "the cgroup above does not allow it");
	return r < 0 ? cg_write_error(f->h, rule_file(allow), text, -r, err) : 0;
}

static int write_all(struct rule_files *f, const struct device_rules *flat, struct error *err)
{
	int r = write_text(f, flat->default_allow, "a");

	if (r == -EPERM && host_in_userns())
		return 0;
	if (r < 0)
		return cg_write_error(f->h, rule_file(flat->default_allow), "a", -r, err);
	for (size_t i = 0; r == 0 && i < flat->count; i++)
		r = write_rule(f, !flat->default_allow, &flat->items[i], flat->items[i].access, err);
	return r;
}

/* "c 1:3 rwm" or "a *:* rwm".  In allow-by-default mode the kernel does not list its exceptions. */
static int parse_list(struct arena *a, char *text, struct device_rules *now)
{
	char *save = NULL;
	size_t lines = 1;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	now->items = arena_array(a, struct device_rule, lines);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct device_rule *rule = &now->items[now->count];
		char major[24], minor[24], access[8];

		if (sscanf(line, "%c %23[0-9*]:%23[0-9*] %7[rwm]", &rule->type, major, minor, access) != 4)
			return -EPROTO;
		if (rule->type == 'a') {
			now->default_allow = true;
			return 0;
		}
		rule->allow = true;
		rule->major = major[0] == '*' ? -1 : strtoll(major, NULL, 10);
		rule->minor = minor[0] == '*' ? -1 : strtoll(minor, NULL, 10);
		rule->access = (strchr(access, 'r') ? DEVICE_READ : 0) | (strchr(access, 'w') ? DEVICE_WRITE : 0) |
			       (strchr(access, 'm') ? DEVICE_MKNOD : 0);
		now->count++;
	}
	return 0;
}

/* Bits that `rules` gives to exactly these devices. */
static unsigned int bits_of(const struct device_rules *rules, const struct device_rule *rule)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->items[i].type == rule->type && rules->items[i].major == rule->major &&
			rules->items[i].minor == rule->minor)
			return rules->items[i].access;
	return 0;
}

int device_v1_apply(const struct hierarchy *h, const struct device_rules *rules, bool update, struct error *err)
{
	_cleanup_rule_files_ struct rule_files files = RULE_FILES(h);
	struct device_rules flat, now = { 0 };
	struct arena a = ARENA_INIT;
	char *text;
	int r = device_rules_flatten(&a, rules, &flat, err);

	if (r == 0 && update && !flat.default_allow && hierarchy_open(h) == 0 &&
		fd_read_file(h->m->fd, "devices.list", &a, UINT32_C(1024) * 1024, &text, NULL) == 0 && parse_list(&a, text, &now) == 0 &&
		!now.default_allow) {
		for (size_t i = 0; r == 0 && i < flat.count; i++) {
			unsigned int more = flat.items[i].access & ~bits_of(&now, &flat.items[i]);

			if (more)
				r = write_rule(&files, true, &flat.items[i], more, err);
		}
		for (size_t i = 0; r == 0 && i < now.count; i++) {
			unsigned int less = now.items[i].access & ~bits_of(&flat, &now.items[i]);

			if (less)
				r = write_rule(&files, false, &now.items[i], less, err);
		}
	} else if (r == 0) {
		r = write_all(&files, &flat, err);
	}
	arena_free(&a);
	return r;
}
