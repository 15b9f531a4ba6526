/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_RUNTIME_CRIU_WIRE_H
#define OCI_RT_RUNTIME_CRIU_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json_types.h"

/*
 * The Protocol Buffers wire format, as far as CRIU's messages need it: a C
 * struct and one descriptor table per message.  Unknown fields are skipped.
 */
enum wire_kind {
	WIRE_BOOL,     /* bool: sent when true */
	WIRE_INT,      /* struct opt_i64: sent when set (int32, uint32, enum) */
	WIRE_STRING,   /* const char *: sent when not NULL */
	WIRE_STRINGS,  /* const char ** and size_t */
	WIRE_MESSAGE,  /* pointer to a struct: sent when not NULL */
	WIRE_MESSAGES, /* array of structs and size_t */
};

struct wire_field {
	uint32_t number;
	enum wire_kind kind;
	uint16_t offset, count_offset;
	const struct wire_message *message;
};

struct wire_message {
	const struct wire_field *fields;
	size_t count;
	size_t size; /* bytes of the C struct */
};

#define WIRE_F(NUMBER, KIND, T, M)                                                                                     \
	{                                                                                                              \
		.number = (NUMBER), .kind = (KIND), .offset = offsetof(T, M)                                           \
	}
#define WIRE_F_LIST(NUMBER, KIND, T, M, ...)                                                                           \
	{                                                                                                              \
		.number = (NUMBER), .kind = (KIND), .offset = offsetof(T, M), .count_offset = offsetof(T, M##_count),  \
		##__VA_ARGS__                                                                                          \
	}
#define WIRE_F_MESSAGE(NUMBER, T, M, MESSAGE)                                                                          \
	{                                                                                                              \
		.number = (NUMBER), .kind = WIRE_MESSAGE, .offset = offsetof(T, M), .message = (MESSAGE)               \
	}
#define WIRE_MESSAGE_OF(T, FIELDS)                                                                                     \
	{                                                                                                              \
		.fields = (FIELDS), .count = sizeof(FIELDS) / sizeof((FIELDS)[0]), .size = sizeof(T)                   \
	}

/* The bytes of a struct, in the arena. */
const void *wire_encode(const struct wire_message *m, const void *value, struct arena *a, size_t *len);

/* Fill a zeroed struct; strings and messages are copied into the arena.  -EBADMSG when the bytes are no message.  Lists
 * are not read: no answer has one. */
int wire_decode(const struct wire_message *m, const void *data, size_t len, struct arena *a, void *value);

#endif
