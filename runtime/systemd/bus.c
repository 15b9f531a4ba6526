/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: sd-bus through dlopen, in the helper (helper.c).
 *
 * libsystemd is loaded when the connection is opened, by the name that its ABI
 * is stable under.  The few functions needed are declared here, so that building
 * needs no header.
 *
 * systemd's private socket comes first: it saves the way through the bus daemon,
 * works without one, and gets the manager's signals unasked; then the bus.
 *
 * A job is waited for by its JobRemoved signal, which is subscribed to before
 * the job is made.  A property that this systemd does not know is left out when
 * it is marked optional, and the call is made again.
 */
#include "runtime/cgroup/dbus.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DESTINATION "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define JOB_SECONDS 30

typedef struct sd_bus sd_bus;
typedef struct sd_bus_message sd_bus_message;
typedef struct {
	const char *name;
	const char *message;
	int need_free;
} sd_bus_error;
typedef int handler_fn(sd_bus_message *m, void *data, sd_bus_error *e);

/* --- the library ---------------------------------------------------------------------- */

static struct {
	void *handle;
	int (*bus_new)(sd_bus **);
	int (*set_address)(sd_bus *, const char *);
	int (*start)(sd_bus *);
	int (*open_system)(sd_bus **);
	int (*open_user)(sd_bus **);
	sd_bus *(*flush_close_unref)(sd_bus *);
	int (*new_method_call)(sd_bus *, sd_bus_message **, const char *, const char *, const char *, const char *);
	int (*append)(sd_bus_message *, const char *, ...);
	int (*append_array)(sd_bus_message *, char, const void *, size_t);
	int (*open_container)(sd_bus_message *, char, const char *);
	int (*close_container)(sd_bus_message *);
	int (*call)(sd_bus *, sd_bus_message *, uint64_t, sd_bus_error *, sd_bus_message **);
	int (*read)(sd_bus_message *, const char *, ...);
	sd_bus_message *(*message_unref)(sd_bus_message *);
	void (*error_free)(sd_bus_error *);
	int (*add_match)(sd_bus *, void **, const char *, handler_fn *, void *);
	int (*process)(sd_bus *, sd_bus_message **);
	int (*wait)(sd_bus *, uint64_t);
	int (*get_property_string)(sd_bus *, const char *, const char *, const char *, const char *, sd_bus_error *, char **);
	int (*path_encode)(const char *, const char *, char **);
} sd;

static int load(struct error *err)
{
#ifndef HAVE_SYSTEMD
	return error_set(err, ERR_UNSUPPORTED, EOPNOTSUPP, "this oci-rt was built without the systemd cgroup manager");
#else
	static const struct {
		const char *name;
		void **slot;
	} symbols[] = {
		{ "sd_bus_new", (void **)&sd.bus_new },
		{ "sd_bus_set_address", (void **)&sd.set_address },
		{ "sd_bus_start", (void **)&sd.start },
		{ "sd_bus_open_system", (void **)&sd.open_system },
		{ "sd_bus_open_user", (void **)&sd.open_user },
		{ "sd_bus_flush_close_unref", (void **)&sd.flush_close_unref },
		{ "sd_bus_message_new_method_call", (void **)&sd.new_method_call },
		{ "sd_bus_message_append", (void **)&sd.append },
		{ "sd_bus_message_append_array", (void **)&sd.append_array },
		{ "sd_bus_message_open_container", (void **)&sd.open_container },
		{ "sd_bus_message_close_container", (void **)&sd.close_container },
		{ "sd_bus_call", (void **)&sd.call },
		{ "sd_bus_message_read", (void **)&sd.read },
		{ "sd_bus_message_unref", (void **)&sd.message_unref },
		{ "sd_bus_error_free", (void **)&sd.error_free },
		{ "sd_bus_add_match", (void **)&sd.add_match },
		{ "sd_bus_process", (void **)&sd.process },
		{ "sd_bus_wait", (void **)&sd.wait },
		{ "sd_bus_get_property_string", (void **)&sd.get_property_string },
		{ "sd_bus_path_encode", (void **)&sd.path_encode },
	};
	void *handle;

	if (sd.handle)
		return 0;
	handle = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		error_hint(err, "install libsystemd (libsystemd0), or use --cgroup-manager=cgroupfs");
		return error_set(err, ERR_UNSUPPORTED, ENOPKG, "the systemd cgroup manager needs libsystemd.so.0: %s", dlerror());
	}
	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		*symbols[i].slot = dlsym(handle, symbols[i].name);
		if (!*symbols[i].slot) {
			dlclose(handle);
			return error_set(err, ERR_UNSUPPORTED, ENOPKG, "libsystemd.so.0 has no %s: it is too old", symbols[i].name);
		}
	}
	sd.handle = handle;
	return 0;
#endif
}

/* --- connections ------------------------------------------------------------------------ */

struct dbus {
	sd_bus *bus;
	bool private, subscribed;
	/* The job waited for, and how it ended. */
	char job[128], result[32];
	struct {
		char job[128], result[32];
	} seen[16];
	unsigned int seen_count;
};

static int open_private(const char *address, sd_bus **bus)
{
	sd_bus *b = NULL;
	int r = sd.bus_new(&b);

	if (r >= 0)
		r = sd.set_address(b, address);
	if (r >= 0)
		r = sd.start(b);
	if (r < 0) {
		sd.flush_close_unref(b);
		return r;
	}
	*bus = b;
	return 0;
}

static int job_removed(sd_bus_message *m, void *data, sd_bus_error *e)
{
	struct dbus *d = data;
	const char *path, *unit, *result;
	uint32_t id;

	(void)e;
	if (sd.read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	/* The answer that names our job may come after the job's end: keep the last ones. */
	snprintf(d->seen[d->seen_count % 16].job, sizeof d->seen[0].job, "%s", path);
	snprintf(d->seen[d->seen_count % 16].result, sizeof d->seen[0].result, "%s", result);
	d->seen_count++;
	return 0;
}

int dbus_open(bool user, struct dbus **out, struct error *err)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	char address[PATH_MAX];
	struct dbus *d;
	int r = load(err);

	if (r < 0)
		return r;
	d = calloc(1, sizeof *d);
	if (!d)
		return error_sys(err, ENOMEM, "connect to systemd");
	if (user)
		snprintf(address, sizeof address, "unix:path=%s/systemd/private", runtime_dir ? runtime_dir : "");
	else
		snprintf(address, sizeof address, "unix:path=/run/systemd/private");
	r = user && !runtime_dir ? -ENOENT : open_private(address, &d->bus);
	d->private = r >= 0;
	if (r < 0)
		r = user ? sd.open_user(&d->bus) : sd.open_system(&d->bus);
	if (r < 0) {
		free(d);
		if (user)
			error_hint(err, "is there a user session (loginctl enable-linger), and are XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS "
					"set? Or use --cgroup-manager=cgroupfs");
		else
			error_hint(err, "is systemd this machine's init? Or use --cgroup-manager=cgroupfs");
		return error_sys(err, -r, "connect to the %s systemd", user ? "user's" : "system's");
	}
	*out = d;
	return 0;
}

void dbus_close(struct dbus *d)
{
	if (!d)
		return;
	sd.flush_close_unref(d->bus);
	free(d);
}

/* --- calls -------------------------------------------------------------------------------- */

static int bus_error(struct error *err, int r, const sd_bus_error *e, const char *what, const char *unit)
{
	if (e->name && strcmp(e->name, "org.freedesktop.systemd1.UnitExists") == 0)
		r = -EEXIST;
	if (e->message)
		return error_set(err, r == -EACCES || r == -EPERM ? ERR_PERMISSION : ERR_SYSTEM, -r, "systemd: %s %s: %s", what, unit,
			e->message);
	return error_sys(err, -r, "systemd: %s %s", what, unit);
}

static int new_call(struct dbus *d, const char *member, sd_bus_message **m)
{
	return sd.new_method_call(d->bus, m, DESTINATION, MANAGER_PATH, MANAGER, member);
}

static bool is_no_unit(const sd_bus_error *e)
{
	return e->name && (strcmp(e->name, "org.freedesktop.systemd1.NoSuchUnit") == 0 ||
				  strcmp(e->name, "org.freedesktop.systemd1.UnitNotLoaded") == 0);
}

static int append_value(sd_bus_message *m, const struct property *p)
{
	int r;

	switch (p->type) {
	case PROPERTY_BOOL:
		return sd.append(m, "v", "b", (int)p->boolean);
	case PROPERTY_STRING:
		return sd.append(m, "v", "s", p->string);
	case PROPERTY_I32:
		return sd.append(m, "v", "i", (int32_t)p->i);
	case PROPERTY_U32:
		return sd.append(m, "v", "u", (uint32_t)p->u);
	case PROPERTY_I64:
		return sd.append(m, "v", "x", p->i);
	case PROPERTY_U64:
		return sd.append(m, "v", "t", p->u);
	case PROPERTY_DOUBLE:
		return sd.append(m, "v", "d", p->d);
	case PROPERTY_PIDS:
		return sd.append(m, "v", "au", 1, (uint32_t)p->u);
	case PROPERTY_BYTES:
		r = sd.open_container(m, 'v', "ay");
		if (r >= 0)
			r = sd.append_array(m, 'y', p->bytes, p->count);
		return r < 0 ? r : sd.close_container(m);
	case PROPERTY_STRINGS:
		r = sd.open_container(m, 'v', "as");
		if (r >= 0)
			r = sd.open_container(m, 'a', "s");
		for (size_t i = 0; r >= 0 && i < p->count; i++)
			r = sd.append(m, "s", p->strings[i]);
		break;
	case PROPERTY_DEVICES:
		r = sd.open_container(m, 'v', "a(ss)");
		if (r >= 0)
			r = sd.open_container(m, 'a', "(ss)");
		for (size_t i = 0; r >= 0 && i + 1 < p->count; i += 2)
			r = sd.append(m, "(ss)", p->strings[i], p->strings[i + 1]);
		break;
	default:
		return -EINVAL;
	}
	if (r >= 0)
		r = sd.close_container(m);
	return r < 0 ? r : sd.close_container(m);
}

static int append_properties(sd_bus_message *m, const struct property_list *list)
{
	int r = sd.open_container(m, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < list->count; i++) {
		const struct property *p = &list->items[i];

		if (p->dropped)
			continue;
		r = sd.open_container(m, 'r', "sv");
		if (r >= 0)
			r = sd.append(m, "s", p->name);
		if (r >= 0)
			r = append_value(m, p);
		if (r >= 0)
			r = sd.close_container(m);
	}
	return r < 0 ? r : sd.close_container(m);
}

/* "Cannot set property NAME, or unknown property.": leave it out when that is allowed. */
static bool drop_unknown(struct property_list *list, const sd_bus_error *e)
{
	for (size_t i = 0; e->message && i < list->count; i++) {
		struct property *p = &list->items[i];
		const char *at = strstr(e->message, p->name);
		char after = at ? at[strlen(p->name)] : 'x';

		if (p->optional && !p->dropped && at && at > e->message && at[-1] == ' ' && (after == ',' || after == ' ' || after == '.') &&
			strstr(e->message, "property")) {
			p->dropped = true;
			return true;
		}
	}
	return false;
}

static int subscribe(struct dbus *d, struct error *err)
{
	sd_bus_message *m = NULL;
	sd_bus_error e = { 0 };
	int r;

	if (d->subscribed)
		return 0;
	r = sd.add_match(d->bus, NULL,
		d->private ? "type='signal',interface='" MANAGER "',member='JobRemoved',path='" MANAGER_PATH "'" :
			     "type='signal',sender='" DESTINATION "',interface='" MANAGER "',member='JobRemoved',path='" MANAGER_PATH "'",
		job_removed, d);
	if (r >= 0 && !d->private) {
		r = new_call(d, "Subscribe", &m);
		if (r >= 0)
			r = sd.call(d->bus, m, 0, &e, NULL);
		if (e.name && strstr(e.name, "AlreadySubscribed"))
			r = 0;
		sd.message_unref(m);
	}
	if (r < 0)
		r = bus_error(err, r, &e, "subscribe to", "jobs");
	sd.error_free(&e);
	d->subscribed = r >= 0;
	return r < 0 ? r : 0;
}

static const char *job_result(const struct dbus *d, const char *job)
{
	for (size_t i = 0; i < 16; i++)
		if (strcmp(d->seen[i].job, job) == 0)
			return d->seen[i].result;
	return NULL;
}

static int wait_job(struct dbus *d, const char *job, const char *what, const char *unit, struct error *err)
{
	struct timespec t;
	time_t end;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec + JOB_SECONDS;
	for (;;) {
		const char *result = job_result(d, job);

		if (result && (strcmp(result, "done") == 0 || strcmp(result, "skipped") == 0))
			return 0;
		if (result) {
			error_hint(err, "systemctl status %s", unit);
			return error_set(err, ERR_SYSTEM, EIO, "systemd: %s %s: the job's result is \"%s\"", what, unit, result);
		}
		r = sd.process(d->bus, NULL);
		if (r < 0)
			return error_sys(err, -r, "systemd: %s %s", what, unit);
		if (r > 0)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &t);
		if (t.tv_sec >= end)
			return error_set(err, ERR_TIMEOUT, ETIMEDOUT, "systemd: %s %s: not done after %d s", what, unit, JOB_SECONDS);
		r = sd.wait(d->bus, 1000000);
		if (r < 0 && r != -EINTR)
			return error_sys(err, -r, "systemd: %s %s", what, unit);
	}
}

/* Send m, read the path of the job that it made, wait for it. */
static int call_job(struct dbus *d, sd_bus_message *m, sd_bus_error *e, const char *what, const char *unit, struct error *err)
{
	sd_bus_message *reply = NULL;
	const char *path;
	char job[128];
	int r = sd.call(d->bus, m, 0, e, &reply);

	if (r >= 0)
		r = sd.read(reply, "o", &path);
	if (r >= 0) {
		snprintf(job, sizeof job, "%s", path);
		sd.message_unref(reply);
		return wait_job(d, job, what, unit, err);
	}
	sd.message_unref(reply);
	return bus_error(err, r, e, what, unit);
}

int dbus_start_transient(struct dbus *d, const char *unit, struct property_list *list, struct error *err)
{
	int r = subscribe(d, err);

	if (r < 0)
		return r;
	for (;;) {
		sd_bus_message *m = NULL;
		sd_bus_error e = { 0 };
		bool again;

		r = new_call(d, "StartTransientUnit", &m);
		if (r >= 0)
			r = sd.append(m, "ss", unit, "fail");
		if (r >= 0)
			r = append_properties(m, list);
		if (r >= 0)
			r = sd.append(m, "a(sa(sv))", 0);
		if (r < 0)
			r = error_sys(err, -r, "systemd: compose the properties of %s", unit);
		else
			r = call_job(d, m, &e, "start", unit, err);
		again = r < 0 && r != -EEXIST && drop_unknown(list, &e);
		sd.message_unref(m);
		sd.error_free(&e);
		if (!again)
			return r;
		error_clear(err);
	}
}

int dbus_set_properties(struct dbus *d, const char *unit, struct property_list *list, struct error *err)
{
	for (;;) {
		sd_bus_message *m = NULL;
		sd_bus_error e = { 0 };
		bool again;
		int r = new_call(d, "SetUnitProperties", &m);

		if (r >= 0)
			r = sd.append(m, "sb", unit, 1);
		if (r >= 0)
			r = append_properties(m, list);
		if (r >= 0)
			r = sd.call(d->bus, m, 0, &e, NULL);
		if (r < 0)
			r = bus_error(err, r, &e, "set properties of", unit);
		again = r < 0 && drop_unknown(list, &e);
		sd.message_unref(m);
		sd.error_free(&e);
		if (!again)
			return r < 0 ? r : 0;
		error_clear(err);
	}
}

int dbus_reset_failed(struct dbus *d, const char *unit, struct error *err)
{
	sd_bus_message *m = NULL;
	sd_bus_error e = { 0 };
	int r = new_call(d, "ResetFailedUnit", &m);

	if (r >= 0)
		r = sd.append(m, "s", unit);
	if (r >= 0)
		r = sd.call(d->bus, m, 0, &e, NULL);
	if (r < 0)
		r = is_no_unit(&e) ? 0 : bus_error(err, r, &e, "reset", unit);
	sd.message_unref(m);
	sd.error_free(&e);
	return r < 0 ? r : 0;
}

int dbus_stop(struct dbus *d, const char *unit, struct error *err)
{
	sd_bus_message *m = NULL;
	sd_bus_error e = { 0 };
	int r = subscribe(d, err);

	if (r < 0)
		return r;
	r = new_call(d, "StopUnit", &m);
	if (r >= 0)
		r = sd.append(m, "ss", unit, "replace");
	if (r < 0)
		r = error_sys(err, -r, "systemd: stop %s", unit);
	else
		r = call_job(d, m, &e, "stop", unit, err);
	if (r < 0 && is_no_unit(&e)) {
		error_clear(err);
		r = 0;
	}
	sd.message_unref(m);
	sd.error_free(&e);
	if (r == 0)
		dbus_reset_failed(d, unit, NULL);
	return r;
}

int dbus_attach(struct dbus *d, const char *unit, pid_t pid, struct error *err)
{
	sd_bus_message *m = NULL;
	sd_bus_error e = { 0 };
	int r = new_call(d, "AttachProcessesToUnit", &m);

	if (r >= 0)
		r = sd.append(m, "ssau", unit, "/", 1, (uint32_t)pid);
	if (r >= 0)
		r = sd.call(d->bus, m, 0, &e, NULL);
	if (r < 0)
		r = bus_error(err, r, &e, "attach a process to", unit);
	sd.message_unref(m);
	sd.error_free(&e);
	return r < 0 ? r : 0;
}

int dbus_control_group(struct dbus *d, const char *unit, struct arena *a, const char **path, struct error *err)
{
	const char *dot = strrchr(unit, '.');
	const char *interface = dot && strcmp(dot, ".slice") == 0 ? "org.freedesktop.systemd1.Slice" : "org.freedesktop.systemd1.Scope";
	char *object = NULL, *text = NULL;
	sd_bus_error e = { 0 };
	int r = sd.path_encode(MANAGER_PATH "/unit", unit, &object);

	if (r >= 0)
		r = sd.get_property_string(d->bus, DESTINATION, object, interface, "ControlGroup", &e, &text);
	if (r < 0)
		r = bus_error(err, r, &e, "ask for the cgroup of", unit);
	else
		*path = arena_strdup(a, text);
	free(object);
	free(text);
	sd.error_free(&e);
	return r < 0 ? r : 0;
}
