/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CGROUP_PROPERTY_H
#define OCI_RT_RUNTIME_CGROUP_PROPERTY_H

#include "runtime/cgroup/internal.h"

/*
 * Properties of a systemd unit, before they become a D-Bus message.  Pure: what
 * is sent can be tested without a systemd.
 */
enum property_type {
	PROPERTY_BOOL,	  /* b */
	PROPERTY_STRING,  /* s */
	PROPERTY_I32,	  /* i */
	PROPERTY_U32,	  /* u */
	PROPERTY_I64,	  /* x */
	PROPERTY_U64,	  /* t */
	PROPERTY_DOUBLE,  /* d */
	PROPERTY_STRINGS, /* as */
	PROPERTY_BYTES,	  /* ay */
	PROPERTY_PIDS,	  /* au, one element */
	PROPERTY_DEVICES, /* a(ss): strings holds pairs */
};

struct property {
	const char *name;
	enum property_type type;
	union {
		bool boolean;
		const char *string;
		int64_t i;
		uint64_t u;
		double d;
	};
	const char **strings;
	size_t count; /* of strings, or of bytes */
	const uint8_t *bytes;
	bool optional; /* a systemd that does not know it may do without: the value is also written to the file */
	bool dropped;
};

struct property_list {
	struct arena *arena;
	struct property *items;
	size_t count, room;
};

struct property *property_add(struct property_list *list, const char *name, enum property_type type);

/* org.systemd.property.NAME annotations: text as in g_variant_print(), "uint64 5", "true", "'text'", "['a', 'b']".
 * NAMESec with a number becomes NAMEUSec in microseconds. */
int property_add_annotations(struct property_list *list, const struct config_map *annotations, struct error *err);

/* linux.resources.  create: also what can be set only when the unit starts. */
int property_add_resources(struct property_list *list, const struct config_resources *res, bool v2, bool create,
	struct error *err);

/* Device rules as DevicePolicy and DeviceAllow. */
int property_add_devices(struct property_list *list, const struct config_resources *res, struct error *err);

/* One value in text form; exported for its tests. */
int property_parse(struct arena *a, const char *text, struct property *p);

#endif
