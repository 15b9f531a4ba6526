/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the systemd manager.
 *
 * systemd owns the tree; a container is a transient scope (or a slice) that is
 * delegated to it.  A scope is made around a process that lives already, so it is
 * started by the host side while the container's process waits, before anything
 * of the container runs; systemd moves the process.  Then the runtime writes the
 * limits to the files as it does without systemd, because systemd cannot express
 * them all; those that it can are also properties, so that a daemon-reload does
 * not take them back.
 *
 * Removal: the cgroup is killed and emptied by the runtime (fast, and it covers
 * what the payload made below), then the unit is stopped and forgotten.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup/dbus.h"
#include "runtime/cgroup/undo.h"

static void add_bool(struct property_list *list, const char *name, bool value, bool optional)
{
	struct property *p = property_add(list, name, PROPERTY_BOOL);

	p->boolean = value;
	p->optional = optional;
}

static void add_string(struct property_list *list, const char *name, const char *value)
{
	property_add(list, name, PROPERTY_STRING)->string = value;
}

static bool is_slice(const char *unit)
{
	size_t n = strlen(unit);

	return n > 6 && strcmp(unit + n - 6, ".slice") == 0;
}

static int compose(struct cgroup *cg, const struct config_resources *res, pid_t pid, struct property_list *list,
	struct error *err)
{
	bool v2 = cg->version == CGROUP_V2;
	struct property *p;
	int r;

	add_string(list, "Description", arena_printf(cg->arena, "oci-rt container %s", cg->id));
	if (is_slice(cg->unit)) {
		p = property_add(list, "Wants", PROPERTY_STRINGS);
		p->strings = arena_array(cg->arena, const char *, 1);
		p->strings[p->count++] = cg->slice;
	} else {
		add_string(list, "Slice", cg->slice);
		add_bool(list, "Delegate", true, false);
		property_add(list, "PIDs", PROPERTY_PIDS)->u = (uint64_t)pid;
	}
	add_bool(list, "DefaultDependencies", false, false);
	add_bool(list, "MemoryAccounting", true, true);
	add_bool(list, "CPUAccounting", true, true);
	add_bool(list, v2 ? "IOAccounting" : "BlockIOAccounting", true, true);
	add_bool(list, "TasksAccounting", true, true);
	r = property_add_annotations(list, cg->annotations, err);
	if (r == 0 && res)
		r = property_add_resources(list, res, v2, true, err);
	return r < 0 ? r : property_add_devices(list, res, err);
}

/* A user's instance says itself where it put the unit; so does the system's when it is not the first process. */
static int settle_path(struct cgroup *cg, struct dbus *bus, struct error *err)
{
	const char *path;
	int r = dbus_control_group(bus, cg->unit, cg->arena, &path, err);

	if (r < 0)
		return r;
	path += strspn(path, "/");
	for (size_t i = 0; i < cg->count; i++) {
		struct hierarchy *h = &cg->h[i];

		if (strcmp(h->rel, path) == 0)
			continue;
		h->rel = path;
		h->missing = strlen(path);
		h->m->path = arena_printf(cg->arena, "%s/%s", h->mount_point, path);
	}
	return 0;
}

static int open_v2(struct cgroup *cg, pid_t pid, struct error *err)
{
	struct hierarchy *h = &cg->h[0];
	int r = hierarchy_open(h);

	if (r < 0)
		return error_sys(err, -r, "open cgroup %s of unit %s", h->m->path, cg->unit);
	h->enter_fd = h->m->fd;
	if (cg->subgroup) {
		r = cgroup_make_below(cg, h, cg->subgroup, err);
		if (r == 0)
			r = cgroup_enter_pid(cg, pid, err);
		if (r < 0)
			return r;
	}
	v2_enable(h, UINT32_MAX, 0);
	h->enter_fd = h->m->fd;
	return 0;
}

int systemd_start(struct cgroup *cg, const struct config_resources *res, pid_t pid, struct error *err)
{
	struct property_list list = { .arena = cg->arena };
	_cleanup_dbus_ struct dbus *bus = NULL;
	int r = compose(cg, res, pid, &list, err);

	if (r < 0)
		return r;
	r = dbus_open(cg->user_bus, &bus, err);
	if (r < 0)
		return r;
	r = dbus_start_transient(bus, cg->unit, &list, err);
	if (r == -EEXIST) {
		/* One that failed and was never forgotten is in the way; one that lives is somebody else's. */
		error_clear(err);
		dbus_reset_failed(bus, cg->unit, NULL);
		r = dbus_start_transient(bus, cg->unit, &list, err);
		if (r == -EEXIST) {
			undo_disown(cg);
			error_hint(err, "delete the container that uses it, or give this one another linux.cgroupsPath");
		}
	}
	if (r == 0 && cg->user_bus)
		r = settle_path(cg, bus, err);
	if (r == 0 && is_slice(cg->unit) && cg->version == CGROUP_V2) {
		/* A slice holds no processes itself in systemd's eyes; the container's is moved in by hand. */
		r = open_v2(cg, pid, err);
		return r < 0 ? r : cgroup_enter_pid(cg, pid, err);
	}
	return r == 0 && cg->version == CGROUP_V2 ? open_v2(cg, pid, err) : r;
}

int systemd_update(struct cgroup *cg, const struct config_resources *write, const struct config_resources *merged,
	struct error *err)
{
	struct property_list list = { .arena = cg->arena };
	_cleanup_dbus_ struct dbus *bus = NULL;
	int r = property_add_resources(&list, write, cg->version == CGROUP_V2, false, err);

	(void)merged;
	if (r == 0 && write->devices_set)
		r = property_add_devices(&list, write, err);
	if (r < 0 || list.count == 0)
		return r;
	r = dbus_open(cg->user_bus, &bus, err);
	return r < 0 ? r : dbus_set_properties(bus, cg->unit, &list, err);
}

int systemd_attach_open(struct cgroup *cg, struct error *err)
{
	const char *path;
	int r = dbus_open(cg->user_bus, &cg->attach, err);

	/* A question settles who we are while that can be seen. */
	return r < 0 ? r : dbus_control_group(cg->attach, cg->unit, cg->arena, &path, err);
}

int systemd_attach(const struct cgroup *cg, pid_t pid, struct error *err)
{
	_cleanup_dbus_ struct dbus *bus = NULL;
	int r;

	if (cg->attach)
		return dbus_attach(cg->attach, cg->unit, pid, err);
	r = dbus_open(cg->user_bus, &bus, err);
	return r < 0 ? r : dbus_attach(bus, cg->unit, pid, err);
}

/* "system UNIT PATH": first what is left in the cgroup, then the unit. */
int cgroup_undo_scope(const char *arg, struct error *err)
{
	_cleanup_dbus_ struct dbus *bus = NULL;
	struct arena a = ARENA_INIT;
	const char *space = strchr(arg, ' '), *path, *unit;
	struct error cg_err = { 0 };
	bool user = strncmp(arg, "user ", 5) == 0;
	int r, cg_r = 0;

	if (!space || (!user && strncmp(arg, "system ", 7) != 0))
		return error_set(err, ERR_CORRUPT, EINVAL, "journal: bad unit \"%s\"", arg);
	path = strchr(space + 1, ' ');
	unit = path ? arena_strndup(&a, space + 1, (size_t)(path - space - 1)) : arena_strdup(&a, space + 1);
	if (undo_is_disowned_unit(unit)) {
		arena_free(&a);
		return 0;
	}
	if (path)
		cg_r = cgroup_undo(path + 1, &cg_err);
	r = dbus_open(user, &bus, err);
	if (r == 0)
		r = dbus_stop(bus, unit, err);
	arena_free(&a);
	if (cg_r < 0 && r == 0 && path && access(path + 1, F_OK) == 0) {
		*err = cg_err;
		return cg_r;
	}
	return r;
}
