/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_DBUS_H
#define OCI_RT_RUNTIME_CGROUP_DBUS_H

#include "runtime/cgroup/property.h"

/*
 * Talking to a systemd instance.  A handle is a connection; every function fills
 * err with systemd's own words.
 */
struct dbus;

/* The system's instance, or the caller's own (user). */
int dbus_open(bool user, struct dbus **bus, struct error *err);
void dbus_close(struct dbus *bus);
static inline void cleanup_dbus(struct dbus **bus)
{
	dbus_close(*bus);
}
#define _cleanup_dbus_ __attribute__((cleanup(cleanup_dbus)))

/* StartTransientUnit, then wait until its job is done.  -EEXIST: there is a unit of this name. */
int dbus_start_transient(struct dbus *bus, const char *unit, struct property_list *list, struct error *err);

/* SetUnitProperties, for the run time of the unit. */
int dbus_set_properties(struct dbus *bus, const char *unit, struct property_list *list, struct error *err);

/* StopUnit, then wait; ResetFailedUnit.  A unit that does not exist is fine. */
int dbus_stop(struct dbus *bus, const char *unit, struct error *err);
int dbus_reset_failed(struct dbus *bus, const char *unit, struct error *err);

/* AttachProcessesToUnit. */
int dbus_attach(struct dbus *bus, const char *unit, pid_t pid, struct error *err);

/* Path of the unit's cgroup, from the root of the hierarchy. */
int dbus_control_group(struct dbus *bus, const char *unit, struct arena *a, const char **path, struct error *err);

#endif
