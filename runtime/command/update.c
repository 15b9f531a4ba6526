/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: new limits for a living container.
 *
 *   change   what the caller names: a resources document, or flags; checked by itself
 *   stored   what holds: resources.json of the last update, else linux.resources of the configuration as it was at
 *            create
 *   merged   both together; checked as a whole (quota and burst, memory and swap), then written, then stored
 *
 * Engines write 0 for "leave it" (Docker sends whole documents), so 0 is taken
 * out where it means that; pids.limit 0 is a limit.  Device rules are never
 * touched: engines send those of the configuration with every update, which
 * would take away what a plug-in (a GPU) got since.
 *
 * When a value is refused, what was written before it is put back as far as it
 * is known.
 *
 * The two schema flags go to the container's group of the resource-control
 * filesystem, which create made; they are kept nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/command/update_internal.h"
#include "runtime/config/check.h"
#include "runtime/config/load.h"
#include "runtime/plan/resctrl.h"

static void log_warnings(const struct json_errors *list)
{
	for (size_t i = 0; i < list->count; i++)
		log_warning("%s: %s", list->items[i].path, list->items[i].msg);
}

/* The document of --resources: a file, or "-" for stdin. */
static int read_document(const char *name, struct arena *a, struct config_resources **change, struct error *err)
{
	_cleanup_fd_ int fd = -1;
	struct json_errors warnings = { 0 };
	struct stat st;
	int r;

	if (strcmp(name, "-") == 0) {
		r = resources_load(STDIN_FILENO, "the resources on stdin", a, change, &warnings, err);
	} else {
		fd = open(name, O_RDONLY | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			return error_sys(err, errno, "open resources file %s", name);
		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			return error_set(err, ERR_CONFIG, EISDIR, "resources file %s is a directory", name);
		r = resources_load(fd, name, a, change, &warnings, err);
	}
	if (r == 0)
		log_warnings(&warnings);
	return r;
}

static int read_flags(const struct arguments *args, struct arena *a, bool others, struct config_resources **change,
	struct error *err)
{
	struct json_errors errors = { 0 }, warnings = { 0 };
	bool any;
	int r;

	*change = arena_new(a, struct config_resources);
	r = update_flags(args, a, *change, &any, err);
	if (r < 0)
		return r;
	if (!any && !others) {
		error_hint(err, "give --resources FILE or a flag such as --memory 64m");
		return error_set(err, ERR_USAGE, EINVAL, "update: nothing to change");
	}
	resources_check(*change, a, &errors, &warnings);
	r = json_errors_first(&errors, ERR_USAGE, NULL, err);
	if (r == 0)
		log_warnings(&warnings);
	return r;
}

static void drop_zero_i64(struct opt_i64 *v)
{
	if (v->set && v->value == 0)
		v->set = false;
}

static void drop_zero_u64(struct opt_u64 *v)
{
	if (v->set && v->value == 0)
		v->set = false;
}

/* Take out what is no wish, and add what runc's users expect with one. */
static void normalise(struct config_resources *change)
{
	struct config_memory *m = change->memory;
	struct config_cpu *c = change->cpu;

	if (m) {
		drop_zero_i64(&m->limit);
		drop_zero_i64(&m->reservation);
		drop_zero_i64(&m->swap);
		/* No limit on memory and nothing said about swap: none on both. */
		if (m->limit.set && m->limit.value == -1 && !m->swap.set)
			m->swap = (struct opt_i64){ true, -1 };
	}
	if (c) {
		drop_zero_u64(&c->shares);
		drop_zero_i64(&c->quota);
		drop_zero_u64(&c->period);
		drop_zero_i64(&c->realtime_runtime);
		drop_zero_u64(&c->realtime_period);
	}
	if (change->block_io) {
		drop_zero_u64(&change->block_io->weight);
		drop_zero_u64(&change->block_io->leaf_weight);
	}
	if (change->devices_set)
		log_debug("update leaves the device rules as they are");
	change->devices_set = false;
	change->devices_count = 0;
}

/* What holds until now.  *stored is NULL when the configuration has no limits. */
static int read_stored(struct runtime *rt, int state_fd, const struct config_resources **stored, struct error *err)
{
	_cleanup_fd_ int fd = openat(state_fd, STATE_RESOURCES_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct json_errors warnings = { 0 };
	struct config_resources *resources;
	struct config_document doc;
	int r;

	if (fd >= 0) {
		r = resources_load(fd, STATE_RESOURCES_FILE, rt->arena, &resources, &warnings, err);
		*stored = resources;
	} else if (errno == ENOENT) {
		r = config_load_copy(state_fd, STATE_CONFIG_FILE, rt->arena, &doc, err);
		*stored = r == 0 ? doc.config->linux->resources : NULL;
	} else {
		return error_sys(err, errno, "open %s in the state directory", STATE_RESOURCES_FILE);
	}
	if (r < 0 && err)
		err->code = ERR_CORRUPT;
	return r;
}

/* Best effort: the stored values of what the change named. */
static void put_back(struct cgroup *cg, const struct config_resources *stored, const struct config_resources *change)
{
	struct config_resources back = *stored;
	struct error err = { 0 };

	back.devices_set = false;
	back.devices_count = 0;
	if (!change->memory)
		back.memory = NULL;
	if (!change->cpu)
		back.cpu = NULL;
	if (!change->pids.set)
		back.pids.set = back.pids.limit.set = false;
	if (!change->block_io)
		back.block_io = NULL;
	if (!change->network)
		back.network = NULL;
	if (change->hugepage_limits_count == 0)
		back.hugepage_limits_count = 0;
	if (change->rdma_count == 0)
		back.rdma_count = 0;
	if (change->unified.count == 0)
		back.unified.count = 0;
	if (cgroup_update(cg, stored, &back, &err) < 0)
		log_warning("putting the limits back after a failed update: %s", err.msg);
}

static int change_limits(struct runtime *rt, struct opened *o, struct config_resources *change, struct error *err)
{
	const struct config_resources *stored = NULL;
	struct config_resources merged, write;
	struct json_errors errors = { 0 }, warnings = { 0 };
	const char *text;
	size_t len;
	int r = read_stored(rt, o->state_fd, &stored, err);

	if (r < 0)
		return r;
	resources_merge(rt->arena, stored, change, &merged, &write);
	resources_check(&merged, rt->arena, &errors, &warnings);
	r = json_errors_first(&errors, ERR_CONFIG, NULL, err);
	if (r < 0)
		return error_wrap(err, "together with the present limits");
	r = cgroup_update(o->cgroup, stored, change, err);
	if (r < 0) {
		if (stored && cgroup_exists(o->cgroup))
			put_back(o->cgroup, stored, change);
		return r;
	}
	text = resources_format(rt->arena, &merged, &len);
	r = fd_replace_file(o->state_fd, STATE_RESOURCES_FILE, text, len, 0600);
	return r < 0 ? error_sys(err, -r, "write %s in the state directory", STATE_RESOURCES_FILE) : 0;
}

/* Flags for the container's group of the resource-control filesystem. */
struct schemas {
	const char *l3_cache, *mem_bw;
	struct resctrl_group group;
};

/* Find the group before anything is changed. */
static int find_group(struct runtime *rt, const struct opened *o, struct schemas *s, struct error *err)
{
	struct config_document doc;
	const char *root;
	int r;

	if (!s->l3_cache && !s->mem_bw)
		return 0;
	r = config_load_copy(o->state_fd, STATE_CONFIG_FILE, rt->arena, &doc, err);
	if (r < 0)
		return r;
	if (!doc.config->linux->intel_rdt) {
		error_hint(err, "a container gets a group at create, from linux.intelRdt");
		return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "--%s: container \"%s\" has no group of the resource-control "
			"filesystem", s->l3_cache ? "l3-cache-schema" : "mem-bw-schema", o->state.id);
	}
	r = resctrl_find(rt->arena, &root, err);
	if (r == 0)
		resctrl_group_of(root, doc.config->linux->intel_rdt, o->state.id, rt->arena, &s->group);
	return r;
}

static int run(struct runtime *rt, const struct arguments *args, struct error *err)
{
	struct schemas schemas = { .l3_cache = update_flag(args, "l3-cache-schema"), .mem_bw = update_flag(args, "mem-bw-schema") };
	const char *file = update_flag(args, "resources");
	bool resctrl = schemas.l3_cache || schemas.mem_bw;
	struct config_resources *change;
	struct opened o;
	int r;

	/* Before the lock: stdin may take its time. */
	if (file)
		r = read_document(file, rt->arena, &change, err);
	else
		r = read_flags(args, rt->arena, resctrl, &change, err);
	if (r < 0)
		return r;
	normalise(change);
	r = container_open(rt, args->operands[0], true, &o, err);
	if (r == 0 && o.status == STATUS_STOPPED)
		r = error_set(err, ERR_NOT_RUNNING, ESRCH, "container not running: no such process");
	if (r == 0)
		r = find_group(rt, &o, &schemas, err);
	if (r == 0)
		r = change_limits(rt, &o, change, err);
	if (r == 0 && resctrl)
		r = resctrl_update(&schemas.group, schemas.l3_cache, schemas.mem_bw, rt->arena, err);
	container_close(&o);
	return r;
}

static const struct command_option options[] = {
	{ .name = "resources", .letter = 'r', .value = "FILE",
		.help = "a linux.resources document, - for stdin; limits given as flags are ignored then" },
	UPDATE_FLAGS,
	{ .name = "l3-cache-schema", .value = "SCHEMA", .help = "L3 cache schema of Intel RDT" },
	{ .name = "mem-bw-schema", .value = "SCHEMA", .help = "memory bandwidth schema of Intel RDT" },
	{ 0 },
};

const struct command command_update = {
	.name = "update",
	.usage = "[options] ID",
	.summary = "change the limits of a container",
	.options = options,
	.operands_min = 1,
	.operands_max = 1,
	.run = run,
};
