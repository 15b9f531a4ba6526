/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the program that speaks to systemd for oci-rt.
 *
 * Its standard input is a socket; it answers one request after the other (wire.h)
 * until the other end closes it.  bus.c does the work.  It prints nothing.
 */
#include <errno.h>
#include <string.h>

#include "runtime/cgroup/dbus.h"
#include "runtime/systemd/wire.h"

static int with_unit(struct dbus *bus, uint64_t kind, struct wire *in, const char **text, struct error *err)
{
	const char *unit = wire_get_text(in);
	struct property_list list = { 0 };
	uint64_t pid;

	if (!bus || !unit)
		return error_set(err, ERR_SYSTEM, EBADMSG, "a request to the systemd helper without a connection or a unit");
	switch (kind) {
	case WIRE_START:
	case WIRE_SET:
		wire_get_properties(in, &list);
		if (in->bad)
			break;
		return kind == WIRE_START ? dbus_start_transient(bus, unit, &list, err) : dbus_set_properties(bus, unit, &list, err);
	case WIRE_STOP:
		return dbus_stop(bus, unit, err);
	case WIRE_RESET:
		return dbus_reset_failed(bus, unit, err);
	case WIRE_ATTACH:
		pid = wire_get_u64(in);
		if (in->bad)
			break;
		return dbus_attach(bus, unit, (pid_t)pid, err);
	case WIRE_CONTROL_GROUP:
		return dbus_control_group(bus, unit, in->arena, text, err);
	default:
		break;
	}
	return error_set(err, ERR_SYSTEM, EBADMSG, "a request to the systemd helper cannot be read");
}

int main(void)
{
	struct dbus *bus = NULL;
	int r;

	do {
		struct arena arena = ARENA_INIT;
		struct wire in = { .arena = &arena }, out = { .arena = &arena };
		struct error err = { 0 };
		const char *text = NULL;
		uint64_t kind;

		r = wire_receive(0, &in);
		if (r > 0) {
			int result;

			kind = wire_get_u64(&in);
			if (kind == WIRE_OPEN && !bus)
				result = dbus_open(wire_get_u64(&in), &bus, &err);
			else
				result = with_unit(bus, kind, &in, &text, &err);
			wire_put_u64(&out, (uint64_t)-result);
			wire_put_text(&out, text);
			wire_put_bytes(&out, &err, sizeof err);
			if (wire_send(0, &out) < 0)
				r = -1;
		}
		arena_free(&arena);
	} while (r > 0);
	dbus_close(bus);
	return r < 0;
}
