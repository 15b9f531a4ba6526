/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OCI_RT_BASE_JSON_READER_H
#define OCI_RT_BASE_JSON_READER_H

#include "base/json.h"

#include <yajl/yajl_parse.h>

/* Internal to base/json_read.c (objects, arrays, maps) and base/json_values.c (what is in them). */
struct json_frame {
	const struct json_field *field;	  /* the member that this is the value of */
	const struct json_object *object; /* set: an object frame */
	char *base; /* C struct: of the object itself, or of the one that holds the array or map */
	const struct json_field *current; /* object: the member being read, NULL when it is to be ignored */
	const char *key;		  /* map, keyed: the member being read */
	uint64_t seen, present;		  /* object: one bit per field */
	size_t index, capacity;		  /* array: element being read, room */
	bool overfull;			  /* array: the limit was reported */
};

struct json_reader {
	struct arena *arena;
	struct json_errors *errors;
	const struct json_field *root;
	const char *buf;
	yajl_handle yajl;
	char *dest;
	struct json_frame *frames;
	size_t frame_count, frame_capacity;
	size_t skip, depth;
	size_t raw_start; /* offset of the container that a JSON_RAW member began with */
	const struct json_field *raw;
	const char *fatal; /* why we stopped the parser */
	bool seen_root;
};

struct json_place {
	const struct json_field *field; /* NULL: ignore the value */
	enum json_kind kind;
	char *slot; /* the member; for elements of arrays the element */
	char *base; /* the struct that holds the member */
	struct json_frame *frame;
};

/* The place of the value that begins now. */
struct json_place json_next_place(struct json_reader *r);
/* Elements get their slot only when their type is right; false when the array is full (reported). */
bool json_make_element(struct json_reader *r, struct json_place *p);
void json_mark_present(const struct json_place *p);
/* Report that something else was expected.  Returns 1: reading goes on. */
int json_wrong_type(struct json_reader *r, struct json_place *p, const char *found);
/* NUL and length, the rules for every string; false when reported.  what: "a string". */
bool json_string_allowed(struct json_reader *r, const char *s, size_t len, const char *what);

/* yajl's callbacks for values that are no containers. */
int json_on_null(void *ctx);
int json_on_boolean(void *ctx, int value);
int json_on_number(void *ctx, const char *text, size_t len);
int json_on_string(void *ctx, const unsigned char *text, size_t len);

#endif
