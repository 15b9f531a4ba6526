/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation: what checkpoint and restore are told in the same words. */
#include "runtime/command/checkpoint_options.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

struct choice {
	const char *name;
	int value;
};

static const struct choice cgroup_modes[] = {
	{ "soft", CRIU_CG_SOFT }, { "full", CRIU_CG_FULL }, { "strict", CRIU_CG_STRICT }, { "ignore", CRIU_CG_IGNORE }, { 0 },
};
static const struct choice network_locks[] = {
	{ "iptables", CRIU_LOCK_IPTABLES }, { "nftables", CRIU_LOCK_NFTABLES }, { "skip", CRIU_LOCK_SKIP }, { 0 },
};

static int choose(const struct arguments *args, const char *option, const struct choice *choices, const char *expected,
	struct opt_i64 *value, struct error *err)
{
	const char *text = argument(args, option);

	if (!text || !*text)
		return 0;
	for (; choices->name; choices++) {
		if (strcmp(choices->name, text) == 0) {
			*value = (struct opt_i64){ true, choices->value };
			return 0;
		}
	}
	return error_set(err, ERR_USAGE, EINVAL, "--%s %s: expected %s", option, text, expected);
}

static int empty_namespaces(struct arena *a, const struct arguments *args, struct opt_i64 *flags, struct error *err)
{
	const char *text;
	size_t at = 0;

	while ((text = argument_next(args, "empty-ns", &at))) {
		char *list = arena_strdup(a, text), *save;

		for (char *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
			if (strcmp(name, "network") != 0)
				return error_set(err, ERR_USAGE, EINVAL, "--empty-ns %s: criu can do that for network alone", name);
			*flags = (struct opt_i64){ true, CLONE_NEWNET };
		}
	}
	return 0;
}

int checkpoint_options(const struct runtime *rt, const struct arguments *args, struct criu_job *job, struct error *err)
{
	struct criu_opts *o = &job->opts;
	int r;

	if (geteuid() != 0)
		return error_set(err, ERR_PERMISSION, EACCES, "checkpoint and restore need root");
	job->arena = rt->arena;
	job->image_path = argument(args, "image-path") ? argument(args, "image-path") : "checkpoint";
	job->work_path = argument(args, "work-path");
	if (!*job->image_path)
		return error_set(err, ERR_USAGE, EINVAL, "--image-path needs a directory");
	if (job->work_path && !*job->work_path)
		job->work_path = NULL;
	o->tcp_established = argument_switch(args, "tcp-established");
	o->ext_unix_sk = argument_switch(args, "ext-unix-sk");
	o->shell_job = argument_switch(args, "shell-job");
	o->file_locks = argument_switch(args, "file-locks");
	o->auto_dedup = argument_switch(args, "auto-dedup");
	o->lazy_pages = argument_switch(args, "lazy-pages");
	o->manage_cgroups_mode = (struct opt_i64){ true, CRIU_CG_DEFAULT };
	r = choose(args, "manage-cgroups-mode", cgroup_modes, "soft, full, strict or ignore", &o->manage_cgroups_mode, err);
	if (r == 0)
		r = choose(args, "network-lock", network_locks, "iptables, nftables or skip", &o->network_lock, err);
	if (r == 0)
		r = empty_namespaces(rt->arena, args, &o->empty_ns, err);
	return r;
}
