/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_JSON_H
#define OCI_RT_BASE_JSON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json_types.h"

/*
 * A JSON reader driven by tables: one struct json_object describes one JSON
 * object and the C struct it is stored in, one struct json_field one member.
 * json_read() fills the struct in one pass over the text, without a tree in
 * between, and collects every error with its JSON path.
 *
 * The rules (RFC 8259, and stricter):
 *  - unknown members are ignored with all they contain;
 *  - a wrong type, a missing required member, an integer outside its range, a
 *    fraction where an integer belongs, an unknown name where a name from a
 *    list belongs, a NUL character, a member given twice: each is an error,
 *    and reading goes on;
 *  - 1e3 and 2.0 are integers, 1.5 is not; 64-bit integers are exact;
 *  - null counts as absent, except as an element of an array;
 *  - broken syntax, invalid UTF-8, half a surrogate pair and nesting deeper
 *    than JSON_MAX_DEPTH end the reading, with line and column (in bytes).
 */
#define JSON_MAX_INPUT 16777216u /* bytes of a document */
#define JSON_MAX_DEPTH 512u	 /* objects and arrays inside one another */
#define JSON_MAX_ELEMENTS 65536u /* elements of an array, members of a map */
#define JSON_MAX_STRING 1048576u /* bytes of a string, decoded */
#define JSON_MAX_ERRORS 1000u	 /* errors kept; further ones are counted */

/* --- errors ---------------------------------------------------------------- */

struct json_error {
	const char *path; /* "process.rlimits[1].type", "" for the document itself; in the arena */
	const char *msg;  /* what was expected and what was found; in the arena */
};

/* A list of errors (or warnings).  Start with { 0 }; all memory is in the arena. */
struct json_errors {
	struct json_error *items;
	size_t count, capacity;
	size_t dropped; /* errors beyond JSON_MAX_ERRORS */
};

/* Append an error.  path and message are copied into the arena. */
void json_errors_add(struct json_errors *errors, struct arena *a, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));
void json_errors_vadd(struct json_errors *errors, struct arena *a, const char *path, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0), cold));

/* The first error of the list as a struct error with its path; "more" (may be NULL) says where to see the others:
 * "process.cwd: required member is missing (and 3 more; run oci-rt check /b)".  Returns -EINVAL; 0 when the list
 * is empty. */
int json_errors_first(const struct json_errors *errors, enum error_code code, const char *more, struct error *err);

/* s in double quotes for a message: control characters escaped, at most 64 bytes, in the arena. */
const char *json_quote(struct arena *a, const char *s);
const char *json_quote_n(struct arena *a, const char *s, size_t len);

/* --- descriptors ------------------------------------------------------------ */

struct json_reader;
struct json_object;
struct json_field;

/* A name and the value it stands for.  Tables end with { NULL }. */
struct json_name {
	const char *name;
	int64_t value;
};
/* A list of names.  "what" completes `unknown ... "x"`: "namespace type". */
struct json_enum {
	const char *what;
	const struct json_name *names;
};

/* The value of a name, or absent (value, found by the return: true when the name is known). */
bool json_enum_find(const struct json_enum *e, const char *s, size_t len, int64_t *value);
/* The first name with that value, or NULL. */
const char *json_enum_name(const struct json_enum *e, int64_t value);

/* Called with one string (JSON_STRING_TAKE) or each string of an array (JSON_STRINGS_TAKE).  object is the C struct
 * that holds the field; s is NUL-terminated in the arena and may be kept.  Errors go to json_report(). */
typedef void json_take(struct json_reader *r, const struct json_field *field, void *object, const char *s);

enum json_kind {
	JSON_IGNORED = 0,  /* known, but its value is of no interest */
	JSON_STRING,	   /* const char * */
	JSON_STRING_TAKE,  /* a string given to .take */
	JSON_BOOL,	   /* bool */
	JSON_OPT_BOOL,	   /* struct opt_bool */
	JSON_INT,	   /* signed integer of .size bytes */
	JSON_UINT,	   /* unsigned integer of .size bytes */
	JSON_OPT_I64,	   /* struct opt_i64 */
	JSON_OPT_U64,	   /* struct opt_u64 */
	JSON_ENUM,	   /* a string of .names, stored as an integer of .size bytes */
	JSON_OBJECT,	   /* the struct itself */
	JSON_OBJECT_PTR,   /* pointer to a struct in the arena, NULL when absent */
	JSON_STRINGS,	   /* array of const char * */
	JSON_STRINGS_TAKE, /* array of strings, each given to .take */
	JSON_U32S,	   /* array of uint32_t */
	JSON_OBJECTS,	   /* array of structs */
	JSON_MAP,	   /* object of strings: array of struct json_key_value */
	JSON_KEYED,	   /* object of objects: array of structs; the member's name goes to .key_offset */
	JSON_RAW,	   /* object or array as it stands in the text: const char *, NUL-terminated */
};

struct json_field {
	const char *name;
	uint8_t name_length;
	uint8_t kind;	      /* enum json_kind */
	uint8_t size;	      /* bytes of the C member, for JSON_INT, JSON_UINT and JSON_ENUM */
	bool required;	      /* an error when absent or null */
	bool empty_is_absent; /* JSON_STRING, JSON_ENUM: "" counts as absent */
	bool ranged;	      /* min and max hold; otherwise the C type's range */
	bool has_set;	      /* the bool at set_offset becomes true when the member is there */
	uint16_t offset;
	uint16_t count_offset; /* size_t: number of elements */
	uint16_t set_offset;
	uint16_t key_offset;   /* JSON_KEYED: const char * in the element */
	uint32_t max_elements; /* 0: JSON_MAX_ELEMENTS */
	int64_t min;
	uint64_t max;
	const struct json_enum *names; /* JSON_ENUM; with JSON_STRING(S) the only strings allowed */
	const struct json_object *object;
	json_take *take;
	const char *since; /* version of the specification that has it, NULL: the first */
};

struct json_object {
	const char *name;
	const struct json_field *fields;
	uint8_t field_count; /* at most 64 */
	uint32_t size;	     /* bytes of the C struct */
};

/* Initialisers.  T: C struct, M: its member, NAME: the JSON name; further designated initialisers may follow. */
#define JSON_FIELD_(KIND, T, M, NAME)                                                                                  \
	.name = (NAME), .name_length = sizeof(NAME) - 1, .kind = (KIND), .offset = offsetof(T, M),                     \
	.size = sizeof(__typeof__(((T *)NULL)->M)) > 8 ? 0 : sizeof(__typeof__(((T *)NULL)->M))
#define JSON_F(KIND, T, M, NAME, ...)                                                                                  \
	{                                                                                                              \
		JSON_FIELD_(KIND, T, M, NAME), ##__VA_ARGS__                                                           \
	}
/* An integer with bounds of its own. */
#define JSON_F_RANGE(KIND, T, M, NAME, MIN, MAX, ...)                                                                  \
	{                                                                                                              \
		JSON_FIELD_(KIND, T, M, NAME), .ranged = true, .min = (MIN), .max = (MAX), ##__VA_ARGS__               \
	}
/* An array: pointer M and number M_count. */
#define JSON_F_ARRAY(KIND, T, M, NAME, ...)                                                                            \
	{                                                                                                              \
		JSON_FIELD_(KIND, T, M, NAME), .count_offset = offsetof(T, M##_count), ##__VA_ARGS__                   \
	}
/* An array: a member M with items and count. */
#define JSON_F_LIST(KIND, T, M, NAME, ...)                                                                             \
	{                                                                                                              \
		JSON_FIELD_(KIND, T, M.items, NAME), .count_offset = offsetof(T, M.count), ##__VA_ARGS__               \
	}
#define JSON_F_SET(T, M) .has_set = true, .set_offset = offsetof(T, M)
/* A member without a place of its own: ignored, or stored by .take. */
#define JSON_F_BARE(KIND, NAME, ...)                                                                                   \
	{                                                                                                              \
		.name = (NAME), .name_length = sizeof(NAME) - 1, .kind = (KIND), ##__VA_ARGS__                         \
	}
#define JSON_OBJECT_OF(NAME, T, FIELDS)                                                                                \
	{                                                                                                              \
		.name = (NAME), .fields = (FIELDS), .field_count = sizeof(FIELDS) / sizeof((FIELDS)[0]),               \
		.size = sizeof(T)                                                                                      \
	}

/* --- reading ----------------------------------------------------------------- */

/* Read the document buf (len bytes, need not end in NUL) into dest, a zeroed struct of root->size bytes.  Memory
 * comes from the arena and nothing points into buf.  Errors are appended; returns 0, or -EINVAL when there were any
 * (dest then holds what could be read). */
int json_read(const struct json_object *root, const char *buf, size_t len, struct arena *a, void *dest,
	struct json_errors *errors);

/* The same for a document that is described by a field: an array, a map. */
int json_read_field(const struct json_field *root, const char *buf, size_t len, struct arena *a, void *dest,
	struct json_errors *errors);

/* For callbacks: report an error at the value being read. */
void json_report(struct json_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
struct arena *json_reader_arena(struct json_reader *r);

/* A .take for an array of flags: the values of .names are or-ed into the unsigned integer (4 or 8 bytes) at .offset. */
void json_take_flag(struct json_reader *r, const struct json_field *field, void *object, const char *s);

#endif
